"""`carbon import prometheus` and `vllm` as they are called: files or a server, what is told, and how they refuse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from carbon.core.time import isoformat, parse_instant
from tests.importers.play import Reply, Server
from tests.importers.test_prometheus import ENERGY, answer, every, series

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli.project import Project

START_S = parse_instant("2024-06-30") / 1e6
WATTS = 400.0
J_PER_KWH = 3.6e6


def saved(folder: Path) -> Path:
    """An answer with two hours of a device of node `a`, and of a server there."""
    found = [
        series(ENERGY, every([at * 60 * WATTS * 1e3 for at in range(121)])),
        series("vllm:generation_tokens_total", every([at * 600.0 for at in range(121)]), model_name="m", instance="a:8000"),
    ]
    for one in found:
        one["values"] = [[START_S + 60 * at, value] for at, (_, value) in enumerate(one["values"])]  # type: ignore[call-overload]
    path = folder / "answer.json"
    path.write_text(json.dumps(answer(found)), encoding="utf-8")
    return path


def imported(project: Project) -> dict[str, str]:
    """Workload files that importing wrote."""
    return {path.name: path.read_text() for path in (project.folder / "workload" / "imported").glob("*.csv")}


def test_a_saved_answer_becomes_workload_with_its_coverage(project: Project, tmp_path: Path) -> None:
    table = project.csv("import", "prometheus", str(saved(tmp_path)))
    assert table[["node", "hours", "metered_share"]].to_numpy().tolist() == [["a", 2, 1.0]]
    gpu_kwh = WATTS * 7_200 / J_PER_KWH
    assert (table["energy_kwh"] - table["host_kwh"]).tolist() == pytest.approx([gpu_kwh])
    assert table["device_w"].tolist() == pytest.approx([WATTS])
    assert table["output_tokens"].tolist() == pytest.approx([72_000])
    (name, text), *none = imported(project).items()
    assert (name, none) == ("2024-06-30.csv", [])
    lines = text.splitlines()
    assert len(lines) == 1 + 2
    assert lines[1].startswith("2024-06-30T00:00:00Z,2024-06-30T01:00:00Z,a,")
    again = project.run("import", "prometheus", str(saved(tmp_path)))
    assert "imported: 1 (1 there already)" in again.out
    assert imported(project) == {name: text}


def test_tokens_alone_and_beside_the_energy_once(project: Project, tmp_path: Path) -> None:
    path = str(saved(tmp_path))
    assert project.run("import", "vllm", path).code == 0
    (text,) = imported(project).values()
    assert [line.split(",")[3] for line in text.splitlines()[1:]] == ["", ""]
    both = project.run("import", "prometheus", path)
    assert both.code == 0, both.text
    table = project.csv("import", "prometheus", path)
    assert table["output_tokens"].tolist() == pytest.approx([72_000])
    assert table["energy_kwh"].iloc[0] > 0
    listed = project.csv("import", "list")
    assert sorted(listed["importer"]) == ["prometheus", "vllm"]
    assert project.run("import", "remove", str(listed["id"][listed["importer"] == "vllm"].iloc[0])).code == 0
    assert project.csv("import", "prometheus", path)["output_tokens"].tolist() == pytest.approx([72_000])


class Present:
    """A server with a device's counter, at any time; it remembers the starts that were asked for."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def answer(self, path: str, form: dict[str, str], headers: Mapping[str, str]) -> Reply:
        """What a request gets."""
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        self.starts.append(start)
        times = [start + step * at for at in range(int((end - start) / step) + 1)]
        values = [[at, repr(WATTS * 1e3 * at)] for at in times]
        named = {"__name__": ENERGY, "Hostname": "a", "UUID": "GPU-1"}
        found = [{"metric": named, "values": values}] if ENERGY in form["query"] else []
        return Reply(200, json.dumps(answer(found)))


