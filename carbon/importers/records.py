"""What importers hand over: meters, events and hosts that a source names, as frames of fixed columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

# Parts of a meter: what its value is of. Energy [kWh] of a whole node, of its accelerators, or of its processors and memory;
# or counts. Parts that are of the same quantity add up, but for `node`, which holds the others.
ENERGY_PARTS = ("node", "gpu", "cpu")
COUNT_PARTS = ("requests", "input_tokens", "output_tokens")
MEASURED, INTERPOLATED = "measured", "interpolated"

METERS: Mapping[str, str] = {
    "node": "str", "device": "str", "part": "str", "product": "str", "model": "str", "mode": "str",
    "start_us": "int64", "end_us": "int64", "value": "float64", "quality": "str",
}  # fmt: skip
EVENTS: Mapping[str, str] = {
    "key": "uint64", "node": "str", "product": "str", "model": "str", "mode": "str", "activity": "str",
    "start_us": "int64", "end_us": "int64", "requests": "float64", "input_tokens": "float64",
    "output_tokens": "float64", "busy_fraction": "float64", "load": "str", "bill": "str",
}  # fmt: skip
HOSTS: Mapping[str, str] = {
    "node": "str", "device": "str", "gpu": "str", "devices": "float64", "provider": "str", "region": "str",
    "instance": "str", "country": "str",
}  # fmt: skip


def frame(schema: Mapping[str, str], **columns: object) -> pd.DataFrame:
    """A frame of a schema (METERS, EVENTS or HOSTS); a column that is not given is empty: "" for text, NaN for numbers."""
    size = next((len(column) for column in columns.values() if not isinstance(column, str | int | float)), 0)  # type: ignore[arg-type]
    index = pd.RangeIndex(size)
    blank = {"str": "", "float64": float("nan")}
    cells = {name: columns.get(name, blank.get(dtype, 0)) for name, dtype in schema.items()}
    return pd.DataFrame(cells, index, columns=list(schema)).astype(dict(schema))


class Take(NamedTuple):
    """Part of what a source gave, nodes by the name that the source has for them.

    `meters`: intervals of one meter each, columns METERS (times [us since 1970 UTC], value [kWh] or [1] by part).
    `events`: requests and machine hours, columns EVENTS; rows of one `key` are one and the same. `bill` names the provider,
    account and billing period of machine hours, which a later export may give again.
    `hosts`: machines as the source describes them, columns HOSTS.
    """

    meters: pd.DataFrame = frame(METERS)
    events: pd.DataFrame = frame(EVENTS)
    hosts: pd.DataFrame = frame(HOSTS)
