"""Ranges of sums of entries by Monte Carlo: one draw for each id of energy or factor, shared by all entries that cite it.

An entry is kg x m(energy) x m(factor), each m lognormal with median 1. Draws belong to ids (a stream of random numbers for
each, seeded by the seed and the id), so statements, months and reports share them, and an entry more changes no other's.
A sum over entries is sum over factors of m(factor) x (K @ m(energy)), K the kilograms by factor and energy: a matrix
product in blocks, so that memory hangs on the blocks and not on the entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.spread import sigma_of, unversioned
from carbon.core.sums import Exact, exact, sum_of, sums_by
from carbon.grid.uncertainty import EXACT_ENERGY, completed, factor_terms
from carbon.report.fold import alike
from carbon.report.normals import Maker
from carbon.scope2.groups import number
from carbon.scope3.spread import embodied_terms

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.grid.uncertainty import Table, Terms

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]
    Ints = NDArray[np.int64]

LOW, HIGH = 0.025, 0.975
BLOCK_BYTES = 1 << 27
METERED = "energy of"
_NORMAL = 1.959963984540054  # the 97.5 % point of the standard normal distribution
BEHIND = ("method", "factor_kind", "tier", "status", "factor", "gsd2")
TABLE = "table"
_AT_ONCE = 16  # energies: few enough that their draws stay near the processor
_DIGITS = 9
_NEXT_TO_NOTHING = 1e-6  # of the variance of an entry: what is left of it by rounding


class Draws(NamedTuple):
    """How many draws, of which seed, and the tables that entries were reckoned with.

    `kept` holds those that the ledger kept, each with its first posting, the oldest first; `tables` is the folder of
    tables of one's own for postings before them, or all.
    """

    draws: int = 10_000
    seed: int = 1
    tables: str = ""
    kept: tuple[tuple[int, Table], ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that entries must have for it, beside those of every range: none where one table is of all of them."""
        return ("posting",) if self.kept and (len(self.kept) > 1 or self.kept[0][0] > 1) else ()

    def marked(self, lines: pd.DataFrame) -> pd.DataFrame:
        """Entries with the place of their table as a column, where there are several tables."""
        if not self.needs or TABLE in lines:
            return lines
        first = np.array([posting for posting, _ in self.kept])
        return lines.assign(**{TABLE: np.searchsorted(first, lines["posting"].to_numpy(np.int64), "right")})

    def table(self, place: int = -1) -> str | Table:
        """The table of entries that `marked` gave a place."""
        one = (None, *(table for _, table in self.kept))[place]
        return self.tables if one is None else completed(one, self.tables)


class Cells(NamedTuple):
    """Kilograms [kg] by group, factor and energy (places in `factors` and `energies`; 0 is what is exact), sorted."""

    group: Ints
    factor: Ints
    energy: Ints
    kg: Floats
    factors: list[Terms]
    energies: list[Terms]


def ranges(lines: pd.DataFrame, group: Ints, count: int, draws: Draws) -> tuple[Floats, Floats]:
    """Low and high end [kg] of the sum of each group of entries and, last, of all: 95 % of the draws lie between.

    `group` is the number of each entry's group, below `count`. An end is never beyond the central value, the plain sum. A
    group without kilograms, or with an entry whose `gsd2` is missing, has no range. Entries have the columns that
    `draws.needs`.
    """
    lines = draws.marked(lines)
    kilograms = lines["kgco2e"].to_numpy(np.float64)
    names = ["node", *_behind(lines)]
    row, member = alike(lines, names, group, np.isnan(kilograms).astype(np.int64))
    return ranges_of(lines[names].iloc[member], exact(kilograms, row, len(member)), group[member], count, draws)


