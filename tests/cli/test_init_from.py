"""`carbon init --from`: nodes out of files, marked where they were guessed; what is there stays as it is, byte for byte."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from carbon.cli import advice
from tests.cli.project import Project, run

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "timestamp, uuid, name, power.draw [W]"
LOG = [
    f"2026/10/01 00:{minute:02d}:00.000, GPU-{device}, NVIDIA H100 80GB HBM3, 400.00 W"
    for minute in range(0, 60, 10)
    for device in (1, 2)
]
NODES = "node,operator,hardware,devices,zone,in_service,aliases,boundary\nber-1,Acme,l40s,2,DE,2026-01-15,gpu-x,own\n"
ASKED = "timestamp,model,input_tokens,output_tokens\n2026-10-01T00:00:00Z,m,10,20\n"
RUN = (
    "timestamp,project_name,run_id,duration,energy_consumed,country_iso_code\n"
    "2026-10-02T01:00:00,p,5b0fa12a-3dd7-45bb-9766-cc326314d9f1,3600,0.5,DEU\n"
)


def write_log(path: Path, device: str = "", gpu: str = "") -> Path:
    text = "\n".join([HEAD, *LOG]).replace("GPU-", f"GPU-{device}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((text.replace("NVIDIA H100 80GB HBM3", gpu) if gpu else text) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder that holds nothing but a log, and is the present one."""
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path / "gpu-a.csv")
    return Project(tmp_path)


