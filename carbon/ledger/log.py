"""The commits of a Delta log as they lie in its folder, one JSON file a version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from carbon.ledger.place import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from carbon.ledger.place import Place

LOG = "_delta_log"
# Postings name one application transaction, so of two that saw the same state the second is refused.
APPLICATION = "carbon-ledger"
# Told by a commit that puts few data files in the place of many: its key, and how many of each.
COMPACTION = "carbon.compaction"
_MEND = "restore it from a copy"


class Commit(NamedTuple):
    """What a commit tells: its own lines on itself, the posting of its transaction, the data files it names."""

    info: dict[str, Any]
    transaction: int | None
    files: list[str]


def commit_file(path: Place, version: int) -> Place:
    """The file of a version's commit, whether it is there or not."""
    return path / LOG / f"{version:020d}.json"


def log_names(path: Place) -> list[str]:
    """Names of the files of a log, in no order; none where there is no log. Thousands are listed, not looked at."""
    folder = path / LOG
    try:
        if isinstance(folder, Path):
            return os.listdir(folder)  # noqa: PTH208
        return [file.name for file in folder.iterdir()]
    except FileNotFoundError:
        return []


def versions(names: Iterable[str]) -> list[int]:
    """Versions of the commits among the names of files, the newest first."""
    numbers = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)


def commit_info(path: Place, version: int) -> dict[str, Any]:
    """What a commit tells of itself; {} when it tells nothing. Raises OSError or ValueError for one that cannot be read."""
    with commit_file(path, version).open(encoding="utf-8") as lines:
        for line in lines:
            action = json.loads(line)
            if "commitInfo" in action:
                return dict(action["commitInfo"])
    return {}


def infos(path: Place, version: int) -> Iterator[dict[str, Any]]:
    """What the commits up to a version tell of themselves, the newest first, until one cannot be read."""
    for number in range(version, -1, -1):
        try:
            yield commit_info(path, number)
        except StoreError:
            raise
        except (OSError, ValueError, TypeError):
            return


def is_told(path: Place, after: int, told: Mapping[str, str]) -> bool:
    """Whether a commit after a version tells all of this of itself."""
    number = after + 1
    while commit_file(path, number).exists():
        if told.items() <= commit_info(path, number).items():
            return True
        number += 1
    return False


def read_commit(path: Place, version: int) -> Commit:
    """A whole commit. Raises OSError, or ValueError for one that is empty or cut."""
    actions = [json.loads(line) for line in commit_file(path, version).read_text(encoding="utf-8").splitlines()]
    if not actions or not all(isinstance(action, dict) for action in actions):
        raise ValueError("is empty" if not actions else "holds something else than actions")
    found: dict[str, list[Any]] = {}
    for action in actions:
        for kind, content in action.items():
            found.setdefault(kind, []).append(content)
    told = [txn["version"] for txn in found.get("txn", []) if txn["appId"] == APPLICATION]
    files = [str(file["path"]) for kind in ("add", "remove") for file in found.get(kind, [])]
    return Commit(dict(*found.get("commitInfo", [])[:1]), max(told, default=None), files)


def commit_fault(path: Place, version: int) -> str:
    """What is wrong with a commit, where, and how to mend it; empty when nothing is."""
    file, mend = commit_file(path, version), _MEND
    if not commit_file(path, version + 1).exists():
        mend += "; without one, remove it, and the ledger is as it was before that posting"
    try:
        commit = read_commit(path, version)
    except FileNotFoundError:
        return f"{file}: this commit is missing; {_MEND}"
    except StoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = "is empty" if not file.stat().st_size else f"is cut or was changed ({str(error).splitlines()[0]})"
        return f"{file}: this commit {why}; {mend}"
    posting = commit.info.get("posting")
    if posting is not None and not commit.files:
        return (
            f"{file}: this commit tells of posting {posting}, but names none of its data files; it was changed; {mend}"
        )
    if posting is not None and posting != str(commit.transaction):
        return f"{file}: this commit tells of posting {posting}, but not that it ended; it was cut or changed; {mend}"
    merged = object_of(commit.info.get(COMPACTION))
    if COMPACTION in commit.info and len(commit.files) != merged.get("merged", 0) + merged.get("into", 0):
        return f"{file}: this commit names other data files than it merged; it was cut or changed; {mend}"
    return ""


def object_of(text: object) -> dict[str, Any]:
    """A JSON object written as text; {} for what is none."""
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def log_faults(path: Place, version: int | None = None) -> Iterator[str]:
    """Faults of all commits up to a version, or up to the newest file when None."""
    if version is None:
        version = max(versions(log_names(path)), default=-1)
    for number in range(version + 1):
        fault = commit_fault(path, number)
        if fault:
            yield fault


def files_told(path: Place, version: int) -> set[str]:
    """Paths, as written, of all data files that commits up to a version name. Raises OSError or ValueError."""
    return {file for number in range(version + 1) for file in read_commit(path, number).files}
