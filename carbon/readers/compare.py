"""What fleet.csv has at a node beside what the node register says: energy goes by the one, embodied carbon by the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carbon.core.errors import NotFoundError
from carbon.core.findings import WARNING
from carbon.core.time import isoformat, us_of
from carbon.hardware.profiles import find_profile
from carbon.readers.fleet import stays

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from carbon.core.findings import Findings
    from carbon.hardware.profiles import Profile

_NEVER_US = 4_102_444_800_000_000  # 2100-01-01
_KINDS = {"gpu": "devices", "system": "devices", "host": "hosts"}
_COLUMNS = ["node", "kind", "profile", "start", "end", "fleet", "register"]


def compare_with_nodes(
    fleet: pd.DataFrame, nodes: pd.DataFrame, profiles_folder: str, findings: Findings, name: str = "fleet.csv"
) -> None:
    """Warn where a fleet table counts units [1] of a profile at a node otherwise than the node register, and since when.

    Kinds of hardware (devices, hosts) that the fleet does not list for a node follow from the register and are not
    compared. Nothing is said beside errors of the fleet.
    """
    if fleet.empty or any(finding.file == name for finding in findings.errors):
        return
    nodes = nodes.dropna(subset=["node", "zone", "hardware", "devices", "in_service"])
    profiles = _profiles({*fleet["profile"], *nodes["hardware"], *nodes["host"].dropna()}, profiles_folder)
    told = _of_fleet(fleet, profiles)
    both = pd.concat([told, _of_register(nodes, profiles)], ignore_index=True)
    listed = pd.MultiIndex.from_frame(told[["node", "kind"]])
    both = both[pd.MultiIndex.from_frame(both[["node", "kind"]]).isin(listed)]
    ids = [profiles[name].id for name in fleet["profile"]]
    told_at = list(zip(fleet["node"], ids, fleet.index, strict=True))[::-1]  # of several the first row is named
    rows, anywhere = {(node, profile): row for node, profile, row in told_at}, {node: row for node, _, row in told_at}
    found = list(_first_differences(_within_service(both, nodes)))

    def describe(at: int) -> dict[str, object]:
        node, profile, at_us, here, there = found[at]
        since = isoformat(at_us)[:10]
        problem = f"has {here:g} of {profile} here from {since} on, and the node register {there:g}"
        mend = "let both say the same: energy is reckoned from the register, embodied carbon from here"
        row = rows.get((node, profile), anywhere[node])
        return {"problem": problem, "mend": mend, "row": row, "column": "node", "value": node}

    findings.each(WARNING, "fleet-differs", name, range(len(found)), describe)


def _profiles(names: set[str], own: str) -> dict[str, Profile]:
    """Profiles that can be found, by the names that tables give them, with the usual hosts of devices."""
    found: dict[str, Profile] = {}
    for name in sorted(names):
        try:
            found[name] = find_profile(name, own)
            if found[name].host:
                found[found[name].host] = find_profile(found[name].host, own)
        except (NotFoundError, ValueError):
            continue  # told where the table that names it is read
    return found


def _of_fleet(fleet: pd.DataFrame, profiles: dict[str, Profile]) -> pd.DataFrame:
    """Units of each row of the fleet, where its profile is of devices or hosts."""
    rows = fleet.sort_values(["asset", "valid_from"], kind="stable")
    start, end = stays(rows)
    table = pd.DataFrame({
        "node": rows["node"], "kind": [_KINDS.get(profiles[name].kind) for name in rows["profile"]],
        "profile": [profiles[name].id for name in rows["profile"]], "start": us_of(start), "end": us_of(end, _NEVER_US),
        "fleet": rows["devices"], "register": 0.0,
    })  # fmt: skip
    return table.dropna(subset=["kind"])


def _of_register(nodes: pd.DataFrame, profiles: dict[str, Profile]) -> pd.DataFrame:
    """Devices and hosts of each row of the node register."""
    rows = nodes.sort_values(["node", "valid_from"], kind="stable")
    following = rows.groupby("node")["valid_from"].shift(-1).fillna(rows["retired"])
    spans = zip(rows.to_dict("records"), us_of(rows["valid_from"]), us_of(following, _NEVER_US), strict=True)
    return pd.DataFrame(
        [
            (row["node"], _KINDS[profile.kind], profile.id, start, end, 0.0, units)
            for row, start, end in spans
            for profile, units in _units(row, profiles)
        ],
        columns=_COLUMNS,
    )


def _units(row: Mapping[Hashable, Any], profiles: dict[str, Profile]) -> Iterator[tuple[Profile, float]]:
    """Devices of a row of the node register, and their hosts: one for each `devices_per_host`, rounded up."""
    device, devices = profiles.get(row["hardware"]), float(row["devices"])
    if device is None or device.kind not in _KINDS:
        return
    yield device, devices
    name = row["host"] if isinstance(row["host"], str) and row["host"] else device.host
    if device.kind != "system" and name in profiles:
        yield profiles[name], float(np.ceil(devices / device.devices_per_host))


def _within_service(both: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """The spans of time within the service of their node."""
    told = nodes.groupby("node")
    first, last = told["in_service"].min(), told["retired"].max()
    opened = both["node"].map(pd.Series(us_of(first), first.index))
    closed = both["node"].map(pd.Series(us_of(last, _NEVER_US), last.index))
    start, end = both["start"].clip(lower=opened), both["end"].clip(upper=closed)
    return both.assign(start=start, end=end)[start < end]


def _first_differences(both: pd.DataFrame) -> Iterator[tuple[str, str, int, float, float]]:
    """Where the counts of a node and profile part first: node, profile, instant [us], units of the fleet, of the register."""
    counts = ["fleet", "register"]
    left = both.assign(start=both["end"], **{name: -both[name] for name in counts})
    changes = pd.concat([both, left])
    changes = changes[changes["start"] < _NEVER_US].groupby(["node", "profile", "start"])[counts].sum()
    held = changes.groupby(level=["node", "profile"]).cumsum().reset_index()
    differing = held[held["fleet"] != held["register"]].drop_duplicates(["node", "profile"])
    return zip(*(differing[name].tolist() for name in ("node", "profile", "start", *counts)), strict=True)
