"""A device described by an analyst, as the models of `carbon/hardware/estimate.py` take it: checked, defaults filled in."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from carbon.core.errors import UsageError
from carbon.core.findings import shown
from carbon.hardware.estimate import (
    ACT_NODES,
    END_OF_LIFE_KG_PER_KG,
    FORMS,
    HBM_KG_PER_GB,
    MEMORY_TYPES,
    Device,
    Die,
    Form,
    estimate,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LARGEST_DIE_MM2 = 858.0  # what one exposure of 26 mm x 33 mm can print
GB_PER_PACKAGE = 2.0
HEAVIEST_KG = 50.0  # an eighth of a rack's baseboard is 4 kg, its share of the whole rack 19 kg
# Nodes that ACT has no figures of, by the one that stands for them [nm].
_ALIKE = {16: 14, 12: 14, 6: 7, 4: 5}
_FORM = re.compile(r"(?:SXM[2-6]?|OAM|PCIE)(?![A-Z0-9])")
_NODE = re.compile(r"N?(\d{1,3}(?:\.\d+)?)(?:NM|NP|N|P)?")


def describe(
    die_mm2: Sequence[float], dies: Sequence[int], node_nm: Sequence[str], memory_type: str, memory_gb: float,
    mass_kg: float, *, tdp_w: float | None = None, form_factor: str = "PCIe", packages: int | None = None,
    board_cm2: float | None = None, heatsink_kg: float | None = None, casing_kg: float | None = None,
    idle_w: float | None = None, bf16_dense_tflops: float | None = None,
) -> Device:  # fmt: skip
    """Device of one or more kinds of dies (area of one [mm2], how many, node [nm]); what is None takes a default.

    Defaults by form factor (`FORMS`): board, heatsink and casing; packages: one for 2 GB of GDDR; rated power [W],
    power at rest [W] and speed [TFLOP/s] have none. Raises UsageError for what cannot be, with near names for an unknown
    memory or node, and the form factors that there are.
    """
    form, memory = _form(form_factor), _memory(memory_type)
    _above_0(("--memory-gb", memory_gb), ("--mass-kg", mass_kg), ("--tdp-w", tdp_w))
    _above_0(("--idle-w", idle_w), ("--bf16-tflops", bf16_dense_tflops))
    if idle_w is not None and tdp_w is not None and idle_w >= tdp_w:
        raise UsageError(f"--idle-w = {idle_w:g} must be below --tdp-w = {tdp_w:g}")
    own = {"board_cm2": board_cm2, "heatsink_kg": heatsink_kg, "casing_kg": casing_kg}
    _not_below_0(*((f"--{name.replace('_', '-')}", value) for name, value in own.items()))
    board = {name: value for name, value in own.items() if value is not None}
    assumed = {name: source for name, source in zip(own, form.sources, strict=True) if name not in board}
    count, default = _packages(memory, memory_gb, packages)
    device = Device(
        _dies(die_mm2, dies, node_nm), memory, memory_gb, count, mass_kg, tdp_w, form,
        board.get("board_cm2", form.board_cm2), board.get("heatsink_kg", form.heatsink_share * mass_kg),
        board.get("casing_kg", form.casing_share * mass_kg), assumed | default,
        idle_w, bf16_dense_tflops,
    )  # fmt: skip
    _fits(device)
    return device


def _form(text: str) -> Form:
    """Form of a form factor: SXM2 to SXM5, SXM6 (Blackwell), OAM, PCIe, and PCIe LP (low profile)."""
    word = text.strip().upper()
    found = _FORM.match(word)
    if found is None:
        known = "SXM2 to SXM6, OAM, PCIe and PCIe LP"
        lacking = " (of a superchip, the models lack the CPU and its memory)" if "SUPERCHIP" in word else ""
        raise UsageError(
            f"no form factor {shown(text)!r}: known are {known}; give the one that is nearest by build{lacking}"
        )
    if found[0] == "PCIE":
        return FORMS["PCIe LP" if "LP" in word or "LOW" in word else "PCIe"]
    return FORMS["SXM" if found[0].startswith("SXM") and found[0] != "SXM6" else found[0]]


def _memory(text: str) -> str:
    word = text.strip().upper().replace("-", "").replace(" ", "")
    if word not in MEMORY_TYPES:
        raise UsageError(f"no figure for memory {shown(text)!r}: {_near(word, MEMORY_TYPES)}; the models know no other")
    return word


def _near(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    names = {name.upper(): name for name in known}
    near = get_close_matches(shown(word), names, n=3)
    return f"near names: {', '.join(names[name] for name in near)}" if near else f"it is one of {', '.join(known)}"


def _dies(areas: Sequence[float], counts: Sequence[int], nodes: Sequence[str]) -> tuple[Die, ...]:
    _same_kinds(areas, counts, nodes)
    counts = counts or [1] * len(areas)
    for area, count in zip(areas, counts, strict=True):
        _above_0(("--die-mm2", area), ("--dies", count))
        if area > LARGEST_DIE_MM2:
            raise UsageError(
                f"--die-mm2 = {area:g} is more than one die can have ({LARGEST_DIE_MM2:g} mm2): give the area of one "
                "and how many there are with --dies"
            )
    return tuple(Die(area / 100, count, _node(node)) for area, count, node in zip(areas, counts, nodes, strict=True))


def _same_kinds(areas: Sequence[float], counts: Sequence[int], nodes: Sequence[str]) -> None:
    """Refuse options for kinds of dies that are not given for as many kinds; the number of dies may be left out."""
    words = {"--die-mm2": [f"{area:g}" for area in areas], "--node-nm": [str(node) for node in nodes]}
    words |= {"--dies": [str(count) for count in counts]} if counts else {}
    fewest = min(map(len, words.values()))
    over = [f"{option} {given[fewest]}" for option, given in words.items() if len(given) > fewest]
    if over:
        short = [f"{option} ({', '.join(given) or 'none'})" for option, given in words.items() if len(given) == fewest]
        raise UsageError(
            f"{' and '.join(over)} would be of kind {fewest + 1} of the dies, and {' and '.join(short)} names {fewest}: give "
            "each option once for each kind, and how many of a kind with --dies"
        )
    if not areas:
        raise UsageError("no die is given: give --die-mm2 and --node-nm")


def _node(text: str) -> int:
    """ACT's node [nm] that stands for a process node such as 5, 12, 4N or N6."""
    found = _NODE.fullmatch(text.strip().upper())
    nm = float(found[1]) if found else math.nan
    node = _ALIKE.get(int(nm), int(nm)) if found and nm == int(nm) else 0
    if node not in ACT_NODES:
        known = sorted({*ACT_NODES, *_ALIKE})
        near = sorted(sorted(known, key=lambda one: abs(one - nm))[:3]) if found else known
        raise UsageError(f"no figure for node {shown(text)!r}: the nearest known are {', '.join(map(str, near))} nm")
    return node


