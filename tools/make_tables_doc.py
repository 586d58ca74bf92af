"""Make docs/tables.md and docs/settings.md from the schemas and the settings: `python tools/make_tables_doc.py`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path

from carbon.config import FILE, to_toml
from carbon.core.schema import Column, columns
from carbon.settings import SETTINGS, Setting

DOCS = Path(__file__).resolve().parent.parent / "docs"
GRID_DATA = DOCS.parent / "grid_data"
GENERATED = "<!-- Written by tools/make_tables_doc.py; do not edit. -->"

# Table, heading, what it is.
INPUTS = (
    (
        "workload",
        "Workload",
        "What nodes did: files in `workload/`. Each row needs one source of energy: `energy_kwh`, or `busy_fraction` and "
        "`load`, or tokens; of activity `network` `bytes` will do, of activity `storage` `storage_tb`. Metered rows "
        "of the same node, product, model, mode and activity may not overlap; busy fractions of a node may, "
        "while they add up to 1 at most; rows by tokens may as they like.",
    ),
    (
        "nodes",
        "Nodes",
        "The register, `nodes.csv`: one row a node, or several with `valid_from` for a node that moved or changed. "
        "A column that is not required may be left out. Without `host` the devices bring the usual host of their profile "
        "(`carbon hardware show` names it), one for each `devices_per_host` devices, rounded up: its energy and what it embodies "
        "are reckoned with theirs. A machine without accelerators, such as a gateway, has a profile of kind `host` in `hardware` "
        "(`server-2u-2s`), a chain node that or `chain-validator`, and `devices` counts the machines. A gateway whose rows are "
        "tokens alone is reckoned at what its machines draw with nothing to do.",
    ),
    (
        "fleet",
        "Fleet",
        "Hardware one by one, `fleet.csv`, where its history is known: when units were bought, moved, retired, and what became "
        "of them. An asset is a number of units of one profile that came together: one row, and one more with `valid_from` for "
        "each change. A row names the node they serve from then on, and how many are left; those that are not leave with its "
        "`fate`, `disposal` and `treatment`. `retired` stands in the last row and takes the rest. What an asset embodies, "
        "weighs and how it was shipped is said in its first row. The kinds of hardware (devices, hosts) that the fleet lists "
        "for a node are those and no others; other kinds follow from the node register, as all do for a node without a row "
        "here. Energy goes by the register: where the two count otherwise, a warning says so.",
    ),
    (
        "estimates",
        "Estimates",
        "Planned lives that change, `estimates.csv`. Each holds from its month on, instead of `life_years` in `carbon.toml`, "
        "until the next one; a row for a profile comes before one for all. What was charged before stays as it is.",
    ),
    (
        "instruments",
        "Instruments",
        "Contracts, certificates and supplier rates, `instruments.csv`: one row for each quantity that is claimed once. Give "
        "hourly certificates one row an hour. [Methods](methods.md#scope-2-market-based) says how they are matched.",
    ),
    (
        "models",
        "Models",
        "Models that others run, `models.csv`: what a token costs the provider. A proxied row (mode `proxy`) takes them for the "
        "provider's part, and a row by tokens of a purchased node for its energy. Your rows come before the bundled ones "
        "(`grid_data/models.csv`). [Methods](methods.md#proxied-requests) says how they are reckoned with.",
    ),
    (
        "intensity",
        "Intensity",
        "Series for `carbon grid import`. One of the two figures is needed. Marginal intensity is refused.",
    ),
    (
        "mix",
        "Generation mix",
        "The other kind of file that `carbon grid import` takes: these columns, and one column for each fuel of "
        "`grid_data/fuel_factors.csv` (`coal`, or `coal_mw`), all in one unit. An empty cell is not known; write 0 for "
        "a fuel that did not run.",
    ),
)
# Table of grid_data/, what its rows are for, its columns; a * marks those whose cells must be filled.
OWN_ROWS = (
    (
        "annual",
        "Yearly means. For a zone and year of both, your row holds.",
        {
            "zone*": "grid zone", "year*": "year that the figure is of", "direct_g_per_kwh": "combustion at the plant [g/kWh]",
            "lifecycle_g_per_kwh": "with the fuel chain and the plants' construction [g/kWh]; one of the two is needed",
            "basis*": "`production` or `consumption`", "gas": "`CO2e` or `CO2`", "gwp_set": "warming potentials, such as AR6",
            "confidence": "your word", "source*": "who published it", "licence": "your word",
        },
    ),
    (
        "td_losses",
        "Grid losses by country. The newest year that is not after the row's holds.",
        {
            "country*": "ISO country code, as in zones.csv", "year*": "year that the rate is of",
            "loss_fraction*": "losses, from 0 to below 1", "source*": "who published it", "licence": "your word",
            "loss_basis*": "`of_injection` (of what is fed in) or `of_consumption` (of what is taken out)",
        },
    ),
    (
        "typical",
        "Means by month, kind of day and hour: 576 rows a zone. A zone takes its rows from one source, yours first.",
        {
            "zone*": "grid zone", "month*": "1 to 12", "day_type*": "`weekday` or `weekend`", "hour_utc*": "0 to 23",
            "direct_g_per_kwh": "mean [g/kWh]", "direct_sd_g_per_kwh": "its standard deviation [g/kWh]",
            "lifecycle_g_per_kwh": "mean [g/kWh]", "lifecycle_sd_g_per_kwh": "its standard deviation [g/kWh]",
            "carbon_free_share": "0 to 1", "years*": "years behind the means, such as 2021-2023", "source*": "who made it",
            "licence": "your word",
        },
    ),
    (
        "residual_mix",
        "What is left of a market's mix when all claims are taken out; market-based energy that [no instrument "
        "covers](methods.md#scope-2-market-based) takes it. A row is for a `year`, or else from `start` to `end`. The shortest "
        "interval that holds the moment comes first, then the newest year that is not after it, at most five years back; of "
        "equal ones yours. A row without a figure is left out.",
        {
            "market*": "ISO country code of the market, as in zones.csv",
            "year": "year that the figure is of; empty with start and end",
            "start": "first instant, where there is no year: a time with its offset, or a day",
            "end": "first instant after it", "residual_g_per_kwh*": "combustion at the plant [g/kWh]", "gas": "`CO2e` or `CO2`",
            "source": "who published it", "licence": "your word", "confidence": "your word",
        },
    ),
    (
        "overheads",
        "Factors of [overheads](methods.md#overheads). The first row of an id holds; `network-request`, `network-activation`, "
        "`network-kv` and `network-weights` are ids too, for a kind of transfer of its own.",
        {
            "id*": "as in the bundled table", "value": "the factor", "unit": "its unit", "low": "lowest that sources give",
            "high": "highest", "year": "year of the source", "source": "who published it", "licence": "your word",
        },
    ),
    (
        "uncertainty",
        "How far figures spread, behind [ranges](methods.md#uncertainty). Your row of a key holds. Each posting "
        "keeps the table that it was reckoned with, and [ranges go by that](ledger.md#what-ranges-go-by): account again after a "
        "change.",
        {
            "key*": "as in the bundled table", "gsd2*": "squared geometric standard deviation, 1 (exact) or more",
            "pedigree": "scores from 1 to 5 that widen it, such as 2;2;3;1;3;1: reliability, completeness, temporal, "
            "geographical, technological, sample", "source": "who published it", "year": "year of the source",
            "note": "your word",
        },
    ),
    (
        "fuel_factors",
        "Factors that turn a generation mix into intensity. Your row of a fuel holds; a new fuel is a new column of mixes.",
        {
            "fuel*": "name of the fuel, the column of a mix", "direct_g_per_kwh": "combustion at the plant [g/kWh]",
            "lifecycle_g_per_kwh": "with the fuel chain and the plant's construction [g/kWh]",
            "generation*": "`true`; `false` for storage, which does not count", "year": "year of publication",
            "source": "who published it", "licence": "your word", "version*": "version of your factors; it stands in the source",
        },
    ),
    (
        "zones",
        "Zones that are known. Your row of a zone holds.",
        {
            "zone*": "id", "name*": "name", "country*": "ISO country code; loss rates are looked up by it",
            "market": "ISO country code of the market", "parent": "zone of the country, whose yearly figure may stand in",
            "level*": "`country`, `subzone`, or another word of the bundled table", "time_zone": "IANA zone",
            "entsoe_eic": "id at ENTSO-E", "eia_respondent": "id at the EIA", "watttime_region": "id at WattTime",
            "neso_region_id": "id at NESO", "source": "where the row is from",
        },
    ),
    (
        "cloud_regions",
        "Where regions of clouds stand, for `carbon init --from` and `carbon grid zones`. Your row of a region holds.",
        {
            "provider*": "`aws`, `azure`, `gcp`, or another in small letters", "region*": "its name in small letters",
            "place": "city or state", "country": "ISO country code", "zone*": "grid zone",
            "choice": "why this zone, where the place could be on another grid",
            "unsure": "`true` where the zone is to be confirmed", "pue": "energy at the meter per energy at the IT load [1]",
            "pue_year": "year that it is of", "source": "who published it", "licence": "your word",
        },
    ),
    (
        "countries",
        "Codes of countries. Your row of a code comes first.",
        {
            "country*": "two letters, as in zones.csv", "alpha_3*": "three letters", "source": "where the codes are from",
            "licence": "your word",
        },
    ),
    (
        "fuel_map",
        "Codes of providers for the fuels above.",
        {
            "system*": "code list, such as entsoe", "code*": "code in it", "fuel*": "fuel in fuel_factors.csv",
            "label": "name in the list", "source": "where the list is from", "licence": "your word",
        },
    ),
)  # fmt: skip
# What is allowed where the reader of the table says more than the schema does.
ALLOWED = {("nodes", "devices"): "1 or more, whole", ("fleet", "devices"): "0 or more, whole; in the first row 1 or more"}
OUTPUTS = (
    (
        "entries",
        "Entries",
        "The ledger itself, and what `carbon ledger show` gives. An empty cell is not known; it is never 0.",
    ),
    (
        "report",
        "Report",
        "What `carbon report` gives. The columns of `--by` stand after `month`; the rows add up to the statement's total.",
    ),
    (
        "bridge",
        "Bridge",
        "What `carbon report --against` gives: the earlier total and what moved it, by cause. The rows add up to the later one.",
    ),
    (
        "months",
        "Months",
        "What `carbon ledger months` gives, of one statement; restated = reported - earlier months + adjustments.",
    ),
    (
        "drivers",
        "Drivers",
        "What `carbon drivers` gives. The columns of `--by` stand after `driver`; the rows add up to the change.",
    ),
)
READING = """\
A CSV file is UTF-8 with commas and a header; a byte-order mark and CRLF are accepted. With `decimal = ","` under
`[inputs]` files may have `;` and decimal commas. Parquet has the same columns. Unknown columns are left out with a
warning. Cells hold the number alone; its unit is in the name of the column.

