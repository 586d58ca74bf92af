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
from carbon.report.cells import percent
from carbon.report.drivers import drivers
from carbon.report.drivers_view import driver_notes
from carbon.report.months import month_notes, months

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.pages.gather import Facts
    from carbon.pages.model import Unit

_TITLE = "Drivers of the change"
_MONTH_HEADS = {
    "closed_at": "closed at", "first_reported_kgco2e": "first reported", "reported_kgco2e": "reported",
    "earlier_months_kgco2e": "of which for earlier months", "adjustments_kgco2e": "adjustments booked later",
    "restated_kgco2e": "restated",
}  # fmt: skip
_CAUSES = ["posting", "recorded_at", "cause", "reason", "entries", "kgco2e"]
_NAMES = {
    "entered": "nodes entered", "left": "nodes left", "moved": "nodes moved", "without_work": "work not stated", "pue": "PUE",
}  # fmt: skip
# in words for readers; docs/methods.md has the formulas
MEANINGS = {
    "demand": "the amount of work",
    "place_between_zones": "how the work is shared among grid zones",
    "place_within_zones": "how the work of a zone is shared among its nodes",
    "entered": "nodes that have emissions in the later month only",
    "left": "nodes that have emissions in the earlier month only",
    "moved": "nodes that changed zone or boundary, or used no electricity in one of the months",
    "hour_of_day": "the hours at which electricity is used",
    "efficiency": "electricity per unit of inference work",
    "overheads": "electricity of retries, verification and idle time per unit of work",
    "pue": "power usage effectiveness of the sites",
    "without_work": "electricity and device-hours of nodes that state no work",
    "intensity": "emissions per kWh of electricity",
    "purchases": "market-based: the electricity that instruments cover, and their intensity",
    "upstream_and_losses": "upstream emissions and grid losses per kWh",
    "devices_per_work": "devices in service per unit of work",
    "kg_per_device_hour": "embodied emissions charged per device-hour",
    "hardware_per_work": "embodied emissions charged per unit of work",
    "hardware_incurred": "hardware acquired, shipped or disposed of, as incurred",
    "write_offs": "write-offs of hardware and true-ups of disposal",
    "method_change": "calculation methods and kinds of emission factor",
    "adjustments": "corrections booked for months already closed",
    "other": "amounts below zero, and emissions without electricity",
}


def driven(facts: Facts) -> Section:
    """The waterfall from the month before the period's last one to that; where there is none, that is said."""
    after = facts.last
    before = month_text(month_number(after) - 1)
    if before not in set(facts.past["month"]):
        said = f"The ledger has no emissions for {before}, so the change to {after} cannot be explained."
        return Section("drivers", _TITLE, [said], [])
    nodes, faults = _register(facts)
    frame = drivers(
        facts.view, before, after, (), facts.wish.energy, facts.wish.hardware, facts.wish.as_of, nodes=nodes
    )
    moved = frame[frame["kgco2e"] != 0]
    names, values = [_name(one) for one in moved["driver"]], moved["kgco2e"].tolist()
    begin, end = frame.attrs["before_kgco2e"], frame.attrs["after_kgco2e"]
    unit = facts.unit
    said = _told(unit, (before, after), (begin, end), list(zip(names, values, strict=True)))
    steps = [value / unit.kg for value in (begin, *values)]
    title = f"Change of emissions from {before} to {after}"
    drawn = waterfall([before, *names, after], steps, Words("drivers", title, said, unit.name))
    table = pd.DataFrame({
        "driver": [before, *map(_name, frame["driver"]), after], "kgco2e": [begin, *frame["kgco2e"], end],
        "change of": ["", *(MEANINGS[driver] for driver in frame["driver"]), ""],
    })  # fmt: skip
    caption = waterfall_caption(unit.name, steps)
    return Section("drivers", _TITLE, [said, *map(_sentence, driver_notes(frame, (before, after))), *faults], [
        Block(drawn, caption, table_of(table, f"Drivers from {before} to {after} [{unit.name}]", None, unit))
    ])  # fmt: skip


