"""An S3 store: read with pyarrow, written by signed requests that ask for nothing to be overwritten.

pyarrow and the Delta library cannot write an object on the condition that it is not there, or not for any object, so
these requests are made here (AWS Signature Version 4). Credentials are read from the environment where they are used,
and kept nowhere.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import io
import os
import re
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

import pyarrow.fs as pafs
import urllib3

from carbon.core.errors import LedgerError
from carbon.ledger.place import StoreError, StorePath

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECT_S, ANSWER_S, TRIES = 4.0, 10.0, 2
# What the system may still have to send [B] when the answer begins to be waited for, and how fast at least [B/s].
_BUFFERED, _SLOW = 1 << 22, 1e5
_IF_NEW = {"If-None-Match": "*"}
_AGAIN = (409, 500, 502, 503, 504)
_KEY, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_RIGHTS = "give these credentials the right to list, read, write and delete there, or name another place as `path` under [ledger]"
_NAMES = f"set {_KEY}, {_SECRET} and, where there is one, {_TOKEN} in the environment"
_REACH = "check the connection, and AWS_ENDPOINT_URL and AWS_REGION in the environment, and run again"


class Reason(NamedTuple):
    """What stands in a message of a library, in small letters without spaces, and what that means."""

    pattern: str
    number: int
    words: str
    mend: str


_REASONS = (
    Reason("nosuchbucket", errno.ENOENT, "there is no such bucket", "make it, or correct `path` under [ledger]"),
    Reason("invalidaccesskey|signaturedoesnot|expiredtoken|invalidtoken|invalidsecurity|401unauthorized",
           errno.EACCES, "the store does not accept the credentials", _NAMES),
    Reason("accessdenied|forbidden|status403|allaccessdisabled", errno.EACCES, "access denied", _RIGHTS),
    Reason("requesttimetooskewed", errno.EINVAL, "the clock of this machine differs from the store's", "set it right"),
    Reason("permanentredirect|movedpermanently|status301|authorizationheadermalformed|illegallocation",
           errno.EINVAL, "the bucket is in another region", "set AWS_REGION to it"),
    Reason("networkconnection|connect|timedout|timeout|sendingrequest|dns|resolve|curlcode|after\\d+retries|serviceunavailable|"
           "slowdown|internalerror|internalfailure|status50|retry", errno.ETIMEDOUT, "the store does not answer", _REACH),
)  # fmt: skip


class _Access(NamedTuple):
    """Where the store is, without credentials."""

    endpoint: str
    region: str

    @property
    def address(self) -> str:
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"


def _access(place: StorePath) -> _Access:
    """Endpoint and region from the environment. Raises StoreError where it has no credentials, or plain http not allowed."""
    if not (os.environ.get(_KEY) and os.environ.get(_SECRET)):
        raise StoreError(errno.EACCES, "the environment has no credentials for the store", str(place), _NAMES)
    endpoint = (os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "").rstrip("/")
    found = urlsplit(endpoint)
    if endpoint and (found.scheme not in ("http", "https") or not found.hostname or found.username or found.path):
        raise StoreError(
            errno.EINVAL,
            "AWS_ENDPOINT_URL is no address of a store",
            str(place),
            "write it as https://host or https://host:port",
        )
    if found.scheme == "http" and os.environ.get("AWS_ALLOW_HTTP", "").lower() not in ("1", "true", "yes"):
        mend = "use https, or set AWS_ALLOW_HTTP=true where nobody else can listen"
        raise StoreError(errno.EINVAL, "AWS_ENDPOINT_URL is not encrypted", str(place), mend)
    return _Access(endpoint, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1")


def delta_options(place: StorePath) -> dict[str, str]:
    """What the Delta library is told: where the store is, and to commit on the condition that a version is new.

    Credentials it reads from the environment itself; whatever there would have it write otherwise is overruled.
    """
    access = _access(place)
    told = {"AWS_ENDPOINT_URL": access.endpoint} if access.endpoint else {}
    return told | {
        "AWS_REGION": access.region,
        "AWS_ALLOW_HTTP": str(access.endpoint.startswith("http://")).lower(),
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "AWS_CONDITIONAL_PUT": "etag",
        "AWS_S3_ALLOW_UNSAFE_RENAME": "false",
        "AWS_S3_LOCKING_PROVIDER": "",
        "connect_timeout": f"{CONNECT_S:g}s",
        "timeout": f"{2 * ANSWER_S:g}s",
        "max_retries": str(TRIES),
        "retry_timeout": f"{2 * ANSWER_S:g}s",
    }


def fault(place: StorePath, text: str) -> StoreError | None:
    """What a message of a library tells of the store; None when it is about something else. Names in it do not count."""
    bare = re.sub(r"[\s_]", "", text.replace(place.key, "").replace(place.bucket, "")).lower()
    for reason in _REASONS:
        if re.search(reason.pattern, bare):
            return StoreError(reason.number, reason.words, str(place), reason.mend)
    return None


def exists(place: StorePath) -> bool:
    """Whether an object is there, or one below. Raises StoreError."""
    with _understood(place):
        return _files(place).get_file_info(place.inside).type != pafs.FileType.NotFound


def size(place: StorePath) -> int:
    """Size of an object [B]. Raises FileNotFoundError, StoreError."""
    with opened(place) as file:
        return int(file.size())


def opened(place: StorePath) -> Any:
    """An object to read, whole or in parts. Raises FileNotFoundError, StoreError."""
    with _understood(place):
        return _files(place).open_input_file(place.inside)


def read(place: StorePath) -> bytes:
    """All bytes of an object. Raises FileNotFoundError, StoreError."""
    with opened(place) as file, _understood(place):
        return bytes(file.read())


def below(place: StorePath, *, every: bool) -> list[StorePath]:
    """What is right below a prefix; `every`: all objects below. Raises FileNotFoundError where nothing is, StoreError."""
    with _understood(place):
        files = _files(place)
        found = files.get_file_info(pafs.FileSelector(place.inside, allow_not_found=True, recursive=every))
        there = bool(found) or files.get_file_info(place.bucket).type != pafs.FileType.NotFound
    if not there:
        raise fault(place, "NoSuchBucket") or FileNotFoundError(place)
    if not found:
        raise FileNotFoundError(errno.ENOENT, "nothing is there", str(place))
    return [StorePath(*info.path.split("/", 1)) for info in found if not every or info.type == pafs.FileType.File]


def create(place: StorePath, content: bytes) -> None:
    """Write an object that is not there yet. Raises FileExistsError, StoreError."""
    answer = _asked("PUT", place, content, _IF_NEW)
    if answer.status == 412:
        # Asked for a second time, since the first answer did not come: what is there is what was written then.
        if answer.retries is None or not answer.retries.history:
            raise FileExistsError(errno.EEXIST, "is there already", str(place))
    elif answer.status >= 300:
        raise _refused(place, answer)


def remove(place: StorePath) -> None:
    """Remove an object. Raises StoreError."""
    answer = _asked("DELETE", place)
    if answer.status >= 300:
        raise _refused(place, answer)


def require_conditions(place: StorePath) -> None:
    """Raise LedgerError unless the store refuses to overwrite when asked to, without which two writers fork the chain."""
    probe = place / f"_probe-{uuid.uuid4()}"
    try:
        create(probe, b"may be removed")
        answer = _asked("PUT", probe, b"must not be here", _IF_NEW)
        if answer.status >= 300 and answer.status != 412:
            raise _refused(place, answer)
        honoured = answer.status == 412
    except StoreError as error:
        if error.errno != errno.ENOSYS:
            raise
        honoured = False
    finally:
        with suppress(OSError):
            remove(probe)
    if not honoured:
        raise LedgerError(
            f"{place}: the store does not honour conditional writes (If-None-Match), so that two writers could overwrite "
            "each other; nothing was posted; use a store that does, or a folder"
        )


def _refused(place: StorePath, answer: urllib3.BaseHTTPResponse) -> StoreError:
    """The error that an answer tells of. Its body is not repeated: it may name the key."""
    code = re.search(rb"<Code>(\w+)</Code>", answer.data)
    told = code.group(1).decode() if code else f"status {answer.status}"
    if answer.status == 501 or told == "NotImplemented":
        return StoreError(errno.ENOSYS, "the store knows no such request", str(place), _REACH)
    return fault(place, told) or fault(place, f"status {answer.status}") or _unknown(place, told)


def _unknown(place: StorePath, told: str) -> StoreError:
    return StoreError(errno.EIO, f"the store refused ({told})", str(place), _REACH)


@contextmanager
def _understood(place: StorePath) -> Iterator[None]:
    """Errors of pyarrow told in words of ours."""
    try:
        yield
    except (FileNotFoundError, StoreError):
        raise
    except OSError as error:
        text = str(error)
        code = re.search(r"AWS Error (\w+)", text)
        raise fault(place, text) or _unknown(place, code.group(1) if code else "no reason given") from None


def _files(place: StorePath) -> Any:
    access = _access(place)
    return _connected(*access, os.environ[_KEY], os.environ[_SECRET], os.environ.get(_TOKEN))


@lru_cache(maxsize=2)
def _connected(endpoint: str, region: str, key: str, secret: str, token: str | None) -> Any:
    found = urlsplit(endpoint)
    return pafs.S3FileSystem(
        access_key=key, secret_key=secret, session_token=token, region=region,
        endpoint_override=found.netloc or None, scheme=found.scheme or "https",
        connect_timeout=CONNECT_S, request_timeout=ANSWER_S,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager()


def _asked(
    method: str, place: StorePath, content: bytes = b"", headers: Mapping[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    """The answer to a signed request, which is made again where the store fails or does not answer. Raises StoreError."""
    access = _access(place)
    url = f"{access.address}/{place.bucket}/{quote(place.key, safe='/-_.~')}"
    again = urllib3.Retry(
        TRIES, status_forcelist=_AGAIN, allowed_methods=None, backoff_factor=0.2, redirect=False, raise_on_status=False
    )
    times = urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S + min(len(content), _BUFFERED) / _SLOW)
    told = signed(method, url, content, access.region) | {"Content-Length": str(len(content))}
    try:
        # As a file it goes out piece by piece, with a time limit on each; bytes would have one limit on all of them.
        return _pool().request(
            method, url, body=io.BytesIO(content), headers=told | dict(headers or {}), retries=again, timeout=times
        )
    except urllib3.exceptions.HTTPError:
        raise StoreError(errno.ETIMEDOUT, "the store does not answer", str(place), _REACH) from None


def signed(method: str, url: str, content: bytes, region: str) -> dict[str, str]:
    """Headers of a request without a query, signed with the credentials in the environment (AWS Signature Version 4)."""
    now, found = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), urlsplit(url)
    digest = hashlib.sha256(content).hexdigest()
    told = {"host": found.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
    token = os.environ.get(_TOKEN)
    if token:
        told["x-amz-security-token"] = token
    names, lines = ";".join(told), "".join(f"{name}:{value}\n" for name, value in told.items())
    request = f"{method}\n{found.path}\n\n{lines}\n{names}\n{digest}"
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{os.environ[_SECRET]}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    credential = f"{os.environ[_KEY]}/{scope}"
    return told | {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"
    }
