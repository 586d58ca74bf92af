"""The export commands: formats, files, periods, settings, and what a user can get wrong."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pandas as pd
import pytest

from carbon.ledger.store import Ledger
from carbon.report.monthly import statement
from tests.cli.project import MONTHS, Project

if TYPE_CHECKING:
    from tests.cli.project import Result

NAME = "=Réseau 電力"
KINDS = ("esrs", "mica", "pact")


def table(result: Result) -> pd.DataFrame:
    """A CSV that came out."""
    assert result.code == 0, result.text
    return pd.read_csv(io.StringIO(result.out))


@pytest.fixture(scope="module")
def served_once(accounted_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with requests, a product whose name looks like a formula, and a validator; only to be copied."""
    project = Project(tmp_path_factory.mktemp("served") / "network")
    shutil.copytree(accounted_once, project.folder)
    for month in MONTHS:
        name = f"workload/{month}.csv"
        rows = [[*row, "requests"] if at == 0 else [*row, "10"] for at, row in enumerate(project.rows(name))]
        rows = [row if row[2] != "b" else [*row[:4], "", "chain", ""] for row in rows]
        project.put_rows(name, [[cell.replace("chat", "=chat 電力") for cell in row] for row in rows])
    project.settings(f'[entity]\nname = "{NAME}"\n[uncertainty]\ndraws = 200\n')
    result = project.run("account", "--rename")
    assert result.code == 0, result.text
    return project.folder


@pytest.fixture
def served(served_once: Path, tmp_path: Path) -> Project:
    """The same, to work with."""
    shutil.copytree(served_once, tmp_path / "served")
    return Project(tmp_path / "served")


def test_esrs_totals_are_those_of_the_ledger(accounted: Project) -> None:
    found = table(accounted.run("export", "esrs")).set_index("key")["value"]
    for energy in ("location", "market"):
        whole = math.fsum(statement(accounted.live(), energy, "incurred")["kgco2e"])
        assert found[f"total-{energy}"] == whole / 1000
    rows = accounted.report("2024", "--hardware", "incurred")
    assert found["total-location"] == pytest.approx(rows["kgco2e"].sum() / 1000, rel=1e-12)
    assert found["country-US"] == pytest.approx(found["total-location"])


def test_the_period_is_all_months_of_the_last_year_or_what_is_asked(accounted: Project) -> None:
    assert set(table(accounted.run("export", "esrs"))["period"]) == {"2024-06 to 2024-07"}
    assert set(table(accounted.run("export", "esrs", "2024-07"))["period"]) == {"2024-07"}
    assert set(table(accounted.run("export", "esrs", "2024-Q2"))["period"]) == {"2024-06"}


@pytest.mark.parametrize("kind", KINDS)
def test_months_without_data_are_not_found(served: Project, kind: str) -> None:
    result = served.run("export", kind, "2023")
    assert (result.code, result.out) == (3, "")
    assert "it has 2024-06 to 2024-07" in result.err
    assert served.run("export", kind, "2024-13").code == 2
    assert served.run("export", kind, "--as-of", "2020-01-01").code == 3


def test_an_empty_ledger_is_not_found(project: Project) -> None:
    result = project.run("export", "esrs")
    assert (result.code, "run `carbon account` first" in result.err) == (3, True)


