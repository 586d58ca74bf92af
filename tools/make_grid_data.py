"""Make the tables of grid_data/: `python tools/make_grid_data.py SOURCE OUT`.

SOURCE holds typical_intensity.csv and tables/. Figures are copied as text, so none is rounded again.
"""

import csv
import math
import sys
from pathlib import Path

Row = dict[str, str]

VERSION = "1"
TYPICAL_SOURCE = "carbon typical intensity v1 (hourly generation mixes x fuel_factors.csv)"
STORAGE = ("hydro_storage", "battery_storage", "storage_charge")
STORAGE_SOURCE = "storage is not generation: its energy was counted when it was generated"
# The newest publication behind a row; what is not named here is IPCC AR5 WG3 Annex III of 2014.
FACTOR_YEARS = {"biomass": "2021", "waste": "2021", "oil": "2021", "unknown": "2025", "other": "2025"}
# Single figures, cited as facts; the files they were read in carry licences of their own.
FACTOR_LICENCES = {"unknown": "facts (Electricity Maps defaults)", "other": "facts (CarbonCast)"}
FACTS = "facts"
OVERHEAD_COLUMNS = ("id", "value", "unit", "low", "high", "year", "source")
NETWORK_SOURCE = (
    "by volume between data centres (Cloud Carbon Footprint, methodology); low: 0.03 W per Mbps (Malmodin 2020, marginal); "
    "high: fixed lines, Aslan et al. 2018 halved every two years to 2020"
)
COPIES_SOURCE = (
    "copies that large stores keep (Cloud Carbon Footprint: object stores 3, block stores 2); "
    "chains with erasure coding 4.5 to 5"
)
DISK_SOURCE = "{} (Cloud Carbon Footprint); low: drives of 20 TB"
TEE_SOURCE = (
    "throughput lost on GPUs in confidential mode: below 7 % (arXiv:2409.03992), 4-8 % (arXiv:2509.18886); "
    "the same power assumed"
)
ZKML_SOURCE = (
    "proof over forward pass at the scale of GPT-2 (zkGPT 2025, NanoZK arXiv:2603.18046, EZKL); not applied unless stated"
)
OVERHEADS = (
    ("network", "0.001", "kWh/GB", "0.000067", "0.0065", "2020", NETWORK_SOURCE),
    ("storage-ssd", "1.2", "W/TB", "0.3", "1.2", "2020", DISK_SOURCE.format("6 W for 5 TB")),
    ("storage-hdd", "0.65", "W/TB", "0.3", "0.65", "2020", DISK_SOURCE.format("6.5 W for 10 TB")),
    ("storage-replication", "3", "1", "1", "5", "2020", COPIES_SOURCE),
    ("tee", "1.06", "1", "1", "1.2", "2025", TEE_SOURCE),
    ("zkml", "", "1", "1000", "100000", "2026", ZKML_SOURCE),
    ("failed", "0.02", "1", "0", "0.07", "2024", "requests that fail: 1.78, 1.92 and 7.26 % in BurstGPT traces"),
    ("failed-done", "0.5", "1", "0", "1", "2026", "share of the work that is done when a request fails: assumed"),
)
MODEL_COLUMNS = ("model", "provider", "zone", "pue", "input_j_per_token", "output_j_per_token", "year", "source")
RECKONED_HERE = "Apache-2.0 (reckoned here)"
GPU_PEAK_FLOP_PER_S, GPU_W, EPOCH_USE, EPOCH_POWER_SHARE = 9.89e14, 1275, 0.1, 0.7
ECOLOGITS = {"alpha": 1.1665273170451914e-6, "beta": -0.011205921025579175, "gamma": 4.052928146734005e-5,
             "per_active": 6.785088094353663e-4, "per_total": 3.119310311688259e-4, "base": 0.019473717579473387}  # fmt: skip
