"""The command report for each unit of work."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carbon.cli.common import console, emit, now

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from carbon.config import Settings


class PerUnit(NamedTuple):
    """What is asked for: period, grouping, bases, time."""

    period: str
    by: list[str]
    energy: str
    hardware: str
    as_of: str | None


def answer(settings: Settings, asked: PerUnit, kind: str, output: Path | None = None) -> None:
    """Intensities, to the terminal or as a table; device-hours by the node register of today."""
    from carbon.core.findings import Findings
    from carbon.embodied import nodes_of
    from carbon.ledger.store import Ledger
    from carbon.report.units import intensity

    ledger, nodes = Ledger(settings.path("ledger.path")), nodes_of(settings, now(), Findings())
    frame = intensity(ledger, *asked, nodes=nodes)
    if kind == "table" and output is None:
        _print(settings, frame, asked)
    else:
        emit(frame, kind, "intensity", output)


def _print(settings: Settings, frame: pd.DataFrame, asked: PerUnit) -> None:
    from carbon.report.monthly import month_spans, statement_label
    from carbon.report.unitview import render_units

    screen, entity = console(), settings.text("entity.name")
    title = f"Per unit of work: {entity}{', ' if entity else ''}{month_spans(frame['month'])}"
    for part in render_units(frame, asked.by, [title, statement_label(asked.energy, asked.hardware)], screen.width):
        screen.print(part)
