"""From what sources say of machines to rows of the register: what is told is written, what is not is marked, and never both."""

from __future__ import annotations

import csv
import gc
import io
import json
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.findings import Findings
from carbon.core.time import DAY_US, parse_instant
from carbon.importers.census import Machine, gather
from carbon.importers.guesses import Cell, Entry, Given, clean, entry_of, near_profiles, node_of
from carbon.importers.heads import KINDS, kind_of
from carbon.importers.names import names_of
from carbon.importers.records import EVENTS, HOSTS, METERS, Take, frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_US = parse_instant("2026-10-01T13:37:00Z")
HOST = {**dict.fromkeys(HOSTS, ""), "node": "a", "devices": float("nan")}
H100, H200 = "NVIDIA H100 80GB HBM3", "NVIDIA H200"


def hosts(*rows: dict[str, Any]) -> Take:
    table = pd.DataFrame([{**HOST, **row} for row in rows])
    return Take(hosts=frame(HOSTS, **{name: table[name].to_numpy() for name in HOSTS}))


def machine(*rows: dict[str, Any], name: str = "a") -> Machine:
    machines: dict[str, Machine] = {}
    gather([hosts(*({"node": name, **row} for row in rows))], "file.csv", machines)
    return machines[name]


def entry(*rows: dict[str, Any], given_: Given | None = None, findings: Findings | None = None) -> Entry:
    findings = Findings() if findings is None else findings
    one = machine(*rows)
    return entry_of(one, node_of(one, set(), findings), given_ or Given("Op", "DE"), findings)


def test_devices_are_counted_by_id_and_their_name_is_a_profile() -> None:
    """Nine rows of three devices are three."""
    found = entry(*({"device": f"GPU-{number % 3}", "gpu": H100} for number in range(9)))
    assert (found.cells["hardware"], found.cells["devices"], found.cells["zone"]) == ("h100-sxm5-80gb", "3", "DE")
    assert found.cells["confirm"].split() == ["host", "pue", "boundary", "in_service"]


def test_the_rented_machine_is_known_by_its_instance_and_region() -> None:
    row = {"gpu": "NVIDIA H100", "devices": 8, "provider": "aws", "region": "eu-central-1", "instance": "p5.48xlarge"}
    found = entry(row, given_=Given("Op"))
    wanted = {
        "hardware": "h100-sxm5-80gb", "devices": "8", "zone": "DE", "pue": "1.35", "boundary": "leased", "operated": "true",
        "in_service": "", "confirm": "in_service",
    }  # fmt: skip
    assert {name: found.cells[name] for name in wanted} == wanted


def test_an_instance_alone_tells_its_devices() -> None:
    found = entry({"provider": "Microsoft", "instance": "Standard_ND96isr_H100_v5", "region": "East US"})
    assert (found.cells["hardware"], found.cells["devices"], found.cells["pue"]) == ("h100-sxm5-80gb", "8", "1.14")


