"""Entries alike in some words as few rows whose amounts add up exactly to theirs: what adds up a year holds one month of it.

A row's amounts are all of one sign, all 0 or all unknown, so sums, sums of sizes and what nobody knows are those of its
entries. A sum that no float64 holds takes several rows: math.fsum over rows is, bit by bit, that over their entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd

from carbon.core.stack import stacked
from carbon.core.sums import exact
from carbon.ledger.views import Pinnable
from carbon.report.fold import alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.ledger.views import Live

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ENTRIES = "entries"
_SIGNS = 4  # below 0, 0, above 0, not known


class Marks(NamedTuple):
    """Columns that are made of a month's entries, and those that they are made of."""

    names: Sequence[str]
    needs: Sequence[str]
    of: Callable[[pd.DataFrame], pd.DataFrame]


NO_MARKS = Marks((), (), lambda entries: entries)


class Condensed(NamedTuple):
    """A ledger whose live entries are told as rows by the columns `names`, with the sums of `amounts`, month after month.

    Entries of a phase in `apart` stay as they are. `marks` make of a month's entries columns that rows are told by as well.
    """

    ledger: Live
    names: Sequence[str]
    amounts: Sequence[str]
    apart: Sequence[str] = ()
    marks: Marks = NO_MARKS

    def live(
        self,
        as_of: datetime | str | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = True,
    ) -> pd.DataFrame:
        """Rows of the months `periods`, energy_kwh [kWh] and kgco2e [kg], and how many ENTRIES each stands for."""
        del coded
        if columns is not None:
            return self.ledger.live(as_of, periods, columns, coded=True)
        needed = dict.fromkeys((*self.names, *self.amounts, *self.marks.needs))
        months = by_month(self.ledger, as_of, periods, [*needed])
        return stacked([*map(self._month, months)])

    def _month(self, entries: pd.DataFrame) -> pd.DataFrame:
        entries, names = self.marks.of(entries), [*self.names, *self.marks.names]
        if not self.apart:
            return condense(entries, names, self.amounts)
        alone = entries["phase"].isin(self.apart).to_numpy(bool)
        rest = condense(entries[~alone], names, self.amounts)
        return stacked([rest, entries.loc[alone, [*names, *self.amounts]].assign(**{ENTRIES: 1})])


def by_month(
    ledger: Live, as_of: datetime | str | None, periods: Sequence[str] | None, columns: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Live entries, coded, month after month of one state of the ledger; at once where it cannot be pinned.

    At least one table, with no entries where there are none: energy_kwh [kWh], kgco2e [kg].
    """
    if not isinstance(ledger, Pinnable):
        yield ledger.live(as_of=as_of, periods=periods, columns=columns, coded=True)
        return
    one = ledger.pinned()
    wanted = [[month] for month in one.months() if periods is None or month in periods]
    for months in wanted or [[]]:
        yield one.live(as_of=as_of, periods=months, columns=columns, coded=True)


def condense(lines: pd.DataFrame, names: Sequence[str], amounts: Sequence[str]) -> pd.DataFrame:
    """Rows by the columns `names`, with the `amounts` of their entries and how many ENTRIES these are.

    Where a sum takes several numbers, the others stand in rows of no entries.
    """
    values = {name: lines[name].to_numpy(np.float64, na_value=np.nan) for name in amounts}
    row, member = alike(lines, names, *map(_sign, values.values()))
    sums = {name: exact(some, row, len(member)) for name, some in values.items()}
    layers = {name: one.layers() for name, one in sums.items()}
    heads, counts = lines[list(names)].iloc[member], np.bincount(row, minlength=len(member))
    unknown = {name: one.known == 0 for name, one in sums.items()}
    rows = [
        heads.iloc[at].assign(
            **{name: _layer(layers[name], depth, unknown[name])[at] for name in amounts},
            **{ENTRIES: counts[at] if not depth else 0},
        )
        for depth, at in enumerate(_places(layers, len(member)))
    ]
    return stacked(rows)


def entries_in(rows: pd.DataFrame) -> int:
    """How many entries some rows stand for; each is one where they are not condensed."""
    return int(rows[ENTRIES].sum()) if ENTRIES in rows else len(rows)


def _sign(values: Floats) -> Ints:
    return np.where(np.isnan(values), _SIGNS - 1, np.sign(values) + 1).astype(np.int64)


def _places(layers: Mapping[str, Floats], count: int) -> Iterator[Ints]:
    """Rows that have a number of each depth: of the first all, of others those where some amount has one."""
    yield np.arange(count)
    for depth in range(1, max(map(len, layers.values()), default=0)):
        some = [one[depth] != 0 for one in layers.values() if depth < len(one)]
        yield np.flatnonzero(np.logical_or.reduce(some))


def _layer(layers: Floats, depth: int, unknown: NDArray[np.bool_]) -> Floats:
    """Numbers of a depth: 0 where an amount has none left, NaN where it is not known."""
    numbers = layers[depth] if depth < len(layers) else np.zeros(len(unknown))
    return cast("Floats", np.where(unknown, np.nan, numbers))