def ranges_of(lines: pd.DataFrame, kilograms: Exact, group: Ints, count: int, draws: Draws) -> tuple[Floats, Floats]:
    """As `ranges`, of rows that stand for several entries of the same words each, with their exact kilograms [kg]."""
    covered = kilograms.known > 0
    stated = lines["gsd2"].notna().to_numpy()
    known = np.bincount(group[covered], minlength=count + 1) > 0
    known[group[covered & ~stated]] = False
    known[count] = covered.any() and not (covered & ~stated).any()
    used = np.flatnonzero(covered & stated)
    low, high = (np.full(count + 1, np.nan) for _ in range(2))
    if len(used):
        if len(used) < len(group):  # taking all of them would double them
            lines, group, kilograms = lines.iloc[used], group[used], kilograms.take(used)
        cells = _cells(lines[["node", *_behind(lines)]], group, kilograms, draws)
        first = np.flatnonzero(np.diff(cells.group, prepend=-1))
        central = np.append(sums_by(cells.kg, cells.group, count)[cells.group[first]], sum_of(cells.kg))
        below, above = _deviations(cells, first, draws)
        at = np.append(cells.group[first], count)
        low[at], high[at] = central + np.minimum(below, 0.0), central + np.maximum(above, 0.0)
    low[~known], high[~known] = np.nan, np.nan
    return low, high


def draws_of(id_: str, draws: Draws) -> Singles:
    """Standard normal draws [1] that belong to an id, in single precision (carbon.report.normals)."""
    return _maker(draws, 1).normals([(id_, 1.0)])[0]


def multiplier(terms: Terms, draws: Draws) -> Singles:
    """Draws [1] of a product of lognormal figures of median 1, less 1: exp(sum sigma z) - 1."""
    return _multiplied(terms, _maker(draws, 1))


def _maker(draws: Draws, most: int) -> Maker:
    return Maker(draws.draws, draws.seed, most)


def _behind(lines: pd.DataFrame) -> list[str]:
    """What of entries their ranges hang on: BEHIND, and the table where they have one of several."""
    return [*BEHIND, *([TABLE] if TABLE in lines else [])]


def entry_terms(behind: Sequence[str], sigma: float, tables: str | Table = "") -> tuple[Terms, Terms]:
    """Ids and sigma [1] of an entry's energy and of its factors, which together make the sigma of the entry.

    `behind` are its method, factor_kind, tier, status and factor. Energy that was metered has the id METERED, to which its
    node belongs; what was modelled that of the model, as a wrong curve is wrong for all nodes alike.
    """
    method, kind, tier, status, factor = behind
    if kind == "embodied":
        return (), embodied_terms(factor, sigma, tables)
    factors = factor_terms(kind, tier, status, factor, tables)
    own = sum(part**2 for _, part in factors)
    left = sigma**2 - own
    if kind in EXACT_ENERGY or left <= _NEXT_TO_NOTHING * sigma**2:
        scale = sigma / own**0.5 if own else 0.0
        return (), tuple((id_, part * scale) for id_, part in factors)
    how = unversioned(method.rpartition(" x ")[0])
    # Of entries of one energy it differs by rounding, which would make so many figures, and as many draws, of one.
    return ((f"energy by {how}" if how else METERED, round(left**0.5, _DIGITS)),), factors


def _cells(lines: pd.DataFrame, group: Ints, kilograms: Exact, draws: Draws) -> Cells:
    """Entries as cells."""
    factor, energy, factors, energies = _coded(lines, draws)
    return Cells(*_added(group, factor, energy, kilograms), factors, energies)


def _coded(lines: pd.DataFrame, draws: Draws) -> tuple[Ints, Ints, list[Terms], list[Terms]]:
    """Place of each entry's factors and energy in lists of those that there are, sorted: no order of entries matters."""
    named = _behind(lines)
    behind, first = number([pd.factorize(lines[name], use_na_sentinel=False)[0] for name in named])
    words = lines[named].iloc[first].astype(dict.fromkeys(BEHIND[:-1], "str")).fillna("")
    at = words.pop(TABLE).tolist() if TABLE in words else [-1] * len(words)
    tables = {place: draws.table(place) for place in set(at)}
    pairs = [
        entry_terms(row[:-1], sigma_of(max(row[-1], 1.0)), tables[place])
        for place, row in zip(at, words.itertuples(index=False, name=None), strict=True)
    ]
    factor, factors = _places([one for _, one in pairs])
    kind, kinds = _places([one for one, _ in pairs])
    metered = np.array([any(id_ == METERED for id_, _ in one) for one in kinds], bool)
    node, distinct = pd.factorize(lines["node"], use_na_sentinel=False)
    names = distinct.astype("str").fillna("").tolist()
    both, first = number([kind[behind], np.where(metered[kind[behind]], node, 0)])
    met = zip(kind[behind[first]].tolist(), node[first].tolist(), strict=True)
    energy, energies = _places([_of_node(kinds[at], names[where]) for at, where in met])
    return factor[behind], energy[both], factors, energies


