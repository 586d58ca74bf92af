"""Statements and the report table: the ledger's live entries of some months, summed by what the reader asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.schema import columns
from carbon.core.stack import stacked
from carbon.core.sums import sum_of
from carbon.core.time import month_number, month_text, parse_period
from carbon.ledger.views import Pinnable, Spread
from carbon.report.condensed import by_month
from carbon.report.fold import fold, joined
from carbon.report.groups import numbered
from carbon.report.normals import GENERATOR
from carbon.report.ranges import BEHIND, TABLE, Draws, ranges_of
from carbon.report.rolling import rolled
from carbon.report.shares import provisional_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.ledger.spreads import Spreads
    from carbon.ledger.views import Dated, Live
    from carbon.report.fold import Folded

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ENERGY = ("location", "market")
HARDWARE = ("amortised", "incurred")
LEAST_DRAWS, MOST_DRAWS = 100, 1_000_000
USUAL_DRAWS = Draws()
_KEYS = ("scope", "category", "phase", "basis", "tier")
NEEDED = ("period", *_KEYS, "energy_kwh", "kgco2e", "status", "node", *BEHIND)
GROUPINGS = ("zone", "node", "operator", "product", "model", "mode", "activity", "boundary")
_LABELS = {
    "location": "location-based",
    "market": "market-based",
    "amortised": "amortised hardware (management view)",
    "incurred": "hardware as incurred",
}


def report(
    ledger: Live | Dated,
    period: str | Iterable[str] | None = None,
    by: str | Iterable[str] = (),
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
    *,
    draws: int = 10_000,
    seed: int = 1,
    tables: str = "",
    kept: Spreads | None = None,
    rolling: str | None = None,
) -> pd.DataFrame:
    """The report table of a period: energy_kwh [kWh], kgco2e [kg], provisional_share [1]; its rows add up to the total.

    `rolling` (24h, 7d, 30d, 12mo) takes the window of that length, which ends with the period, or without one with the last
    energy that the ledger has; a month is then its part in the window (carbon.report.rolling).
    `period` is `2026-10`, `2026-Q4`, `2026` or several of them; `by` holds words of GROUPINGS. One row for each
    combination of month, by, scope, category, phase, basis and tier, sorted. `kgco2e_low` and `kgco2e_high` [kg] hold 95 %
    of so many `draws` (carbon.report.ranges), by the tables of uncertainty that postings were reckoned with: those that the
    ledger `kept` (None: it is asked), and for postings that kept none that in the folder `tables` ([grid] data).
    The range of the total, which is not the sum of the rows', is in `attrs` with draws and seed.
    Raises UsageError for a word or a number that is none, NotFoundError where the ledger has no entry of the period or the
    statement.
    """
    words, months = groupings(by), months_of(period or ()) if period or rolling is None else []
    if not (LEAST_DRAWS <= draws <= MOST_DRAWS and seed >= 0):
        raise UsageError(
            f"draws must be {LEAST_DRAWS} to {MOST_DRAWS:,} and the seed 0 or more, not {draws} and {seed}"
        )
    _check_bases(energy, hardware)
    ledger = ledger.pinned() if isinstance(ledger, Pinnable) else ledger
    drawn = Draws(draws, seed, tables, kept_tables(ledger) if kept is None else kept)
    needed = [*dict.fromkeys((*NEEDED, *words, *drawn.needs))]
    if rolling is not None:
        ledger = rolled(cast("Dated", ledger), rolling, months, as_of, (*needed, "start", "end"))
        months = ledger.span.months
    bases, folded = [], []
    for rows in map(_folder(words, drawn), by_month(ledger, as_of, months, needed)):
        bases.append(rows.heads[["period", "basis"]].drop_duplicates())
        folded.append(rows.take(statement(rows.heads, energy, hardware).index.to_numpy()))
    posted = stacked(bases)
    if posted.empty:
        raise nothing_posted(months, ledger.live(as_of=as_of, columns=("period",), coded=True)["period"])
    require_energy_basis(posted, energy)
    if not any(len(rows.heads) for rows in folded):
        raise nothing_on_basis(months, posted, energy, hardware)
    return _summary(joined(folded), words, drawn)


def _folder(by: Sequence[str], draws: Draws) -> Callable[[pd.DataFrame], Folded]:
    """What folds entries for a report by some words."""
    return lambda entries: fold(draws.marked(entries), _folded_by(by, draws))


def kept_tables(ledger: Live) -> Spreads:
    """The tables that a ledger kept; none of entries at hand."""
    return ledger.spreads() if isinstance(ledger, Spread) else ()


def statement(entries: pd.DataFrame, energy: str = "location", hardware: str = "amortised") -> pd.DataFrame:
    """The entries of one statement: of that energy basis, that hardware basis, or either; their lines may be added.

    Added are energy_kwh [kWh] and kgco2e [kg]. Raises UsageError for a basis that is none.
    """
    _check_bases(energy, hardware)
    return entries[entries["basis"].isin([energy, hardware, "either"])]


def scope2_by_method(entries: pd.DataFrame) -> dict[str, float]:
    """Scope 2 of live entries by each method that they hold, emissions [kg]: both are to be shown side by side.

    What is not covered is left out. (GHG Protocol Scope 2 Guidance, ch. 7.1.)
    """
    ours = entries.loc[entries["scope"] == 2, ["basis", "kgco2e"]]
    held = [basis for basis in ENERGY if (ours["basis"] == basis).any()]
    return {basis: sum_of(ours.loc[ours["basis"] == basis, "kgco2e"].to_numpy()) for basis in held}


def statement_label(energy: str, hardware: str) -> str:
    """How a statement is to be named beside its total, so that no two are mixed up."""
    return f"{_LABELS[energy]}, {_LABELS[hardware]}"


def groupings(by: str | Iterable[str]) -> list[str]:
    """Words to group by, each once; text is split at commas. Raises UsageError for a word that is not of GROUPINGS."""
    words = list(dict.fromkeys(_listed(by)))
    unknown = [word for word in words if word not in GROUPINGS]
    if unknown:
        raise UsageError(f"cannot group by {', '.join(map(repr, unknown))}; allowed: {', '.join(GROUPINGS)}")
    return words


def months_of(period: str | Iterable[str]) -> list[str]:
    """Months (`YYYY-MM`), sorted and each once, of a period or several. Raises UsageError for text that is none."""
    numbers = {number for text in _listed(period) for number in parse_period(text)}
    if not numbers:
        raise UsageError("no period was named; write it as 2026-10, 2026-Q4 or 2026")
    return [month_text(number) for number in sorted(numbers)]


def month_spans(months: Iterable[str]) -> str:
    """Months in words, runs of them as `first to last`: `2026-01 to 2026-03, 2026-05`."""
    spans: list[list[int]] = []
    for number in sorted({month_number(month) for month in months}):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(_span(first, last) for first, last in spans)


def summarise(lines: pd.DataFrame, by: Sequence[str] = (), draws: Draws = USUAL_DRAWS) -> pd.DataFrame:
    """Sum a statement's entries to the report table: energy [kWh] and emissions [kg] of each combination of its keys.

    Each sum is the float64 nearest to the exact one, so it does not depend on the order of the rows. Energy is missing
    where no entry has any, emissions where no figure covers any; a range where an entry has no `gsd2`. What is not
    covered has rows of its own. `attrs` tell the draws, their seed and generator, and the range of the whole [kg].
    """
    return _summary(_folder(by, draws)(lines), by, draws)


def _folded_by(by: Sequence[str], draws: Draws) -> list[str]:
    """What the entries of a row must agree in."""
    table = (TABLE,) if draws.needs else ()
    return list(dict.fromkeys(("period", *by, *_KEYS, *BEHIND, "node", *table)))


def _summary(rows: Folded, by: Sequence[str], draws: Draws) -> pd.DataFrame:
    names = ["period", *by, *_KEYS]
    group, heads = numbered(rows.heads, names, rows.kilograms.known > 0)  # what is not covered has rows of its own
    table = _keys(rows.heads.iloc[heads][names])
    table["energy_kwh"] = rows.energy.by(group, len(heads)).sums()
    table["kgco2e"] = rows.kilograms.by(group, len(heads)).sums()
    table["kgco2e_low"], table["kgco2e_high"], whole = _ranges(rows, group, table["kgco2e"].to_numpy(), draws)
    table["provisional_share"] = _share(rows, group, table["kgco2e"].to_numpy(np.float64), len(heads))
    table = table[report_columns(by)]
    table.attrs |= {"draws": draws.draws, "seed": draws.seed, "generator": GENERATOR} | whole
    return table


def report_columns(by: Sequence[str] = ()) -> list[str]:
    """Columns of the report table, the words to group by after the month."""
    month, *rest = columns("report")
    return [month, *by, *rest]


def _listed(texts: str | Iterable[str]) -> list[str]:
    parts = texts.split(",") if isinstance(texts, str) else list(texts)
    return [part.strip() for part in parts if part.strip()]


def _span(first: int, last: int) -> str:
    return month_text(first) if first == last else f"{month_text(first)} to {month_text(last)}"


def _check_bases(energy: str, hardware: str) -> None:
    for name, word, allowed in (("energy", energy, ENERGY), ("hardware", hardware, HARDWARE)):
        if word not in allowed:
            raise UsageError(f"{word!r} is no {name} basis; allowed: {', '.join(allowed)}")


def require_energy_basis(entries: pd.DataFrame, energy: str) -> None:
    """Raise NotFoundError for a month with Scope 2 on the other basis alone: it would be understated.

    A month without Scope 2 energy has neither, and every statement of it is complete.
    """
    other = ENERGY[1 - ENERGY.index(energy)]
    posted = {basis: set(entries.loc[entries["basis"] == basis, "period"].unique()) for basis in ENERGY}
    lacking = posted[other] - posted[energy]
    if lacking:
        raise NotFoundError(
            f"the ledger has no {_LABELS[energy]} line for {month_spans(lacking)}, only {_LABELS[other]} ones; "
            f"ask for the {other} basis, or run `carbon account` with settings that give the {energy} basis"
        )


def nothing_posted(months: Sequence[str], posted: pd.Series) -> NotFoundError:
    """The error for months without an entry; `posted` are those that have one."""
    if posted.empty:
        return NotFoundError("the ledger has no entries yet (or had none then); run `carbon account` first")
    return NotFoundError(f"the ledger has no entry for {month_spans(months)}; it has {month_spans(posted)}")


def posted_months(ledger: Dated, as_of: datetime | str | None = None) -> pd.Series:
    """The months that have live entries known at `as_of`; one is read at a time."""
    live = (month for month in ledger.months() if len(ledger.live(as_of, [month], ("period",), coded=True)))
    return pd.Series(list(live), dtype="str")


def nothing_on_basis(months: Sequence[str], entries: pd.DataFrame, energy: str, hardware: str) -> NotFoundError:
    """The error for months whose entries are all of other bases than the statement's."""
    bases = ", ".join(sorted(set(entries["basis"])))
    label = statement_label(energy, hardware)
    return NotFoundError(f"{month_spans(months)} has no line of the statement {label}; posted are lines of {bases}")


