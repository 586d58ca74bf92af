"""Every example of the documentation does what the page shows."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carbon.cli.main import app
from tests.docs.pages import ROOT, Block, Reader, Step, blocks, difference, pages

OPTIONAL = ("duckdb", "polars")
ABSENT = tuple(name for name in OPTIONAL if find_spec(name) is None)
STARTS_EMPTY = ("README.md", "tutorial.md")


def runs(page: Path) -> bool:
    """Whether a page has anything to run."""
    return any(block.kind in {"console", "python"} for block in blocks(page.read_text(encoding="utf-8")))


@pytest.fixture(autouse=True)
def plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same output everywhere: no settings, no colours, 80 columns."""
    for name in [name for name in os.environ if name.startswith("CARBON_")] + ["FORCE_COLOR", "PY_COLORS"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that `carbon demo` writes."""
    folder = tmp_path_factory.mktemp("demo") / "carbon-demo"
    assert CliRunner().invoke(app, ["demo", str(folder)]).exit_code == 0
    return folder


@pytest.mark.parametrize("page", [page for page in pages() if runs(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_show_what_they_do(page: Path, tmp_path: Path, demo: Path) -> None:
    if page.name not in STARTS_EMPTY:
        shutil.copytree(demo, tmp_path / "carbon-demo")
    text = page.read_text(encoding="utf-8")
    for step in Reader(tmp_path).follow(text, without=ABSENT):
        assert not difference(step), f"{page}:{step.line}: {step.command}\n{difference(step)}"


@pytest.mark.parametrize("package", OPTIONAL)
def test_blocks_of_optional_packages_can_run(package: str) -> None:
    if package in ABSENT:
        pytest.skip(f"{package} is not installed: the blocks of docs/ledger.md that import it were not run")
    text = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
    assert any(f"import {package}" in block.text for block in blocks(text) if block.kind == "python")


def test_difference_takes_dots_for_any_lines_but_not_for_none() -> None:
    assert not difference(Step(1, "", "a\n...\nd\n", "a\nb\nc\nd\n"))
    assert difference(Step(1, "", "a\n...\nd\n", "a\nd\n"))
    assert difference(Step(1, "", "a\n...\nd\n", "a\nb\ne\n"))


def test_difference_masks_instants_of_now_and_digests_but_no_figures() -> None:
    now, then = "1,2026-11-21T04:10:33.523197Z,", "1,2027-01-02T03:04:05.000006Z,"
    assert not difference(Step(1, "", f"{now}{'a' * 64}", f"{then}{'b' * 64}"))
    assert difference(Step(1, "", "2026-11-21T04:00:00Z", "2026-11-21T05:00:00Z"))
    assert difference(Step(1, "", "1.123456789012", "1.123456789013"))


def test_reader_notices_a_wrong_figure_and_a_failing_command(tmp_path: Path) -> None:
    wrong = "```console\n$ carbon init new\nwrote nothing\n```\n"
    assert [bool(difference(step)) for step in Reader(tmp_path).follow(wrong)] == [True]
    with pytest.raises(AssertionError, match="exit code 3"):
        list(Reader(tmp_path).follow("```console\n$ carbon grid show NOWHERE --from 2026-10-01 --to 2026-10-02\n```\n"))


def test_blocks_know_their_line_and_the_file_they_are() -> None:
    page = "# Page\n\n`a/b.csv`:\n\n```csv\nx\n```\n\n```python\n1\n```\n"
    assert blocks(page) == [Block("csv", "x\n", 5, "a/b.csv"), Block("python", "1\n", 9, "")]
