"""How a provider is asked: second tries, waits, time-outs, and that a token is nowhere to be seen afterwards."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from carbon.core.errors import UsageError
from carbon.grid.providers.choice import PROVIDERS, secrets_of
from carbon.grid.providers.client import Client, Manners, ProviderError
from tests.providers import answers
from tests.providers.conftest import RUSHED, client, query
from tests.providers.server import Answer, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.server import Server

PATIENT = Manners(retries=3, timeout_s=5.0, pace=1.0)
CODE = {"neso": "0", "energy-charts": "de", "electricity-maps": "KE", "eia": "CISO", "entsoe": "10Y1001A1001A83F", "ember": "KEN",
        "watttime": "CAISO_NORTH"}  # fmt: skip
DAY = ("2026-03-28", "2026-03-29")


def waits(server: Server, *mishaps: Answer) -> tuple[list[float], object]:
    """Waits [s] of a client for an answer after these mishaps, and what came in the end."""
    slept: list[float] = []
    server.mishaps = list(mishaps)
    one = client(server, "neso", PATIENT, sleep=slept.append)
    try:
        return slept, one.get_json("/intensity/2026-03-28T00:00Z/2026-03-29T00:00Z")
    except ProviderError as error:
        return slept, error


def test_waits_double_from_a_second(server: Server) -> None:
    slept, answer = waits(server, *[Answer(500, "{}")] * 3)
    assert [round(wait) for wait in slept] == [1, 2, 4]
    assert isinstance(answer, dict)


def test_after_all_tries_it_says_so(server: Server) -> None:
    slept, error = waits(server, *[Answer(503, '{"error":{"code":"503","message":"over\\nloaded"}}')] * 9)
    assert len(slept) == 3
    assert "neso answered 503: 503 over loaded, after 4 tries; run the same command later" in str(error)
    assert len(server.asked) == 4


def test_retry_after_in_seconds_and_as_a_date(server: Server) -> None:
    served = datetime(2026, 3, 1, 12, tzinfo=UTC)
    until, clock = (format_datetime(moment, usegmt=True) for moment in (served + timedelta(seconds=40), served))
    for mishap, wait_s in ((told({}, 429, Retry_After="7"), 7), (told({}, 503, Retry_After=until, Date=clock), 40)):
        slept, answer = waits(server, mishap)
        assert [round(wait) for wait in slept] == [wait_s]
        assert isinstance(answer, dict)


def test_a_wait_that_is_too_long_is_left_to_the_user(server: Server) -> None:
    slept, error = waits(server, told({"error": "banned"}, 429, Retry_After="3600"))
    assert slept == []
    assert "asks to wait 3600 s" in str(error)


@pytest.mark.parametrize("header", ["soon", "", "-5", "Wed, 99 Foo"])
def test_a_retry_after_of_nothing_known_is_passed_over(server: Server, header: str) -> None:
    slept, answer = waits(server, told({}, 429, Retry_After=header))
    assert [round(wait) for wait in slept] == [1]
    assert isinstance(answer, dict)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "bad-request"), (401, "refused"), (403, "refused"), (404, "no-data"), (422, "bad-request")]
)
def test_what_will_not_pass_is_not_tried_again(server: Server, status: int, code: str) -> None:
    slept, error = waits(server, Answer(status, '{"message":"no"}'))
    assert (slept, len(server.asked)) == ([], 1)
    assert isinstance(error, ProviderError)
    assert (error.code, error.status) == (code, status)
    assert f"answered {status}: no" in str(error)


def test_a_redirect_is_not_followed(server: Server) -> None:
    _, error = waits(server, Answer(302, "", {"Location": "https://elsewhere.example/"}))
    assert "(to https://elsewhere.example/)" in str(error)
    assert len(server.asked) == 1


@pytest.mark.parametrize("mishap", [
    Answer(200, '{"data": []', cut=True), Answer(200, '{"data": ['), Answer(200, "<html>hello</html>"), Answer(200, ""),
    Answer(200, "{}", wait_s=1.0), Answer(200, "{}", {"Content-Encoding": "gzip"}), lambda answer: answer._replace(cut=True),
])  # fmt: skip
def test_a_broken_answer_is_asked_for_again(server: Server, mishap: Answer | Callable[[Answer], Answer]) -> None:
    server.mishaps = [mishap, mishap]
    found = client(server, "neso").get_json("/intensity/2026-03-28T00:00Z/2026-03-29T00:00Z")
    assert isinstance(found, dict)
    assert len(found["data"]) == 49
    assert len(server.asked) == 3


def test_a_server_that_is_not_there() -> None:
    away = Client("neso", "http://127.0.0.1:9", manners=Manners(retries=1, timeout_s=1.0, pace=0.0))
    with pytest.raises(ProviderError, match=r"http://127\.0\.0\.1:9/x: neso cannot be reached; .* after 2 tries") as caught:
        away.get_json("/x")
    assert caught.value.code == "away"


def test_pauses_between_requests(server: Server) -> None:
    slept: list[float] = []
    one = client(server, "neso", Manners(pace=1.0, pause_s=3.0), sleep=slept.append)
    for _ in range(3):
        one.get_json("/intensity/2026-03-28T00:00Z/2026-03-29T00:00Z")
    assert [round(wait) for wait in slept] == [3, 6]  # the clock stands while this sleep returns at once


SECRETS = {name: {**answers.TOKENS, "login": answers.LOGIN}[name] for name in answers.TOKENS if not name.endswith("USER")}
MISHAPS: dict[str, Callable[[str], Answer]] = {
    "401": lambda all_: Answer(401, json.dumps({"message": f"Invalid token {all_}"})),
    "403": lambda all_: Answer(403, f"<html>{all_}</html>"),
    "404": lambda all_: Answer(404, json.dumps({"error": all_})),
    "429": lambda all_: Answer(429, all_),
    "500": lambda all_: Answer(500, json.dumps({"error": {"message": f"trace {all_}"}})),
    "302": lambda all_: Answer(302, "", {"Location": f"http://other.example/?{quote(all_, safe='')}"}),
    "html": lambda all_: Answer(200, f"<html>{all_}</html>"),
    "form": lambda all_: Answer(200, json.dumps({"data": [{"from": all_}], "error": all_, "response": all_, "meta": all_})),
    "cut": lambda all_: Answer(200, json.dumps({"data": all_}), cut=True),
    "slow": lambda _: Answer(200, "{}", wait_s=0.3),
}  # fmt: skip


@pytest.mark.parametrize("provider", ["electricity-maps", "eia", "entsoe", "ember", "watttime"])
@pytest.mark.parametrize("mishap", MISHAPS)
def test_no_token_is_in_an_error_a_traceback_or_a_log(
    server: Server, provider: str, mishap: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where the server sends it back: as it is, or as addresses and headers write it."""
    caplog.set_level(logging.DEBUG)
    secrets = secrets_of(PROVIDERS[provider], server.environment())
    hidden = [value for name, value in secrets.items() if name != "user"]
    forms = [form for one in hidden for form in (one, quote(one, safe=""), quote(one))]
    server.mishaps = [MISHAPS[mishap](" and ".join(forms))] * 20
    with client(server, provider, RUSHED._replace(retries=1, timeout_s=0.1)) as one, pytest.raises(ProviderError) as caught:
        PROVIDERS[provider].get(one, query(CODE[provider], *DAY))
    error = caught.value
    assert error.__cause__ is None
    shown = ["".join(traceback.format_exception(error)), repr(error), str(error.args), str(error.findings), caplog.text]
    assert server.asked
    for form in forms:
        assert not any(form in text for text in shown), form


