"""Asking a server: days that grow, borders, limits, faults, logins; every answer once and nothing lost between days."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import threading
import time
import traceback
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.config import load
from carbon.core.errors import CarbonError, InputError, UsageError
from carbon.core.findings import Findings
from carbon.core.time import DAY_US, HOUR_US, parse_instant
from carbon.importers.metrics import METRICS
from carbon.importing import Outcome, take_in
from carbon.importing_prometheus import KINDS, fetch, last_asked_us, server_of
from tests.cli.project import write_small
from tests.importers.play import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from carbon.config import Settings

    Mishap = Reply | Callable[[Reply], Reply]

START = parse_instant("2026-10-01")
NOW = parse_instant("2026-10-04T15:00:00Z")
WATTS, OFFSET_MJ = 500, 8_000_000
ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
MOST_POINTS = 11_000


class World:
    """A server with the counter of one device since a time [s], silent in some ranges [s]; `mishaps` come first."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.mishaps: list[Mishap] = []
        self.since_s, self.silent = START / 1e6 - 7_200, [(0.0, 0.0)]
        self.until_s = NOW / 1e6
        self.more: dict[str, object] = {}

    def answer(self, path: str, form: dict[str, str], headers: Mapping[str, str]) -> Reply:
        """What a request gets."""
        self.asked.append(form)
        self.headers.append(headers)
        mishap = self.mishaps.pop(0) if self.mishaps else None
        if isinstance(mishap, Reply):
            return mishap
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        if path != "/api/v1/query_range" or (end - start) / step > MOST_POINTS:
            error = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
            return Reply(400, json.dumps({"status": "error", "errorType": "bad_data", "error": error}))
        times = [start + step * place for place in range(int((end - start) / step + 1e-9) + 1)]
        values = [[at, str(round(WATTS * 1e3 * (at - START / 1e6) + OFFSET_MJ * 1e3))] for at in times if self._there(at)]
        found = [{"metric": {"__name__": ENERGY, "Hostname": "a", "UUID": "GPU-1"}, "values": values}]
        result = found if ENERGY in form["query"] and values else []
        reply = Reply(200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **self.more}))
        return mishap(reply) if mishap else reply

    def _there(self, at: float) -> bool:
        return self.since_s <= at <= self.until_s and not any(start < at < end for start, end in self.silent)