@pytest.mark.parametrize(
    ("rows", "column", "value", "why"),
    [
        ([{"gpu": "NVIDIA H100", "device": "g"}], "hardware", "", "is no device that a profile stands for"),
        ([{"gpu": H100, "device": "g"}, {"gpu": H200, "device": "h"}], "hardware", "", "has devices of h100-sxm5-80gb, h200"),
        ([{"gpu": H100, "device": "g"}, {"gpu": "FPGA", "device": "h"}], "hardware", "", "'FPGA' is no device"),
        ([{"provider": "aws", "instance": "p99.metal"}], "hardware", "", "'p99.metal' is not in instances.csv"),
        ([{"instance": "p5.48xlarge"}, {"instance": "p4d.24xlarge"}], "hardware", "", "is billed as p4d.24xlarge, p5.48xlarge"),
        ([{}], "hardware", "", "no source tells its devices"),
        ([{}], "devices", "", "no source counts"),
        ([{"device": "MIG-1b", "gpu": H100}, {"device": "MIG-2c", "gpu": H100}], "devices", "", "slices (MIG)"),
        ([{"device": "g", "gpu": H100, "devices": 8.0}], "devices", "1", "1 were seen, and 8 are told of"),
        ([{"gpu": H100, "devices": 0.25}], "devices", "1", "it has 0.25 of a device"),
        ([{"provider": "aws", "region": "us-west-2"}], "zone", "US-NW-BPAT", "PacifiCorp"),
        ([{"provider": "aws", "region": "moon-1"}], "zone", "", "region 'moon-1' is not in cloud_regions.csv"),
        ([{"region": "us-east-1", "provider": "aws"}, {"region": "eu-west-1", "provider": "aws"}], "zone", "", "in regions eu-w"),
        ([{"country": "FRA"}], "zone", "", "its country has several zones: FR, FR-COR"),
        ([{"country": "ZZZ"}], "zone", "", "country 'ZZZ' is not known"),
        ([{}], "zone", "", "no source tells where it stands"),
        ([{"provider": "aws", "region": "eu-west-3"}], "pue", "", "empty counts as 1"),
        ([{}], "boundary", "own", "no source tells whose it is"),
        ([{}], "operator", "", "no source tells who runs it"),
        ([{"provider": "aws", "instance": "g5.xlarge"}], "host", "", "of a machine, and the usual host"),
        ([{"gpu": H100, "devices": 2.0}], "host", "", "a whole host for 8 devices is counted"),
        ([{"gpu": H100, "devices": 10.0}], "host", "", "2 whole hosts for 8 devices each are counted"),
    ],
)  # fmt: skip
def test_what_is_guessed_or_not_known_is_marked(rows: list[dict[str, Any]], column: str, value: str, why: str) -> None:
    found = entry(*rows, given_=Given())
    assert found.cells[column] == value
    assert column in found.cells["confirm"].split()
    assert why in found.guesses[column].why
    assert found.guesses[column].how


@pytest.mark.parametrize(
    ("rows", "column", "value"),
    [
        ([{"country": "DEU"}], "zone", "DE"),
        ([{"country": "SGP", "provider": "gcp", "region": "moon"}], "zone", "SG"),
        ([{"gpu": H100, "device": "MIG-GPU-7/1/0"}, {"gpu": H100, "device": "MIG-GPU-7/2/0"}], "devices", "1"),
        ([{"gpu": H100, "devices": 2.0}, {"gpu": H100, "devices": 2.0}], "devices", "2"),
        ([{"gpu": H100, "devices": 16.0}], "host", ""),
        ([{"gpu": H100}], "host", ""),
    ],
)  # fmt: skip
def test_what_is_told_is_not_marked(rows: list[dict[str, Any]], column: str, value: str) -> None:
    found = entry(*rows, given_=Given())
    assert found.cells[column] == value
    assert column not in found.cells["confirm"].split()


def test_a_zone_of_the_user_is_for_those_whose_sources_tell_none() -> None:
    assert entry({"provider": "aws", "region": "eu-west-1"}).cells["zone"] == "IE"
    assert entry({"country": "FRA"}).cells["zone"] == "DE"
    two = entry({"region": "eu-west-1", "provider": "aws"}, {"region": "eu-west-2", "provider": "aws"})
    assert two.cells["zone"] == ""


def test_every_empty_cell_that_is_needed_is_marked() -> None:
    found = entry({}, given_=Given())
    needed = {"operator", "hardware", "devices", "zone", "in_service"}
    assert {name for name in needed if not found.cells[name]} == needed
    assert needed <= set(found.cells["confirm"].split())


def test_an_unknown_device_is_a_warning_with_near_profiles() -> None:
    findings = Findings()
    entry({"gpu": "NVIDIA A10G", "device": "g"}, findings=findings)
    (warning,) = findings
    assert (warning.code, warning.value, warning.file) == ("unknown-device", "NVIDIA A10G", "file.csv")
    assert warning.problem == "is a device that no profile is bundled for"
    assert warning.mend.startswith("the nearest by name is a10; else `carbon hardware estimate ")
    other = Findings()
    entry({"gpu": "NVIDIA H100", "device": "g"}, findings=other)
    (warning,) = other
    assert warning.mend.startswith("near profiles: h100-nvl-94gb, ")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("NVIDIA H100", ["h100-nvl-94gb", "h100-pcie-80gb", "h100-sxm5-80gb"]),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", ["rtx4090"]),
        ("Tesla V100-SXM2-16GB", ["v100-sxm2-32gb"]),
        ("llvmpipe", []),
    ],
)  # fmt: skip
def test_near_profiles(name: str, near: list[str]) -> None:
    assert near_profiles(name)[: len(near) or None] == near


