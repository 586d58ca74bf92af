"""Hardware of a project: its inventory, policy and measured demand brought together with the engine, and its balance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.use import available
from carbon.core.errors import InputError, LedgerError, NotFoundError
from carbon.core.findings import Findings
from carbon.core.time import cell_of, month_number, month_range_us, month_text, to_us
from carbon.ledger.store import Ledger
from carbon.readers.compare import compare_with_nodes
from carbon.readers.convert import Dialect
from carbon.readers.estimates import parse_estimates
from carbon.readers.fleet import parse_fleet
from carbon.readers.nodes import parse_nodes
from carbon.scope3.attribution import attribute, of_chain, work_shares
from carbon.scope3.demand import measured, places_of
from carbon.scope3.hardware import Inventory, assemble, balance, hardware_lines
from carbon.scope3.policy import METHODS, Refresh
from carbon.scope3.terms import TELLING, Book, standing

NAMED = 8
_ACCOUNT = "run `carbon account` so that the ledger says what the inputs say"
_SINCE = "the inputs have changed since then"
TERMS = ("period", "node", "factor", "method", "phase", "source")

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carbon.config import Settings
    from carbon.scope3.roll import Fleet, Outlook
    from carbon.stream import Stream


def policy_of(settings: Settings) -> Refresh:
    """The policy for hardware that the settings state."""
    values = {
        name.partition(".")[2]: value
        for name, value in settings.values.items()
        if name.startswith(("hardware.", "refresh."))
    }
    stated = {name: value for name, value in values.items() if name in Refresh._fields}
    return Refresh(**stated)  # type: ignore[arg-type]


def dialect_of(settings: Settings, now: datetime) -> Dialect:
    """How the project's tables are written; what lies after `now` is in the future."""
    return Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"), to_us(now))


def inventory_of(settings: Settings, dialect: Dialect, nodes: pd.DataFrame, findings: Findings) -> Inventory:
    """What the project says of its hardware; faults of fleet.csv and estimates.csv are findings."""
    profiles = str(settings.path("hardware.profiles"))
    fleet = parse_fleet(
        settings.path("inputs.fleet"),
        dialect,
        findings,
        settings.text("inputs.fleet"),
        nodes=nodes,
        profiles_folder=profiles,
    )
    compare_with_nodes(fleet, nodes, profiles, findings, settings.text("inputs.fleet"))
    estimates = parse_estimates(
        settings.path("inputs.estimates"), dialect, findings, settings.text("inputs.estimates"), profiles
    )
    cooling, building, network = (settings.text(f"hardware.{name}") for name in ("cooling", "building", "network"))
    switches = settings.number("hardware.switches_per_host")
    approach = settings.text("entity.consolidation")
    return Inventory(
        nodes, fleet, estimates, approach, profiles, cooling, building, network, switches, settings.own_tables
    )


def fleet_of(
    settings: Settings, nodes: pd.DataFrame, now: datetime, findings: Findings, as_of: str | None = None
) -> tuple[Fleet, Inventory]:
    """Lots of a project with what its tables say, by the terms at `as_of`. Raises InputError when a table has errors."""
    dialect = dialect_of(settings, now)
    inventory = inventory_of(settings, dialect, nodes, findings)
    fleet = assembled(settings, inventory, findings, as_of=as_of)
    findings.raise_errors()
    return fleet, inventory


def assembled(
    settings: Settings, inventory: Inventory, findings: Findings, anew: bool = False, as_of: str | None = None
) -> Fleet:
    """Lots of an inventory by the settings' policy and file names.

    Terms by which the ledger has charged a month stand, so that a changed estimate acts on the months to come alone; `anew`
    makes the estimates of past months again. `as_of`: by what the ledger had charged then.
    """
    names, policy = (settings.text("inputs.nodes"), settings.text("inputs.fleet")), policy_of(settings)
    posted = None if anew else charged_terms(Ledger(settings.path("ledger.path")), as_of)
    fleet = assemble(inventory, policy, findings, names, posted)
    kept = Book(fleet.lots, policy, inventory.estimates, posted).kept()
    if kept:
        months = f"{month_text(kept[0])} to {month_text(kept[-1])}"
        problem = f"charged {months} by other terms than the settings give now: those stand"
        mend = (
            "the new ones hold for months that are not posted yet; `carbon account --cause error` makes past ones anew"
        )
        findings.note("terms-stand", problem, mend, file=settings.text("ledger.path"))
    return fleet


