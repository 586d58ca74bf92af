"""The profile of the H200 against what was measured on one: the fit is where it says it is, and energy is met."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon.activity.energy import device_energy
from carbon.hardware.curve import KINDS, curve_of
from carbon.hardware.fit import fit_curve
from carbon.hardware.profiles import find_profile
from carbon.hardware.telemetry import Samples, read_files
from tests.activity.cases import nodes
from tests.hardware.measured import AT_REST, DECODE, FITTED, FULL, Run

H200 = "h200-sxm-141gb"
WITHIN = 0.03
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = ("h200_decode_power.csv", "h200_load_points.csv")
with_files = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the measured runs are not at {SHARED.parent.name}/{SHARED.name}")


def samples(runs: tuple[Run, ...]) -> Samples:
    watts, busy = (np.array([getattr(run, name) for run in runs]) for name in ("power_w", "busy"))
    return Samples(watts, busy, np.full(len(runs), np.nan), np.array([run.load for run in runs]))


def modelled_kwh(runs: list[Run] | tuple[Run, ...]) -> np.ndarray:
    """Energy of each run as the engine reckons it, one after the other."""
    ends = pd.Timestamp("2026-01-01T00:00Z") + pd.to_timedelta(np.cumsum([run.seconds for run in runs]), "s").floor("us")
    starts = [pd.Timestamp("2026-01-01T00:00Z"), *ends[:-1]]
    busy, load = [run.busy for run in runs], [run.load for run in runs]
    frame = pd.DataFrame({"start": starts, "end": ends, "node": "a", "busy_fraction": busy, "load": load})
    return device_energy(frame, nodes({"hardware": H200, "devices": 1.0})).to_numpy()


@pytest.mark.parametrize("runs", [DECODE, AT_REST, FULL], ids=["decode", "at rest", "full load"])
def test_the_engine_meets_the_measured_energy(runs: tuple[Run, ...]) -> None:
    """Each run within 3 %, and all of them together within 1 %."""
    measured = np.array([run.energy_j for run in runs]) / 3.6e6
    modelled = modelled_kwh(runs)
    assert np.abs(modelled / measured - 1).max() < WITHIN
    assert abs(modelled.sum() / measured.sum() - 1) < 0.01


@with_files
def test_the_engine_meets_the_files_of_the_measurement() -> None:
    """The same of the file itself: every row of decoding with pauses, and the sum of them."""
    with (SHARED / FILES[0]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figures = ("mean_power_w", "busy_fraction", "energy_j", "seconds")
    runs = [Run("decode", *(float(row[name]) for name in figures)) for row in rows]
    measured = np.array([run.energy_j for run in runs]) / 3.6e6
    modelled = modelled_kwh(runs)
    assert len(runs) == 11
    assert np.abs(modelled / measured - 1).max() < WITHIN
    assert abs(modelled.sum() / measured.sum() - 1) < 0.01


def test_the_profile_is_the_fit() -> None:
    """Fitted again to the same runs, rounded to 0.1 W: what the profile holds."""
    profile = find_profile(H200)
    fit, findings = fit_curve(samples(FITTED), profile)
    kept = curve_of(profile)
    assert not list(findings)
    assert [round(watts, 1) for watts in fit.curve] == list(kept)
    assert (fit.samples, fit.outliers) == (len(FITTED), 0) == (profile.curve["samples"], profile.curve["outliers"])
    assert profile.curve["rmse_w"] == round(fit.rmse_w, 2)
    assert all(str(profile.curve[load]).startswith("fitted: ") for load in KINDS)


def test_the_fit_is_the_least_of_squares() -> None:
    """No curve beside it has a smaller sum of squares (an exhaustive look at neighbours)."""
    runs = [run for run in FITTED if run.power_w > 100]
    fit, _ = fit_curve(samples(FITTED), find_profile(H200))

    def squares(context: float, decode: float) -> float:
        mine = [run for run in runs if run.load == "decode"]
        return sum((context + run.busy * (decode - context) - run.power_w) ** 2 for run in mine)

    best = squares(fit.curve.context_w, fit.curve.decode_w)
    around = [squares(fit.curve.context_w + a, fit.curve.decode_w + b) for a in (-0.01, 0, 0.01) for b in (-0.01, 0, 0.01)]
    assert best == pytest.approx(min(around), rel=1e-9)
    assert sum(square > best for square in around) == 8


@with_files
def test_the_files_of_the_measurement_can_be_fitted_as_they_are() -> None:
    """Without the hand of a person: other batch sizes show as outliers, and the unnamed load is left out."""
    found, source, findings = read_files([SHARED / name for name in FILES])
    fit, more = fit_curve(found, find_profile(H200))
    kept = curve_of(find_profile(H200))
    assert fit.curve[:4] == pytest.approx(kept[:4], abs=0.1)
    assert fit.outliers == 3
    assert [finding.value for finding in findings] == ["matmul_8192"]
    assert [finding.code for finding in more] == ["outliers"]
    assert all(name in source for name in FILES)
