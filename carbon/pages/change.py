"""What changed: drivers against the month before, months closed and restated, what was posted about the period and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from carbon.core.errors import CarbonError, InputError
from carbon.core.findings import Findings
from carbon.core.time import month_number, month_text
from carbon.embodied import nodes_of
from carbon.ledger.codes import codes
from carbon.pages.charts import Words, is_cut, waterfall
from carbon.pages.model import Block, Section, table_of
from carbon.report.cells import amount, percent
from carbon.report.drivers import drivers
from carbon.report.drivers_view import driver_notes
from carbon.report.months import month_notes, months
from carbon.report.waterfall import unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.pages.gather import Facts

_TITLE = "What drove the change"
_MONTH_HEADS = {
    "closed_at": "closed at", "first_reported_kgco2e": "first reported", "reported_kgco2e": "reported",
    "earlier_months_kgco2e": "of it for months before", "adjustments_kgco2e": "adjustments booked later",
    "restated_kgco2e": "restated",
}  # fmt: skip
_CAUSE_HEADS = {"recorded_at": "recorded at", "kgco2e": "kgCO2e moved", "entries": "entries"}


def driven(facts: Facts) -> Section:
    """The waterfall from the month before the period's last one to that; where there is none, that is said."""
    after = facts.last
    before = month_text(month_number(after) - 1)
    if before not in set(facts.past["month"]):
        said = f"{before} has no statement, so there is nothing to lead from {before} to {after}."
        return Section("drivers", _TITLE, [said], [])
    nodes, faults = _register(facts)
    frame = drivers(
        facts.view, before, after, (), facts.wish.energy, facts.wish.hardware, facts.wish.as_of, nodes=nodes
    )
    moved = frame[frame["kgco2e"] != 0]
    names, values = [_name(one) for one in moved["driver"]], moved["kgco2e"].tolist()
    begin, end = frame.attrs["before_kgco2e"], frame.attrs["after_kgco2e"]
    said = _told(before, after, begin, end, list(zip(names, values, strict=True)))
    unit, factor = unit_of([begin, end])
    steps = [value / factor for value in (begin, *values)]
    drawn = waterfall([before, *names, after], steps, Words("drivers", f"From {before} to {after}", said, unit))
    table = pd.DataFrame({
        "driver": [before, *map(_name, frame["driver"]), after], "kgco2e": [begin, *frame["kgco2e"], end],
    })  # fmt: skip
    caption = waterfall_caption(unit, steps)
    return Section("drivers", _TITLE, [said, *map(_sentence, driver_notes(frame, (before, after))), *faults], [
        Block(drawn, caption, table_of(table, f"Drivers from {before} to {after}", {"kgco2e": "kgCO2e"}))
    ])  # fmt: skip


def restated(facts: Facts) -> Section | None:
    """Months that are closed, or whose figures were moved by what was posted later; None where there is nothing to tell."""
    blocks, said = [], month_notes(facts.booked, facts.months, facts.wish.as_of, facts.wish.energy, facts.wish.hardware)
    if facts.booked.closed().number:
        about = [month for month in facts.trend if month not in facts.gaps]
        table = months(facts.booked, about, facts.wish.as_of, facts.wish.energy, facts.wish.hardware)
        table["closed_at"] = table["closed_at"].dt.floor("s")
        blocks.append(Block(table=table_of(table, "Months as first reported and as restated [kgCO2e]", _MONTH_HEADS)))
    causes = _causes(facts)
    if len(causes):
        blocks.append(Block(table=table_of(causes, "Postings that changed what an earlier one said", _CAUSE_HEADS)))
        said.append("Figures of the period were changed after they were first posted; each change names its cause.")
    return Section("restated", "Closed months and restatements", said, blocks) if blocks else None


def _causes(facts: Facts) -> pd.DataFrame:
    """Entries of the statement that correct others, by posting, cause and reason: how many, and how far they moved it [kg]."""
    needed = ("posting", "recorded_at", "period", "basis", "kgco2e", "cause", "reason")
    entries = facts.view.entries(facts.wish.as_of, facts.months, needed)
    bases = [facts.wish.energy, facts.wish.hardware, "either"]
    some = entries[entries["basis"].isin(bases) & entries["cause"].notna() & (entries["cause"].astype("str") != "")]
    some = some[some["posting"] > entries["posting"].min()]
    rows = []
    if len(some):
        for _, group in some.groupby(codes(some[["posting", "cause", "reason"]]), sort=False):
            first = group.iloc[0]
            moved = math.fsum(group["kgco2e"].dropna())
            rows.append((first["posting"], first["recorded_at"], first["cause"], first["reason"], len(group), moved))
    frame = pd.DataFrame(rows, columns=["posting", "recorded_at", "cause", "reason", "entries", "kgco2e"])
    frame["recorded_at"] = pd.to_datetime(frame["recorded_at"], utc=True).dt.floor("s")
    return frame.sort_values(["posting", "cause"], ignore_index=True)


def _register(facts: Facts) -> tuple[pd.DataFrame | None, list[str]]:
    """The node register, which tells PUE and devices; where there is none that can be read, what is said of that."""
    try:
        return nodes_of(facts.settings, facts.now, Findings()), []
    except InputError as error:
        return None, [f"The node register does not tell PUE and devices: {error.findings[0].problem}."]
    except (CarbonError, OSError) as error:
        return None, [f"The node register does not tell PUE and devices: {error}."]


def _told(before: str, after: str, begin: float, end: float, steps: list[tuple[str, float]]) -> str:
    share = f" ({'+' if end > begin else ''}{percent((end - begin) / abs(begin))})" if begin else ""
    largest = sorted(steps, key=lambda step: (-abs(step[1]), step[0]))[:3]
    most = ", ".join(f"{name} {'+' if value > 0 else '-'}{amount(abs(value))}" for name, value in largest)
    return f"From {before} to {after}: {amount(begin)} to {amount(end)}{share}.{f' The most: {most}.' if most else ''}"


def waterfall_caption(unit: str, steps: Sequence[float]) -> str:
    """How a waterfall is to be read."""
    cut = " The axis does not begin at 0." if is_cut(steps) else ""
    return f"{unit}. Orange, striped upwards: adds. Green, striped downwards: takes away.{cut}"


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."


def _name(driver: str) -> str:
    return str(driver).replace("_", " ")