def _of_node(terms: Terms, node: str) -> Terms:
    if len(terms) == 1 and terms[0][0] == METERED:  # as nearly always
        return ((f"{METERED} {node}", terms[0][1]),)
    return tuple((f"{id_} {node}" if id_ == METERED else id_, sigma) for id_, sigma in terms)


def _places(terms: Sequence[Terms]) -> tuple[Ints, list[Terms]]:
    found = [tuple(term for term in one if term[1] > 0) for one in terms]
    known = sorted({(), *found})
    place = {one: at for at, one in enumerate(known)}
    return np.array([place[one] for one in found], np.int64), known


def _added(group: Ints, factor: Ints, energy: Ints, kilograms: Exact) -> tuple[Ints, Ints, Ints, Floats]:
    """Kilograms by group, factor and energy, sorted by them, added exactly: no order of entries matters."""
    cell, member = number([group, factor, energy])
    return group[member], factor[member], energy[member], kilograms.by(cell, len(member)).sums()


def _deviations(cells: Cells, first: Ints, draws: Draws) -> tuple[Floats, Floats]:
    """Low and high end less the central value [kg] of each group and, last, of all; that of a single cell has a formula.

    The draws of all are those of the groups added up, and of the groups that have a formula those of all their cells.
    """
    count = len(first)
    size = np.diff(np.append(first, len(cells.kg)))
    single = first[size == 1]
    alone = exact(cells.kg[single], np.arange(len(single)), len(single))
    rest = _added(np.zeros(len(single), np.int64), cells.factor[single], cells.energy[single], alone)
    ends = np.empty((2, count + 1))
    ends[:, :count] = _by_formula(cells, cells.factor[first], cells.energy[first], cells.kg[first])
    place = np.repeat(np.arange(count), size)
    drawn = size[place] > 1
    if not drawn.any() and len(rest[0]) == 1:
        ends[:, count:] = _by_formula(cells, *rest[1:])
        return ends[0], ends[1]
    mine = (place[drawn], cells.factor[drawn], cells.energy[drawn], cells.kg[drawn])
    columns = zip(mine, (rest[0] + count, *rest[1:]), strict=True)
    group, factor, energy, kg = (np.concatenate(pair) for pair in columns)
    whole = np.zeros(draws.draws)
    for at, total in _drawn(Cells(group, factor, energy, kg, cells.factors, cells.energies), draws):
        whole += total
        if at < count:
            ends[:, at] = _ends(total)
    ends[:, count] = _ends(whole)
    return ends[0], ends[1]


def _by_formula(cells: Cells, factor: Ints, energy: Ints, kg: Floats) -> Floats:
    """Low and high end less the central value [kg] of some single cells."""
    sigma = np.hypot(_sigmas(cells.factors)[factor], _sigmas(cells.energies)[energy])
    ends: Floats = np.sort([kg * np.expm1(way * _NORMAL * sigma) for way in (-1, 1)], axis=0)
    return ends


def _sigmas(terms: Sequence[Terms]) -> Floats:
    return np.array(
        [one[0][1] if len(one) == 1 else np.hypot.reduce([0.0, *(sigma for _, sigma in one)]) for one in terms]
    )