def nodes(project: Project, name: str = "nodes.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(project.read(name), newline="")))


def test_a_log_becomes_a_project_whose_register_knows_its_machine(here: Project) -> None:
    result = run("init", "net", "--from", "gpu-a.csv", "--zone", "DE", "--operator", "Acme")
    assert (result.code, result.err) == (0, "")
    assert "nodes.csv: 1 node added, 1 of them to be confirmed" in result.out
    (row,) = nodes(here, "net/nodes.csv")
    told = {"node": "gpu-a", "operator": "Acme", "hardware": "h100-sxm5-80gb", "devices": "2", "zone": "DE", "boundary": "own"}
    assert told.items() <= row.items()
    assert (row["in_service"], row["confirm"], row["aliases"]) == ("2026-10-01", "host pue boundary in_service", "")
    assert (here.folder / "net" / "carbon.toml").is_file()
    imported = run("-C", "net", "import", "nvidia-smi", "gpu-a.csv", "--tz", "UTC")
    assert imported.code == 0, imported.text
    assert "workload rows: 1" in imported.out


def test_check_reminds_until_the_cell_is_empty(here: Project) -> None:
    assert run("init", "--from", "gpu-a.csv", "--zone", "DE", "--operator", "Acme").code == 0
    assert run("import", "nvidia-smi", "gpu-a.csv", "--tz", "UTC").code == 0
    result = run("check")
    assert result.code == 0, result.text
    wanted = "nodes.csv:2 confirm: guessed or empty: host (empty), pue 1, boundary own, in_service 2026-10-01; look at each"
    assert wanted in result.err
    here.change("nodes.csv", 2, confirm="")
    assert "to-confirm" not in run("check").err


def test_what_carbon_alone_says_names_it(here: Project) -> None:
    assert run("init", "--from", "gpu-a.csv", "--zone", "DE", "--operator", "Acme").code == 0
    assert "confirm nodes.csv" in run().out
    here.change("nodes.csv", 2, confirm="")
    assert "confirm nodes.csv" not in run().out
    assert advice._marked(here.write("x.csv", "node;confirm\na;zone\nb;\nc\n")) == 1
    assert advice._marked(here.write("y.csv", "\ufeffnode,confirm\r\na,zone pue\r\n")) == 1


def test_a_word_of_confirm_that_is_no_column_is_said_to_be_none(here: Project) -> None:
    here.write("nodes.csv", NODES.replace(",boundary", ",confirm").replace(",own", ",zoen zone"))
    here.write("workload/w.csv", "start,end,node,energy_kwh\n2026-10-01T00:00:00Z,2026-10-01T01:00:00Z,ber-1,0.1\n")
    assert "guessed or empty: zoen (no such column), zone DE" in run("check").err


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_other_formats_and_dry_runs_write_nothing(here: Project, kind: str) -> None:
    before = sorted(here.folder.iterdir())
    result = run("init", "net", "--from", "gpu-a.csv", "--format", kind)
    assert result.code == 0, result.text
    (row,) = json.loads(result.out) if kind == "json" else csv.DictReader(io.StringIO(result.out))
    assert (row["node"], row["hardware"]) == ("gpu-a", "h100-sxm5-80gb")
    assert row["confirm"].split() == ["operator", "host", "zone", "pue", "boundary", "in_service"]
    dry = run("init", "net", "--from", "gpu-a.csv", "--dry-run")
    assert "zone (empty): no source tells where it stands" in dry.out
    assert sorted(here.folder.iterdir()) == before


def test_rows_that_are_there_stay_byte_for_byte(here: Project) -> None:
    """Also their line ends, quotes and a last line that does not end; a node known by an alias is not added."""
    write_log(here.folder / "gpu-x.csv")
    old = "\ufeff" + NODES.replace("\n", "\r\n").replace("Acme", '"Acme, Inc."').removesuffix("\r\n")
    here.write("nodes.csv", old)
    result = run("init", "--from", "gpu-a.csv", "gpu-x.csv", "--zone", "DE", "--operator", "Acme")
    assert result.code == 0, result.text
    assert "1 node added" in result.out
    assert "1 known already: gpu-x" in result.out
    assert "has no column confirm" in result.err
    text = (here.folder / "nodes.csv").read_bytes().decode()
    assert text == f"{old}\r\ngpu-a,Acme,h100-sxm5-80gb,2,DE,2026-10-01,,own\r\n"


def test_run_twice_it_adds_nothing(here: Project) -> None:
    words = ("init", "--from", "gpu-a.csv")
    assert run(*words).code == 0
    before = here.read("nodes.csv")
    again = run(*words)
    assert "nodes.csv: nothing to add; 1 known already: gpu-a" in again.out
    assert here.read("nodes.csv") == before


def test_a_register_with_decimal_commas_is_added_to_in_its_manner(here: Project) -> None:
    here.write("carbon.toml", '[inputs]\ndecimal = ","\n')
    old = "node;operator;hardware;devices;zone;pue;in_service;confirm\nber-1;Acme;l40s;2;DE;1,25;2026-01-15;\n"
    here.write("nodes.csv", old)
    assert run("init", "--from", "gpu-a.csv", "--zone", "DE", "--operator", "Acme").code == 0
    assert here.read("nodes.csv") == f"{old}gpu-a;Acme;h100-sxm5-80gb;2;DE;;2026-10-01;host pue boundary in_service\n"


def test_columns_that_the_new_rows_need_are_not_dropped_in_silence(here: Project) -> None:
    here.write("nodes.csv", "node,operator,hardware,devices,zone\nber-1,Acme,l40s,2,DE\n")
    before = here.read("nodes.csv")
    result = run("init", "--from", "gpu-a.csv", "--zone", "DE", "--operator", "Acme")
    assert result.code == 2
    assert "has no columns in_service, which the new rows need" in result.err
    assert here.read("nodes.csv") == before


def test_a_header_without_rows_gets_the_columns_it_lacks(here: Project) -> None:
    here.write("nodes.csv", "node,mine,zone\n")
    assert run("init", "--from", "gpu-a.csv", "--zone", "DE").code == 0
    (row,) = nodes(here)
    assert list(row)[:3] == ["node", "mine", "zone"]
    assert (row["zone"], row["hardware"]) == ("DE", "h100-sxm5-80gb")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"node,operator\nM\xfcnchen,x\n", "is not CSV in UTF-8"),
        (f'{NODES}"open,Acme,l4,1,DE,2026-01-01,,own\n'.encode(), "not closed"),
    ],
)
def test_a_register_that_cannot_be_added_to_stays(here: Project, text: bytes, problem: str) -> None:
    here.write("nodes.csv", text)
    result = run("init", "--from", "gpu-a.csv", "--zone", "DE", "--operator", "Acme")
    assert result.code == 2
    assert problem in result.err
    assert (here.folder / "nodes.csv").read_bytes() == text


def test_a_device_that_is_not_known_leaves_an_empty_cell_and_near_profiles(here: Project) -> None:
    write_log(here.folder / "gpu-b.csv", gpu="NVIDIA H100")
    result = run("init", "--from", "gpu-b.csv", "--zone", "DE", "--operator", "Acme")
    assert result.code == 0
    assert "gpu-b.csv = 'NVIDIA H100': is no device that a profile stands for; near profiles: h100-nvl-94gb" in result.err
    (row,) = nodes(here)
    assert row["hardware"] == ""
    assert row["confirm"].split()[0] == "hardware"
    checked = run("check")
    assert checked.code == 1
    assert "nodes.csv:2 hardware: is empty" in checked.err


