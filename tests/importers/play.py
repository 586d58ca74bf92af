"""Servers on loopback that tests import from: an exporter of one counter, a real Prometheus that scrapes it, a false one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Self

PROMETHEUS = shutil.which("prometheus")
WHY_NOT = "no program prometheus here (Debian package prometheus)"


class Reply(NamedTuple):
    """An answer: status, body, headers; `cut`: the connection breaks off in the middle."""

    status: int
    body: str
    headers: Mapping[str, str] = {}
    cut: bool = False


class Server:
    """A server that gives what `answer` makes of a path and a form, until it is closed."""

    def __init__(self, answer: Callable[[str, dict[str, str], Mapping[str, str]], Reply]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply({})

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._reply(dict(parse_qsl(form)))

            def _reply(self, form: dict[str, str]) -> None:
                reply = answer(self.path, form, self.headers)
                body = reply.body.encode()
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if reply.cut else body)
                self.close_connection = reply.cut

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Prometheus:
    """A real Prometheus that scrapes addresses each second into a folder of its own; killed at the end."""

    def __init__(self, folder: Path, targets: Mapping[str, str]) -> None:
        assert PROMETHEUS is not None
        jobs = [
            {"job_name": name, "static_configs": [{"targets": [target.removeprefix("http://")]}]}
            for name, target in targets.items()
        ]
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs,
        }), encoding="utf-8")  # fmt: skip
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def __enter__(self) -> Self:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as reply:
                    if reply.status == 200:
                        return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        raise AssertionError("prometheus did not become ready")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
