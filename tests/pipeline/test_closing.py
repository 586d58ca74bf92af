"""Closing and reopening months of a project, and what reports, settling, tracing and balances say then."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.config import load
from carbon.ledger.store import Ledger
from carbon.locking import close
from carbon.report.drivers import drivers
from tests.cli.project import WORKLOAD
from tests.pipeline.test_settle import series

if TYPE_CHECKING:
    from tests.cli.project import Project


def change(project: Project, row: int = 2, energy_kwh: str = "1.5") -> None:
    """Correct the energy of a row of June."""
    project.change(WORKLOAD, row, energy_kwh=energy_kwh)


def total(project: Project, *words: str) -> float:
    """Total of a report [kg]."""
    return math.fsum(project.report(*words)["kgco2e"].dropna())


def months(project: Project) -> pd.DataFrame:
    """`carbon ledger months`, by month."""
    return project.csv("ledger", "months").set_index("month")


def test_a_late_row_of_a_closed_month_lands_in_the_month_after(accounted: Project) -> None:
    june, july = total(accounted, "2024-06"), total(accounted, "2024-07")
    assert accounted.run("close", "2024-06").code == 0
    change(accounted)
    assert accounted.run("account", "--reason", "meter").code == 0
    assert total(accounted, "2024-06") == june
    moved = total(accounted, "2024-07") - july
    assert moved != 0
    assert total(accounted, "2024-06", "--restated") == pytest.approx(june + moved, rel=1e-12)
    assert total(accounted, "2024-07", "--restated") == july
    late = Ledger(accounted.folder / "ledger").entries().query("posting == 2")
    assert set(late["period"]) == {"2024-07"}
    assert set(late["adjusts"]) == {"2024-06"}
    assert accounted.run("ledger", "verify").code == 0
    assert "says the same already" in accounted.run("account").out


def test_the_table_of_months_adds_up(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    change(accounted)
    accounted.run("account")
    table = months(accounted)
    assert table.loc["2024-06", "first_reported_kgco2e"] == total(accounted, "2024-06")
    for month, row in table.iterrows():
        assert row["reported_kgco2e"] == pytest.approx(total(accounted, str(month)), rel=1e-12)
        assert row["restated_kgco2e"] == pytest.approx(total(accounted, str(month), "--restated"), rel=1e-12)
        parts = row["reported_kgco2e"] - row["earlier_months_kgco2e"] + row["adjustments_kgco2e"]
        assert parts == pytest.approx(row["restated_kgco2e"], rel=1e-12)
    assert table.loc["2024-06", "adjustments_kgco2e"] == table.loc["2024-07", "earlier_months_kgco2e"] != 0
    assert pd.isna(table.loc["2024-07", "closed_at"])
    assert pd.isna(table.loc["2024-07", "first_reported_kgco2e"])


def test_the_report_for_people_tells_all_three(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    assert "Closed: 2024-06." in accounted.run("report", "2024-06").out
    change(accounted)
    accounted.run("account")
    june, july = (" ".join(accounted.run("report", month).out.split()) for month in ("2024-06", "2024-07"))
    assert "2024-06: as first reported" in june
    assert "adjustments booked later" in june
    assert "as restated" in june
    assert "of it adjusts months closed before" in july
    assert "adjusts" not in accounted.run("report", "2024-07", "--restated").out


def test_hardware_adds_up_with_the_ledger_when_months_are_closed(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    accounted.write("nodes.csv", accounted.read("nodes.csv").replace("a,Op One,h100-sxm5-80gb,8", "a,Op One,h100-sxm5-80gb,7"))
    assert accounted.run("account").code == 0
    entries = Ledger(accounted.folder / "ledger").entries()
    assert {"manufacturing"} <= set(entries.loc[entries["adjusts"] == "2024-06", "phase"])
    result = accounted.run("ledger", "balance")
    assert result.code == 0, result.text


def test_settling_a_closed_month_lands_in_the_month_after_too(accounted: Project) -> None:
    assert accounted.run("close", "2024-07").code == 0
    series(accounted)
    assert accounted.run("settle").code == 0
    new = Ledger(accounted.folder / "ledger").entries().query("posting == 2")
    assert set(new["period"]) == {"2024-08"}
    assert set(new["adjusts"]) == {"2024-06", "2024-07"}
    assert "nothing settles" in accounted.run("settle").out
    assert "says the same already" in accounted.run("account").out
    assert "says the same already" in accounted.run("account", "--month", "2024-06").out


def test_an_entry_that_adjusts_is_traced_and_reckoned_again(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    change(accounted)
    accounted.run("account")
    new = Ledger(accounted.folder / "ledger").entries().query("posting == 2")
    for entry in (new.loc[new["reverses"].notna(), "entry"].iloc[0], new.loc[new["reverses"].isna(), "entry"].iloc[0]):
        result = accounted.run("trace", str(entry))
        assert result.code == 0, result.text
        assert "verdict: reproduces" in result.out


def test_the_bridge_of_a_restated_month_tells_what_moved_it(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    then = Ledger(accounted.folder / "ledger").head().recorded_at
    june = total(accounted, "2024-06")
    change(accounted)
    accounted.run("account")
    assert then is not None
    against = ("--against", f"{then:%Y-%m-%dT%H:%M:%S.%fZ}")
    bridge = accounted.csv("report", "2024-06", "--restated", *against).groupby("cause")["kgco2e"].sum()
    assert bridge["before"] == pytest.approx(june, rel=1e-12)
    assert bridge.sum() == pytest.approx(total(accounted, "2024-06", "--restated"), rel=1e-12)
    assert "late_data" in bridge
    assert set(accounted.csv("report", "2024-06", *against)["cause"]) == {"before"}


def test_a_month_is_not_closed_while_its_inputs_have_errors(accounted: Project) -> None:
    change(accounted, energy_kwh="-1")
    result = accounted.run("close", "2024-06")
    assert result.code == 1
    assert "negative" in result.err
    assert months(accounted)["closed_at"].isna().all()


def test_a_month_is_not_closed_before_the_ledger_says_what_its_inputs_say(accounted: Project) -> None:
    change(accounted)
    result = accounted.run("close", "2024-06")
    assert (result.code, result.out) == (1, "")
    assert "does not say what the inputs say of the months to 2024-06" in result.err
    assert "run `carbon account`" in result.err
    assert months(accounted)["closed_at"].isna().all()


def test_a_difference_of_a_later_month_does_not_stop_a_closing(accounted: Project) -> None:
    accounted.change("workload/2024-07.csv", 2, energy_kwh="1.5")
    assert accounted.run("close", "2024-06").code == 0


@pytest.mark.parametrize(("words", "code", "told"), [
    (("close", "2999-01"), 2, "has not ended"),
    (("close", "2023-01"), 3, "the ledger has no entry for 2023-01; it has 2024-06 to 2024-07"),
    (("close", "June"), 2, "is not a month"),
    (("close",), 2, "Missing argument"),
    (("reopen", "2024-06"), 2, "Missing option '--reason'"),
    (("reopen", "2024-06", "--reason", " "), 2, "give the reason to reopen 2024-06"),
    (("reopen", "2024-06", "--reason", "x"), 2, "2024-06 is not closed; no month is closed"),
    (("ledger", "months", "2023"), 3, "the ledger has no entry for 2023"),
    (("report", "2024-06", "--restated", "--rolling", "7d"), 2, "--restated does not go with --rolling"),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_line(accounted: Project, words: tuple[str, ...], code: int, told: str) -> None:
    result = accounted.run(*words)
    assert (result.code, result.out) == (code, ""), result.text
    assert told in " ".join(result.err.split())


def test_a_month_closed_twice_is_refused_and_reopened_once(accounted: Project) -> None:
    assert accounted.run("close", "2024-07").code == 0
    again = accounted.run("close", "2024-06")
    assert (again.code, "closed already, with all months to 2024-07" in again.err) == (2, True)
    result = accounted.run("reopen", "2024-07", "--reason", "a meter was read twice")
    assert "closed are the months to 2024-06" in result.out
    closings = Ledger(accounted.folder / "ledger").closings()
    assert closings["reason"].tolist() == ["", "a meter was read twice"]
    change(accounted, row=2)
    accounted.run("account")
    late = Ledger(accounted.folder / "ledger").entries().query("posting == 2")
    assert set(late["period"]) == {"2024-07"}


def test_reports_as_they_were_known_before_a_closing_do_not_tell_of_it(accounted: Project) -> None:
    head = Ledger(accounted.folder / "ledger").head()
    assert head.recorded_at is not None
    known = ("--as-of", f"{head.recorded_at:%Y-%m-%dT%H:%M:%S.%fZ}")
    before = accounted.run("report", "2024-06", *known).out
    accounted.run("close", "2024-06")
    change(accounted)
    accounted.run("account")
    assert accounted.run("report", "2024-06", *known).out == before
    assert accounted.run("report", "2024-06", "--restated", "--format", "csv", *known).code == 0


def test_an_evidence_pack_lists_the_closings(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    accounted.run("reopen", "2024-06", "--reason", "=why")
    assert accounted.run("ledger", "export", str(accounted.folder / "pack")).code == 0
    table = pd.read_csv(accounted.folder / "pack" / "closings.csv")
    assert table["action"].tolist() == ["close", "reopen"]
    assert table["closed"].fillna("").tolist() == ["2024-06", ""]
    assert table["reason"].tolist()[1] == "'=why"


def test_another_entity_neither_closes_nor_reopens(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    accounted.settings('[entity]\nname = "Other"\n')
    for words in (("close", "2024-07"), ("reopen", "2024-06", "--reason", "x")):
        result = accounted.run(*words)
        assert (result.code, result.out) == (4, "")
        assert "belongs to 'Small network', and the project to 'Other'" in result.err


def test_the_log_lists_closings_and_why(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    accounted.run("reopen", "2024-06", "--reason", "read twice")
    out = accounted.run("ledger", "log").out
    assert "closings" in out
    assert "read twice" in out


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("option", ["--as-of", "--against"])
def test_a_time_beyond_all_years_is_one_line(accounted: Project, option: str, time: str) -> None:
    result = accounted.run("report", "2024-06", option, time)
    assert result.code == 2, result.text
    assert "not within the years 1 to 9999" in result.err


def test_drivers_of_restated_months_hold_no_adjustments(accounted: Project) -> None:
    """What adjusts June counts in June: the change is that of the months as they are known now."""
    accounted.run("close", "2024-06")
    change(accounted)
    accounted.run("account")
    ledger = Ledger(accounted.folder / "ledger").restated()
    found = drivers(ledger, "2024-06", "2024-07")
    june, july = (total(accounted, month, "--restated") for month in ("2024-06", "2024-07"))
    assert found["kgco2e"].sum() == pytest.approx(july - june, rel=1e-9)
    assert "adjustments" not in set(found["driver"])


def test_commands_take_restated_months_as_the_report_does(accounted: Project) -> None:
    accounted.run("close", "2024-06")
    change(accounted)
    accounted.run("account")
    june, july = (total(accounted, month, "--restated") for month in ("2024-06", "2024-07"))
    moves = accounted.csv("drivers", "2024-06", "2024-07", "--restated")
    assert math.fsum(moves["kgco2e"]) == pytest.approx(july - june, rel=1e-9)
    assert "adjustments" not in set(moves["driver"])
    assert "adjustments" in set(accounted.csv("drivers", "2024-06", "2024-07")["driver"])
    for month, kgco2e in (("2024-06", june), ("2024-07", july)):
        told = accounted.csv("concentration", month, "--by", "node", "--restated")["kgco2e"].tolist()
        assert told == pytest.approx([kgco2e], rel=1e-12)
        hours = accounted.csv("report", month, "--intensity", "--restated").query("functional_unit == 'device-hour'")
        assert hours["kgco2e"].tolist() == pytest.approx([kgco2e], rel=1e-12)
    for words in (("drivers", "2024-06", "2024-07"), ("concentration", "2024-06"), ("report", "2024-06", "--intensity")):
        assert "(management view), as restated" in " ".join(accounted.run(*words, "--restated").out.split())
        assert "as restated" not in accounted.run(*words).out


def test_warnings_stay_when_something_settles(accounted: Project) -> None:
    rows = accounted.rows(WORKLOAD)
    accounted.put_rows(WORKLOAD, rows[:5] + rows[8:])
    accounted.run("account")
    assert "unmetered" in set(Ledger(accounted.folder / "ledger").findings()["code"])
    series(accounted)
    assert accounted.run("settle").code == 0
    found = Ledger(accounted.folder / "ledger").findings()
    assert "unmetered" in set(found.loc[found["posting"] == 3, "code"])


@pytest.mark.parametrize("words", [(), ("--by", "node")])
def test_windows_over_an_adjusted_month_hold_what_stands_and_nothing_beside(accounted: Project, words: tuple[str, ...]) -> None:
    """An entry and its reversal a month later stand at the same time: neither is a row, and the page for people is drawn."""
    accounted.run("close", "2024-06")
    series(accounted)
    assert accounted.run("settle").code == 0
    change(accounted)
    assert accounted.run("account").code == 0
    found = accounted.csv("report", "2024-07", "--rolling", "2mo", *words)
    whole = pd.concat([accounted.csv("report", month, "--restated", *words) for month in ("2024-06", "2024-07")])
    figures = ["energy_kwh", "kgco2e", "kgco2e_low", "kgco2e_high", "provisional_share"]
    keys = [name for name in whole if name not in figures]
    assert found[keys].astype("str").fillna("").to_numpy().tolist() == whole[keys].astype("str").fillna("").to_numpy().tolist()
    for name in figures:
        assert found[name].to_numpy() == pytest.approx(whole[name].to_numpy(), rel=1e-12, nan_ok=True)
    assert not ((found["energy_kwh"] == 0) & (found["kgco2e"] == 0)).any()
    shown = accounted.run("report", "2024-07", "--rolling", "2mo", *words)
    assert shown.code == 0, shown.text
    assert accounted.run("report", "2024-07", "--rolling", "2mo", "--daily").code == 0


def test_no_share_of_energy_is_below_nothing_where_a_closed_month_settled(accounted: Project) -> None:
    """June's energy of node b is taken back in July and put there anew: its shares are of the lines that stand in July."""
    accounted.run("close", "2024-06")
    series(accounted)
    assert accounted.run("settle").code == 0
    entries = Ledger(accounted.folder / "ledger").entries().query("period == '2024-07' and basis in ['location', 'either']")
    taken = set(entries["reverses"].dropna())
    kwh: dict[str, float] = {}
    for line in entries.itertuples():
        if pd.isna(line.reverses) and line.entry not in taken and not pd.isna(line.energy_kwh):
            kwh[str(line.tier)] = kwh.get(str(line.tier), 0.0) + line.energy_kwh
    measured = kwh["measured"] / sum(kwh.values())
    assert 0 < measured < 1
    for words in ((), ("--format", "md")):
        shown = accounted.run("report", "2024-07", *words).out
        assert f"measured {measured:.1%}".replace("%", " %") in shown
        before = [line.partition("of the energy")[0].lstrip("- •") for line in shown.splitlines() if "of the energy" in line]
        assert before
        assert not any("-" in share for share in before)


