"""The one place that speaks HTTP: pauses, second tries, time-outs, and faults as findings without secrets."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import requests
from urllib3.exceptions import MaxRetryError

from carbon.core.errors import InputError
from carbon.core.findings import ERROR, Finding
from carbon.grid.providers.secrets import Hider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    Params = Mapping[str, object] | Iterable[tuple[str, object]]
    Headers = Mapping[str, str] | None
    Kept = Callable[[int, str], bool]
    Reply = tuple[int, Mapping[str, str], bytes]
    _Held = Callable[[requests.Response], None]

T = TypeVar("T")
AGENT = {"User-Agent": "carbon-ledger", "Accept-Encoding": "gzip, deflate"}
AGAIN = frozenset({429, 500, 502, 503, 504})
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
LONGEST_PATIENCE_S = 600.0
CONNECT_S = 10.0
LARGEST_BYTES = 256 * 1024 * 1024
# An answer that is saved may last this many time-outs in all, whatever it drips; one that lasts so long [s] is told of.
MOST_TIMEOUTS, SLOW_S = 2, 5.0
SILENCES = 5  # an answer may drip, but not for longer than this many time-outs
_EXCERPT = 160
MENDS = {
    "refused": "check the token, and what its plan allows",
    "no-data": "ask for another zone or range, or check the address under [grid.providers]",
    "moved": "set url under [grid.providers.{name}] to the new address",
    "bad-request": "ask for another range or provider",
}


def _none(status: int, text: str) -> bool:  # noqa: ARG001
    return False


class Manners(NamedTuple):
    """How a server is treated: tries after the first, time-out [s], factor on pauses, pause between requests [s]."""

    retries: int = 4
    timeout_s: float = 60.0
    pace: float = 1.0
    pause_s: float = 0.0


class ProviderError(InputError):
    """A provider did not give what was asked; `code`: refused, busy, no-data, bad-request, moved, away, down, unreadable."""

    def __init__(self, code: str, place: str, problem: str, mend: str, status: int = 0) -> None:
        """One finding, of an error; `status` is that of HTTP, 0 where there was none."""
        self.code, self.status = code, status
        super().__init__([Finding(ERROR, code, place, None, "", "", problem, mend)])


class _PassingError(Exception):
    """A fault that may pass, with the wait [s] that the server asks for, if any."""

    def __init__(self, code: str, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.code, self.problem, self.wait_s = code, problem, wait_s


class Client:
    """Asks one provider, from a few threads at most, each question again while its fault may pass."""

    def __init__(
        self, name: str, url: str, secrets: Mapping[str, str] | None = None, manners: Manners | None = None,
        sleep: Callable[[float], object] | None = None, mends: Mapping[str, str] = MENDS,
        slow: Callable[[float, float], None] | None = None,
    ) -> None:  # fmt: skip
        """`url`: base address; `secrets`: by name; `sleep`: how to wait [s] (default: until `stop` is called at most).

        `mends`: what to do about each kind of refusal of MENDS; `slow`: is told of an answer to `save` that lasts: for how
        long [s] it does, and for how long [s] it may.
        """
        self.name, self.url, self.secrets = name, url.rstrip("/"), dict(secrets or {})
        self.hider = Hider(value for name, value in self.secrets.items() if name != "user")
        self.stopped = threading.Event()
        self._mends = {code: mend.replace("{name}", name) for code, mend in mends.items()}
        self._manners = manners or Manners()
        self._sleep = sleep or self.stopped.wait
        self._slow = slow
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._sessions = threading.local()
        self._opened: deque[requests.Session] = deque()

    def __enter__(self) -> Self:
        """Hide secrets in logs from here on."""
        self.hider.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        """Close connections."""
        self.stop()
        while self._opened:
            self._opened.pop().close()
        self.hider.uninstall()

    def stop(self) -> None:
        """End waits, and refuse further requests."""
        self.stopped.set()

    def get_json(self, path: str, params: Params = (), headers: Headers = None, *, secret: bool = False) -> object:
        """The JSON value at a path below the base address; `secret`: it may hold one. Raises ProviderError."""

        def parse(text: str) -> object:
            try:
                return json.loads(text)
            except (json.JSONDecodeError, RecursionError):
                raise _PassingError("unreadable", f"answered with no (whole) JSON: {self._excerpt(text)!r}") from None

        return self._asked(path, params, headers, parse, secret=secret)

    def get_text(self, path: str, params: Params = (), whole: Callable[[str], bool] = bool, kept: Kept = _none) -> str:
        """The text at a path. `whole`: whether nothing is cut off; `kept`: whether a faulty status has a text that is wanted."""

        def parse(text: str) -> str:
            if not whole(text):
                raise _PassingError(
                    "unreadable", f"answered with a text that is cut off or of another kind: {self._excerpt(text)!r}"
                )
            return text

        return str(self._asked(path, params, None, parse, kept))

    def save(self, path: str, form: Params, headers: Headers, file: Path) -> Mapping[str, str]:
        """Write to a file what a form that is sent to a path brings; the headers of the answer. Raises ProviderError."""

        def attempt() -> Mapping[str, str]:
            status, told, body = self._answer(lambda: self._in_time(path, form, headers, file), path)
            if status != requests.codes.ok:
                self._refuse(status, told, self._decoded(body, secret=False), path)
            return told

        return self._tried(path, attempt)

    def fault(self, code: str, path: str, problem: str, mend: str, status: int = 0) -> ProviderError:
        """An error at a path, cleaned of secrets."""
        place, problem, mend = (self.hider.clean(text) for text in (f"{self.url}{path}", problem, mend))
        return ProviderError(code, place, f"{self.name} {problem}", mend, status)

    def _asked(
        self, path: str, params: Params, headers: Headers, parse: Callable[[str], object], kept: Kept = _none, *,
        secret: bool = False,
    ) -> object:  # fmt: skip
        """What `parse` makes of the answer, after as many tries as manners allow."""

        def attempt() -> object:
            status, told, body = self._answer(lambda: self._exchange(path, params, headers), path)
            text = self._decoded(body, secret)
            if not (status == requests.codes.ok or kept(status, text)):
                self._refuse(status, told, text, path)
            return parse(text)

        return self._tried(path, attempt)

    def _tried(self, path: str, attempt: Callable[[], T]) -> T:
        """What an attempt brings, made as often as manners allow while its fault may pass."""
        for trial in range(self._manners.retries + 1):
            try:
                return attempt()
            except _PassingError as caught:
                passing = caught
            wait_s = passing.wait_s if passing.wait_s is not None else self._back_off(trial)
            if wait_s > LONGEST_PATIENCE_S or trial == self._manners.retries or self.stopped.is_set():
                break
            self._hold(wait_s)
        asked = f", and asks to wait {passing.wait_s:.0f} s" if passing.wait_s else ""
        raise self.fault(
            passing.code, path, f"{passing.problem}{asked}, after {trial + 1} tries",
            "run the same command later: it goes on with what is missing",
        )  # fmt: skip

    def _back_off(self, trial: int) -> float:
        return self._manners.pace * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**trial)

    def _hold(self, wait_s: float) -> None:
        """Let the next request, of whatever thread, wait."""
        with self._lock:
            self._next_at = max(self._next_at, time.monotonic() + wait_s)

    def _take_turn(self) -> None:
        with self._lock:
            present = time.monotonic()
            wait_s = max(0.0, self._next_at - present)
            self._next_at = max(self._next_at, present) + self._manners.pace * self._manners.pause_s
        if wait_s > 0:
            self._sleep(wait_s)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "one", None)
        if session is None:
            session = self._sessions.one = requests.Session()
            session.headers.update(AGENT)
            self._opened.append(session)
        return session

    def _answer(self, exchange: Callable[[], Reply], path: str) -> Reply:
        """Status, headers and body of one answer, in its turn."""
        self._take_turn()
        if self.stopped.is_set():
            mend = "run the same command again: it goes on with what is missing"
            raise self.fault("stopped", path, "was not asked further", mend)
        try:
            return exchange()
        except requests.RequestException as error:
            code, fault = _why(error)
        # Outside of the handler, so that no error of ours carries one that holds the address with its token.
        raise _PassingError(code, fault)

    def _decoded(self, body: bytes, secret: bool) -> str:
        """Text of an answer, without secrets that the server may repeat, unless one is what was asked for."""
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise _PassingError("unreadable", "answered with something that is no text in UTF-8") from None
        return text if secret else self.hider.clean(text)

    def _in_time(self, path: str, form: Params, headers: Headers, file: Path) -> Reply:
        """As `_send`, and given up after MOST_TIMEOUTS: time-outs of a connection begin again with each byte that drips."""
        limit_s, began = MOST_TIMEOUTS * self._manners.timeout_s, time.monotonic()
        file.unlink(missing_ok=True)  # one that was given up may still write to the file that it has open
        session = self._session()
        sending = _Sending(lambda held: self._send(session, path, form, headers, file, held))
        if not sending.ended.wait(min(SLOW_S, limit_s)) and self._slow is not None and limit_s > SLOW_S:
            self._slow(SLOW_S, limit_s)
        if not sending.ended.wait(max(0.0, limit_s - (time.monotonic() - began))):
            sending.give_up()
            self._sessions.one = None
            raise requests.Timeout
        return sending.reply()

    def _send(
        self, session: requests.Session, path: str, form: Params, headers: Headers, file: Path, held: _Held
    ) -> Reply:
        """Status and headers of the answer to a form, its body in a file; the body of one that is no success."""
        limits = self._manners
        with session.post(
            f"{self.url}{path}", data=dict(form), auth=_Headers(headers or {}), stream=True,
            timeout=(min(CONNECT_S, limits.timeout_s), limits.timeout_s), allow_redirects=False,
        ) as answer:  # fmt: skip
            held(answer)  # which ends what was given up before it takes the file of the next try
            if answer.status_code != requests.codes.ok:
                return answer.status_code, answer.headers, next(answer.iter_content(1 << 16), b"")
            with file.open("wb") as kept:
                for piece in answer.iter_content(1 << 20):
                    kept.write(piece)
            return answer.status_code, answer.headers, b""

    def _exchange(self, path: str, params: Params, headers: Headers) -> Reply:
        """Status, headers and body of one answer. Redirects are not followed: a token would go along."""
        limits = self._manners
        asked = dict(params) if hasattr(params, "keys") else list(params)
        with self._session().get(
            f"{self.url}{path}", params=asked, auth=_Headers(headers or {}), stream=True,  # type: ignore[arg-type]
            timeout=(min(CONNECT_S, limits.timeout_s), limits.timeout_s), allow_redirects=False,
        ) as answer:  # fmt: skip
            last_at, body = time.monotonic() + SILENCES * limits.timeout_s, bytearray()
            for piece in answer.iter_content(1 << 16):
                body += piece
                if len(body) > LARGEST_BYTES or time.monotonic() > last_at:
                    raise requests.ConnectionError("answer without end")
            return answer.status_code, answer.headers, bytes(body)

    def _refuse(self, status: int, told: Mapping[str, str], text: str, path: str) -> None:
        said = f"answered {status}: {self._excerpt(text)}"
        if status in AGAIN:
            raise _PassingError("busy" if status == requests.codes.too_many else "down", said, _retry_after(told))
        for code, statuses in (("refused", {401, 403}), ("no-data", {404}), ("moved", {301, 302, 303, 307, 308})):
            if status in statuses:
                moved = f" (to {self.hider.clean(told.get('Location', ''))[:_EXCERPT]})" if code == "moved" else ""
                raise self.fault(code, path, said + moved, self._mends[code], status)
        raise self.fault("bad-request", path, said, self._mends["bad-request"], status)

    def _excerpt(self, text: str) -> str:
        """The provider's own words, short."""
        try:
            said = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            said = None
        words = " ".join(_words(said)) if isinstance(said, dict) else text
        words = " ".join(words.split())
        return words if len(words) <= _EXCERPT else f"{words[:_EXCERPT]}…"


