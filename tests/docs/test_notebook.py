"""The example notebook runs from its first cell to its last, and is kept without what a run leaves in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.pages.reading import read

NOTEBOOK = ROOT / "docs" / "example.ipynb"
KERNEL = Path(__file__).parent / "kernel.py"
MOST_S = 300  # about 20 s where nothing else runs
NEEDED = ("duckdb", "ipykernel", "nbclient", "nbformat", "polars")
ABSENT = [name for name in NEEDED if find_spec(name) is None]
STRICT = """
import warnings
warnings.simplefilter("error")
"""
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|usr|var|opt)\b|[A-Za-z]:\\\\|file://")
needs_a_kernel = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")


def cells() -> list[dict[str, Any]]:
    """Cells of the notebook as they are kept."""
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def source(cell: dict[str, Any]) -> str:
    """Text of a cell, which may be kept as lines."""
    return "".join(cell["source"])


def run(texts: list[str], folder: Path) -> tuple[list[list[dict[str, Any]]], str]:
    """Outputs of cells, run one after the other by a fresh kernel in a folder of their own, and what a cell raised."""
    cells = [{"cell_type": "code", "id": f"c{at}", "source": text, "outputs": [], "execution_count": None, "metadata": {}}
             for at, text in enumerate(texts)]  # fmt: skip
    path = folder / "run.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), encoding="utf-8")
    kept = {name: text for name, text in os.environ.items() if name != "MPLBACKEND" and not name.startswith("CARBON_")}
    home = {name: str(folder / "home") for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR")}
    done = subprocess.run(
        [sys.executable, str(KERNEL), str(path), str(folder)], env=kept | home | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=MOST_S,
    )  # fmt: skip
    if done.returncode:
        return [], done.stderr
    return [cell["outputs"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]], ""


@cache
def outputs() -> dict[str, list[dict[str, Any]]]:
    """What each cell of the example shows, warnings being errors, by the cell's id."""
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    with tempfile.TemporaryDirectory() as folder:
        shown, error = run([STRICT, *map(source, code)], Path(folder))
    assert not error, error
    return {cell["id"]: some for cell, some in zip(code, shown[1:], strict=True)}


def data(key: str, kind: str) -> list[str]:
    """What a cell shows of one kind."""
    return ["".join(output["data"][kind]) for output in outputs()[key] if kind in output.get("data", {})]


@needs_a_kernel
def test_every_cell_runs() -> None:
    """A cell that raises, or warns, fails it; so do totals that do not agree, since the notebook asserts them."""
    assert outputs()


@needs_a_kernel
def test_the_report_is_shown_as_a_report() -> None:
    """HTML with the total that is asserted against the other tools."""
    (page,) = data("report", "text/html")
    section = read(page)
    said = section.all("p")[1].text
    told = data("ranges", "text/plain")[0]  # the sentence, then the picture
    total, low, high = (f"{float(text.replace(',', '')) / 1000:.3f}" for text in re.findall(r"\d,\d{3}", told))
    assert said == f"{total} tCO2e ({low} to {high})"


@needs_a_kernel
def test_plots_are_pictures() -> None:
    """Each cell that draws leaves one PNG, and none is drawn twice."""
    drawn = {key for key, some in outputs().items() for one in some if "image/png" in one.get("data", {})}
    assert drawn == {"ranges", "drivers", "grid", "daily", "hours"}


@needs_a_kernel
def test_nothing_is_said_on_standard_error() -> None:
    """No warning that is not an error, and no log."""
    assert [one for some in outputs().values() for one in some if one.get("name") == "stderr"] == []


@needs_a_kernel
def test_a_cell_that_raises_or_warns_fails(tmp_path: Path) -> None:
    """The runner itself: neither passes in silence."""
    for text, said in (("1 / 0", "ZeroDivisionError"), ("warnings.warn('old')", "UserWarning")):
        assert said in run([STRICT, text], tmp_path)[1]


def test_it_is_kept_without_what_a_run_leaves() -> None:
    """No outputs, no counts, no path of a machine; ids that do not change from save to save."""
    kept = cells()
    code = [cell for cell in kept if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None and not cell["metadata"] for cell in code)
    assert not [found for cell in kept for found in MACHINE.findall(source(cell))]
    names = [cell["id"] for cell in kept]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z-]+", name) for name in names)


def test_it_is_a_notebook_of_the_current_format() -> None:
    """As nbformat judges it, where that is installed."""
    if find_spec("nbformat") is None:
        pytest.skip("nbformat is not installed: the notebook's format was not judged")
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


def test_its_links_lead_somewhere() -> None:
    """Pages of the documentation that it names are there."""
    named = [link for cell in cells() for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", source(cell))]
    assert named
    assert [link for link in named if not (NOTEBOOK.parent / link).is_file()] == []
