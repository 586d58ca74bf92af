"""Overheads of a network: factors on energy reckoned from tokens, and energy of rows that state bytes, storage or a model.

What a meter measured holds its overheads already: no factor touches it. Factors stand in grid_data/overheads.csv, each with
its range and source; what they give are lines of their own (docs/methods.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.activity.models import read_models
from carbon.core.errors import UsageError
from carbon.core.findings import Findings
from carbon.grid import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carbon.activity.models import Models

    Floats = NDArray[np.float64]

BYTES_PER_GB = 1e9
TRANSFERS = ("request", "activation", "kv", "weights")
MEDIA = ("ssd", "hdd")
USUAL_MEDIUM = "ssd"
MODELLED, BY_TOKENS, AT_GATEWAY = "power-model@1", "tokens", "gateway"
SERVICE = "service-tokens@1"
NETWORK = tuple(f"network{f'-{kind}' if kind else ''}-factor@1" for kind in ("", *TRANSFERS))
STORAGE = tuple(f"storage-{medium}-factor@1" for medium in MEDIA)
TEE, ZKML, FAILED = "tee-factor@1", "zkml-factor@1", "failed-factor@1"
# What the energy of a row came from, as the words behind its product, model, mode and activity: its method, and what only
# the engine tells apart. A row's `how` is a place in this list.
HOW: tuple[tuple[str, ...], ...] = (
    (), (MODELLED,), (MODELLED, BY_TOKENS), (MODELLED, AT_GATEWAY), (SERVICE,), *((word,) for word in (*NETWORK, *STORAGE)),
)  # fmt: skip
METERED, BY_BUSY, TOKENS, GATEWAY, PURCHASED, FIRST_NETWORK = range(6)
FIRST_STORAGE = FIRST_NETWORK + len(NETWORK)
METHOD = 4  # place of the method in a work label

Label = tuple[str | None, ...]


class Overheads(NamedTuple):
    """Factors in use: kWh per GB and W per TB in the order of NETWORK and STORAGE, then what tokens' energy is multiplied by.

    `tee`: energy in a trusted environment over that without, `zkml`: a proof's energy over its answer's (0: not stated),
    `failed`: energy of failed work over that of work done.
    """

    network_kwh_per_gb: Floats
    storage_w_per_tb: Floats
    tee: float
    zkml: float
    failed: float
    models: Models


class Added(NamedTuple):
    """An overhead on some work: the label of its line, and its energy over that of the work [1]."""

    label: Label
    share: float


def overheads(
    own: str = "", *, tee: bool = True, failed: bool = True, zkml: float = 0.0, models: Models | None = None
) -> Overheads:
    """Overheads by the tables; rows of the folder `own` come first. Raises UsageError for a factor that is no number."""
    network = [_first(own, f"network-{kind}" if kind else "network", "network") for kind in ("", *TRANSFERS)]
    copies = _first(own, "storage-replication")
    storage = [_first(own, f"storage-{medium}") * copies for medium in MEDIA]
    return Overheads(
        np.array(network), np.array(storage), _first(own, "tee") if tee else 1.0, zkml,
        _first(own, "failed") * _first(own, "failed-done") if failed else 0.0,
        models or read_models(None, {}, Findings()),
    )  # fmt: skip


def network_kwh(bytes_: Floats, kwh_per_gb: Floats) -> Floats:
    """Energy [kWh] of the network for bytes sent [B], of what it draws as a whole by volume (Aslan et al. 2018 and after)."""
    return bytes_ / BYTES_PER_GB * kwh_per_gb


def storage_kwh(tb: Floats, hours: Floats, w_per_tb: Floats) -> Floats:
    """Energy [kWh] at the IT load of data stored [TB] for a time [h]; power [W/TB] with the copies in it."""
    return tb * hours * w_per_tb / 1000


def added(label: Label, factors: Overheads) -> list[Added]:
    """Overheads on work of that label; none but on energy reckoned from tokens. (docs/methods.md, Overheads.)

    The last word of the new label tells lines apart that are added up later, so that each sum has one origin.
    """
    if label[METHOD:] != HOW[TOKENS]:
        return []
    product, model, mode, activity = label[:METHOD]

    def line(of: str, method: str, share: float) -> Added:
        return Added((product, model, mode, of, method, activity), share)

    tee = factors.tee if mode == "tee" else 1.0
    found = [line("verification", TEE, tee - 1)] if activity != "verification" else []
    if activity == "inference":
        found.append(line("verification", ZKML, factors.zkml if mode == "zkml" else 0.0))
        found.append(line("retry", FAILED, factors.failed * tee))
    return [each for each in found if each.share]


def stands_for(label: Label) -> tuple[str | None, ...]:
    """What of a node and month its own rows must name for an overhead of that label to stay out.

    Verification: the mode; failed work: the product.
    """
    activity = label[METHOD - 1]
    return (activity, label[2] if activity == "verification" else label[0])


def canonical(labels: Sequence[Label]) -> list[int]:
    """For each label the first of those that are equal in what lines show of them."""
    first: dict[Label, int] = {}
    return [first.setdefault(label[: METHOD + 1], code) for code, label in enumerate(labels)]


def _first(own: str, *ids: str) -> float:
    """Value of the first of some ids that the table has; rows of one's own come first."""
    rows = tables.rows("overheads", own)
    for wanted in ids:
        for row in rows:
            if row["id"] == wanted:
                return _value(row["id"], row["value"])
    raise UsageError(f"overheads.csv has no row {ids[-1]}; give it one")


def _value(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise UsageError(f"overheads.csv: {name} = {text!r} must be a number of 0 or more; write digits")
    return value
