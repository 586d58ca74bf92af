"""Billing rows in the FOCUS form (FinOps Open Cost and Usage Specification, 1.0 to 1.2): hours of rented machines with devices.

A bill has several rows for one machine and hour (the machine, its disks, transfer, discounts): taken are those of its use, in
hours or seconds, whose instance hardware_profiles/instances.csv knows. What was taken back later has negative hours and adds up
with what it corrects. How busy machines were no bill tells.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.core.findings import WARNING
from carbon.core.time import HOUR_US, SECOND_US
from carbon.hardware.names import Instance, instance_of, profile_of_gpu, provider_of
from carbon.importers.focus_said import Left, tell_of_bare, tell_of_left
from carbon.importers.focus_table import NEEDED, OPTIONAL, TOLD, blocks
from carbon.importers.localtime import Clocks
from carbon.importers.mixed import Above
from carbon.importers.ordinals import Ordinals, hashes
from carbon.importers.records import EVENTS, HOSTS, Take, frame
from carbon.importers.said import leave_out
from carbon.importers.stamps import stamps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from carbon.core.findings import Findings

# Share of the time that devices of shared clusters were busy: MIT Supercloud (Samsi et al. 2021); Helios (Hu et al. 2021) 0.214,
# Philly (Jeon et al. 2019) 0.502.
BUSY, BUSY_SOURCE = 0.339, "MIT Supercloud, 2021; other clusters 0.214 (Helios, 2021) to 0.502 (Philly, 2019)"
LOAD = "mixed"
KEY = (
    "bill", "resourceid", "skuid", "skupriceid", "pricingcategory", "commitmentdiscountid", "start_us", "chargeclass",
)  # fmt: skip
HOURS = {
    "hour": 1.0,
    "hours": 1.0,
    "hr": 1.0,
    "hrs": 1.0,
    "h": 1.0,
    "second": 1 / 3600,
    "seconds": 1 / 3600,
    "s": 1 / 3600,
}
_LICENCE = r"licen[cs]e"
MACHINES = ("compute", "ai and machine learning", "other", "")
_NAMES = re.compile(r"(x_?)?(instance_?type|vm_?size|machine_?type|service_?type|armskuname)", re.IGNORECASE)


class Options(NamedTuple):
    """How a bill is read: the tag that names a product, how busy machines were [1] (None: BUSY), profiles of one's own."""

    tag: str = ""
    busy: float | None = None
    own: str = ""


def read(path: Path, options: Options, findings: Findings) -> Iterator[Take]:
    """Hours of machines as shares of the charge period that they were busy for, part by part in the order of the file.

    What is left out is told by reason, with its hours and its share of the cost. Raises InputError for a file of another kind.
    """
    left: defaultdict[str, Left] = defaultdict(Left)
    ordinals, unknown, parts, paid = Ordinals(), defaultdict[str, float](float), set[str](), 0.0
    alike, above, bare, count = Ordinals(), Above(), defaultdict[str, float](float), 0
    for block in blocks(path, findings):
        rows = _measured(_first_alike(block.assign(row=count + 2 + np.arange(len(block))), alike, path.name, findings))
        count += len(block)
        _tell_of_cells(rows, path.name, findings)
        paid += float(rows["cost"].abs().sum())
        rows["instance"] = _instances(rows, options.own)
        reason = _reason(rows)
        for why, some in rows[reason != ""].groupby(reason[reason != ""]):
            left[str(why)] = left[str(why)].plus(some)
        for name, hours in rows[reason == "instance"].groupby("named")["hours"].sum().items():
            unknown[str(name)] += float(hours)
        taken = rows[reason == ""].reset_index(drop=True)
        parts |= set(taken["resourceid"][taken["host_share"].lt(1)])
        for name, used in taken.groupby(_without_profile(taken, options.own))["hours"].sum().items():
            bare[str(name)] += float(used)
        events = _events(taken, options, ordinals, path.name, findings)
        above.add(taken["row"], events)
        yield Take(events=events, hosts=_hosts(taken))
    above.refuse(path.name, findings)
    leave_out(findings, "part-machine", len(parts), path.name)
    tell_of_left(left, unknown, paid, path.name, findings)
    tell_of_bare(bare, options.own, path.name, findings)
    if options.busy is None:
        problem, mend = f"{BUSY} taken for how busy machines were, which no bill tells ({BUSY_SOURCE})", "give --busy"
        findings.warning("busy-assumed", problem, mend, file=path.name)