def charged_terms(ledger: Ledger, as_of: str | None) -> pd.DataFrame:
    """Terms that the ledger has charged by; of entries that say otherwise of one lot's month, the first posting's."""
    entries = ledger.restated().live(as_of, columns=(*TERMS, "posting"), coded=True)
    some = entries[entries["phase"].isin(TELLING)].sort_values("posting", kind="stable")
    return standing(some)


def needs_use(fleet: Fleet, policy: Refresh) -> bool:
    """Whether what lots are charged hangs on the use that a workload tells."""
    by_use = fleet.posted is not None and fleet.posted["method"].eq(METHODS.index("usage")).any()
    return policy.elastic or policy.method == "usage" or bool(by_use)


class Use(NamedTuple):
    """What the workload says of the hardware's use: the outlook of its pools, and device-hours by place (places_of)."""

    outlook: Outlook
    occupied: pd.DataFrame
    available: pd.DataFrame


def use_of(stream: Stream, months: Sequence[str], unit: str, findings: Findings) -> Use:
    """Use of hardware that a stream measured, for months (`YYYY-MM`); known after its `sums`."""
    use, register = stream.use(), stream.register
    first, last = (month_number(month) for month in (min(months), max(months)))
    reach = stream.reach_us
    if reach is not None:
        first = min(first, int(cell_of(np.array([reach[0]]), "month")[0]))
    have = available(register, reach or (0, 0), range(first, last + 1))
    outlook = measured(use, have, register, range(first, last + 1), unit, findings)
    whole = available(register, _whole_months(reach or (0, 0), stream.now_us), range(first, last + 1))
    return Use(outlook, *places_of(use, whole, register, stream.works.labels, months))


def _whole_months(reach_us: tuple[int, int], now_us: int) -> tuple[int, int]:
    """A reach [us] as whole months, but for one that is not over: what nobody used of a month is idle, later rows or not."""
    first, last = cell_of(np.array([reach_us[0], reach_us[1] - 1]), "month").tolist()
    start, end = month_range_us(first, last)
    return start, end if end <= now_us else reach_us[1]


def embodied_lines(
    settings: Settings, inventory: Inventory, fleet: Fleet, use: Use, months: Sequence[str], findings: Findings
) -> pd.DataFrame:
    """Lines of hardware for months (`YYYY-MM`), kgco2e [kg]: lives answer demand, what is amortised goes to the work done."""
    policy = policy_of(settings)
    lines = hardware_lines(fleet, months, policy, use.outlook, inventory.estimates)
    idle = settings.text("hardware.idle")
    shares = [
        work_shares(use.occupied.drop(columns=list(left)), use.available.drop(columns=list(left)), idle)
        for left in (("operator", "zone"), ("node",))
    ]
    register = fleet.register
    chain = {name for name, is_chain in zip(register.nodes, register.chain.tolist(), strict=True) if is_chain}
    _tell_idle(use, chain, months, settings.text("inputs.nodes"), findings)
    return of_chain(attribute(lines, fleet, *shares), chain)


def _tell_idle(use: Use, chain: set[str], months: Sequence[str], name: str, findings: Findings) -> None:
    """Warn of nodes that were in service for a month and did no work: all of their hardware is unallocated idle."""
    worked = use.occupied[use.occupied["device_h"] > 0]
    for month in months:
        busy = set(worked.loc[worked["period"] == month, "node"])
        idle = sorted(set(use.available.loc[use.available["period"] == month, "node"]) - busy - chain)
        if idle:
            named = ", ".join(idle[:NAMED]) + (f" and {len(idle) - NAMED} more" if len(idle) > NAMED else "")
            problem = f"no work in {month}: what their hardware is amortised by is unallocated idle"
            mend = "add their workload, or retire them"
            findings.warning("all-idle", problem, mend, file=name, column="node", value=f"{named} {month}")


def measured_use(settings: Settings, nodes: pd.DataFrame, now: datetime, months: Sequence[str]) -> Use | None:
    """Use of hardware for months (`YYYY-MM`) by one pass over the workload, as accounting measures it; None without one."""
    from carbon.readers.files import find_files
    from carbon.stream import Stream
    from carbon.window import EVERYTHING

    dialect = dialect_of(settings, now)
    try:
        files = find_files(settings.text("inputs.workload"), settings.folder, findings=Findings())
    except NotFoundError:
        return None
    stream = Stream(settings, nodes, files, EVERYTHING, dialect, Findings())
    stream.measure()
    if stream.reach_us is None:
        return None
    return use_of(stream, months, settings.text("refresh.demand"), Findings())


