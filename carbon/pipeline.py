"""The only composition: read, reckon, post. The CLI and notebooks call the same functions."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.activity.batch import Parts, cut, encode
from carbon.activity.check import check_rows
from carbon.activity.meters import Meters
from carbon.activity.overlap import Edges, Overlaps, Unsorted, check_on_disk, edges
from carbon.activity.register import Codes, build_register
from carbon.core.errors import InputError, LedgerError, NotFoundError, UsageError
from carbon.core.findings import Finding, Findings
from carbon.core.parallel import ordered_map
from carbon.core.time import (
    DAY_US,
    cell_of,
    cell_start,
    from_us,
    month_number,
    month_range_us,
    month_text,
    parse_instant,
    to_us,
)
from carbon.grid.dataset import GridOptions, check_nested, open_grid
from carbon.grid.tables import zones
from carbon.readers.convert import Dialect
from carbon.readers.files import find_files, sha256
from carbon.readers.nodes import parse_nodes
from carbon.readers.workload import decode, require_rows, workload_chunks
from carbon.scope2.lines import energy_lines, not_covered
from carbon.scope2.reckon import KEYS, merge, partial_sums
from carbon.scope2.tracks import Layer, Tracks, build_tracks
from carbon.scope3.assets import Refresh
from carbon.scope3.hardware import balance, fleet, scope3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from carbon.config import Settings
    from carbon.ledger.store import Posting
    from carbon.readers.files import Chunk, SourceFile

    Progress = Callable[[int, int], None]

MERGE_EVERY = 64
_NAMED_FILES = 31


class Window(NamedTuple):
    """Half-open range [us] to account; None: all that the inputs cover."""

    start_us: int | None = None
    end_us: int | None = None

    def cut(self, parts: Parts) -> Parts:
        """The parts that lie inside; edges of a window are edges of the grain."""
        if self.start_us is None or self.end_us is None:
            return parts
        inside = (parts.start_us >= self.start_us) & (parts.end_us <= self.end_us)
        return parts if inside.all() else parts.take(inside)


EVERYTHING = Window()


class Reckoned(NamedTuple):
    """What the ledger should say for some months, and what was found on the way. `uncovered`: energy that no tier covers."""

    lines: pd.DataFrame
    months: list[str]
    uncovered: pd.DataFrame
    findings: Findings
    files: list[str]
    rows: int


class Outcome(NamedTuple):
    """A reckoning and what was posted of it; None when the ledger said the same already, or on a dry run."""

    reckoned: Reckoned
    posting: Posting | None


def month_window(month: str | None) -> Window:
    """Window of one month `YYYY-MM`, or of everything. Raises UsageError for what is no month."""
    return Window(*month_range_us(month_number(month), month_number(month))) if month else Window()


def range_window(start: str, end: str) -> Window:
    """Window of whole days from `start` to before `end`. Raises UsageError for what is no day or no range."""
    try:
        first, after = parse_instant(start), parse_instant(end)
    except ValueError as error:
        raise UsageError(f"--from {start} --to {end}: {error}; write days as YYYY-MM-DD") from None
    if first % DAY_US or after % DAY_US or first >= after:
        raise UsageError(f"--from {start} --to {end} must be whole days UTC, the second after the first")
    return Window(first, after)


def account(
    settings: Settings, *, window: Window = EVERYTHING, now: datetime, dry_run: bool = False, remove: bool = False,
    cause: str = "", reason: str = "", progress: Progress | None = None, workers: int = 0,
) -> Outcome:  # fmt: skip
    """Reckon what the ledger should say for the months that the inputs cover, and post the difference.

    Raises InputError with every finding when one is an error; nothing is posted then.
    """
    from carbon.ledger.store import Ledger

    reckoned = reckon(settings, window=window, now=now, progress=progress, workers=workers)
    reckoned.findings.raise_errors()
    ledger = Ledger(settings.path("ledger.path"))
    arguments = {
        "months": reckoned.months,
        "recorded_at": now,
        "cause": cause,
        "reason": reason,
        "remove": remove,
        "known_files": reckoned.files,
    }
    if dry_run:
        ledger.plan(reckoned.lines, **arguments)
        return Outcome(reckoned, None)
    return Outcome(reckoned, ledger.post(reckoned.lines, **arguments))


def reckon(
    settings: Settings, *, window: Window = EVERYTHING, now: datetime, progress: Progress | None = None, workers: int = 0
) -> Reckoned:
    """Read everything and reckon the lines of every month; faults are in `.findings`. Nothing is posted."""
    findings = Findings()
    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"), to_us(now))
    nodes = _nodes(settings, dialect, findings)
    files = _workload_files(settings, findings)
    run = _Run(settings, nodes, files, window, dialect, findings)
    sums, rows = run.stream(progress, workers)
    require_rows(rows, settings.text("inputs.workload"), findings)
    if findings.count("error") or sums.empty:
        return Reckoned(pd.DataFrame(), [], pd.DataFrame(), findings, [file.name for file in files], rows)
    return run.finish(sums, nodes, rows)


def _nodes(settings: Settings, dialect: Dialect, findings: Findings) -> pd.DataFrame:
    path = settings.path("inputs.nodes")
    if not path.is_file():
        raise InputError(
            [
                Finding(
                    "error",
                    "no-nodes",
                    settings.text("inputs.nodes"),
                    None,
                    "",
                    "",
                    "does not exist",
                    "write the node register; `carbon init` makes an empty one",
                )
            ]
        )
    return parse_nodes(path, dialect, findings, settings.text("inputs.nodes"))


def _workload_files(settings: Settings, findings: Findings) -> list[SourceFile]:
    try:
        return find_files(settings.text("inputs.workload"), settings.folder)
    except NotFoundError as error:
        findings.error(
            "no-workload",
            str(error),
            "or set workload under [inputs] in carbon.toml",
            file=settings.text("inputs.workload"),
        )
        return []


class _Unit(NamedTuple):
    """What one chunk of a file came to."""

    sums: list[pd.DataFrame]
    edges: Edges
    findings: Findings
    rows: int
    file: int


class _Run:
    """One reckoning: what its threads share, and what its stream remembers."""

    def __init__(
        self, settings: Settings, nodes: pd.DataFrame, files: Sequence[SourceFile], window: Window, dialect: Dialect,
        findings: Findings,
    ) -> None:  # fmt: skip
        own = settings.text("grid.data") and str(settings.path("grid.data"))
        self.settings, self.files, self.window, self.dialect, self.findings = settings, files, window, dialect, findings
        self.zones = zones(own)
        self.profiles = str(settings.path("hardware.profiles"))
        self.register = build_register(
            nodes, self.zones, settings.text("entity.consolidation"), self.profiles, findings
        )
        self.works, self.layers = Codes(), Codes()
        self.meters = Meters(self.register)
        self.grain = settings.text("ledger.grain")
        self.at_meter = settings.text("inputs.energy_at") == "meter"
        self.options = GridOptions(
            settings.words("grid.tiers"), settings.words("grid.sources"), settings.flag("grid.parent"), own
        )
        self.digests: dict[int, str] = {}
        self._tracks: dict[int, Tracks] = {}
        self._lock = Lock()

    def stream(self, progress: Progress | None, workers: int) -> tuple[pd.DataFrame, int]:
        """Sums of all files by KEYS and `file`, and the number of rows; checks that need order run as chunks come back."""
        overlaps: Overlaps | None = Overlaps()
        pieces: list[pd.DataFrame] = []
        rows = 0
        for unit in ordered_map(self._unit, self._chunks(), workers):
            self.findings.extend(unit.findings)
            pieces += unit.sums
            rows += unit.rows
            try:
                if overlaps is not None:
                    overlaps.add(unit.edges, self.findings)
            except Unsorted:
                overlaps = None
            if len(pieces) >= MERGE_EVERY:
                pieces = [merge(pieces, [*KEYS, "file"])]
            if progress is not None:
                progress(unit.file, rows)
        if overlaps is None:
            check_on_disk((self._edges(chunk) for chunk in self._chunks(Findings())), rows, self.findings)
        self.meters.report(self.findings)
        return merge(pieces, [*KEYS, "file"]) if pieces else pd.DataFrame(), rows

    def finish(self, sums: pd.DataFrame, nodes: pd.DataFrame, rows: int) -> Reckoned:
        """Lines of the sums and of the hardware, with what is not covered."""
        sums = self._with_source(sums)
        sums["start_us"] = cell_start(sums["cell"].to_numpy(), self.grain)
        sums["end_us"] = cell_start(sums["cell"].to_numpy() + 1, self.grain)
        uncovered = not_covered(sums, self.register)
        self._report_gaps(sums, uncovered)
        lines = energy_lines(sums[sums["layer"] >= 0].reset_index(drop=True), self.register, self.works, self.layers)
        lines["period"] = lines["start"].dt.strftime("%Y-%m")
        months = self._months(sums)
        policy = _policy(self.settings)
        consolidation = self.settings.text("entity.consolidation")
        hardware = scope3(
            nodes, months, policy=policy, consolidation=consolidation, profiles=self.profiles, findings=self.findings
        )
        lines = pd.concat([lines, hardware], ignore_index=True) if len(hardware) else lines
        return Reckoned(lines, months, uncovered, self.findings, [file.name for file in self.files], rows)

    def _months(self, sums: pd.DataFrame) -> list[str]:
        months = cell_of(sums["start_us"].to_numpy(), "month")
        return [month_text(month) for month in range(int(months.min()), int(months.max()) + 1)]

    def _chunks(self, findings: Findings | None = None) -> Iterator[Chunk]:
        seen: dict[str, str] = {}
        found = self.findings if findings is None else findings
        for file in self.files:
            digest = self.digests.setdefault(file.index, sha256(file.path))
            if digest in seen:
                found.error(
                    "duplicate-file", f"holds the same bytes as {seen[digest]}", "remove one of them", file=file.name
                )
                continue
            seen[digest] = file.name
            yield from workload_chunks([file], self.dialect, found)

    def _unit(self, chunk: Chunk) -> _Unit:
        findings = Findings()
        table = decode(chunk, self.dialect, findings)
        batch = encode(table, self.register, self.works, self.at_meter)
        good = check_rows(table, batch, self.register, self.zones, chunk.file.name, findings)
        batch = batch if good.all() else batch.take(good)
        parts = self.window.cut(cut(batch, self.register, self.grain))
        self.meters.add_power(batch)
        sums = [self._month_sums(of_month, month).assign(file=chunk.file.index) for month, of_month in _by_month(parts)]
        return _Unit(sums, edges(batch, chunk.file.name), findings, table.num_rows, chunk.file.index)

    def _edges(self, chunk: Chunk) -> Edges:
        table = decode(chunk, self.dialect, Findings())
        batch = encode(table, self.register, self.works, self.at_meter)
        return edges(batch.take(batch.node >= 0), chunk.file.name)

    def _month_sums(self, parts: Parts, month: int) -> pd.DataFrame:
        self.meters.add(parts, month)
        return partial_sums(parts, self._month_tracks(month))

    def _month_tracks(self, month: int) -> Tracks:
        """Tracks of one month for all zones known by now; rows may name further zones while they stream."""
        with self._lock:
            names = [str(zone) for zone in self.register.zones.labels]
            known = self._tracks.get(month)
            if known is None or len(known.zones) < len(names):
                present = [name for name in names if name in self.zones]
                grid = open_grid(
                    present,
                    *month_range_us(month, month),
                    folder=self.settings.path("grid.folder"),
                    options=self.options,
                    findings=self.findings,
                )
                known = self._tracks[month] = build_tracks(grid, names, self.layers)
            return known

    def _with_source(self, sums: pd.DataFrame) -> pd.DataFrame:
        """Sums over all files, with the names and digests of the files behind each as `source`."""
        if len(self.files) == 1:
            return merge([sums.drop(columns="file")]).assign(source=self._source([0]))
        keys = list(KEYS)
        files = sums.groupby(keys, as_index=False)["file"].agg(tuple)
        names = {group: self._source(group) for group in files["file"].unique()}
        merged = sums.drop(columns="file").groupby(keys, as_index=False).sum(min_count=1)
        return merged.assign(source=files["file"].map(names))

    def _source(self, files: Sequence[int]) -> str:
        named = [f"{self.files[i].name}@{self.digests[i][:12]}" for i in files]
        return "; ".join(named) if len(named) <= _NAMED_FILES else f"{named[0]} … {named[-1]} ({len(named)} files)"

    def _report_gaps(self, sums: pd.DataFrame, uncovered: pd.DataFrame) -> None:
        add = self.findings.error if self.settings.text("grid.uncovered") == "stop" else self.findings.warning
        month = [month_text(int(m)) for m in cell_of(uncovered["start_us"].to_numpy("int64"), "month")]
        for (zone, period), rows in uncovered.groupby([uncovered["zone"], pd.Series(month, uncovered.index)]):
            since = from_us(int(rows["start_us"].min()))
            add(
                "not-covered", f"{rows['energy_kwh'].sum():.6g} kWh of {period} have no intensity, the first on {since:%Y-%m-%d}",
                "import a series (`carbon grid import`), allow more tiers under [grid], or --allow-uncovered",
                file="grid", column="zone", value=zone,
            )  # fmt: skip
        self._report_missing_lines(sums)
        check_nested([str(zone) for zone in self.register.zones.labels], self.findings, self.options.data)

    def _report_missing_lines(self, sums: pd.DataFrame) -> None:
        """Warn once a zone of upstream or losses that no figure covers."""
        covered = sums[sums["layer"] >= 0]
        energy = covered.groupby(["zone", "layer"])["energy_kwh"].sum()
        for (zone, code), kwh in energy.items():
            layer = self.layers.labels[code]
            assert isinstance(layer, Layer)
            for line, known in (("upstream", layer.upstream != "missing"), ("losses", layer.has_losses)):
                if not known:
                    self.findings.warning(
                        f"no-{line}", f"{kwh:.6g} kWh have no {line} figure: that line is not covered",
                        "add one to a table of your own ([grid] data)", file=layer.factor, column="zone",
                        value=self.register.zones.labels[zone],
                    )  # fmt: skip


def _by_month(parts: Parts) -> Iterator[tuple[int, Parts]]:
    """Parts of each month, in order; most chunks hold one."""
    if not len(parts.row):
        return
    month = cell_of(parts.start_us, "month")
    low, high = int(month.min()), int(month.max())
    if low == high:
        yield low, parts
        return
    for number in range(low, high + 1):
        inside = month == number
        if inside.any():
            yield number, parts.take(inside)


def hardware_balance(settings: Settings) -> tuple[pd.DataFrame, Findings]:
    """Roll-forward of own hardware for the months of the ledger, emissions [kg]; see carbon.scope3.hardware.balance.

    Raises LedgerError when what the ledger charged and wrote off is not what the node register gives.
    """
    from carbon.ledger.store import Ledger

    findings = Findings()
    nodes = _nodes(settings, Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone")), findings)
    findings.raise_errors()
    entries = Ledger(settings.path("ledger.path")).live()
    months = sorted(set(entries["period"]))
    policy = _policy(settings)
    register, assets = fleet(
        nodes, policy, settings.text("entity.consolidation"), str(settings.path("hardware.profiles")), findings
    )
    findings.raise_errors()
    rolled = balance(assets, register, months, policy)
    _agree(rolled, entries)
    return rolled, findings


def _policy(settings: Settings) -> Refresh:
    words = settings.text("hardware.freight_mode"), settings.text("hardware.disposal")
    return Refresh(settings.number("hardware.life_years"), *words)


def _agree(rolled: pd.DataFrame, entries: pd.DataFrame) -> None:
    own = entries[entries["basis"] == "amortised"]
    place = own["factor"].str.split("@").str[0].str.rsplit("/", n=1, expand=True)
    line = own["phase"].eq("write-off").map({True: "written_off_kgco2e", False: "amortised_kgco2e"})
    keys = [own["period"].rename("month"), place[0].rename("profile"), place[1].rename("cohort"), line.rename("line")]
    posted = own["kgco2e"].groupby(keys).sum().unstack("line", fill_value=0.0)
    both = rolled.set_index(["month", "profile", "cohort"]).join(posted, how="outer", rsuffix="_posted").fillna(0.0)
    for name in {"amortised_kgco2e", "written_off_kgco2e"} & set(posted.columns):
        off = both[(both[name] - both[f"{name}_posted"]).abs() > 1e-9 * both[name].abs().clip(lower=1)]
        for place_, row in off.iterrows():
            raise LedgerError(
                f"{' '.join(map(str, place_))}: the ledger has {name} = {row[f'{name}_posted']:.9g}, the node register gives "
                f"{row[name]:.9g}; run `carbon account` so that the ledger says what the inputs say"
            )