def _keys(lines: pd.DataFrame) -> pd.DataFrame:
    """Key columns; blank text becomes missing, so that two ways of being empty make one row."""
    keys = lines.rename(columns={"period": "month"}).reset_index(drop=True)
    for name in set(keys) - {"scope", "category"}:
        text = keys[name].astype("str")
        keys[name] = text.mask(text == "")
    return keys.astype({"scope": "int64", "category": "Int64"})


def _ranges(rows: Folded, group: Ints, kilograms: Floats, draws: Draws) -> tuple[Floats, Floats, dict[str, float]]:
    """Low and high end [kg] of each group, and those of the whole; never beyond the sum that is shown."""
    low, high = ranges_of(rows.heads, rows.kilograms, group, len(kilograms), draws)
    central = np.append(kilograms, sum_of(kilograms))
    low, high = np.minimum(low, central), np.maximum(high, central)
    return low[:-1], high[:-1], {"kgco2e_low": float(low[-1]), "kgco2e_high": float(high[-1])}


def _share(rows: Folded, group: Ints, kilograms: Floats, count: int) -> Floats:
    """Share of each row's emissions that is provisional; of entries that are all 0: 1 or 0 where they agree."""
    provisional = (rows.heads["status"] == "provisional").to_numpy()
    some = np.flatnonzero(provisional)
    part = rows.kilograms.take(some).by(group[some], count).sums()
    flagged = np.bincount(group, rows.entries * provisional, count) / np.bincount(group, rows.entries, count)
    return provisional_shares(part, kilograms, flagged)