def test_revenue_of_option_and_settings(accounted: Project) -> None:
    keys = ["revenue", "intensity-location", "intensity-market"]
    assert table(accounted.run("export", "esrs")).set_index("key")["value"][keys].isna().all()
    assert table(accounted.run("export", "esrs", "--revenue", "0")).set_index("key")["value"][keys].isna().all()
    accounted.settings('[report]\nrevenue = 5000\ncurrency = "CHF"\n')
    found = table(accounted.run("export", "esrs")).set_index("key")
    assert found["value"]["intensity-location"] == found["value"]["total-location"] / 5000
    assert found["unit"]["revenue"] == "CHF"
    found = table(accounted.run("export", "esrs", "--revenue", "100", "--currency", "EUR")).set_index("key")
    assert (found["value"]["revenue"], found["unit"]["revenue"]) == (100, "EUR")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["esrs", "--revenue", "-1"], "--revenue -1 must be 1 to 1e+15, in EUR, or 0"),
        (["esrs", "--revenue", "1e300"], "--revenue 1e+300 must be 1 to 1e+15"),
        (["esrs", "--revenue", "1e-300"], "--revenue 1e-300 must be 1 to 1e+15"),
        (["esrs", "--revenue", "nan"], "must be 1 to 1e+15"),
        (["esrs", "--currency", "euro"], "no ISO 4217 code"),
        (["esrs", "--format", "xlsx"], "name one with -o"),
        (["mica", "--transactions", "-3"], "must be a whole number, 0 or more"),
        (["mica", "--transactions", "1.5"], "--transactions 1.5 must be a whole number"),
        (["mica", "--transactions", "1e300"], "at most 1e+18"),
        (["mica", "--transactions", "inf"], "must be a whole number"),
        (["mica", "--consensus", "inference"], "may name chain"),
        (["pact", "--by", "zone"], "cannot make footprints by 'zone'"),
        (["pact", "--company-id", "123"], "is no URN"),
    ],
)
def test_wrong_usage_is_one_line(served: Project, words: list[str], said: str) -> None:
    result = served.run("export", *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_base_year_and_year_before(accounted: Project) -> None:
    assert accounted.run("export", "esrs", "--base-year", "2022").code == 3
    found = table(accounted.run("export", "esrs", "2024-07", "--base-year", "2024")).set_index("key")
    whole = table(accounted.run("export", "esrs", "2024")).set_index("key")
    assert found["base_year"]["total-market"] == whole["value"]["total-market"]
    assert found["comparative"].isna().all()
    for name in ("workload/2024-06.csv", "workload/2024-07.csv"):
        early = [[cell.replace("2024-", "2023-") for cell in row] for row in accounted.rows(name)]
        accounted.put_rows(name.replace("2024", "2023"), early)
    for row in (2, 3, 4):
        accounted.change("nodes.csv", row, in_service="2023-06-29")
    assert accounted.run("account", "--remove").code == 0
    found = table(accounted.run("export", "esrs", "2024-07")).set_index("key")
    before = table(accounted.run("export", "esrs", "2023-07")).set_index("key")
    assert found["comparative"]["scope2-location"] == before["value"]["scope2-location"]
    assert "comparative is 2023-07" in found["note"]["total-location"]


def test_a_closed_month_that_is_adjusted_is_compared_as_restated(accounted: Project) -> None:
    """What is booked in the month after counts in the month that it is about, where that stands beside another."""
    assert accounted.run("close", "2024-06").code == 0
    booked = table(accounted.run("export", "esrs", "2024-06")).set_index("key")["value"]
    for name in ("workload/2024-06.csv", "workload/2024-07.csv"):
        late = [[cell.replace("2024-", "2025-") for cell in row] for row in accounted.rows(name)]
        accounted.put_rows(name.replace("2024", "2025"), late)
    for row in (2, 3, 4):
        accounted.change("nodes.csv", row, retired="")
    accounted.change("workload/2024-06.csv", 2, energy_kwh="9.5")
    assert accounted.run("account", "--remove").code == 0
    assert table(accounted.run("export", "esrs", "2024-06")).set_index("key")["value"].equals(booked)
    found = table(accounted.run("export", "esrs", "2025-06", "--base-year", "2024")).set_index("key")
    entries = Ledger(accounted.folder / "ledger").entries().query("basis == 'location' and scope == 2")
    june = entries[entries["adjusts"].fillna(entries["period"]) == "2024-06"]
    assert math.fsum(june["kgco2e"]) / 1000 > 1.005 * booked["scope2-location"]
    assert found["comparative"]["scope2-location"] == math.fsum(june["kgco2e"]) / 1000
    year = entries[entries["period"].str.startswith("2024")]
    assert found["base_year"]["scope2-location"] == math.fsum(year["kgco2e"]) / 1000


def test_mica_keeps_validators_apart_from_inference(served: Project) -> None:
    found = table(served.run("export", "mica", "--transactions", "1000")).set_index("field")
    energy = served.located().query("activity == 'chain' and phase == 'use'")["energy_kwh"]
    assert float(found["value"]["S.8"]) == math.fsum(energy)
    assert found["reported"]["S.8"] == f"{math.fsum(energy):.5f}"
    assert (found["reported"]["S.6"], found["reported"]["S.7"]) == ("2024-06-01", "2024-07-31")
    whole = statement(served.live())["energy_kwh"].sum()
    assert float(found["value"]["S.8"]) + float(found["value"]["S.8x"]) == pytest.approx(whole)


def test_mica_knows_what_is_renewable_from_the_instruments(served: Project) -> None:
    header = "id,kind,market,start,end,mwh,intensity_g_per_kwh,renewable,retired_on,beneficiary\n"
    served.write("instruments.csv", f'{header}GO-1,certificate,US,2024-01-01,2025-01-01,900,0,yes,2024-08-01,"{NAME}"\n')
    assert served.run("account").code == 0
    found = table(served.run("export", "mica")).set_index("field")
    assert float(found["value"]["S.10"]) == pytest.approx(1.0)


def test_pact_is_json_as_the_network_takes_it(served: Project) -> None:
    result = served.run("export", "pact")
    assert result.code == 0, result.text
    (one, *_) = json.loads(result.out)["data"]
    assert one["companyName"] == NAME
    assert one["productNameCompany"] == "=chat 電力, per request"
    assert one["pcf"]["geographyCountry"] == "US"
    assert served.run("export", "pact").out == result.out
    assert "=chat 電力 per 1,000 tokens: its work does not state the unit" in result.err


def test_pact_without_requests_is_not_found(accounted: Project) -> None:
    result = accounted.run("export", "pact")
    assert (result.code, result.out) == (3, "")
    assert "add them to the workload" in result.err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["csv", "json", "xlsx"])
