"""How the command starts: quickly, with help everywhere, and with examples that run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from carbon.cli.main import command_tree
from carbon.version import __version__
from tests.cli.import_samples import write_samples
from tests.cli.project import run, run_process
from tests.importers.play import Server as Loopback
from tests.providers.server import Server
from tests.watch.world import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = ("deltalake", "numpy", "pandas", "pyarrow", "requests", "rich.markdown", "xarray")
BEFORE = {
    "Example: carbon grid remove entsoe-de-2026": ["grid import entsoe-de-2026.csv"],
    "Example: carbon close 2026-10": ["account"],
    "Example: carbon import coverage --from 2026-10-01 --to 2026-11-01 --format csv": [
        "import nvidia-smi gpu-a.csv --node fra-01 --tz Europe/Berlin"
    ],
    "Example: carbon import remove gpu-a.csv": ["import nvidia-smi gpu-a.csv --node fra-01 --tz Europe/Berlin"],
    "Example: carbon reopen 2026-10 --reason misread": ["account", "close 2026-10"],
}
AFTER = {"Example: carbon watch --every 1h": ["--once", "--no-grid"]}  # so that it ends
DONE_ALREADY = 2  # what may be said of a month that another example closed
LOADED = "import sys; print(*sorted(sys.modules))"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with the words that call it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = dict(commands(command_tree()))
LEAVES = {path: command for path, command in ALL.items() if not hasattr(command, "commands")}


@pytest.fixture(scope="module")
def demo_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo project; only to be copied."""
    folder = tmp_path_factory.mktemp("start") / "demo"
    assert run("demo", str(folder)).code == 0
    return folder


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Providers of grid data on loopback, and a Prometheus that has nothing."""
    with Server() as server, Loopback(Prometheus({}).answer) as prometheus:
        for name, value in {**server.environment(), "CARBON_IMPORT_PROMETHEUS_URL": prometheus.url}.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def in_demo(demo_once: Path, providers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo project, which is the present folder, with a series to import and a contract."""
    folder = tmp_path / "demo"
    shutil.copytree(demo_once, folder)
    rows = "".join(f"DE,2026-10-01T{hour:02d}:00:00Z,{300 + hour}\n" for hour in range(24))
    (folder / "entsoe-de-2026.csv").write_text(f"zone,start,direct_g_per_kwh\n{rows}")
    contract = "wind-1,contract,DE,2026-10-01,2026-11-01,2,0"
    (folder / "instruments.csv").write_text(f"id,kind,market,start,end,mwh,intensity_g_per_kwh\n{contract}\n")
    write_samples(folder)
    power = "".join(f"{busy / 20},{20 + busy * 2.4}\n" for busy in range(21))
    (folder / "gpu-power.csv").write_text(f"busy_fraction,power_w\n{power}")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("code", ["import carbon.cli.main", "import carbon; dir(carbon)"])
def test_nothing_heavy_is_imported_at_start(code: str) -> None:
    result = run_process(code=f"{code}; {LOADED}")
    assert result.code == 0, result.err
    loaded = set(result.out.split())
    assert "carbon" in loaded
    assert sorted(loaded & set(HEAVY)) == []


@pytest.mark.parametrize("words", ["--version", "account -h"])
def test_nothing_heavy_is_imported_for_what_reckons_nothing(words: str) -> None:
    at_exit = "import atexit, sys; atexit.register(lambda: print(*sorted(sys.modules)))"
    loaded = set(run_process(*words.split(), code=f"{at_exit}; from carbon.cli.main import main; main()").out.split())
    assert "carbon.cli.main" in loaded
    assert sorted(loaded & set(HEAVY) - {"rich.markdown"}) == []  # the parser renders help with it


def test_the_version_is_told() -> None:
    assert run("--version").out == f"carbon {__version__}\n"


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "carbon")
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_says_what_and_ends_with_an_example(path: tuple[str, ...], option: str) -> None:
    result = run(*path, option)
    lines = [line.strip() for line in result.out.splitlines() if line.strip()]
    assert (result.code, result.err) == (0, "")
    assert lines[-1].startswith(f"Example: carbon {' '.join(path)}".strip())
    assert len(lines[1].split()) > 2


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "carbon")
def test_every_option_has_help(path: tuple[str, ...]) -> None:
    silent = [item.name for item in ALL[path].params if not getattr(item, "help", "")]
    assert silent == []


@pytest.mark.parametrize("example", sorted({command.epilog for command in ALL.values()}))
def test_the_example_of_the_help_runs(example: str, in_demo: Path) -> None:
    words = [*example.removeprefix("Example: carbon ").split(), *AFTER.get(example, [])]
    assert {run(*step.split()).code for step in BEFORE.get(example, [])} <= {0, DONE_ALREADY}
    result = run(*words)
    assert result.code == 0, result.text
    assert bool(result.out) != ("-o" in words)


@pytest.mark.parametrize(
    "path", [path for path, command in LEAVES.items() if any(item.name == "format" for item in command.params)], ids=" ".join
)
def test_every_format_of_a_command_says_something(path: tuple[str, ...], in_demo: Path) -> None:
    words = [word for word in ALL[path].epilog.removeprefix("Example: carbon ").split() if word not in {"-o", "entries.csv"}]
    at = words.index("--format") if "--format" in words else len(words)
    words[at:at] = ["--replace"] if path == ("hardware", "fit") else []
    at += words.count("--replace")
    table, comma, json = (run(*words[:at], *words[at + 2 :], "--format", kind) for kind in ("table", "csv", "json"))
    assert (table.code, comma.code, json.code) == (0, 0, 0), table.text + comma.text + json.text
    assert table.out.strip()
    assert "," in comma.out.splitlines()[0]
    first, last = "{}" if path == ("export", "pact") else "[]"  # PACT asks for an object
    assert json.out.lstrip().startswith(first)
    assert json.out.rstrip().endswith(last)


def test_data_goes_to_standard_output_and_the_rest_to_standard_error(in_demo: Path) -> None:
    result = run("check", "--format", "csv")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("severity,code,file,row,column,value,problem,mend")
    account = run("account")
    assert account.out.count("\n") == 1
    assert all(line.startswith(("warning: ", "note: ")) for line in account.err.splitlines())


def test_no_colour_where_there_is_no_terminal(in_demo: Path) -> None:
    for words in (["report"], ["ledger", "log"], ["check"]):
        result = run(*words, env={"NO_COLOR": "", "TERM": "xterm-256color"})
        assert "\x1b[" not in result.text


def test_a_reader_that_goes_away_is_no_fault(in_demo: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "one = subprocess.Popen([sys.executable, '-m', 'carbon', 'ledger', 'show', '--format', 'csv'],"
        " stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "one.stdout.readline(); one.stdout.close()\n"
        "print(one.wait(), one.stderr.read().decode())"
    )
    assert run_process(code=code).out.split() == ["0"]


def test_the_module_runs_as_the_command() -> None:
    assert run_process("--version").out == f"carbon {__version__}\n"
