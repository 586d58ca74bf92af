"""Quality criteria: what is not applied and why; what could never meet energy of ours; the residual mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from carbon.core.errors import UsageError
from carbon.core.findings import Findings
from carbon.core.time import parse_instant
from carbon.grid.residual import fossil_mix, residual_at, residual_g_per_kwh, residual_mixes
from carbon.readers.instruments import read_instruments
from carbon.readers.nodes import read_nodes
from carbon.scope2.quality import applicable, check_matchable, quality, warn_of_quality

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "id,kind,market,start,end,mwh,intensity_g_per_kwh,node,serial_from,retired_on,beneficiary"
MARKET_OF = {"GB": "GB", "DE": "DE", "SE-SE3": "SE", "AGG:EU": ""}
NODES = """\
node,operator,hardware,devices,zone,market,in_service,retired,valid_from
a,op,l4,1,GB,,2025-01-01,2026-07-01,
b,op,l4,1,DE,,2025-01-01,,2025-01-01
b,op,l4,1,SE-SE3,,2025-01-01,,2026-03-01
c,op,l4,1,SE-SE3,NO,2025-01-01,,
"""


@pytest.fixture
def table(tmp_path: Path) -> object:
    """Instruments of lines."""

    def read(*lines: str) -> pd.DataFrame:
        path = tmp_path / "instruments.csv"
        path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
        return read_instruments(path)

    return read


def _faults(instruments: pd.DataFrame, folder: Path, mode: str) -> list[tuple[str, str, int | None, str]]:
    (folder / "nodes.csv").write_text(NODES, encoding="utf-8")
    findings = Findings()
    check_matchable(instruments, read_nodes(folder / "nodes.csv"), {**MARKET_OF, "NO": "NO"}, mode, findings, "instruments.csv")
    return [(fault.severity, fault.code, fault.row, fault.column) for fault in findings]


@pytest.mark.parametrize(
    ("line", "entity", "failed"),
    [
        ("x,certificate,GB,2026-01-01,2026-02-01,1,0,,S1,2026-03-01,Our net", "Our net", ""),
        ("x,certificate,GB,2026-01-01,2026-02-01,1,0,,S1,2026-03-01, our NET ", "Our net", ""),
        ("x,certificate,GB,2026-01-01,2026-02-01,1,0,,S1,2026-03-01,", "", ""),
        ("x,certificate,GB,2026-01-01,2026-02-01,1,0,,S1,2026-03-01,Others", "Our net", "qc3"),
        ("x,certificate,GB,2026-01-01,2026-02-01,1,0,,S1,2026-03-01,", "Our net", "qc3"),
        ("x,certificate,GB,2026-01-01,2026-02-01,1,0,,S1,,Our net", "Our net", "qc3"),
        ("x,certificate,GB,2026-01-01,2026-02-01,1,,,S1,,", "", "qc1 qc3"),
        ("x,contract,GB,2026-01-01,2026-02-01,1,430,,,,", "Our net", ""),
        ("x,supplier,GB,2026-01-01,2026-02-01,1,,,,,", "", "qc1"),
    ],
)  # fmt: skip
def test_one_failed_criterion_keeps_an_instrument_out(table: object, line: str, entity: str, failed: str) -> None:
    """It stays in the list with `applied` false and the criterion; a warning says how to mend it."""
    instruments = table(line)  # type: ignore[operator]
    answers, findings = quality(instruments, entity), Findings()
    assert answers["failed"].tolist() == [failed]
    assert answers["applied"].tolist() == [not failed]
    assert len(applicable(instruments, entity)) == (not failed)
    warn_of_quality(instruments, answers, entity, findings, "instruments.csv")
    assert [fault.row for fault in findings] == [2] * len(failed.split())
    assert not findings.errors


def test_what_no_column_tells_is_not_stated(table: object) -> None:
    """An open question is not an answer, and what does not concern a kind has none."""
    answers = quality(
        table(  # type: ignore[operator]
            "c,certificate,GB,2026-01-01,2026-02-01,1,0,,,2026-03-01,", "p,contract,DE,2026-01-01,2026-02-01,1,0,,,,",
            "s,supplier,DE,2026-01-01,2026-02-01,1,0,,,,",
        ),
        has_residual=lambda market, _: market == "DE",
    ).set_index("id")  # fmt: skip
    assert answers.loc["c", ["qc2", "qc3", "qc6", "qc7", "qc8"]].tolist() == ["not stated", "yes", "", "", "no"]
    assert answers.loc["p", ["qc2", "qc3", "qc6", "qc7", "qc8"]].tolist() == ["", "", "", "not stated", "yes"]
    assert answers.loc["s", ["qc6", "qc7"]].tolist() == ["not stated", ""]
    assert answers["applied"].all()


@pytest.mark.parametrize(
    ("line", "mode", "fault"),
    [
        ("x,contract,GB,2026-01-01,2026-01-02,1,0,,,,", "annual", None),
        ("x,contract,FR,2026-01-01,2026-01-02,1,0,,,,", "annual", ("unknown-market", "market")),
        ("x,contract,NO,2026-01-01,2026-01-02,1,0,,,,", "annual", None),
        ("x,contract,GB,2026-01-01,2026-01-02,1,0,zz,,,", "annual", ("unknown-node", "node")),
        ("x,contract,GB,2026-01-01,2026-01-02,1,0,b,,,", "annual", ("other-market", "market")),
        ("x,contract,GB,2027-01-01,2027-01-02,1,0,,,,", "annual", ("other-period", "start")),
        ("x,contract,GB,2026-08-01,2026-08-02,1,0,,,,", "annual", None),
        ("x,contract,GB,2026-08-01T00:00:00Z,2026-08-01T01:00:00Z,1,0,,,,", "hourly", ("other-period", "start")),
        ("x,contract,DE,2026-02-28T23:00:00Z,2026-03-01T00:00:00Z,1,0,b,,,", "hourly", None),
        ("x,contract,DE,2026-03-01T00:00:00Z,2026-03-01T01:00:00Z,1,0,b,,,", "hourly", ("other-period", "start")),
        ("x,contract,SE,2026-03-01T00:00:00Z,2026-03-01T01:00:00Z,1,0,b,,,", "hourly", None),
    ],
)  # fmt: skip
def test_what_can_never_be_matched_is_an_error(
    table: object, tmp_path: Path, line: str, mode: str, fault: tuple[str, str] | None
) -> None:
    """Node a is in GB until July 2026, b moves from DE to SE in March, c's market is set by hand."""
    expected = [("error", fault[0], 2, fault[1])] if fault else []
    assert _faults(table(line), tmp_path, mode) == expected  # type: ignore[operator]


