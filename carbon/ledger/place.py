"""Where a ledger lies: a folder, or a prefix in a bucket of an S3 store.

A folder is a pathlib.Path as ever. A StorePath has the part of its methods that the ledger uses, so that the rest of
this room reads and writes both alike. What talks to the store is in carbon.ledger.remote, loaded when it is needed.
"""

from __future__ import annotations

import errno
import io
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

from carbon.core.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEME = "s3://"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")


class StoreError(OSError, LedgerError):
    """The store refuses, or does not answer: an OSError for those who write, a LedgerError for those who do not catch it."""

    def __init__(self, number: int, reason: str, place: str, mend: str) -> None:
        """What went wrong, where, and how to mend it."""
        super().__init__(number, reason, place)
        self.mend = mend

    def __str__(self) -> str:
        """One line: what, where, how to mend."""
        return f"{self.filename}: {self.strerror}; {self.mend}"


class Stat(NamedTuple):
    """Size of an object [B]."""

    st_size: int


@dataclass(frozen=True, order=True)
class StorePath:
    """An object, or a prefix that ends before a slash, in a bucket. Folders are no things of their own there."""

    bucket: str
    key: str

    def __str__(self) -> str:
        """The URI."""
        return f"{SCHEME}{self.inside}"

    def __truediv__(self, name: str) -> StorePath:
        """What has this name below."""
        return StorePath(self.bucket, f"{self.key}/{name}" if self.key else name)

    @property
    def inside(self) -> str:
        """Bucket and key, as pyarrow names them."""
        return f"{self.bucket}/{self.key}".rstrip("/")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.key).stem

    @property
    def suffix(self) -> str:
        """The end of the name, from its last dot."""
        return PurePosixPath(self.key).suffix

    @property
    def parent(self) -> StorePath:
        """The prefix above."""
        return StorePath(self.bucket, self.key.rpartition("/")[0])

    def exists(self) -> bool:
        """Whether there is such an object, or one below. Raises StoreError."""
        from carbon.ledger import remote

        return remote.exists(self)

    def stat(self) -> Stat:
        """The size. Raises FileNotFoundError, StoreError."""
        from carbon.ledger import remote

        return Stat(remote.size(self))

    def mkdir(self, **_how: bool) -> None:
        """Nothing: a prefix is there as soon as an object is."""

    def read_bytes(self) -> bytes:
        """All bytes. Raises FileNotFoundError, StoreError."""
        from carbon.ledger import remote

        return remote.read(self)

    def read_text(self, encoding: str = "utf-8") -> str:
        """All of it as a text. Raises FileNotFoundError, StoreError, UnicodeDecodeError."""
        return self.read_bytes().decode(encoding)

    def open(self, *, encoding: str) -> IO[str]:
        """The text, line by line. Raises FileNotFoundError, StoreError, UnicodeDecodeError."""
        return io.StringIO(self.read_text(encoding))

    def write_bytes(self, content: bytes | memoryview) -> int:
        """Write an object that is not there yet. Raises FileExistsError, StoreError."""
        from carbon.ledger import remote

        remote.create(self, bytes(content))
        return len(content)

    def unlink(self) -> None:
        """Remove the object. Raises StoreError."""
        from carbon.ledger import remote

        remote.remove(self)

    def iterdir(self) -> Iterator[StorePath]:
        """What is right below. Raises FileNotFoundError where nothing is, StoreError."""
        from carbon.ledger import remote

        return iter(remote.below(self, every=False))

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """Objects below whose parts match the parts of a pattern; none where nothing is. Raises StoreError."""
        from carbon.ledger import remote

        wanted = pattern.split("/")
        try:
            found = remote.below(self, every=len(wanted) > 1)
        except FileNotFoundError:
            return
        for path in found:
            parts = name_in(self, path).split("/")
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                yield path


Place: TypeAlias = Path | StorePath


def is_uri(text: str) -> bool:
    """Whether a text is meant as an address, and not as a folder."""
    return bool(_URI.match(text))


def place_of(path: str | Place) -> Place:
    """The place that a text names: `s3://bucket/prefix`, or a folder. Raises UsageError for any other address.

    What was written is not repeated where it may hold a password.
    """
    if isinstance(path, StorePath):
        return path
    text = str(path)
    if not is_uri(text):
        return Path(path).absolute()
    if not text.startswith(SCHEME):
        scheme = text.partition("://")[0]
        raise UsageError(
            f"the ledger cannot be at an address with {scheme}://; write {SCHEME}bucket/prefix (many stores have an S3 "
            "interface: AWS_ENDPOINT_URL names it), or a folder"
        )
    bucket, _, key = text.removeprefix(SCHEME).rstrip("/").partition("/")
    if not _BUCKET.fullmatch(bucket) or not _KEY.fullmatch(key) or {".", ".."} & set(key.split("/")):
        raise UsageError(
            f"the ledger's address is no bucket and prefix; write {SCHEME}bucket/prefix with letters, digits and _ . = - only; "
            "credentials and endpoint come from the environment (AWS_ACCESS_KEY_ID, ...)"
        )
    return StorePath(bucket, key)


def name_in(root: Place, place: Place) -> str:
    """How a commit names a file below a place. Raises ValueError for one that is not below it."""
    if isinstance(place, StorePath) or isinstance(root, StorePath):
        return PurePosixPath(str(place)).relative_to(str(root)).as_posix()
    return place.relative_to(root).as_posix()


def uri(place: Place) -> str:
    """How Delta names the place."""
    return str(place)


def options(place: Place) -> dict[str, str] | None:
    """What Delta needs to know to reach the place; None for a folder. Raises StoreError."""
    if not isinstance(place, StorePath):
        return None
    from carbon.ledger import remote

    return remote.delta_options(place)


def require_conditions(place: Place) -> None:
    """Raise LedgerError for a store that would overwrite what it is asked not to, StoreError for one that cannot be asked."""
    if isinstance(place, StorePath):
        from carbon.ledger import remote

        remote.require_conditions(place)


def raise_fault(place: Place, error: Exception) -> None:
    """Raise StoreError where an error of the Delta library tells of the store, and not of the table."""
    found = _fault(place, error)
    if found:
        raise found from None


def require_known(place: Place, error: Exception) -> None:
    """Raise LedgerError where a store did not answer a commit, so that it may have been made or may still be.

    What such a commit would name must stay.
    """
    found = error if isinstance(error, StoreError) else _fault(place, error)
    if found and (found is error or found.errno == errno.ETIMEDOUT):
        raise LedgerError(
            f"{place}: {found.strerror}, so it is not known whether the posting was made; {found.mend}: what was posted is "
            "not posted twice"
        ) from None


def _fault(place: Place, error: Exception) -> StoreError | None:
    if not isinstance(place, StorePath) or "error performing" not in str(error).lower():
        return None
    from carbon.ledger import remote

    return remote.fault(place, str(error))


def source(place: Place) -> Any:
    """What pyarrow reads a file at the place from; it is to be closed. Raises FileNotFoundError, StoreError."""
    if not isinstance(place, StorePath):
        return place
    from carbon.ledger import remote

    return remote.opened(place)


def create(place: Place, content: bytes | memoryview) -> None:
    """Write a file that is not there yet, and have it on the disk. Raises OSError, FileExistsError among them."""
    if isinstance(place, StorePath):
        place.write_bytes(content)
        return
    with place.open("xb") as sink:
        sink.write(content)
        sink.flush()
        # A commit must not outlive a crash of the system that its data files do not.
        os.fsync(sink.fileno())
