"""Make hardware_profiles/: `python tools/make_profiles.py SOURCE OUT`.

SOURCE holds hardware.csv and the measurements on one H200. The freight and disposal factors stand below.
"""

import json
import re
import sys
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
from make_grid_data import Row, read_rows, write_rows
from profile_names import gpu_names, instances
from profile_parts import EXTRA, PARTS, PLACES, Part, Tables, Value

from carbon.hardware.fit import fit_curve
from carbon.hardware.own import to_toml, with_curve
from carbon.hardware.profiles import read_profile
from carbon.hardware.telemetry import Samples

DEFRA = "DESNZ/DEFRA conversion factors 2025"
OGL = "OGL-3.0 (UK DESNZ/DEFRA)"
# mode, kgCO2e per tonne-km well-to-wheel, radiative forcing, what it is (tank-to-wheel + well-to-tank)
FREIGHT = (
    ("air", "0.6665", "false", "freight flights, long-haul, without radiative forcing: 0.53130 + 0.13516"),
    ("air-rf", "1.0346", "true", "freight flights, long-haul, with radiative forcing: 0.89939 + 0.13516"),
    ("sea", "0.01977", "false", "container ship, average: 0.01612 + 0.00365"),
    ("road", "0.1252", "false", "HGV, all sizes, average laden: 0.10163 + 0.02359"),
    ("rail", "0.0347", "false", "freight train: 0.02779 + 0.00691"),
)
LANE_SOURCE = "great-circle distance from TPE, R = 6371 km"
LANES = (
    ("AE", "DXB", "6556"),
    ("AU", "SYD", "7285"),
    ("BR", "GRU", "18755"),
    ("CN", "PVG", "677"),
    ("DE", "FRA", "9365"),
    ("GB", "LHR", "9783"),
    ("HK", "HKG", "806"),
    ("IN", "BOM", "5002"),
    ("JP", "NRT", "2182"),
    ("KR", "ICN", "1462"),
    ("MX", "GDL", "13024"),
    ("MY", "PEN", "3135"),
    ("NL", "AMS", "9442"),
    ("SE", "ARN", "8329"),
    ("SG", "SIN", "3222"),
    ("US", "ORD", "11980"),
    ("ZA", "JNB", "11480"),
)
COLLECTION = "collection and transport to the facility only"
# treatment, kgCO2e per kg, year, source, licence
DISPOSAL = (
    ("weee-recycling", "0.00468568", "2025", f"{DEFRA}: WEEE, recycling (open loop); {COLLECTION}", OGL),
    ("weee-landfill", "0.00898311", "2025", f"{DEFRA}: WEEE, landfill", OGL),
    ("process", "1.506", "2026", "ADEME/Hubblo LCA of GPUs: end of life with its treatment", "facts (ADEME)"),
)
# Wording of the compilation, put into the words of the profiles.
WORDING = (
    (r"embodied\.md( \d+\.\d+)?", "docs/hardware.md"),
    (r"eol_included_kg", "disposal_included_kgco2e"),
    (r" ; ", "; "),
    (r"^ANCHOR\.", "Anchor of the model in docs/hardware.md."),
    (r"^USE ", "Use "),
)
MEASURED = "h200-sxm-141gb"
MEASURED_FILES = ("h200_decode_power.csv", "h200_load_points.csv")
MEASURED_HOW = (
    "own measurement on one H200, 2026, energy counter, each sample the mean of 12 to 20 s; decode at batch 32 alone "
    "(batch 1, 8 and 128 draw 445, 454 and 673 W at full load)"
)
OTHER_BATCHES = ("decode_b1", "decode_b8", "decode_b128")
PHASES = {"prefill": "prefill", "matmul": "train"}
VALIDATOR = "chain-validator"
VALIDATOR_SERVER = "server-2u-2s"
VALIDATOR_TEXT = {
    "name": "Validator of a proof-of-stake chain", "notes": "power at rest is what it draws, day and night; a server of its own",
}  # fmt: skip
VALIDATOR_POWER: dict[str, Value | None] = {
    "idle_w": {"low": 25.0, "central": 50.0, "high": 220.0},
    "idle_basis": "average draw: kWh a year over nodes of six chains, 23 W (Cardano) to 221 W (Solana); none for CometBFT",
    "source": "CCRI 2022, energy of proof-of-stake networks (read in secondary sources); rated power as server-2u-2s",
    "confidence": "low",
}
LOAD_SOURCE = (
    "own measurement on one H200, 2026: energy counter; decode at batch 32 (8B-shaped decoder, bf16, "
    "context 1024), prefill 4096 (linear layers only), matmul 8192 as train; powers fitted as power.curve says "
    "(docs/hardware.md)"
)