def test_a_market_without_nodes_is_another_market(table: object, tmp_path: Path) -> None:
    line = "x,contract,SE,2025-06-01,2025-07-01,1,0,c,,,"
    assert _faults(table(line), tmp_path, "annual") == [("error", "other-market", 2, "market")]  # type: ignore[operator]


def test_a_coarse_instrument_is_told_of_where_hours_count(table: object, tmp_path: Path) -> None:
    """An hour's certificate and a month's: the second is spread evenly, with a warning, in the hourly mode alone."""
    lines = ["h,contract,GB,2026-01-01T05:00:00Z,2026-01-01T06:00:00Z,1,0,,,,", "m,contract,GB,2026-01-01,2026-02-01,1,0,,,,"]
    assert _faults(table(*lines), tmp_path, "annual") == []  # type: ignore[operator]
    assert _faults(table(*lines), tmp_path, "hourly") == [("warning", "coarse-instrument", 3, "id")]  # type: ignore[operator]


def _instants(*texts: str) -> np.ndarray:
    return np.array([parse_instant(text) for text in texts])


def test_the_bundled_residual_mix_serves_its_year_and_five_more() -> None:
    """AU 2025 is the one figure that may be passed on; other markets have none until a table of one's own names it."""
    at = _instants("2024-12-31T23:00:00Z", "2025-01-01", "2030-12-31", "2031-01-01")
    np.testing.assert_array_equal(residual_g_per_kwh("AU", at), [np.nan, 810, 810, np.nan])
    assert np.isnan(residual_g_per_kwh("DE", at)).all()


def test_the_closest_figure_holds(tmp_path: Path) -> None:
    """An hour before a month, a month before a year, the newest year that is not after; an empty figure is none."""
    head = "market,year,start,end,residual_g_per_kwh,gas,source,licence,confidence\n"
    lines = [
        "DE,2024,,,700,CO2,mine,own,", "DE,2025,,,720,CO2,mine,own,", "AT,2024,,,,CO2,full disclosure,own,",
        "DE,,2026-03-01,2026-04-01,650,CO2,mine,own,", "DE,,2026-03-05T10:00:00Z,2026-03-05T11:00:00Z,600,CO2,mine,own,",
        "AU,2025,,,5,CO2e,mine,own,",
    ]  # fmt: skip
    (tmp_path / "residual_mix.csv").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    own = str(tmp_path)
    at = _instants("2024-05-01", "2026-02-01", "2026-03-05T10:59:00Z", "2026-03-05T11:00:00Z", "2026-04-01")
    np.testing.assert_array_equal(residual_g_per_kwh("DE", at, own), [700, 720, 600, 650, 720])
    assert np.isnan(residual_g_per_kwh("AT", at, own)).all()
    assert residual_g_per_kwh("AU", at[1:2], own).tolist() == [5]
    names = [residual_mixes("DE", own)[number].id for number in residual_at("DE", at, own)]
    assert names[:3] == ["residual/DE/2024", "residual/DE/2025", "residual/DE/2026-03-05T10:00:00Z"]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "residual_mix.csv").write_text(f"{head}DE,,,,1,CO2,mine,own,\n", encoding="utf-8")
    with pytest.raises(UsageError, match="give the year, or start and end"):
        residual_mixes("DE", str(tmp_path / "bad"))


def test_the_fossil_figure_is_that_of_the_fuel_that_emits_most() -> None:
    assert fossil_mix() == ("fossil/coal", 760.0)