class Rolled(NamedTuple):
    """Own hardware of a project over the months of its ledger: the roll-forward [kg], and what it was rolled from."""

    balance: pd.DataFrame
    months: list[str]
    fleet: Fleet
    inventory: Inventory
    outlook: Outlook | None
    findings: Findings


def hardware_balance(settings: Settings, now: datetime) -> tuple[pd.DataFrame, Findings]:
    """Roll-forward of own hardware for the months of the ledger, emissions [kg]; see carbon.scope3.hardware.balance.

    Raises LedgerError when what the ledger charged and wrote off is not what the inputs give.
    """
    found = rolled_hardware(settings, now)
    return found.balance, found.findings


def rolled_hardware(settings: Settings, now: datetime, as_of: str | None = None) -> Rolled:
    """The same with the fleet and the demand behind it, of the ledger as it was at `as_of`.

    Inputs have no past: they are read as they are now, and refused unless they give what the ledger held then. Raises what
    `hardware_balance` raises.
    """
    findings = Findings()
    nodes = nodes_of(settings, now, findings)
    fleet, inventory = fleet_of(settings, nodes, now, findings, as_of)
    ledger = Ledger(settings.path("ledger.path")).restated()
    entries = ledger.live(as_of, columns=("period", "basis", "phase", "factor", "kgco2e"), coded=True)
    months, policy = sorted(entries["period"].unique().tolist()), policy_of(settings)
    use = measured_use(settings, nodes, now, months) if months and needs_use(fleet, policy) else None
    outlook = use.outlook if use else None
    rolled = balance(fleet, months, policy, outlook, inventory.estimates)
    _agree(rolled, entries, as_of)
    return Rolled(rolled, months, fleet, inventory, outlook, findings)


def nodes_of(settings: Settings, now: datetime, findings: Findings) -> pd.DataFrame:
    """The node register of a project. Raises InputError when it is missing or has errors."""
    dialect = dialect_of(settings, now)
    nodes = read_register(settings, dialect, findings)
    findings.raise_errors()
    return nodes


def read_register(settings: Settings, dialect: Dialect, findings: Findings) -> pd.DataFrame:
    """The node register, its faults as findings. Raises InputError when there is none."""
    name = settings.text("inputs.nodes")
    if not settings.path("inputs.nodes").is_file():
        there = settings.path("inputs.nodes").exists() or settings.path("inputs.nodes").is_symlink()
        mend = "write the node register; `carbon init` makes an empty one"
        findings.error("no-nodes", "is not a file" if there else "does not exist", mend, file=name)
        raise InputError(list(findings))
    return parse_nodes(settings.path("inputs.nodes"), dialect, findings, name)


def _agree(rolled: pd.DataFrame, entries: pd.DataFrame, as_of: str | None = None) -> None:
    """Raise LedgerError unless the ledger's charges and write-offs of each cohort are those of the roll-forward."""
    own = entries[entries["basis"] == "amortised"].astype(dict.fromkeys(("period", "phase", "factor"), "str"))
    known = {factor: factor.split("@")[0].rsplit("/", 1) for factor in own["factor"].dropna().unique()}
    place = own["factor"].map(known)
    lines = own["phase"].eq("write-off").map({True: "written_off_kgco2e", False: "amortised_kgco2e"})
    keys = [own["period"].rename("month"), place.str[0].rename("profile"), place.str[1].rename("cohort")]
    for name in ("amortised_kgco2e", "written_off_kgco2e"):
        posted = own["kgco2e"].where(lines == name, 0.0).groupby(keys).sum().rename("posted")
        both = rolled.set_index(["month", "profile", "cohort"])[[name]].join(posted, how="outer").fillna(0.0)
        off = both[(both[name] - both["posted"]).abs() > 1e-9 * both[name].abs().clip(lower=1)]
        if len(off):
            first = off.iloc[0]
            raise LedgerError(
                f"{' '.join(str(word) for word in off.index[0])}: the ledger has {name} {first['posted']:.9g}, the inputs "
                f"give {first[name]:.9g}; {_SINCE if as_of else _ACCOUNT}"
            )