def test_a_month_with_adjustments_alone_has_no_footprint_and_says_so(accounted: Project) -> None:
    accounted.run("close", "2024-07")
    change(accounted)
    accounted.run("account")
    assert accounted.run("report", "2024-08").code == 0
    result = accounted.run("export", "pact", "2024-08")
    assert (result.code, result.err) == (3, "error: the ledger has no entry for 2024-08; it has 2024-06 to 2024-07\n")


@pytest.fixture
def only_adjusted(accounted: Project) -> Project:
    """The small project with both its months closed: August holds adjustments and nothing else."""
    assert accounted.run("close", "2024-07").code == 0
    change(accounted)
    assert accounted.run("account").code == 0
    return accounted


@pytest.mark.parametrize(
    "words", [("report", "--restated"), ("concentration", "--restated"), ("report", "--restated", "--intensity")]
)
def test_the_last_month_restated_is_the_last_that_entries_are_about(only_adjusted: Project, words: tuple[str, ...]) -> None:
    """Nobody asked for August, which is about nothing."""
    named = (words[0], "2024-07", *words[1:])
    for kind in ("csv", "table"):
        said = only_adjusted.run(*words, "--format", kind)
        assert said.code == 0, said.text
        assert said.out == only_adjusted.run(*named, "--format", kind).out


