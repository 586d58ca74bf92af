"""A report table as a person reads it: the total and its label, then its parts by scope, month and grouping."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from rich.table import Table
from rich.text import Text

from carbon.ledger.entries import standing
from carbon.report.cells import amount, clean, exact, percent, round_numbers
from carbon.report.layout import Column, column, fitting, table
from carbon.report.monthly import GROUPINGS, month_spans
from carbon.report.notes import Notes
from carbon.report.screen import SCREEN, bar, change_line, lines_of, render_bars, render_causes
from carbon.report.shares import provisional_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from carbon.report.cells import Cell
    from carbon.report.glance import Change

SCOPES = {1: "Scope 1 direct", 2: "Scope 2 purchased electricity", 3: "Scope 3 value chain"}
CATEGORIES = {
    1: "purchased goods and services",
    2: "capital goods",
    3: "fuel- and energy-related",
    4: "upstream transport",
    5: "waste",
    8: "upstream leased assets",
    13: "downstream leased assets",
}
PHASES = ("use", "upstream", "losses", "manufacturing", "transport", "cooling", "disposal", "write-off")
HARDWARE_PHASES = PHASES[3:]
PARTS_SHOWN = 10
NOT_STATED = "(not stated)"
NOT_ATTRIBUTED = "(hardware, not attributed)"
UNALLOCATED = "(unallocated idle)"
NAMELESS = (UNALLOCATED, NOT_ATTRIBUTED)
NOT_COVERED = "not covered"
INSTRUMENTS = "instruments"
_TONNES_FROM_KG = 10_000_000
_NAME_LEAST = 30
_BAR_CELLS = 8
TITLES = ("To do", "Good to know", "How it is reckoned")


class Part(NamedTuple):
    """One line of a table of parts: energy [kWh] and emissions [kg]; a strong line is the sum of others."""

    name: str
    energy_kwh: float
    kgco2e: float
    strong: bool = False


def render_report(
    frame: pd.DataFrame,
    label: str,
    notes: Iterable[str] | Notes = (),
    width: int = 80,
    entity: str = "",
    scope2: Mapping[str, float] | None = None,
    by: Sequence[str] | None = None,
    work: Table | None = None,
    span: str = "",
    change: Change | None = None,
    settled: Sequence[str] = (),
    tiers: Mapping[str, float] | None = None,
) -> list[RenderableType]:
    """Renderables of a report table, each no wider than `width` [terminal cells].

    First what fits one screen: the total under its label, the change against the month before, what is settled (in words),
    the largest causes and parts as bars. Then a table by scope, category and phase [kWh, kgCO2e or tCO2e], one by month
    where there are several, one for each grouping column that the table has or of those in `by`, `work` (intensities), and
    the notes. `span`: the time in words, where it is not whole months; `tiers`: as `headline` takes them.
    """
    names = [name for name in GROUPINGS if name in (frame if by is None else by)]
    if frame["month"].nunique() > 1:
        names.insert(0, "month")
    tables = [_parts_table(name, parts_by(frame, name), frame, width) for name in names]
    top = headline(frame, label, entity, scope2, span, change, settled, tiers)
    causes = render_causes(change, width)
    room = SCREEN - lines_of(top.plain, width) - (causes.row_count + 1 if causes.row_count else 0) - 1
    parts = render_bars(phase_parts(frame), width, room)
    units = [work] if work is not None else []
    shown: list[RenderableType] = [top]
    for one in [causes, parts, _parts_table("", scope_parts(frame), frame, width), *tables, *units]:
        shown += ["", one] if one.row_count else []
    for title, bullets in _note_tables(notes):
        shown += ["", *([Text(title, "bold")] if title else []), bullets]
    return shown


def render_notes(notes: Iterable[str]) -> Table:
    """Notes as a list with hanging lines; no row where there is none."""
    bullets = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    bullets.add_column(width=1)
    bullets.add_column(overflow="fold")
    for note in notes:
        bullets.add_row("•", Text(clean(note), overflow="fold"))
    return bullets


def _note_tables(notes: Iterable[str] | Notes) -> list[tuple[str, Table]]:
    """Notes under what they are, those that ask for something first; what holds always is one note."""
    if not isinstance(notes, Notes):
        notes = Notes(know=list(notes))
    kinds = zip(TITLES, (notes.act, notes.know, [" ".join(notes.method)] if notes.method else []), strict=True)
    return [(title, render_notes(some)) for title, some in kinds if some]


def headline(
    frame: pd.DataFrame,
    label: str,
    entity: str = "",
    scope2: Mapping[str, float] | None = None,
    span: str = "",
    change: Change | None = None,
    settled: Sequence[str] = (),
    tiers: Mapping[str, float] | None = None,
) -> Text:
    """The total [kgCO2e or tCO2e], how it is to be read, Scope 2 by each method [kg], energy, what is settled, the change.

    Without words of what is `settled` the provisional share is named. `tiers`: shares of the energy [1] as `standing_tiers`
    has them; None: those of the table.
    """
    energy = _sum(frame["energy_kwh"].dropna())
    share = percent(provisional_share(frame)) or "unknown share"
    facts = [f"{round_numbers([energy])[0]} kWh at the meter"] if frame["energy_kwh"].notna().any() else []
    facts += [] if settled else [f"provisional: {share} of the emissions"]
    parts = tier_shares(frame) if tiers is None else tiers
    by_tier = ", ".join(f"{clean(tier)} {percent(part)}" for tier, part in parts.items())
    lines = [
        Text(f"Emissions of {clean(entity)}{', ' if entity else ''}{span or month_spans(frame['month'])}", "bold"),
        Text(amount(_sum(frame["kgco2e"])) + _interval(frame), "bold green"),
        Text(clean(label)),
        *([Text(f"Scope 2: {_by_method(scope2)}")] if scope2 and len(scope2) > 1 else []),
        *([Text(" · ".join(facts))] if facts else []),
        *([Text(f"grid data: {by_tier} of the energy")] if by_tier else []),
        *(Text(clean(line)) for line in settled),
        *([Text(clean(change_line(change)), "bold")] if change else []),
    ]
    return Text("\n", overflow="fold").join(lines)


def _by_method(scope2: Mapping[str, float]) -> str:
    return ", ".join(f"{amount(kilograms)} {basis}-based" for basis, kilograms in scope2.items())


def tier_shares(frame: pd.DataFrame) -> dict[str, float]:
    """Share [1] of a report table's energy [kWh] by tier of its intensity, largest first; empty without energy."""
    tiers = frame.assign(tier=frame["tier"].mask(frame["kgco2e"].isna(), NOT_COVERED).fillna(INSTRUMENTS))
    parts = parts_by(tiers[tiers["energy_kwh"].notna()], "tier")
    parts.sort(key=lambda part: (-part.energy_kwh, part.name))
    whole = math.fsum(part.energy_kwh for part in parts)
    return {part.name: part.energy_kwh / whole for part in parts} if whole else {}


