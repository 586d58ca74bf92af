"""Findings of a run, kept with the commit of its posting, so that a warning stays visible as long as its month stands.

They are metadata of the commit and no part of the posting's digest: `carbon ledger verify` says nothing of them.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import pandas as pd

from carbon.core.errors import LedgerError
from carbon.core.findings import Finding
from carbon.ledger.log import commit_info
from carbon.ledger.place import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from carbon.ledger.place import Place

LIMIT = 100
COLUMNS = ("posting", "periods", *Finding._fields)
_FINDINGS, _MONTHS, _BEFORE = "carbon.findings", "carbon.months", "carbon.before"
_TYPES = {"posting": "int64", "row": "Int64"}


def told(findings: Iterable[Finding], months: Sequence[str]) -> dict[str, str]:
    """What a commit is told of a run: the months that it covers, and its findings; of more than LIMIT the first."""
    given = iter(findings)
    kept = list(islice(given, LIMIT))
    more = sum(1 for _ in given)
    if more:
        count = f"{more + 1:,} more findings"
        kept[-1] = Finding(kept[-1].severity, "more-findings", "", None, "", "", count, "`carbon check` lists them")
    listed = json.dumps([finding._asdict() for finding in kept], ensure_ascii=False)
    return {_FINDINGS: listed, _MONTHS: json.dumps(sorted(set(months)))}


def before(path: Place, version: int) -> dict[str, str]:
    """What a commit made on a version tells of those before it: for each month which of them tells its findings.

    So a reader opens as many commits as tell something that still holds, however many there are. Raises LedgerError for a
    commit that cannot be read.
    """
    with _readable(path):
        return {_BEFORE: json.dumps(_telling(path, version))}


@contextmanager
def _readable(path: Place) -> Iterator[None]:
    """Raise LedgerError where a commit, of the ledger at a place, cannot be read or understood."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{path}: the findings kept with a commit cannot be read; see `carbon ledger verify`, and restore "
            "the ledger from a copy"
        ) from error


def newest(path: Place, version: int, months: Collection[str], until: datetime | None) -> pd.DataFrame:
    """Findings of the newest posting up to a version, recorded up to `until`, that covers each of `months`.

    Columns COLUMNS; `periods` names those of `months` that the posting is the newest for. Raises LedgerError for a commit that
    cannot be read.
    """
    with _readable(path):
        return _frame(_newest(path, version, months, until))


def nothing() -> pd.DataFrame:
    """No findings; columns COLUMNS."""
    return _frame([])


def _newest(path: Place, version: int, months: Collection[str], until: datetime | None) -> list[tuple[object, ...]]:
    telling = _telling(path, version if until is None else _version_at(path, version, until))
    wanted = {month: at for month, at in telling.items() if month in months}
    rows: list[tuple[object, ...]] = []
    for at in sorted(set(wanted.values()), reverse=True):
        info = commit_info(path, at)
        place = (int(info["posting"]), ", ".join(sorted(month for month in wanted if wanted[month] == at)))
        rows += [(*place, *Finding(**found)) for found in json.loads(info[_FINDINGS])]
    return rows


def _frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({name: _TYPES.get(name, "str") for name in COLUMNS})


def _telling(path: Place, version: int) -> dict[str, int]:
    """For each month the newest version, up to one, whose commit tells its findings.

    Commits of an older version of `carbon` do not tell of those before them: they are looked at one by one.
    """
    found: dict[str, int] = {}
    for number in range(version, -1, -1):
        info = commit_info(path, number)
        if _FINDINGS in info:
            found = {**dict.fromkeys(json.loads(info[_MONTHS]), number), **found}
        if _BEFORE in info:
            return {**json.loads(info[_BEFORE]), **found}
    return found


def _version_at(path: Place, version: int, until: datetime) -> int:
    """The newest version, up to one, that was posted up to a time; -1 for none. No posting is dated before the one before it."""
    return bisect_right(range(version + 1), until, key=lambda number: _recorded_at(path, number)) - 1


def _recorded_at(path: Place, version: int) -> datetime:
    """When the newest posting up to a version was recorded."""
    for number in range(version, -1, -1):
        info = commit_info(path, number)
        if "recorded_at" in info:
            return datetime.fromisoformat(info["recorded_at"])
    return datetime.min.replace(tzinfo=UTC)