ECOLOGITS_BATCH = 64
EPOCH_SOURCE = (
    "100e9 active parameters, 2 FLOP each, at 10 % of 9.89e14 FLOP/s and 70 % of 1275 W (assumptions of Epoch AI, 2025); "
    "tokens read taken as a tenth, since prompts are read at high use: assumed"
)
ECOLOGITS_SOURCE = "equations of EcoLogits 0.11 for 123e9 dense parameters, batch 64; tokens written alone, reading in them"
# The user-assigned code of Northern Cyprus means "unknown" elsewhere, so no certificate names it.
NOT_A_MARKET = "XX"


def read_rows(path: Path) -> list[Row]:
    """Read a CSV file, every cell as its text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write rows as CSV with the columns of the first one."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def without_coordinates(source: str) -> str:
    """Drop from a zone's source what it says of coordinates, which do not ship."""
    for phrase in (", rounded centroid", " and approximate centroid", ", principal location"):
        source = source.replace(phrase, "")
    return source


def zone_row(row: Row, countries: set[str]) -> Row:
    """Give one zone its market, its parent and its best time zone."""
    country = row["country"]
    return {
        "zone": row["zone"],
        "name": row["name"],
        "country": country,
        "market": "" if country == NOT_A_MARKET else country,
        "parent": country if row["level"] != "country" and country in countries else "",
        "level": row["level"],
        "time_zone": row["time_zone_suggested"] or row["time_zone"],
        "entsoe_eic": row["entsoe_eic"],
        "eia_respondent": row["eia_respondent"],
        "watttime_region": row["watttime_region"],
        "neso_region_id": row["neso_region_id"],
        "source": without_coordinates(row["source"]),
    }


def zone_rows(rows: list[Row]) -> list[Row]:
    """List all zones, those below a country with the country zone as parent."""
    countries = {row["zone"] for row in rows if row["level"] == "country"}
    return [zone_row(row, countries) for row in rows]


def annual_row(row: Row) -> Row:
    """Put an annual figure [g/kWh] in the column of its kind."""
    figure, kind = row["intensity_g_per_kwh"], row["kind"]
    return {
        "zone": row["zone"],
        "year": row["year"],
        "direct_g_per_kwh": figure if kind == "direct" else "",
        "lifecycle_g_per_kwh": figure if kind == "lifecycle" else "",
        "basis": "production" if row["basis"] == "generation" else "consumption",
        "gas": "CO2e",
        "gwp_set": "",
        "confidence": row["confidence"],
        "source": row["source"],
        "licence": row["licence"],
    }


def typical_row(row: Row) -> Row:
    """Name the means and standard deviations [g/kWh] of one zone and hour by their unit."""
    return {
        "zone": row["zone"],
        "month": row["month"],
        "day_type": row["day_type"],
        "hour_utc": row["hour_utc"],
        "direct_g_per_kwh": row["direct_g_per_kwh"],
        "direct_sd_g_per_kwh": row["direct_std"],
        "lifecycle_g_per_kwh": row["lifecycle_g_per_kwh"],
        "lifecycle_sd_g_per_kwh": row["lifecycle_std"],
        "carbon_free_share": row["carbon_free_share"],
        "years": row["years"],
        "source": TYPICAL_SOURCE,
        "licence": "Apache-2.0",
    }


def fuel_factor_row(row: Row) -> Row:
    """Give one fuel its factors [g/kWh]; storage has none."""
    fuel, stored = row["fuel"], row["fuel"] in STORAGE
    return {
        "fuel": fuel,
        "direct_g_per_kwh": "" if stored else row["direct_gco2_per_kwh"],
        "lifecycle_g_per_kwh": "" if stored else row["lifecycle_gco2_per_kwh"],
        "generation": "false" if stored else "true",
        "year": "" if stored else FACTOR_YEARS.get(fuel, "2014"),
        "source": STORAGE_SOURCE if stored else row["source"].removesuffix(" - flag"),
        "licence": "facts (convention)" if stored else FACTOR_LICENCES.get(fuel, row["licence"]),
        "version": VERSION,
    }