class _Sending:
    """A request in a thread of its own, that may be given up whatever it waits for."""

    def __init__(self, send: Callable[[_Held], Reply]) -> None:
        self.ended, self._over, self._lock = threading.Event(), False, threading.Lock()
        self._answer: requests.Response | None = None
        self._reply: Reply | None = None
        self._fault: BaseException | None = None
        threading.Thread(target=self._run, args=(send,), daemon=True).start()

    def _run(self, send: Callable[[_Held], Reply]) -> None:
        try:
            self._reply = send(self._hold)
        except BaseException as error:  # it is raised again where the reply is asked for
            self._fault = error
        self.ended.set()

    def _hold(self, answer: requests.Response) -> None:
        with self._lock:
            self._answer = answer
        if self._over:
            raise requests.Timeout

    def give_up(self) -> None:
        """End what still reads, so that no thread is left behind."""
        with self._lock:
            self._over, answer = True, self._answer
        if answer is not None:
            with suppress(OSError, ValueError, AttributeError):
                answer.raw.shutdown()

    def reply(self) -> Reply:
        """What came of it. Raises what the request raised."""
        if self._fault is not None:
            raise self._fault
        if self._reply is None:
            raise requests.ConnectionError("no answer")
        return self._reply


class _Headers(requests.auth.AuthBase):
    """Headers with a secret; given as auth, so that no password file of the user replaces them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


def _words(said: object) -> list[str]:
    """Texts of an error object, wherever providers put them."""
    if isinstance(said, dict):
        return [
            word for key in ("errorType", "error", "code", "message", "detail", "msg") for word in _words(said.get(key))
        ]
    if isinstance(said, list):
        return [word for one in said for word in _words(one)]
    return [] if said is None else [str(said)]


def _why(error: requests.RequestException) -> tuple[str, str]:
    """Code (away: there was no connection) and words for a fault, whose own text would hold the address with its token."""
    for kind, code, words in (
        (requests.exceptions.SSLError, "away", "has no certificate that can be trusted"),
        (requests.ConnectTimeout, "away", "cannot be reached in time"),
        (requests.Timeout, "down", "did not answer in time"),
        (requests.exceptions.ChunkedEncodingError, "down", "broke off its answer"),
        (requests.exceptions.ContentDecodingError, "down", "sent an answer that cannot be unpacked"),
        (requests.ConnectionError, "down", "broke off its answer"),
    ):
        if isinstance(error, kind):
            never = isinstance(error.args[0] if error.args else None, MaxRetryError) and code == "down"
            return ("away", "cannot be reached; check the network and the address") if never else (code, words)
    return "down", f"cannot be asked ({type(error).__name__})"


def _retry_after(told: Mapping[str, str]) -> float | None:
    """The wait [s] that a server asks for: seconds, or a date, reckoned from its own clock where it tells that."""
    asked = told.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
        since = parsedate_to_datetime(told["Date"]).timestamp() if "Date" in told else time.time()
        return max(0.0, until.timestamp() - since)
    except (ValueError, TypeError):
        return None
