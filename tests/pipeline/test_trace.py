"""Every kind of entry that the demo posts is reckoned again to its last digit, from nothing but what its trace names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from carbon import pipeline
from carbon import trace as room
from carbon.config import Settings, load
from carbon.demo import write_demo
from carbon.ledger.store import Ledger
from carbon.trace import trace

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 20, tzinfo=UTC)
KIND = ["scope", "category", "phase", "basis", "method", "factor_kind"]
LEAST_KINDS = 25


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo, accounted."""
    folder: Path = tmp_path_factory.mktemp("demo") / "network"
    write_demo(folder)
    settings = load(folder)
    pipeline.account(settings, now=NOW)
    return settings


def test_every_kind_of_entry_reproduces(demo: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[object, Any] = {}

    def once(settings: Settings, *, now: datetime, window: Any, **_bar: object) -> Any:
        if window not in known:
            known[window] = pipeline.reckon(settings, now=now, window=window)
        return known[window]

    monkeypatch.setattr(room, "reckon", once)  # the same reckoning, kept: a month is reckoned once for all its entries
    entries = Ledger(demo.path("ledger.path")).entries()
    kinds = entries.fillna({"category": 0}).groupby(KIND, dropna=False)["entry"].agg(["first", "last"])
    assert len(kinds) >= LEAST_KINDS
    for entry in sorted({*kinds["first"], *kinds["last"].iloc[::3]}):
        found = trace(demo, entry, now=NOW)
        assert found.faults == []
        by_hand = found.steps.loc[found.steps["name"] == "sum over the rows", "value"].tolist()
        posted = entries.loc[entries["entry"] == entry, "kgco2e"].iloc[0]
        assert by_hand in ([], [pytest.approx(posted, rel=1e-12)])


def test_a_month_of_its_own_is_reckoned_once_more(demo: Settings) -> None:
    """Without anything kept: one entry by the market, which draws on what other months have left."""
    entries = Ledger(demo.path("ledger.path")).entries()
    last = entries[(entries["factor_kind"] == "certificate") & (entries["period"] == "2026-10")].iloc[-1]
    found = trace(demo, last["entry"], now=NOW)
    assert found.faults == []
    assert found.steps.loc[found.steps["name"] == "instruments", "value"].tolist() == [last["factor"]]


NODES = "node,operator,hardware,devices,zone,in_service\nbox,Acme,rtx4090,2,DE,2026-01-01\n"
ROWS = "start,end,node,busy_fraction,load\n2026-10-01T00:00:00Z,2026-10-02T12:00:00Z,box,0.6,decode\n"


def test_a_month_that_was_not_over_is_reckoned_as_of_its_posting(tmp_path: Path) -> None:
    """Idle time, and the share of hardware that nobody used, were those of the days that were over then."""
    (tmp_path / "workload").mkdir()
    (tmp_path / "nodes.csv").write_text(NODES, encoding="utf-8")
    (tmp_path / "workload" / "october.csv").write_text(ROWS, encoding="utf-8")
    settings = load(tmp_path)
    pipeline.account(settings, now=datetime(2026, 10, 10, 6, tzinfo=UTC))
    entries = Ledger(settings.path("ledger.path")).entries()
    chosen = entries.drop_duplicates(["phase", "activity", "basis"])
    assert {"idle", "inference"} <= set(chosen["activity"].dropna())
    for entry in chosen["entry"]:
        assert trace(settings, entry, now=NOW).faults == []
    idle = entries[(entries["activity"] == "idle") & (entries["phase"] == "use")].iloc[0]
    steps = trace(settings, idle["entry"], now=NOW).steps
    assert "sum over the rows" not in set(steps["name"])