def test_the_last_month_booked_is_the_one_of_adjustments(only_adjusted: Project) -> None:
    assert set(only_adjusted.report()["month"]) == {"2024-08"}
    assert set(only_adjusted.report("--restated")["month"]) == {"2024-07"}
    page = only_adjusted.run("report", "--restated", "--format", "html", "-o", str(only_adjusted.folder / "page.html"))
    book = only_adjusted.run("report", "--restated", "--format", "xlsx", "-o", str(only_adjusted.folder / "book.xlsx"))
    assert (page.code, book.code) == (0, 0), page.text + book.text


@pytest.mark.parametrize(
    "words",
    [
        ("report", "2024-07"), ("report", "2024-07", "--intensity"), ("report", "2024-07", "--format", "md"),
        ("concentration", "2024-07"), ("drivers", "2024-06", "2024-07"),
    ],
)  # fmt: skip
def test_what_is_printed_says_whether_it_is_restated_and_as_known_when(only_adjusted: Project, words: tuple[str, ...]) -> None:
    """Two totals of one month are told apart by what stands above them."""
    booked = " ".join(only_adjusted.run(*words).out.split())
    restated = " ".join(only_adjusted.run(*words, "--restated", "--as-of", "2100-01-01").out.split())
    assert "(management view), as restated, as known at 2100-01-01 00:00 UTC" in restated
    assert "(management view), as restated" not in booked
    assert "as known at" not in booked


