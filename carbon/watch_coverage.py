"""What a rolling account covers: nodes that have data, zones and how far their series go, what is posted and provisional."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from carbon.core.findings import Findings
from carbon.core.sums import sum_of
from carbon.core.time import DAY_US, HOUR_US, cell_of, from_us, month_text, to_us
from carbon.grid import store
from carbon.importers.names import names_of
from carbon.importers.store import KINDS, Imported
from carbon.ledger.store import Ledger
from carbon.readers.convert import Dialect
from carbon.readers.nodes import parse_nodes
from carbon.report.monthly import statement
from carbon.report.shares import provisional_shares
from carbon.scope2.lines import ENERGY_PHASES

if TYPE_CHECKING:
    import pandas as pd

    from carbon.config import Settings
    from carbon.watched import Watched


def register_of(settings: Settings) -> pd.DataFrame:
    """The node table as it is now; its faults are for `carbon account` to tell. Raises NotFoundError without its file."""
    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"))
    return parse_nodes(settings.path("inputs.nodes"), dialect, Findings(), settings.text("inputs.nodes"))


def in_service(nodes: pd.DataFrame, start_us: int, end_us: int) -> pd.DataFrame:
    """Rows of nodes that are in service at some time of a range [us]."""
    began = nodes["in_service"] < from_us(end_us)
    return nodes[began & (nodes["retired"].isna() | (nodes["retired"] > from_us(start_us)))]


def zones_of(nodes: pd.DataFrame, start_us: int, end_us: int) -> list[str]:
    """Zones of nodes in service in a range [us], sorted."""
    return sorted(in_service(nodes, start_us, end_us)["zone"].dropna().unique())


def ends_of(imported: Imported, day: int) -> dict[str, int]:
    """Until when [us] each node has anything imported of a day, by the name that its source has."""
    ends: dict[str, int] = {}
    for source in imported.sources():
        for kind in KINDS:
            path = imported.file(kind, day, source.stem)
            if day in source.days and path.is_file():
                rows = pq.read_table(path, columns=["node", "end_us"]).to_pandas()
                for name, end_us in rows.groupby("node")["end_us"].max().items():
                    ends[str(name)] = max(ends.get(str(name), 0), int(end_us))
    return ends


def seen(settings: Settings, watched: Watched, now_us: int) -> Watched:
    """The same with what is covered now. Raises what reading the register, the grid or the ledger does."""
    watched = _with_nodes(settings, watched)
    watched = _with_grid(settings, watched, now_us)
    ledger = Ledger(settings.path("ledger.path"))
    month = month_text(int(cell_of(np.array([(watched.covered_to or now_us) - 1]), "month")[0]))
    return watched._replace(posting=ledger.head().posting, provisional_share=_provisional_share(ledger, month))


def provisional_from_us(settings: Settings) -> int | None:
    """Start [us] of the earliest energy that is provisional in the ledger; None where none is."""
    entries = Ledger(settings.path("ledger.path")).live(columns=("start", "phase", "status"), coded=True)
    open_ = entries[(entries["status"] == "provisional") & entries["phase"].isin(ENERGY_PHASES)]
    return None if open_.empty else to_us(open_["start"].min().to_pydatetime())


def _with_nodes(settings: Settings, watched: Watched) -> Watched:
    if watched.covered_to is None:
        return watched
    nodes, from_hour_us = register_of(settings), watched.covered_to - HOUR_US
    names = names_of(nodes, Findings())
    wanted = set(in_service(nodes, from_hour_us, watched.covered_to)["node"])
    ends = ends_of(Imported(settings.path("inputs.imported")), (watched.covered_to - 1) // DAY_US)
    there = {names[name] for name, end_us in ends.items() if name in names and end_us > from_hour_us}
    return watched._replace(nodes=len(there & wanted), nodes_in_service=len(wanted))


def _with_grid(settings: Settings, watched: Watched, now_us: int) -> Watched:
    zones = zones_of(register_of(settings), now_us - HOUR_US, now_us)
    ends: dict[str, int] = {}
    for series in store.load(settings.path("grid.folder"), zones):
        ends[series.zone] = max(ends.get(series.zone, 0), int(series.rows["end_us"].max()))
    return watched._replace(
        zones=tuple(ends), zones_without=tuple(zone for zone in zones if zone not in ends),
        grid_to=min(ends.values(), default=None),
    )  # fmt: skip


def _provisional_share(ledger: Ledger, month: str) -> float | None:
    """Share [1] of a month's emissions that is provisional, in the usual statement; None where nobody knows."""
    entries = ledger.live(periods=[month], columns=("basis", "kgco2e", "status"), coded=True)
    told = statement(entries).dropna(subset=["kgco2e"])
    open_ = told["status"] == "provisional"
    sums = (np.array([sum_of(rows["kgco2e"].to_numpy(np.float64))]) for rows in (told[open_], told))
    share = float(provisional_shares(*sums)[0])
    return None if np.isnan(share) else share
