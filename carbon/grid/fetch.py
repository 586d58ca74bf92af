"""Fetching: what is missing or may have been revised is asked for in parts, and each part is kept as it comes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.findings import Findings
from carbon.core.time import DAY_US, HOUR_US, isoformat
from carbon.grid import arrivals, checks, record, store
from carbon.grid.providers.base import Query
from carbon.grid.providers.choice import code_of, secrets_of
from carbon.grid.providers.client import Client, Manners, ProviderError
from carbon.grid.providers.folder import part_of, read_folder
from carbon.grid.ranges import cut, subtract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from carbon.grid.providers.base import Provider
    from carbon.grid.ranges import Range
    from carbon.readers.convert import Dialect

    Progress = Callable[[int, int], None]

PATIENCE_US = 90 * DAY_US  # how long an estimate is asked for again, counted from the end of the provider's own window
LATE_US = 2 * DAY_US  # a gap younger than this is the delay of publication
FAULTS = 2


class Access(NamedTuple):
    """How providers are reached: addresses by name, environment with the tokens, manners, folder of one's own tables."""

    urls: Mapping[str, str]
    environment: Mapping[str, str]
    manners: Manners
    own: str = ""


class Job(NamedTuple):
    """One zone from one provider."""

    zone: str
    provider: Provider


class Outcome:
    """What a job brought: parts asked and left, intervals new, revised, settled and the same as before, and findings."""

    def __init__(self, job: Job) -> None:
        """Nothing yet."""
        self.job = job
        self.parts = self.asked = 0
        self.new = self.revised = self.settled = self.same = 0
        self.faults = 0
        self.findings = Findings()

    def take(self, findings: Findings) -> None:
        """Take findings, each once, naming the provider and the zone as their place."""
        place = f"{self.job.provider.name} {self.job.zone}"
        known = set(self.findings)
        for found in findings:
            here = found._replace(file=found.file if "/" in found.file else place)
            if here not in known:
                self.findings.add(here)


class _Part(NamedTuple):
    job: Job
    reach: Range


def fetch(
    jobs: Sequence[Job], start_us: int, end_us: int, folder: str | Path, access: Access, clock: Callable[[], int],
    progress: Progress | None = None,
) -> list[Outcome]:  # fmt: skip
    """Fetch each job [g/kWh] over [start_us, end_us) into `folder`, what is settled excepted; one outcome a job.

    Parts that came are kept whatever happens to the others; faults are findings of the outcome. `clock` tells the
    present [us]; `progress` is told the parts done and all. Raises UsageError for a token that is not set.
    """
    outcomes = {job: Outcome(job) for job in jobs}
    with ExitStack() as stack:
        clients = {
            one.name: stack.enter_context(_client(one, access)) for one in dict.fromkeys(job.provider for job in jobs)
        }
        parts = list(_interleaved([_parts(job, start_us, end_us, folder, access.own, clock()) for job in jobs]))
        for part in parts:
            outcomes[part.job].parts += 1
        _run(parts, outcomes, clients, Path(folder), access.own, clock, progress)
    for outcome in outcomes.values():
        _check(outcome, start_us, end_us, folder, access.own, clock())
    return list(outcomes.values())


def fetch_folder(
    jobs: Sequence[Job],
    start_us: int,
    end_us: int,
    folder: str | Path,
    source: str,
    dialect: Dialect,
    own: str,
    now_us: int,
) -> list[Outcome]:
    """Like `fetch`, from a folder of one's own with files in import format: read each time, since that costs nobody."""
    found = Findings()
    read = read_folder(source, dialect, found, own=own, retrieved_us=now_us)
    outcomes = []
    for job in jobs:
        outcome = Outcome(job)
        for found_rows in part_of(read, job.zone, start_us, end_us):
            rows = found_rows.assign(digest=arrivals.digest_of(found_rows))  # a file may hold several zones and sources
            outcome.parts, outcome.asked = outcome.parts + 1, outcome.asked + 1
            _keep_rows(outcome, rows, _held_of(job.zone, rows["source"].iloc[0], Path(folder)), Path(folder))
        if not outcome.parts:
            outcome.findings.warning(
                "no-data", "no file holds the zone in this range", "put one there in import format",
                file=source, column="zone", value=job.zone,
            )  # fmt: skip
        outcomes.append(outcome)
    if outcomes:
        outcomes[0].findings.extend(found)
    return outcomes


