"""A server on loopback that plays all providers, remembers what it was asked, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.providers import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self


class Asked(NamedTuple):
    """A request: its provider, the path below that, parameters and headers."""

    provider: str
    path: str
    params: dict[str, str]
    headers: Mapping[str, str]


class Answer(NamedTuple):
    """An answer: status, body, headers, whether the connection breaks off in the middle, and a wait before it [s]."""

    status: int
    body: str
    headers: Mapping[str, str] = {}
    cut: bool = False
    wait_s: float = 0.0


def told(value: object, status: int = 200, **headers: str) -> Answer:
    """A value as JSON."""
    return Answer(status, json.dumps(value), headers)


class Server:
    """Plays providers until it is closed. `mishaps` are answers for the next requests, None for the true one."""

    def __init__(self) -> None:
        self.world = answers.World()
        self.asked: list[Asked] = []
        self.mishaps: list[Answer | Callable[[Answer], Answer] | None] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._reply(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def root(self) -> str:
        """Address without a provider."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def url(self, provider: str) -> str:
        """Base address of a provider."""
        return self.root + answers.BASES[provider]

    def environment(self) -> dict[str, str]:
        """Variables that lead the command line here, without waits, and the tokens that are accepted."""
        urls = {f"CARBON_GRID_PROVIDERS_{_upper(name)}_URL": self.url(name) for name in answers.BASES}
        return urls | answers.TOKENS | {"CARBON_GRID_PROVIDERS_PACE": "0"}

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        provider = next(name for name, base in answers.BASES.items() if parts.path.startswith(base))
        asked = Asked(provider, parts.path[len(answers.BASES[provider]) :], dict(parse_qsl(parts.query)), dict(handler.headers))
        with self._lock:
            self.asked.append(asked)
            mishap = self.mishaps.pop(0) if self.mishaps else None
            true = Answer(*answers.answer(self.world, *asked)) if not isinstance(mishap, Answer) else mishap
        reply = mishap(true) if callable(mishap) else true
        time.sleep(reply.wait_s)
        body = reply.body.encode()
        try:
            handler.send_response_only(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2] if reply.cut else body)
            handler.close_connection = reply.cut
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")
