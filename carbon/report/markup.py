"""A report as a piece of HTML for a notebook: no script, nothing to fetch, the colours of the page that it stands in."""

from __future__ import annotations

import math
import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.report.cells import clean, exact, percent, round_numbers
from carbon.report.shares import provisional_share
from carbon.report.view import NOT_COVERED, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from carbon.report.cells import Cell
    from carbon.report.notes import Notes

_MASS = ("kgco2e", "kgco2e_low", "kgco2e_high")
_UNITS = dict.fromkeys(_MASS, "kgCO2e") | {"energy_kwh": "kWh", "provisional_share": "%"}
_STYLE = """<style>
.carbon-report p { margin: .2em 0; max-width: 60rem; }
.carbon-report .carbon-total { font-size: 1.5em; font-weight: 600; }
.carbon-report .carbon-wide { overflow-x: auto; margin: .6em 0; }
.carbon-report table { border-collapse: collapse; width: max-content; font-size: .9em;
  font-variant-numeric: tabular-nums; }
.carbon-report caption { text-align: start; caption-side: top; color: inherit; padding: .2em 0; }
.carbon-report th, .carbon-report td { text-align: start; vertical-align: top; padding: .2em .9em .2em 0; color: inherit;
  max-width: 24rem; overflow-wrap: anywhere; border-bottom: 1px solid rgba(128, 128, 128, .4); }
.carbon-report .carbon-number { text-align: end; white-space: nowrap; }
.carbon-report thead .carbon-number { white-space: normal; max-width: 7em; }
.carbon-report tbody th { font-weight: 400; }
.carbon-report tfoot th, .carbon-report tfoot td { font-weight: 600; border-top: 1px solid currentColor; }
.carbon-report thead small { display: block; font-weight: 400; }
.carbon-report ul { margin: .2em 0; padding-inline-start: 1.2em; max-width: 60rem; }
</style>"""
_CODE, _AS_CODE = re.compile(r"`([^`]+)`"), r"<code>\1</code>"


class _Row(NamedTuple):
    """A row: cells that name it, energy [kWh], emissions with both ends of their range [kg], provisional share [1], tier."""

    names: list[str]
    energy_kwh: float
    mass: tuple[float, float, float]
    share: float = math.nan
    tier: str = ""


def as_html(table: pd.DataFrame, lines: Sequence[str], notes: Notes) -> str:
    """A report table with energy [kWh] and emissions [kgCO2e], under its heading, total and other `lines`, over its notes.

    Figures are rounded for reading; all text is escaped. As many rows are shown as pandas would (`display.max_rows`), the
    others as one, so that what is shown adds up.
    """
    heading, total, *facts = lines
    parts = [
        _STYLE,
        f"<p><strong>{_text(heading)}</strong></p>",
        f'<p class="carbon-total">{_text(total)}</p>',
        *(f"<p>{_text(fact)}</p>" for fact in facts),
        _table(table),
        *_notes(notes),
    ]
    open_tag = f'<section class="carbon-report tex2jax_ignore mathjax_ignore" aria-label="{_text(heading)}">'
    return "\n".join([open_tag, *parts, "</section>"])


def _table(table: pd.DataFrame) -> str:
    keys = list(table.columns[: table.columns.get_loc("energy_kwh")])
    rows = _rows(table, len(keys))
    most = pd.get_option("display.max_rows") or len(rows)
    others = [_sum_of(f"({len(rows) - most:,} more rows)", rows[most:])] if len(rows) > most else []
    ends = (table.attrs.get(f"kgco2e_{end}", math.nan) for end in ("low", "high"))
    total = _sum_of("Total", rows, tuple(ends))._replace(share=provisional_share(table))
    *body, foot = _lines([*rows[:most], *others, total], len(keys))
    caption = f"{len(rows):,} rows, rounded for reading; the table itself has all digits."
    heads = "".join(_head(name) for name in [*keys, "energy_kwh", *_MASS, "provisional_share", "tier"])
    return "\n".join([
        '<div class="carbon-wide" role="region" tabindex="0" aria-label="Report table">',
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>",
        *body,
        f"</tbody>\n<tfoot>{foot}</tfoot>\n</table>\n</div>",
    ])  # fmt: skip


def _rows(table: pd.DataFrame, keys: int) -> list[_Row]:
    names = zip(*(map(_cell, exact(table.iloc[:, at])) for at in range(keys)), strict=True)
    mass = zip(*(table[name].tolist() for name in _MASS), strict=True)
    rest = zip(table["provisional_share"].tolist(), map(_cell, exact(table["tier"])), strict=True)
    return [
        _Row(list(name), energy, kilograms, *last)
        for name, energy, kilograms, last in zip(names, table["energy_kwh"].tolist(), mass, rest, strict=True)
    ]


def _sum_of(name: str, rows: Sequence[_Row], ends: tuple[float, ...] = (math.nan, math.nan)) -> _Row:
    """Rows as one, energy [kWh] and emissions [kg] added; the range of a sum is no sum of ranges."""
    energy, kilograms = _known_sum(row.energy_kwh for row in rows), _known_sum(row.mass[0] for row in rows)
    return _Row([name], energy, (kilograms, ends[0], ends[1]))


def _known_sum(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) if known else math.nan


def _lines(rows: Sequence[_Row], keys: int) -> list[str]:
    """Rows as HTML, the figures of each column to the same decimals, and those of emissions and their range."""
    energy = round_numbers([row.energy_kwh for row in rows])
    mass = round_numbers([value for row in rows for value in row.mass])
    figures = zip(energy, *(mass[at::3] for at in range(3)), (percent(row.share) for row in rows), strict=True)
    return [_line(row, list(some), keys) for row, some in zip(rows, figures, strict=True)]


def _line(row: _Row, figures: Sequence[str], keys: int) -> str:
    energy, kilograms, *rest = figures
    wide = f' colspan="{keys}"' if len(row.names) < keys else ""
    first, *others = map(_text, row.names)
    cells = [f'<td class="carbon-number">{_text(one)}</td>' for one in (energy, kilograms or NOT_COVERED, *rest)]
    names = [f'<td dir="auto">{one}</td>' for one in others]
    tier = f'<td dir="auto">{_text(row.tier)}</td>'
    return f'<tr><th scope="row"{wide} dir="auto">{first}</th>{"".join([*names, *cells, tier])}</tr>'


def _head(name: str) -> str:
    unit = f"<small>{_UNITS[name]}</small>" if name in _UNITS else ""
    side = ' class="carbon-number"' if unit else ""
    return f'<th scope="col"{side}>{_text(name).replace("_", "_<wbr>")}{unit}</th>'


def _notes(notes: Notes) -> list[str]:
    """Notes under what they are, those that ask for something first."""
    kinds = zip(TITLES, notes, strict=True)
    return [part for title, some in kinds if some for part in (f"<p><strong>{title}</strong></p>", _list(some))]


def _list(notes: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_CODE.sub(_AS_CODE, _text(note))}</li>' for note in notes)}</ul>"


def _cell(value: Cell) -> str:
    return "" if value is None else str(value)


def _text(text: str) -> str:
    """Text that is nothing but text, also within an attribute."""
    return escape(clean(text))