def standing_tiers(frame: pd.DataFrame, lines: pd.DataFrame) -> dict[str, float]:
    """`tier_shares` of a report table whose statement has these lines, of those alone that stand.

    A month that adjusts closed ones takes back energy of theirs, and shares of a sum with that are no shares of anything.
    """
    if not lines["reverses"].notna().any():
        return tier_shares(frame)
    some = standing(lines)[["tier", "phase", "energy_kwh", "kgco2e"]]
    return tier_shares(some.astype({"tier": "str"}))


def parts_by(frame: pd.DataFrame, name: str) -> list[Part]:
    """Parts by the values of a column, [kWh] and [kg]: months in their order, others by emissions, largest first.

    What nobody used, energy or hardware, is a part of its own and not one that nobody stated, and so is hardware that no work
    is named for, where the table says by activity which that is.
    """
    kept = frame.assign(**{name: names_of(frame, name)}) if frame[name].isna().any() else frame
    parts = [Part(str(key or NOT_STATED), *sums) for key, sums in _sums(kept, name).items()]
    return sorted(parts, key=lambda part: (0.0 if name == "month" else -_known(part.kgco2e), part.name))


def names_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """Values of a column; what has none as nobody used it, or is hardware that no work is named for, is called so."""
    found = frame[name]
    none, activity = found.isna() | (found == ""), frame.get("activity", found)
    of_no_work = none & activity.isna() & frame["phase"].isin(HARDWARE_PHASES)
    if isinstance(found.dtype, pd.CategoricalDtype):
        found = found.cat.add_categories([word for word in NAMELESS if word not in found.cat.categories])
    else:
        found = found.astype("str")
    return found.mask(of_no_work, NOT_ATTRIBUTED).mask(none & (activity == "idle"), UNALLOCATED)


def scope_parts(frame: pd.DataFrame) -> list[Part]:
    """A strong part for each scope, under it its categories and their phases, and the total: [kWh] and [kg]."""
    parts: list[Part] = []
    for scope, rows in frame.groupby("scope"):
        parts.append(Part(SCOPES.get(int(str(scope)), f"Scope {scope}"), *_pair(_rows(rows)), strong=True))
        parts += _phase_parts(rows[rows["category"].isna()], "  ")
        for category, part in rows.groupby("category"):
            parts += _category_parts(int(str(category)), part)
    return [*parts, Part("Total", *_pair(_rows(frame)), strong=True)]


