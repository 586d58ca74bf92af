"""Rows of the node register for machines that sources name; what no source tells is left empty or guessed, and marked so."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import count
from math import ceil, isnan
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from carbon.core.findings import shown
from carbon.core.time import DAY_US, isoformat
from carbon.grid.places import Region, region_of, zones_of_country
from carbon.hardware.names import Instance, instance_of, profile_of_gpu, provider_of
from carbon.hardware.profiles import find_profile, profile_files

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Set

    from carbon.core.findings import Findings
    from carbon.importers.census import Machine

    T = TypeVar("T")

LONGEST_NODE = 60
NEAR = 4
HARDWARE = "`carbon hardware list` has the names; without accelerators one of kind host, such as server-2u-2s"
OWN = "`carbon hardware estimate -o NAME.toml` makes one of your own, from the data sheet of the device"
ZONE = "`carbon grid zones TEXT` finds one; --zone writes it"
_POD = re.compile(r".*(exporter|kepler)(-[a-z0-9]{8,10})?-[a-z0-9]{5}")  # of a daemon set or a deployment
_PORT = re.compile(r"([^:]+|\[[^\]]*\]):\d{1,5}")
_WORD = re.compile(r"[a-z]+[ _-]?\d[a-z0-9]*")


class Given(NamedTuple):
    """What the user says: operator, and zone of machines whose sources tell none; folders of profiles and tables of one's own."""

    operator: str = ""
    zone: str = ""
    profiles: str = ""
    tables: str = ""


class Cell(NamedTuple):
    """A cell of the register; with `why` it is guessed or not known, and `how` tells how to confirm it."""

    value: str = ""
    why: str = ""
    how: str = ""


class Entry(NamedTuple):
    """A row of the register to be: its cells by column, and those to be confirmed."""

    cells: dict[str, str]
    guesses: dict[str, Cell]


def entry_of(machine: Machine, node: Cell, given: Given, findings: Findings) -> Entry:
    """The row of a machine; names of devices that no profile stands for are warnings too."""
    instance, region = _instance(machine, given), _region(machine, given)
    hardware, devices = _hardware(machine, instance, given, findings), _devices(machine, instance)
    rented = bool(machine.provider or machine.instance)
    cells = {
        "node": node, "operator": _operator(given), "hardware": hardware, "devices": devices,
        "host": _rented_host(instance) if rented else _own_host(hardware.value, devices.value, given),
        "zone": _zone(machine, region, given),
        "pue": _pue(region), "boundary": _boundary(rented), "operated": Cell("true" if rented else ""),
        "in_service": _in_service(machine), "aliases": _aliases(machine, node.value),
    }  # fmt: skip
    guesses = {column: cell for column, cell in cells.items() if cell.why}
    return Entry({name: cell.value for name, cell in cells.items()} | {"confirm": " ".join(guesses)}, guesses)


def node_of(machine: Machine, taken: Set[str], findings: Findings) -> Cell:
    """Id of a machine by the name that its source has: without port and folders, and no id that is taken."""
    plain = clean(machine.name)
    node = next(name for name in _numbered(plain) if name not in taken)
    if _may_be_two(machine):
        why = f"files of this name have no device in common: {', '.join(machine.files)}"
        _warn(findings, "two-hosts", machine, why, "import each with --node, if these are two machines")
        return Cell(node, why, "make two rows of it, if these are two machines")
    if _POD.fullmatch(plain.lower()):
        why = "is the name of an exporter's pod, which changes when it starts anew"
        _warn(findings, "pod-as-host", machine, why, "let the exporter tell the machine's name (NODE_NAME)")
        return Cell(node, why, "name the machine, and list its pods under aliases")
    if node != plain:
        why = f"{plain} is a node already"
        return Cell(node, why, "if it is the same machine, put the alias into its row and delete this one")
    if machine.called_as_file:
        how = f"name the machine with --node, here and when importing, or list {node} under aliases of its row"
        return Cell(node, "is what the file is called, which names no machine", how)
    return Cell(node)


def _may_be_two(machine: Machine) -> bool:
    """Whether files of one name stand for it and no device says that it is one machine."""
    named_by = [file for file in machine.files if Path(file).stem == machine.name]
    return machine.apart or (len(named_by) > 1 and not machine.devices)


