"""Make the tables of grid_data/: `python tools/make_grid_data.py SOURCE OUT`.

SOURCE holds typical_intensity.csv and tables/. Figures are copied as text, so none is rounded again.
"""

import csv
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


def main(source: Path, out: Path) -> None:
    """Make every table of grid_data/ in `out`."""
    tables = source / "tables"
    annual = [row for row in read_rows(tables / "annual.csv") if row["ship_flag"] == "open"]
    typical = read_rows(source / "typical_intensity.csv")
    factors = sorted(read_rows(tables / "fuel_factors.csv"), key=lambda row: row["fuel"])
    losses = [row for row in read_rows(tables / "td_losses.csv") if row["licence"] != "unknown"]
    out.mkdir(parents=True, exist_ok=True)
    write_rows(out / "zones.csv", zone_rows(read_rows(tables / "zones.csv")))
    write_rows(out / "annual.csv", [annual_row(row) for row in annual])
    write_rows(out / "typical.csv", [typical_row(row) for row in typical])
    write_rows(out / "fuel_factors.csv", [fuel_factor_row(row) for row in factors])
    write_rows(out / "fuel_map.csv", read_rows(tables / "fuel_map.csv"))
    write_rows(out / "td_losses.csv", [loss_row(row) for row in losses])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