def test_logs_of_the_library_are_cleaned_and_then_left_alone(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    with client(server, "ember") as one:
        PROVIDERS["ember"].get(one, query("KEN", *DAY))
    assert "api_key=[hidden]" in caplog.text
    assert logging.getLogger("urllib3.connectionpool").filters == []


def test_tokens_come_from_the_environment_alone(server: Server) -> None:
    message = r"eia needs a key: set the environment variable CARBON_GRID_PROVIDERS_EIA_TOKEN \(or EIA_API_KEY\)"
    with pytest.raises(UsageError, match=message):
        secrets_of(PROVIDERS["eia"], {})
    assert secrets_of(PROVIDERS["eia"], {"EIA_API_KEY": " abc\n"}) == {"token": "abc"}
    with pytest.raises(UsageError, match="EIA_API_KEY holds characters that no key has") as caught:
        secrets_of(PROVIDERS["eia"], {"EIA_API_KEY": "abc\ndef"})
    assert "def" not in str(caught.value)


@pytest.mark.parametrize("provider", ["electricity-maps", "eia", "entsoe", "ember", "watttime"])
def test_a_wrong_token_is_refused_with_one_request(server: Server, provider: str) -> None:
    secrets = dict.fromkeys(secrets_of(PROVIDERS[provider], server.environment()), "wrong-token")
    one = Client(provider, server.url(provider), secrets, RUSHED)
    with pytest.raises(ProviderError, match="check the token") as caught:
        PROVIDERS[provider].get(one, query(CODE[provider], *DAY))
    assert (caught.value.code, len(server.asked)) == ("refused", 1 if provider != "watttime" else len(server.asked))
    assert "wrong-token" not in str(caught.value)
