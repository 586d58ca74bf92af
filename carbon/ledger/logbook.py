"""What the commits of the log tell of one another and of the data files, and whether that holds byte by byte.

Each commit of ours tells the version and SHA-256 of the commit that it was made on, the SHA-256 of each data file that it
adds, and a SHA-256 over all that it tells itself, which nothing after the newest commit could tell. Commits without
these (of another program, or of an older version) stay valid.
"""

from __future__ import annotations

import hashlib
import json
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from carbon.ledger.files import PARTITION, DataFile, data_files
from carbon.ledger.log import APPLICATION, LOG, commit_fault, commit_file, commit_info, log_names, object_of, versions
from carbon.ledger.place import name_in, source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from deltalake import DeltaTable

    from carbon.ledger.place import Place

FILES, LINK, SEAL, CHECKPOINT = "carbon.files", "carbon.log", "carbon.seal", "carbon.checkpoint"
_PREFIX = "carbon."
_OURS = ("posting", "digest", "recorded_at")
_MEND = "restore it from a copy"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


class Logged(NamedTuple):
    """A commit as it lies in the log: its version, the SHA-256 of its file, and its actions by kind."""

    version: int
    sha256: str
    actions: dict[str, list[dict[str, Any]]]

    @property
    def info(self) -> dict[str, Any]:
        """What it tells of itself; {} when it tells nothing."""
        return dict(*self.actions.get("commitInfo", [])[:1])


class State(NamedTuple):
    """What the commits come to: data files, and id, configuration, partition columns, protocol and newest posting."""

    files: frozenset[DataFile]
    rest: tuple[Any, ...]


def sealed(path: Place, version: int, metadata: Mapping[str, str]) -> dict[str, str]:
    """What a commit made on a version is to tell, with the SHA-256 of that version's commit, and one over all of it.

    It tells the SHA-256 of the newest checkpoint too. Raises OSError when one of these files cannot be read.
    """
    before = _sha256(commit_file(path, version))
    told = {**metadata, LINK: json.dumps({"version": version, "sha256": before})}
    newest = _checkpoint(path, log_names(path))
    if newest is not None:
        told[CHECKPOINT] = json.dumps({"name": newest.name, "sha256": _sha256(newest)})
    return {**told, SEAL: _seal(told)}


def logged(path: Place, version: int) -> list[Logged]:
    """The commits up to a version, the oldest first. Raises OSError or ValueError for one that cannot be read."""
    return [_read(path, number) for number in range(version + 1)]


def book_faults(path: Place, table: DeltaTable) -> Iterator[str]:
    """What does not hold of the commits up to the table's version: each fault with its file and how to mend it.

    Nothing where a commit cannot be read; `carbon.ledger.log.log_faults` tells of that.
    """
    try:
        commits = logged(path, table.version())
    except _UNREADABLE:
        return
    yield from chain.from_iterable(_commit_faults(path, commits, commit) for commit in commits)
    yield from _twice_told(path, commits)
    yield from _data_faults(path, table, commits)
    try:
        fault = _state_fault(path, table, commits)
    except _UNREADABLE as error:
        fault = (
            f"{path / LOG}: a commit in it was changed: it holds something that cannot be understood ({error}); {_MEND}"
        )
    if fault:
        yield fault


def checkpoint_fault(path: Place, table: DeltaTable) -> str:
    """How the table differs from what its commits come to, as a damaged checkpoint makes it; empty when it does not."""
    try:
        return _state_fault(path, table, logged(path, table.version()))
    except _UNREADABLE:
        return ""