def _client(provider: Provider, access: Access) -> Client:
    manners = access.manners._replace(pause_s=provider.pause_s)
    return Client(provider.name, access.urls[provider.name], secrets_of(provider, access.environment), manners)


def _parts(job: Job, start_us: int, end_us: int, folder: str | Path, own: str, now_us: int) -> list[_Part]:
    """What to ask for: what is not settled, apart by whether it can be settled now, in the provider's longest ranges."""
    source = arrivals.source_of(job.provider, own)
    missing = subtract([(start_us, end_us)], record.settled(folder, record.load(folder), job.zone, source))
    edge = (now_us - job.provider.window_us) // HOUR_US * HOUR_US
    return [_Part(job, reach) for reach in cut(missing, job.provider.chunk_us, [edge])]


def _interleaved(lists: Sequence[Sequence[_Part]]) -> Iterator[_Part]:
    for place in range(max(map(len, lists), default=0)):
        yield from (parts[place] for parts in lists if place < len(parts))


def _run(
    parts: Sequence[_Part], outcomes: Mapping[Job, Outcome], clients: Mapping[str, Client], folder: Path, own: str,
    clock: Callable[[], int], progress: Progress | None,
) -> None:  # fmt: skip
    """Ask for all parts, a few at once for each provider, and keep each as it comes."""
    held = {job: _held(job, folder, own) for job in outcomes}
    pools = {
        one.name: ThreadPoolExecutor(one.at_once)
        for one in {job.provider.name: job.provider for job in outcomes}.values()
    }
    waiting: dict[Future[tuple[pd.DataFrame, Findings] | None], _Part] = {}
    try:
        for part in parts:
            name = part.job.provider.name
            waiting[pools[name].submit(_ask, part, outcomes[part.job], clients[name], own)] = part
        for done, future in enumerate(as_completed(waiting), 1):
            part = waiting[future]
            _receive(future, part, outcomes, clients, held[part.job], folder, own, clock())
            if progress:
                progress(done, len(parts))
    except BaseException as error:
        for client in clients.values():
            client.stop()
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt("what came is kept; the same command goes on with what is missing") from None
        raise
    finally:
        for pool in pools.values():
            pool.shutdown(wait=True, cancel_futures=True)


def _ask(part: _Part, outcome: Outcome, client: Client, own: str) -> tuple[pd.DataFrame, Findings] | None:
    """The answer for a part; None where too much went wrong before to ask at all."""
    if client.stopped.is_set() or outcome.faults >= FAULTS:
        return None
    findings = Findings()
    query = Query(code_of(part.job.provider, part.job.zone, own), *part.reach, findings, own)
    return part.job.provider.get(client, query), findings


def _receive(
    future: Future[tuple[pd.DataFrame, Findings] | None], part: _Part, outcomes: Mapping[Job, Outcome],
    clients: Mapping[str, Client], held: pd.DataFrame, folder: Path, own: str, now_us: int,
) -> None:  # fmt: skip
    outcome, name = outcomes[part.job], part.job.provider.name
    try:
        answer = future.result()
    except ProviderError as error:
        if error.code != "stopped":
            outcome.take(Findings(error.findings))
        outcome.faults += (
            FAULTS if error.code in {"refused", "bad-request"} else 1
        )  # zone by zone: a plan may lack one only
        down = sum(one.faults for job, one in outcomes.items() if job.provider.name == name)
        if error.code in {"away", "busy", "moved"} or (error.code == "down" and down >= FAULTS):
            clients[name].stop()
        return
    if answer is not None:
        frame, findings = answer
        outcome.asked += 1
        _keep(frame, part, outcome, held, folder, own, now_us, findings)
        outcome.take(findings)


