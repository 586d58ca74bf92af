"""`carbon import focus` of bills that were exported again, and of what imports leave that did not end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon import importing
from carbon.importers import store
from tests.cli.project import Project, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Bill = Callable[..., str]

NODES = """node,operator,hardware,devices,zone,pue,in_service
i-0aa,Acme,h100-sxm5-80gb,8,DE,1.25,2026-01-15
i-0bb,Acme,h100-sxm5-80gb,8,DE,1.25,2026-01-15
"""
HEAD = (
    "BillingAccountId,BillingPeriodStart,ChargePeriodStart,ChargePeriodEnd,ProviderName,ResourceId,SkuPriceId,ChargeCategory,"
    "ConsumedQuantity,ConsumedUnit,SkuPriceDetails"
)
DETAILS = '"{""InstanceType"":""p5.48xlarge""}"'
MONTH = "2026-10-01T00:00:00Z"


def line(hour: int, hours: float, machine: str = "i-0aa", sku: str = "od", account: str = "1", month: str = MONTH) -> str:
    start, end = (f"2026-10-01T{each:02}:00:00Z" for each in (hour, hour + 1))
    return f"{account},{month},{start},{end},AWS,{machine},{sku},Usage,{hours},Hours,{DETAILS}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "network"
    assert run("init", str(folder)).code == 0
    (folder / "nodes.csv").write_text(NODES, encoding="utf-8")
    return Project(folder)


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    def write(name: str, *lines: str, day: int = 2) -> str:
        path = tmp_path / name
        path.write_text("\n".join((HEAD, *lines)) + "\n", encoding="utf-8")
        os.utime(path, (1_793_491_200 + 86_400 * day,) * 2)  # from 1 November 2026 on
        return str(path)

    return write


def hours(project: Project, busy: float = 0.5) -> Mapping[str, float]:
    """Hours used by machine, as the workload has them."""
    files = sorted((project.folder / "workload" / "imported").glob("*.csv"))
    rows = pd.concat([pd.read_csv(path) for path in files], ignore_index=True)
    sums: dict[str, float] = rows.groupby("node")["busy_fraction"].sum().div(busy).round(9).to_dict()
    return sums


def give(project: Project, *words: str, code: int = 0) -> str:
    result = project.run("import", "focus", *words, "--busy", "0.5")
    assert result.code == code, result.text
    return result.err


def test_an_amended_bill_takes_the_place_of_the_one_before(project: Project, bill: Bill) -> None:
    old = bill("october.csv", line(0, 1), line(1, 1))
    new = bill("october-amended.csv", line(0, 1), line(1, 0.25, sku="other"), line(1, 1, "i-0bb"), day=5)
    give(project, old)
    said = give(project, new)
    assert hours(project) == {"i-0aa": 1.25, "i-0bb": 1.0}
    assert "note: october-amended.csv (" in said
    assert "replaces october.csv (" in said
    assert "in the bill aws 1 2026-10-01: hours 2 to 2.25, machines 1 to 2" in said
    listed = project.run("import", "list", "--format", "csv").out.splitlines()
    assert listed[0].endswith("replaced_by")
    by_name = {cells[2]: cells[-1] for cells in (text.split(",") for text in listed[1:])}
    assert (by_name["october-amended.csv"], len(by_name["october.csv"])) == ("", 12)
    assert "was replaced by october-amended.csv" in give(project, old)
    assert hours(project) == {"i-0aa": 1.25, "i-0bb": 1.0}
    assert project.run("import", "rewrite").code == 0
    assert hours(project) == {"i-0aa": 1.25, "i-0bb": 1.0}
    assert project.run("import", "remove", "october-amended.csv").code == 0
    assert hours(project) == {"i-0aa": 2.0}


def test_what_is_refused_leaves_nothing_of_any_of_its_files(project: Project, bill: Bill) -> None:
    give(project, bill("october.csv", line(0, 1), line(1, 1, "i-0bb")))
    kept = sorted(project.folder.joinpath("imported").rglob("*.*"))
    part, other = bill("part.csv", line(0, 0.5), day=5), bill("other.csv", line(7, 1), day=5)
    said = give(project, other, part, code=1)
    assert "bill-amended" in said
    assert hours(project) == {"i-0aa": 1.0, "i-0bb": 1.0}
    assert sorted(project.folder.joinpath("imported").rglob("*.*")) == kept
    assert project.run("import", "focus", part, "--replaces", "november.csv").code == 3
    give(project, part, "--replaces", "october.csv")
    assert hours(project) == {"i-0aa": 0.5}


def test_what_is_no_bill_is_not_replaced(project: Project, bill: Bill, tmp_path: Path) -> None:
    samples = "".join(f"2026/10/01 00:{minute}:00, GPU-1, H100, 400 W\n" for minute in ("00", "10"))
    power = f"timestamp, uuid, name, power.draw [W]\n{samples}"
    (tmp_path / "i-0aa.csv").write_text(power, encoding="utf-8")
    assert project.run("import", "nvidia-smi", str(tmp_path / "i-0aa.csv"), "--tz", "UTC").code == 0
    result = project.run("import", "focus", bill("october.csv", line(0, 1)), "--replaces", "i-0aa.csv")
    assert (result.code, "no bill" in result.err) == (2, True)


@pytest.mark.parametrize("once", [True, False])
def test_parts_of_one_export_add_up(project: Project, bill: Bill, once: bool) -> None:
    parts = [bill("1.csv", line(0, 1), line(1, 0.5)), bill("2.csv", line(1, 0.5, sku="saved"), line(1, 1, "i-0bb"))]
    for files in [parts] if once else [[part] for part in parts]:
        assert "bill" not in give(project, *files).replace("bills", "")
    assert hours(project) == {"i-0aa": 2.0, "i-0bb": 1.0}


def test_charges_of_one_hour_in_bills_of_two_months_add_up(project: Project, bill: Bill) -> None:
    late = line(0, 0.5, month="2026-11-01T00:00:00Z")
    give(project, bill("october.csv", line(0, 0.5)))
    give(project, bill("november.csv", late, day=5))
    assert hours(project) == {"i-0aa": 1.0}


def test_a_bill_that_names_no_period_is_of_the_month_of_its_charges(project: Project, bill: Bill) -> None:
    give(project, bill("october.csv", line(0, 1, account="", month="")))
    assert "in the bill aws 2026-10-01:" in give(project, bill("again.csv", line(0, 0.5, account="", month=""), day=5))
    assert hours(project) == {"i-0aa": 0.5}


def leave_behind(project: Project) -> list[Path]:
    """Files as an import leaves them that was killed: one with its name, one without, a note without."""
    day = project.folder / "imported" / "events" / "2026-10-01"
    whole = next(day.glob("*.parquet"))
    left = [day / f"{'0' * 24}.parquet", day / f"{'1' * 24}.tmp"]
    for path in left:
        path.write_bytes(whole.read_bytes())
    note = project.folder / "imported" / "sources" / ".carbon-0123456789abcdef.tmp"
    note.write_text("{", encoding="utf-8")
    return [*left, note]


def test_files_of_an_import_that_was_killed_do_not_count_and_go_with_the_next(project: Project, bill: Bill) -> None:
    give(project, bill("october.csv", line(0, 1)))
    before = project.run("report", "2026-10", "--format", "csv").out if project.run("account").code == 0 else ""
    left = leave_behind(project)
    own = left[0].with_name("readme.txt")
    own.write_text("mine", encoding="utf-8")
    for words in (("check",), ("account",), ("import", "list"), ("import", "coverage")):
        assert project.run(*words).code == 0, words
    assert project.run("report", "2026-10", "--format", "csv").out == before != ""
    assert all(path.exists() for path in left)
    said = give(project, bill("more.csv", line(1, 1)))
    assert "held files that an import which did not end left behind, and that did not count: 3" in said
    assert not any(path.exists() for path in left)
    assert own.exists()
    assert hours(project) == {"i-0aa": 2.0}
    assert "left-behind" not in give(project, bill("again.csv", line(2, 1)))


def test_a_full_disk_leaves_no_file(project: Project, bill: Bill, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the second of two days is to have its name."""
    days = [line(0, 1), line(0, 1).replace("2026-10-01T0", "2026-10-02T0").replace(f",{MONTH[:10]}", ",2026-10-01", 1)]
    done = []
    close = store._Pages.close

    def full(pages: store._Pages) -> None:
        if done:
            raise OSError(28, "No space left on device")
        done.append(close(pages))

    with monkeypatch.context() as patched:
        patched.setattr(store._Pages, "close", full)
        result = project.run("import", "focus", bill("october.csv", *days), "--busy", "0.5")
    assert (result.code, done) == (1, [None]), result.text
    assert "No space left on device" in result.err
    assert not list((project.folder / "imported").rglob("*.*"))


