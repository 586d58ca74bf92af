"""What the ledger should say against what it says: the entries that make the one out of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.findings import Findings
from carbon.core.schema import columns
from carbon.ledger.causes import causes
from carbon.ledger.codes import codes, without_version
from carbon.ledger.entries import AMOUNTS, LINES, MAY_BE_EMPTY, VALUES, bits, live, to_frame, to_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

KEY = (
    "period", "start", "end", "scope", "category", "phase", "basis", "node", "operator", "zone", "product", "model",
    "mode", "activity", "boundary", "method", "tier", "factor", "factor_kind", "status",
)  # fmt: skip
COLUMNS = (*LINES, "reverses", "cause", "reason")
_BETWEEN_FILES, _LEFT_OUT = "; ", " … "


def normal_lines(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines with the ledger's types, columns LINES. Raises ValueError for a column or a required value that is missing."""
    absent = [name for name in LINES if name not in lines]
    if absent:
        raise ValueError(f"lines lack the column {', '.join(absent)}")
    frame = to_frame(to_table(lines).select(list(LINES)))
    for name in LINES:
        if columns("entries")[name].required and name not in MAY_BE_EMPTY and frame[name].isna().any():
            raise ValueError(f"line {int(np.flatnonzero(frame[name].isna())[0])} has no {name}")
    return frame


def difference(desired: pd.DataFrame, current: pd.DataFrame, *, cause: str = "", reason: str = "") -> pd.DataFrame:
    """Entries-to-be that turn `current` into `desired`: columns COLUMNS; month by month, reversals first.

    `desired` holds lines (columns LINES), `current` all entries of the same months, reversals included. Lines are the
    same when they agree in KEY, with what follows an `@` in `method` and `factor` left out. Same key and same VALUES,
    bit by bit: nothing. Same key, other values: a reversal (the old amounts negated) and a replacement. Only in the
    ledger: a reversal. Only in `desired`: a new entry. `cause`, unless given, is found by carbon.ledger.causes.

    VALUES are AMOUNTS (energy [kWh], emissions [kg], counts [1]) and `gsd2` [1], which a reversal keeps.
    Raises ValueError when two lines of `desired` have the same key.
    """
    new, old = normal_lines(desired), live(current)
    extra, kept = _match(new, old)
    removed, added = old[~kept], new[extra]
    frame = pd.concat([_reversals(removed), added.assign(reverses=pd.Series(dtype="str"))], ignore_index=True)
    frame["cause"] = pd.Series(cause or causes(removed, added, current), frame.index, dtype="str")
    frame["reason"] = pd.Series(reason, frame.index, dtype="str")
    return _by_month(frame[list(COLUMNS)])


def with_key_of(lines: pd.DataFrame, entry: pd.Series) -> pd.DataFrame:
    """Those of some lines (as normal_lines gives them) that are the same as an entry, as `difference` compares."""
    known = entry[list(KEY)].to_frame().T
    code = codes(pd.concat([_keys(lines).astype(object), _keys(known).astype(object)], ignore_index=True))
    return lines[code[:-1] == code[-1]]


def missing(desired: pd.DataFrame, current: pd.DataFrame) -> list[tuple[str, str]]:
    """Each (node, period) that has live activity in the ledger and none in `desired`, sorted."""
    had = _activity(current, "node", "period").drop_duplicates()
    has = _activity(desired, "node", "period").drop_duplicates()
    gone = had.merge(has, how="left", indicator=True).query("_merge == 'left_only'")
    return sorted((str(node), str(period)) for node, period in zip(gone["node"], gone["period"], strict=True))


def missing_files(desired: pd.DataFrame, current: pd.DataFrame, known_files: Iterable[str] = ()) -> list[str]:
    """Files behind live activity that are behind no line of `desired` and not among `known_files`, sorted."""
    had = _file_names(_activity(current, "source")["source"])
    return sorted(had - _file_names(desired["source"]) - set(known_files))


def missing_findings(desired: pd.DataFrame, current: pd.DataFrame, known_files: Iterable[str] = ()) -> Findings:
    """An error for each node and month, and each file, that had posted activity and now has none."""
    findings = Findings()
    for node, period in missing(desired, current):
        findings.error(
            "missing-activity", f"has posted activity in {period} and now has none",
            "restore the file it came from, or say with --remove that it is to be taken back",
            file="workload", column="node", value=node,
        )  # fmt: skip
    for name in missing_files(desired, current, known_files):
        findings.error(
            "missing-file", "has posted activity and is gone",
            "restore the file, or say with --remove that what it held is to be taken back", file=name,
        )  # fmt: skip
    return findings


def _match(new: pd.DataFrame, old: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which lines are to be added, and which old entries stay."""
    code = codes(pd.concat([_keys(new), _keys(old)], ignore_index=True))
    mine, theirs = code[: len(new)], code[len(new) :]
    _refuse_twins(new, mine)
    at = np.full(code.max(initial=-1) + 1, -1)
    at[theirs] = np.arange(len(old))
    partner = at[mine]
    same = partner >= 0
    same[same] = _same_values(new[same], old.iloc[partner[same]])
    kept = np.zeros(len(old), bool)
    kept[partner[same]] = True
    return ~same, kept


def _keys(lines: pd.DataFrame) -> pd.DataFrame:
    return lines[list(KEY)].assign(**{name: without_version(lines[name]) for name in ("method", "factor")})


def _refuse_twins(lines: pd.DataFrame, code: NDArray[np.int64]) -> None:
    twins = pd.Series(code).duplicated().to_numpy()
    if twins.any():
        line = lines.iloc[int(np.flatnonzero(twins)[0])]
        named = ", ".join(f"{name} {line[name]}" for name in KEY if not pd.isna(line[name]))
        raise ValueError(f"{int(twins.sum())} of {len(lines)} lines have the key of another, the first {named}")


def _same_values(new: pd.DataFrame, old: pd.DataFrame) -> NDArray[np.bool_]:
    same = np.ones(len(new), bool)
    for name in VALUES:
        same &= bits(new[name]) == bits(old[name])
    return same


def _reversals(removed: pd.DataFrame) -> pd.DataFrame:
    negated = {name: -removed[name] for name in AMOUNTS}
    return removed[list(LINES)].assign(**negated, reverses=removed["entry"])


def _by_month(changes: pd.DataFrame) -> pd.DataFrame:
    """The same in order of months: a month is a file of the table, and so files in order are entries in order."""
    if changes["period"].nunique() < 2:
        return changes
    return changes.sort_values("period", kind="stable", ignore_index=True)


def _activity(lines: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Columns `names` of lines or live entries that tell of energy used."""
    told = ["entry", "reverses"] if "entry" in lines else []
    lines = lines[["phase", "energy_kwh", *names, *told]]
    lines = live(lines) if told else lines
    return lines.loc[(lines["phase"] == "use") & lines["energy_kwh"].notna(), list(names)]


def _file_names(sources: pd.Series) -> set[str]:
    pieces = {piece for source in sources.dropna().unique() for piece in str(source).split(_BETWEEN_FILES)}
    return {piece.rpartition("@")[0] or piece for piece in pieces if piece and _LEFT_OUT not in piece}