def _keep(
    frame: pd.DataFrame, part: _Part, outcome: Outcome, held: pd.DataFrame, folder: Path, own: str, now_us: int,
    findings: Findings,
) -> None:  # fmt: skip
    """Keep an answer, the rows first and then the record of it: a crash between the two costs one more request."""
    provider, zone = part.job.provider, part.job.zone
    if provider.kind == "marginal":
        rows = arrivals.marginal_rows_of(frame, provider, zone, now_us)
    else:
        rows = arrivals.rows_of(frame, provider, zone, now_us, findings, own)
        checks.check_values(rows, findings, provider.name)
    kept = _keep_rows(outcome, rows, held, _place(provider, folder))
    known = set(rows["status"]) == {"final"}
    over = part.reach[1] + provider.window_us <= now_us
    settled = over and (known or part.reach[1] + provider.window_us + PATIENCE_US <= now_us)
    file = f"{store.MARGINAL_FOLDER}/{kept}" if kept and provider.kind == "marginal" else kept
    source = arrivals.source_of(provider, own)
    record.add(folder, record.Record(provider.name, zone, source, *part.reach, now_us, settled, file))


def _keep_rows(outcome: Outcome, rows: pd.DataFrame, held: pd.DataFrame, folder: Path) -> str:
    """Keep rows, and count them; the name of their file, empty where nothing in them differs from what is held."""
    if not len(rows):
        return ""
    kept = arrivals.keep(rows, held, folder)
    outcome.new += kept.new
    outcome.revised += kept.revised
    outcome.settled += kept.settled
    outcome.same += len(rows) - kept.new - kept.revised - kept.settled
    return kept.file


def _place(provider: Provider, folder: Path) -> Path:
    return folder / store.MARGINAL_FOLDER if provider.kind == "marginal" else folder


def _held(job: Job, folder: Path, own: str) -> pd.DataFrame:
    """Rows of the job's series that hold now."""
    if job.provider.kind == "marginal":
        rows = store.load_marginal(folder)
        return rows[(rows["zone"] == job.zone) & (rows["source"] == job.provider.name)]
    return _held_of(job.zone, arrivals.source_of(job.provider, own), folder)


def _held_of(zone: str, source: str, folder: Path) -> pd.DataFrame:
    found = [one.rows for one in store.load(folder, [zone]) if one.source == source]
    return found[0] if found else pd.DataFrame(columns=list(store.COLUMNS))


def _check(outcome: Outcome, start_us: int, end_us: int, folder: str | Path, own: str, now_us: int) -> None:
    """Warn of hours of the range without a value, but for those that are too young to be published."""
    held = _held(outcome.job, Path(folder), own)
    end_us = min(end_us, now_us - LATE_US)
    if end_us <= start_us:
        return
    touching = held[(held["end_us"] > start_us) & (held["start_us"] < end_us)].sort_values("start_us")
    starts, ends = (touching[name].to_numpy(np.int64) for name in ("start_us", "end_us"))
    before = np.append([start_us], np.maximum.accumulate(ends) if len(ends) else ends)
    after = np.append(starts, [end_us])
    gaps = [(first, last) for first, last in zip(before.tolist(), after.tolist(), strict=True) if first < last]
    if gaps:
        hours = sum(last - first for first, last in gaps) / HOUR_US
        findings = Findings()
        findings.warning(
            "gaps", f"lacks {hours:g} hours of the range, the first from {isoformat(gaps[0][0])} to {isoformat(gaps[0][1])}",
            "fetch again later, or import what is missing; until then those hours fall to the next tier",
        )  # fmt: skip
        outcome.take(findings)
