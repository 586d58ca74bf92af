"""A ledger in an S3 store: the same as in a folder, whoever writes, whatever fails."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from carbon.core.errors import LedgerError, UsageError
from carbon.ledger import remote
from carbon.ledger.audit import leftovers, verify
from carbon.ledger.place import StoreError, StorePath, place_of
from carbon.ledger.store import Ledger, Posting
from tests.ledger import s3
from tests.ledger.lines import NOON, many
from tests.ledger.writer import MONTHS, ROOT, go, start

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITERS, POSTINGS, LINES = 4, 10, 3
SECRETS = (s3.KEY, s3.SECRET, s3.TOKEN)


@pytest.fixture(scope="module")
def server() -> Iterator[s3.Store]:
    """One store for all tests of this file."""
    found = s3.start()
    yield found
    found.stop()


@pytest.fixture
def store(server: s3.Store, monkeypatch: pytest.MonkeyPatch) -> s3.Store:
    """The store, in good order, named by the environment."""
    server.faults()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def prefix() -> str:
    """A prefix of the test's own."""
    return f"tests/{uuid.uuid4().hex}"


@pytest.fixture
def ledger(store: s3.Store, prefix: str) -> Ledger:
    """A ledger in the store; nothing is posted yet."""
    return Ledger(f"s3://{s3.BUCKET}/{prefix}")


def post(ledger: Ledger, value: float, lines: int = 5) -> Posting | None:
    """Make October say this value for each line."""
    made = many(lines).assign(kgco2e=value)
    return ledger.post(made, months=["2026-10"], recorded_at=NOON, remove=True)


def keys(store: s3.Store, prefix: str) -> list[str]:
    """Names of the objects below a prefix, sorted."""
    return sorted(key.removeprefix(f"{prefix}/") for key in store.objects() if key.startswith(f"{prefix}/"))


def test_it_says_what_a_ledger_in_a_folder_says(ledger: Ledger, store: s3.Store, prefix: str, tmp_path: Path) -> None:
    folder = Ledger(tmp_path / "ledger")
    for one in (ledger, folder):
        assert one.head().posting == 0
        assert one.months() == []
        for nth, value in enumerate((1.0, 2.0)):
            made = many(40, seed=nth).assign(kgco2e=value)
            moment = NOON + timedelta(hours=nth)
            assert one.post(made, months=["2026-10"], recorded_at=moment, remove=True) is not None
            assert one.post(made, months=["2026-10"], recorded_at=moment + timedelta(hours=9), remove=True) is None
    assert ledger.head() == folder.head()
    assert ledger.entries().equals(folder.entries())
    assert ledger.live(as_of=NOON).equals(folder.live(as_of=NOON))
    assert set(ledger.live(as_of=NOON)["kgco2e"]) == {1.0}
    assert ledger.live(columns=("node", "kgco2e")).equals(folder.live(columns=("node", "kgco2e")))
    assert verify(ledger) == verify(folder) == (2, 120, [])
    assert list(leftovers(ledger)) == []
    assert repr(ledger) == f"Ledger('s3://{s3.BUCKET}/{prefix}')"
    logs = [f"_delta_log/{nth:020d}.json" for nth in range(3)]
    assert [key for key in keys(store, prefix) if not key.startswith("period=2026-10/part-")] == logs


