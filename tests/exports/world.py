"""Entries of a small network with validators, as a ledger would have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.report.ledger_entries import entry, frame_of

if TYPE_CHECKING:
    import pandas as pd

METERED = {"method": "location@1", "tier": "measured", "factor_kind": "direct", "factor": "DE/measured@1", "zone": "DE"}
MODELLED = {"method": "power-model@1 x location@1", "tier": "typical", "factor_kind": "direct", "factor": "SE/typical@1"}
HARDWARE = {"scope": 3, "category": 2, "phase": "manufacturing", "factor_kind": "embodied", "factor": "l4/2026-01@ab"}
CHAIN = {"activity": "chain", "node": "validator"}
CHAT = {"activity": "inference", "product": "chat", "model": "llama", "node": "gpu", "gsd2": 1.21}
BUYS = {"basis": "market", "method": "market-annual@1", "tier": None}


def rows(period: str = "2026-10", scale: float = 1.0) -> list[dict[str, Any]]:
    """Entries of a month; emissions and energy times `scale`."""
    found = [
        entry(kgco2e=30.7, energy_kwh=100.1, requests=1_000, tokens=500_000.0, **METERED | CHAT),
        entry(kgco2e=12.3, energy_kwh=60.3, requests=100, **METERED | CHAT | {"basis": "market", "factor_kind": "certificate",
                                                                            "factor": "GO-1", "method": "market-annual@1"}),
        entry(kgco2e=18.9, energy_kwh=39.8, **CHAT | BUYS, factor_kind="residual-mix", factor="DE/residual@1", zone="DE"),
        entry(kgco2e=5.2, energy_kwh=40.4, zone="SE", **MODELLED | CHAIN),
        entry(kgco2e=0.0, energy_kwh=40.4, zone="SE", **BUYS | CHAIN, factor_kind="contract", factor="PPA-1"),
        entry(kgco2e=3.1, basis="either", scope=3, category=3, phase="upstream", zone="SE", **CHAIN,
              method="power-model@1 x upstream@1", tier="typical", factor="SE/typical@1", factor_kind="upstream"),
        entry(kgco2e=2.9, basis="either", scope=3, category=3, phase="upstream", **CHAT, zone="DE", method="upstream@1",
              tier="measured", factor="DE/measured@1", factor_kind="upstream"),
        entry(kgco2e=700.5, basis="incurred", zone="DE", node="gpu", method="incurred@1", **HARDWARE),
        entry(kgco2e=11.7, basis="amortised", zone="DE", method="straight-line@1", **CHAT | HARDWARE),
        entry(kgco2e=1.3, basis="amortised", zone="SE", method="straight-line@1", **CHAIN | HARDWARE),
        entry(kgco2e=0.0468568, basis="incurred", zone="SE", node="validator", method="incurred@1",
              **HARDWARE | {"category": 5, "phase": "disposal", "factor": "l4/2024-01@ab x disposal/weee-recycling/2025@1"}),
    ]  # fmt: skip
    for row in found:
        row |= {"period": period, "kgco2e": row["kgco2e"] * scale}
        row |= {"energy_kwh": row["energy_kwh"] * scale} if "energy_kwh" in row else {}
    return found


def entries(period: str = "2026-10", scale: float = 1.0) -> pd.DataFrame:
    """The same as the ledger gives them."""
    return frame_of(rows(period, scale))