def _first_alike(rows: pd.DataFrame, alike: Ordinals, file: str, findings: Findings) -> pd.DataFrame:
    """Rows without those that are alike in all cells to one before in the file."""
    cells = rows.drop(columns="row").reindex(columns=[*NEEDED, *OPTIONAL], fill_value="")
    again = (alike.places(hashes(cells)) > 0) & cells["chargecategory"].str.lower().eq("usage").to_numpy(bool)
    leave_out(findings, "row-alike", int(again.sum()), file)
    return rows[~again].reset_index(drop=True)


def _tell_of_cells(rows: pd.DataFrame, file: str, findings: Findings) -> None:
    """Warnings for quantities of time that are no numbers, with their rows; and of times without an offset."""
    leave_out(findings, "no-offset", int(rows["naive"].sum()), file)
    wrong = rows[rows["per_unit"].notna() & rows["hours"].isna() & rows["quantity"].str.strip().ne("")]

    def describe(place: int) -> dict[str, object]:
        value = wrong["quantity"].iloc[place]
        mend = (
            "write a decimal point, not a decimal comma" if "," in value else "look at the bill; its row was left out"
        )
        return {
            "problem": "is no number",
            "mend": mend,
            "row": int(wrong["row"].iloc[place]),
            "column": "quantity",
            "value": value,
        }

    findings.each(WARNING, "no-number", file, range(len(wrong)), describe)