| type | is written |
|---|---|
| time | ISO 8601 with an offset, to the microsecond: `2026-10-01T00:00:00Z`, `2026-10-01T02:00:00+02:00` |
| day | a time, or a plain date, which is 00:00 UTC of that day |
| number, count | digits with a decimal point, no thousands separators |
| choice | one of the words under *allowed* |

All ends are exclusive, all months are UTC months.
"""
OWN_TABLES = """\
`[grid] data` names a folder with tables of your own, CSV in UTF-8 with commas and decimal points, called as those of
`grid_data/`. Each is optional; one that is there needs all columns of its header, and its rows come before the bundled ones.
Cells of the columns marked *filled* must not be empty. Models of your own are not among them: `models.csv` is a file
of the project, `[inputs] models`, with the columns [above](#models).
"""
WRITING = """\
CSV that `carbon` writes is RFC 4180 with every digit. A text cell that a spreadsheet would take for a formula gets a
leading `'`. Columns of the other lists are shown with their [commands](commands.md).
"""
ORDER = f"""\
`carbon init` writes `{FILE}` with every setting, its default and one line of help. A command-line option comes before an
environment variable, that before `{FILE}`, that before the default. In a variable a list is separated by commas:

```sh
CARBON_GRID_TIERS=measured,typical carbon check
```

Paths are relative to the project folder. A setting that does not exist, or a value of the wrong kind, is refused. What may
stand in the folder that `[grid] data` names: [grid data of your own](tables.md#grid-data-of-your-own).
"""


def tables_page() -> str:
    """The page of all tables."""
    own = ["## Grid data of your own", OWN_TABLES.strip(), *map(_own_table, OWN_ROWS)]
    parts = ["# Tables", GENERATED, "## What you write", READING.strip(), *map(_table, INPUTS), *own]
    return "\n\n".join([*parts, "## What you get", WRITING.strip(), *map(_table, OUTPUTS)]) + "\n"


def settings_page() -> str:
    """The page of all settings."""
    sections = dict.fromkeys(setting.section for setting in SETTINGS)
    parts = ["# Settings", GENERATED, ORDER.strip()]
    return "\n\n".join([*parts, *(_section(section) for section in sections)]) + "\n"


def _table(told: tuple[str, str, str]) -> str:
    name, heading, text = told
    header = ("column", "type", "unit", "required", "default", "allowed", "meaning")
    return f"### {heading}\n\n{text}\n\n{_markdown(header, (_column(name, column) for column in columns(name).values()))}"


def _own_table(told: tuple[str, str, Mapping[str, str]]) -> str:
    """A table of grid data, its columns in the order of the bundled file."""
    name, text, meanings = told
    said = {column.removesuffix("*"): (column.endswith("*"), meaning) for column, meaning in meanings.items()}
    header = (GRID_DATA / f"{name}.csv").read_text(encoding="utf-8").partition("\n")[0].strip().split(",")
    if sorted(header) != sorted(said):
        raise ValueError(f"the columns of {name}.csv are {', '.join(header)}: explain each")
    rows = ((f"`{column}`", "yes" if said[column][0] else "", said[column][1]) for column in header)
    return f"### {name}.csv\n\n{text}\n\n{_markdown(('column', 'filled', 'meaning'), rows)}"


def _column(table: str, column: Column) -> Sequence[str]:
    required = "yes" if column.required else ""
    default = f"`{column.default}`" if column.default else ""
    return (f"`{column.name}`", column.type, column.unit, required, default, _allowed(table, column), column.description)


def _allowed(table: str, column: Column) -> str:
    if (table, column.name) in ALLOWED:
        return ALLOWED[table, column.name]
    if column.choices:
        return " ".join(f"`{word}`" for word in column.choices)
    if isfinite(column.low) and isfinite(column.high):
        return f"{column.low:g} to {column.high:g}"
    return f"{column.low:g} or more" if isfinite(column.low) else ""


def _section(section: str) -> str:
    header = ("setting", "default", "allowed", "meaning", "variable")
    defaults = [value for _, value in re.findall(r"^(\w+) = (.*)$", to_toml(), re.MULTILINE)]
    pairs = zip(SETTINGS, defaults, strict=True)
    rows = (_setting(setting, default) for setting, default in pairs if setting.section == section)
    return f"## [{section}]\n\n{_markdown(header, rows)}"


def _setting(setting: Setting, default: str) -> Sequence[str]:
    allowed = " ".join(f"`{word}`" for word in setting.choices)
    return (f"`{setting.key}`", f"`{default}`", allowed, setting.help, f"`{setting.variable}`")


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main() -> None:
    """Write both pages."""
    for name, page in (("tables.md", tables_page()), ("settings.md", settings_page())):
        (DOCS / name).write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