def test_the_first_day_is_of_the_earliest_meter_or_request() -> None:
    """Meters and requests, in any order."""
    event = frame(
        EVENTS, key=[1, 2], node=["a", "a"], start_us=[AT_US + DAY_US, AT_US + 2 * DAY_US], end_us=[AT_US + 3 * DAY_US] * 2
    )  # fmt: skip
    meter = frame(METERS, node=["a"], start_us=[AT_US], end_us=[AT_US + 1])
    for takes in ([Take(events=event), Take(meter)], [Take(meter), Take(events=event)]):
        machines: dict[str, Machine] = {}
        gather(takes, "f", machines)
        assert machines["a"].first_us == AT_US
        found = entry_of(machines["a"], Cell("a"), Given(), Findings())
        assert found.cells["in_service"] == "2026-10-01"
        assert "in_service" in found.guesses


def test_parts_of_a_source_are_let_go_one_by_one() -> None:
    alive: list[weakref.ref[pd.DataFrame]] = []
    most: list[int] = []

    def parts() -> Iterator[Take]:
        for number in range(6):
            take = Take(frame(METERS, node=["a"], start_us=[number], end_us=[number + 1]))
            alive.append(weakref.ref(take.meters))
            gc.collect()
            most.append(sum(ref() is not None for ref in alive))
            yield take

    gather(parts(), "f", {})
    assert max(most) <= 2


def test_rows_without_a_name_are_counted_and_make_no_machine() -> None:
    machines: dict[str, Machine] = {}
    assert gather([hosts({"node": ""}, {"node": "b"})], "f", machines) == 1
    assert list(machines) == ["b"]


def test_files_of_one_name_without_a_common_device_are_two_machines() -> None:
    machines: dict[str, Machine] = {}
    gather([hosts({"device": "GPU-1"})], "x/a.csv", machines)
    assert not machines["a"].apart
    gather([hosts({"device": "GPU-1"}, {"device": "GPU-2"})], "x/b.csv", machines)
    assert not machines["a"].apart
    gather([hosts({"device": "GPU-9"})], "y/a.csv", machines)
    findings = Findings()
    node = node_of(machines["a"], set(), findings)
    assert [finding.code for finding in findings] == ["two-hosts"]
    assert "no device in common" in node.why


@pytest.mark.parametrize(
    ("files", "codes"), [(["x/a.csv", "y/a.csv"], ["two-hosts"]), (["x/a.csv", "y/b.csv"], []), (["x/a.csv"], [])]
)
def test_files_of_one_name_that_tell_no_device_may_be_of_two_machines(files: list[str], codes: list[str]) -> None:
    machines: dict[str, Machine] = {}
    for file in files:
        gather([hosts({"gpu": H100, "devices": 2.0})], file, machines)
    findings = Findings()
    node_of(machines["a"], set(), findings)
    assert [finding.code for finding in findings] == codes


@pytest.mark.parametrize(
    "name", ["dcgm-exporter-sn5rp", "kepler-7x2bq", "gpu/nvidia-dcgm-exporter-d4f8x", "my-exporter-7d9c8b6f5d-abcde"]
)
def test_the_name_of_a_pod_is_marked(name: str) -> None:
    findings = Findings()
    assert "pod" in node_of(machine({}, name=name), set(), findings).why
    assert [finding.code for finding in findings] == ["pod-as-host"]


@pytest.mark.parametrize("name", ["berlin-1", "dcgm-exporter", "gpu-node-12345", "exporter-host"])
def test_other_names_are_not(name: str) -> None:
    findings = Findings()
    assert node_of(machine({}, name=name), set(), findings) == Cell(name)
    assert not len(findings)


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("10.0.0.7:9400", "10.0.0.7"), ("/subs/x/resourceGroups/y/vm1", "vm1"), ("gpu log (2)", "gpu-log-2"),
        ("[2001:db8::1]:9400", "2001-db8-1"), ("=cmd|' /C calc'!A0", "C-calc-A0"), ("Zürich-3", "Zürich-3"), ("///", "node"),
        ("i-0abc", "i-0abc"), ("0x" + "ab" * 40, ("0x" + "ab" * 40)[:60]),
    ],
)  # fmt: skip
def test_a_name_becomes_an_id(name: str, node: str) -> None:
    assert clean(name) == node


