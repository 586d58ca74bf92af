"""The only composition: read, reckon, post. The CLI and notebooks call the same functions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import InputError, LedgerError, NotFoundError, UsageError
from carbon.core.findings import ERROR, Findings
from carbon.core.time import cell_of, month_text, to_us, us_of
from carbon.grid.dataset import check_nested
from carbon.ledger.store import Ledger, Posting
from carbon.market import demand_of_sums, drawn_later, earlier_energy, market_based, no_energy, read_supply, tell
from carbon.readers.convert import Dialect
from carbon.readers.files import find_files
from carbon.readers.nodes import parse_nodes
from carbon.readers.workload import require_rows
from carbon.remarks import report_gone, report_missing_lines, report_negative, report_stale, report_uncovered
from carbon.scope2.lines import energy_lines, not_covered, share_places, texts, united
from carbon.scope3.assets import Refresh
from carbon.scope3.hardware import balance, fleet, scope3
from carbon.stream import EVERYTHING, Stream, Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from carbon.config import Settings
    from carbon.readers.files import SourceFile
    from carbon.scope2.supply import Supply
    from carbon.stream import Progress


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
    """A reckoning, and what was posted of it (on a dry run: would be); None when the ledger said the same already."""

    reckoned: Reckoned
    posting: Posting | None


def account(
    settings: Settings,
    *,
    now: datetime,
    window: Window = EVERYTHING,
    dry_run: bool = False,
    remove: bool = False,
    cause: str = "",
    reason: str = "",
    progress: Progress | None = None,
    workers: int = 0,
) -> Outcome:
    """Reckon what the ledger should say for the months that the inputs cover, and post the difference.

    Raises InputError with every finding when one is an error, or when posted activity is missing now and `remove` is not
    said; nothing is posted then.
    """
    reckoned = reckon(settings, now=now, window=window, progress=progress, workers=workers)
    reckoned.findings.raise_errors()
    ledger = Ledger(settings.path("ledger.path"))
    months = set(reckoned.months) | (set(ledger.live()["period"]) if window == EVERYTHING else set())
    entries = ledger.live(periods=sorted(months))
    _require_inside(entries, window)
    report_gone(reckoned.lines, window.lines(entries), settings.text("inputs.instruments"), reckoned.findings)
    arguments: dict[str, Any] = {
        "months": sorted(months),
        "recorded_at": now,
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
        return Outcome(reckoned, planned.posting if planned else None)
    return Outcome(reckoned, ledger.post(reckoned.lines, findings=list(reckoned.findings), **arguments))


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
) -> Reckoned:
    """Read everything and reckon the lines of every month; faults are in `.findings`. Nothing is posted."""
    findings = Findings()
    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"), to_us(now))
    nodes = _nodes(settings, dialect, findings)
    files = _workload_files(settings, findings)
    _report_unread(settings, findings)
    stream = Stream(settings, nodes, files, window, dialect, findings)
    supply = read_supply(settings, nodes, stream.zones, dialect, findings)
    sums = stream.sums(progress, workers)
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
    lines, months = _lines(settings, stream, sums, market, nodes, findings)
    drawn = _drawn_later(settings, window, months) if supply.id else ""
    return Reckoned(window.lines(lines), months, uncovered, findings, names, stream.rows, drawn)


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
    return drawn_later(Ledger(settings.path("ledger.path")).live(), months)


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
    return earlier_energy(Ledger(settings.path("ledger.path")).live(), stream, months)


def hardware_balance(settings: Settings) -> tuple[pd.DataFrame, Findings]:
    """Roll-forward of own hardware for the months of the ledger, emissions [kg]; see carbon.scope3.hardware.balance.

    Raises LedgerError when what the ledger charged and wrote off is not what the node register gives.
    """
    findings = Findings()
    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"))
    nodes = _nodes(settings, dialect, findings)
    findings.raise_errors()
    entries = Ledger(settings.path("ledger.path")).live()
    months, policy = sorted(set(entries["period"])), _policy(settings)
    profiles = str(settings.path("hardware.profiles"))
    register, assets = fleet(nodes, policy, settings.text("entity.consolidation"), profiles, findings)
    findings.raise_errors()
    rolled = balance(assets, register, months, policy)
    _agree(rolled, entries)
    return rolled, findings


def _nodes(settings: Settings, dialect: Dialect, findings: Findings) -> pd.DataFrame:
    name = settings.text("inputs.nodes")
    if not settings.path("inputs.nodes").is_file():
        there = settings.path("inputs.nodes").exists() or settings.path("inputs.nodes").is_symlink()
        mend = "write the node register; `carbon init` makes an empty one"
        findings.error("no-nodes", "is not a file" if there else "does not exist", mend, file=name)
        raise InputError(list(findings))
    return parse_nodes(settings.path("inputs.nodes"), dialect, findings, name)


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
    nodes: pd.DataFrame,
    findings: Findings,
) -> tuple[pd.DataFrame, list[str]]:
    """Lines of energy and hardware for every month from the first to the last of the sums."""
    energy = energy_lines(sums, stream.register, stream.works, stream.layers)
    energy = united(energy) if share_places(sums, stream.register) else energy
    for frame in (energy, market):
        number, place = np.unique(cell_of(us_of(frame["start"]), "month"), return_inverse=True)
        frame["period"] = texts([month_text(month) for month in number.tolist()], place)
    numbers = cell_of(sums["start_us"].to_numpy(), "month")
    months = [month_text(number) for number in range(int(numbers.min()), int(numbers.max()) + 1)]
    hardware = scope3(
        nodes,
        months,
        policy=_policy(settings),
        consolidation=settings.text("entity.consolidation"),
        profiles=str(settings.path("hardware.profiles")),
        findings=findings,
    )
    return pd.concat(
        [frame for frame in (energy, market, hardware) if len(frame)] or [energy], ignore_index=True
    ), months


def _policy(settings: Settings) -> Refresh:
    words = settings.text("hardware.freight_mode"), settings.text("hardware.disposal")
    return Refresh(settings.number("hardware.life_years"), *words)


def _report_unread(settings: Settings, findings: Findings) -> None:
    """Warn of tables that a project may hold and that are not read yet, rather than pass them over in silence."""
    for name in ("fleet.csv",):
        path = settings.folder / name
        if path.is_file() and len(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()) > 1:
            mend = "move it out of the project; nothing of it is in the ledger"
            findings.warning("not-read", "is not read by this version", mend, file=name)


def _require_inside(entries: pd.DataFrame, window: Window) -> None:
    """Raise UsageError where energy was posted by a coarser grain, across an edge of the range: it would count twice."""
    energy = entries[entries["phase"].isin(["use", "upstream", "losses"])]
    across = window.touching(energy).drop(window.lines(energy).index)
    if len(across):
        first = across.iloc[0]
        raise UsageError(
            f"energy was posted from {first['start']:%Y-%m-%d} to {first['end']:%Y-%m-%d} in one entry, across an edge of the "
            f"range; give --month {first['period']}, or a range that holds all of it"
        )


def _agree(rolled: pd.DataFrame, entries: pd.DataFrame) -> None:
    """Raise LedgerError unless the ledger's charges and write-offs of each cohort are those of the roll-forward."""
    own = entries[entries["basis"] == "amortised"]
    place = own["factor"].str.split("@").str[0].str.rsplit("/", n=1)
    lines = own["phase"].eq("write-off").map({True: "written_off_kgco2e", False: "amortised_kgco2e"})
    keys = [own["period"].rename("month"), place.str[0].rename("profile"), place.str[1].rename("cohort")]
    for name in ("amortised_kgco2e", "written_off_kgco2e"):
        posted = own["kgco2e"].where(lines == name, 0.0).groupby(keys).sum().rename("posted")
        both = rolled.set_index(["month", "profile", "cohort"])[[name]].join(posted, how="outer").fillna(0.0)
        off = both[(both[name] - both["posted"]).abs() > 1e-9 * both[name].abs().clip(lower=1)]
        if len(off):
            first = off.iloc[0]
            raise LedgerError(
                f"{' '.join(str(word) for word in off.index[0])}: the ledger has {name} {first['posted']:.9g}, the node "
                f"register gives {first[name]:.9g}; run `carbon account` so that the ledger says what the inputs say"
            )
