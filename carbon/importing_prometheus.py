"""Asking a Prometheus for meters: one question a kind and UTC day, each a source of its own, so that a day can grow."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from contextlib import ExitStack, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from carbon.core.errors import UsageError
from carbon.core.time import DAY_US, HOUR_US, SECOND_US, isoformat, parse_instant
from carbon.grid.providers.client import Client, Manners
from carbon.grid.providers.secrets import Secret, of_environment
from carbon.importers.answers import opened
from carbon.importers.metrics import COUNTER, ENERGY, TOKENS, metrics_of_kind
from carbon.importers.prometheus import AHEAD_S, TOO_FAR_S, read_answers
from carbon.importers.prometheus_series import Options
from carbon.importers.store import Imported, day_text, new_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from carbon.config import Settings
    from carbon.core.findings import Findings
    from carbon.importers.answers import Answer
    from carbon.importers.records import Take
    from carbon.importers.store import Source

IMPORTER, SECTION = "prometheus", "import.prometheus"
KINDS = (*ENERGY, *TOKENS)
PATH = "/api/v1/query_range"
MOST_POINTS = 10_000  # of one request; servers refuse more than 11,000
# Samples are asked for this long before and after a day, so that an interval across its edge has both ends.
MARGIN_US = HOUR_US
ALIKE = 0.95  # share of the time covered before from which an answer of another step is no smaller
SECRETS = tuple(Secret(name, (f"CARBON_PROMETHEUS_{name.upper()}",)) for name in ("token", "user", "password"))
MENDS = {
    "refused": "set CARBON_PROMETHEUS_TOKEN, or CARBON_PROMETHEUS_USER and CARBON_PROMETHEUS_PASSWORD",
    "no-data": "check url: the API is below it, at /api/v1 (Mimir: …/prometheus)",
    "moved": "give the new address as url",
    "bad-request": "check --match and --step, and what the server allows",
}


class Question(NamedTuple):
    """What is asked of a day: its kind (of KINDS), number since 1970, and the range [us] within it that is wanted."""

    kind: str
    day: int
    start_us: int
    end_us: int


class Server(NamedTuple):
    """Who is asked, and how: address, matchers, distance of samples [s], label of the node, the present [us]."""

    url: str
    match: str
    step_s: float
    node_label: str
    now_us: int

    def query(self, kind: str) -> str:
        """PromQL of a kind: all counters, and gauges of what has none (`or` goes by labels without the name)."""
        metrics = metrics_of_kind(kind)
        sides = [{m.name: 0 for m in metrics if (m.kind == COUNTER) is counts} for counts in (True, False)]
        match = f",{self.match}" if self.match else ""
        return " or ".join(f'{{__name__=~"{"|".join(names)}"{match}}}' for names in sides if names)

    def id_of(self, kind: str, day: int) -> str:
        """Digest under which the answers of a kind and day are kept."""
        return hashlib.sha256(json.dumps([self.url, self.query(kind), day_text(day)]).encode()).hexdigest()


def server_of(settings: Settings, now_us: int) -> Server:
    """The server of the settings. Raises UsageError where they name none."""
    url, match, label = (settings.text(f"{SECTION}.{key}") for key in ("url", "match", "node_label"))
    if not url:
        raise UsageError(
            "no Prometheus is named: give --url http://HOST:9090, or url under [import.prometheus] in carbon.toml"
        )
    return Server(url.rstrip("/"), match.strip("{} ,"), settings.number(f"{SECTION}.step"), label, now_us)


def last_asked_us(settings: Settings, url: str) -> int | None:
    """Start [us] of the last day that was imported from an address; None where none was."""
    kept = Imported(settings.path("inputs.imported")).sources()
    days = [parse_instant(one.options["to"]) - 1 for one in kept if one.options.get("url") == url.rstrip("/")]
    return max(days) // DAY_US * DAY_US if days else None


def fetch(
    settings: Settings, start_us: int, end_us: int, findings: Findings, now_us: int | None = None, kinds: Sequence[str] = KINDS,
    progress: Callable[[int, int], None] | None = None, environment: Mapping[str, str] | None = None,
    slow: Callable[[float, float], None] | None = None,
) -> Iterator[tuple[Source, Iterator[Take]]]:  # fmt: skip
    """Sources of the days of a range [us], to be kept one by one (carbon.importing.take_in): each is asked for as it is needed.

    A day that is there already is asked for as a whole, what was wanted before and now; an answer with less than is there
    is not given. `now_us`: the present, else that of the clock. `slow` is told how long [s] a request lasts that lasts long,
    and how long [s] it may. Raises UsageError and ProviderError, and InputError for what
    is no answer.
    """
    now_us = time.time_ns() // 1_000 if now_us is None else now_us
    server = server_of(settings, now_us)
    imported = Imported(settings.path("inputs.imported"))
    questions = _questions(start_us, min(end_us, now_us), kinds)
    samples = 0
    with _client(settings, server, os.environ if environment is None else environment, slow) as (client, headers):
        for done, question in enumerate(questions):
            if progress is not None:
                progress(done, len(questions))
            before = imported.find(server.id_of(question.kind, question.day))
            asked = _grown(question, before)
            with _answered(client, headers, server, asked, findings) as (source, answers):
                samples += int(source.options["samples"])
                if _is_more(source, before, findings):
                    yield source, _takes(answers, server, asked, findings)
    if not samples:
        place = f"{server.url} {isoformat(start_us)} to {isoformat(end_us)}"
        mend = "see that the exporters are scraped, that --match fits, and how long the server keeps its data"
        findings.warning("nothing-there", "the server has none of the metrics that are read", mend, file=place)


def _questions(start_us: int, end_us: int, kinds: Iterable[str]) -> list[Question]:
    days = range(start_us // DAY_US, -(-end_us // DAY_US))
    return [
        Question(kind, day, max(start_us, day * DAY_US), min(end_us, (day + 1) * DAY_US))
        for day in days
        for kind in kinds
    ]


def _grown(question: Question, before: Source | None) -> Question:
    """The same, with what was wanted of that day before."""
    if before is None:
        return question
    start, end = (parse_instant(before.options[edge]) for edge in ("from", "to"))
    return question._replace(start_us=min(question.start_us, start), end_us=max(question.end_us, end))


@contextmanager
def _answered(
    client: Client, headers: Mapping[str, str], server: Server, asked: Question, findings: Findings
) -> Iterator[tuple[Source, Sequence[Answer]]]:
    """The source that a question is, and the answers to it, open for as long as they are read."""
    name = f"{urlsplit(server.url).netloc} {asked.kind} {day_text(asked.day)}"
    with TemporaryDirectory(prefix="carbon-") as folder, ExitStack() as stack:
        files = _ask(client, headers, server, asked, Path(folder), findings)
        answers = [stack.enter_context(opened(file, name, findings, client.hider.clean)) for file in files]
        yield _source(server, asked, name, answers, files), answers


def _ask(
    client: Client, headers: Mapping[str, str], server: Server, asked: Question, folder: Path, findings: Findings
) -> list[Path]:
    """Answers in files, each of so few points that the server gives them, none of which comes twice."""
    step_us = round(server.step_s * SECOND_US)
    first = (asked.start_us - MARGIN_US) // step_us
    last = min(asked.end_us + MARGIN_US, server.now_us) // step_us
    files: list[Path] = []
    for begin in range(first, last + 1, MOST_POINTS):
        end = min(begin + MOST_POINTS - 1, last)
        form = {
            "query": server.query(asked.kind), "step": f"{server.step_s:g}",
            "start": f"{begin * step_us / SECOND_US:.6f}", "end": f"{end * step_us / SECOND_US:.6f}",
        }  # fmt: skip
        files.append(folder / f"{len(files)}.json")
        told = client.save(PATH, form, headers, files[-1])
    _check_clock(client, told, server.url, findings)
    return files


def _check_clock(client: Client, told: Mapping[str, str], name: str, findings: Findings) -> None:
    """Hold the server's clock against ours. Raises ProviderError where it is minutes ahead."""
    try:
        ahead_s = parsedate_to_datetime(told["Date"]).timestamp() - time.time()
    except (KeyError, ValueError, TypeError):
        return
    mend = "set the clocks of both machines (NTP)"
    said = f"{abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    if ahead_s > TOO_FAR_S:
        raise client.fault("far-clock", PATH, f"has a clock {said}: its times cannot be trusted", mend)
    if abs(ahead_s) > AHEAD_S:
        findings.warning("far-clock", f"the server's clock is {said}", mend, file=name)


