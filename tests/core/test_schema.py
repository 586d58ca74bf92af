"""The schema of each table is well formed, and says what the outside was promised."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from carbon.core.schema import columns, tables

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {"time", "day", "text", "choice", "number", "count"}
HEADER = ["column", "type", "unit", "required", "low", "high", "choices", "default", "description"]
UNITLESS_WORDS = {"1", "UTC", "degree", ""}
PROMISED = {
    "workload": "start end node zone energy_kwh busy_fraction load input_tokens output_tokens requests product model "
                "mode activity bytes transfer storage_tb medium",
    "nodes": "node operator role hardware devices host zone market pue boundary operated in_service retired valid_from "
             "latitude longitude",
    "entries": "posting digest previous entry recorded_at period start end scope category phase basis node operator "
               "zone product model mode activity boundary energy_kwh requests tokens kgco2e biogenic_kgco2 gsd2 method "
               "tier factor_kind factor status source reverses adjusts cause reason",
    "intensity": "zone start direct_g_per_kwh lifecycle_g_per_kwh end status source published includes_losses basis "
                 "gas gwp_set",
    "instruments": "id kind market start end mwh intensity_g_per_kwh technology renewable node registry serial_from serial_to "
                   "retired_on beneficiary source",
    "report": "month scope category phase basis energy_kwh kgco2e kgco2e_low kgco2e_high provisional_share tier",
}  # fmt: skip
ACTIVITIES = {"inference", "verification", "retry", "settlement", "storage", "network", "training", "idle", "chain"}


@pytest.fixture(params=tables())
def table(request: pytest.FixtureRequest) -> str:
    """Each table in turn."""
    return str(request.param)


def test_the_file_is_a_plain_table(table: str, root: Path) -> None:
    """Header as agreed, every row as long as it, no name twice, every column described."""
    with (root / "carbon/core/schemas" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == HEADER
    assert all(len(row) == len(header) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    assert all(row[-1] and row[3] in {"yes", "no"} for row in rows)


def test_columns_make_sense(table: str) -> None:
    """Types are known, choices go with choices, bounds are ordered, defaults are allowed values, required have none."""
    for column in columns(table).values():
        assert column.type in TYPES, column
        assert bool(column.choices) == (column.type == "choice"), column
        assert column.low <= column.high, column
        assert not (column.required and column.default), column
        if column.default and column.choices:
            assert column.default in column.choices, column
        if column.default and column.type in {"number", "count"}:
            assert column.low <= float(column.default) <= column.high, column
        if column.type in {"time", "day"}:
            assert column.unit == "UTC", column


def test_a_unit_is_the_last_word_of_the_name(table: str) -> None:
    """A column with a unit of its own ends in it: energy_kwh, direct_g_per_kwh."""
    for column in columns(table).values():
        unit = column.unit.replace("/", "_per_").lower()
        named = column.name.endswith((unit, "kgco2e", "kgco2", "kgco2e_low", "kgco2e_high"))
        assert column.unit in UNITLESS_WORDS or named, column


@pytest.mark.parametrize("name", PROMISED)
def test_promised_columns_are_there(name: str) -> None:
    """Columns that the outside relies on are in the schema."""
    assert set(PROMISED[name].split()) <= set(columns(name))


def test_the_ledger_keeps_its_order() -> None:
    """The order of the ledger's columns is a promise too."""
    assert list(columns("entries")) == PROMISED["entries"].split()


def test_words_of_work_are_those_promised() -> None:
    """Modes, activities and loads, with their defaults."""
    work = columns("workload")
    assert set(work["mode"].choices) == {"vanilla", "tee", "zkml", "proxy"}
    assert set(work["activity"].choices) == ACTIVITIES
    assert set(work["load"].choices) == {"decode", "prefill", "train", "mixed"}
    assert (work["activity"].default, work["mode"].default) == ("inference", "vanilla")
    assert [name for name, column in work.items() if column.required] == ["start", "end", "node"]
