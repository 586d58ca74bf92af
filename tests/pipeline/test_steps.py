"""A finer series of one zone leaves the figures of the others as they are, to the last bit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from carbon.config import load
from carbon.core.time import to_us
from carbon.grid.imports import import_series
from carbon.pipeline import account

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_half_hourly_series_of_one_zone_corrects_that_zone_alone(tmp_path: Path) -> None:
    (tmp_path / "workload").mkdir()
    (tmp_path / "nodes.csv").write_text(
        "node,operator,hardware,devices,zone,in_service,latitude,longitude\n"
        "a,op,h100-sxm5-80gb,8,DE,2025-01-01,50,8\nb,op,h100-sxm5-80gb,8,GB,2025-01-01,51,0\n"
    )
    rows = [
        f"2026-10-{day:02d}T00:07:13Z,2026-10-{day:02d}T21:59:58.123457Z,{node},{17.3 + day / 7}\n"
        for node in "ab"
        for day in range(1, 29)
    ]
    (tmp_path / "workload" / "w.csv").write_text("start,end,node,energy_kwh\n" + "".join(rows))
    settings = load(tmp_path, environment={})
    first = account(settings, now=NOW).posting
    assert first is not None
    halves = "".join(f"GB,2026-10-01T{half // 2:02d}:{half % 2 * 30:02d}:00Z,{100 + half}\n" for half in range(48))
    (tmp_path / "gb.csv").write_text("zone,start,direct_g_per_kwh\n" + halves)
    import_series(tmp_path / "gb.csv", tmp_path / "grid", retrieved_us=to_us(NOW))
    second = account(settings, now=NOW).posting
    assert second is not None
    # One day of one node: its use line by either method, which is measured now, in place of the annual one.
    assert second.reversals == 2
    assert second.entries == 4
