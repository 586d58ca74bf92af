"""Assets listed one by one: units of one profile that came together, where they served, and when they left."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

import pandas as pd

from carbon.core.errors import NotFoundError
from carbon.core.findings import Findings, shown
from carbon.core.time import us_of
from carbon.hardware.logistics import legs, place_of
from carbon.hardware.profiles import find_profile
from carbon.readers.checked import read_checked
from carbon.readers.convert import Dialect
from carbon.readers.small import for_people, warn_of

if TYPE_CHECKING:
    from pathlib import Path

    from carbon.readers.checked import Checked

_FIRST = ("embodied_kgco2e", "mass_kg", "origin", "transport")
_APART = "give devices that came at another time an asset of their own"
_MOVED = ("moved-while-retired", "is not before the asset was retired", "check valid_from and retired")
_HOW = {
    "transport": "write a mode and the length in km of each leg, with + between legs; one may leave its length out",
    "origin": "take a place of hardware_profiles/freight_places.csv, or a position",
}
_MANY = 5_000  # names among which near ones are looked for
PROFILES = "see `carbon hardware list`, or name a profile file of your own"


def read_fleet(path: str | Path, *, dialect: Dialect | None = None) -> pd.DataFrame:
    """Assets, index `row`, columns as in the schema: times UTC, `devices` [1], `embodied_kgco2e` and `mass_kg` [kg] of a unit.

    `devices` is Int64; `valid_from` is filled in by its rule. A file that is absent is a fault. Raises InputError with
    every finding.
    """
    findings = Findings()
    fleet = parse_fleet(path, dialect or Dialect(), findings, str(path))
    findings.raise_errors()
    warn_of(findings)
    return for_people(fleet, "fleet")


def parse_fleet(
    path: str | Path, dialect: Dialect, findings: Findings, name: str, nodes: pd.DataFrame | None = None,
    profiles_folder: str = "",
) -> pd.DataFrame:  # fmt: skip
    """The same (masses [kg] of one unit), with faults added to `findings`; an asset with a fault is left out, all of it.

    Nodes are looked up in the register `nodes`, if it is given. A header without rows, and a fleet.csv that is absent, have
    no rows: assets then follow from the register alone.
    """
    table = read_checked(path, "fleet", dialect, findings, name)
    rows = table.rows
    rows["valid_from"] = rows["valid_from"].fillna(rows["in_service"])
    _check_cells(table, profiles_folder)
    if nodes is not None:
        _check_nodes(table, nodes)
    _check_same(table)
    _check_days(table, dialect.now_us)
    _check_order(table)
    _warn_of_start(table)
    if nodes is not None:
        _warn_of_service(table, nodes)
    return rows[_whole(table)].copy()


def _whole(table: Checked) -> pd.Series:
    """Whether each row is of an asset that has no fault, in none of its rows."""
    clean, asset = table.clean(), table.rows["asset"]
    return clean & asset.notna() & ~asset.isin(asset[~clean])


def _ordered(table: Checked) -> pd.DataFrame:
    """Rows of the assets without fault by asset and time."""
    return table.rows[_whole(table)].sort_values(["asset", "valid_from"], kind="stable")


def _once(bad: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """The first row of each asset that is True in `bad`."""
    return bad & ~rows["asset"].where(bad).duplicated()


def _check_cells(table: Checked, profiles_folder: str) -> None:
    rows = table.rows
    table.fault(rows["devices"] % 1 > 0, "devices", "part-device", "is not a whole number", "count whole devices")
    for column, fault_of in (("transport", _transport_fault), ("origin", _origin_fault)):
        for text in rows[column].dropna().unique():
            if problem := fault_of(text):
                table.fault(rows[column] == text, column, f"bad-{column}", problem, _HOW[column])
    for profile in rows["profile"].dropna().unique():
        if problem := profile_fault(profile, profiles_folder):
            table.fault(rows["profile"] == profile, "profile", "unknown-profile", problem, PROFILES, once=True)


def profile_fault(name: str, profiles_folder: str) -> str:
    """What is wrong with a profile that a table names; empty where nothing is."""
    try:
        find_profile(name, profiles_folder)
    except (NotFoundError, ValueError) as error:
        return str(error)
    return ""


def _check_nodes(table: Checked, nodes: pd.DataFrame) -> None:
    known = sorted(nodes["node"].dropna().unique())
    told = table.rows["node"]
    for name in told[~told.isin(known)].dropna().unique():
        near = ", ".join(get_close_matches(shown(name), known, n=3)) if len(known) <= _MANY else ""
        mend = f"near names: {near}" if near else "add it to nodes.csv"
        table.fault(told == name, "node", "unknown-node", "is not in the node register", mend, once=True)


def _check_same(table: Checked) -> None:
    """An asset stands once for a time, and what it is and when it came is one thing in all of its rows."""
    rows = table.rows[table.clean("asset", "valid_from", "in_service")]
    table.fault(
        rows.duplicated(["asset", "valid_from"]), "asset", "asset-twice", "stands twice for the same time",
        f"remove one row, give the later one its valid_from, or {_APART}",
    )  # fmt: skip
    ordered = table.rows.sort_values(["asset", "valid_from"], kind="stable")
    for column in ("profile", "acquired", "in_service"):
        told = ordered[table.clean("asset", column).reindex(ordered.index)]
        _require_first(table, told, column, f"give every row of an asset the same, and {_APART}")


def _require_first(table: Checked, rows: pd.DataFrame, column: str, mend: str) -> None:
    """Rows that say something else than the first of their asset (of `rows`, by time) contradict it."""
    other = rows[column].notna() & (rows[column] != _of_asset(rows, column, "first"))
    table.fault(
        _once(other, rows), column, "asset-contradicts", "differs from an earlier row of the asset", mend
    )  # fmt: skip


def _of_asset(rows: pd.DataFrame, column: str, which: Literal["first", "last"]) -> pd.Series:
    """What the first or the last row of each row's asset says in a column."""
    told = rows.drop_duplicates("asset", keep=which).set_index("asset")[column]
    return told.reindex(rows["asset"]).set_axis(rows.index)