def toml_value(value: Value) -> str:
    """Render one value as TOML."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case date():
            return value.isoformat()
        case list():
            return f"[{', '.join(toml_value(item) for item in value)}]"
        case dict():
            return f"{{ {', '.join(f'{key} = {toml_value(item)}' for key, item in value.items())} }}"
    return repr(value)


def toml_table(name: str, values: dict[str, Value | None]) -> str:
    """Render one table under its name, leaving out what is not known."""
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {toml_value(value)}" for key, value in values.items() if value not in (None, "")]
    return "\n".join(lines) + "\n"


def number(text: str) -> float | None:
    """Read a cell that may be empty."""
    return float(text) if text else None


def reworded(text: str) -> str:
    """Put a remark of the compilation into the words of the profiles."""
    for pattern, replacement in WORDING:
        text = re.sub(pattern, replacement, text)
    return text


def bracket(row: Row, name: str, central: str) -> dict[str, float]:
    """Gather the low, central and high figure of one quantity."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return {"low": float(low), "central": float(row[central]), "high": float(high)}


def usual_host(row: Row) -> dict[str, Value | None]:
    """Name a GPU's usual host and how many share it, by its form factor."""
    if row["kind"] == "gpu" and row["form_factor"].startswith("PCIe"):
        return {"host": "server-gpu-2x-pcie", "devices_per_host": 2}
    if row["kind"] == "gpu" and row["form_factor"].startswith(("SXM", "OAM")):
        return {"host": "dgx-h100-host", "devices_per_host": 8}
    return {}


def identity(row: Row) -> str:
    """Render what the device is and where it usually sits."""
    released = row["release_date"]
    values: dict[str, Value | None] = {
        "id": row["id"],
        "name": row["name"],
        "kind": row["kind"],
        "vendor": row["vendor"],
        "form_factor": row["form_factor"],
        "released": date.fromisoformat(released) if released else None,
        **usual_host(row),
        "notes": reworded(row["notes"]),
    }
    return toml_table("", values)


def power(row: Row) -> str:
    """Render rated and idle power [W]."""
    values: dict[str, Value | None] = {
        "tdp_w": float(row["tdp_w"]),
        "idle_w": bracket(row, "idle_w", "idle_w"),
        "idle_basis": row["idle_basis"],
        "source": reworded(row["spec_source"]),
        "confidence": row["confidence_power"],
    }
    return toml_table("power", values)


def measured_samples(source: Path) -> Samples:
    """Gather the measured powers [W] of the H200 by busy fraction; a batch other than 32 is another curve."""
    runs = [run for name in MEASURED_FILES for run in read_rows(source / name) if run["phase"] not in OTHER_BATCHES]
    load = [next((kind for word, kind in PHASES.items() if word in run["phase"]), "decode") for run in runs]
    watts, busy = (np.array([float(run[name]) for run in runs]) for name in ("mean_power_w", "busy_fraction"))
    return Samples(watts, busy, np.full(len(runs), np.nan), np.array(load))


def energy_per_token(source: Path) -> dict[str, float]:
    """Energy of a token written and read [J] on the H200."""
    runs = {run["phase"]: run for name in MEASURED_FILES for run in read_rows(source / name)}
    phases = {"output_j_per_token": "duty_decode32_1.0", "input_j_per_token": "prefill_4096"}
    phases |= {f"batch_{size}_output_j_per_token": f"decode_b{size}" for size in (1, 8, 32, 128)}
    return {key: round(float(runs[run]["energy_j"]) / float(runs[run]["tokens"]), 4) for key, run in phases.items()}


def with_measured_curve(path: Path, source: Path) -> str:
    """Render the profile of the H200 with the curve that its measured powers were fitted to."""
    base = tomllib.loads(path.read_text(encoding="utf-8"))
    fit, _ = fit_curve(measured_samples(source), read_profile(path))
    tables = with_curve(base, fit, base["id"], f"{', '.join(MEASURED_FILES)}: {MEASURED_HOW}")
    del tables["based_on"]
    load = tables["power"]["load"]
    tables["power"]["load"] = load | energy_per_token(source) | {"source": LOAD_SOURCE}
    return to_toml(tables)


def chip(row: Row) -> str:
    """Render silicon [mm2], memory [GB, GB/s] and peak rate [TFLOP/s]."""
    values: dict[str, Value | None] = {
        "die_mm2": number(row["die_mm2_total"]),
        "process": row["process_node"],
        "act_node_nm": row["act_node_nm"],
        "memory_type": row["memory_type"],
        "memory_gb": number(row["memory_gb"]),
        "memory_bandwidth_gb_per_s": number(row["mem_bw_gb_s"]),
        "bf16_dense_tflops": number(row["bf16_dense_tflops"]),
        "source": reworded(row["spec_source"]),
    }
    return toml_table("chip", values)


