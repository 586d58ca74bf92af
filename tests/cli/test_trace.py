"""`carbon trace`: from an entry to its rows and back, and what it says when that does not hold any more."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from carbon.cli.trace import _leaf
from carbon.evidence import Step
from tests.cli.project import JULY, WORKLOAD

if TYPE_CHECKING:
    from tests.cli.project import Project


def steps_of(project: Project, entry: str, code: int = 0) -> pd.DataFrame:
    """Steps of a trace, as its CSV has them."""
    result = project.run("trace", entry, "--format", "csv")
    assert result.code == code, result.text
    return pd.read_csv(io.StringIO(result.out), keep_default_na=False)


def value(steps: pd.DataFrame, step: str, name: str) -> str:
    """Value of the first step of that name."""
    return str(steps.loc[(steps["step"] == step) & (steps["name"] == name), "value"].iloc[0])


def entry_of(project: Project, **wanted: object) -> pd.Series:
    """The first entry with such columns."""
    entries = project.entries()
    for name, word in wanted.items():
        entries = entries[entries[name] == word]
    return entries.iloc[0]


@pytest.mark.parametrize("phase", ["use", "upstream", "losses"])
def test_rows_and_hours_of_the_trace_give_the_figure_by_hand(accounted: Project, phase: str) -> None:
    entry = entry_of(accounted, node="a", phase=phase, basis="location" if phase == "use" else "either")
    steps = steps_of(accounted, entry["entry"])
    file = pd.read_csv(accounted.folder / WORKLOAD, parse_dates=["start"])
    rows = file[(file["node"] == "a") & (file["start"] >= entry["start"]) & (file["start"] < entry["end"])]
    numbers = [row + 2 for row in rows.index[:20]]
    assert [f"row {WORKLOAD}:{number}" for number in numbers] == [
        name for name in steps.loc[steps["step"] == "activity", "name"] if name.startswith("row ")
    ]
    hours = steps[steps["name"].str.contains("T..:00:00Z")]
    assert len(hours) == len(rows) == 24
    kilograms = sum(kwh * 1.25 * float(g) for kwh, g in zip(rows["energy_kwh"], hours["value"], strict=True)) / 1000
    assert kilograms == pytest.approx(entry["kgco2e"], rel=1e-12)
    assert float(value(steps, "formula", "sum over the rows")) == pytest.approx(kilograms, rel=1e-12)
    energy, mean = (float(value(steps, "formula", name)) for name in ("energy_kwh", {
        "use": "g_per_kwh"}.get(phase, f"{phase}_g_per_kwh")))  # fmt: skip
    assert energy == pytest.approx(rows["energy_kwh"].sum() * 1.25, rel=1e-12)
    assert energy * mean / 1000 == pytest.approx(entry["kgco2e"], rel=1e-12)
    assert value(steps, "result", "verdict") == "reproduces"


def test_hardware_is_the_basis_of_its_lots_times_a_share(accounted: Project) -> None:
    hardware = accounted.entries().query("phase in ['manufacturing', 'transport', 'disposal']")
    for entry in hardware.drop_duplicates("phase").itertuples():
        steps = steps_of(accounted, entry.entry)
        basis, share = (float(value(steps, "formula", name)) for name in ("basis_kgco2e", "share"))
        assert 0 < share <= 1
        assert basis * share == pytest.approx(entry.kgco2e, rel=1e-12)


def test_short_ids_json_and_a_tree_of_eighty_columns(accounted: Project) -> None:
    short, whole = (accounted.run("trace", id_, "--format", "json").out for id_ in ("1-1", "000001-000001"))
    assert short == whole
    assert {tuple(step) for step in json.loads(short)} == {("step", "name", "value", "unit", "source")}
    tree = accounted.run("trace", "1-1", env={"COLUMNS": "80"})
    assert tree.code == 0
    assert max(map(len, tree.out.splitlines())) <= 80
    kilograms = float(accounted.entries()["kgco2e"].iloc[0])
    assert f"kgco2e: {kilograms!r} kg (reckoned again)" in tree.out
    assert "verdict: reproduces" in tree.out


def test_the_tree_shows_what_is_summed_to_twelve_digits_and_operands_unrounded() -> None:
    shown = {step: _leaf(Step(step, "row", 0.1 + 0.2, "kWh", "")).plain for step in ("activity", "factor", "formula", "result")}
    assert shown["activity"] == shown["factor"] == "row: 0.3 kWh"
    assert shown["formula"] == shown["result"] == "row: 0.30000000000000004 kWh"


@pytest.mark.parametrize(("entry", "code", "words"), [
    ("9-1", 3, "has no entry 000009-000001"), ("1-99999", 3, "has no entry 000001-099999"), ("1", 2, "is no entry"),
    ("one-two", 2, "is no entry"), ("1-0", 2, "is no entry"),
])  # fmt: skip
def test_unknown_entries_and_what_is_none(accounted: Project, entry: str, code: int, words: str) -> None:
    result = accounted.run("trace", entry)
    assert (result.code, result.out) == (code, "")
    assert words in result.err


def test_nothing_is_posted_yet(project: Project) -> None:
    result = project.run("trace", "1-1")
    assert result.code == 3
    assert "it has none yet" in result.err


def test_a_row_that_changed_is_said_and_does_not_reproduce(accounted: Project) -> None:
    entry = entry_of(accounted, node="b", basis="location")
    rows = accounted.rows(WORKLOAD)
    at = next(place for place, row in enumerate(rows) if row[2] == "b")
    rows[at][3] = "0.25"
    accounted.put_rows(WORKLOAD, rows)
    result = accounted.run("trace", entry["entry"])
    assert result.code == 4
    assert f"{WORKLOAD} has changed since: its digest is " in result.err
    assert f"kgco2e was posted as {float(entry['kgco2e'])!r} and is " in result.err


def test_a_file_that_changed_elsewhere_is_said_and_the_entry_still_reproduces(accounted: Project) -> None:
    entry = entry_of(accounted, node="a", basis="location")
    rows = [row for row in accounted.rows(WORKLOAD) if row[2] != "c"]
    accounted.put_rows(WORKLOAD, rows)
    steps = steps_of(accounted, entry["entry"])
    assert steps.loc[steps["name"] == f"file {WORKLOAD}", "source"].iloc[0].startswith("has changed since")
    assert value(steps, "result", "verdict") == "reproduces"


def test_a_file_that_is_gone(accounted: Project) -> None:
    entry = entry_of(accounted, period="2024-07", node="a", basis="location")
    (accounted.folder / JULY).unlink()
    result = accounted.run("trace", entry["entry"])
    assert result.code == 4
    assert f"{JULY} is gone since" in result.err


def test_another_factor_is_said(accounted: Project) -> None:
    entry = entry_of(accounted, node="a", basis="location")
    series = "zone,start,direct_g_per_kwh,status,source\n" + "".join(
        f"US-CAL-CISO,2024-06-{day}T{hour:02}:00:00Z,{100 + hour},final,own meter\n" for day in (29, 30) for hour in range(24)
    )
    assert accounted.run("grid", "import", str(accounted.write("series.csv", series))).code == 0
    result = accounted.run("trace", entry["entry"])
    assert result.code == 4
    assert "the inputs have changed since: " in result.err
    assert f"factor was {entry['factor']} and is US-CAL-CISO/measured/own meter@" in result.err
    assert accounted.run("account").code == 0
    new = entry_by_the_series(accounted)
    steps = steps_of(accounted, new)
    assert value(steps, "factor", "retrieved").startswith("20")
    assert value(steps, "factor", "source") == "own meter"


def entry_by_the_series(project: Project) -> str:
    """An entry by the imported series."""
    entries = project.entries()
    return str(entries.loc[entries["factor"].str.contains("own meter") & entries["reverses"].isna(), "entry"].iloc[0])


def tamper(project: Project, entry: str) -> None:
    """Change the kgco2e of an entry in the data, as no posting would."""
    for file in (project.folder / "ledger").rglob("*.parquet"):
        with pq.ParquetFile(file) as parquet:
            table = parquet.read()
        mine = pc.equal(table["entry"], entry)
        amounts = pc.if_else(mine, pc.multiply(table["kgco2e"], 1 + 1e-8), table["kgco2e"])
        pq.write_table(table.set_column(table.column_names.index("kgco2e"), "kgco2e", pa.chunked_array(amounts)), file)


@pytest.mark.parametrize("phase", ["use", "manufacturing"])
def test_a_tampered_figure_does_not_reproduce(accounted: Project, phase: str) -> None:
    entry = entry_of(accounted, node="a", phase=phase)
    other = entry_of(accounted, node="b", phase=phase)
    tamper(accounted, entry["entry"])
    result = accounted.run("trace", entry["entry"], "--format", "csv")
    assert result.code == 4
    assert f"entry {entry['entry']} does not reproduce: kgco2e was posted as " in result.err
    assert "does not reproduce" in result.out
    assert accounted.run("trace", other["entry"]).code == 0


def test_a_reversal_names_what_it_takes_back_and_why(accounted: Project) -> None:
    old = entry_of(accounted, node="b", basis="location")
    accounted.put_rows(WORKLOAD, [[*row[:3], "0.25", *row[4:]] if row[2] == "b" else row for row in accounted.rows(WORKLOAD)])
    assert accounted.run("account", "--reason", "meter read twice").code == 0
    reversal = entry_of(accounted, reverses=old["entry"])
    steps = steps_of(accounted, reversal["entry"])
    assert value(steps, "reverses", "entry") == old["entry"]
    assert value(steps, "reverses", "cause") == "late_data"
    assert value(steps, "reverses", "reason") == "meter read twice"
    assert np.float64(value(steps, "reverses", "kgco2e")) == -np.float64(value(steps, "result", "kgco2e"))
    taken = steps_of(accounted, old["entry"], code=4)
    assert value(taken, "entry", "taken back by") == reversal["entry"]
    tamper(accounted, reversal["entry"])
    result = accounted.run("trace", reversal["entry"])
    assert result.code == 4
    assert f"kgco2e is not the negative of that of {old['entry']}" in result.err


def test_a_tree_is_no_file(accounted: Project) -> None:
    result = accounted.run("trace", "1-1", "-o", "tree.txt")
    assert result.code == 2
    assert "--format csv or json" in result.err