def test_every_object_is_written_on_the_condition_that_it_is_new(
    ledger: Ledger, store: s3.Store, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does an environment that was made for other programs take the condition away."""
    monkeypatch.setenv("AWS_S3_ALLOW_UNSAFE_RENAME", "true")
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    monkeypatch.setenv("AWS_S3_LOCKING_PROVIDER", "dynamodb")
    post(ledger, 1.0)
    post(ledger, 2.0)
    written = [one for one in store.asked() if one["method"] == "PUT" and prefix in one["name"]]
    assert len([one for one in written if "/_delta_log/" in one["name"]]) == 3
    assert {one["condition"] for one in written} == {"*"}


def test_four_processes_make_one_chain_and_lose_nothing(ledger: Ledger, store: s3.Store, prefix: str) -> None:
    processes = [start(_named(ledger), f"writer-{nth}", POSTINGS, LINES) for nth in range(WRITERS)]
    go(*processes)
    outputs = [process.communicate(timeout=500) for process in processes]
    assert [(process.returncode, error) for process, (_, error) in zip(processes, outputs, strict=True)] == [(0, "")] * WRITERS
    numbers = [int(number) for output, _ in outputs for number in output.split()]
    assert sorted(numbers) == list(range(1, WRITERS * POSTINGS + 1))
    assert verify(ledger) == (WRITERS * POSTINGS, 2 * LINES * (2 * WRITERS * POSTINGS - 1), [])
    assert ledger.postings()["entries"].tolist() == [2 * LINES] + [4 * LINES] * (WRITERS * POSTINGS - 1)
    # Those who were refused took their data files away again, and their probes; where a connection broke one may stay.
    least = 1 + 3 * WRITERS * POSTINGS
    assert least <= len(keys(store, prefix)) <= least + WRITERS


def test_two_writers_that_saw_the_same_state_do_not_both_commit(ledger: Ledger) -> None:
    """Without a refusal by the store, since the second sees the first before it writes."""
    from carbon.ledger.delta import ConflictError, append, open_table

    post(ledger, 1.0)
    first, second = open_table(ledger.path), open_table(ledger.path)
    planned = ledger.plan(many(5).assign(kgco2e=2.0), months=["2026-10"], recorded_at=NOON, remove=True)
    assert first is not None
    assert second is not None
    assert planned is not None
    append(ledger.path, first, planned.entries)
    with pytest.raises(ConflictError):
        append(ledger.path, second, planned.entries)
    assert verify(ledger).faults == []
    assert verify(ledger).postings == 2


@pytest.mark.parametrize("postings_seen", [0, 2])
def test_a_killed_process_leaves_whole_postings(ledger: Ledger, postings_seen: int) -> None:
    lines = 400
    process = start(_named(ledger), "killed", 10_000, lines)
    go(process)
    assert process.stdout is not None
    for _ in range(postings_seen):
        process.stdout.readline()
    time.sleep(random.uniform(0, 0.3))
    process.kill()
    told = postings_seen + len(process.communicate(timeout=200)[0].split())
    found = verify(ledger)
    assert found.faults == []
    assert told <= found.postings <= told + 1
    if found.postings:
        assert ledger.postings()["entries"].tolist() == [2 * lines] + [4 * lines] * (found.postings - 1)
    after = start(_named(ledger), "after", 1, lines)
    go(after)
    output, error = after.communicate(timeout=200)
    assert (output.split(), error, after.returncode) == ([str(found.postings + 1)], "", 0)
    assert set(ledger.live(periods=MONTHS)["product"]) == {"after"}


@pytest.mark.parametrize("conditions", ["ignored", "unknown"])
def test_a_store_without_conditions_is_refused_before_anything_is_made(
    ledger: Ledger, store: s3.Store, prefix: str, conditions: str
) -> None:
    store.faults(conditions=conditions)
    with pytest.raises(LedgerError, match=r"does not honour conditional writes .* nothing was posted; use a store that does"):
        post(ledger, 1.0)
    assert keys(store, prefix) == []
    store.faults()
    assert post(ledger, 1.0) is not None


def test_the_store_is_asked_once_for_a_new_ledger(ledger: Ledger, store: s3.Store, prefix: str) -> None:
    post(ledger, 1.0)
    post(ledger, 2.0)
    assert len([one for one in store.asked() if f"{prefix}/_probe-" in one["name"] and one["method"] == "PUT"]) == 2
    assert [key for key in keys(store, prefix) if key.startswith("_probe")] == []


@pytest.mark.parametrize("where", ["_delta_log/0+1.json", "_delta_log/0+2.json", "parquet"])
@pytest.mark.parametrize("fault", ["done", "lost"])
def test_a_request_that_fails_once_is_made_again(
    ledger: Ledger, store: s3.Store, prefix: str, where: str, fault: str
) -> None:
    """Where it was done all the same, the second is refused by the first: the files of the commit must stay."""
    store.faults(**{fault: where, "once": "1"})
    assert [getattr(post(ledger, value), "number", None) for value in (1.0, 2.0)] == [1, 2]
    assert verify(ledger) == (2, 15, [])
    assert len(keys(store, prefix)) == 5


@pytest.mark.parametrize(("fault", "posted"), [("done", None), ("lost", 2)])
def test_a_commit_that_is_not_answered_is_said_to_be_unknown(
    ledger: Ledger, store: s3.Store, fault: str, posted: int | None
) -> None:
    """Its data files stay, since the commit may be there; to run again is right in both cases."""
    post(ledger, 1.0)
    store.faults(**{fault: "_delta_log/0+2.json"})
    with pytest.raises(LedgerError, match="the store does not answer, so it is not known whether the posting was made"):
        post(ledger, 2.0)
    store.faults()
    assert verify(ledger).faults == []
    assert getattr(post(ledger, 2.0), "number", None) == posted
    assert verify(ledger) == (2, 15, [])


def test_commits_and_data_files_that_were_changed_or_removed_are_found(
    ledger: Ledger, store: s3.Store, prefix: str
) -> None:
    for value in (1.0, 2.0, 3.0):
        post(ledger, value)
    commit = f"{prefix}/_delta_log/{2:020d}.json"
    data = f"{prefix}/{next(key for key in keys(store, prefix) if key.endswith('.parquet'))}"
    whole = store.objects()
    for key, content, words in (
        (commit, whole[commit][:-9], "is cut or was changed"), (commit, b"", "is empty"), (commit, None, "is missing"),
        (data, None, "is missing"), (data, whole[data][:-9], "cannot be read"),
        (data, next(whole[key] for key in whole if key.startswith(prefix) and key.endswith(".parquet") and key != data),
         "was changed or swapped"),
    ):  # fmt: skip
        store.delete(key) if content is None else store.put(key, content)
        faults = verify(ledger).faults
        assert any(key in fault and words in fault for fault in faults), (key, words, faults)
        store.put(key, whole[key])
    assert verify(ledger).faults == []


def test_a_data_file_without_a_commit_is_told_of(ledger: Ledger, store: s3.Store, prefix: str) -> None:
    post(ledger, 1.0)
    post(ledger, 2.0)
    store.delete(f"{prefix}/_delta_log/{2:020d}.json")
    (found,) = leftovers(ledger)
    assert found.file.startswith(f"s3://{s3.BUCKET}/{prefix}/period=2026-10/part-")


def test_listings_of_many_pages_are_read_to_their_end(ledger: Ledger, store: s3.Store) -> None:
    store.faults(page="2")
    for value in range(4):
        post(ledger, float(value))
    assert verify(ledger) == (4, 35, [])
    assert list(leftovers(ledger)) == []


def test_something_else_at_the_prefix_is_refused(ledger: Ledger, store: s3.Store, prefix: str) -> None:
    store.put(f"{prefix}/data.csv", b"a,b\n")
    with pytest.raises(LedgerError, match=r"holds 'data\.csv' but no _delta_log"):
        ledger.head()


def _fails(ledger: Ledger, words: str, code: int) -> None:
    """Reading and posting end with an error of these words, without a secret, in bounded time."""
    for attempt in (ledger.head, lambda: post(ledger, 2.0)):
        began = time.monotonic()
        with pytest.raises(LedgerError, match=words) as caught:
            attempt()
        assert time.monotonic() - began < 30
        assert caught.value.exit_code == code
        assert "\n" not in str(caught.value)
        assert not any(secret in str(caught.value) for secret in SECRETS)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIDWRONG", "does not accept the credentials; set AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "does not accept the credentials; set AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "", "the environment has no credentials for the store; set AWS_ACCESS_KEY_ID"),
        ("AWS_ALLOW_HTTP", "", "AWS_ENDPOINT_URL is not encrypted; use https, or set AWS_ALLOW_HTTP=true"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", "the store does not answer; check the connection"),
        ("AWS_ENDPOINT_URL", "https://user:the/secret@host", "AWS_ENDPOINT_URL is no address of a store"),
    ],
)
def test_an_environment_that_does_not_reach_the_store(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    post(ledger, 1.0)
    monkeypatch.setenv(variable, value)
    _fails(ledger, words, 4)


def test_there_is_no_such_bucket(store: s3.Store) -> None:
    _fails(Ledger("s3://not-there/prefix"), "s3://not-there/prefix: there is no such bucket; make it, or correct", 4)


def test_a_store_that_takes_connections_and_never_answers(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote.TRIES * (remote.ANSWER_S + remote.CONNECT_S) < 30
    monkeypatch.setattr(remote, "ANSWER_S", 1.0)
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(50)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{hole.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(StoreError, match="the store does not answer"):
            ledger.head()
        assert time.monotonic() - began < 10


def test_a_slow_line_takes_what_is_large(ledger: Ledger, store: s3.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit is on silence, not on the whole."""
    monkeypatch.setattr(remote, "CONNECT_S", 0.5)
    store.faults(pause="0.03")
    place = cast("StorePath", ledger.path) / "large"
    remote.create(place, bytes(20 << 20))
    store.faults()
    assert place.stat().st_size == 20 << 20


@pytest.mark.parametrize("made", [False, True])
def test_credentials_that_may_not_write(ledger: Ledger, store: s3.Store, prefix: str, made: bool) -> None:
    if made:
        post(ledger, 1.0)
    before = keys(store, prefix)
    store.faults(deny="PUT DELETE")
    words = r"cannot be written \(access denied\); nothing was posted, and the ledger is as it was; give these credentials"
    with pytest.raises(LedgerError, match=words):
        post(ledger, 2.0)
    assert ledger.head().posting == int(made)
    assert keys(store, prefix) == before


def test_credentials_that_may_not_read(ledger: Ledger, store: s3.Store) -> None:
    post(ledger, 1.0)
    store.faults(deny="GET HEAD")
    _fails(ledger, "access denied; give these credentials the right", 4)
    with pytest.raises(StoreError, match="access denied"):
        verify(ledger)


@pytest.mark.parametrize(
    "address", ["gs://bucket/prefix", "az://container/prefix", "s3a://bucket/prefix", "https://host/ledger", "S3://bucket/x"]
)
def test_another_kind_of_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"the ledger cannot be at an address with .*; write s3://bucket/prefix"):
        Ledger(address)


