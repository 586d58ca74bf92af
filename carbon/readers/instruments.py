"""Contracts, certificates and supplier rates: one row an instrument, with what says that it is claimed only once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.findings import Findings
from carbon.core.schema import columns
from carbon.core.time import isoformat, us_of
from carbon.readers.convert import Dialect
from carbon.readers.small import read_table

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
    from pathlib import Path

    import pandas as pd

_MARKET = re.compile("[A-Z]{2}")
_SERIAL = re.compile(r"(.*?)([0-9]+)")
_LARGEST_MWH = 1e9  # a year of the world's largest grids is 1e10; watt-hours stay whole numbers in float64


class _Serials(NamedTuple):
    """Serial numbers of one certificate row: registry and text before the digits, first and last number."""

    series: tuple[str, str]
    first: int
    last: int
    row: Hashable


def read_instruments(path: str | Path, *, dialect: Dialect | None = None) -> pd.DataFrame:
    """Instruments, index `row`, columns as in the schema: times UTC, `mwh` [MWh], `intensity_g_per_kwh` [g/kWh].

    Raises InputError with every finding. Whether one can be applied is told by `carbon.scope2.quality`.
    """
    findings = Findings()
    instruments = parse_instruments(path, dialect or Dialect(), findings, str(path))
    findings.raise_errors()
    return instruments


def parse_instruments(path: str | Path, dialect: Dialect, findings: Findings, name: str) -> pd.DataFrame:
    """The same (`mwh` [MWh]), but faults are added to `findings` and stay in. A header without rows is no fault."""
    table = read_table(path, "instruments", dialect, findings, name)
    for check in (_check_ids, _check_market, _check_period, _check_quantity, _check_retirement, _check_serials):
        check(table, findings, name)
    _check_not_ahead(table, dialect, findings, name)
    return table


def without_faults(instruments: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """The rows that no error in `findings` names and that lack nothing required, for checks that go on."""
    named = {finding.row for finding in findings.errors}
    needed = [column.name for column in columns("instruments").values() if column.required]
    return instruments[~instruments.index.isin(named)].dropna(subset=needed)


def _check_ids(table: pd.DataFrame, findings: Findings, name: str) -> None:
    for row in table.index[table["id"].notna() & table.duplicated("id")]:
        findings.error(
            "instrument-twice", "stands twice: it would be used twice", "remove one row, or give the other its own id",
            file=name, row=row, column="id", value=table.at[row, "id"],
        )  # fmt: skip


def _check_market(table: pd.DataFrame, findings: Findings, name: str) -> None:
    for row, market in table["market"].dropna().items():
        if not _MARKET.fullmatch(market):
            findings.error(
                "bad-market", "is not an ISO country code", "write two capital letters, such as DE",
                file=name, row=row, column="market", value=market,
            )  # fmt: skip


def _check_period(table: pd.DataFrame, findings: Findings, name: str) -> None:
    wrong = table.loc[table["end"] <= table["start"], "end"]
    for row, us in zip(wrong.index, us_of(wrong).tolist(), strict=True):
        findings.error(
            "end-before-start", "is not after start", "check both; ends are exclusive",
            file=name, row=row, column="end", value=isoformat(us),
        )  # fmt: skip


def _check_quantity(table: pd.DataFrame, findings: Findings, name: str) -> None:
    for row, mwh in table.loc[table["mwh"] > _LARGEST_MWH, "mwh"].items():
        findings.error(
            "too-high", f"is above {_LARGEST_MWH:g}", "give it in MWh", file=name, row=row, column="mwh", value=mwh
        )


def _check_retirement(table: pd.DataFrame, findings: Findings, name: str) -> None:
    wrong = table.loc[table["retired_on"] < table["start"], "retired_on"]
    for row, us in zip(wrong.index, us_of(wrong).tolist(), strict=True):
        findings.error(
            "retired-before-production", "is before start: what was not yet generated cannot be retired",
            "check both days", file=name, row=row, column="retired_on", value=isoformat(us),
        )  # fmt: skip


def _check_not_ahead(table: pd.DataFrame, dialect: Dialect, findings: Findings, name: str) -> None:
    retired = table["retired_on"].dropna()
    days = us_of(retired)
    for row, us in zip(retired.index[days > dialect.now_us], days[days > dialect.now_us].tolist(), strict=True):
        findings.error(
            "future", "is in the future: nothing is retired yet", "leave it empty until the registry says so",
            file=name, row=row, column="retired_on", value=isoformat(us),
        )  # fmt: skip


def _check_serials(table: pd.DataFrame, findings: Findings, name: str) -> None:
    """Two rows with a serial number of the same registry in common claim one certificate twice (quality criterion 2)."""
    rows = table.dropna(subset=["serial_from"])
    found = [
        _serials(row, cells, findings, name) for row, cells in zip(rows.index, rows.to_dict("records"), strict=True)
    ]
    for earlier, later in _overlapping(one for one in found if one is not None):
        findings.error(
            "serials-overlap", f"overlaps the serial numbers of row {earlier.row} in the same registry: used twice",
            "give each certificate to one row", file=name, row=later.row, column="serial_from",
            value=table.at[later.row, "serial_from"],
        )  # fmt: skip


def _serials(row: Hashable, cells: Mapping[Hashable, object], findings: Findings, name: str) -> _Serials | None:
    """Serial numbers of a row; None, and a finding, where the two ends are not of one series, or the wrong way round."""
    first = str(cells["serial_from"]).strip()
    last = first if _blank(cells["serial_to"]) else str(cells["serial_to"]).strip()
    registry = "" if _blank(cells["registry"]) else str(cells["registry"]).strip().casefold()
    if first == last and not _SERIAL.fullmatch(first):
        return _Serials((registry, first), 0, 0, row)
    ends = [_SERIAL.fullmatch(end) for end in (first, last)]
    if not (ends[0] and ends[1] and ends[0][1] == ends[1][1] and int(ends[0][2]) <= int(ends[1][2])):
        findings.error(
            "bad-serials", f"does not begin a range that ends with {last}",
            "write the first and the last number of one series, such as GO-0001 and GO-0250",
            file=name, row=row, column="serial_from", value=first,
        )  # fmt: skip
        return None
    return _Serials((registry, ends[0][1]), int(ends[0][2]), int(ends[1][2]), row)


def _overlapping(serials: Iterable[_Serials]) -> Iterable[tuple[_Serials, _Serials]]:
    """Each range that overlaps one before it in its series, with the one that reaches furthest."""
    furthest: _Serials | None = None
    for one in sorted(serials, key=lambda serial: (serial.series, serial.first, serial.last, str(serial.row))):
        if furthest is None or furthest.series != one.series:
            furthest = one
            continue
        if one.first <= furthest.last:
            yield furthest, one
        furthest = max(furthest, one, key=lambda serial: serial.last)


def _blank(cell: object) -> bool:
    return cell is None or cell != cell or cell == ""
