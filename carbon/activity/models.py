"""Energy per token of models that others run: the bundled table and a project's own, by name and year."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.findings import Findings
from carbon.core.resources import folder
from carbon.readers.convert import Dialect
from carbon.readers.small import read_cells, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FILE = "models.csv"
J_PER_KWH = 3.6e6
UNDATED = 0


class Offer(NamedTuple):
    """Who runs a model, in which grid zone, and energy at the meter per energy at the IT load [1]."""

    provider: str
    zone: str
    pue: float


class Models:
    """Figures of models [J per token at the IT load], one row each; a name may have one for each year."""

    def __init__(self, table: pd.DataFrame) -> None:
        """Index a table with the columns of schema `models`; of equal names and years the first row holds."""
        offers = [Offer(*row) for row in zip(*(table[name] for name in Offer._fields), strict=True)]
        self.offers = list(dict.fromkeys(offers))
        self.offer = np.array([self.offers.index(offer) for offer in offers], np.int64)
        self._joules = [np.append(table[f"{way}_j_per_token"].to_numpy(float), np.nan) for way in ("input", "output")]
        self._years: dict[str, dict[int, int]] = {}
        years = table["year"].fillna(UNDATED).astype(int)
        for at, (name, year) in enumerate(zip(table["model"], years, strict=True)):
            self._years.setdefault(name, {}).setdefault(year, at)

    def names(self) -> list[str]:
        """Every model that has a figure."""
        return sorted(self._years)

    def find(self, model: str | None, year: int) -> int:
        """Row of a model, its provider's prefix (`openai/`) left out where that is unknown; -1: it has none.

        The newest year that is not after `year` holds, else the first one later.
        """
        known = self._years.get(model or "") or self._years.get((model or "").rpartition("/")[2])
        if not known:
            return -1
        earlier = [each for each in known if each <= year]
        return known[max(earlier) if earlier else min(known)]

    def rows(self, models: Sequence[str | None], codes: Ints, year: Ints) -> Ints:
        """Row of the model of each code (its place in `models`) in each year; -1 where it has none."""
        pair, distinct = pd.factorize(year * len(models) + codes)
        found = [self.find(models[at % len(models)], at // len(models)) for at in distinct.tolist()]
        return np.array(found, np.int64)[pair]

    def energy_kwh(self, row: Ints, read: Floats, written: Floats) -> Floats:
        """Energy [kWh] at the provider's IT load of tokens read and written; NaN where a figure is missing."""
        by_input, by_output = self._joules
        joules = np.where(read > 0, read * by_input[row], 0.0) + np.where(written > 0, written * by_output[row], 0.0)
        return np.where(row < 0, np.nan, joules / J_PER_KWH)


def read_models(
    own: Path | None, zones: Mapping[str, object], findings: Findings, dialect: Dialect | None = None, name: str = ""
) -> Models:
    """The models of a project's table, where there is one, before the bundled ones.

    Faults, unknown zones and a file that was named and is not there (`name` other than FILE) are findings.
    """
    bundled = read_table(folder("grid_data") / "models.csv", "models", Dialect(), Findings())
    if own is None or not own.is_file():
        if name and name != FILE:
            findings.error("no-models", "is no file", "write it, or take models out of [inputs]", file=name)
        return Models(bundled)
    table, faulty = read_cells(own, "models", dialect or Dialect(), findings, name)
    _check(table, faulty, zones, findings, name or own.name)
    mine = table.dropna(subset=["model", "provider", "zone"])
    return Models(pd.concat([mine, bundled], ignore_index=True) if len(mine) else bundled)


def _check(
    table: pd.DataFrame, faulty: pd.DataFrame, zones: Mapping[str, object], findings: Findings, file: str
) -> None:
    for row, zone in _told(table, "zone"):
        if zone not in zones:
            mend = "see `carbon grid zones`"
            findings.error("unknown-zone", "is not a known zone", mend, file=file, row=row, column="zone", value=zone)
    ways = ["input_j_per_token", "output_j_per_token"]
    silent = table[ways].isna().all(axis=1) & ~faulty[ways].any(axis=1)
    for row, model in _told(table[silent], "model"):
        findings.error(
            "no-figure", "has neither input_j_per_token nor output_j_per_token", "give at least one of them [J]",
            file=file, row=row, column="output_j_per_token", value=model,
        )  # fmt: skip


def _told(table: pd.DataFrame, column: str) -> Iterable[tuple[int, str]]:
    cells = table[column].dropna()
    return zip(cells.index.tolist(), cells.tolist(), strict=True)
