"""Make docs/tables.md and docs/settings.md from the schemas and the settings: `python tools/make_tables_doc.py`."""

import re
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path

from carbon.config import FILE, SETTINGS, Setting, to_toml
from carbon.core.schema import Column, columns

DOCS = Path(__file__).resolve().parent.parent / "docs"
GENERATED = "<!-- Written by tools/make_tables_doc.py; do not edit. -->"

# Table, heading, what it is.
INPUTS = (
    (
        "workload",
        "Workload",
        "What nodes did: files in `workload/`. Each row needs one source of energy: `energy_kwh`, or `busy_fraction` and "
        "`load`, or tokens. Metered rows of the same node, product, model, mode and activity may not overlap.",
    ),
    (
        "nodes",
        "Nodes",
        "The register, `nodes.csv`: one row a node, or several with `valid_from` for a node that moved or changed. "
        "A column that is not required may be left out.",
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

Paths are relative to the project folder. A setting that does not exist, or a value of the wrong kind, is refused.
"""


def tables_page() -> str:
    """The page of all tables."""
    parts = ["# Tables", GENERATED, "## What you write", READING.strip(), *map(_table, INPUTS)]
    return "\n\n".join([*parts, "## What you get", WRITING.strip(), *map(_table, OUTPUTS)]) + "\n"


def settings_page() -> str:
    """The page of all settings."""
    sections = dict.fromkeys(setting.section for setting in SETTINGS)
    parts = ["# Settings", GENERATED, ORDER.strip()]
    return "\n\n".join([*parts, *(_section(section) for section in sections)]) + "\n"


def _table(told: tuple[str, str, str]) -> str:
    name, heading, text = told
    header = ("column", "type", "unit", "required", "default", "allowed", "meaning")
    return f"### {heading}\n\n{text}\n\n{_markdown(header, (_column(column) for column in columns(name).values()))}"


def _column(column: Column) -> Sequence[str]:
    required = "yes" if column.required else ""
    default = f"`{column.default}`" if column.default else ""
    return (f"`{column.name}`", column.type, column.unit, required, default, _allowed(column), column.description)


def _allowed(column: Column) -> str:
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