def test_logs_of_one_name_in_two_folders_are_warned_of(here: Project) -> None:
    one, two = write_log(here.folder / "x" / "gpu.csv"), write_log(here.folder / "y" / "gpu.csv", device="9")
    result = run("init", "--from", str(one), str(two), "--dry-run")
    assert "files of this name have no device in common" in result.err
    assert "node gpu: files of this name" in " ".join(result.out.split())


def test_the_day_is_one_of_utc(here: Project) -> None:
    """Midnight in Berlin is the day before in UTC, and no row may lie before a node's first day."""
    for words, day in ((("--tz", "Europe/Berlin"), "2026-09-30"), ((), "2026-10-01")):
        out = run("init", "--from", "gpu-a.csv", *words, "--format", "csv").out
        assert next(csv.DictReader(io.StringIO(out)))["in_service"] == day
    here.write("carbon.toml", '[inputs]\ntime_zone = "Europe/Berlin"\n')
    assert "2026-09-30" in run("init", "--from", "gpu-a.csv", "--format", "csv").out


def test_operator_is_the_entity(here: Project) -> None:
    here.write("carbon.toml", '[entity]\nname = "Acme Compute GmbH"\n')
    assert run("init", "--from", "gpu-a.csv").code == 0
    assert nodes(here)[0]["operator"] == "Acme Compute GmbH"


def test_records_of_the_network_name_their_tees(here: Project) -> None:
    leaves = [{"tx": f"0x{number}", "log_index": 0, "tee_id": f"0xTEE{number}", "timestamp": 1790812500} for number in (1, 2)]
    usage = {"sessionId": "s", "requestCount": 2, "inputTokens": 1, "outputTokens": 1, "created_at": "2026-10-02T00:00:00Z"}
    here.write("leaves.jsonl", "".join(json.dumps(leaf) + "\n" for leaf in [*leaves, usage]))
    result = run("init", "--from", "leaves.jsonl", "--zone", "US", "--operator", "OG")
    assert result.code == 0
    assert "leaves.jsonl: 1 of its rows name no machine; name it with --node" in result.err
    assert [(row["node"], row["hardware"], row["in_service"]) for row in nodes(here)] == [
        ("0xTEE1", "", "2026-09-30"), ("0xTEE2", "", "2026-09-30"),
    ]  # fmt: skip
    named = run("init", "--from", "leaves.jsonl", "--node", "gateway-1", "--format", "csv")
    assert [row["node"] for row in csv.DictReader(io.StringIO(named.out))] == ["gateway-1"]


def test_answers_of_prometheus_name_their_machines(here: Project) -> None:
    """Slices of a device (MIG) are one, and so are series of several metrics; series that a query left without a name do."""
    series = [
        {
            "metric": {**named, "Hostname": host, "UUID": uuid, "modelName": gpu, **slice_},
            "values": [[1790812800, "1"], [1790812860, "2"]],
        }
        for named in ({"__name__": "DCGM_FI_DEV_POWER_USAGE"}, {})
        for host, uuid, gpu in (("gpu-1", "a", "NVIDIA A30"), ("gpu-2", "b", "NVIDIA L4"), ("gpu-2", "c", "NVIDIA L4"))
        for slice_ in ({"GPU_I_ID": "3"}, {"GPU_I_ID": "4"})
    ]
    here.write("dcgm.json", json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}}))
    result = run("init", "--from", "dcgm.json", "--zone", "DE", "--operator", "Acme")
    assert result.code == 0, result.text
    assert [(row["node"], row["hardware"], row["devices"], row["in_service"]) for row in nodes(here)] == [
        ("gpu-1", "", "1", "2026-10-01"), ("gpu-2", "l4", "2", "2026-10-01"),
    ]  # fmt: skip