def _takes(answers: Sequence[Answer], server: Server, asked: Question, findings: Findings) -> Iterator[Take]:
    """Meters of the range that is wanted; what is left out is counted over all days."""
    within = asked.start_us, asked.end_us
    options = Options(server.now_us, server.node_label, within_us=within)
    return read_answers(answers, f"{urlsplit(server.url).netloc} {asked.kind}", options, findings)


def _source(server: Server, asked: Question, name: str, answers: Sequence[Answer], files: Iterable[Path]) -> Source:
    """The source that an answer is; its bytes are among the options, so that the same answer changes nothing."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened_:
            digest.update(hashlib.file_digest(opened_, "sha256").digest())
    options = {
        "url": server.url, "query": server.query(asked.kind), "node_label": server.node_label, "step": f"{server.step_s:g}",
        "from": isoformat(asked.start_us), "to": isoformat(asked.end_us),
        "samples": str(sum(answer.size for answer in answers)), "answer": digest.hexdigest()[:24],
    }  # fmt: skip
    return new_source(server.id_of(asked.kind, asked.day), IMPORTER, name, options, server.now_us)


def _is_more(source: Source, before: Source | None, findings: Findings) -> bool:
    """Whether an answer is to be kept: it has samples, and no fewer than the one that is there."""
    now, step = int(source.options["samples"]), float(source.options["step"])
    if before is None:
        return now > 0
    then, step_then = int(before.options["samples"]), float(before.options["step"])
    if now >= then if step == step_then else now * step >= ALIKE * then * step_then:
        return True
    findings.warning(
        "less-than-before", f"the server has less of that day than was imported ({now:,} samples, not {then:,}): kept as it was",
        f"to take what it has now, `carbon import remove {before.id[:12]}` first", file=source.name,
    )  # fmt: skip
    return False


@contextmanager
def _client(
    settings: Settings, server: Server, environment: Mapping[str, str], slow: Callable[[float, float], None] | None
) -> Iterator[tuple[Client, Mapping[str, str]]]:
    """A client of the server, and the headers that let it in. Raises UsageError for half a login."""
    secrets = {secret.name: of_environment(secret, environment) for secret in SECRETS}
    token, user, password = (secrets[name] for name in ("token", "user", "password"))
    if bool(user) != bool(password):
        lacking = SECRETS[1 if password else 2].variables[0]
        raise UsageError(f"{lacking} is not set; user and password go together")
    retries, timeout_s, pace = (settings.number(f"grid.providers.{name}") for name in ("retries", "timeout_s", "pace"))
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Bearer {token}" if token else f"Basic {login}"} if token or user else {}
    client = Client(
        "the server", server.url, {**secrets, "login": login if user else ""}, Manners(int(retries), timeout_s, pace),
        mends=MENDS, slow=slow,
    )  # fmt: skip
    with client:
        yield client, headers