def test_a_bridge_says_whether_it_is_restated(only_adjusted: Project) -> None:
    first = only_adjusted.entries()["recorded_at"].min().isoformat()
    said = [only_adjusted.run("report", "2024-07", "--against", first, *more).out for more in ((), ("--restated",))]
    assert ["as restated" in text.split("Restatement")[0].split("Closed")[0] for text in said] == [False, True]


def test_the_last_year_of_work_is_the_last_that_entries_are_about(project: Project) -> None:
    """A correction of a closed December is booked in January, in which nobody worked."""
    project.write("nodes.csv", project.read("nodes.csv").replace("2024-06-29,2024-07-03", "2024-12-29,2025-01-03"))
    header = "start,end,node,energy_kwh,requests,product,activity\n"
    row = "2024-12-30T00:00:00Z,2024-12-30T01:00:00Z,b,{},100,chat,inference\n"
    project.write("workload/2024-06.csv", header + row.format("0.5"))
    (project.folder / "workload/2024-07.csv").unlink()
    assert project.run("account").code == 0
    assert project.run("close", "2024-12").code == 0
    project.write("workload/2024-06.csv", header + row.format("0.6"))
    assert project.run("account").code == 0
    assert set(project.entries()["period"]) == {"2024-12", "2025-01"}
    assert set(project.csv("export", "sci")["month"]) == {"2024-12"}


def test_close_asks_the_clock_when_all_is_reckoned(accounted: Project) -> None:
    """What was printed while it reckoned is as of a time before the closing."""
    began = datetime(2100, 1, 1, tzinfo=UTC)
    done = close(load(accounted.folder), "2024-06", now=began, clock=lambda: began + timedelta(minutes=5))
    assert done.closing.recorded_at == (began + timedelta(minutes=5)).isoformat()