def _packages(memory: str, memory_gb: float, packages: int | None) -> tuple[int, dict[str, str]]:
    """Packages of GDDR, and where the number is from if it was not given; none for HBM, which goes by GB."""
    if memory in HBM_KG_PER_GB:
        if packages is not None:
            raise UsageError(f"--packages counts packages of GDDR; {memory} goes by --memory-gb: leave it out")
        return 0, {}
    _above_0(("--packages", packages))
    if packages is not None:
        return packages, {}
    return math.ceil(memory_gb / GB_PER_PACKAGE), {"packages": f"one for {GB_PER_PACKAGE:g} GB"}


def _above_0(*figures: tuple[str, float | None]) -> None:
    for name, figure in figures:
        if figure is not None and not 0 < figure < math.inf:
            raise UsageError(f"{name} = {figure:g} must be a number above 0")


def _not_below_0(*figures: tuple[str, float | None]) -> None:
    for name, figure in figures:
        if figure is not None and not 0 <= figure < math.inf:
            raise UsageError(f"{name} = {figure:g} must be a number of 0 or more")


def _fits(device: Device) -> None:
    """Refuse a mass that its parts, or what a device can weigh, belie."""
    parts_kg = device.heatsink_kg + device.casing_kg
    if parts_kg > device.mass_kg:
        raise UsageError(
            f"heatsink and casing weigh {parts_kg:g} kg, the whole {device.mass_kg:g} kg: mend --mass-kg, or give both "
            "--heatsink-kg and --casing-kg"
        )
    if device.mass_kg > HEAVIEST_KG or END_OF_LIFE_KG_PER_KG * device.mass_kg >= estimate(device).low:
        raise UsageError(
            f"--mass-kg = {device.mass_kg:g} is too heavy for one device: is it in grams, or that of a whole server?"
        )
