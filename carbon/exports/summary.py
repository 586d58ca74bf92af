"""The first sheet of a report's workbook: parts by scope, category and phase that add up live, work, zones with a chart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from carbon.exports.live import BLANK, FILLED, quotient, sum_of
from carbon.exports.pen import Formula
from carbon.exports.workbook import Bars, Block, Sheet
from carbon.report.shares import provisional_share
from carbon.report.view import CATEGORIES, NOT_COVERED, PHASES, SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from carbon.exports.live import Lines
    from carbon.exports.named import Named

CHARTED = 20
_COLUMNS = ("part", "energy_kwh", "kgco2e", "share", "kgco2e_low", "kgco2e_high")
_ENERGY, _MASS = "B", "C"
_CHART_COLUMN = 8


class _Part(NamedTuple):
    """Lines of one phase that a figure covers, or does not."""

    scope: int
    category: int | None
    phase: str
    covered: bool

    @property
    def name(self) -> str:
        """In words, under its scope."""
        category = f"{self.category} {CATEGORIES.get(self.category, '')}".strip() + ", " if self.category else ""
        return f"    {category}{self.phase}{'' if self.covered else f', {NOT_COVERED}'}"

    @property
    def criteria(self) -> dict[str, str]:
        """What lines of it meet."""
        category = BLANK if self.category is None else str(self.category)
        words = {"scope": str(self.scope), "category": category, "phase": f'"{self.phase}"'}
        return words | {"kgco2e": FILLED if self.covered else BLANK}


def summary(
    frame: pd.DataFrame, lines: Lines, zones: Named, scope2: dict[str, float], work: pd.DataFrame, lead: Sequence[str]
) -> Sheet:
    """The summary of a report table: energy [kWh], emissions [kg], shares [1]; Scope 2 by each method; work; zones, drawn.

    `work` is carbon.report.intensity.intensities of all. The largest CHARTED zones are drawn, all others as one.
    """
    first = len(lead) + bool(lead) + 1  # of the rows under the header, counted from 0
    rows, strong = _parts(frame, lines, first)
    blocks = [Block(pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object), strong=strong)]
    blocks += [Block(_methods(scope2)), Block(_work(work))]
    drawn = Block(_zones(zones, lines), f"kgCO2e of the {CHARTED} largest zones, and of all others as one")
    header = first - 1 + sum(len(block.table) + 2 for block in blocks) + 1
    bars = Bars(
        "kgCO2e by zone", header, (header + 1, header + len(drawn.table)), 0, range(1, len(drawn.table.columns)),
        (first - 1, _CHART_COLUMN),
    )  # fmt: skip
    return Sheet([*blocks, drawn], lead, bars)


def _parts(frame: pd.DataFrame, lines: Lines, first: int) -> tuple[list[list[Any]], list[int]]:
    """Rows of the parts, and which are strong: each scope with its phases, the total, whether that is the lines' sum."""
    whole = _sum(frame["kgco2e"])
    order = _order(frame)
    total_row = first + 1 + len(order) + len({part.scope for part, _ in order})  # as a spreadsheet counts them
    rows: list[list[Any]] = []
    scope_rows: list[int] = []
    for scope in sorted({part.scope for part, _ in order}):
        mine = [(part, some) for part, some in order if part.scope == scope]
        row = first + 1 + len(rows)
        scope_rows.append(row)
        some = frame[frame["scope"] == scope]
        cells = (f"{{}}{row + 1}:{{}}{row + len(mine)}".replace("{}", letter) for letter in (_ENERGY, _MASS))
        rows.append([SCOPES.get(scope, f"Scope {scope}"), *_added(cells, some), row])
        rows += [[part.name, *_reckoned(part, lines, some), row + at] for at, (part, some) in enumerate(mine, start=1)]
    cells = (",".join(f"{letter}{row}" for row in scope_rows) for letter in (_ENERGY, _MASS))
    rows.append(["Total", *_added(cells, frame), total_row])
    ends = [frame.attrs.get(f"kgco2e_{end}", math.nan) for end in ("low", "high")]
    told = [
        [name, energy, mass, _share_of(mass, row, total_row, whole), None, None] for name, energy, mass, row in rows
    ]
    told[-1][-2:] = ends
    return [*told, *_checks(frame, lines, total_row)], [*(row - first - 1 for row in scope_rows), len(told) - 1]


def _order(frame: pd.DataFrame) -> list[tuple[_Part, pd.DataFrame]]:
    """Parts with their lines in the order of a report."""
    parts = []
    keys = [frame["scope"], frame["category"], frame["phase"], frame["kgco2e"].notna().rename("covered")]
    for _, some in frame.groupby(keys, dropna=False, sort=False):
        scope, category, phase, mass = some[["scope", "category", "phase", "kgco2e"]].astype(object).iloc[0]
        number = None if pd.isna(category) else int(category)
        parts.append((_Part(int(scope), number, str(phase), not pd.isna(mass)), some))
    return sorted(parts, key=lambda pair: _rank(pair[0]))


