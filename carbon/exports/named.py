"""The lines of a report by the names in one of its columns, numbered so that formulas need no names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.exports.live import Lines, letters, quotient
from carbon.exports.pen import Formula
from carbon.report.cells import BLANK
from carbon.report.view import HARDWARE_PHASES, NOT_ATTRIBUTED, NOT_STATED, UNALLOCATED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

UNITS = ("requests", "tokens", "g_per_request", "g_per_1000_tokens")
_STATED, _SHARED, _IDLE, _BLANK = "=", "hardware", "idle", "blank"  # how a key begins: no name is taken for having none


class Named(NamedTuple):
    """Names by their number (1 is that of most emissions), sums [kWh] and [kg], and the number of each line."""

    word: str
    keys: list[str]
    table: pd.DataFrame
    numbers: NDArray[np.int64]

    def sheet(self, lines: Lines | None, work: pd.DataFrame) -> pd.DataFrame:
        """The table with formulas over the lines, if any, and the work of each name (`intensities`), where that is known."""
        table, size = self.table, len(self.table)
        sums = [name for name in map(str, table) if name not in ("no", self.word, "share")]
        live = {name: self._formulas(name, lines) for name in sums} if lines else {}
        kilograms, total = letters(list(table).index("kgco2e")), f"SUM({lines.of('kgco2e')})" if lines else ""
        shares = zip(range(2, size + 2), table["share"], strict=True)
        if lines:
            live["share"] = [Formula(quotient(f"{kilograms}{row}", total), share) for row, share in shares]
        cells = {name: pd.Series(column, dtype=object) for name, column in live.items()}
        return table.assign(**cells, **self._work(work))

    def _formulas(self, name: str, lines: Lines) -> list[Formula]:
        """The sum of a column for each number, which stands in the sheet's first one."""
        column, scope = ("kgco2e", {"scope": name.split("_")[1]}) if name.startswith("scope_") else (name, {})
        values = self.table[name].tolist()
        return [
            Formula(lines.total(column, **{f"{self.word}_no": f"$A{row}"}, **scope), value)
            for row, value in enumerate(values, start=2)
        ]

    def _work(self, work: pd.DataFrame) -> dict[str, list[float]]:
        rows = dict(zip(_keys(work, self.word), work[list(UNITS)].to_dict("records"), strict=True))
        known = [rows.get(key, {}) if key.startswith(_STATED) else {} for key in self.keys]
        return {unit: [float(row.get(unit, math.nan)) for row in known] for unit in UNITS}


def named(frame: pd.DataFrame, word: str) -> Named:
    """Sums of a report table by a column [kWh, kg], most emissions first.

    Lines without a name are three, as in carbon.report.view.parts_by: what nobody used, hardware that no work is named for, and
    what nobody stated.
    """
    keys = _keys(frame, word)
    code, first = pd.factorize(np.array(keys, object))
    found = _sums(frame, code, len(first))
    order = sorted(range(len(first)), key=lambda at: (-_known(found["kgco2e"][at]), first[at]))
    place = np.empty(len(first), np.int64)
    place[order] = np.arange(1, len(first) + 1)
    ordered = [str(first[at]) for at in order]
    columns = {name: [values[at] for at in order] for name, values in found.items()}
    table = pd.DataFrame({"no": range(1, len(first) + 1), word: [_name(key) for key in ordered], **columns})
    return Named(word, ordered, table, place[code])


def _keys(frame: pd.DataFrame, word: str) -> list[str]:
    """A key for each row: its name, or which way it has none."""
    names = frame[word].astype("str")
    none = names.isna() | (names == "")
    shared = none & frame["phase"].isin(HARDWARE_PHASES) if "phase" in frame else none & False
    activity = frame.get("activity", frame[word])
    keys = (_STATED + names.where(~none, "")).astype(object)
    keys = keys.mask(none, _BLANK).mask(shared & activity.isna(), _SHARED)
    return keys.mask(none & (activity == "idle"), _IDLE).tolist()


def _name(key: str) -> str:
    name = {_SHARED: NOT_ATTRIBUTED, _IDLE: UNALLOCATED, _BLANK: NOT_STATED}.get(key) or key.removeprefix(_STATED)
    return BLANK if name.isspace() else name


def _sums(frame: pd.DataFrame, code: NDArray[np.intp], count: int) -> dict[str, list[float]]:
    """Exact sums by code, and the share of each in all."""
    kilograms = frame["kgco2e"].to_numpy(np.float64)
    scopes = frame["scope"].to_numpy(np.int64)
    whole = math.fsum(_there(kilograms))
    found = {
        "energy_kwh": _sum(frame["energy_kwh"].to_numpy(np.float64), code, count),
        "kgco2e": _sum(kilograms, code, count),
    }
    found["share"] = [one / whole if whole else math.nan for one in found["kgco2e"]]
    for scope in sorted(set(scopes.tolist())):
        found[f"scope_{scope}_kgco2e"] = _sum(np.where(scopes == scope, kilograms, np.nan), code, count)
    return found


def _sum(values: NDArray[np.float64], code: NDArray[np.intp], count: int) -> list[float]:
    parts: list[list[float]] = [[] for _ in range(count)]
    for at, value in zip(code.tolist(), values.tolist(), strict=True):
        if value == value:  # not NaN
            parts[at].append(value)
    return [math.fsum(part) if part else math.nan for part in parts]


def _there(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _known(number: float) -> float:
    return 0.0 if math.isnan(number) else number