@pytest.mark.parametrize(
    "address",
    ["s3://", "s3://bucket", "s3://b/x", "s3://Bucket/x", "s3://key:hush@bucket/x", "s3://bucket/a//b", "s3://bucket/../x",
     "s3://bucket/x?region=hush", "s3://bucket/a b", "s3://bucket/%20"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match="is no bucket and prefix; write s3://bucket/prefix") as caught:
        Ledger(address)
    assert "hush" not in str(caught.value)


def test_places_of_texts(tmp_path: Path) -> None:
    assert place_of("s3://bucket/a/b/") == StorePath("bucket", "a/b")
    assert place_of(place_of("s3://bucket/a")) == StorePath("bucket", "a")
    assert place_of(str(tmp_path)) == tmp_path
    assert place_of("ledger") == Path("ledger").absolute()


def test_a_process_that_read_and_wrote_ends_cleanly(ledger: Ledger) -> None:
    """What talks to the store has threads of its own, which must not outlive the interpreter or abort it."""
    code = (
        "import sys; from carbon.ledger.store import Ledger; from carbon.ledger.audit import verify\n"
        "from tests.ledger.test_object_store import post\n"
        "ledger = Ledger(sys.argv[1]); post(ledger, 1.0); print(*verify(ledger)); sys.exit(int(sys.argv[2]))"
    )
    for code_wanted in (0, 3):
        run = [sys.executable, "-W", "error", "-c", code, str(ledger.path), str(code_wanted)]
        found = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout, found.stderr) == (code_wanted, "1 5 []\n", "")


def _named(ledger: Ledger) -> Path:
    """The address, as a process is told it."""
    return cast("Path", str(ledger.path))
