"""The only composition: read, reckon, post. The CLI and notebooks call the same functions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.config import FILE
from carbon.core.errors import NotFoundError, UsageError
from carbon.core.findings import ERROR, Findings
from carbon.core.progress import stage
from carbon.core.time import cell_of, month_number, month_range_us, month_text, to_us, us_of
from carbon.embodied import assembled, dialect_of, embodied_lines, inventory_of, read_register, use_of
from carbon.grid.dataset import check_nested
from carbon.grid.uncertainty import table_of
from carbon.ledger.store import Ledger, Posting
from carbon.market import DREW, demand_of_sums, drawn_later, earlier_energy, market_based, no_energy, read_supply, tell
from carbon.readers.files import find_files
from carbon.readers.workload import require_rows
from carbon.remarks import report_gone, report_missing_lines, report_negative, report_stale, report_uncovered
from carbon.scope2.lines import ENERGY_PHASES, energy_lines, not_covered, share_places, texts, united
from carbon.stream import Stream
from carbon.window import EVERYTHING, Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from carbon.config import Settings
    from carbon.core.findings import Finding
    from carbon.ledger.store import Clock
    from carbon.readers.files import SourceFile
    from carbon.scope2.supply import Supply
    from carbon.scope3.hardware import Inventory
    from carbon.stream import Progress


_HELD = ("period", "start", "end", "phase", "factor_kind")


class Reckoned(NamedTuple):
    """What the ledger should say for some months, and what was found on the way. `uncovered`: energy that no tier covers.

    `drawn_later`: later months that have drawn on instruments already, after which a change here would use them twice.
    """

    lines: pd.DataFrame
    months: list[str]
    uncovered: pd.DataFrame
    findings: Findings
    files: list[str]
    rows: int
    drawn_later: str = ""


class Outcome(NamedTuple):
    """A reckoning, and what was posted of it (on a dry run: would be); None when the ledger said the same already.

    `alone`: findings of the comparison with the ledger, which `check` cannot know; they are among those of `reckoned` too.
    """

    reckoned: Reckoned
    posting: Posting | None
    alone: tuple[Finding, ...] = ()


def account(
    settings: Settings,
    *,
    now: datetime,
    window: Window = EVERYTHING,
    dry_run: bool = False,
    remove: bool = False,
    rename: bool = False,
    cause: str = "",
    reason: str = "",
    progress: Progress | None = None,
    workers: int = 0,
    clock: Clock | None = None,
) -> Outcome:
    """Reckon what the ledger should say for the months that the inputs cover, and post the difference.

    Raises InputError with every finding when one is an error, or when posted activity is missing now and `remove` is not
    said; nothing is posted then. `clock` dates the posting when it is made, else `now` does. `cause` "error" makes
    estimates of past months anew (see reckon). Raises LedgerError for a ledger of another entity, unless `rename` says
    that it has a new name.
    """
    ledger = Ledger(settings.path("ledger.path"), settings.text("entity.name"), renamed=rename)
    ledger.require_own()
    reckoned = reckon(settings, now=now, window=window, progress=progress, workers=workers, anew=cause == "error")
    reckoned.findings.raise_errors()
    periods = None if window == EVERYTHING else reckoned.months
    entries = ledger.restated().live(periods=periods, columns=_HELD, coded=True)
    months = {*reckoned.months, *entries["period"].unique()}
    _require_inside(entries, window)
    alone = Findings()
    report_gone(reckoned.lines, window.lines(entries), settings.text("inputs.instruments"), alone)
    reckoned.findings.extend(alone)
    arguments: dict[str, Any] = {
        "months": sorted(months),
        "recorded_at": clock or now,
        "cause": cause,
        "reason": reason,
        "remove": remove,
        "known_files": reckoned.files,
        "inside": window.lines,
    }
    planned = ledger.plan(reckoned.lines, **arguments) if dry_run or reckoned.drawn_later else None
    if planned and reckoned.drawn_later:
        _refuse_to_draw_again(reckoned, settings)
    if dry_run:
        return Outcome(reckoned, planned.posting if planned else None, tuple(alone))
    stage(progress, "posting")
    posting = ledger.post(
        reckoned.lines, findings=list(reckoned.findings), table=table_of(settings.own_tables), **arguments
    )
    if rename and posting is None:
        ledger.rename()
    return Outcome(reckoned, posting, tuple(alone))


def _zones_at_work(stream: Stream, sums: pd.DataFrame) -> list[str]:
    """Zones that nodes of ours drew energy in; those of providers of services are not of our choosing."""
    mine = sums["stretch"].to_numpy() < stream.register.own_stretches
    return sorted(str(stream.register.zones.labels[zone]) for zone in np.unique(sums["zone"].to_numpy()[mine]))


def _refuse_to_draw_again(reckoned: Reckoned, settings: Settings) -> None:
    reckoned.findings.error(
        "drawn-later", f"{reckoned.drawn_later} drew on instruments that {min(reckoned.months)} draws on first",
        "account them together: leave --month out, or give --from and --to", file=settings.text("inputs.instruments"),
    )  # fmt: skip
    reckoned.findings.raise_errors()


def reckon(
    settings: Settings,
    *,
    now: datetime,
    window: Window = EVERYTHING,
    progress: Progress | None = None,
    workers: int = 0,
    anew: bool = False,
) -> Reckoned:
    """Read everything and reckon the lines of every month; faults are in `.findings`. Nothing is posted.

    Estimates of hardware's lives that the ledger has charged by stand, unless they are to be made `anew`.
    """
    findings = Findings()
    _tell_nameless(settings, findings)
    dialect = dialect_of(settings, now)
    nodes = read_register(settings, dialect, findings)
    inventory = inventory_of(settings, dialect, nodes, findings)
    files = _workload_files(settings, findings)
    stream = Stream(settings, nodes, files, window, dialect, findings)
    supply = read_supply(settings, nodes, stream.zones, dialect, findings)
    sums = stream.sums(progress, workers)
    stage(progress, "reckoning")
    require_rows(stream.rows, settings.text("inputs.workload"), findings)
    names = [file.name for file in files]
    if sums.empty and not findings.count(ERROR):
        mend = "name months that the workload reaches; `carbon account --remove` takes back what is gone from it"
        findings.error("no-rows", "no row lies in the range", mend, file=settings.text("inputs.workload"))
    if findings.count(ERROR):
        return Reckoned(pd.DataFrame(), [], pd.DataFrame(), findings, names, stream.rows)
    uncovered = not_covered(sums, stream.register)
    report_uncovered(uncovered, settings.text("grid.uncovered"), findings)
    report_missing_lines(sums, stream)
    report_negative(sums, stream)
    report_stale(sums, stream)
    check_nested(_zones_at_work(stream, sums), findings)
    # its rows are those of the first stream, whose findings are told already
    hourly = partial(Stream, settings, nodes, files, window, dialect, Findings(), grain="hour")
    market = _market_lines(settings, stream, sums, hourly, supply, findings, workers)
    lines, months = _lines(settings, stream, sums, market, inventory, findings, anew)
    _check_finite(lines, settings.text("inputs.nodes"), findings)
    _tell_in_progress(months[-1], to_us(now), settings.text("inputs.nodes"), findings)
    drawn = _drawn_later(settings, window, months) if supply.id else ""
    return Reckoned(window.lines(lines), months, uncovered, findings, names, stream.rows, drawn)


def _tell_nameless(settings: Settings, findings: Findings) -> None:
    """Say that nobody can tell whose ledger it is, where the entity has no name."""
    if not settings.text("entity.name"):
        findings.warning(
            "no-entity-name", "is empty: the ledger tells nobody whose it is, and any project may post to it",
            "write the name of the entity", file=FILE, column="entity.name",
        )  # fmt: skip


def _check_finite(lines: pd.DataFrame, name: str, findings: Findings) -> None:
    infinite = lines[np.isinf(lines["kgco2e"].to_numpy(np.float64))]
    if len(infinite):
        line = infinite.iloc[0]
        findings.error(
            "not-finite", f"comes to no finite figure of {line['phase']} in {line['period']}", "check its figures and counts",
            file=name, column="node", value=line["node"],
        )  # fmt: skip


def _tell_in_progress(month: str, now_us: int, name: str, findings: Findings) -> None:
    """Note that a month which is not over has all of its hardware, and energy so far."""
    if month_range_us(month_number(month), month_number(month))[1] > now_us:
        problem = "is not over: its hardware is charged for the whole month, its energy as far as there are rows"
        findings.note(
            "month-in-progress", problem, "figures per request fall until it is over", file=name, value=f"month {month}"
        )


def _market_lines(
    settings: Settings,
    stream: Stream,
    sums: pd.DataFrame,
    hourly: Callable[[], Stream],
    supply: Supply,
    findings: Findings,
    workers: int,
) -> pd.DataFrame:
    """Market-based lines; true hours are streamed where the matching, or the score beside it, needs them."""
    by_hour = settings.text("scope2.market") == "hourly"
    fine = hourly() if by_hour or supply.id else None
    fine_sums = fine.sums(None, workers) if fine is not None else pd.DataFrame()
    earlier = _accounted_earlier(settings, stream, sums) if supply.id and not by_hour else no_energy()
    found = market_based(
        settings, *((fine, fine_sums) if by_hour and fine is not None else (stream, sums)), supply, earlier
    )
    scored = demand_of_sums(fine, fine_sums, supply) if fine is not None and supply.id else None
    tell(found, scored, supply, settings, findings)
    return found.lines


def _drawn_later(settings: Settings, window: Window, months: list[str]) -> str:
    if window == EVERYTHING or settings.text("scope2.market") == "hourly":
        return ""
    held = Ledger(settings.path("ledger.path")).restated()
    later = [month for month in held.months() if month > max(months) and month[:4] in {one[:4] for one in months}]
    return drawn_later(held.live(periods=later, columns=("period", "factor_kind"), coded=True))


def _accounted_earlier(settings: Settings, stream: Stream, sums: pd.DataFrame) -> pd.DataFrame:
    """Energy of the same years that the ledger holds of months before; see carbon.market.earlier_energy."""
    if stream.window == EVERYTHING:
        return no_energy()
    try:
        stream.window.require_edges("month")
    except UsageError:
        raise UsageError(
            "instruments are matched by the year, month after month: give whole months, or --month"
        ) from None
    months = [month_text(number) for number in np.unique(cell_of(sums["start_us"].to_numpy(), "month")).tolist()]
    held, years = Ledger(settings.path("ledger.path")).restated(), {month[:4] for month in months}
    before = [month for month in held.months() if month < min(months) and month[:4] in years]
    return earlier_energy((held.live(periods=[month], columns=DREW, coded=True) for month in before), stream)


def _workload_files(settings: Settings, findings: Findings) -> list[SourceFile]:
    place = settings.text("inputs.workload")
    try:
        return find_files(place, settings.folder, findings=findings)
    except NotFoundError as error:
        findings.error("no-workload", str(error), "or set workload under [inputs] in carbon.toml", file=place)
        return []


def _lines(
    settings: Settings,
    stream: Stream,
    sums: pd.DataFrame,
    market: pd.DataFrame,
    inventory: Inventory,
    findings: Findings,
    anew: bool,
) -> tuple[pd.DataFrame, list[str]]:
    """Lines of energy and hardware for every month from the first to the last of the sums."""
    energy = energy_lines(sums, stream.register, stream.works, stream.layers, stream.spread)
    energy = united(energy) if share_places(sums, stream.register) else energy
    for frame in (energy, market):
        number, place = np.unique(cell_of(us_of(frame["start"]), "month"), return_inverse=True)
        frame["period"] = texts([month_text(month) for month in number.tolist()], place)
    numbers = cell_of(sums["start_us"].to_numpy(), "month")
    months = [month_text(number) for number in range(int(numbers.min()), int(numbers.max()) + 1)]
    use = use_of(stream, months, settings.text("refresh.demand"), findings)
    fleet = assembled(settings, inventory, findings, anew)
    hardware = embodied_lines(settings, inventory, fleet, use, months, findings)
    return pd.concat(
        [frame for frame in (energy, market, hardware) if len(frame)] or [energy], ignore_index=True
    ), months


def _require_inside(entries: pd.DataFrame, window: Window) -> None:
    """Raise UsageError where energy was posted by a coarser grain, across an edge of the range: it would count twice."""
    energy = entries[entries["phase"].isin(ENERGY_PHASES)]
    across = window.touching(energy).drop(window.lines(energy).index)
    if len(across):
        first = across.iloc[0]
        raise UsageError(
            f"energy was posted from {first['start']:%Y-%m-%d} to {first['end']:%Y-%m-%d} in one entry, across an edge of the "
            f"range; give --month {first['period']}, or a range that holds all of it"
        )
