"""Planned lives that hold from a month on: changes of estimate, dated so that no past month moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.core.time import cell_of, cell_start, us_of
from carbon.readers.checked import read_checked
from carbon.readers.fleet import PROFILES, profile_fault

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.readers.convert import Dialect


def parse_estimates(
    path: str | Path, dialect: Dialect, findings: Findings, name: str, profiles_folder: str = ""
) -> pd.DataFrame:
    """Estimates, index `row`, columns as in the schema: `valid_from` UTC, `life_years` [year]; `profile` may be empty.

    Faults are added to `findings` and their rows left out. A file that is absent, or has a header alone, has no rows.
    """
    table = read_checked(path, "estimates", dialect, findings, name)
    rows = table.rows
    us = us_of(rows["valid_from"])
    table.fault(
        rows["valid_from"].notna() & (us != cell_start(cell_of(us, "month"), "month")), "valid_from", "not-first-of-month",
        "is not the first day of a month: what was charged before in it would move",
        "write the first of a month, such as 2026-10-01",
    )  # fmt: skip
    for profile in rows["profile"].dropna().unique():
        if problem := profile_fault(profile, profiles_folder):
            table.fault(rows["profile"] == profile, "profile", "unknown-profile", problem, PROFILES, once=True)
    sound = rows[table.clean()]
    table.fault(
        sound.duplicated(["valid_from", "profile"]), "valid_from", "estimate-twice",
        "stands twice for the same month and profile", "keep one row of a month for a profile, and one for all",
    )  # fmt: skip
    return rows[table.clean()].copy()
