"""Every table of the Python functions as a pandas user has it: dtypes by meaning, a plain or named index, units in names."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import carbon
from carbon.cli.main import app
from carbon.core.findings import Findings
from carbon.core.schema import columns
from carbon.readers.convert import Dialect
from carbon.readers.fleet import parse_fleet
from carbon.readers.nodes import parse_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MONTHS = ["2026-09", "2026-10"]
ROW_INDEX = {"nodes": "row", "fleet": "row", "scope2": "row", "curve": "place"}  # else 0, 1, 2 …
TIMES = {"start", "end", "recorded_at", "in_service", "retired", "valid_from", "acquired", "disposal"}
COUNTS = {"category", "devices", "k80", "row"}
UNITLESS = {"latitude", "longitude", "pue", "hhi", "hhi_normalised", "gini", "effective_number", "requests", "tokens", "count",
            "recoverable", "input_tokens", "output_tokens", "gsd2", "functional_units"}  # fmt: skip
UNIT = re.compile(r"(^|_)(kwh|kgco2e|kgco2|gco2e|share|kg)(_|$)|^(served_)?g_per_|_per_")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that `carbon demo` writes, its first month closed and reopened."""
    folder = tmp_path_factory.mktemp("frames") / "demo"
    assert CliRunner().invoke(app, ["demo", str(folder)]).exit_code == 0
    ledger = carbon.Ledger(str(folder / "ledger"))
    ledger.close("2026-09", recorded_at=datetime.now(UTC))
    ledger.reopen("2026-09", recorded_at=datetime.now(UTC), reason="a test")
    return folder


@pytest.fixture(scope="module")
def frames(folder: Path) -> Mapping[str, pd.DataFrame]:
    """What every public function gives, by a name for it."""
    ledger, nothing = carbon.Ledger(str(folder / "ledger")), carbon.Ledger(str(folder / "no-ledger"))
    workload = carbon.read_workload(folder / "workload" / "2026-10.csv")
    nodes, fleet = carbon.read_nodes(folder / "nodes.csv"), carbon.read_fleet(folder / "fleet.csv")
    grid = carbon.open_grid(nodes["zone"], "2026-10-01", "2026-11-01", folder=folder / "grid")
    live = ledger.live()
    return {
        "workload": workload,
        "batch": next(iter(carbon.read_workload(folder / "workload" / "2026-10.csv", chunks=True))),
        "nodes": nodes,
        "fleet": fleet,
        "device_energy": carbon.device_energy(workload, nodes).to_frame(),
        "node_energy": carbon.node_energy(workload, nodes).to_frame(),
        "scope2": carbon.scope2(workload, nodes, grid),
        "scope3": carbon.scope3(nodes, MONTHS, fleet=fleet),
        "entries": ledger.entries(),
        "live": live,
        "coded": ledger.live(coded=True),
        "restated": ledger.restated().live(periods=MONTHS),
        "postings": ledger.postings(),
        "closings": ledger.closings(),
        "closings before": ledger.closings(as_of=ledger.closings()["recorded_at"][0].to_pydatetime()),
        "findings": ledger.findings(),
        "no entries": nothing.entries(),
        "no postings": nothing.postings(),
        "no closings": nothing.closings(),
        "no findings": nothing.findings(),
        "report": carbon.report(ledger, MONTHS),
        "report by": carbon.report(ledger, "2026-10", by=["zone", "product", "node"]),
        "window": carbon.report(ledger, rolling="7d"),
        "intensities": carbon.intensities(live),
        "intensities by": carbon.intensities(live, by=["month", "product"]),
        "intensity": carbon.intensity(ledger, "2026-10", by="product", nodes=nodes),
        "concentration": carbon.concentration(ledger, "2026-10"),
        "curve": carbon.concentration_curve(ledger, "2026-10"),
        "drivers": carbon.drivers(ledger, *MONTHS, by="zone", nodes=nodes),
        "bridge": carbon.bridge(ledger, "2026-10", ledger.postings()["recorded_at"][0].isoformat()),
        "sci": carbon.sci(ledger, "2026-10"),
    }


