"""The tables of uncertainty that postings were reckoned with, kept with their commits, outside of the digests.

The range of an entry needs, besides its own `gsd2`, how much of it is that of its factors: a figure of a table that can be
edited later. The first posting of a table tells the whole of it, and where the table before it is told; the others
tell which commit that is. So a reader opens as many commits as there were tables.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from carbon.core.errors import LedgerError
from carbon.grid.uncertainty import Table
from carbon.ledger.log import commit_file, commit_info, log_names, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbon.ledger.place import Place

    Spreads = tuple[tuple[int, Table], ...]

UNCERTAINTY = "carbon.uncertainty"


def spreads(path: Place, version: int | None = None) -> Spreads:
    """The tables up to a version (None: the newest), each with the first posting that it is of, the oldest first.

    Postings before the first of them tell of none, as those of an older version or of Python without a table. Raises
    LedgerError for a commit that cannot be read.
    """
    found: list[tuple[int, Table]] = []
    at = _telling(path, _newest(path) if version is None else version)
    while at is not None:
        posting, told = _told(path, at)
        found.append((posting, Table(told["figures"], frozenset(told["parts"]))))
        at = told["before"]
    return tuple(reversed(found))


def told(path: Place, version: int, table: Table | None) -> dict[str, str]:
    """What the commit of a posting, made on a version, tells of its table; None: that of the posting before it."""
    before = _telling(path, version)
    last = None if before is None else _told(path, before)[1]
    if last is not None and (table is None or _content(table) == {name: last[name] for name in Table._fields}):
        return {UNCERTAINTY: json.dumps({"version": before})}
    return {} if table is None else {UNCERTAINTY: json.dumps({**_content(table), "before": before})}


def _content(table: Table) -> dict[str, Any]:
    """A table as JSON has it."""
    return {"figures": dict(table.figures), "parts": sorted(table.parts)}


def _telling(path: Place, version: int) -> int | None:
    """The version that tells the table of the newest posting up to a version; None where that posting tells of none."""
    for number in range(version, -1, -1):
        with _readable(path, number):
            info = commit_info(path, number)
            if "posting" in info:
                said = json.loads(info[UNCERTAINTY]) if UNCERTAINTY in info else {}
                return int(said["version"]) if "version" in said else number if said else None
    return None


def _told(path: Place, version: int) -> tuple[int, dict[str, Any]]:
    """The posting of a commit that tells a table, and what it tells."""
    with _readable(path, version):
        info = commit_info(path, version)
        said = json.loads(info[UNCERTAINTY])
        if said["before"] is not None and not 0 <= said["before"] < version:
            raise ValueError(f"version {said['before']} is not before it")
        return int(info["posting"]), {name: said[name] for name in (*Table._fields, "before")}


@contextmanager
def _readable(path: Place, version: int) -> Iterator[None]:
    """Raise LedgerError for a commit that cannot be read."""
    try:
        yield
    except LedgerError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{commit_file(path, version)}: the table of uncertainty kept with this commit cannot be read ({error}); see "
            "`carbon ledger verify`, and restore the ledger from a copy"
        ) from error


def _newest(path: Place) -> int:
    """The newest version of a log; -1 where there is none."""
    return max(versions(log_names(path)), default=-1)
