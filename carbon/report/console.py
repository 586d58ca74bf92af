"""The terminal: a month's report, tables and findings. The console is the caller's; nothing here writes elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from rich.table import Table
from rich.text import Text

from carbon.core.findings import ERROR
from carbon.report.cells import clean, percent, round_numbers
from carbon.report.layout import crop, fold_header, layout, simple_table
from carbon.report.monthly import GROUPINGS, month_spans, statement_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType

    from carbon.core.findings import Finding

CATEGORIES = {
    1: "purchased goods and services",
    2: "capital goods",
    3: "fuel- and energy-related",
    4: "upstream transport",
    5: "waste",
    8: "upstream leased assets",
    13: "downstream leased assets",
}
SCOPES = {1: "Scope 1 direct", 2: "Scope 2 purchased electricity", 3: "Scope 3 value chain"}
PHASES = ("use", "upstream", "losses", "manufacturing", "transport", "cooling", "disposal", "write-off")
PARTS_SHOWN = 10
_TONNES_FROM_KG = 100_000
_BAR_CELLS = 8
_BAR_FROM_WIDTH = 72
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NAME_LEAST = 8


class _Line(NamedTuple):
    """One line of a table of parts: name, energy [kWh], emissions [kg]; strong ones hold the sum of others."""

    name: str
    energy_kwh: float
    kgco2e: float
    strong: bool = False


def print_report(
    frame: pd.DataFrame,
    console: Console,
    energy: str = "location",
    hardware: str = "amortised",
    notes: Iterable[str] = (),
) -> None:
    """Print a report table (of `monthly.report`) for people: the total, its parts by scope and each grouping, notes."""
    for part in render_report(frame, statement_label(energy, hardware), notes, console.width):
        console.print(part)


def render_report(
    frame: pd.DataFrame, label: str, notes: Iterable[str] = (), width: int = 80
) -> list[RenderableType]:
    """Renderables of a report table no wider than `width` [terminal cells].

    The total under its label, a table by scope, category and phase [kWh, kgCO2e or tCO2e], one by month where there are
    several, one for each grouping column that the table has, and the notes.
    """
    parts: list[RenderableType] = [_headline(frame, label), "", _part_table(_scope_lines(frame), "", frame, width)]
    for column in ("month", *GROUPINGS):
        if column in frame and (column != "month" or frame["month"].nunique() > 1):
            parts += ["", _part_table(_lines_by(frame, column), column, frame, width)]
    bullets = _bullets(notes)
    return [*parts, "", bullets] if bullets.row_count else parts


def print_table(frame: pd.DataFrame, console: Console, title: str = "", notes: Iterable[str] = ()) -> None:
    """Print any table for people: rounded, numbers at the right, folded to the console's width."""
    for part in layout(frame, console.width, title):
        console.print(part)
    bullets = _bullets(notes)
    if bullets.row_count:
        console.print(bullets)


def print_findings(findings: Iterable[Finding], console: Console) -> None:
    """Print findings, errors in red and warnings in yellow; folded on a terminal, elsewhere one line each."""
    for finding in findings:
        text = Text(clean(str(finding)), overflow="fold")
        text.stylize("bold red" if finding.severity == ERROR else "yellow", 0, len(finding.severity))
        console.print(text, soft_wrap=not console.is_terminal)


def provisional_share(frame: pd.DataFrame) -> float:
    """Share [1] of a report table's emissions, by the size of its rows, that is provisional; NaN where not known."""
    sizes, shares = frame["kgco2e"].abs(), frame["provisional_share"]
    known = shares.notna()
    whole = math.fsum(sizes[known])
    if whole:
        return math.fsum(sizes[known] * shares[known]) / whole
    return float(shares.iloc[0]) if shares.nunique(dropna=False) == 1 else math.nan


def tier_shares(frame: pd.DataFrame) -> dict[str, float]:
    """Share [1] of a report table's energy by tier of the intensity behind it, largest first; empty without energy."""
    sums = _sums(frame[frame["energy_kwh"].notna()], "tier")
    whole = math.fsum(energy for energy, _ in sums.values())
    if not whole:
        return {}
    return {tier: energy / whole for tier, (energy, _) in sorted(sums.items(), key=lambda one: (-one[1][0], one[0]))}


def _headline(frame: pd.DataFrame, label: str) -> Text:
    total, energy = math.fsum(frame["kgco2e"]), math.fsum(frame["energy_kwh"].dropna())
    share, tiers = provisional_share(frame), tier_shares(frame)
    facts = [
        f"{round_numbers([energy])[0]} kWh at the meter" if frame["energy_kwh"].notna().any() else "",
        f"provisional: {percent(share) or 'not known'}",
    ]
    lines = [Text(f"Emissions of {month_spans(frame['month'])}", "bold"), Text(_amount(total), "bold green"), Text(label)]
    lines.append(Text(" · ".join(fact for fact in facts if fact)))
    if tiers:
        shares = ", ".join(f"{clean(tier)} {percent(part)}" for tier, part in tiers.items())
        lines.append(Text(f"intensity by energy: {shares}"))
    return Text("\n", overflow="fold").join(lines)


def _amount(kgco2e: float) -> str:
    if abs(kgco2e) >= 1_000:
        return f"{round_numbers([kgco2e / 1_000])[0]} tCO2e"
    return f"{round_numbers([kgco2e])[0]} kgCO2e"


def _scope_lines(frame: pd.DataFrame) -> list[_Line]:
    """A strong line for each scope, under it one for each category and phase, and the total."""
    lines: list[_Line] = []
    for scope, rows in frame.groupby("scope", sort=True):
        lines.append(_line(SCOPES.get(int(str(scope)), f"Scope {scope}"), rows, strong=True))
        named = rows.assign(category=rows["category"].fillna(0), phase=rows["phase"].map(_phase_rank))
        for (category, rank), part in named.groupby(["category", "phase"], sort=True):
            phase = str(rows.loc[part.index[0], "phase"])
            lines.append(_line(f"  {_category(int(category), phase)}", part))
            del rank
    return [*lines, _line("Total", frame, strong=True)]


def _phase_rank(phase: str) -> int:
    return PHASES.index(phase) if phase in PHASES else len(PHASES)