def phase_parts(frame: pd.DataFrame) -> list[tuple[str, float]]:
    """Emissions [kg] of each phase of each scope, by name."""
    return [
        (f"Scope {scope} {phase}", _pair(_rows(rows))[1])
        for (scope, phase), rows in frame.groupby(["scope", "phase"], sort=True)
    ]


def _category_parts(category: int, rows: pd.DataFrame) -> list[Part]:
    name = f"  {category} {CATEGORIES.get(category, '(see the Scope 3 Standard)')}"
    phases = _phase_parts(rows, "    ")
    if len(phases) == 1:
        return [phases[0]._replace(name=f"{name}, {phases[0].name.strip()}")]
    return [Part(name, *_pair(_rows(rows))), *phases]


def _phase_parts(rows: pd.DataFrame, indent: str) -> list[Part]:
    """Phases in the order of a life; what of one is not covered is a part of its own, and called so."""
    covered = rows["kgco2e"].notna()
    known, unknown = _sums(rows[covered], "phase"), _sums(rows[~covered], "phase")
    order = sorted(
        map(str, {*known, *unknown}), key=lambda name: (PHASES.index(name) if name in PHASES else len(PHASES), name)
    )
    kinds = ((known, ""), (unknown, f", {NOT_COVERED}"))
    return [Part(f"{indent}{name}{said}", *sums[name]) for name in order for sums, said in kinds if name in sums]


def _parts_table(name: str, parts: Sequence[Part], frame: pd.DataFrame, width: int) -> Table:
    total = _sum(frame["kgco2e"])
    shown = parts if not name or name == "month" else _with_rest(parts)
    columns = _columns(name, shown, total, tonnes=abs(total) >= _TONNES_FROM_KG)
    strong = {at for at, part in enumerate(shown) if part.strong}
    return table(fitting(columns, width), width, strong)


def _columns(name: str, parts: Sequence[Part], total: float, tonnes: bool) -> list[Column]:
    shares = [part.kgco2e / total if total else math.nan for part in parts]
    energy = round_numbers([part.energy_kwh for part in parts])
    mass = [mass or NOT_COVERED for mass in round_numbers([part.kgco2e / (1_000 if tonnes else 1) for part in parts])]
    columns = [
        column(name, [clean(part.name) for part in parts], "text", least=_NAME_LEAST),
        column("kWh", energy, "number"),
        column("tCO2e" if tonnes else "kgCO2e", mass, "number"),
        column("share", [percent(share) for share in shares], "number"),
        column("", [bar(share, _BAR_CELLS) for share in shares], "text", least=_BAR_CELLS),
    ]
    return columns if any(energy) else [columns[0], *columns[2:]]


def _with_rest(parts: Sequence[Part]) -> list[Part]:
    """The largest parts, and one line for all others together, so that what is shown adds up."""
    if len(parts) <= PARTS_SHOWN + 1:
        return list(parts)
    rest = [(part.energy_kwh, part.kgco2e) for part in parts[PARTS_SHOWN:]]
    return [*parts[:PARTS_SHOWN], Part(f"({len(rest):,} others)", *_pair(rest))]


def _interval(frame: pd.DataFrame) -> str:
    """Range of the total in its unit; empty where it is not known."""
    low, high = (frame.attrs.get(f"kgco2e_{end}", math.nan) for end in ("low", "high"))
    if math.isnan(low):
        return ""
    tonnes = abs(_sum(frame["kgco2e"])) >= 1_000  # the unit of the total before it
    return f" ({' to '.join(round_numbers([low / 1_000, high / 1_000] if tonnes else [low, high]))})"


def _sums(frame: pd.DataFrame, name: str) -> dict[Cell, tuple[float, float]]:
    """Energy [kWh] and emissions [kg] by the values of a column, None where it is missing."""
    groups: dict[Cell, list[tuple[float, float]]] = defaultdict(list)
    for key, row in zip(exact(frame[name]), _rows(frame), strict=True):
        groups[key].append(row)
    return {key: _pair(rows) for key, rows in groups.items()}


def _rows(frame: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(frame["energy_kwh"].tolist(), frame["kgco2e"].tolist(), strict=True))


def _pair(rows: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Energy [kWh] and emissions [kg] of rows, each missing where no row has any."""
    energy, kilograms = ([row[at] for row in rows if not math.isnan(row[at])] for at in (0, 1))
    return math.fsum(energy) if energy else math.nan, math.fsum(kilograms) if kilograms else math.nan


def _sum(values: pd.Series) -> float:
    return math.fsum(values.dropna().tolist())


def _known(number: float) -> float:
    return 0.0 if math.isnan(number) else number