class Case:
    """A project before a server."""

    def __init__(self, world: World, url: str, folder: Path) -> None:
        self.world, self.url, self.folder, self.now_us = world, url, folder, NOW
        self.environment: dict[str, str] = {}
        self.said = Findings()

    def settings(self, **more: object) -> Settings:
        """Settings that lead to the server, without waits."""
        given = {"url": self.url, **more}
        named = {f"import.prometheus.{name}": value for name, value in given.items()}
        return load(self.folder, {**named, "grid.providers.pace": 0.0, "grid.providers.retries": 1.0}, {})  # type: ignore[dict-item]

    def take(self, from_: str, to: str, kinds: tuple[str, ...] = ("gpu",), **more: object) -> Outcome:
        """Import a range."""
        self.world.asked.clear()
        self.said, settings = Findings(), self.settings(**more)
        given = fetch(settings, parse_instant(from_), parse_instant(to), self.said, self.now_us, kinds, None, self.environment)
        return take_in(settings, given, self.said)

    def meters(self) -> pd.DataFrame:
        """All meters that are kept."""
        return pd.concat([pd.read_parquet(path) for path in sorted((self.folder / "imported" / "meters").rglob("*.parquet"))])

    def hours(self) -> float:
        """Hours that the energy which is kept stands for."""
        return float(self.meters()["value"].sum()) * 1000 / WATTS

    def codes(self) -> set[str]:
        """Codes of what was found."""
        return {finding.code for finding in self.said} - {"devices-missing", "host-unknown"}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A project before a server."""
    world = World()
    with Server(world.answer) as server:
        yield Case(world, server.url, write_small(tmp_path / "network").folder)


def test_days_follow_each_other_without_a_gap_and_nothing_twice(case: Case) -> None:
    outcome = case.take("2026-10-01", "2026-10-04")
    assert len(outcome.sources) == len(case.world.asked) == 3
    assert case.hours() == pytest.approx(72, rel=1e-12)
    rows = case.meters().sort_values("start_us")
    assert (rows["end_us"].to_numpy()[:-1] == rows["start_us"].to_numpy()[1:]).all()
    assert (rows["start_us"].iloc[0], rows["end_us"].iloc[-1]) == (START, START + 3 * DAY_US)
    assert case.codes() == set()


def test_the_same_again_changes_nothing(case: Case) -> None:
    case.take("2026-10-01", "2026-10-03")
    before = {path: path.read_bytes() for path in case.folder.rglob("*") if path.is_file()}
    outcome = case.take("2026-10-01", "2026-10-03")
    assert outcome.before == 2
    assert {path: path.read_bytes() for path in case.folder.rglob("*") if path.is_file()} == before


def test_a_day_grows_hour_by_hour(case: Case) -> None:
    for hour in (1, 2, 9, 24):
        case.now_us = START + hour * HOUR_US + 5_000_000
        outcome = case.take("2026-10-01", f"2026-10-01T{hour:02}:00:00Z" if hour < 24 else "2026-10-02")
        assert len(outcome.sources) == 1
        assert case.hours() == pytest.approx(hour, rel=1e-12)
        assert last_asked_us(case.settings(), case.url) == START
    case.take("2026-10-01T05:00:00Z", "2026-10-01T06:00:00Z")  # a part of what is there: the rest stays
    assert case.codes() == set()
    case.now_us = NOW
    case.take("2026-10-02", "2026-10-02T10:00:00Z")
    case.take("2026-10-02T10:00:00Z", "2026-10-02T20:00:00Z")
    assert case.hours() == pytest.approx(24 + 20, rel=1e-12)


def test_a_gap_across_midnight_keeps_its_energy(case: Case) -> None:
    midnight = (START + DAY_US) / 1e6
    case.world.silent = [(midnight - 1_200, midnight + 600)]
    case.take("2026-10-01", "2026-10-03")
    assert case.hours() == pytest.approx(48, rel=1e-12)
    across = case.meters().query("quality == 'interpolated'").sort_values("start_us")
    assert (across["end_us"] - across["start_us"]).tolist() == [1_200_000_000, 600_000_000]


def test_requests_stay_below_the_limit_and_repeat_no_sample(case: Case) -> None:
    case.world.since_s = START / 1e6
    case.take("2026-10-01", "2026-10-01T12:00:00Z", step=1.0)
    edges = [(float(form["start"]), float(form["end"])) for form in case.world.asked]
    assert len(edges) == 6
    assert all((end - start) < MOST_POINTS for start, end in edges)
    assert [start for start, _ in edges[1:]] == [end + 1 for _, end in edges[:-1]]
    assert (edges[0][0], edges[-1][1]) == (START / 1e6 - 3_600, START / 1e6 + 13 * 3_600)
    assert case.hours() == pytest.approx(12, rel=1e-12)


def test_one_question_for_each_kind_names_every_metric(case: Case) -> None:
    case.take("2026-10-01", "2026-10-02", KINDS, match='{cluster="a"}')
    queries = [form["query"] for form in case.world.asked]
    assert len(queries) == len(KINDS)
    named = {name for query in queries for side in re.findall('=~"([^"]*)"', query) for name in side.split("|")}
    assert named == {metric.name for metric in METRICS}
    assert all(query.count('"') == query.count("{") * 4 for query in queries)
    assert all(query.count(',cluster="a"}') == query.count("{") for query in queries)
    assert queries[0].endswith(' or {__name__=~"DCGM_FI_DEV_POWER_USAGE",cluster="a"}')


def test_a_server_that_has_forgotten_does_not_take_away_what_is_there(case: Case) -> None:
    case.take("2026-10-01", "2026-10-02")
    case.world.since_s = START / 1e6 + 9 * 3_600
    case.take("2026-10-01", "2026-10-02")
    assert case.hours() == pytest.approx(24, rel=1e-12)
    assert case.codes() == {"less-than-before"}
    case.take("2026-10-01", "2026-10-02", step=300.0)
    assert case.codes() == {"less-than-before"}
    case.world.since_s = START / 1e6 - 7_200
    case.take("2026-10-01", "2026-10-02", step=300.0)  # as much time in fewer samples takes its place
    assert case.codes() == set()
    assert case.hours() == pytest.approx(24, rel=1e-12)


def test_nothing_there_is_said(case: Case) -> None:
    outcome = case.take("2026-10-01", "2026-10-02", ("cpu", "node"))
    assert outcome.sources == []
    assert case.codes() == {"nothing-there"}


def test_parts_and_warnings_of_the_server_are_named(case: Case) -> None:
    case.world.more = {"warnings": ["partial response: store x did not answer"], "infos": ["hint"]}
    case.take("2026-10-01", "2026-10-02")
    assert case.codes() == {"server-warning", "partial-answer", "server-info"}
    assert case.hours() == pytest.approx(24, rel=1e-12)


BUSY = Reply(503, '{"status":"error","errorType":"timeout","error":"query timed out"}')


BAD_GATEWAY = Reply(502, "<html>bad gateway</html>")


@pytest.mark.parametrize("mishap", [BUSY, BAD_GATEWAY, Reply(429, ""), lambda reply: reply._replace(cut=True)])
def test_a_fault_that_passes_is_asked_again(case: Case, mishap: Reply) -> None:
    case.world.mishaps = [mishap]
    case.take("2026-10-01", "2026-10-02")
    assert len(case.world.asked) == 2
    assert case.hours() == pytest.approx(24, rel=1e-12)


@pytest.mark.parametrize(("mishap", "asked", "said"), [
    (Reply(400, '{"status":"error","errorType":"bad_data","error":"invalid parameter"}'), 1, "bad_data invalid parameter"),
    (Reply(422, '{"status":"error","errorType":"execution","error":"too many samples"}'), 1, "execution too many samples"),
    (BUSY, 2, "timeout query timed out, after 2 tries"),
    (Reply(401, "no"), 1, "set CARBON_PROMETHEUS_TOKEN"),
    (Reply(404, "404 page not found"), 1, "check url: the API is below it"),
    (Reply(302, "", {"Location": "https://login.example/"}), 1, "https://login.example/"),
    (Reply(200, "<html>Sign in</html>"), 1, "is a web page"),
    (Reply(200, '{"status":"error","errorType":"internal","error":"x"}'), 1, "an error of the server: internal"),
    (Reply(200, '{"status":"success","data":{"resultType":"mat'), 1, "JSON"),
    (lambda reply: reply._replace(headers={"Date": formatdate(time.time() + 1_000, usegmt=True)}), 1, "ahead of this machine's"),
])  # fmt: skip
def test_a_fault_that_stays_is_one_line_and_what_came_before_is_whole(case: Case, mishap: Mishap, asked: int, said: str) -> None:
    case.take("2026-10-01", "2026-10-02")
    case.world.mishaps = [lambda reply: reply, mishap, mishap]
    with pytest.raises(CarbonError) as caught:
        case.take("2026-10-02", "2026-10-04")
    errors = [line for line in str(caught.value).splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert said in errors[0]
    assert len(case.world.asked) == 1 + asked
    assert case.hours() == pytest.approx(48, rel=1e-12)
    days = [path.name for path in sorted((case.folder / "workload" / "imported").glob("*.csv"))]
    assert days == ["2026-10-01.csv", "2026-10-02.csv"]


def test_a_clock_that_is_a_little_off_is_a_warning(case: Case) -> None:
    for seconds in (120, -4_000):
        date = {"Date": formatdate(time.time() + seconds, usegmt=True)}
        case.world.mishaps = [lambda reply, date=date: reply._replace(headers=date)]
        case.take("2026-10-01", "2026-10-02")
        assert case.codes() == {"far-clock"}


def test_a_server_that_is_not_there(case: Case) -> None:
    with pytest.raises(InputError, match="cannot be reached"):
        case.take("2026-10-01", "2026-10-02", url="http://127.0.0.1:9")


class Dripping:
    """A server that sends a byte of head or body now and then for as long as somebody listens; or nothing at all."""

    def __init__(self, head: bytes) -> None:
        self._head, self.asked, self.open = head, 0, 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._socket.accept()
                self.asked, self.open = self.asked + 1, self.open + 1
                threading.Thread(target=self._drip, args=(taken,), daemon=True).start()

    def _drip(self, taken: socket.socket) -> None:
        with suppress(OSError), taken:
            taken.sendall(self._head)
            while self._head:
                taken.sendall(b" ")
                time.sleep(0.05)
            while taken.recv(1 << 16):
                pass
        self.open -= 1

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: ", b""])
def test_a_server_that_drips_or_never_answers_is_given_up(case: Case, head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbon.grid.providers.client.SLOW_S", 0.2)
    told: list[tuple[float, float]] = []
    dripping = Dripping(head)
    named = {"import.prometheus.url": dripping.url, "grid.providers.pace": 0.0, "grid.providers.retries": 1.0}
    settings = load(case.folder, {**named, "grid.providers.timeout_s": 1.0}, {})  # type: ignore[dict-item]
    began = time.monotonic()
    given = fetch(settings, START, START + DAY_US, Findings(), NOW, ("gpu",), None, {}, lambda *times: told.append(times))
    try:
        with pytest.raises(InputError, match=r"did not answer in time, after 2 tries"):
            list(given)
        assert 1.5 < time.monotonic() - began < 8
        assert dripping.asked == 2
        assert set(told) == {(0.2, 2.0)}
        if head.endswith(b"\n\r\n"):  # within a head there is nothing yet that could be cut
            time.sleep(0.5)
            assert dripping.open == 0
    finally:
        dripping.close()


def test_a_node_that_nobody_knows_is_named_and_nothing_is_kept(case: Case) -> None:
    register = case.folder / "nodes.csv"
    register.write_text("\n".join(line for line in register.read_text().splitlines() if not line.startswith("a,")) + "\n")
    with pytest.raises(InputError, match="unknown-node"):
        case.take("2026-10-01", "2026-10-02")
    assert list((case.folder / "imported").rglob("*.parquet")) == []


TOKEN, PASSWORD = "tok-3f2a9c/==", "p&ss word"
LOGIN = base64.b64encode(f"me2:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(("environment", "header"), [
    ({}, None),
    ({"CARBON_PROMETHEUS_TOKEN": TOKEN}, f"Bearer {TOKEN}"),
    ({"CARBON_PROMETHEUS_USER": "me2", "CARBON_PROMETHEUS_PASSWORD": PASSWORD}, f"Basic {LOGIN}"),
])  # fmt: skip
def test_a_login_goes_in_a_header(case: Case, environment: dict[str, str], header: str | None) -> None:
    case.environment = environment
    case.take("2026-10-01", "2026-10-02")
    assert [headers.get("Authorization") for headers in case.world.headers] == [header]


@pytest.mark.parametrize("mishap", [401, 400, 500, 302, 200])
def test_no_secret_is_in_an_error_a_log_or_a_file(case: Case, mishap: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [TOKEN, PASSWORD, LOGIN]
    echo = Reply(mishap, json.dumps({"status": "error", "errorType": "x", "error": " ".join(secrets)}), {"Location": f"http://x/?{LOGIN}"})
    login = {"CARBON_PROMETHEUS_USER": "me2", "CARBON_PROMETHEUS_PASSWORD": PASSWORD}
    for environment in (login, {"CARBON_PROMETHEUS_TOKEN": TOKEN}):
        case.environment = environment
        hidden = [text for text in secrets if text in {*environment.values(), LOGIN if environment is login else ""}]
        case.world.mishaps = [lambda reply: reply, echo, echo]
        with pytest.raises(CarbonError) as caught:
            case.take("2026-10-01", "2026-10-03")
        shown = ["".join(traceback.format_exception(caught.value)), str(caught.value.args), caplog.text]
        shown += [path.read_bytes().decode("latin-1") for path in case.folder.rglob("*") if path.is_file()]
        for secret in hidden:
            assert not any(secret in text for text in shown), secret


def test_a_half_login_and_no_address_are_refused(case: Case) -> None:
    case.environment = {"CARBON_PROMETHEUS_USER": "me2"}
    with pytest.raises(UsageError, match="CARBON_PROMETHEUS_PASSWORD is not set"):
        case.take("2026-10-01", "2026-10-02")
    with pytest.raises(UsageError, match="no Prometheus is named"):
        server_of(load(case.folder, {}, {}), NOW)
    for url in ("http://me:secret@host:9090", "host:9090", "ftp://host"):
        with pytest.raises(UsageError, match=r"import\.prometheus\.url must be a web address") as caught:
            case.settings(url=url)
        assert "secret" not in str(caught.value)
    (case.folder / "carbon.toml").write_text('[import.prometheus]\ntoken = "abc"\n')
    with pytest.raises(UsageError, match="set CARBON_PROMETHEUS_TOKEN and take it out"):
        load(case.folder, {}, {})
