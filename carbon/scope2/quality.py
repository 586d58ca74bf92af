"""Whether an instrument may be applied: quality criteria, and whether it could ever meet energy of ours.

qc1 conveys an emission rate · qc2 nobody else claims it · qc3 retired for us · qc4 of the period · qc5 of the market ·
qc6 a supplier's rate counts what was retired for its customers · qc7 a contract's certificates were not sold elsewhere ·
qc8 a residual mix is known. (GHG Protocol Scope 2 Guidance, table 7.1.) Answers: yes, no, not stated (nothing in the table
tells), empty (does not concern this kind). One `no` keeps an instrument out; qc8 is disclosed and keeps none out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import us_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Ints = NDArray[np.int64]

YES, NO, NOT_STATED = "yes", "no", "not stated"
CRITERIA = tuple(f"qc{number}" for number in range(1, 9))
_DECIDING = CRITERIA[:7]
_NEVER_US = 4_102_444_800_000_000  # 2100-01-01


class _Places(NamedTuple):
    """When each node works in which market: [start_us, end_us) by row of the register."""

    node: list[str]
    market: NDArray[np.object_]
    start_us: Ints
    end_us: Ints


def quality(
    instruments: pd.DataFrame, entity: str = "", has_residual: Callable[[str, int], bool] | None = None
) -> pd.DataFrame:
    """Criteria by instrument: id, kind, market, `applied`, `failed` (the ids of those with a `no`), qc1 … qc8.

    `entity`: our name; where it is given, a certificate must name it as beneficiary. `has_residual` tells whether a market
    has a residual mix at an instant [us]. The table is one that parse_instruments found no error in.
    """
    found = instruments[["id", "kind", "market"]].copy()
    kind, tracked = found["kind"], instruments["registry"].notna() | instruments["serial_from"].notna()
    certificate, contract = kind == "certificate", kind == "contract"
    found["qc1"] = _answers(instruments["intensity_g_per_kwh"].notna())
    found["qc2"] = np.where(certificate, np.where(tracked, YES, NOT_STATED), "")
    found["qc3"] = np.where(certificate, _answers(_retired(instruments, entity)), "")
    found["qc4"] = found["qc5"] = YES  # what is of another period or market is never matched
    found["qc6"] = np.where(kind == "supplier", NOT_STATED, "")
    found["qc7"] = np.where(contract, NOT_STATED, "")
    found["qc8"] = _residual_known(instruments, has_residual)
    failed = [[name for name in _DECIDING if row[name] == NO] for row in found[list(_DECIDING)].to_dict("records")]
    found.insert(3, "applied", [not names for names in failed])
    found.insert(4, "failed", [" ".join(names) for names in failed])
    return found


def applicable(instruments: pd.DataFrame, entity: str = "") -> pd.DataFrame:
    """The instruments that fail no criterion: those for `carbon.scope2.supply.build_supply`."""
    return instruments[quality(instruments, entity)["applied"].to_numpy(bool)]


def warn_of_quality(
    instruments: pd.DataFrame, answers: pd.DataFrame, entity: str, findings: Findings, name: str
) -> None:
    """A warning for each criterion that keeps an instrument out; `answers` are those of `quality`."""
    out = answers.index[~answers["applied"]]
    for row, cells in zip(out, instruments.loc[out].to_dict("records"), strict=True):
        failed, whose = str(answers.at[row, "failed"]).split(), cells["beneficiary"]
        if "qc1" in failed:
            problem, mend = "is empty: the instrument is not applied (qc1)", "give the emission rate that it conveys"
            findings.warning("not-applied", problem, mend, file=name, row=row, column="intensity_g_per_kwh")
        if "qc3" in failed and _blank(cells["retired_on"]):
            problem, mend = "is empty: the certificate is not applied (qc3)", "give the day of its retirement"
            findings.warning("not-applied", problem, mend, file=name, row=row, column="retired_on")
        elif "qc3" in failed:
            findings.warning(
                "not-applied", f"is not {entity}, whose ledger this is: the certificate is not applied (qc3)",
                "correct it, or [entity] name in carbon.toml", file=name, row=row, column="beneficiary",
                value=None if _blank(whose) else whose,
            )  # fmt: skip


def check_matchable(
    instruments: pd.DataFrame, nodes: pd.DataFrame, market_of: dict[str, str], mode: str, findings: Findings, name: str
) -> None:
    """Add an error for each instrument that could never meet energy of ours: another market, node or period.

    `nodes` is the register as read_nodes gives it, `market_of` the market of each zone. In the annual mode a period is the
    calendar years that it touches. In the hourly one what is longer than an hour is spread evenly, with a warning.
    """
    places = _places(nodes, market_of)
    known, own = {market for market in market_of.values() if market}, set(places.node)
    begin, end = _period(instruments, mode)
    for at, (row, cells) in enumerate(zip(instruments.index, instruments.to_dict("records"), strict=True)):
        node = "" if _blank(cells["node"]) else str(cells["node"])
        fault = _fault(str(cells["market"]), node, int(begin[at]), int(end[at]), places, known, own)
        if fault:
            column, code, problem, mend = fault
            findings.error(code, problem, mend, file=name, row=row, column=column, value=_shown(cells[column]))
    if mode == "hourly":
        _warn_of_coarse(instruments, findings, name)


def _answers(flags: pd.Series) -> NDArray[np.str_]:
    return np.where(flags, YES, NO)


def _retired(instruments: pd.DataFrame, entity: str) -> pd.Series:
    retired = instruments["retired_on"].notna()
    if not entity:
        return retired
    return retired & (instruments["beneficiary"].fillna("").str.strip().str.casefold() == entity.strip().casefold())


def _residual_known(instruments: pd.DataFrame, has_residual: Callable[[str, int], bool] | None) -> list[str]:
    if has_residual is None:
        return [NOT_STATED] * len(instruments)
    pairs = list(zip(instruments["market"], us_of(instruments["start"]).tolist(), strict=True))
    known = {pair: has_residual(*pair) for pair in set(pairs)}
    return [YES if known[pair] else NO for pair in pairs]


def _places(nodes: pd.DataFrame, market_of: dict[str, str]) -> _Places:
    table = nodes.dropna(subset=["node", "zone", "in_service", "valid_from"]).sort_values(["node", "valid_from"])
    following = table.groupby("node")["valid_from"].shift(-1)
    market = table["market"].where(table["market"].notna(), table["zone"].map(market_of))
    end = np.minimum(us_of(following, _NEVER_US), us_of(table["retired"], _NEVER_US))
    return _Places(table["node"].tolist(), market.to_numpy(object), us_of(table["valid_from"]), end)


def _period(instruments: pd.DataFrame, mode: str) -> tuple[Ints, Ints]:
    begin, end = us_of(instruments["start"]), us_of(instruments["end"])
    if mode == "hourly":
        return begin, end
    first, last = (edge.view("M8[us]").astype("M8[Y]") for edge in (begin, end - 1))
    return first.astype("M8[us]").astype(np.int64), (last + 1).astype("M8[us]").astype(np.int64)


def _fault(
    market: str, node: str, begin: int, end: int, places: _Places, known: Collection[str], own: Collection[str]
) -> tuple[str, str, str, str] | None:
    """Column, code, problem and mend of what keeps an instrument from ever being matched."""
    if market not in known:
        return "market", "unknown-market", "is no market of any zone", "write an ISO country code, such as DE"
    if node and node not in own:
        return (
            "node",
            "unknown-node",
            "is not in the node register",
            "correct it, or leave it empty for the whole market",
        )
    here = places.market == market
    if node:
        here &= np.array([name == node for name in places.node], bool)
    if not here.any():
        whose = f"node {node} is never" if node else "no node is"
        return (
            "market",
            "other-market",
            f"{whose} in this market: nothing can use it",
            "remove the row, or correct the market",
        )
    if not (here & (places.start_us < end) & (places.end_us > begin)).any():
        return (
            "start",
            "other-period",
            "no node there is in service in its period: nothing can use it",
            "remove the row, or correct the days",
        )
    return None


def _warn_of_coarse(instruments: pd.DataFrame, findings: Findings, name: str) -> None:
    coarse: pd.Series = instruments["end"] - instruments["start"] > pd.Timedelta("1h")
    for row in instruments.index[coarse]:
        findings.warning(
            "coarse-instrument", "covers more than an hour: it is spread evenly over its hours",
            "give one row an hour where the registry or the meter tells", file=name, row=row, column="id",
            value=instruments.at[row, "id"],
        )  # fmt: skip


def _blank(cell: object) -> bool:
    return cell is None or cell is pd.NaT or cell != cell


def _shown(cell: Hashable) -> str:
    return f"{cell:%Y-%m-%dT%H:%M:%SZ}" if isinstance(cell, pd.Timestamp) else str(cell)