def _rank(part: _Part) -> tuple[int, int, int, str, bool]:
    place = PHASES.index(part.phase) if part.phase in PHASES else len(PHASES)
    return part.scope, part.category or 0, place, part.phase, not part.covered


def _reckoned(part: _Part, lines: Lines, some: pd.DataFrame) -> Iterator[Formula]:
    """Energy and emissions of lines, from the lines."""
    for name in ("energy_kwh", "kgco2e"):
        yield Formula(lines.total(name, **part.criteria), _sum(some[name]))


def _added(cells: Iterable[str], some: pd.DataFrame) -> Iterator[Formula]:
    """Energy and emissions of lines, from cells that hold parts of them."""
    for name, parts in zip(("energy_kwh", "kgco2e"), cells, strict=True):
        yield Formula(sum_of(parts), _sum(some[name]))


def _share_of(mass: Formula, row: int, total_row: int, whole: float) -> Formula:
    value = float(mass.value) / whole if whole else math.nan
    return Formula(quotient(f"{_MASS}{row}", f"{_MASS}${total_row}"), value)


def _checks(frame: pd.DataFrame, lines: Lines, total_row: int) -> list[list[Any]]:
    """Whether lines and total agree, and which share of the emissions is provisional."""
    mass, share, total = lines.of("kgco2e"), lines.of("provisional_share"), f"{_MASS}{total_row}"
    agree = f'IF(ABS(SUM({mass})-N({total}))<=1E-9*SUMPRODUCT(ABS({mass})),"agrees","differs")'
    value = provisional_share(frame) if math.fsum(frame["kgco2e"].dropna()) else math.nan
    provisional = Formula(quotient(f"SUMPRODUCT({mass},{share})", f"SUM({mass})"), value)
    return [
        ["Total and sum of the lines", None, Formula(agree, "agrees"), None, None, None],
        ["Provisional, of the emissions", None, None, provisional, None, None],
    ]


def _methods(scope2: dict[str, float]) -> pd.DataFrame:
    """Scope 2 by each method that the ledger has."""
    return pd.DataFrame({"scope_2_method": [f"{basis}-based" for basis in scope2], "kgco2e": list(scope2.values())})


def _work(work: pd.DataFrame) -> pd.DataFrame:
    """What was done, and grams per unit of it; empty where nobody knows."""
    row = work.iloc[0]
    units = {"request": ("requests", "g_per_request"), "1,000 tokens": ("tokens", "g_per_1000_tokens")}
    counts = [row["requests"], row["tokens"] / 1000]
    return pd.DataFrame({
        "per_unit_of_work": list(units), "units": counts,
        "inference_alone_gco2e": [row[f"served_{name}"] for _, name in units.values()],
        "whole_statement_gco2e": [row[name] for _, name in units.values()],
    })  # fmt: skip


def _zones(zones: Named, lines: Lines) -> pd.DataFrame:
    """Emissions of the largest zones by scope, and those of all others as one."""
    table = zones.table
    scopes = [name for name in map(str, table) if name.startswith("scope_")]
    rest = table.iloc[CHARTED:]
    rows = [[name, *cells] for name, *cells in _drawn(table.head(CHARTED), scopes, lines, zones.word)]
    if len(rest):
        cells = [_by_number(name, f'">{CHARTED}"', _sum(rest[name]), lines, zones.word) for name in scopes]
        rows.append([f"({len(rest):,} others)", *cells])
    heads = [f"Scope {name.split('_')[1]}" for name in scopes]
    return pd.DataFrame(rows, columns=[zones.word, *heads], dtype=object)


def _drawn(table: pd.DataFrame, scopes: Sequence[str], lines: Lines, word: str) -> Iterator[list[Any]]:
    for number, name, *values in table[["no", word, *scopes]].itertuples(index=False, name=None):
        yield [name, *(_by_number(*pair, lines, word) for pair in _pairs(scopes, number, values))]


def _pairs(scopes: Sequence[str], number: int, values: Sequence[float]) -> Iterator[tuple[str, str, float]]:
    for scope, value in zip(scopes, values, strict=True):
        yield scope, str(number), value


def _by_number(scope: str, numbers: str, value: float, lines: Lines, word: str) -> Formula:
    return Formula(lines.total("kgco2e", **{f"{word}_no": numbers, "scope": scope.split("_")[1]}), value)


def _sum(values: pd.Series) -> float:
    known = values.dropna().tolist()
    return math.fsum(known) if known else math.nan