def test_without_options_it_goes_on_where_it_was(project: Project) -> None:
    present = Present()
    with Server(present.answer) as server:
        project.settings(f'[entity]\nname = "x"\n[import.prometheus]\nurl = "{server.url}"\nstep = 300\n')
        began_s = time.time()
        first = project.run("import", "prometheus")
        assert first.code == 0, first.text
        yesterday_s = began_s // 86_400 * 86_400 - 86_400
        assert min(present.starts) == yesterday_s - 3_600
        table = project.csv("import", "prometheus", "--url", f"{server.url}/", "--from", isoformat(int(yesterday_s * 1e6)))
        assert table["metered_share"].tolist() == pytest.approx([1.0])
        hours = (began_s // 3_600 * 3_600 - yesterday_s) / 3_600
        assert table["hours"].iloc[0] in {hours, hours + 1}  # the next hour may have begun
        present.starts.clear()
        listed = project.csv("import", "list")
        again = project.run("import", "prometheus")
        assert again.code == 0, again.text
    assert min(present.starts) == parse_instant(listed["last"].max()) / 1e6 - 3_600
    assert len(set(listed["id"])) == len(listed) == (2 if began_s % 86_400 >= 3_600 else 1)


@pytest.mark.parametrize(("words", "code", "said"), [
    (["prometheus"], 2, "give --url http://HOST:9090"),
    (["vllm"], 2, "give --url http://HOST:9090"),
    (["prometheus", "gone.json"], 3, "no file gone.json"),
    (["vllm", "gone.json", "--url", "http://x"], 2, "--url is for a server"),
    (["prometheus", "gone.json", "--from", "2024-06-01"], 2, "--from is for a server"),
    (["prometheus", "--metric", "x", "--url", "http://x"], 2, "--metric is for files"),
    (["prometheus", "gone.json", "--metric", "x"], 2, "--metric x is none that is read"),
    (["prometheus", "gone.json", "--window", "0"], 2, "--window 0 is no time"),
    (["prometheus", "--step", "soon"], 2, "--step soon is no time"),
    (["prometheus", "--step", "1h", "--url", "http://x"], 2, "must be from 1 to 900"),
    (["prometheus", "--url", "me:pw@x"], 2, "must be a web address"),
    (["prometheus", "--url", "http://x", "--from", "soon"], 2, "--from soon"),
    (["prometheus", "--url", "http://x", "--from", "2024-06-02", "--to", "2024-06-01"], 2, "must be after"),
    (["prometheus", "--url", "http://x", "--from", "2924-06-02"], 2, "must be after"),
])  # fmt: skip
def test_calls_that_cannot_be_meant(project: Project, words: list[str], code: int, said: str) -> None:
    result = project.run("import", *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_a_foreign_file_is_one_line_and_keeps_nothing(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    path.write_text("<html>Sign in</html>")
    result = project.run("import", "prometheus", str(path))
    assert (result.code, result.out) == (1, "")
    assert "login.json: is a web page" in result.err
    assert imported(project) == {}
    assert project.csv("import", "list").empty


@pytest.mark.parametrize(("found", "said"), [
    ([], "has no samples"),
    ([series(ENERGY, [(0, 5e6)])], "has one sample of a meter"),
    ([series(ENERGY, [(1e12, 5e6), (1.00000006e12, 6e6)])], "look like milliseconds"),
    ([series(ENERGY, [(1e10, 5e6), (1e10 + 60, 6e6)])], "of the future alone"),
])  # fmt: skip
def test_a_file_with_nothing_in_it_is_an_error_and_keeps_nothing(
    project: Project, tmp_path: Path, found: list[object], said: str
) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer(found)), encoding="utf-8")
    result = project.run("import", "prometheus", str(path))
    assert (result.code, result.out) == (1, "")
    assert said in result.err
    assert imported(project) == {}
    assert project.csv("import", "list").empty


def test_a_server_with_nothing_is_an_error(project: Project) -> None:
    with Server(lambda *_: Reply(200, json.dumps(answer([])))) as server:
        words = "import", "prometheus", "--url", server.url, "--from", "2024-06-01", "--to", "2024-06-02"
        result = project.run(*words)
    assert (result.code, result.out) == (1, "")
    assert "error: " in result.err
    assert "the server has none of the metrics that are read" in result.err


def test_a_slow_server_is_told_of(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbon.grid.providers.client.SLOW_S", 0.1)

    def late(path: str, form: dict[str, str], headers: Mapping[str, str]) -> Reply:
        time.sleep(0.4)
        return Present().answer(path, form, headers)

    with Server(late) as server:
        words = "import", "prometheus", "--url", server.url, "--from", "2024-06-01", "--to", "2024-06-02"
        result = project.run(*words)
    assert result.code == 0, result.text
    assert "the server has not answered for 0 s; it is given 120 s" in result.err


def test_saved_increases_need_their_window(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    hours = [series("", [(0, 1.4e9), (3_600, 1.5e9)], Hostname="a", UUID="GPU-1")]
    path.write_text(json.dumps(answer(hours)), encoding="utf-8")
    result = project.run("import", "prometheus", str(path), "--metric", ENERGY)
    assert (result.code, result.out) == (1, "")
    assert "give --window 1h" in result.err
    for window, kwh in (("1h", 2.9e9 / 3.6e9), ("raw", 0.1e9 / 3.6e9)):
        table = project.csv("import", "prometheus", str(path), "--metric", ENERGY, "--window", window)
        assert (table["energy_kwh"] - table["host_kwh"]).tolist() == pytest.approx([kwh], rel=1e-6)
        project.run("import", "remove", "answer.json")


def test_an_unknown_node_is_named_and_can_be_left_out(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer([series(ENERGY, every([0, 1e6]), Hostname="zz-9")])))
    result = project.run("import", "prometheus", str(path))
    assert result.code == 1
    assert "'zz-9': is not in the node register" in result.err
    assert project.run("import", "prometheus", str(path), "--skip-unknown").code == 0
    assert imported(project) == {}
