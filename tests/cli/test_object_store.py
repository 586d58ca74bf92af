"""The command line on a ledger in an S3 store: the same words and figures as from a folder, and no secret in any of them.

Two stores judge: a small one of ours, and that of moto, which is not ours. (moto looks whether an object is there and
writes it in two steps, so what several writers do at once is tested with ours.)
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import Request, urlopen

import pytest

from tests.ledger import s3

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PLACE = f"s3://{s3.BUCKET}/cli/ledger"


class Shop(NamedTuple):
    """A project, and the environment of its commands."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own, its warnings errors; no secret may be in what it prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CARBON_"))}
        environment = kept | self.environment | {"PYTHONWARNINGS": "error"} | variables
        run = [sys.executable, "-m", "carbon", "-C", str(self.folder), *words]
        found = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
        for secret in (s3.KEY, s3.SECRET, s3.TOKEN):
            assert secret not in found.stdout + found.stderr
        assert "Traceback" not in found.stderr
        return found

    def told(self, *words: str, code: int = 0) -> str:
        """What such a command prints, that ends with a code and says nothing else."""
        found = self.run(*words)
        assert (found.returncode, found.stderr) == (code, ""), found
        return found.stdout


@pytest.fixture(scope="module")
def ours() -> Iterator[dict[str, str]]:
    """The small store."""
    store = s3.start()
    yield store.environment
    store.stop()


@pytest.fixture(scope="module")
def theirs() -> Iterator[dict[str, str]]:
    """That of moto, with the bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(run, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _make_bucket(port, process)
        yield s3.environment(port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _make_bucket(port: int, process: subprocess.Popen[bytes]) -> None:
    """Once the server answers."""
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20261102/us-east-1/s3/aws4_request"}
    for _ in range(300):
        assert process.poll() is None
        try:
            with urlopen(Request(f"http://127.0.0.1:{port}/{s3.BUCKET}", headers=signed, method="PUT")):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto does not answer")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, accounted in its folder."""
    folder = tmp_path_factory.mktemp("store") / "demo"
    shop = Shop(folder, {})
    found = subprocess.run([sys.executable, "-m", "carbon", "demo", str(folder)], cwd=ROOT, capture_output=True, check=False)
    assert found.returncode == 0, found
    assert "every digest and the chain hold" in shop.told("ledger", "verify")
    return folder


@pytest.mark.parametrize("which", ["ours", "theirs"])
def test_the_demo_says_the_same_from_a_store(demo: Path, which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    here = Shop(demo, {})
    there = Shop(demo, request.getfixturevalue(which) | {"CARBON_LEDGER_PATH": PLACE})
    posted = there.run("account")
    assert posted.returncode == 0, posted
    assert "posting 1: 7,262 entries" in posted.stdout
    again = there.run("account")
    assert (again.returncode, "nothing was posted" in again.stdout) == (0, True)
    assert there.told("ledger", "verify") == "1 posting, 7,262 entries: every digest and the chain hold\n"
    for kind in ("table", "csv"):
        words = ("report", "2026-10", "--format", kind)
        found, wanted = there.run(*words), here.run(*words)
        assert (found.returncode, found.stdout, found.stderr) == (0, wanted.stdout, wanted.stderr)
    assert [path for path in demo.iterdir() if "s3" in path.name] == []


def test_what_shows_the_ledger_to_others_is_made_from_a_store(demo: Path, ours: dict[str, str], tmp_path: Path) -> None:
    place = {"CARBON_LEDGER_PATH": f"s3://{s3.BUCKET}/cli/shown"}
    there = Shop(demo, ours | place)
    assert there.told("ledger", "verify") == "0 postings, 0 entries: every digest and the chain hold\n"
    assert there.run("account").returncode == 0
    assert there.run("report", "2026-10", "--as-of", "2026-01-01T00:00:00Z").returncode == 3
    _writes_what_shows_it(there, tmp_path)
    text = "".join(path.read_text() for path in (demo / "carbon.toml", tmp_path / "pack/carbon.toml"))
    assert not any(secret in text for secret in (s3.KEY, s3.SECRET, s3.TOKEN))
    assert f'path = "{place["CARBON_LEDGER_PATH"]}"' in text


def _writes_what_shows_it(there: Shop, folder: Path) -> None:
    anchor = str(folder / "anchor.json")
    assert there.run("ledger", "anchor", "2026-10", "-o", anchor).returncode == 0
    assert "posting 1: the ledger has it" in there.told("ledger", "anchor", "--check", anchor)
    assert there.told("ledger", "export", str(folder / "pack")).startswith(f"{folder}/pack: 1 posting, 7,262 entries")
    entry = re.search(r"\d{6}-\d{6}", there.told("ledger", "show", "2026-10"))
    assert entry
    assert there.run("trace", entry.group()).returncode == 0


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"CARBON_LEDGER_PATH": "s3://not-there/x"}, 4, "error: s3://not-there/x: there is no such bucket; make it, or correct"),
        ({"AWS_ACCESS_KEY_ID": "AKIDWRONG"}, 4, f"error: {PLACE}: the store does not accept the credentials; set AWS_ACCESS"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, 4, f"error: {PLACE}: the environment has no credentials for the store; set AWS_ACC"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 4, f"error: {PLACE}: the store does not answer; check the connection,"),
        ({"CARBON_LEDGER_PATH": "gs://b/x"}, 2, "error: CARBON_LEDGER_PATH: the ledger cannot be at an address with gs://;"),
        ({"CARBON_LEDGER_PATH": "s3://me:hush@b/x"}, 2, "error: CARBON_LEDGER_PATH: the ledger's address is no bucket and pre"),
    ],
)
@pytest.mark.parametrize("command", [("account",), ("ledger", "verify")])
def test_what_goes_wrong_is_one_line(
    demo: Path, ours: dict[str, str], command: tuple[str, ...], variables: dict[str, str], code: int, words: str
) -> None:
    found = Shop(demo, ours | {"CARBON_LEDGER_PATH": PLACE}).run(*command, **variables)
    assert (found.returncode, found.stdout) == (code, "")
    assert found.stderr.startswith(words)
    assert found.stderr.count("\n") == 1
    assert "hush" not in found.stderr
