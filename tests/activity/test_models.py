"""The table of models that others run: names, years, faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from carbon.activity.models import read_models
from carbon.core.findings import Findings

if TYPE_CHECKING:
    from pathlib import Path

    from carbon.activity.models import Models

HEADER = "model,provider,zone,pue,input_j_per_token,output_j_per_token,year,source\n"
ZONES = {"GB": 1, "US": 1}


def models(folder: Path, *rows: str, faults: int = 0) -> tuple[Models, Findings]:
    """A table of those rows, and what was found in it."""
    path, findings = folder / "models.csv", Findings()
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    made = read_models(path, ZONES, findings, name="models.csv")
    assert len(findings) == faults, list(findings)
    return made, findings


def kwh(made: Models, model: str, year: int, read: float, written: float) -> float:
    """Energy of some tokens [kWh]."""
    return float(
        made.energy_kwh(
            made.rows([model], np.zeros(1, np.int64), np.array([year])), np.array([read]), np.array([written])
        )[0]
    )


def test_tokens_by_their_figures(tmp_path: Path) -> None:
    """By hand: (2e6 x 0.5 + 1e6 x 3) J = 4e6 J."""
    made, _ = models(tmp_path, "m,P,GB,1.2,0.5,3,2026,s")
    assert kwh(made, "m", 2026, 2e6, 1e6) == pytest.approx(4 / 3.6, rel=1e-14)
    assert made.offers[made.offer[made.find("m", 2026)]] == ("P", "GB", 1.2)


def test_the_newest_year_that_is_not_after_the_rows(tmp_path: Path) -> None:
    """Before the first there is the first; a year that is not given counts as before all."""
    made, _ = models(tmp_path, "m,P,GB,1,,3,2025,s", "m,P,GB,1,,9,2023,s", "n,P,GB,1,,1,,s", "n,P,GB,1,,2,2025,s")
    found = [kwh(made, "m", year, 0, 3.6e6) for year in (2020, 2023, 2024, 2025, 2030)]
    assert found == [9.0, 9.0, 9.0, 3.0, 3.0]
    assert [kwh(made, "n", year, 0, 3.6e6) for year in (2020, 2026)] == [1.0, 2.0]


def test_a_name_with_its_provider_before_the_bare_one(tmp_path: Path) -> None:
    made, _ = models(tmp_path, "m,P,GB,1,,3,2025,s", "x/m,P,GB,1,,7,2025,s")
    assert [kwh(made, name, 2026, 0, 3.6e6) for name in ("m", "y/m", "x/m")] == [3.0, 3.0, 7.0]
    assert [made.find(name, 2026) for name in ("M", "", "m/x", None)] == [-1] * 4


def test_ones_own_rows_before_the_bundled(tmp_path: Path) -> None:
    made, _ = models(tmp_path, "gpt-4o,P,GB,1,,5,2024,s")
    assert kwh(made, "gpt-4o", 2026, 0, 3.6e6) == 5.0
    assert made.find("mistral-large-2407", 2026) > 0


def test_a_figure_that_is_empty_is_not_known(tmp_path: Path) -> None:
    """0 is: nothing is read for free unless the table says so."""
    made, _ = models(tmp_path, "m,P,GB,1,,3,2025,s", "n,P,GB,1,0,3,2025,s")
    assert np.isnan(kwh(made, "m", 2026, 1.0, 1.0))
    assert kwh(made, "m", 2026, 0.0, 3.6e6) == kwh(made, "n", 2026, 1.0, 3.6e6) == 3.0
    assert np.isnan(kwh(made, "unheard-of", 2026, 0.0, 0.0))


def test_faults_are_findings(tmp_path: Path) -> None:
    _, found = models(tmp_path, "m,P,Atlantis,1,,3,2025,s", "n,P,GB,1,,,2025,s", "o,P,GB,0.5,,x,2025,s", faults=4)
    places = {(fault.code, fault.row, fault.column) for fault in found}
    assert {("unknown-zone", 2, "zone"), ("no-figure", 3, "output_j_per_token"), ("too-low", 4, "pue")} <= places
    assert {fault.severity for fault in found} == {"error"}


def test_a_table_that_was_named_must_be_there(tmp_path: Path) -> None:
    findings = Findings()
    read_models(tmp_path / "mine.csv", ZONES, findings, name="mine.csv")
    assert [(fault.code, fault.file, fault.severity) for fault in findings] == [("no-models", "mine.csv", "error")]


@pytest.mark.parametrize("text", [HEADER, None])
def test_a_table_without_rows_counts_as_absent(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "models.csv").write_text(text, encoding="utf-8")
    findings = Findings()
    made = read_models(tmp_path / "models.csv", ZONES, findings)
    assert made.names() == ["gpt-4o", "mistral-large-2407"]
    assert not len(findings)