def test_words_that_are_files_are_read_and_the_other_is_the_folder(here: Project) -> None:
    """As a shell makes several words of `*.csv`."""
    write_log(here.folder / "gpu-b.csv", device="7")
    for words in (["net", "--from", "gpu-a.csv", "gpu-b.csv"], ["--from", "gpu-a.csv", "--from", "gpu-b.csv", "net"]):
        out = run("init", *words, "--format", "csv").out
        assert [row["node"] for row in csv.DictReader(io.StringIO(out))] == ["gpu-a", "gpu-b"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--from", "none.csv"], 3, "no file none.csv"),
        (["--from", "gpu-a.csv", "none.csv"], 3, "no file none.csv"),
        (["net", "more", "--from", "gpu-a.csv"], 3, "no file more"),
        (["--from", "gpu-a.csv", "--zone", "Germany"], 3, "there is no zone Germany; near names: DE"),
        (["--from", "http://localhost:9090"], 2, "is an address: save what it answers to a file"),
        (["--from", "."], 2, "is a folder; name its files"),
        (
            ["--from", "gpu-a.csv", "--importer", "excel"], 2,
            "--importer excel is none of nvidia-smi, opengradient, codecarbon, focus, prometheus",
        ),
        (["--from", "gpu-a.csv", "--tz", "Mars/Base"], 2, "Mars/Base"),
        (["--dry-run"], 2, "--dry-run goes with --from"),
        (["--format", "csv"], 2, "--format goes with --from"),
        (["net", "more"], 2, "name one folder"),
        (["--from", "page.html"], 1, "page.html = '<!DOCTYPE html>': is a web page, not data"),
        (["--from", "empty.csv"], 1, "empty.csv: holds nothing"),
        (["--from", "page.html", "--importer", "nvidia-smi"], 1, "page.html: is a web page, not data"),
        (["--from", "idle.json"], 1, "idle.json: names no machine; name the machine with --node"),
        (["--from", "asked.csv"], 1, "asked.csv: names no machine; give files of nvidia-smi, opengradient, codecarbon, focus"),
        (["--from", "gpu-a.csv", "--importer", "openai-usage"], 1, "gpu-a.csv: names no machine; give files of nvidia-smi"),
        (["--from", "gpu-a.csv", "emissions.csv", "--node", "x"], 2, "gpu-a.csv and emissions.csv name none themselves: give it"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_line_and_nothing_is_written(here: Project, words: list[str], code: int, message: str) -> None:
    here.write("page.html", "<!DOCTYPE html>\n<html></html>\n")
    here.write("empty.csv", "")
    here.write("asked.csv", ASKED)
    here.write("emissions.csv", RUN)
    here.write("idle.json", json.dumps({"totalRequests": 0, "daily": [{"day": "2026-10-01", "requestCount": 3}]}))
    before = sorted(here.folder.iterdir())
    result = run("init", *words)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert sorted(here.folder.iterdir()) == before


def test_files_that_name_no_machines_are_left_out_and_the_others_are_read(here: Project) -> None:
    here.write("asked.csv", ASKED)
    result = run("init", "--from", "asked.csv", "gpu-a.csv", "--zone", "DE")
    assert result.code == 0, result.text
    assert "warning: asked.csv: is a log of requests, which names no machines, and is left out; machines are told" in result.err
    assert [row["node"] for row in nodes(here)] == ["gpu-a"]


def test_a_node_that_is_called_as_a_file_of_a_usual_name_is_to_be_confirmed(here: Project) -> None:
    """`emissions` is what CodeCarbon calls every file; a log of nvidia-smi is called as its user likes."""
    here.write("emissions.csv", RUN)
    result = run("init", "--from", "emissions.csv", "gpu-a.csv", "--format", "csv")
    assert result.code == 0, result.text
    marked = {row["node"]: "node" in row["confirm"].split() for row in csv.DictReader(io.StringIO(result.out))}
    assert marked == {"emissions": True, "gpu-a": False}
    assert "what the file is called, which names no machine; name the machine with --node" in " ".join(
        run("init", "--from", "emissions.csv", "--dry-run").out.split()
    )
    (named,) = csv.DictReader(io.StringIO(run("init", "--from", "emissions.csv", "--node", "ber-7", "--format", "csv").out))
    assert (named["node"], "node" in named["confirm"].split()) == ("ber-7", False)


def test_the_operator_is_the_entity_of_settings_that_are_new_alone(here: Project) -> None:
    assert run("init", "--from", "gpu-a.csv", "--operator", 'Acme "GmbH"').code == 0
    assert 'name = "Acme \\"GmbH\\""' in here.read("carbon.toml")
    before = here.read("carbon.toml")
    write_log(here.folder / "gpu-b.csv", device="7")
    assert run("init", "--from", "gpu-b.csv", "--operator", "Other").code == 0
    assert here.read("carbon.toml") == before
    assert [row["operator"] for row in nodes(here)] == ['Acme "GmbH"', "Other"]