def clean(name: str) -> str:
    """A name as an id: without port and what stands before a slash; letters, digits, dots, hyphens and underscores."""
    port = _PORT.fullmatch(name.strip())
    last = (port[1] if port else name).strip().rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.-]+", "-", last).strip("-._")[:LONGEST_NODE].rstrip("-._") or "node"


def near_profiles(name: str, own: str = "") -> list[str]:
    """Profiles that a name of a device may stand for, by the word of it that has digits; the nearest first."""
    return _near(name, own)[0]


def without_profile(name: str, own: str = "") -> tuple[str, str]:
    """What there is to say of a device that no profile stands for, and how to mend it."""
    near, of_it = _near(name, own)
    if of_it or not near:
        how = f"near profiles: {', '.join(near)}" if near else f"{HARDWARE}; {OWN}"
        return "is no device that a profile stands for", how
    return "is a device that no profile is bundled for", f"the nearest by name is {near[0]}; else {OWN}"


def _near(name: str, own: str) -> tuple[list[str], bool]:
    """Profiles near a name, and whether they are of a device so named, of which there may be several."""
    firsts: dict[str, list[str]] = {}
    for profile in sorted(profile_files(own)):
        firsts.setdefault(profile.split("-")[0], []).append(profile)
    words = [re.sub("[ _-]", "", word) for word in _WORD.findall(name.lower())]
    same = [word for word in words if word in firsts]
    near = same or [first for word in words for first in get_close_matches(word, firsts, n=2, cutoff=0.75)]
    return [profile for first in dict.fromkeys(near) for profile in firsts[first]][:NEAR], bool(same)


def _numbered(plain: str) -> Iterator[str]:
    """A name, and the same with numbers behind it."""
    yield plain
    yield from (f"{plain}-{number}" for number in count(2))


def _warn(findings: Findings, code: str, machine: Machine, problem: str, mend: str, value: str = "") -> None:
    findings.warning(code, problem, mend, file=next(iter(machine.files), ""), value=value or machine.name)


def _only(counted: Counter[T]) -> T | None:
    """What was said, where only one thing was."""
    return next(iter(counted)) if len(counted) == 1 else None


def _instance(machine: Machine, given: Given) -> Instance | None:
    named = _only(machine.instance)
    return instance_of(*named, given.profiles) if named else None


def _region(machine: Machine, given: Given) -> Region | None:
    named = _only(machine.region)
    return region_of(provider_of(named[0]), named[1], given.tables) if named else None


def _operator(given: Given) -> Cell:
    if given.operator:
        return Cell(given.operator)
    return Cell("", "no source tells who runs it", "--operator writes it, or [entity] name in carbon.toml")


def _hardware(machine: Machine, instance: Instance | None, given: Given, findings: Findings) -> Cell:
    """Profile of its devices; empty where a name stands for none, or names stand for several."""
    profiles = {gpu: _profile(gpu, instance, given) for gpu in machine.gpus}
    if not profiles and instance is not None:
        profiles = {instance.gpu: instance.profile}
    unknown = sorted(gpu for gpu, profile in profiles.items() if not profile)
    if unknown:
        problem, how = without_profile(unknown[0], given.profiles)
        _warn(findings, "unknown-device", machine, problem, how, unknown[0])
        return Cell("", f"{shown(unknown[0])!r} {problem}", how)
    if len(set(profiles.values())) > 1:
        return Cell("", f"has devices of {', '.join(sorted(set(profiles.values())))}", "make a node of each kind")
    if profiles:
        return Cell(next(iter(profiles.values())))
    return Cell("", _unnamed(machine), HARDWARE)


def _profile(gpu: str, instance: Instance | None, given: Given) -> str:
    """Profile of a device by its name; where that could be several, the one that its instance has."""
    found = profile_of_gpu(gpu, given.profiles)
    if found or instance is None:
        return found
    return instance.profile if gpu == instance.gpu or instance.profile in near_profiles(gpu, given.profiles) else ""


def _unnamed(machine: Machine) -> str:
    """Why nothing is known of the devices of a machine."""
    if len(machine.instance) > 1:
        return f"is billed as {', '.join(sorted(name for _, name in machine.instance))}"
    named = _only(machine.instance)
    return f"{shown(named[1])!r} is not in instances.csv" if named else "no source tells its devices"