def mass(row: Row) -> str:
    """Render the mass [kg] without packaging."""
    return toml_table("mass", {"mass_kg": float(row["mass_kg"]), "source": row["mass_basis"]})


def embodied(row: Row) -> str:
    """Render the embodied emissions [kgCO2e] and what they hold."""
    boundary = reworded(row["embodied_boundary"])
    values: dict[str, Value | None] = {
        "kgco2e": bracket(row, "embodied", "embodied_kgco2e"),
        "stages": row["stages"].split("|"),
        "disposal_included_kgco2e": float(row["eol_included_kg"]),
        # Only a GPU leaves its host out: a host is one, a system holds one.
        "boundary": boundary if row["kind"] == "gpu" else boundary.replace(" host,", ""),
        "method": row["embodied_method"],
        "source": reworded(row["embodied_source"]),
        "confidence": row["confidence_embodied"],
    }
    parts = [part_table(part) for part in PARTS.get(row["id"], ())]
    return "\n".join([toml_table("embodied", values), *parts])


def part_table(part: Part) -> str:
    """Render one part [kgCO2e]."""
    values: dict[str, Value | None] = {
        "name": part.name,
        "kgco2e": dict(zip(("low", "central", "high"), part.kgco2e, strict=True)),
        "amount": part.amount,
        "unit": part.unit,
        "source": part.source,
        "confidence": part.confidence,
    }
    return toml_table("[embodied.parts]", values)


def profile(row: Row) -> str:
    """Render one hardware profile."""
    tables = [identity(row), power(row)]
    tables += [chip(row) if row["memory_gb"] else "", mass(row), embodied(row)]
    return "\n".join(table for table in tables if table)


def validator(row: Row) -> str:
    """Render a validator on a server: the server's rated power, mass and embodied emissions, and a power of its own."""
    named: dict[str, Value | None] = {"id": VALIDATOR, "kind": "system", "vendor": row["vendor"], **VALIDATOR_TEXT}
    watts = {"tdp_w": float(row["tdp_w"]), **VALIDATOR_POWER}
    return "\n".join([toml_table("", named), toml_table("power", watts), mass(row), embodied(row)])


def extra(tables: Tables) -> str:
    """Render a profile that the compilation has no row for."""
    return "\n".join(toml_table(name, values) for name, values in tables.items())


def freight_factors() -> list[Row]:
    """List the freight factors [kgCO2e per tonne-km] by mode."""
    columns = ("mode", "kgco2e_per_tonne_km", "radiative_forcing", "year", "source", "licence")
    rows = ((mode, factor, forcing, "2025", f"{DEFRA}: {what}", OGL) for mode, factor, forcing, what in FREIGHT)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def freight_lanes() -> list[Row]:
    """List the distance [km] by air from Taipei to one airport a country."""
    columns = ("origin", "country", "destination", "distance_km", "source")
    return [dict(zip(columns, ("TPE", *lane, LANE_SOURCE), strict=True)) for lane in LANES]


def freight_places() -> list[Row]:
    """List places that shipments leave from or go to, degrees north and east."""
    columns = ("code", "country", "latitude", "longitude")
    return [dict(zip(columns, place, strict=True)) for place in PLACES]


def disposal_factors() -> list[Row]:
    """List the end-of-life factors [kgCO2e per kg] by treatment."""
    columns = ("treatment", "kgco2e_per_kg", "year", "source", "licence")
    return [dict(zip(columns, row, strict=True)) for row in DISPOSAL]


def main(source: Path, out: Path) -> None:
    """Make every profile and table of hardware_profiles/ in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    devices = {row["id"]: row for row in read_rows(source / "hardware.csv")}
    texts = {name: profile(row) for name, row in devices.items()} | {VALIDATOR: validator(devices[VALIDATOR_SERVER])}
    texts |= {str(tables[""]["id"]): extra(tables) for tables in EXTRA}
    for name, text in texts.items():
        (out / f"{name}.toml").write_text(text, encoding="utf-8", newline="\n")
    measured = out / f"{MEASURED}.toml"
    measured.write_text(with_measured_curve(measured, source), encoding="utf-8", newline="\n")
    write_rows(out / "freight_factors.csv", freight_factors())
    write_rows(out / "freight_lanes.csv", freight_lanes())
    write_rows(out / "freight_places.csv", freight_places())
    write_rows(out / "disposal_factors.csv", disposal_factors())
    write_rows(out / "gpu_names.csv", gpu_names())
    write_rows(out / "instances.csv", instances(source))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