def test_an_id_that_is_taken_gets_a_number_and_is_marked() -> None:
    node = node_of(machine({}, name="/x/vm1"), {"vm1", "vm1-2"}, Findings())
    assert node.value == "vm1-3"
    assert "vm1 is a node already" in node.why


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=12, unique=True))
@settings(max_examples=150, deadline=None)
def test_any_names_give_rows_by_which_each_machine_is_found_again(names: list[str]) -> None:
    """Ids are unique, and the register leads each source's name to its row, but for names that it says it cannot list."""
    from carbon.registering import DEFAULTS, _entries

    machines = [Machine(name) for name in names]
    entries = _entries(machines, set(), Given("Op", "DE"), Findings())
    assert set(Counter(entry.cells["node"] for entry in entries).values()) == {1}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(DEFAULTS), restval="")
    writer.writerows(entry.cells for entry in entries)
    back = pd.DataFrame(list(csv.reader(io.StringIO(text.getvalue(), newline=""))), columns=list(DEFAULTS)).replace({"": None})
    findings = Findings()
    found = names_of(back, findings)
    assert not len(findings)
    rows = [made.cells for made in entries if "aliases" not in made.guesses]
    listed = {row["aliases"] or row["node"]: row["node"] for row in rows}
    assert set(listed) <= set(names)
    assert {name: found[name] for name in listed} == listed
    assert len(entries) == len(names)


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("timestamp, uuid, name, power.draw [W]\n", "nvidia-smi"),
        ("\ufeffindex,timestamp,power.draw.average [W]\r\n", "nvidia-smi"),
        (json.dumps({"items": [{"transaction_hash": "0x", "decoded": None}]}), "opengradient"),
        (json.dumps({"sessionId": "s", "requestCount": 2}) + "\n", "opengradient"),
        (json.dumps({"totalRequests": 1, "daily": []}), "opengradient"),
        (json.dumps({"tx": "0x", "tee_id": "0x1"}), "opengradient"),
        ('{"status":"success","data":{"resultType":"matrix","result":[]}}', "prometheus"),
    ],
)  # fmt: skip
def test_a_kind_is_told_from_what_a_file_holds(tmp_path: Path, text: str, kind: str) -> None:
    found = kind_of(_file(tmp_path, text), Findings())
    assert found is not None
    assert found.name == kind


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds nothing"), ("a,b\n1,2\n", "is of no kind"), ("<!DOCTYPE html><html>", "is a web page"),
        (b"\x89PNG\0\0", "is not text"),
        ("{}", "is of no kind"), ("timestamp, uuid\n", "is of no kind"), (json.dumps({"created": 1}), "is of no kind"),
    ],
)  # fmt: skip
def test_what_nothing_reads_is_an_error(tmp_path: Path, text: str | bytes, problem: str) -> None:
    findings = Findings()
    assert kind_of(_file(tmp_path, text), findings) is None
    (error,) = findings.errors
    assert problem in error.problem
    assert "nvidia-smi" in error.mend


def test_a_kind_that_is_named_holds(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,b\n")
    found = kind_of(path, Findings(), "opengradient")
    assert found is KINDS[1]
    with pytest.raises(UsageError, match="none of nvidia-smi"):
        kind_of(path, Findings(), "excel")
    with pytest.raises(NotFoundError):
        kind_of(tmp_path / "none.csv", Findings())
    with pytest.raises(UsageError, match="is a folder"):
        kind_of(tmp_path, Findings())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "an Azure LLM trace"),
        ("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n", "a BurstGPT trace"),
        ("timestamp,model,input_tokens,output_tokens\n", "a log of requests"),
        (json.dumps({"created": 1, "usage": {"prompt_tokens": 3, "completion_tokens": 4}}), "a log of requests"),
        ('data: {"usage": {"output_tokens": 3}}\n', "a log of requests"),
        ("2026-10-01 00:00:00,000 INFO DYNAMIC_SESSION_COST model=m input_tokens=1 output_tokens=2\n", "a log of requests"),
        ("zone,start,direct_g_per_kwh\n", "an intensity series"),
        ("start,end,node,energy_kwh\n", "a workload table"),
    ],
)
def test_what_is_known_and_names_no_machines_is_a_warning(tmp_path: Path, text: str, what: str) -> None:
    findings = Findings()
    assert kind_of(_file(tmp_path, text), findings) is None
    (warning,) = findings
    assert (warning.severity, warning.code) == ("warning", "no-machines")
    assert warning.problem == f"is {what}, which names no machines, and is left out"
    assert all(kind.name in warning.mend for kind in KINDS)
