"""What a device without a footprint embodies: two models of a board, HYB and CAL, and the range that they give.

HYB, the central figure: silicon and board by the factors of the ADEME/Hubblo assessments of cards, memory by NVIDIA's two
product footprints. CAL, the low end: chips by process node with the equations of ACT, calibrated on the two footprints.
Totals of the two agree where their terms do not: a term is a step of a model, no part of the device. Sources and
validation: docs/hardware.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from carbon.hardware.profiles import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFECTS_PER_CM2 = 0.1
SILICON_KG_PER_CM2 = 4.26  # of area that was lost included (ADEME/Hubblo)
BOARD_KG_PER_CM2, HEATSINK_KG_PER_KG, CASING_KG_PER_KG = 0.0325, 5.74, 8.25  # ADEME/Hubblo
FREIGHT_KG_PER_KG, END_OF_LIFE_KG_PER_KG = 0.26, 1.51  # ADEME/Hubblo
PACKAGE_KG = 2.99  # of a package of GDDR, whatever its capacity (four cards of ADEME/Hubblo)
HBM_KG_PER_GB = {"HBM2": 0.853, "HBM2E": 0.853, "HBM3": 0.853, "HBM3E": 0.774}  # HGX H100, HGX B200
GDDR = ("GDDR5", "GDDR5X", "GDDR6", "GDDR6X", "GDDR7")
MEMORY_TYPES = (*HBM_KG_PER_GB, *GDDR)
BRACKET = 1.6
# ACT by node [nm]: electricity [kWh/cm2], gases at 95 and 99 % abatement [kg/cm2].
ACT_NODES = {
    28: (0.90, 0.175, 0.100), 20: (1.20, 0.190, 0.110), 14: (1.20, 0.200, 0.125), 10: (1.475, 0.240, 0.150),
    8: (1.52, 0.240, 0.150), 7: (2.15, 0.350, 0.200), 5: (2.75, 0.430, 0.225), 3: (3.25, 0.470, 0.275),
}  # fmt: skip
FAB_KG_PER_KWH, MATERIALS_KG_PER_CM2 = 0.583, 0.500  # Taiwan 2022, ACT
CAL_SILICON_KG_PER_CM2, CAL_AREA_CM2, CAL_NODE = 5.05, 8.14, 5  # chips of the two footprints
CAL_GDDR_KG_PER_GB, CAL_ASSEMBLY = 0.80, 1.10


class Form(NamedTuple):
    """What a form factor brings: CAL's cooling [kg/W] and rest of the board [kg]; defaults of HYB's board and masses.

    Board [cm2], heatsink and casing as shares of the mass [1], and where each of the three is from; then the usual host.
    """

    cooling_kg_per_w: float
    rest_kg: float
    board_cm2: float
    heatsink_share: float
    casing_share: float
    sources: tuple[str, str, str]
    host: str
    devices_per_host: int


_HUBBLO = "ADEME/Hubblo"
_A100, _L4 = (f"{card}, {_HUBBLO}" for card in ("A100 PCIe", "L4"))
# The board of a module is what the heatsink leaves of about 15 kg for both in an H100 SXM.
_MODULE = (230.0, 0.53, 0.0, ("back-calculated from an H100 SXM", f"53 % of the mass, {_HUBBLO}", "a module has none"))
_CARD = (282.0, 0.347, 0.353, (_A100, f"{_A100}, by mass", f"{_A100}, by mass"))
_LOW_CARD = (112.0, 0.724, 0.0, (_L4, f"{_L4}, by mass", _L4))
_SXM_HOST, _PCIE_HOST = ("dgx-h100-host", 8), ("server-gpu-2x-pcie", 2)
FORMS = {
    "SXM": Form(0.041, 10.5, *_MODULE, *_SXM_HOST),
    "SXM6": Form(0.034, 15.1, *_MODULE, *_SXM_HOST),
    "OAM": Form(0.041, 10.5, *_MODULE, *_SXM_HOST),
    "PCIe": Form(0.02, 10.0, *_CARD, *_PCIE_HOST),
    "PCIe LP": Form(0.02, 4.0, *_LOW_CARD, *_PCIE_HOST),
}


class Die(NamedTuple):
    """Dies of one kind: area of one [cm2], their number, process node [nm] by its key in ACT."""

    area_cm2: float
    number: int
    node_nm: int


class Device(NamedTuple):
    """A device as the models see it; `assumed` names the inputs that are defaults.

    Rated power [W] may be None, and so may what a profile holds besides: power at rest [W] and speed [TFLOP/s].
    """

    dies: tuple[Die, ...]
    memory_type: str
    memory_gb: float
    packages: int
    mass_kg: float
    tdp_w: float | None
    form: Form
    board_cm2: float
    heatsink_kg: float
    casing_kg: float
    assumed: Mapping[str, str]
    idle_w: float | None = None
    bf16_dense_tflops: float | None = None


class Term(NamedTuple):
    """A term of a model [kg] and how it was reckoned."""

    name: str
    kgco2e: float
    reckoned: str


def murphy_yield(area_cm2: float, defects_per_cm2: float = DEFECTS_PER_CM2) -> float:
    """Share of good dies [1] of an area [cm2] at a density of defects [1/cm2] (Murphy 1964)."""
    defects = area_cm2 * defects_per_cm2
    return float((-math.expm1(-defects) / defects) ** 2)


def carbon_per_area(node_nm: int) -> float:
    """Emissions of processing a wafer [kg/cm2], yield apart: fab electricity, gases at 97 % abatement, materials (ACT)."""
    energy, *gases = ACT_NODES[node_nm]
    return FAB_KG_PER_KWH * energy + sum(gases) / 2 + MATERIALS_KG_PER_CM2


def hyb(device: Device) -> tuple[Term, ...]:
    """Terms of HYB [kg], end of life among them; their sum is the central figure."""
    return (
        _hyb_silicon(device.dies),
        _hyb_memory(device),
        _times("board", device, "board_cm2", "cm2", BOARD_KG_PER_CM2),
        _times("heatsink", device, "heatsink_kg", "kg", HEATSINK_KG_PER_KG),
        _times("casing", device, "casing_kg", "kg", CASING_KG_PER_KG),
        _times("inbound freight", device, "mass_kg", "kg", FREIGHT_KG_PER_KG),
        _times("end of life", device, "mass_kg", "kg", END_OF_LIFE_KG_PER_KG),
    )


def cal(device: Device) -> tuple[Term, ...]:
    """Terms of CAL [kg], without end of life; empty where the rated power is not known."""
    if device.tdp_w is None:
        return ()
    per_gb = HBM_KG_PER_GB.get(device.memory_type, CAL_GDDR_KG_PER_GB)
    terms = (
        _cal_chips(device.dies),
        Term("memory", per_gb * device.memory_gb, f"{device.memory_gb:g} GB x {per_gb:g}"),
        _times("cooling", device, "tdp_w", "W", device.form.cooling_kg_per_w),
        Term("rest of the board", device.form.rest_kg, "by form factor"),
    )
    total = math.fsum(term.kgco2e for term in terms)
    return (*terms, Term("assembly and transport", (CAL_ASSEMBLY - 1) * total, "10 % of the above"))


def estimate(device: Device) -> Estimate:
    """Range [kg]: HYB, divided by 1.6 or CAL where that is less, times 1.6 or CAL where that is more."""
    central = math.fsum(term.kgco2e for term in hyb(device))
    other = math.fsum(term.kgco2e for term in cal(device)) or central
    return Estimate(min(central / BRACKET, other), central, max(central * BRACKET, other))


def _hyb_silicon(dies: tuple[Die, ...]) -> Term:
    good = math.fsum(die.number * die.area_cm2 / murphy_yield(die.area_cm2) for die in dies)
    return Term("silicon", SILICON_KG_PER_CM2 * good, f"{_of(dies)}, with what was lost {good:.4g} cm2 x 4.26")


def _hyb_memory(device: Device) -> Term:
    if device.memory_type in HBM_KG_PER_GB:
        per_gb = HBM_KG_PER_GB[device.memory_type]
        return Term("memory", per_gb * device.memory_gb, f"{device.memory_gb:g} GB x {per_gb:g}")
    return _times("memory", device, "packages", "packages", PACKAGE_KG)


def _cal_chips(dies: tuple[Die, ...]) -> Term:
    """Chips by node and by yield, against those of the footprints."""
    made = math.fsum(
        die.number * die.area_cm2 * carbon_per_area(die.node_nm) / murphy_yield(die.area_cm2) for die in dies
    )
    scale = CAL_SILICON_KG_PER_CM2 * murphy_yield(CAL_AREA_CM2) / carbon_per_area(CAL_NODE)
    nodes = ", ".join(f"{die.node_nm} nm {carbon_per_area(die.node_nm):.3g} kg/cm2" for die in dies)
    return Term("chips", scale * made, f"{_of(dies)}; {nodes}")


def _times(name: str, device: Device, field: str, unit: str, factor: float) -> Term:
    """A term that is an input times a factor; a default says where it is from."""
    amount = getattr(device, field)
    default = f" (default: {device.assumed[field]})" if field in device.assumed else ""
    return Term(name, amount * factor, f"{amount:.4g} {unit} x {factor:g}{default}")


def _of(dies: tuple[Die, ...]) -> str:
    return " + ".join(f"{die.number} x {die.area_cm2:.4g} cm2" for die in dies)


def profile_tables(device: Device, name: str, words: str, form_factor: str) -> dict[str, Any]:
    """Tables of a profile of one's own `name` (a `gpu`) with the estimate of a device; `words` is its name for people."""
    figures, mass = estimate(device), device.mass_kg
    area = math.fsum(100 * die.number * die.area_cm2 for die in device.dies)
    chip: dict[str, Any] = {"die_mm2": round(area, 4), "act_node_nm": "+".join(f"{die.node_nm}" for die in device.dies)}
    chip |= {"memory_type": device.memory_type, "memory_gb": device.memory_gb, "source": "as stated"}
    if device.bf16_dense_tflops is not None:
        chip["bf16_dense_tflops"] = device.bf16_dense_tflops
    power: dict[str, Any] = {} if device.tdp_w is None else {"tdp_w": device.tdp_w}
    if device.idle_w is not None:
        power["idle_w"] = dict.fromkeys(Estimate._fields, device.idle_w)
    if power:
        power = {"power": power | {"source": "as stated"}}
    return {
        "id": name, "name": words, "kind": "gpu", "form_factor": form_factor, "host": device.form.host,
        "devices_per_host": device.form.devices_per_host, **power, "chip": chip,
        "mass": {"mass_kg": mass, "source": "as stated"},
        "embodied": {
            "kgco2e": {key: round(figure, 1) for key, figure in figures._asdict().items()}, "stages": ["A1-A3", "C"],
            "disposal_included_kgco2e": round(END_OF_LIFE_KG_PER_KG * mass, 4),
            "boundary": "cradle-to-gate (A1-A3, incl. inbound transport); excl. distribution, use, host; end of life is in "
            "the figure (disposal_included_kgco2e)",
            "method": "model", "source": _source(device), "confidence": "low",
        },
    }  # fmt: skip


def _source(device: Device) -> str:
    terms = ", ".join(f"{term.name} {term.kgco2e:.1f}" for term in hyb(device))
    defaults = ", ".join(f"{field} {getattr(device, field):.4g} ({source})" for field, source in device.assumed.items())
    other = math.fsum(term.kgco2e for term in cal(device))
    low = f"CAL {other:.1f}" if other else "CAL not reckoned without rated power"
    said = f"HYB model (docs/hardware.md): {terms}; {low}; range HYB / 1.6 to HYB x 1.6, or CAL beyond it"
    return f"{said}; defaults: {defaults}" if defaults else said