def _measured(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `start_us`, `end_us` (exclusive), `hours` of machines (NaN where not in hours) and `cost`."""
    rows = rows.reindex(columns=["row", *NEEDED, *OPTIONAL], fill_value="")
    start, end = (
        stamps(pa.array(rows[f"chargeperiod{name}"], pa.string()), Clocks("UTC")) for name in ("start", "end")
    )
    kind = "consumed" if rows["consumedunit"].ne("").any() else "pricing"
    per_unit = rows[f"{kind}unit"].str.strip().str.lower().map(HOURS).astype(float)
    cost = rows["effectivecost"].where(rows["effectivecost"].ne(""), rows["billedcost"])
    rows = rows.assign(
        start_us=start.us, end_us=end.us, known=~(start.bad | end.bad) & (end.us > start.us), per_unit=per_unit,
        quantity=rows[f"{kind}quantity"], naive=start.naive | end.naive,
        hours=_number(rows[f"{kind}quantity"]) * per_unit, cost=_number(cost).fillna(0.0),
        provider=rows["providername"].where(rows["providername"].ne(""), rows["serviceprovidername"]).map(provider_of),
    )  # fmt: skip
    rows["bill"] = _bill(rows)
    # Azure writes one resource in several cases.
    rows["resourceid"] = rows["resourceid"].where(rows["provider"].ne("azure"), rows["resourceid"].str.lower())
    return rows


def _bill(rows: pd.DataFrame) -> pd.Series[str]:
    """Provider, account and first day of the billing period; of a row that names no period the first day of its month."""
    told = stamps(pa.array(rows["billingperiodstart"], pa.string()), Clocks("UTC"))
    month = rows["start_us"].to_numpy(np.int64).view("M8[us]").astype("M8[M]").astype("M8[D]").astype(str)
    day = np.where(told.bad, rows["billingperiodstart"], told.us.view("M8[us]").astype("M8[D]").astype(str))
    period = pd.Series(np.where(rows["billingperiodstart"].eq(""), month, day), rows.index, dtype="str")
    return (rows["provider"] + " " + rows["billingaccountid"] + " ").str.replace("  ", " ").str.lstrip() + period


def _number(texts: pd.Series[str]) -> pd.Series[float]:
    numbers = pd.to_numeric(texts.where(texts.ne("")), errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def _reason(rows: pd.DataFrame) -> pd.Series[str]:
    """Why each row is left out, a key of REASONS; empty of those that are taken."""
    category = rows["chargecategory"].str.lower()
    known = category.isin(["tax", "credit", "purchase", "adjustment"])
    unused = rows["commitmentdiscountstatus"].str.lower().eq("unused") | rows[
        "capacityreservationstatus"
    ].str.lower().eq("unused")
    blank = rows["hours"].isna() | ~rows["known"] | rows["resourceid"].eq("")
    publisher = rows["publishername"].map(provider_of)
    sold = publisher.ne("") & publisher.ne(rows["provider"]) & rows["provider"].ne("")
    texts = rows["servicename"] + rows["skumeter"] + rows["x_skumetername"]
    choices = {
        "category": category.ne("usage"), "unused": unused,
        "software": sold | texts.str.contains(_LICENCE, case=False),
        "service": ~rows["servicecategory"].str.lower().isin(MACHINES), "unit": rows["per_unit"].isna(),
        "no-instance": rows["named"].eq(""),
        "instance": rows["instance"].isna(), "blank": blank,
    }  # fmt: skip
    found = np.select(list(choices.values()), list(choices), "")
    return pd.Series(np.where(found == "category", category.where(known, "other"), found), rows.index, dtype="str")


def _instances(rows: pd.DataFrame, own: str) -> pd.Series[Any]:
    """Instance of each row, None where none is known; `named` becomes the name that a row has for it."""
    told = rows[["provider", *TOLD]].drop_duplicates()
    found = {tuple(row): _instance(tuple(row), own) for row in told.itertuples(index=False)}
    every = [found[row] for row in rows[["provider", *TOLD]].itertuples(index=False, name=None)]
    rows["named"] = [name for name, _ in every]
    rows["host_share"] = [instance.host_share if instance else np.nan for _, instance in every]
    return pd.Series([instance for _, instance in every], rows.index, dtype=object)


def _without_profile(rows: pd.DataFrame, own: str) -> pd.Series[Any]:
    """Name of the devices of each row where no profile stands for them, else None."""
    found = {each: each.profile or profile_of_gpu(each.gpu, own) for each in set(rows["instance"])}
    names = [None if found[each] else each.gpu for each in rows["instance"]]
    return pd.Series(names, rows.index, dtype=object)


def _instance(told: tuple[str, ...], own: str) -> tuple[str, Instance | None]:
    """Name and instance that texts of a row stand for; a name without an instance where it is not known."""
    provider, details, *columns = told
    named = [str(value) for name, value in _pairs(details).items() if _NAMES.fullmatch(name)]
    guessed = [text.rpartition(":")[2] for text in columns if text]
    for name in (*named, *guessed):
        instance = instance_of(provider, name, own)
        if instance is not None:
            return name, instance
    return (named or [""])[0], None


@cache
def _pairs(text: str) -> dict[str, object]:
    """Pairs of a JSON object; none where it is none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _events(rows: pd.DataFrame, options: Options, ordinals: Ordinals, file: str, findings: Findings) -> pd.DataFrame:
    """Busy time of machines: hours used over those of the charge period, times how busy they were meanwhile."""
    period = (rows["end_us"] - rows["start_us"]) / HOUR_US
    used = rows["hours"] / period
    busy = BUSY if options.busy is None else options.busy
    more = used > 1 + SECOND_US / HOUR_US
    leave_out(findings, "more-hours", int(more.sum()), file)
    leave_out(findings, "bill-by-day", int((period > 1).sum()), file)
    tags = rows["tags"].map(lambda text: str(_pairs(text).get(options.tag, "")) if options.tag else "")
    return frame(
        EVENTS, key=ordinals.keys(hashes(rows[list(KEY)])), node=rows["resourceid"].to_numpy(), product=tags.to_numpy(),
        activity="inference", start_us=rows["start_us"].to_numpy(), end_us=rows["end_us"].to_numpy(),
        busy_fraction=busy * np.clip(used.to_numpy(float), -1.0, 1.0), load=LOAD, bill=rows["bill"].to_numpy(),
    )  # fmt: skip


def _hosts(rows: pd.DataFrame) -> pd.DataFrame:
    """Machines of the bill."""
    rows = rows.drop_duplicates(["resourceid", "regionid"])
    kinds = {
        name: [getattr(instance, name) for instance in rows["instance"]] for name in ("gpu", "gpu_count", "instance")
    }
    return frame(
        HOSTS, node=rows["resourceid"].to_numpy(), gpu=kinds["gpu"], devices=kinds["gpu_count"], instance=kinds["instance"],
        provider=rows["provider"].to_numpy(), region=rows["regionid"].to_numpy(),
    )  # fmt: skip