def _check_days(table: Checked, now_us: int) -> None:
    """The days of each row in their order; of those that hang on each other one is told."""
    rows = table.rows[_whole(table)]
    ahead = pd.Series(us_of(rows["acquired"]) > now_us, rows.index)
    early = ~ahead & (rows["in_service"] < rows["acquired"])
    unbought = ~ahead & ~early & (rows["retired"] < rows["acquired"])
    unused = ~(ahead | early | unbought) & (rows["retired"] <= rows["in_service"])
    rest = ~(ahead | early | unbought | unused)
    for bad, column, code, problem, mend in (
        (ahead, "acquired", "future", "is in the future: nothing is acquired yet", "leave the asset out until it is"),
        (early, "in_service", "service-before-acquired", "is before acquired", "check both days"),
        (unbought, "retired", "retired-before-acquired", "is before acquired", "check both days"),
        (unused, "retired", "retired-before-service", "is not after in_service", "check both days"),
        (rest & (rows["valid_from"] < rows["in_service"]), "valid_from", "valid-before-service",
         "is before in_service", "start with in_service"),
        (rest & (rows["valid_from"] >= rows["retired"]), "valid_from", *_MOVED),
    ):  # fmt: skip
        table.fault(bad, column, code, problem, mend)


def _check_order(table: Checked) -> None:
    """What follows on what: units that are held, moves, and what leaves with a row."""
    rows = _ordered(table)
    by_asset = rows.groupby("asset")
    before = by_asset["devices"].shift()
    table.fault(
        before.isna() & (rows["devices"] == 0), "devices", "no-device", "is no device", "count those that came, 1 or more",
    )  # fmt: skip
    rows = rows[_whole(table).reindex(rows.index)]
    before = before.reindex(rows.index)
    table.fault(
        _once(rows["devices"] > before, rows), "devices", "more-than-held", "is more than are held by then",
        f"count the devices that are left, and {_APART}",
    )  # fmt: skip
    _check_retired(table, rows)
    for column in _FIRST:
        _require_first(table, rows, column, "say it in the first row of the asset")
    _check_disposal(table, rows, before)


def _check_retired(table: Checked, rows: pd.DataFrame) -> None:
    """Nothing happens to an asset that is retired, and its last row says when that was."""
    earliest = rows.groupby("asset")["retired"].cummin().groupby(rows["asset"]).ffill()
    late = rows["valid_from"] >= earliest.groupby(rows["asset"]).shift()
    table.fault(_once(late, rows), "valid_from", *_MOVED)
    other = (rows["retired"] != _of_asset(rows, "retired", "last")) & rows["retired"].notna()
    other &= ~rows["asset"].isin(rows["asset"][late])
    table.fault(
        _once(other, rows), "retired", "asset-contradicts", "differs from the last row of the asset",
        "give the last row the day, and the rows before it the same or none",
    )  # fmt: skip


def _check_disposal(table: Checked, rows: pd.DataFrame, before: pd.Series) -> None:
    """Units that leave with a row are disposed of then, or later: some at its valid_from, the rest when it is retired."""
    is_last = ~rows.duplicated("asset", keep="last")
    left = rows["valid_from"].where(rows["devices"] < before, rows["retired"].where(is_last))
    sound = rows["disposal"].notna() & _whole(table).reindex(rows.index)
    table.fault(
        sound & left.isna(), "disposal", "disposal-of-nothing", "is the day of units of which none leave with this row",
        "give retired in the last row of the asset, or leave disposal out",
    )  # fmt: skip
    table.fault(
        sound & (rows["disposal"] < left), "disposal", "disposal-before-retired", "is before the units left",
        "check it beside retired and valid_from",
    )  # fmt: skip


def _warn_of_start(table: Checked) -> None:
    """The first row of an asset that begins after its service says where the units were before, too."""
    rows = _ordered(table)
    table.warn(
        ~rows.duplicated("asset") & (rows["valid_from"] > rows["in_service"]), "valid_from", "late-first-row",
        "is after in_service, and no row says where the units were before: here too, it is assumed",
        "add a row for the time before, or leave valid_from out",
    )  # fmt: skip


def _warn_of_service(table: Checked, nodes: pd.DataFrame) -> None:
    """Rows that have units in service while their node is not."""
    rows = _ordered(table)
    start, end = stays(rows)
    told = nodes.dropna(subset=["zone", "in_service"]).groupby("node")
    opened, closed = (
        days.reindex(rows["node"]).set_axis(rows.index) for days in (told["in_service"].min(), told["retired"].max())
    )
    outside = (start < opened) | (end > closed) | (end.isna() & closed.notna())
    table.warn(
        outside & (rows["devices"] > 0), "node", "outside-service", "has units in service while it is not in service itself",
        "check valid_from and retired here, in_service and retired in the node register",
    )  # fmt: skip


def stays(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """First instant of each row of a fleet (sorted by asset and time) and the first after it; NaT: still there."""
    is_first, by_asset = ~rows.duplicated("asset"), rows.groupby("asset")
    start = rows["valid_from"].mask(is_first, rows["in_service"])
    return start, by_asset["valid_from"].shift(-1).fillna(rows["retired"])


def _transport_fault(text: str) -> str:
    try:
        legs(text, "", "air")
    except ValueError as error:
        return str(error)
    return ""


def _origin_fault(text: str) -> str:
    try:
        place_of(text)
    except ValueError as error:
        return str(error)
    return ""
