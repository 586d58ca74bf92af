"""Energy of a metered hour shared among the work that was asked of the node in it.

By useful tokens: those written, and a tenth of those read, since prompts are read at high use (assumed, as of the models in
grid_data/models.csv, 2024); by requests where no tokens are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US, SECOND_US, cell_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.activity.register import Register

    Flags = NDArray[np.bool_]

TOKEN_READ = 0.1  # of a token written
WHOLE_US = 3_540 * SECOND_US  # an hour but for a minute: in others tokens may be of the time without a meter
COUNTS = ["requests", "input_tokens", "output_tokens"]
AMOUNTS = ["energy_kwh", "node_kwh", "gpu_kwh", "cpu_kwh", "host_kwh", "device_s"]
LABELS = ["product", "model", "mode", "activity"]
HOUR = ["node", "hour"]
LEAST = 1e-9  # of an hour: work without weight has a moment of it, so that its counts have a row


def share(energy: pd.DataFrame, work: pd.DataFrame, register: Register) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metered rows with the work of their hour on them, and the work that has none.

    A metered row that names no work is cut among that of its hour: one after the other in time, so that power stays what it
    was and each has its part of energy [kWh], device time [s] and counts. Hours that a meter covers in part keep their work
    apart where the profile has a figure for its tokens, as some of it is of the time without a meter.
    """
    energy = energy.assign(activity="inference", **dict.fromkeys(COUNTS, np.nan), row=np.arange(len(energy)))
    hour = cell_of(work["start_us"].to_numpy(np.int64), "hour")
    work = work.assign(hour=hour, weight=_weight(work))
    plain = energy["product"].eq("") & energy["model"].eq("") & energy["mode"].eq("")
    taken = _of_the_hour(work) & _joins(energy[plain], work, register)
    if not taken.any():
        return energy.drop(columns="row"), work.drop(columns=["hour", "weight"])
    cells = (
        energy[plain]
        .drop(columns=[*LABELS, *COUNTS])
        .merge(work.loc[taken, [*HOUR, *LABELS, *COUNTS, "weight"]], on=HOUR)
    )
    rest = energy[~energy["row"].isin(cells["row"])]
    together = pd.concat([rest, _cut(cells)], ignore_index=True).sort_values(["node", "start_us"], kind="stable")
    return together.drop(columns="row").reset_index(drop=True), work[~taken].drop(columns=["hour", "weight"])


def _weight(work: pd.DataFrame) -> pd.Series:
    tokens = work["output_tokens"].fillna(0.0) + TOKEN_READ * work["input_tokens"].fillna(0.0)
    return tokens.where(work[["input_tokens", "output_tokens"]].notna().any(axis=1), work["requests"]).fillna(0.0)


def _of_the_hour(work: pd.DataFrame) -> Flags:
    """Work by tokens or requests that lies within an hour."""
    inside = work["end_us"] <= (work["hour"] + 1) * HOUR_US
    return (inside & work["busy_fraction"].isna() & work["activity"].isin(["", "inference"])).to_numpy(bool)


def _joins(energy: pd.DataFrame, work: pd.DataFrame, register: Register) -> Flags:
    """Work of hours that a meter covers, wholly or where nothing else could tell its energy."""
    covered = (energy["end_us"] - energy["start_us"]).groupby([energy[name] for name in HOUR]).sum()
    there = covered.reindex(pd.MultiIndex.from_frame(work[HOUR])).to_numpy(float)
    code = work["node"].map(register.node_code).to_numpy(np.int64)
    stretch = register.stretch_at(code.astype(np.int64), work["start_us"].to_numpy(np.int64))
    silent = np.isnan(register.power.output_j_per_token[stretch])
    silent |= work[["input_tokens", "output_tokens"]].isna().all(axis=1).to_numpy(bool)
    return np.asarray((there >= WHOLE_US) | (silent & (there > 0)))


def _cut(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells of metered rows and work as rows: each has its part of the row's time, energy and of the work's counts."""
    cells = cells.sort_values(["row", *LABELS], kind="stable", ignore_index=True)
    by_row = cells.groupby("row")
    weight = cells["weight"].clip(lower=by_row["weight"].transform("sum") * LEAST)
    weight = weight.where(weight > 0, 1.0)
    part = weight / weight.groupby(cells["row"]).transform("sum")
    lasts = cells["end_us"] - cells["start_us"]
    span = lasts / lasts.groupby([cells[name] for name in (*HOUR, *LABELS)]).transform("sum")
    after = part.groupby(cells["row"]).cumsum()
    edge = (cells["start_us"] + np.rint(after * lasts)).astype(np.int64)
    last = ~cells["row"].duplicated(keep="last")
    edge = edge.where(~last, cells["end_us"])
    begin = edge.groupby(cells["row"]).shift().fillna(cells["start_us"]).astype(np.int64)
    found = cells.assign(start_us=begin, end_us=edge)
    found[AMOUNTS] = cells[AMOUNTS].mul(part, axis=0)
    found[COUNTS] = cells[COUNTS].mul(span, axis=0)
    return found.drop(columns="weight")