def changed_checkpoint(path: Place) -> str:
    """Whether the newest checkpoint is another than a commit after it tells, or no Parquet at all; empty when it is neither.

    To be asked before Delta reads it: over some changed bytes Delta's reader never comes back.
    """
    names = log_names(path)
    newest = _checkpoint(path, names)
    if newest is None:
        return ""
    told = next((digest for name, digest in _told_checkpoints(path, newest, names) if name == newest.name), "")
    try:
        if told and _sha256(newest) == told:
            return ""
        if not told:
            pq.ParquetFile(source(newest)).read()
            return ""
    except (OSError, pa.ArrowException):
        pass
    return f"{newest}: this checkpoint was changed or cannot be read; {checkpoint_mend(path)}"


def _told_checkpoints(path: Place, checkpoint: Place, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and SHA-256 of checkpoints as the commits after one tell them, the newest first."""
    after = int(checkpoint.name.split(".")[0])
    for version in takewhile(lambda version: version > after, versions(names)):
        try:
            told = object_of(commit_info(path, version).get(CHECKPOINT))
        except _UNREADABLE:
            continue
        if told:
            yield str(told.get("name")), str(told.get("sha256"))


def _checkpoint(path: Place, names: Iterable[str]) -> Place | None:
    """The newest checkpoint of a log that has files of these names."""
    some = [name for name in names if ".checkpoint" in name and name.endswith(".parquet")]
    some = [name for name in some if name.split(".")[0].isdecimal()]
    return path / LOG / max(some) if some else None


def _sha256(file: Place) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def checkpoint_mend(path: Place) -> str:
    """How to mend a log whose commits are whole and whose checkpoint is not; empty where there is no checkpoint."""
    names = sorted(
        {file.name for pattern in ("*.checkpoint*", "_last_checkpoint") for file in (path / LOG).glob(pattern)}
    )
    if not names:
        return ""
    return (
        f"remove {', '.join(names)} from {path / LOG}: every commit is there, and they hold all that a checkpoint does"
    )


def _read(path: Place, version: int) -> Logged:
    content = commit_file(path, version).read_bytes()
    actions: dict[str, list[dict[str, Any]]] = {}
    for line in content.splitlines():
        for kind, action in json.loads(line).items():
            actions.setdefault(kind, []).append(action)
    return Logged(version, hashlib.sha256(content).hexdigest(), actions)


def _seal(told: Mapping[str, Any]) -> str:
    """SHA-256 over what a commit tells by our keys."""
    ours = {key: value for key, value in told.items() if key in _OURS or (key.startswith(_PREFIX) and key != SEAL)}
    return hashlib.sha256(json.dumps(ours, sort_keys=True).encode()).hexdigest()


def newest_faults(path: Place, most: int = 10) -> Iterator[str]:
    """What does not hold of the newest commits alone: their seals, and that each was made on the one before it.

    A few small files, so that whoever only reads can ask; `carbon ledger verify` looks at all of it.
    """
    newest = versions(log_names(path))[: most + 1]
    commits: dict[int, Logged] = {}
    for version in newest:
        try:
            commits[version] = _read(path, version)
        except _UNREADABLE:
            yield commit_fault(path, version)
    for commit in commits.values():
        before = object_of(commit.info.get(LINK)).get("version")
        if before is None or before in commits:
            yield from _commit_faults(path, commits, commit)


def _commit_faults(path: Place, commits: Mapping[int, Logged] | Sequence[Logged], commit: Logged) -> Iterator[str]:
    """Whether a commit tells what it told when it was made, and was made on the commit that is there now."""
    info, file = commit.info, commit_file(path, commit.version)
    if SEAL in info and info[SEAL] != _seal(info):
        yield f"{file}: this commit was changed: what it tells has another SHA-256 than it names; {_MEND}"
    elif LINK in info:
        told = object_of(info[LINK])
        before = told.get("version")
        if not isinstance(before, int) or not 0 <= before < commit.version:
            yield f"{file}: this commit was changed: it names no commit before it; {_MEND}"
        elif commits[before].sha256 != told.get("sha256"):
            yield (
                f"{commit_file(path, before)}: this commit was changed: its SHA-256 is not that which version "
                f"{commit.version} was made on; {_MEND}"
            )


def _twice_told(path: Place, commits: Sequence[Logged]) -> Iterator[str]:
    """Commits that tell of a posting, or add a data file, which one before them did: copies in the place of others."""
    known: set[str] = set()
    for commit in commits:
        told = {str(added.get("path")) for added in commit.actions.get("add", [])}
        told |= {str(commit.info["posting"])} if "posting" in commit.info else set()
        if told & known:
            file = commit_file(path, commit.version)
            yield f"{file}: this commit repeats one before it, and is in the place of another; {_MEND}"
        known |= told


def _data_faults(path: Place, table: DeltaTable, commits: Sequence[Logged]) -> Iterator[str]:
    """Data files with another SHA-256 than their commit tells; files that cannot be read are told elsewhere."""
    told = {name: digest for commit in commits for name, digest in object_of(commit.info.get(FILES)).items()}
    for file in data_files(path, table):
        name = name_in(path, file.path)
        if name not in told or not file.path.exists():
            continue
        if _sha256(file.path) != told[name]:
            yield (
                f"{file.path}: a data file of the ledger was changed: its SHA-256 is not that which its commit tells; {_MEND}"
            )


def _state_fault(path: Place, table: DeltaTable, commits: Sequence[Logged]) -> str:
    told, held = _replayed(path, commits), _held(path, table)
    if told == held and _schema(commits) == json.loads(table.schema().to_json()):
        return ""
    mend = checkpoint_mend(path)
    names = sorted(file.path.name for file in told.files ^ held.files)
    what = f"on {', '.join(names[:3])}" if names else "on the table's settings"
    if mend:
        return f"{path / LOG}: the checkpoint was changed: it and the commits differ {what}; {mend}"
    return f"{path / LOG}: the table and its commits differ {what}; {_MEND}"


def _replayed(path: Place, commits: Sequence[Logged]) -> State:
    """What the commits come to, one after the other."""
    files: dict[str, DataFile] = {}
    posting = None
    for commit in commits:
        for gone in commit.actions.get("remove", []):
            files.pop(gone["path"], None)
        for added in commit.actions.get("add", []):
            files[added["path"]] = _file(path, added)
        for ended in commit.actions.get("txn", []):
            posting = ended["version"] if ended["appId"] == APPLICATION else posting
    metadata, protocol = _last(commits, "metaData"), _last(commits, "protocol")
    settings = sorted((metadata.get("configuration") or {}).items())
    versions = protocol.get("minReaderVersion"), protocol.get("minWriterVersion")
    return State(
        frozenset(files.values()), (metadata.get("id"), settings, metadata.get("partitionColumns"), *versions, posting)
    )


def _held(path: Place, table: DeltaTable) -> State:
    """What Delta says of the table, from its checkpoint where it has one."""
    metadata, protocol = table.metadata(), table.protocol()
    settings = sorted(metadata.configuration.items())
    versions = protocol.min_reader_version, protocol.min_writer_version
    posting = table.transaction_version(APPLICATION)
    return State(
        frozenset(data_files(path, table)), (metadata.id, settings, metadata.partition_columns, *versions, posting)
    )


def _file(path: Place, added: Mapping[str, Any]) -> DataFile:
    stats = object_of(added.get("stats"))
    low, high = (stats.get(name, {}).get("posting") for name in ("minValues", "maxValues"))
    month = added["partitionValues"].get(PARTITION)
    return DataFile(path / unquote(added["path"]), month, added["size"], stats.get("numRecords"), low, high)


def _schema(commits: Sequence[Logged]) -> dict[str, Any]:
    return object_of(_last(commits, "metaData").get("schemaString"))


def _last(commits: Sequence[Logged], kind: str) -> dict[str, Any]:
    """The newest action of a kind; {} where there is none."""
    return next((commit.actions[kind][-1] for commit in reversed(commits) if kind in commit.actions), {})