def _drawn(cells: Cells, draws: Draws) -> Iterator[tuple[int, Floats]]:
    """Draws of each group's sum less its central value [kg], one group after the other.

    Rows are (group, factor); with s the kilograms of a row and D what its energies deviate by, a row deviates by
    (m - 1) s + m D.
    """
    first = np.flatnonzero(np.any([np.diff(key, prepend=-1) != 0 for key in (cells.group, cells.factor)], axis=0))
    row = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(cells.kg))))
    central, group, factor = np.add.reduceat(cells.kg, first), cells.group[first], cells.factor[first]
    at_once = max(BLOCK_BYTES // (4 * draws.draws), 1)
    factors = _Multipliers(cells.factors, draws)
    total, open_ = np.zeros(draws.draws), int(group[0])
    for begin in range(0, len(first), at_once):
        end = min(begin + at_once, len(first))
        some = slice(int(first[begin]), int(first[end]) if end < len(first) else len(row))
        deviation = _energy_draws(cells, row, some, begin, end - begin, draws)
        for at in range(begin, end):
            if group[at] != open_:
                yield open_, total
                total, open_ = np.zeros(draws.draws), int(group[at])
            less_one = factors.of(int(factor[at]))
            total += central[at] * less_one
            if deviation is not None:
                total += (1 + less_one) * deviation[at - begin]
    yield open_, total


class _Multipliers:
    """Multipliers of factors, less 1; the last few are kept."""

    def __init__(self, terms: list[Terms], draws: Draws) -> None:
        """None made yet."""
        self._terms, self._draws = terms, draws
        self._kept: dict[Hashable, Singles] = {}

    def of(self, place: int) -> Singles:
        """Draws [1] of a factor, less 1."""
        if place not in self._kept:
            if (len(self._kept) + 1) * 4 * self._draws.draws > BLOCK_BYTES:
                self._kept.clear()
            self._kept[place] = multiplier(self._terms[place], self._draws)
        return self._kept[place]


def _energy_draws(cells: Cells, row: Ints, some: slice, begin: int, rows: int, draws: Draws) -> Singles | None:
    """K @ (m - 1) of some rows [kg], row by draw; None where their energy is exact."""
    uncertain = np.flatnonzero(cells.energy[some] > 0) + some.start
    if not len(uncertain):
        return None
    energy, met, place = np.unique(cells.energy[uncertain], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(met))[place]  # energies in the order in which rows meet them: neighbours share rows
    terms = [cells.energies[at] for at in energy[np.argsort(met)]]
    order = np.argsort(rank, kind="stable")
    cell, rank = uncertain[order], rank[order]

    maker, found = _maker(draws, _AT_ONCE), np.zeros((rows, draws.draws), np.float32)
    for low in range(0, len(terms), _AT_ONCE):
        some_terms = terms[low : low + _AT_ONCE]
        mine = slice(*np.searchsorted(rank, [low, low + _AT_ONCE]).tolist())
        touched, to = np.unique(row[cell[mine]] - begin, return_inverse=True)
        kilograms = np.zeros((len(touched), len(some_terms)), np.float32)
        kilograms[to, rank[mine] - low] = cells.kg[cell[mine]]
        found[touched] += kilograms @ _multipliers(some_terms, maker)
    return found


def _multipliers(terms: Sequence[Terms], maker: Maker) -> Singles:
    """Multipliers less 1, one row for each of some terms; those of one id all at a time."""
    if all(len(one) == 1 for one in terms):
        return maker.multipliers([one[0] for one in terms])
    return np.array([_multiplied(one, maker) for one in terms])


def _multiplied(terms: Terms, maker: Maker) -> Singles:
    exponent = np.zeros(maker.draws, np.float32)
    for term in terms:
        exponent += maker.normals([term])[0]
    np.exp(exponent, out=exponent)
    exponent -= 1
    return exponent


def _ends(total: Floats) -> tuple[float, float]:
    """The points of LOW and HIGH, between two draws in proportion."""
    places = [share * (len(total) - 1) for share in (LOW, HIGH)]
    below = [int(place) for place in places]
    above = [min(at + 1, len(total) - 1) for at in below]
    order = np.partition(total, sorted({*below, *above}))
    ends = [
        float(order[at] + (place - at) * (order[next_] - order[at]))
        for place, at, next_ in zip(places, below, above, strict=True)
    ]
    return ends[0], ends[1]
