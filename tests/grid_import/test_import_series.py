"""What an import keeps of a file of intensity, and what it refuses or warns of."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from carbon.core.findings import Findings
from carbon.core.time import HOUR_US, parse_instant
from carbon.grid import store
from carbon.grid.imports import ImportResult, import_series, read_series
from carbon.readers.convert import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., tuple[pd.DataFrame, Findings]]

NOW_US = 1_800_000_000_000_000
HEADER = "zone,start,direct_g_per_kwh,lifecycle_g_per_kwh"
DAY = [f"GB,2026-01-01T{hour:02d}:00Z,{100 + hour},{150 + hour}" for hour in range(24)]


def text(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows, ""])


def kinds(findings: Findings) -> list[tuple[str, str, int | None, str]]:
    return [(one.severity, one.code, one.row, one.column) for one in findings]


def test_plain_file_becomes_the_columns_of_the_store(read: Read, tmp_path: Path) -> None:
    series, findings = read(text(*DAY))
    assert len(findings) == 0
    assert list(series.columns) == list(store.COLUMNS)
    midnight = parse_instant("2026-01-01")
    assert series["start_us"].tolist() == [midnight + hour * HOUR_US for hour in range(24)]
    assert (series["end_us"] - series["start_us"]).eq(HOUR_US).all()
    assert series["lifecycle_g_per_kwh"].tolist() == [150.0 + hour for hour in range(24)]
    assert list(series.index) == list(range(2, 26))
    first = series.iloc[0].drop(["start_us", "end_us", "direct_g_per_kwh", "lifecycle_g_per_kwh"]).to_dict()
    assert pd.isna(first.pop("published_us"))
    assert pd.isna(first.pop("gwp_set"))
    assert first == {
        "zone": "GB", "status": "preliminary", "source": "publisher", "retrieved_us": NOW_US, "includes_losses": False,
        "basis": "production", "gas": "CO2e", "file": "publisher.csv",
        "digest": hashlib.sha256((tmp_path / "publisher.csv").read_bytes()).hexdigest(),
    }  # fmt: skip


def test_labels_are_kept_as_published(read: Read) -> None:
    header = "zone,start,end,direct_g_per_kwh,status,source,published,includes_losses,basis,gas,gwp_set"
    row = "GB,2026-01-01T00:00Z,2026-01-02T00:00Z,0,final,operator,2026-02-01T09:30+01:00,true,consumption,CO2,AR6"
    series, findings = read(text(row, header=header))
    assert len(findings) == 0
    found = series.iloc[0]
    assert (found["direct_g_per_kwh"], np.isnan(found["lifecycle_g_per_kwh"])) == (0.0, True)
    assert found["end_us"] - found["start_us"] == 24 * HOUR_US
    assert found["published_us"] == parse_instant("2026-02-01T08:30Z")
    labels = ["status", "source", "includes_losses", "basis", "gas", "gwp_set"]
    assert found[labels].tolist() == ["final", "operator", True, "consumption", "CO2", "AR6"]


def test_zones_and_sources_are_series_of_their_own(read: Read) -> None:
    rows = [
        f"{zone},2026-01-01T{hour:02d}:{minute:02d}Z,{source},5"
        for zone, source, step in (("GB", "a", 30), ("GB", "b", 60), ("FR", "a", 15))
        for hour in range(6)
        for minute in range(0, 60, step)
    ]
    series, findings = read(text(*rows[::-1], header="zone,start,source,direct_g_per_kwh"))
    assert len(findings) == 0
    steps = (series["end_us"] - series["start_us"]).groupby([series["zone"], series["source"]]).unique()
    assert {name: list(step) for name, step in steps.items()} == {
        ("FR", "a"): [HOUR_US // 4], ("GB", "a"): [HOUR_US // 2], ("GB", "b"): [HOUR_US],
    }  # fmt: skip
    keys = list(zip(series["zone"], series["source"], series["start_us"], strict=True))
    assert keys == sorted(keys)


def test_given_ends_stand_beside_found_ones(read: Read) -> None:
    rows = ["GB,2026-01-01T00:00Z,,1", "GB,2026-01-01T01:00Z,,1", "GB,2026-01-01T02:00Z,2026-01-01T02:30Z,1"]
    rows += ["GB,2026-01-01T03:00Z,,1"]
    series, findings = read(text(*rows, header="zone,start,end,direct_g_per_kwh"))
    assert kinds(findings) == [("warning", "gaps", 5, "start")]
    minutes = (series["end_us"] - series["start_us"]) // (HOUR_US // 60)
    assert minutes.tolist() == [60, 60, 30, 60]


BAD = "zone,start,end,direct_g_per_kwh"
FAULTS = {
    "unknown zone": (text(*DAY).replace("GB", "UK"), "unknown-zone", 2, "zone"),
    "negative": (text(*DAY).replace(",105,", ",-105,"), "too-low", 7, "direct_g_per_kwh"),
    "text": (text(*DAY).replace(",105,", ",low,"), "not-a-number", 7, "direct_g_per_kwh"),
    "infinite": (text(*DAY).replace(",105,", ",inf,"), "not-finite", 7, "direct_g_per_kwh"),
    "no figure": (text(*DAY).replace(",105,155", ",,"), "no-figure", 7, "direct_g_per_kwh"),
    "naive time": (text(*DAY).replace("05:00Z", "05:00"), "naive-time", 7, "start"),
    "future": (text(*DAY, "GB,2036-01-01T00:00Z,1,2"), "future-time", 26, "start"),
    "no zone": (text(*DAY, ",2026-01-02T00:00Z,1,2"), "missing-value", 26, "zone"),
    "unknown word": (text(*(f"{row},final" for row in DAY[:3]), f"{DAY[3]},fine", header=f"{HEADER},status"), "unknown-word",
                     5, "status"),
    "twice": (text(*DAY, DAY[5]), "duplicate-row", 26, "start"),
    "twice and different": (text(*DAY, "GB,2026-01-01T05:00Z,999,1999"), "duplicate-row", 26, "start"),
    "twice, other offset": (text(*DAY, "GB,2026-01-01T06:00+01:00,105,155"), "duplicate-row", 26, "start"),
    "overlap": (
        text("GB,2026-01-01T00:00Z,2026-01-01T02:00Z,1", "GB,2026-01-01T01:00Z,2026-01-01T02:00Z,1", header=BAD),
        "overlap", 3, "start",
    ),
    "inside a longer one": (
        text(
            "GB,2026-01-01T00:00Z,2026-01-01T04:00Z,1", "GB,2026-01-01T02:00Z,2026-01-01T03:00Z,1",
            "GB,2026-01-01T03:00Z,2026-01-01T05:00Z,1", header=BAD,
        ), "overlap", 3, "start",
    ),
    "end at start": (text("GB,2026-01-01T00:00Z,2026-01-01T00:00Z,1", header=BAD), "end-before-start", 2, "end"),
    "off the grid": (text("GB,2026-01-01T00:01Z,2026-01-01T00:31Z,1", header=BAD), "off-step", 2, "start"),
    "odd step": (text("GB,2026-01-01T00:00Z,2026-01-01T00:40Z,1", header=BAD), "off-step", 2, "start"),
    "hour and a half": (text("GB,2026-01-01T00:00Z,2026-01-01T01:30Z,1", header=BAD), "off-step", 2, "start"),
    "one row": (text(DAY[0]), "no-end", 2, "end"),
    "no rows": (text(), "empty-file", None, ""),
    "no figures": (text("GB,2026-01-01T00:00Z", "GB,2026-01-01T01:00Z", header="zone,start"), "no-figures", 1, ""),
    "both kinds": (text(*[f"{row},5" for row in DAY], header=f"{HEADER},coal"), "two-kinds", 1, ""),
    "marginal column": (text(*[f"{row},5" for row in DAY], header=f"{HEADER},marginal_g_per_kwh"), "marginal", None,
                        "marginal_g_per_kwh"),
    "moer column": (text(*[f"{row},5" for row in DAY], header=f"{HEADER},co2_MOER"), "marginal", None, "co2_MOER"),
    "marginal source": (text(*[f"{row},WattTime moer" for row in DAY], header=f"{HEADER},source"), "marginal", None, "source"),
    "semicolons": (text(*DAY).replace(",", ";"), "semicolons", 1, ""),
    "no start": (text("GB,1", header="zone,direct_g_per_kwh"), "missing-column", 1, "start"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_refuse_the_import(read: Read, tmp_path: Path, name: str) -> None:
    content, code, row, column = FAULTS[name]
    _, findings = read(content)
    found = [(one.code, one.row, one.column) for one in findings.errors]
    assert found[0] == (code, row, column)
    assert {one[0] for one in found} == {code}
    result = import_series(tmp_path / "publisher.csv", tmp_path / "grid", retrieved_us=NOW_US, dialect=Dialect(now_us=NOW_US))
    assert (result.path, result.new) == (None, False)
    assert result.findings.errors == findings.errors
    assert not (tmp_path / "grid").exists()


def test_every_interval_inside_a_longer_one_overlaps(read: Read) -> None:
    content, *_ = FAULTS["inside a longer one"]
    assert [one.row for one in read(content)[1].errors] == [3, 4]


@pytest.mark.parametrize("source", ["moerdijk", "Moers"])
def test_places_are_not_marginal(read: Read, source: str) -> None:
    _, findings = read(text(*[f"{row},{source}" for row in DAY], header=f"{HEADER},source"))
    assert len(findings) == 0


def test_file_named_after_a_marginal_signal_is_refused(read: Read) -> None:
    _, findings = read(text(*DAY), "CAISO_co2_moer_2026.csv")
    assert [one.code for one in findings] == ["marginal"]


def test_near_names_of_a_zone(read: Read) -> None:
    _, findings = read(text(*DAY).replace("GB", "US-CAL-CIS"))
    assert "US-CAL-CISO" in findings.errors[0].mend
    assert "(24 rows)" in findings.errors[0].problem


def test_zones_of_the_analyst_are_known(read: Read, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    header = "zone,name,country,market,parent,level,time_zone,entsoe_eic,eia_respondent,watttime_region,neso_region_id,source"
    (tmp_path / "own" / "zones.csv").write_text(f"{header}\nMOON,Moon,XX,,,country,UTC,,,,,us\n", encoding="utf-8")
    _, findings = read(text(*DAY).replace("GB", "MOON"), own=str(tmp_path / "own"))
    assert len(findings) == 0


def test_gaps_are_told_once_and_stay_open(read: Read) -> None:
    series, findings = read(text(*DAY[:5], *DAY[7:12], *DAY[13:]))
    assert kinds(findings) == [("warning", "gaps", 7, "start")]
    problem = next(iter(findings)).problem
    first = "from 2026-01-01T05:00:00Z to 2026-01-01T07:00:00Z"
    assert problem == f"GB (source publisher) has 2 gaps, 3 hours in all, the first {first}"
    assert (series["end_us"] - series["start_us"]).eq(HOUR_US).all()


def test_change_of_step_is_told(read: Read) -> None:
    rows = [*DAY[:4], *(f"GB,2026-01-01T{at // 2:02d}:{at % 2 * 30:02d}Z,1,2" for at in range(8, 16))]
    series, findings = read(text(*rows))
    assert kinds(findings) == [("warning", "step-change", 6, "start")]
    assert "changes its step 1 times, first from 60 to 30 minutes" in next(iter(findings)).problem
    assert series["end_us"].iloc[:-1].tolist() == series["start_us"].iloc[1:].tolist()


def test_too_much_intensity_is_told_once_a_zone(read: Read) -> None:
    _, findings = read(text(*DAY).replace(",105,", ",2000,").replace(",155", ",2000").replace(",106,156", ",1,2000.5"))
    assert kinds(findings) == [("warning", "too-intense", 8, "zone")]


def test_direct_above_lifecycle_is_told_beyond_rounding(read: Read) -> None:
    _, findings = read(text(*DAY).replace(",105,155", ",156,155").replace(",106,156", ",157.5,156"))
    assert kinds(findings) == [("warning", "direct-above-lifecycle", 8, "zone")]
    assert "(1 rows)" in next(iter(findings)).problem


def test_one_figure_given_as_both_is_told(read: Read) -> None:
    copied = [f"GB,2026-01-01T{hour:02d}:00Z,{100 + hour},{100 + hour}" for hour in range(24)]
    _, findings = read(text(*copied))
    assert kinds(findings) == [("warning", "direct-is-lifecycle", 2, "zone")]
    clean = [row.replace(row[row.index("Z,") + 2 :], "0,0") for row in DAY]
    for rows in ([*copied[:-1], DAY[-1]], copied[:23], clean):
        assert len(read(text(*rows))[1]) == 0


def test_local_clock_is_told(read: Read) -> None:
    start = datetime(2025, 1, 1, tzinfo=ZoneInfo("UTC"))
    berlin = ZoneInfo("Europe/Berlin")
    stamps = [f"{(start + timedelta(hours=at)).astimezone(berlin):%Y-%m-%dT%H:%MZ}" for at in range(8760)]
    _, findings = read(text(*(f"DE,{stamp},5,9" for stamp in stamps)))
    assert [(one.severity, one.code) for one in findings] == [
        ("error", "duplicate-row"), ("warning", "local-clock"), ("warning", "gaps"),
    ]  # fmt: skip
    assert all("daylight saving" in str(one) for one in findings if one.code != "gaps")
    assert [one.value for one in findings if one.code != "duplicate-row"] == ["", ""]  # a series is no cell
    true = [f"{start + timedelta(hours=at):%Y-%m-%dT%H:%MZ}" for at in range(8760)]
    assert len(read(text(*(f"DE,{stamp},5,9" for stamp in true)))[1]) == 0


def test_naive_times_are_read_in_the_zone_that_settings_name(read: Read) -> None:
    series, findings = read(text(*(row.replace("Z", "") for row in DAY)), time_zone="Europe/Berlin")
    assert [one.problem for one in findings] == [f"times without an offset read as Europe/Berlin: {len(DAY)}"]
    assert series["start_us"].iloc[0] == parse_instant("2025-12-31T23:00Z")


def test_parquet_reads_as_csv_does(read: Read, tmp_path: Path) -> None:
    series, _ = read(text(*DAY))
    table = pa.table(
        {
            "zone": series["zone"].tolist(),
            "start": pa.array(series["start_us"].to_numpy(), pa.timestamp("us", "UTC")),
            "direct_g_per_kwh": series["direct_g_per_kwh"].tolist(),
            "lifecycle_g_per_kwh": series["lifecycle_g_per_kwh"].tolist(),
        }
    )
    pq.write_table(table, tmp_path / "publisher.parquet")
    findings = Findings()
    other = read_series(tmp_path / "publisher.parquet", Dialect(), findings, retrieved_us=NOW_US)
    assert len(findings) == 0
    pd.testing.assert_frame_equal(series.drop(columns=["file", "digest"]), other.drop(columns=["file", "digest"]))


@pytest.mark.parametrize("name", ["broken.parquet", "broken.csv", "sheet.xlsx"])
def test_file_that_cannot_be_read_is_a_finding(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04\x00\xff\xfe not a table")
    result = import_series(tmp_path / name, tmp_path / "grid", retrieved_us=NOW_US)
    assert result.path is None
    assert next(one.code for one in result.findings) in {"unreadable", "foreign-file", "spreadsheet"}


def imported(tmp_path: Path, content: str, name: str = "publisher.csv", at: int = NOW_US, **more: str) -> ImportResult:
    (tmp_path / name).write_text(content, encoding="utf-8")
    return import_series(tmp_path / name, tmp_path / "grid", retrieved_us=at, **more)  # type: ignore[arg-type]


def test_import_says_what_it_brought_and_keeps_it(tmp_path: Path) -> None:
    result = imported(tmp_path, text(*DAY, *(row.replace("GB", "FR") for row in DAY)))
    start = parse_instant("2026-01-01")
    assert result[:6] == ("intensity", 48, ("FR", "GB"), ("publisher",), start, start + 24 * HOUR_US)
    assert result.new
    kept = store.load(tmp_path / "grid", ["FR"])
    assert [(one.zone, one.source, len(one.rows)) for one in kept] == [("FR", "publisher", 24)]
    assert kept[0].rows["direct_g_per_kwh"].tolist() == [100.0 + hour for hour in range(24)]


def test_import_again_changes_nothing(tmp_path: Path) -> None:
    first = imported(tmp_path, text(*DAY))
    before = [path.read_bytes() for path in (tmp_path / "grid").iterdir()]
    again = imported(tmp_path, text(*DAY), at=NOW_US + 5)
    assert (again.path, again.new, len(again.findings)) == (first.path, False, 0)
    assert [path.read_bytes() for path in (tmp_path / "grid").iterdir()] == before


def test_same_file_read_otherwise_is_refused(tmp_path: Path) -> None:
    imported(tmp_path, text(*DAY))
    renamed = imported(tmp_path, text(*DAY), "other.csv")
    assert (renamed.path, [one.code for one in renamed.findings]) == (None, ["read-otherwise"])
    assert [one.source for one in store.load(tmp_path / "grid")] == ["publisher"]


def test_mix_read_with_other_factors_is_refused(tmp_path: Path) -> None:
    content = text("DE,2026-01-01T00:00Z,1", "DE,2026-01-01T01:00Z,1", header="zone,start,coal")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "fuel_factors.csv").write_text(
        "fuel,direct_g_per_kwh,lifecycle_g_per_kwh,generation,year,source,licence,version\ncoal,900,950,true,2024,x,own,1\n",
        encoding="utf-8",
    )
    assert imported(tmp_path, content).kind == "mix"
    other = imported(tmp_path, content, own=str(tmp_path / "own"))
    assert [one.code for one in other.findings] == ["read-otherwise"]


def test_kilograms_taken_for_grams_are_warned_of(tmp_path: Path) -> None:
    hours = "".join(f"JP,2026-03-01T{hour:02d}:00:00Z,0.47\n" for hour in range(24))
    (tmp_path / "jp.csv").write_text("zone,start,direct_g_per_kwh\n" + hours)
    result = import_series(tmp_path / "jp.csv", tmp_path / "grid", retrieved_us=0)
    assert [finding.code for finding in result.findings] == ["too-clean"]
