"""Sums to lines of the ledger: Scope 2 location-based, and category 3 upstream and losses as lines of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.activity.batch import WORK
from carbon.activity.overheads import METHOD
from carbon.core.schema import columns
from carbon.scope2.spread import NOTHING_STATED, any_from_tokens, energy_gsd2
from carbon.scope2.tracks import NOT_COVERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carbon.activity.register import Codes, Register
    from carbon.scope2.spread import Spread
    from carbon.scope2.tracks import Layer

    Ints = NDArray[np.int64]

FIGURES = ("energy_kwh", "requests", "tokens", "kgco2e", "biogenic_kgco2")
ENERGY_PHASES = ("use", "upstream", "losses")
METHODS = {"use": "location@1", "upstream": "upstream@1", "losses": "losses@1"}


def line_columns() -> list[str]:
    """Columns of a line before it is posted: the ledger's from `start` to `source`."""
    names = list(columns("entries"))
    return names[names.index("start") : names.index("source") + 1]


def energy_lines(
    sums: pd.DataFrame, register: Register, works: Codes, layers: Codes, spread: Spread = NOTHING_STATED
) -> pd.DataFrame:
    """Lines of sums (KEYS, SUMS, `start_us`, `end_us`, `source`): one a group and line, energy [kWh], kgco2e [kg].

    What nothing covers (layer -1) has one line, of its energy: factor `not-covered`, empty tier and empty kgco2e.
    """
    common, code = common_columns(sums, register, works), sums["layer"].to_numpy()
    layer: list[Layer] = [*layers.labels, NOT_COVERED]  # code -1 takes the last
    grams = {"use": sums["location_g"].mask(code < 0), "upstream": sums["upstream_g"], "losses": sums["losses_g"]}
    stretch = sums["stretch"].to_numpy()
    frames = [_phase(common, grams[phase], register, stretch, layer, code, phase) for phase in METHODS]
    by_tokens = any_from_tokens(sums, works)
    has_upstream = np.array([one.upstream == "line" for one in layer], bool)[code]
    has_losses = np.array([one.has_losses for one in layer], bool)[code]
    frames[0][["energy_kwh", "requests", "tokens"]] = sums[["energy_kwh", "requests", "tokens"]].to_numpy()
    kept = [frames[0], frames[1][has_upstream], frames[2][has_losses]]
    for frame in kept:
        frame["gsd2"] = energy_gsd2(frame, by_tokens[frame.index], spread)
    return pd.concat([frame for frame in kept if len(frame)] or kept[:1], ignore_index=True)


def share_places(sums: pd.DataFrame, register: Register) -> bool:
    """Whether several sums are of one cell, node, zone and work: then lines may agree in all but their figures."""
    place = pd.DataFrame({"node": register.node[sums["stretch"]], **sums[["cell", "zone", "work"]]})
    return bool(place.duplicated().any())


def united(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines that agree in all but their figures as one: energy [kWh], kgco2e [kg] and counts added, `gsd2` the widest."""
    keys = [name for name in lines.columns if name not in (*FIGURES, "gsd2")]
    grouped = lines.groupby(keys, dropna=False, sort=False, as_index=False, observed=True)
    summed: pd.DataFrame = grouped[list(FIGURES)].sum(min_count=1)
    summed["gsd2"] = grouped["gsd2"].max()["gsd2"]
    return summed[list(lines.columns)]


def not_covered(sums: pd.DataFrame, register: Register) -> pd.DataFrame:
    """Energy that no tier covers: node, zone, start_us, energy_kwh [kWh]."""
    gaps = sums[sums["layer"] < 0]
    return pd.DataFrame({
        "node": [register.stretches[stretch].node for stretch in gaps["stretch"]],
        "zone": [register.zones.labels[zone] for zone in gaps["zone"]],
        "start_us": gaps["start_us"].to_numpy(),
        "energy_kwh": gaps["energy_kwh"].to_numpy(),
    })  # fmt: skip


def common_columns(sums: pd.DataFrame, register: Register, works: Codes) -> pd.DataFrame:
    """What all lines of each sum have in common, the rest empty; energy [kWh], kgco2e [kg] and method are for the caller."""
    stretch, work = sums["stretch"].to_numpy(), sums["work"].to_numpy()
    frame = pd.DataFrame(index=range(len(sums)), columns=line_columns(), dtype=object)
    frame["start"], frame["end"] = (instants(sums[edge]) for edge in ("start_us", "end_us"))
    for name in ("node", "operator", "boundary"):
        frame[name] = texts([getattr(one, name) for one in register.stretches], stretch)
    frame["zone"] = texts(register.zones.labels, sums["zone"].to_numpy())
    for at, name in enumerate(WORK):
        frame[name] = texts([label[at] for label in works.labels], work)
    methods = [label[METHOD : METHOD + 1] for label in works.labels]
    frame["method"] = texts([f"{method[0]} x " if method else "" for method in methods], work)
    if "row" in sums:
        frame["row"] = sums["row"].to_numpy()
    frame["source"] = pd.Series(sums["source"].to_numpy(), dtype="str")
    for name in ("energy_kwh", "requests", "tokens", "biogenic_kgco2", "gsd2"):
        frame[name] = np.nan
    return frame


def _phase(
    common: pd.DataFrame, grams: pd.Series, register: Register, stretch: Ints, layer: Sequence[Layer], code: Ints, phase: str
) -> pd.DataFrame:  # fmt: skip
    routes = [one.route for one in register.stretches]
    places = [route.energy if phase == "use" else route.upstream for route in routes]
    frame = common.copy()
    frame["scope"] = np.array([place.scope for place in places], np.int64)[stretch]
    frame["category"] = pd.array([place.category or None for place in places], "Int64").take(stretch)
    frame["phase"], frame["method"] = phase, common["method"] + METHODS[phase]
    frame["basis"] = np.where((frame["scope"] == 2) & (phase == "use"), "location", "either")
    frame["kgco2e"] = grams.to_numpy() / 1000
    frame["tier"] = texts([one.tier for one in layer], code)
    frame["factor_kind"] = texts([one.kind if phase == "use" else phase for one in layer], code)
    ids = [f"{one.factor} x {one.loss_id}" if phase == "losses" else one.factor for one in layer]
    frame["factor"] = texts(ids, code)
    frame["status"] = texts(["settled" if one.settled else "provisional" for one in layer], code)
    return frame


def texts(labels: Sequence[str | None], codes: Ints) -> pd.Series:
    """The label of each code; code -1 takes the last."""
    return pd.Series(pd.array(list(labels), dtype="str").take(codes), dtype="str")


def instants(us: pd.Series) -> pd.DatetimeIndex:
    """Times in UTC of microseconds since 1970 [us]."""
    return pd.DatetimeIndex(us.to_numpy(np.int64).view("M8[us]")).tz_localize("UTC")
