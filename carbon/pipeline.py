"""The only composition: read, reckon, post. The CLI and notebooks call the same functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import InputError, LedgerError, NotFoundError, UsageError
from carbon.core.findings import ERROR, Findings
from carbon.core.time import cell_of, from_us, month_text, to_us
from carbon.grid.dataset import check_nested
from carbon.ledger.store import Ledger, Posting
from carbon.market import demand_of_sums, earlier_energy, market_based, no_energy, read_supply, tell
from carbon.readers.convert import Dialect
from carbon.readers.files import find_files
from carbon.readers.nodes import parse_nodes
from carbon.readers.workload import require_rows
from carbon.scope2.lines import energy_lines, not_covered, share_places, united
from carbon.scope3.assets import Refresh
from carbon.scope3.hardware import balance, fleet, scope3
from carbon.stream import EVERYTHING, Stream, Window

if TYPE_CHECKING:
    from datetime import datetime

    from carbon.config import Settings
    from carbon.readers.files import SourceFile
    from carbon.scope2.supply import Supply
    from carbon.scope2.tracks import Layer
    from carbon.stream import Progress


STALE_YEARS = 3
FOREVER = 9999


class Reckoned(NamedTuple):
    """What the ledger should say for some months, and what was found on the way. `uncovered`: energy that no tier covers."""

    lines: pd.DataFrame
    months: list[str]
    uncovered: pd.DataFrame
    findings: Findings
    files: list[str]
    rows: int


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
    _require_inside(ledger.live(periods=sorted(months)), window)
    arguments: dict[str, Any] = {
        "months": sorted(months),
        "recorded_at": now,
        "cause": cause,
        "reason": reason,
        "remove": remove,
        "known_files": reckoned.files,
        "inside": window.lines,
    }
    if dry_run:
        planned = ledger.plan(reckoned.lines, **arguments)
        return Outcome(reckoned, planned.posting if planned else None)
    return Outcome(reckoned, ledger.post(reckoned.lines, findings=list(reckoned.findings), **arguments))


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
    _report_uncovered(uncovered, settings.text("grid.uncovered"), findings)
    _report_missing_lines(sums, stream)
    _report_stale(sums, stream)
    check_nested([str(zone) for zone in stream.register.zones.labels], findings)
    hourly = Stream(settings, nodes, files, window, dialect, Findings(), grain="hour")
    market = _market_lines(settings, stream, sums, hourly, supply, findings, workers)
    lines, months = _lines(settings, stream, sums, market, nodes, findings)
    return Reckoned(window.lines(lines), months, uncovered, findings, names, stream.rows)


def _market_lines(
    settings: Settings,
    stream: Stream,
    sums: pd.DataFrame,
    hourly: Stream,
    supply: Supply,
    findings: Findings,
    workers: int,
) -> pd.DataFrame:
    """Market-based lines; true hours are streamed where the matching, or the score beside it, needs them."""
    by_hour = settings.text("scope2.market") == "hourly"
    fine = hourly.sums(None, workers) if by_hour or supply.id else None
    earlier = _accounted_earlier(settings, stream, sums) if supply.id and not by_hour else no_energy()
    found = market_based(
        settings, *((hourly, fine) if by_hour and fine is not None else (stream, sums)), supply, earlier
    )
    scored = demand_of_sums(hourly, fine, supply) if fine is not None and supply.id else None
    tell(found, scored, supply, settings, findings)
    return found.lines


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
        frame["period"] = frame["start"].dt.strftime("%Y-%m")
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


def _report_uncovered(uncovered: pd.DataFrame, rule: str, findings: Findings) -> None:
    add = findings.error if rule == "stop" else findings.warning
    months = cell_of(uncovered["start_us"].to_numpy(np.int64), "month")
    for (zone, month), rows in uncovered.groupby([uncovered["zone"], months]):
        since = from_us(int(rows["start_us"].min()))
        kwh = rows["energy_kwh"].sum()
        add(
            "not-covered",
            f"{kwh:.6g} kWh of {month_text(int(str(month)))} have no intensity, the first on {since:%Y-%m-%d}",
            "import a series (`carbon grid import`), allow more tiers under [grid], or --allow-uncovered",
            file="grid",
            column="zone",
            value=zone,
        )


def _report_missing_lines(sums: pd.DataFrame, stream: Stream) -> None:
    """Warn of energy whose upstream or losses no figure covers, with its zones."""
    covered = sums[sums["layer"] >= 0]
    layers: list[Layer] = [stream.layers.labels[code] for code in covered["layer"]]
    for code, lacks, problem, mend in (
        ("no-upstream", [layer.upstream == "missing" for layer in layers],
         "no lifecycle figure: upstream is not covered", "lifecycle_g_per_kwh to a series or to annual.csv"),
        ("no-losses", [not layer.loss_id for layer in layers],
         "no loss rate: losses are not covered", "a row to td_losses.csv"),
        ("no-losses", [bool(layer.loss_id) and not layer.has_losses for layer in layers],
         "a loss rate but no lifecycle figure: losses are not covered", "lifecycle_g_per_kwh to a series or to annual.csv"),
    ):  # fmt: skip
        without = covered[lacks]
        if len(without):
            names = ", ".join(sorted({str(stream.register.zones.labels[zone]) for zone in without["zone"]}))
            kwh = f"{without['energy_kwh'].sum():.6g} kWh ({names}) have {problem}"
            stream.findings.warning(code, kwh, f"add {mend} of your own ([grid] data)", file="grid")


def _report_stale(sums: pd.DataFrame, stream: Stream) -> None:
    """Warn of bundled figures whose newest year is long before the months that they stand for."""
    covered = sums[sums["layer"] >= 0]
    newest = np.array([_newest_year(stream.layers.labels[code]) for code in covered["layer"]], np.int64)
    years = covered["start_us"].to_numpy(np.int64).view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    stale = covered[years - newest >= STALE_YEARS].assign(year=years[years - newest >= STALE_YEARS])
    for year, rows in stale.groupby(["year", newest[years - newest >= STALE_YEARS]]):
        names = sorted({str(stream.register.zones.labels[zone]) for zone in rows["zone"]})
        problem = f"{rows['energy_kwh'].sum():.6g} kWh of {year[0]} take figures of {year[1]} ({', '.join(names)})"
        mend = "import a series, or add newer figures to a table of your own ([grid] data)"
        stream.findings.warning("stale-factor", problem, mend, file="grid")


def _newest_year(layer: Layer) -> int:
    """Newest year in the id of a bundled factor; a measured one is of its own time."""
    years = re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", layer.factor) if layer.tier != "measured" else []
    return max((int(year) for year in years), default=FOREVER)


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