def test_what_was_kept_before_the_disk_was_full_is_written_with_the_next_import(
    project: Project, bill: Bill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "workload")

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_write", full)
        assert project.run("import", "focus", bill("october.csv", line(0, 1)), "--busy", "0.5").code == 1
    assert not list((project.folder / "workload" / "imported").glob("*.csv"))
    next_day = line(0, 1, "i-0bb").replace("2026-10-01T0", "2026-10-02T0").replace(",2026-10-02T00:00:00Z", f",{MONTH}", 1)
    give(project, bill("next.csv", next_day))
    assert hours(project) == {"i-0aa": 1.0, "i-0bb": 1.0}
    assert not (project.folder / "imported" / importing.UNWRITTEN).exists()


def test_what_was_taken_out_before_the_disk_was_full_leaves_the_workload_with_the_next_import(
    project: Project, bill: Bill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "workload")

    later = line(0, 1, "i-0bb").replace("2026-10-01T0", "2026-10-02T0").replace(",2026-10-02T00:00:00Z", f",{MONTH}", 1)
    give(project, bill("october.csv", line(0, 1)))
    with monkeypatch.context() as patched:
        patched.setattr(importing, "_write", full)
        assert project.run("import", "remove", "october.csv").code == 1
    assert hours(project) == {"i-0aa": 1.0}
    give(project, bill("next.csv", later))
    assert hours(project) == {"i-0bb": 1.0}
