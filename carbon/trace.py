"""One entry of the ledger from the figure down to the rows behind it, and reckoned again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import InputError, NotFoundError
from carbon.core.time import month_number, month_range_us
from carbon.evidence import (
    Step,
    basis_of,
    factor_steps,
    file_steps,
    grid_of,
    line_means,
    lots_behind,
    row_steps,
    rows_behind,
    value_steps,
)
from carbon.ledger.causes import PLACE
from carbon.ledger.codes import codes
from carbon.ledger.entries import AMOUNTS, entry_id, normal_entry_id
from carbon.ledger.reconcile import KEY, normal_lines, with_key_of
from carbon.ledger.store import Ledger
from carbon.pipeline import reckon
from carbon.scope2.lines import ENERGY_PHASES
from carbon.scope2.supply import KINDS
from carbon.window import month_window

if TYPE_CHECKING:
    from datetime import datetime

    from carbon.config import Settings
    from carbon.ledger.reader import Reader
    from carbon.stream import Progress

CLOSE = 1e-9
_SHOWN = (
    "posting", "digest", "recorded_at", "period", "start", "end", "scope", "category", "phase", "basis", "node", "operator",
    "zone", "product", "model", "mode", "activity", "boundary", "method", "tier", "factor_kind", "status", "source",
    "adjusts", "cause", "reason",
)  # fmt: skip
_UNITS = {"energy_kwh": "kWh", "kgco2e": "kg", "biogenic_kgco2": "kg", "requests": "1", "tokens": "1"}


class Trace(NamedTuple):
    """Steps from an entry to its inputs and back (columns of Step), and why it does not reproduce: empty when it does."""

    entry: str
    steps: pd.DataFrame
    faults: list[str]


def trace(settings: Settings, text: str, *, now: datetime, progress: Progress | None = None) -> Trace:
    """The tree behind an entry, by its id or that written short; amounts in [kWh] and [kg], to the last digit.

    The entry's month is reckoned again from the inputs as they are; to 1e-9 relative is the same. A reversal is held
    against what it takes back. Raises UsageError for what is no id, NotFoundError for one that the ledger has not.
    """
    ledger, wanted = Ledger(settings.path("ledger.path")).pinned(), normal_entry_id(text)
    entry = _entry(ledger, wanted)
    steps = [Step("entry", "entry", wanted), *_said(entry)]
    if isinstance(entry["reverses"], str):
        more, faults = _reversal(entry, _entry(ledger, entry["reverses"]))
    else:
        more, faults = _reckoned_again(settings, entry, now, progress)
        more = [*_taken_back(ledger, wanted), *more]
    verdict = "reproduces" if not faults else "does not reproduce"
    steps += [*more, *(Step("result", "why not", fault) for fault in faults), Step("result", "verdict", verdict)]
    return Trace(wanted, pd.DataFrame(steps, columns=Step._fields, dtype=object), faults)


def _entry(ledger: Reader, wanted: str) -> pd.Series:
    found = ledger.entry(wanted)
    if found is None:
        raise NotFoundError(f"the ledger has no entry {wanted}; {_newest(ledger)}; `carbon ledger show` lists them")
    return found


def _newest(ledger: Reader) -> str:
    """How many entries a ledger has, and which is the last."""
    postings = ledger.postings()
    if postings.empty:
        return "it has none yet"
    last = postings.iloc[-1]
    return f"the last of its {postings['entries'].sum():,} is {entry_id(int(last['posting']), int(last['entries']))}"


def _said(entry: pd.Series) -> list[Step]:
    """What the entry says of itself, empty cells left out."""
    return [Step("entry", name, _plain(entry[name])) for name in _SHOWN if not pd.isna(entry[name])]


def _plain(value: object) -> object:
    if isinstance(value, pd.Timestamp):
        return value.isoformat().replace("+00:00", "Z")
    return int(value) if isinstance(value, int | np.integer) else value


def _taken_back(ledger: Reader, wanted: str) -> list[Step]:
    by = ledger.taken_back_by(wanted)
    return [
        Step("entry", "taken back by", row["entry"], None, " ".join(str(word) for word in (row["cause"], row["reason"])
             if isinstance(word, str)))
        for _, row in by.iterrows()
    ]  # fmt: skip


def _reversal(entry: pd.Series, original: pd.Series) -> tuple[list[Step], list[str]]:
    """A reversal: what it takes back and why, and whether it takes back all of it."""
    steps = [Step("reverses", "entry", original["entry"]), Step("reverses", "posting", int(original["posting"]))]
    steps += [Step("reverses", name, entry[name]) for name in ("cause", "reason") if isinstance(entry[name], str)]
    steps.append(Step("formula", "formula", "each amount = minus that of the entry that it reverses"))
    faults = []
    for name in AMOUNTS:
        if pd.isna(entry[name]) and pd.isna(original[name]):
            continue
        steps += [
            Step("reverses", name, float(original[name]), _UNITS[name]),
            Step("result", name, float(entry[name]), _UNITS[name], "posted"),
        ]
        if not same(-float(original[name]), float(entry[name])):
            faults.append(f"{name} is not the negative of that of {original['entry']}")
    return steps, faults


def _reckoned_again(
    settings: Settings, entry: pd.Series, now: datetime, progress: Progress | None
) -> tuple[list[Step], list[str]]:
    files, changed = file_steps(settings, str(entry["source"]) if isinstance(entry["source"], str) else "")
    moment = _moment(entry, now)
    try:
        reckoned = reckon(settings, now=moment, window=month_window(_month(entry)), progress=progress)
        if reckoned.lines.empty:
            reckoned.findings.raise_errors()
    except InputError as error:
        return files, [*changed, f"the inputs are refused now: {error.findings[0]}"]
    lines = normal_lines(reckoned.lines)
    line = with_key_of(lines, _as_line(entry))
    results, faults = _compared(entry, line, lines)
    return [*files, *_operands(settings, entry, lines, moment), *results], [*changed, *faults] if faults else []


def _month(entry: pd.Series) -> str:
    """The month whose inputs an entry is of: that which it adjusts, else that it is booked in."""
    return str(entry["adjusts"] if isinstance(entry["adjusts"], str) else entry["period"])


def _as_line(entry: pd.Series) -> pd.Series:
    line = entry.copy()
    line["period"] = _month(entry)
    return line


def _moment(entry: pd.Series, now: datetime) -> datetime:
    """The instant that counts as now: that of the posting where the month was not over by then."""
    number = month_number(_month(entry))
    recorded: datetime = entry["recorded_at"].to_pydatetime()
    over = month_range_us(number, number)[1] <= recorded.timestamp() * 1_000_000
    return now if over else recorded


def same(one: float, other: float) -> bool:
    """Whether two amounts agree to 1e-9 relative; two that are unknown do."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=0.0)


