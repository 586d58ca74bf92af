"""Bills of materials of hosts and systems, and the profiles that hardware.csv has no row for."""

from datetime import date
from typing import NamedTuple

Value = str | float | date | list[str] | dict[str, float]
Tables = dict[str, dict[str, Value | None]]

BOARD_MODEL = 1.6
RANGE = f"range: divided and multiplied by {BOARD_MODEL}, as of the board model; the source gives none"
BOAVIZTA = "boaviztapi 2.5.0 factors"
DRAM = (
    "2048 GB / 1.79 GB per cm2 x 2.20 + 32 modules x 5.22 (boaviztapi 2.5.0 factors); low 0.065 kg/GB (ACT, DDR4 10 nm), "
    "high 1.4 kg/GB (1.39: Cloud Carbon Footprint)"
)
SSD = (
    "34560 GB / 50.6 GB per cm2 x 2.20 + 10 drives x 6.34 (boaviztapi 2.5.0 factors); low 0.0062 kg/GB (ACT), high 0.16 kg/GB "
    "(Tannu, Nair, arXiv:2207.10793; Seagate 2025)"
)
LEFT = "what the other parts leave of the footprints, which do not tell it apart; all of their range is put here"
PCF = "NVIDIA HGX H100 PCF: 1312 kg for 8 with the share of the baseboard; range of h100-sxm5-80gb"


class Part(NamedTuple):
    """A part of one unit: emissions low, central, high [kgCO2e], how much of it, its source and confidence."""

    name: str
    kgco2e: tuple[float, float, float]
    amount: float | None
    unit: str
    source: str
    confidence: str = "low"


def by_factor(name: str, kg: float, amount: float | None, unit: str, how: str) -> Part:
    """A part [kg] by a Boavizta factor, which has no range of its own."""
    low, high = round(kg / BOARD_MODEL, 1), round(kg * BOARD_MODEL, 1)
    return Part(name, (low, kg, high), amount, unit, f"{how} ({BOAVIZTA}); {RANGE}")


CPU = by_factor("CPU", 79.0, 2, "pieces", "2 x (die x 0.0197 kg per mm2 + 9.14), dies of the size of a Xeon 8480C")
CHASSIS = by_factor("chassis", 150.0, 1, "piece", "rack case")
BOARD = by_factor("host board", 66.0, 1, "piece", "motherboard 66.1")
ASSEMBLY = by_factor("assembly", 7.0, None, "", "assembly 6.68")
DGX_HOST = (
    CPU,
    Part("DRAM", (133.0, 2684.0, 2867.0), 2048, "GB", DRAM),
    Part("SSD", (214.0, 1566.0, 5530.0), 34560, "GB", SSD),
    by_factor("power supplies", 436.0, 6, "pieces", "6 x 24.3 kg/kg x 2.99 kg"),
    CHASSIS,
    BOARD,
    ASSEMBLY,
)
ROUNDED = "what rounding the whole to 5000 adds"
SERVER = (
    CPU,
    by_factor("power supplies", 145.0, 2, "pieces", "2 x 24.3 kg/kg x 2.99 kg"),
    CHASSIS,
    BOARD,
    ASSEMBLY,
    Part("DRAM, SSD and the rest", (203.0, 803.0, 3853.0), None, "", LEFT),
)
PARTS = {
    "dgx-h100-host": (*DGX_HOST, Part("rest, rounding", (0.0, 12.0, 12.0), None, "", ROUNDED)),
    "dgx-h100": (Part("GPUs", (1048.0, 1312.0, 2184.0), 8, "pieces", PCF, "high"), *DGX_HOST),
    "server-2u-2s": SERVER,
    "server-gpu-2x-pcie": SERVER,
}

# Plain tables of the profiles, in the order in which they are written.
PLANT: Tables = {
    "": {
        "id": "cooling-plant",
        "name": "Cooling plant, per kW of rated IT power",
        "kind": "plant",
        "vendor": "generic",
        "life_years": 19.0,
        "life_source": "EcoDataCenter writes off installations over 19 years (read in secondary sources)",
        "notes": "figures are per kW of rated IT power; refrigerant that leaks is not in them",
    },
    "mass": {"mass_kg": 8.5, "source": "7 to 10 kg of chillers and air handlers per kW; unconfirmed"},
    "embodied": {
        "kgco2e": {"low": 25.0, "central": 33.5, "high": 45.0},
        "stages": ["A1-A3"],
        "disposal_included_kgco2e": 0.0,
        "boundary": "cradle-to-gate of chillers and air handlers alone; excl. pumps, pipes, towers, power train, refrigerant, "
        "use, end of life",
        "method": "mass factor",
        "source": "7-10 kg/kW (unconfirmed) x 3.3-4.4 kg/kg (DESNZ/DEFRA 2025 material use: large electricals 3267, fridges and "
        "freezers 4363 kg/t); central: geometric mean of the range",
        "confidence": "low",
    },
}  # fmt: skip
SWITCH: Tables = {
    "": {
        "id": "network-switch",
        "name": "Ethernet or InfiniBand switch, 1U",
        "kind": "network",
        "vendor": "generic",
        "form_factor": "1U",
        "notes": "a switch has no public footprint that is known; its energy is not modelled",
    },
    "mass": {"mass_kg": 10.0, "source": "assumed for a switch of 1U; unconfirmed"},
    "embodied": {
        "kgco2e": {"low": 100.0, "central": 200.0, "high": 249.0},
        "stages": ["A1-A3"],
        "disposal_included_kgco2e": 0.0,
        "boundary": "taken as cradle-to-gate (the source does not say); excl. cables, transceivers, use, end of life",
        "method": "assumption",
        "source": "unsourced assumption of one public repository (about 200 kg); high: 10 kg x 24.87 kg/kg (DESNZ/DEFRA 2025 "
        "material use, electrical items - IT), an upper bound; low: half, assumed",
        "confidence": "low",
    },
}  # fmt: skip
EXTRA = (PLANT, SWITCH)
# code, ISO country, degrees north, degrees east: airports, from common knowledge of their positions.
PLACES = (
    ("TPE", "TW", "25.0777", "121.2328"),
    ("AMS", "NL", "52.3086", "4.7639"),
    ("ANC", "US", "61.1744", "-149.9964"),
    ("ARN", "SE", "59.6519", "17.9186"),
    ("BOM", "IN", "19.0887", "72.8679"),
    ("DFW", "US", "32.8968", "-97.0380"),
    ("DXB", "AE", "25.2528", "55.3644"),
    ("FRA", "DE", "50.0333", "8.5706"),
    ("GDL", "MX", "20.5218", "-103.3112"),
    ("GRU", "BR", "-23.4356", "-46.4731"),
    ("HKG", "HK", "22.3089", "113.9146"),
    ("IAD", "US", "38.9445", "-77.4558"),
    ("IAH", "US", "29.9844", "-95.3414"),
    ("ICN", "KR", "37.4691", "126.4505"),
    ("JNB", "ZA", "-26.1392", "28.2460"),
    ("LAX", "US", "33.9425", "-118.4081"),
    ("LHR", "GB", "51.4706", "-0.4619"),
    ("NRT", "JP", "35.7647", "140.3864"),
    ("ORD", "US", "41.9786", "-87.9048"),
    ("PEN", "MY", "5.2971", "100.2769"),
    ("PVG", "CN", "31.1434", "121.8052"),
    ("SIN", "SG", "1.3502", "103.9940"),
    ("SYD", "AU", "-33.9461", "151.1772"),
)