def loss_row(row: Row) -> Row:
    """State a loss rate as a fraction of what is fed into the grid."""
    return {
        "country": row["country"],
        "year": row["year"],
        "loss_fraction": row["loss_fraction_of_output"],
        "loss_basis": "of_injection",
        "source": row["source"],
        "licence": row["licence"],
    }


def residual_row(row: Row) -> Row:
    """Give the residual mix [g/kWh] of one market and year; rows of one's own may name an interval instead."""
    return {
        "market": row["zone"],
        "year": row["year"],
        "start": "",
        "end": "",
        "residual_g_per_kwh": row["residual_g_per_kwh"],
        "gas": row["gas"],
        "source": row["source"],
        "licence": row["licence"],
        "confidence": row["confidence"],
    }


def epoch_j_per_token(active: float) -> float:
    """Energy [J] of a token written by the assumptions that EPOCH_SOURCE names."""
    return 2 * active / (GPU_PEAK_FLOP_PER_S * EPOCH_USE) * GPU_W * EPOCH_POWER_SHARE


def ecologits_j_per_token(billions: float) -> float:
    """Energy [J] of a token written by a dense model, by the equations of EcoLogits (16 bits, GPUs of 80 GB)."""
    given = ECOLOGITS
    gpu_wh = given["alpha"] * math.exp(given["beta"] * ECOLOGITS_BATCH) * billions + given["gamma"]
    seconds = given["per_active"] * billions + given["per_total"] * ECOLOGITS_BATCH + given["base"]
    gpus = 2 ** math.ceil(math.log2(math.ceil(1.2 * billions * 16 / 8 / 80)))
    server_wh = seconds / 3600 * 1200 * gpus / 8 / ECOLOGITS_BATCH
    return (server_wh + gpus * gpu_wh) * 3600


def model_rows() -> list[Row]:
    """List the models whose figures [J per token] were reckoned here from cited inputs."""
    epoch, large = epoch_j_per_token(100e9), ecologits_j_per_token(123)
    rows = (
        ("gpt-4o", "OpenAI", "US", "1.2", f"{epoch / 10:.6g}", f"{epoch:.6g}", "2024", EPOCH_SOURCE),
        ("mistral-large-2407", "Mistral AI", "FR", "1.16", "0", f"{large:.6g}", "2024", ECOLOGITS_SOURCE),
    )
    return [dict(zip(MODEL_COLUMNS, row, strict=True)) | {"licence": RECKONED_HERE} for row in rows]


def overhead_rows() -> list[Row]:
    """List the factors of overheads, each with its range."""
    return [dict(zip(OVERHEAD_COLUMNS, row, strict=True)) | {"licence": FACTS} for row in OVERHEADS]


def main(source: Path, out: Path) -> None:
    """Make every table of grid_data/ in `out`."""
    tables = source / "tables"
    annual = [row for row in read_rows(tables / "annual.csv") if row["ship_flag"] == "open"]
    typical = read_rows(source / "typical_intensity.csv")
    factors = sorted(read_rows(tables / "fuel_factors.csv"), key=lambda row: row["fuel"])
    losses = [row for row in read_rows(tables / "td_losses.csv") if row["licence"] != "unknown"]
    residual = [row for row in read_rows(tables / "residual_mix.csv") if not row["licence"].startswith("unknown")]
    out.mkdir(parents=True, exist_ok=True)
    write_rows(out / "zones.csv", zone_rows(read_rows(tables / "zones.csv")))
    write_rows(out / "annual.csv", [annual_row(row) for row in annual])
    write_rows(out / "typical.csv", [typical_row(row) for row in typical])
    write_rows(out / "fuel_factors.csv", [fuel_factor_row(row) for row in factors])
    write_rows(out / "fuel_map.csv", read_rows(tables / "fuel_map.csv"))
    write_rows(out / "td_losses.csv", [loss_row(row) for row in losses])
    write_rows(out / "residual_mix.csv", [residual_row(row) for row in residual])
    write_rows(out / "overheads.csv", overhead_rows())
    write_rows(out / "models.csv", model_rows())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
