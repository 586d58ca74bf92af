"""Lines as the engines give them, made by hand: one a node and hour unless told otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from carbon.ledger.entries import LINES, SCHEMA

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PLAIN = {
    "period": "2026-10", "start": "2026-10-01T00:00Z", "end": "2026-10-01T01:00Z", "scope": 2, "category": None,
    "phase": "use", "basis": "location", "node": "n1", "operator": "ops", "zone": "GB", "product": None,
    "model": "llama", "mode": "vanilla", "activity": "inference", "boundary": "own", "energy_kwh": 2.0,
    "requests": 10.0, "tokens": None, "kgco2e": 0.3, "biogenic_kgco2": None, "gsd2": None, "method": "location@1",
    "tier": "measured", "factor_kind": "direct", "factor": "GB/measured/neso@1", "status": "provisional",
    "source": "a.csv@0123456789ab",
}  # fmt: skip


def line(**changed: object) -> dict[str, object]:
    """One line; what is not named is as in PLAIN."""
    return PLAIN | changed


def at_hour(hour: int, **changed: object) -> dict[str, object]:
    """A line for an hour counted from 2026-10-01 00:00 UTC, booked in its month."""
    start = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=hour)
    return line(**{"start": start, "end": start + timedelta(hours=1), "period": f"{start:%Y-%m}"} | changed)


def frame(*lines: dict[str, object]) -> pd.DataFrame:
    """Lines as a DataFrame with the types that the engines give."""
    made = pd.DataFrame(list(lines), columns=list(LINES), dtype=object)
    for name in LINES:
        made[name] = _typed(made[name])
    return made


def many(count: int, seed: int = 0) -> pd.DataFrame:
    """Lines of many nodes and hours of one month, each with a key of its own."""
    random = np.random.default_rng(seed)
    made = frame(line()).take(np.zeros(count, int)).reset_index(drop=True)
    hour, node = np.arange(count) % 744, np.arange(count) // 744
    made["start"] = pd.Timestamp("2026-10-01", tz="UTC").as_unit("us") + pd.to_timedelta(hour, unit="h").as_unit("us")
    made["end"] = made["start"] + pd.Timedelta(hours=1)
    made["node"] = ("node-" + pd.Series(node).astype("str")).astype("str")
    made["energy_kwh"], made["kgco2e"] = random.random(count), random.random(count)
    return made


def _typed(values: pd.Series) -> pd.Series:
    kind = str(SCHEMA.field(str(values.name)).type)
    if kind.startswith("timestamp"):
        return pd.to_datetime(values, utc=True).dt.as_unit("us")
    if values.name == "category":
        return values.astype("Int64")
    return values.astype({"int64": "int64", "double": "float64", "string": "str"}[kind])