def _devices(machine: Machine, instance: Instance | None) -> Cell:
    """How many devices it has: ids that were seen, else what a source or its instance counts."""
    if machine.slices:
        return Cell("", "its devices are slices (MIG) whose whole is not named", "count whole devices")
    told = sum(machine.told.values()) or (instance.gpu_count if instance is not None else 0.0)
    seen = len(machine.devices)
    if seen and told and seen != told:
        return Cell(f"{seen}", f"{seen} were seen, and {told:g} are told of", "count them")
    if seen or told:
        whole = seen or ceil(told)
        part = "" if seen or told == whole else f"it has {told:g} of a device, and devices are whole"
        return Cell(f"{whole}", part, "keep it, or let one node stand for those that share the device")
    return Cell("", "no source counts its devices", "count them; of a machine without accelerators: 1")


def _own_host(hardware: str, devices: str, given: Given) -> Cell:
    """Empty: the usual host of its devices; of one that holds more than there are a whole one is counted."""
    if not (hardware and devices):
        return Cell()
    profile = find_profile(hardware, given.profiles)
    size = profile.devices_per_host
    if not profile.host or int(devices) % size == 0:
        return Cell()
    hosts = ceil(int(devices) / size)
    counted = (
        f"a whole host for {size} devices is" if hosts == 1 else f"{hosts} whole hosts for {size} devices each are"
    )
    return Cell("", f"{counted} counted", "name a host of its size, or leave it empty")


def _rented_host(instance: Instance | None) -> Cell:
    if instance is None or instance.host_share >= 1:
        return Cell()
    why = f"it is {instance.host_share:.2g} of a machine, and the usual host of its devices is a whole one"
    return Cell("", why, "name a host of its size, or leave it empty")


def _zone(machine: Machine, region: Region | None, given: Given) -> Cell:
    """Zone of its region, else of its country where that has one, else the one that the user gave."""
    if region is not None and region.zone:
        return Cell(region.zone, region.choice if region.unsure else "", f"of {region.place}; `carbon grid zones`")
    country = _only(machine.country)
    there = zones_of_country(country, given.tables) if country else ()
    if len(there) == 1 and len(machine.region) < 2:
        return Cell(there[0])
    moved = len(machine.region) > 1
    return Cell(given.zone) if given.zone and not moved else Cell("", _nowhere(machine, there), ZONE)


def _nowhere(machine: Machine, there: tuple[str, ...]) -> str:
    """Why its zone is not known."""
    if len(machine.region) > 1:
        return f"it is in regions {', '.join(sorted(name for _, name in machine.region))}"
    named = _only(machine.region)
    if named:
        return f"region {shown(named[1])!r} is not in cloud_regions.csv"
    if there:
        more = ", …" if len(there) > NEAR else ""
        return f"its country has several zones: {', '.join(there[:NEAR])}{more}"
    code = " ".join(sorted(machine.country))
    return f"country {shown(code)!r} is not known" if code else "no source tells where it stands"


def _pue(region: Region | None) -> Cell:
    if region is not None and not isnan(region.pue):
        return Cell(f"{region.pue:g}")
    return Cell("", "empty counts as 1", "write what the site's meter sees over what machines draw")


def _boundary(rented: bool) -> Cell:
    if rented:
        return Cell("leased")
    return Cell("own", "no source tells whose it is", "own, leased or purchased")


def _in_service(machine: Machine) -> Cell:
    if machine.first_us is None:
        return Cell("", "no source tells a time", "write the day on which it went into service")
    day = isoformat(machine.first_us // DAY_US * DAY_US)[:10]
    return Cell(day, "the first day that a source tells of", "write the day on which it went into service")


def _aliases(machine: Machine, node: str) -> Cell:
    """The name that its source has; one with blanks, or one that a spreadsheet would reckon, cannot be listed."""
    name = machine.name
    if name == node:
        return Cell()
    if name.split() != [name] or name[0] in "=+-@'\"":
        return Cell("", f"{shown(name)!r} cannot be listed as an alias", f"import its files with --node {node}")
    return Cell(name)