def _dtype_fault(name: str, values: pd.Series) -> bool:
    """Whether a column is of another dtype than its meaning asks for."""
    dtype = values.dtype
    if name in TIMES:
        return dtype != "datetime64[us, UTC]"
    if name in COUNTS:
        return dtype not in ("Int64", "int64")
    text = isinstance(dtype, pd.StringDtype | pd.CategoricalDtype)
    number = isinstance(dtype, np.dtype) and dtype.kind in "if"
    return not (text or number or dtype == "boolean")


def test_no_column_is_of_objects_or_of_a_dtype_that_means_something_else(frames: Mapping[str, pd.DataFrame]) -> None:
    """UTC to the microsecond, text or categories, Int64 for counts that may be missing, boolean; also without a row."""
    wrong = {
        f"{key}.{name}": str(values.dtype)
        for key, frame in frames.items()
        for name, values in frame.items()
        if _dtype_fault(str(name), values)
    }
    assert wrong == {}


def test_tables_without_rows_have_the_dtypes_of_those_with_some(frames: Mapping[str, pd.DataFrame]) -> None:
    """So that what is joined to them is joined."""
    for name in ("entries", "closings", "findings"):
        pd.testing.assert_series_equal(frames[f"no {name}"].dtypes, frames[name].dtypes)
    assert len(frames["no closings"]) == 0 < len(frames["closings before"]) < len(frames["closings"])


def test_indexes_are_plain_or_named(frames: Mapping[str, pd.DataFrame]) -> None:
    """0, 1, 2 … where the row has no number of its own; else its name says what it counts."""
    for key, frame in frames.items():
        if key in ROW_INDEX:
            assert (frame.index.name, frame.index.dtype) == (ROW_INDEX[key], "int64"), key
        else:
            pd.testing.assert_index_equal(frame.index, pd.RangeIndex(len(frame)), exact=True, obj=key)
        assert frame.columns.is_unique


def test_figures_have_their_unit_in_their_name(frames: Mapping[str, pd.DataFrame]) -> None:
    """Shares too; only what has none, or what is counted, goes without."""
    bare = {
        name
        for frame in frames.values()
        for name, values in frame.items()
        if values.dtype == "float64" and name not in UNITLESS and not UNIT.search(str(name))
    }
    assert bare == set()


def test_the_report_is_typed_as_its_schema(frames: Mapping[str, pd.DataFrame]) -> None:
    """The same columns, and the same kinds."""
    kinds = {"text": "str", "number": "float64"}
    schema = columns("report")
    assert list(frames["report"]) == list(schema)
    told = frames["report"].dtypes.drop(["scope", "category"])
    assert {name: str(dtype) for name, dtype in told.items()} == {name: kinds[schema[name].type] for name in told.index}


def test_registers_answer_questions(frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Whole devices, and true or false: a mask as it stands, with what the file says."""
    nodes = frames["nodes"]
    assert (nodes["devices"].dtype, nodes["operated"].dtype) == ("Int64", "boolean")
    text = pd.read_csv(folder / "nodes.csv", dtype=str)
    assert nodes.loc[nodes["operated"], "node"].tolist() == text.loc[text["operated"] == "true", "node"].tolist()
    assert nodes["devices"].sum() == text["devices"].astype(int).sum()


def test_what_readers_give_people_is_reckoned_as_what_they_give_engines(frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """To the last bit, whether truth is a boolean, text or numpy's own, and counts are integers or not."""
    workload, nodes = frames["workload"].head(2000), frames["nodes"]
    grid = carbon.open_grid(nodes["zone"], "2026-10-01", "2026-11-01", folder=folder / "grid")
    plain = parse_nodes(folder / "nodes.csv", Dialect(), Findings(), "nodes.csv")
    assets = parse_fleet(folder / "fleet.csv", Dialect(), Findings(), "fleet.csv")
    assert [str(plain[name].dtype) for name in ("devices", "operated")] == ["float64", "str"]
    lines, hardware = carbon.scope2(workload, nodes, grid), carbon.scope3(nodes, MONTHS, fleet=frames["fleet"])
    for other in (plain, nodes.astype({"operated": "bool", "devices": "int64"})):
        pd.testing.assert_frame_equal(carbon.scope2(workload, other, grid), lines, check_exact=True)
        pd.testing.assert_frame_equal(carbon.scope3(other, MONTHS, fleet=assets), hardware, check_exact=True)
