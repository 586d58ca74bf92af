"""Bills: which rows are hours of machines, what is taken back, what is left out and told, CSV and Parquet alike."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.core.findings import Findings
from carbon.core.time import DAY_US, HOUR_US, parse_instant
from carbon.importers import text
from carbon.importers.derive import _asked, _once
from carbon.importers.focus import BUSY, Options, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLUMNS = (
    "ChargePeriodStart", "ChargePeriodEnd", "ProviderName", "RegionId", "ResourceId", "ServiceName", "ChargeCategory",
    "ChargeClass",
    "ConsumedQuantity", "ConsumedUnit", "EffectiveCost", "SkuPriceId", "CommitmentDiscountStatus", "SkuPriceDetails", "Tags",
    "PublisherName", "ServiceCategory",
)  # fmt: skip
P5 = json.dumps({"InstanceType": "p5.48xlarge", "GpuCount": 8})
ND = json.dumps({"x_VMSize": "Standard_ND96isr_H100_v5"})
HOUR = {
    "ChargePeriodStart": "2026-10-01T00:00:00Z", "ChargePeriodEnd": "2026-10-01T01:00:00Z", "ProviderName": "AWS",
    "RegionId": "us-east-1", "ResourceId": "i-0aa", "ServiceName": "Amazon EC2", "ChargeCategory": "Usage",
    "ConsumedQuantity": "1",
    "ConsumedUnit": "Hours", "EffectiveCost": "50", "SkuPriceId": "sku", "SkuPriceDetails": P5, "Tags": '{"product": "chat"}',
}  # fmt: skip
DAY = {
    **HOUR, "ChargePeriodEnd": "2026-10-02T00:00Z", "ProviderName": "Microsoft", "RegionId": "eastus",
    "ResourceId": "/subs/X/VM1",
    "ConsumedQuantity": "24", "SkuPriceDetails": ND, "Tags": "",
}  # fmt: skip


def write(path: Path, *rows: Mapping[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def bill(path: Path, **options: Any) -> tuple[pd.DataFrame, Findings, pd.DataFrame]:
    findings = Findings()
    takes = list(read(path, Options(**{"tag": "product", "busy": 0.5, **options}), findings))
    hosts = pd.concat([take.hosts for take in takes], ignore_index=True)
    return pd.concat([take.events for take in takes], ignore_index=True), findings, hosts


def told(findings: Findings) -> dict[str, str]:
    return {found.code: found.problem for found in findings}


def test_an_hour_of_a_machine_is_an_hour_of_its_node(tmp_path: Path) -> None:
    found, findings, hosts = bill(write(tmp_path / "b.csv", HOUR))
    assert found[["node", "product", "busy_fraction", "load"]].values.tolist() == [["i-0aa", "chat", 0.5, "mixed"]]
    assert found["start_us"].tolist() == [parse_instant(HOUR["ChargePeriodStart"])]
    assert (found["end_us"] - found["start_us"]).tolist() == [HOUR_US]
    assert found[["requests", "input_tokens"]].isna().all(axis=None)
    described = ["i-0aa", "NVIDIA H100 SXM5 80GB", 8.0, "aws", "us-east-1", "p5.48xlarge"]
    assert hosts[["node", "gpu", "devices", "provider", "region", "instance"]].values.tolist() == [described]
    assert told(findings) == {}


def test_a_day_has_the_hours_that_were_used(tmp_path: Path) -> None:
    found, findings, _ = bill(write(tmp_path / "b.csv", {**DAY, "ConsumedQuantity": "6"}))
    assert found["busy_fraction"].tolist() == [0.5 * 6 / 24]
    assert (found["end_us"] - found["start_us"]).tolist() == [DAY_US]
    assert found["node"].tolist() == ["/subs/x/vm1"]
    assert list(told(findings)) == ["bill-by-day"]


@pytest.mark.parametrize(("quantity", "unit"), [("0.25", "Hrs"), ("900", "Seconds"), ("0.25", "hour")])
def test_units_of_time(tmp_path: Path, quantity: str, unit: str) -> None:
    found, _, _ = bill(write(tmp_path / "b.csv", {**HOUR, "ConsumedQuantity": quantity, "ConsumedUnit": unit}))
    assert found["busy_fraction"].tolist() == [0.125]


def test_where_nothing_is_consumed_what_is_priced_counts(tmp_path: Path) -> None:
    columns = tuple(name.replace("Consumed", "Pricing") for name in COLUMNS)
    priced = {name.replace("Consumed", "Pricing"): value for name, value in HOUR.items()}
    assert bill(write(tmp_path / "b.csv", priced, columns=columns))[0]["busy_fraction"].tolist() == [0.5]


def test_without_busy_a_figure_of_clusters_is_taken_and_told(tmp_path: Path) -> None:
    found, findings, _ = bill(write(tmp_path / "b.csv", HOUR), busy=None)
    assert found["busy_fraction"].tolist() == [BUSY] == [0.339]
    assert "MIT Supercloud, 2021" in told(findings)["busy-assumed"]


LEFT = {
    "tax": {"ChargeCategory": "Tax", "ConsumedQuantity": "", "ConsumedUnit": ""},
    "credit": {"ChargeCategory": "Credit"}, "purchase": {"ChargeCategory": "Purchase"},
    "adjustment": {"ChargeCategory": "Adjustment"},
    "unused": {"CommitmentDiscountStatus": "Unused", "ConsumedQuantity": ""}, "unit": {"ConsumedUnit": "GB-Mo"},
    "no-instance": {"SkuPriceDetails": '{"StorageClass": "gp3"}'},
    "instance": {"SkuPriceDetails": '{"InstanceType": "m5.xlarge"}'},
    "blank": {"ResourceId": ""}, "software": {"PublisherName": "Red Hat"}, "service": {"ServiceCategory": "Storage"},
}  # fmt: skip


@pytest.mark.parametrize("reason", LEFT)
def test_what_is_no_machine_is_left_out_and_told_with_its_cost(tmp_path: Path, reason: str) -> None:
    other = {**HOUR, "EffectiveCost": "-150", "ConsumedQuantity": "2", **LEFT[reason]}
    found, findings, _ = bill(write(tmp_path / "b.csv", HOUR, other))
    assert len(found) == 1
    said = told(findings)
    assert "of the cost: 75.0%" in said.pop(f"left-{reason}")
    assert list(said) == (["unknown-instance"] if reason == "instance" else [])
    assert all("hours: 2" in text for text in said.values())


@pytest.mark.parametrize(
    "cells",
    [
        {"PublisherName": "Amazon Web Services, Inc."},
        {"ServiceCategory": "Compute"},
        {"ServiceCategory": "AI and Machine Learning"},
    ],
)
def test_a_machine_of_its_provider_is_one(tmp_path: Path, cells: dict[str, str]) -> None:
    assert len(bill(write(tmp_path / "b.csv", {**HOUR, **cells}))[0]) == 1


def test_a_licence_by_the_hour_is_no_second_machine(tmp_path: Path) -> None:
    licence = {**HOUR, "ServiceName": "Virtual Machines Licenses"}
    found, findings, _ = bill(write(tmp_path / "b.csv", HOUR, licence))
    assert (len(found), list(told(findings))) == (1, ["left-software"])


def test_every_row_is_taken_or_told(tmp_path: Path) -> None:
    rows = [{**HOUR, **cells} for cells in LEFT.values()]
    found, findings, _ = bill(write(tmp_path / "b.csv", HOUR, *rows))
    notes = [text for code, text in told(findings).items() if code.startswith("left-")]
    counted = [int(text.partition("rows: ")[2].partition(",")[0]) for text in notes]
    assert len(found) + sum(counted) == 1 + len(rows)


MOVES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(-8, 8), st.booleans()), min_size=1, max_size=10
)


@given(MOVES, st.integers(1, 3))
def test_what_is_taken_back_is_gone_whatever_the_order_and_the_files(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int, int, bool]], files: int
) -> None:
    """Hours of a machine and hour of day add up over rows and files: a judge adds them up in fractions."""
    folder = tmp_path_factory.mktemp("bills")
    hours: dict[tuple[str, int], Fraction] = {}
    rows: list[dict[str, str]] = []
    for number, (node, hour, eighths, later) in enumerate(moves):
        hours[node, hour] = hours.get((node, hour), Fraction(0)) + Fraction(eighths, 8)
        cells = {"ChargePeriodStart": f"2026-10-01T0{hour}:00:00Z", "ChargePeriodEnd": f"2026-10-01T0{hour + 1}:00:00Z"}
        told = {
            "ConsumedQuantity": str(eighths / 8),
            "ChargeClass": "Correction" if later else "",
            "SkuPriceId": str(number),
        }
        rows.append({**HOUR, **cells, **told, "ResourceId": node})
    parts = [
        bill(write(folder / f"{part}.csv", *rows[part::files]), busy=0.1)[0] for part in range(min(files, len(rows)))
    ]
    events = pd.concat([part.assign(source=number) for number, part in enumerate(parts)], ignore_index=True)
    found = _asked(_once(events))
    expected = {key: float(value) / 10 for key, value in hours.items() if value > 0}
    begin = parse_instant("2026-10-01T00:00:00Z")
    machines = [(str(row.node), (row.start_us - begin) // HOUR_US) for row in found.itertuples()]
    assert (found["busy_fraction"] >= 0).all()
    positive = {key: busy for key, busy in zip(machines, found["busy_fraction"], strict=True) if busy > 0}
    assert positive == pytest.approx(expected)
    assert len(machines) == len(set(machines))


def test_one_bill_exported_twice_is_once(tmp_path: Path) -> None:
    """Two rows that are alike in all their cells are one, in both exports."""
    half = {**HOUR, "ConsumedQuantity": "0.5"}
    one, two = (bill(write(tmp_path / f"{name}.csv", half, half))[0] for name in "ab")
    both = pd.concat([one.assign(source=0), two.assign(source=1)], ignore_index=True)
    found = _asked(_once(both))
    assert found["busy_fraction"].tolist() == [0.25]


def test_more_hours_than_there_are_are_told(tmp_path: Path) -> None:
    found, findings, _ = bill(write(tmp_path / "b.csv", {**HOUR, "ConsumedQuantity": "3"}))
    assert (found["busy_fraction"].tolist(), list(told(findings))) == ([0.5], ["more-hours"])


def test_parts_of_machines_are_told(tmp_path: Path) -> None:
    part = {**HOUR, "SkuPriceDetails": '{"InstanceType": "g6.xlarge"}'}
    found, findings, hosts = bill(write(tmp_path / "b.csv", part, {**part, "SkuPriceId": "other"}))
    assert (len(found), hosts["devices"].tolist()) == (2, [1.0])
    assert told(findings)["part-machine"].endswith(": 1")


@pytest.mark.parametrize("meter", ["BoxUsage:p5.48xlarge", "p5.48xlarge"])
def test_a_meter_may_name_the_instance(tmp_path: Path, meter: str) -> None:
    columns = (*COLUMNS, "SkuMeter")
    found, _, hosts = bill(
        write(tmp_path / "b.csv", {**HOUR, "SkuPriceDetails": "", "SkuMeter": meter}, columns=columns)
    )
    assert (len(found), hosts["instance"].tolist()) == (1, ["p5.48xlarge"])


def test_regions_may_be_empty_and_json_faulty(tmp_path: Path) -> None:
    found, _, hosts = bill(write(tmp_path / "b.csv", {**HOUR, "RegionId": "", "Tags": "{product"}))
    assert (found["product"].tolist(), hosts["region"].tolist()) == ([""], [""])


@pytest.mark.parametrize("naive", [False, True])
def test_parquet_is_read_as_csv_is(tmp_path: Path, naive: bool) -> None:
    zone = None if naive else "Europe/Berlin"
    rows = [HOUR, {**DAY, "ConsumedQuantity": "6"}, {**HOUR, **LEFT["tax"]}]
    table = pa.table({name: pa.array([row.get(name) or None for row in rows], pa.string()) for name in COLUMNS})
    typed: dict[str, pa.Array] = {}
    for name in ("ChargePeriodStart", "ChargePeriodEnd"):
        moments = [datetime.fromisoformat(row[name]) for row in rows]
        typed[name] = pa.array([each.astimezone(UTC).replace(tzinfo=None) for each in moments], pa.timestamp("ns"))
        typed[name] = (
            typed[name] if naive else typed[name].cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns", zone))
        )
    typed["ConsumedQuantity"] = pa.array(
        [Decimal(row["ConsumedQuantity"]) if row["ConsumedQuantity"] else None for row in rows]
    )
    pairs = [list(json.loads(row["Tags"] or "{}").items()) or None for row in rows]
    typed["Tags"] = pa.array(pairs, pa.map_(pa.string(), pa.string()))
    typed["SkuPriceDetails"] = pa.array(
        [{"InstanceType": next(iter(json.loads(row["SkuPriceDetails"]).values()))} for row in rows]
    )
    for name, column in typed.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, tmp_path / "b.parquet")
    found, findings, _ = bill(tmp_path / "b.parquet")
    reference, said, _ = bill(write(tmp_path / "b.csv", *rows))
    pd.testing.assert_frame_equal(found, reference)
    assert told(findings) == told(said)


def test_a_bill_is_read_alike_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**HOUR, "ResourceId": f"i-{number % 3}", "ConsumedQuantity": str(number / 1000)} for number in range(60)]
    path = write(tmp_path / "b.csv", *rows, {**HOUR, **LEFT["instance"]})
    whole, said, _ = bill(path)
    monkeypatch.setattr(text, "BLOCK_BYTES", 1024)
    parts, also, _ = bill(path)
    pd.testing.assert_frame_equal(whole, parts)
    assert told(said) == told(also)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds nothing"), (b"<html>", "web page"), (b'{"a": 1}', "is JSON"), (b"PAR1 and no more", "cannot be read"),
        (b"timestamp,run_id,duration,energy_consumed\n", "carbon import codecarbon"),
        (b"ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ResourceId\n", "has neither ConsumedQuantity"),
    ],
)  # fmt: skip
def test_another_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "b.csv").write_bytes(content)
    with pytest.raises(InputError) as refused:
        bill(tmp_path / "b.csv")
    assert said in "".join(map(str, refused.value.findings))


def test_a_parquet_of_another_kind_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"start": ["x"], "end": ["y"], "node": ["z"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="a workload table"):
        bill(tmp_path / "b.parquet")


def test_rows_alike_in_all_cells_are_one_and_told(tmp_path: Path) -> None:
    found, findings, _ = bill(write(tmp_path / "b.csv", HOUR, HOUR, {**HOUR, "ResourceId": "i-2"}), busy=1.0)
    assert (found["busy_fraction"].tolist(), list(told(findings))) == ([1.0, 1.0], ["row-alike"])


def test_machines_busy_for_more_than_the_time_are_refused_with_their_row(tmp_path: Path) -> None:
    path = write(tmp_path / "b.csv", HOUR, {**HOUR, "SkuPriceId": "other", "ConsumedQuantity": "0.5"})
    with pytest.raises(InputError, match=r"b\.csv:3 ResourceId: .* busy for 1\.5 x the time"):
        bill(path, busy=1.0)
    assert bill(path, busy=0.5)[0]["busy_fraction"].sum() == 0.75


@pytest.mark.parametrize(("quantity", "said"), [("0,5", "decimal comma"), ("NaN", "left out"), ("inf", "left out")])
def test_quantities_that_are_no_numbers_are_told_with_their_row(tmp_path: Path, quantity: str, said: str) -> None:
    found, findings, _ = bill(write(tmp_path / "b.csv", HOUR, {**HOUR, "ConsumedQuantity": quantity}))
    finding = next(each for each in findings if each.code == "no-number")
    assert (len(found), finding.row, finding.value) == (1, 3, quantity)
    assert said in finding.mend


def test_times_without_an_offset_are_utc_and_told(tmp_path: Path) -> None:
    found, findings, _ = bill(write(tmp_path / "b.csv", {**HOUR, "ChargePeriodStart": "2026-10-01T00:00:00"}))
    assert found["start_us"].tolist() == [parse_instant("2026-10-01T00:00:00Z")]
    assert list(told(findings)) == ["no-offset"]


def test_a_bill_that_is_not_utf_8_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "b.csv", HOUR, {**HOUR, "ServiceName": "Caf\u00e9"})
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    with pytest.raises(InputError, match=r"b\.csv:3: is not UTF-8"):
        bill(path)


def test_devices_that_no_profile_is_bundled_for_are_told_with_the_nearest_and_their_hours(tmp_path: Path) -> None:
    details = json.dumps({"InstanceType": "g5.48xlarge"})
    machines = [{**HOUR, "ResourceId": f"i-{each}", "SkuPriceDetails": details} for each in range(2)]
    path = write(tmp_path / "b.csv", HOUR, *machines)
    found, findings, _ = bill(path)
    (note,) = findings
    assert (len(found), note.severity, note.code, note.value) == (3, "note", "no-profile", "NVIDIA A10G 24GB")
    assert note.problem == "is a device that no profile is bundled for; hours of its machines: 2"
    assert note.mend.startswith("the nearest by name is a10; else `carbon hardware estimate -o NAME.toml`")
    (tmp_path / "gpu_names.csv").write_text("pattern,profile,written_by\nnvidia a10g 24gb,a10,us\n", encoding="utf-8")
    assert told(bill(path, own=str(tmp_path))[1]) == {}
