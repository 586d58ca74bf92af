"""Do the engines agree, group by group, and is each single row of ours exact? Prints one line of JSON.

    python benchmarks/join_check.py FOLDER ROWS OURS.npy [OTHER.npy ...]
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from join_data import CELLS, COLUMNS, START_US, STEP_US
from join_engines import files_in, parts_of

from carbon.scope2.join import Axis, StepFunction, place

if TYPE_CHECKING:
    from join_engines import Files
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SAMPLE = 2_000


def deviation(ours: Floats, theirs: Floats) -> float:
    """Largest relative difference of any group: grams of the group's grams, both kWh of the group's kWh."""
    energy = ours[1] + ours[2]
    scale = np.stack([ours[0], energy, energy])
    return float((np.abs(theirs - ours) / np.where(scale > 0, scale, 1)).max())


def row_errors(files: Files) -> tuple[float, float]:
    """Largest relative error of mean and of covered share, over a sample of rows, against exact fractions."""
    values = np.load(files.cells)
    parts = parts_of(_some_row_group(files.rows))
    rows = np.random.default_rng(2).choice(len(parts.row), min(SAMPLE, len(parts.row)), replace=False)
    line = StepFunction(values)
    spans = place(Axis(START_US, STEP_US, CELLS), parts.zone[rows], parts.start_us[rows], parts.end_us[rows])
    means, shares = line.mean(spans), line.covered(spans)
    shares = np.ones(len(rows)) if shares is None else shares
    errors = []
    for row, mean, share in zip(rows, means, shares, strict=True):
        exact = _exact(values[parts.zone[row]], int(parts.start_us[row]) - START_US, int(parts.end_us[row]) - START_US)
        errors.append([_error(found, true) for found, true in zip((mean, share), exact, strict=True)])
    worst = np.max(errors, axis=0)
    return float(worst[0]), float(worst[1])


def _some_row_group(rows: Path) -> pq.Table:
    file = pq.ParquetFile(rows)
    return file.read_row_group(file.num_row_groups // 2, columns=COLUMNS)


def _exact(values: Floats, begin: int, stop: int) -> tuple[Fraction, Fraction]:
    """Mean and covered share of one interval, cell by cell in fractions."""
    total, covered = Fraction(0), 0
    for cell in range(begin // STEP_US, -(-stop // STEP_US)):
        inside = min(stop, (cell + 1) * STEP_US) - max(begin, cell * STEP_US)
        if np.isfinite(values[cell]):
            total, covered = total + Fraction(float(values[cell])) * inside, covered + inside
    return total / (stop - begin), Fraction(covered, stop - begin)


def _error(found: float, true: Fraction) -> float:
    return float(abs(Fraction(float(found)) - true) / true) if true else abs(float(found))


if __name__ == "__main__":
    folder, rows, first, *others = sys.argv[1:]
    ours = np.load(first)
    mean, share = row_errors(files_in(Path(folder), int(rows)))
    deviations = {Path(other).stem: deviation(ours, np.load(other)) for other in others}
    sys.stdout.write(json.dumps({"mean": mean, "share": share, "deviations": deviations}) + "\n")
