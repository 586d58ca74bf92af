"""Intensities as a person reads them: watt-hours and grams for each unit, and what of it is verification and retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from carbon.report.cells import clean, percent, round_numbers
from carbon.report.layout import column, fitting, table
from carbon.report.units import APART
from carbon.report.view import NAMELESS, NOT_STATED, UNALLOCATED, render_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.console import RenderableType

    from carbon.report.layout import Column

_PER_THOUSAND = 1000.0
_NAME_LEAST = 8
_EMPTY = {"tier": "(no tier)"}
_IDLE = (
    f"{UNALLOCATED} is time in service without work, its energy and its hardware; in CSV its name is empty, as where nobody "
    "stated one: add activity to --by to tell them apart"
)
_BY_TIER = (
    "by the tier of the energy's intensity; (no tier) is hardware, and energy that an instrument covers: the other rows hold no "
    "hardware, and device-hours are not told"
)


def render_units(frame: pd.DataFrame, by: Sequence[str], labels: Sequence[str], width: int) -> list[RenderableType]:
    """Renderables of a table of carbon.report.units.intensity, each no wider than `width` [terminal cells].

    A line for each unit that is counted, [Wh] and [g]; then what of each group is verification and retry, where any is.
    """
    title, *rest = labels
    shown: list[RenderableType] = [Text(clean(title), "bold", overflow="fold")]
    shown += [Text(clean(label), overflow="fold") for label in rest]
    keys = [*(["month"] if frame["month"].nunique() > 1 else []), *by]
    frame = _named_first(frame, keys)
    counted, shares = frame[frame["count"].notna()], _with_any(frame, by)
    for columns in (_per_unit(counted, keys), _apart(shares, keys)):
        shown += ["", table(fitting(columns, width), width)] if columns[0].cells else []
    idle = any((counted[name] == UNALLOCATED).any() for name in by)
    notes = [*([_BY_TIER] if "tier" in keys else []), *([_IDLE] if idle else []), *left_out(frame)]
    if notes:
        shown += ["", render_notes(notes)]
    return shown


def _named_first(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Rows in their order, those that have a name before those of what nobody stated, and of what is no work."""
    names = frame[list(keys)].astype(object).fillna("").to_numpy().tolist()
    ranks = [[(1 + (name in NAMELESS), "") if name in ("", *NAMELESS) else (0, name) for name in row] for row in names]
    return frame.iloc[sorted(range(len(frame)), key=ranks.__getitem__)]


def left_out(frame: pd.DataFrame) -> list[str]:
    """What a reader must know of the figures that are not there, a line each."""
    counted = frame["count"].notna()
    found = []
    if not counted.all():
        found.append(f"{int((~counted).sum()):,} rows without a count are not shown; CSV has what they hold")
    if (counted & frame["kgco2e_per_unit"].isna()).any():
        found.append(
            "no figure of the statement where some of its inference does not state the unit, or nothing is known"
        )
    if (frame.loc[counted, "coverage_share"] < 1).any():
        found.append("stated: the share of emissions whose work states the unit, which alone is divided")
    return found


def _per_unit(frame: pd.DataFrame, keys: Sequence[str]) -> list[Column]:
    each = {"Wh": frame["energy_kwh_per_unit"] * _PER_THOUSAND, "gCO2e": frame["kgco2e_per_unit"] * _PER_THOUSAND}
    return [
        *_names(frame, keys),
        column("of", frame["part"].tolist(), "text", least=len("statement")),
        column("per", frame["functional_unit"].tolist(), "text", least=len("device-hour")),
        column("count", _each(frame["count"]), "number"),
        *(column(name, _each(values), "number") for name, values in each.items()),
        column("stated", [percent(share) for share in frame["coverage_share"]], "number"),
    ]


def _apart(frame: pd.DataFrame, keys: Sequence[str]) -> list[Column]:
    words = {
        f"{name}_{of}_share": f"{name}, {what}" for name in APART for of, what in (("energy", "kWh"), ("kgco2e", "kg"))
    }
    first = _names(frame, keys) or [column("of all", ["this much is"] * len(frame), "text")]
    return [
        *first,
        *(column(word, [percent(share) for share in frame[name]], "number") for name, word in words.items()),
    ]


def _with_any(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """One row a group that has verification or retries."""
    names = [f"{name}_{of}_share" for name in APART for of in ("energy", "kgco2e")]
    groups = frame.drop_duplicates(["month", *by])
    return groups[(groups[names] > 0).any(axis=1)]


def _names(frame: pd.DataFrame, keys: Sequence[str]) -> list[Column]:
    words = ([clean(name) for name in frame[key].fillna(_EMPTY.get(key, NOT_STATED))] for key in keys)
    return [column(key, cells, "text", least=_NAME_LEAST) for key, cells in zip(keys, words, strict=True)]


def _each(values: pd.Series) -> list[str]:
    """Each number to its own digits: units are too far apart for common ones."""
    return [round_numbers([value])[0] for value in values.tolist()]