def _compared(entry: pd.Series, line: pd.DataFrame, lines: pd.DataFrame) -> tuple[list[Step], list[str]]:
    """Each amount as posted and as reckoned again, and what differs."""
    steps, faults = [], [] if len(line) else [_no_line(entry, lines)]
    for name in AMOUNTS:
        posted = _number(entry[name])
        again = _number(line.iloc[0][name]) if len(line) else math.nan
        if math.isnan(posted) and math.isnan(again):
            continue
        steps += [
            Step("result", name, posted, _UNITS[name], "posted"),
            Step("result", name, again, _UNITS[name], "reckoned again"),
        ]
        if len(line) and not same(posted, again):
            faults.append(f"{name} was posted as {posted!r} and is {again!r} when it is reckoned again")
    return steps, faults


def _number(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)


def _no_line(entry: pd.Series, lines: pd.DataFrame) -> str:
    """Why no line has the entry's key: what a line of its place says otherwise."""
    both = pd.concat([lines[list(PLACE)], _as_line(entry).to_frame().T[list(PLACE)]], ignore_index=True)
    code = codes(both.astype(object))
    there = lines[code[:-1] == code[-1]]
    if there.empty:
        return "the inputs have changed since: they hold nothing for this entry any more"
    told = [
        f"{name} was {entry[name]} and is {there.iloc[0][name]}"
        for name in KEY
        if name not in PLACE and not _alike(entry[name], there.iloc[0][name])
    ]
    return "the inputs have changed since: " + ", ".join(told)


