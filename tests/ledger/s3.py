"""A small S3 store for tests: `python -m tests.ledger.s3` prints its port and serves until its standard input ends.

Objects live in memory, each request is taken under one lock, and what a test wants to go wrong is set by requests to
`/-/NAME?…`, which no bucket can have. Signatures are reckoned anew, apart from the code that is tested.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from urllib.request import Request, urlopen
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET, TOKEN = "AKIDEXAMPLEOFTESTS", "the/secret+of-the-tests", "the-token-of-the-tests"
BUCKET = "ledgers"
OBJECTS: dict[str, bytes] = {}
ASKED: list[dict[str, Any]] = []
FAULTS: dict[str, str] = {}
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """GET, HEAD, PUT and DELETE of objects, ListObjectsV2, conditions, ranges."""

    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _take(self) -> None:
        length, body = int(self.headers.get("Content-Length") or 0), b""
        while len(body) < length:
            body += self.rfile.read(min(1 << 18, length - len(body)))
            time.sleep(float(FAULTS.get("pause", "0")))
        found = urlsplit(self.path)
        query = dict(parse_qsl(found.query, keep_blank_values=True))
        with LOCK:
            if found.path.startswith("/-/"):
                self._control(found.path[3:], query, body)
            else:
                self._serve(unquote(found.path)[1:], query, body)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _take  # noqa: N815

    def _control(self, name: str, query: dict[str, str], body: bytes) -> None:
        if name == "faults":
            FAULTS.clear()
            FAULTS.update(query)
        elif name == "put":
            OBJECTS[query["name"]] = body
        elif name == "delete":
            del OBJECTS[query["name"]]
        told = {"objects": {key: value.hex() for key, value in OBJECTS.items()}, "asked": ASKED}
        self._answer(200, b"" if name == "put" else json.dumps(told).encode())

    def _serve(self, name: str, query: dict[str, str], body: bytes) -> None:
        condition = self.headers.get("If-None-Match")
        ASKED.append({"method": self.command, "name": name, "query": query, "condition": condition})
        bucket, _, key = name.partition("/")
        refusal = self._refusal(body)
        if refusal:
            self._error(403, refusal)
        elif bucket != BUCKET:
            self._error(404, "NoSuchBucket")
        elif self.command in FAULTS.get("deny", "").split():
            self._error(403, "AccessDenied")
        elif self._fails(name, body):
            self._error(500, "InternalError")
        elif self.command == "PUT":
            self._put(name, body, condition)
        elif self.command == "DELETE":
            OBJECTS.pop(name, None)
            self._answer(204)
        elif not key:
            self._list(query)
        elif self.command in ("GET", "HEAD"):
            self._get(name)
        else:
            self._error(501, "NotImplemented")

    def _refusal(self, body: bytes) -> str:
        """What is wrong with the credentials, signature and the digest of the content; empty when nothing is."""
        told = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)",
            self.headers.get("Authorization", ""),
        )
        if not told or told[1] != KEY:
            return "InvalidAccessKeyId"
        digest = self.headers["x-amz-content-sha256"]
        if digest != "UNSIGNED-PAYLOAD" and digest != hashlib.sha256(body).hexdigest():
            return "XAmzContentSHA256Mismatch"
        return "" if told[4] == self._signature(told[2], told[3], digest) else "SignatureDoesNotMatch"

    def _signature(self, scope: str, names: str, digest: str) -> str:
        found = urlsplit(self.path)
        pairs = sorted((quote(k, "-_.~"), quote(v, "-_.~")) for k, v in parse_qsl(found.query, keep_blank_values=True))
        lines = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in names.split(";"))
        path = quote(unquote(found.path), "/-_.~")
        request = "\n".join([self.command, path, "&".join(f"{k}={v}" for k, v in pairs), lines, names, digest])
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{SECRET}".encode()
        for part in [*scope.split("/"), text]:
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()

    def _put(self, name: str, body: bytes, condition: str | None) -> None:
        if condition and FAULTS.get("conditions") == "unknown":
            self._error(501, "NotImplemented")
        elif condition == "*" and name in OBJECTS and FAULTS.get("conditions") != "ignored":
            self._error(412, "PreconditionFailed")
        else:
            OBJECTS[name] = body
            self._answer(200, headers={"ETag": _etag(body)})

    def _fails(self, name: str, body: bytes) -> bool:
        """Whether this request is to fail: `done`, though what it asks for is done, or `lost`; with `once` only the first."""
        for fault in ("done", "lost"):
            if re.search(FAULTS.get(fault) or "$.", name) and self.command == "PUT":
                if fault == "done":
                    OBJECTS.setdefault(name, body)
                if "once" in FAULTS:
                    del FAULTS[fault]
                return True
        return False

    def _get(self, name: str) -> None:
        if name not in OBJECTS:
            self._error(404, "NoSuchKey")
            return
        content = OBJECTS[name]
        headers = {"ETag": _etag(content), "Last-Modified": "Mon, 02 Nov 2026 12:00:00 GMT", "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            self._answer(200, content, headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        if first > last:
            self._error(416, "InvalidRange")
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._answer(206, content[first : last + 1], headers)

    def _list(self, query: dict[str, str]) -> None:
        if self.command == "HEAD":
            self._answer(200)
            return
        start, most = f"{BUCKET}/{query.get('prefix', '')}", int(FAULTS.get("page", "1000"))
        after = query.get("continuation-token") or query.get("start-after") or ""
        rows: dict[str, str] = {}
        for name in sorted(OBJECTS):
            key, rest = name.removeprefix(f"{BUCKET}/"), name.removeprefix(start)
            if not name.startswith(start) or key <= after:
                continue
            if query.get("delimiter") and "/" in rest:
                folder = key[: len(key) - len(rest)] + rest.partition("/")[0] + "/"
                if folder > after and not after.startswith(folder):
                    rows[folder] = f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
                continue
            rows[key] = (
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-02T12:00:00.000Z</LastModified>"
                f"<ETag>{escape(_etag(OBJECTS[name]))}</ETag><Size>{len(OBJECTS[name])}</Size></Contents>"
            )
        shown = sorted(rows)[:most]
        more = len(rows) > most
        token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
        self._answer(200, (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><KeyCount>{len(shown)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(rows[key] for key in shown)}</ListBucketResult>"
        ).encode())  # fmt: skip

    def _error(self, status: int, code: str) -> None:
        key = f"<AWSAccessKeyId>{KEY}</AWSAccessKeyId>"
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code} for {SECRET}</Message>{key}</Error>".encode())

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/xml" if body.startswith(b"<") else "application/octet-stream")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


class Store(NamedTuple):
    """A store that runs, and what a process needs in its environment to reach it."""

    process: subprocess.Popen[str]
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """Endpoint and credentials."""
        return environment(self.port)

    def faults(self, **faults: str) -> None:
        """Let only these things go wrong from now on: deny, conditions, done, lost, once, page, pause."""
        self._ask("faults?" + "&".join(f"{name}={quote(value)}" for name, value in faults.items()))

    def objects(self) -> dict[str, bytes]:
        """All objects, by key."""
        found = self._ask("state")["objects"]
        return {name.removeprefix(f"{BUCKET}/"): bytes.fromhex(content) for name, content in found.items()}

    def asked(self) -> list[dict[str, Any]]:
        """All requests until now, in order."""
        return list(self._ask("state")["asked"])

    def put(self, key: str, content: bytes) -> None:
        """Change an object behind the back of all."""
        with urlopen(Request(self._url(f"put?name={BUCKET}/{quote(key)}"), content, method="PUT")) as answer:
            answer.read()

    def delete(self, key: str) -> None:
        """Remove an object behind the back of all."""
        self._ask(f"delete?name={BUCKET}/{quote(key)}")

    def stop(self) -> None:
        """End the server's process by the end of its input."""
        self.process.communicate(timeout=10)

    def _url(self, what: str) -> str:
        return f"http://127.0.0.1:{self.port}/-/{what}"

    def _ask(self, what: str) -> dict[str, Any]:
        with urlopen(self._url(what)) as answer:
            return dict(json.loads(answer.read()))


def environment(port: int) -> dict[str, str]:
    """What reaches a store on this machine."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu-north-1",
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN,
    }  # fmt: skip


def start() -> Store:
    """Start a store in a process of its own, on a free port."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-m", "tests.ledger.s3"], cwd=ROOT, text=True, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    return Store(process, int(process.stdout.readline()))


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
