"""The running view: day after day the total of a window that ends with that day, as a table and as a chart of letters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.core.stack import stacked
from carbon.core.sums import adjoined, exact, sum_of
from carbon.core.time import DAY_US, cell_of, from_us, isoformat, month_number, month_range_us, month_text, us_of
from carbon.report.cells import round_numbers
from carbon.report.condensed import by_month
from carbon.report.monthly import months_of, require_energy_basis, statement
from carbon.report.plot import chart
from carbon.report.rolling import Span, nothing_in, parse_length, pieces, span_to, window_end
from carbon.report.shares import provisional_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.core.sums import Exact
    from carbon.ledger.views import Dated
    from carbon.report.rolling import Rolled

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

USUAL_DAYS, MOST_DAYS = 30, 3660
SHOWN = ("day", "energy_kwh", "kgco2e", "provisional_share")
_NEEDED = ("period", "start", "end", "basis", "energy_kwh", "kgco2e", "status")
_UNITS = (("tCO2e", 1e4, 1e-3), ("kgCO2e", 10.0, 1.0), ("gCO2e", 0.0, 1e3))  # name, from so many kg, per kg


class _Sums(NamedTuple):
    """Of each cell of time: entries, energy [kWh], emissions [kg], and those of what is provisional [kg]."""

    entries: Floats
    energy: Floats
    kilograms: Floats
    provisional: Floats

    def of(self, first: int, after: int) -> tuple[float, ...]:
        """The sums over some cells that follow each other, missing where no cell has any."""
        return tuple(_sum_of_known(column[first:after]) for column in self)


def daily(
    ledger: Dated,
    rolling: str,
    period: str | Iterable[str] | None = None,
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
    *,
    days: int = USUAL_DAYS,
) -> pd.DataFrame:
    """One row a day, the last `days` of them: the total of the window `rolling` up to the end of that day.

    Columns: day, start and end of the window, energy_kwh [kWh], kgco2e [kg], provisional_share [1], of the statement
    `energy`, `hardware`. A day whose window has no entry is left out. Windows end as those of `monthly.report`; raises as
    it does, and UsageError for a number of days that is out of range.
    """
    length = parse_length(rolling)
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(f"--days {days} must be 1 to {MOST_DAYS:,}")
    end = window_end(ledger, months_of(period) if period else (), as_of)
    spans = [span_to(end - back * DAY_US, length) for back in reversed(range(days))]
    whole = Span(spans[0].start_us, end)
    first = month_text(int(cell_of(np.array([whole.start_us]), "month")[0]))
    months = [month for month in ledger.months() if month >= first]
    edges = np.unique(np.array(spans).ravel())
    bases, parts = [], []
    for entries in by_month(ledger, as_of, months, _NEEDED):
        inside = entries[(us_of(entries["end"]) > whole.start_us) & (us_of(entries["start"]) < end)]
        bases.append(inside[["period", "basis"]].drop_duplicates())
        parts.append(_exactly(statement(inside, energy, hardware), edges))
    require_energy_basis(stacked(bases), energy)
    if not any(part[0].known.any() for part in parts):
        raise nothing_in(whole, ledger.months())
    return _table(_added(parts, len(edges) - 1), edges, spans)


def edge_note(found: Rolled, energy: str, hardware: str) -> list[str]:
    """What was shared at the edge of a window, emissions [kg] of the statement; nothing where no entry lies across it."""
    shared = statement(found.entries[found.across], energy, hardware)
    if shared.empty:
        return []
    kilograms = round_numbers([sum_of(shared["kgco2e"].to_numpy())])[0]
    return [
        f"{len(shared):,} entries (days, or months of hardware) lie across an edge of the window and are shared by "
        f"time: {kilograms} kgCO2e of what is shown."
    ]


def young_note(frame: pd.DataFrame, months: Sequence[str]) -> list[str]:
    """How many windows of a daily table begin before the first of the ledger's months: they hold less than their length."""
    first = month_range_us(*[month_number(months[0])] * 2)[0]
    early = int((us_of(frame["start"]) < first).sum())
    if not early:
        return []
    return [f"{early} of {len(frame)} windows begin before the ledger's first month, {months[0]}: they hold less."]


def running_chart(frame: pd.DataFrame, rolling: str, width: int, encoding: str = "utf-8") -> list[str]:
    """Lines of a chart of a daily table: emissions by days since the first [gCO2e, kgCO2e or tCO2e].

    Nothing where there are fewer than two days, or a total below 0, for which the axis has no room.
    """
    values = frame["kgco2e"].to_numpy(np.float64)
    if len(values) < 2 or np.isnan(values).all() or np.nanmin(values) < 0:
        return []
    unit, _, per_kg = next(one for one in _UNITS if np.nanmax(values) >= one[1])
    days, last = _days_since_first(frame["day"]), frame["day"].iloc[-1]
    title = f"{unit} of {rolling} up to each day, by days since {frame['day'].iloc[0]} (to {last})"
    heights = (values * per_kg).tolist()
    return chart(
        {"o": lambda at: heights[int(np.abs(days - at).argmin())]}, title, width=width, height=10, encoding=encoding,
        end=float(days[-1]),
    )  # fmt: skip


def _table(sums: _Sums, edges: Ints, spans: Sequence[Span]) -> pd.DataFrame:
    totals = [sums.of(*np.searchsorted(edges, np.array(span)).tolist()) for span in spans]
    kept = [(span, total) for span, total in zip(spans, totals, strict=True) if total[0] > 0]
    return pd.DataFrame({
        "day": pd.Series([isoformat(span.end_us - 1)[:10] for span, _ in kept], dtype="str"),
        "start": pd.Series([from_us(span.start_us) for span, _ in kept], dtype="datetime64[us, UTC]"),
        "end": pd.Series([from_us(span.end_us) for span, _ in kept], dtype="datetime64[us, UTC]"),
        "energy_kwh": [energy for _, (_, energy, *_) in kept],
        "kgco2e": [kilograms for _, (_, _, kilograms, *_) in kept],
        "provisional_share": provisional_shares(*_columns(kept)),
    })  # fmt: skip


def _columns(kept: Sequence[tuple[Span, tuple[float, ...]]]) -> Iterator[Floats]:
    """Provisional emissions and all of each window [kg]."""
    for at in (3, 2):
        yield np.array([total[at] for _, total in kept], np.float64)


def _exactly(lines: pd.DataFrame, edges: Ints) -> list[Exact]:
    """Sums of entries by the cells between edges [us], as _Sums has them, not rounded yet."""
    parts = pieces(lines, edges)
    energy, kilograms = (parts.of(lines[name].to_numpy(np.float64)) for name in ("energy_kwh", "kgco2e"))
    flags = (lines["status"] == "provisional").to_numpy()[parts.row]
    provisional = np.where(np.isnan(kilograms), np.nan, np.where(flags, kilograms, 0.0))
    columns = (np.ones(len(kilograms)), energy, kilograms, provisional)
    return [exact(column, parts.cell, len(edges) - 1) for column in columns]


def _added(months: Sequence[Sequence[Exact]], count: int) -> _Sums:
    """The sums of several months by cell, each nearest to the exact sum of its parts."""
    cell = np.tile(np.arange(count), len(months))
    return _Sums(*(adjoined(parts).by(cell, count).sums() for parts in zip(*months, strict=True)))


def _sum_of_known(values: Floats) -> float:
    return math.nan if np.isnan(values).all() else sum_of(values)


def _days_since_first(days: pd.Series) -> Floats:
    numbers = np.array(days.tolist(), "M8[D]").astype(np.float64)
    return numbers - numbers[0]