def test_a_file_is_written_once(served: Project, tmp_path: Path, kind: str, form: str) -> None:
    target = tmp_path / f"電力.{form}"
    words = ["export", kind, "--format", form, "-o", str(target)]
    assert served.run(*words).code == 0
    written = target.read_bytes()
    again = served.run(*words)
    assert (again.code, again.out) == (2, "")
    assert "exists; name a new file" in again.err
    assert target.read_bytes() == written
    absent = served.run("export", kind, "--format", form, "-o", str(tmp_path / "no" / "x"))
    assert (absent.code, absent.out) == (3, "")
    other = tmp_path / f"again.{form}"
    assert served.run("export", kind, "--format", form, "-o", str(other)).code == 0
    assert other.read_bytes() == written


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc, a folder that nobody can write to")
@pytest.mark.parametrize("form", ["json", "xlsx"])
def test_a_file_that_cannot_be_written_is_one_line(served: Project, form: str) -> None:
    result = served.run("export", "pact", "--format", form, "-o", f"/proc/self/export.{form}")
    assert (result.code, result.out) == (1, "")
    assert "error: /proc/self/export" in result.err


@pytest.mark.parametrize("kind", KINDS)
def test_csv_json_and_xlsx_say_the_same(served: Project, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out.xlsx"
    assert served.run("export", kind, "--format", "xlsx", "-o", str(target)).code == 0
    header, *cells = openpyxl.load_workbook(target).worksheets[0].iter_rows()
    rows = list(csv.reader(io.StringIO(served.run("export", kind, "--format", "csv").out, newline="")))
    assert [cell.value for cell in header] == rows[0]
    assert len(cells) == len(rows) - 1
    for row, texts in zip(cells, rows[1:], strict=True):
        assert "f" not in {cell.data_type for cell in row}
        for cell, text in zip(row, texts, strict=True):
            assert same(cell.value, text), (cell.value, text)
    data = json.loads(served.run("export", kind, "--format", "json").out)
    if kind == "pact":
        assert [one["id"] for one in data["data"]] == [row[0] for row in rows[1:]]
        return
    for record, texts in zip(data, rows[1:], strict=True):
        assert list(record) == rows[0]
        assert all(same(value, text) for value, text in zip(record.values(), texts, strict=True))


def same(value: object, text: str) -> bool:
    """Whether a cell of a workbook is what the CSV says."""
    if isinstance(value, datetime | date):
        return text.replace("Z", "").replace("T", " ").startswith(str(value)[:10])
    if isinstance(value, float | int):
        return float(text) == pytest.approx(value, rel=1e-14)
    return ("" if value is None else str(value)) == text.removeprefix("'")


def test_numbers_and_dates_of_a_workbook_are_such(served: Project, tmp_path: Path) -> None:
    target = tmp_path / "mica.xlsx"
    assert served.run("export", "mica", "--format", "xlsx", "-o", str(target)).code == 0
    sheet = openpyxl.load_workbook(target)["MiCA"]
    by_field = {row[0].value: row for row in sheet.iter_rows(min_row=2)}
    assert by_field["S.8"][5].data_type == "n"
    assert (by_field["S.6"][6].is_date, by_field["S.6"][6].value) == (True, datetime(2024, 6, 1))
    assert (by_field["S.1"][6].value, by_field["S.1"][6].data_type) == (NAME, "s")
    assert sheet.freeze_panes == "A2"


def test_csv_disarms_what_looks_like_a_formula(served: Project) -> None:
    assert f"'{NAME}" in served.run("export", "mica", "--format", "csv").out
    assert "'=chat" in served.run("export", "pact", "--format", "csv").out


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_for_people(served: Project, kind: str) -> None:
    assert served.run("export", kind, "--format", "table").code == 0


@pytest.mark.parametrize("words", [("report", "--format", "csv"), ("export", "sci")], ids=" ".join)
def test_a_file_without_a_name_is_wrong_usage(served: Project, words: tuple[str, ...]) -> None:
    result = served.run(*words, "-o", "")
    assert (result.code, result.out) == (2, ""), result.text
    assert "names no file" in result.err


@pytest.mark.parametrize("words", [("drivers", "2024-06", "2024-07"), ("export", "esrs")], ids=" ".join)
def test_a_time_before_the_first_posting_names_it(served: Project, words: tuple[str, ...]) -> None:
    result = served.run(*words, "--as-of", "2020-01-01")
    assert (result.code, result.out) == (3, ""), result.text
    assert "nothing was posted by --as-of 2020-01-01" in result.err