def _alike(one: Any, other: Any) -> bool:
    return bool((pd.isna(one) and pd.isna(other)) or (not pd.isna(one) and not pd.isna(other) and one == other))


def _operands(settings: Settings, entry: pd.Series, lines: pd.DataFrame, now: datetime) -> list[Step]:
    if entry["phase"] not in ENERGY_PHASES:
        return _of_hardware(settings, entry, now)
    rows = rows_behind(settings, entry, now)
    steps = row_steps(rows, str(entry["method"]))
    average = entry["basis"] != "market" or entry["factor_kind"] == "grid-average"
    if average and entry["factor"] != "not-covered":
        grid = grid_of(settings, entry)
        steps += [*factor_steps(settings, entry, grid), *value_steps(entry, grid)]
        if entry["basis"] != "market" and rows.whole:
            share, grams = line_means(entry, grid, rows.parts)
            energy = rows.parts.energy_kwh * share
            by_hand = float(np.nansum(energy * grams)) / 1000
            told = "energy x mean of the factor, row by row, / 1000"
            steps.append(Step("formula", "sum over the rows", by_hand, "kg", told))
    else:
        word = "instruments" if entry["factor_kind"] in KINDS else "id"
        steps.append(Step("factor", word, entry["factor"], None, str(entry["factor_kind"])))
    return [*steps, *_formula_of_energy(entry, lines)]


def _formula_of_energy(entry: pd.Series, lines: pd.DataFrame) -> list[Step]:
    """kg = energy at the meter x mean over the interval, weighted by energy; upstream and losses hang on the energy of use."""
    energy, kilograms = _energy(entry, lines), _number(entry["kgco2e"])
    steps = [Step("formula", "formula", f"kgco2e = energy_kwh x {_mean_name(entry)} / 1000")]
    steps.append(Step("formula", "energy_kwh", energy, "kWh", "at the meter"))
    if energy and not math.isnan(kilograms):
        steps.append(Step("formula", _mean_name(entry), kilograms * 1000 / energy, "g/kWh", "mean, weighted by energy"))
    return steps


def _mean_name(entry: pd.Series) -> str:
    return {"upstream": "upstream_g_per_kwh", "losses": "losses_g_per_kwh"}.get(str(entry["phase"]), "g_per_kwh")


def _energy(entry: pd.Series, lines: pd.DataFrame) -> float:
    """Energy [kWh] that an entry hangs on: its own, or that of the lines of use which it belongs to."""
    if not pd.isna(entry["energy_kwh"]):
        return float(entry["energy_kwh"])
    use = _as_line(entry)
    use["factor"] = str(entry["factor"]).partition(" x ")[0]
    names = [name for name in PLACE if name not in {"phase", "basis"}] + ["factor", "status"]
    some = lines[(lines["phase"] == "use") & (lines["basis"] != "market")]
    code = codes(pd.concat([some[names], use.to_frame().T[names]], ignore_index=True).astype(object))
    return float(some["energy_kwh"][code[:-1] == code[-1]].sum())


def _of_hardware(settings: Settings, entry: pd.Series, now: datetime) -> list[Step]:
    """What lots embody, the terms they are charged by, and the share of it that the entry is."""
    bare, _, rate = str(entry["factor"]).partition(" x ")
    cohort, _, version = bare.partition("@")
    profile, _, month = cohort.rpartition("/")
    steps = [Step("factor", name, value) for name, value in (("id", bare), ("profile", profile), ("cohort", month),
             ("version", version), ("rate", rate)) if value]  # fmt: skip
    terms = str(entry["source"]).partition("; ")[2]
    steps += [Step("factor", "terms", terms)] if terms else []
    lots = lots_behind(settings, entry, now)
    basis, kilograms = basis_of(entry, lots), _number(entry["kgco2e"])
    steps.append(Step("formula", "formula", "kgco2e = basis_kgco2e x share"))
    steps.append(Step("formula", "basis_kgco2e", basis, "kg", f"{len(lots)} lot{'s' * (len(lots) != 1)} of the node"))
    if basis:
        steps.append(Step("formula", "share", kilograms / basis, "1", str(entry["method"])))
    return steps