def restated(facts: Facts) -> Section | None:
    """Months that are closed, or whose figures were moved by what was posted later; None where there is nothing to tell."""
    blocks, said = [], month_notes(facts.booked, facts.months, facts.wish.as_of, facts.wish.energy, facts.wish.hardware)
    if facts.booked.closed().number:
        about = [month for month in facts.trend if month not in facts.gaps]
        table = months(facts.booked, about, facts.wish.as_of, facts.wish.energy, facts.wish.hardware)
        table["closed_at"] = table["closed_at"].dt.floor("s")
        caption = f"Months as first reported and as restated [{facts.unit.name}]"
        blocks.append(Block(table=table_of(table, caption, _MONTH_HEADS, facts.unit, tuple(_MONTH_HEADS)[1:])))
    causes = _causes(facts)
    if len(causes):
        caption = f"Corrections after the first posting [{facts.unit.name}]"
        heads = {"recorded_at": "recorded at", "kgco2e": f"change, {facts.unit.name}"}
        blocks.append(Block(table=table_of(causes, caption, heads, facts.unit)))
        said.append(
            "Figures of this period were corrected after they were first posted; each correction names its cause."
        )
    return Section("restated", "Closed months and restatements", said, blocks) if blocks else None


def _causes(facts: Facts) -> pd.DataFrame:
    """Entries of the statement that correct others, by posting, cause and reason: how many, and how far they moved it [kg]."""
    if facts.postings["cause"].isna().all():
        return pd.DataFrame(columns=_CAUSES)
    needed = ("posting", "recorded_at", "period", "basis", "kgco2e", "cause", "reason")
    entries = facts.view.entries(facts.wish.as_of, facts.months, needed, coded=True)
    bases = [facts.wish.energy, facts.wish.hardware, "either"]
    some = entries[entries["basis"].isin(bases) & entries["cause"].notna() & (entries["cause"] != "")]
    some = some[some["posting"] > entries["posting"].min()]
    rows = []
    if len(some):
        for _, group in some.groupby(codes(some[["posting", "cause", "reason"]]), sort=False):
            first = group.iloc[0]
            moved = math.fsum(group["kgco2e"].dropna())
            rows.append((first["posting"], first["recorded_at"], first["cause"], first["reason"], len(group), moved))
    frame = pd.DataFrame(rows, columns=_CAUSES)
    frame["recorded_at"] = pd.to_datetime(frame["recorded_at"], utc=True).dt.floor("s")
    return frame.sort_values(["posting", "cause"], ignore_index=True)


def _register(facts: Facts) -> tuple[pd.DataFrame | None, list[str]]:
    """The node register, which tells PUE and devices; where there is none that can be read, what is said of that."""
    try:
        return nodes_of(facts.settings, facts.now, Findings()), []
    except InputError as error:
        return None, [
            f"PUE and the number of devices are not known from the node register: {error.findings[0].problem}."
        ]
    except (CarbonError, OSError) as error:
        return None, [f"PUE and the number of devices are not known from the node register: {error}."]


def _told(unit: Unit, months: tuple[str, str], ends: tuple[float, float], steps: list[tuple[str, float]]) -> str:
    begin, end = ends
    share = f" ({'+' if end > begin else ''}{percent((end - begin) / abs(begin))})" if begin else ""
    largest = sorted(steps, key=lambda step: (-abs(step[1]), step[0]))[:3]
    most = ", ".join(f"{name} {'+' if value > 0 else '-'}{unit.amount(abs(value))}" for name, value in largest)
    named = f" Largest drivers: {most}." if most else ""
    return f"From {months[0]} to {months[1]}, emissions went from {unit.amount(begin)} to {unit.amount(end)}{share}.{named}"


def waterfall_caption(unit: str, steps: Sequence[float]) -> str:
    """How a waterfall is to be read."""
    cut = " The axis does not start at zero." if is_cut(steps) else ""
    return (
        f"Chart in {unit}. Orange bars with rising stripes: increase. Green bars with falling stripes: decrease.{cut}"
    )


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."


def _name(driver: str) -> str:
    return _NAMES.get(driver, str(driver).replace("_", " "))
