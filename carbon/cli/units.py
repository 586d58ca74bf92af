"""The command report for each unit of work."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carbon.cli.common import console, emit, now

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from carbon.config import Settings


class PerUnit(NamedTuple):
    """What is asked for: period, grouping, bases, time, and whether by the months entries are about."""

    period: str
    by: list[str]
    energy: str
    hardware: str
    as_of: str | None
    restated: bool


def answer(settings: Settings, asked: PerUnit, kind: str, output: Path | None = None) -> None:
    """Intensities, to the terminal or as a table; device-hours by the node register of today."""
    from carbon.cli.report import ledger_of
    from carbon.core.findings import Findings
    from carbon.embodied import nodes_of
    from carbon.report.units import intensity

    ledger, nodes = ledger_of(settings, restated=asked.restated), nodes_of(settings, now(), Findings())
    people = kind == "table" and output is None
    frame = intensity(ledger, *asked[:5], nodes=nodes, apart=people)
    if people:
        _print(settings, frame, asked)
    else:
        emit(frame, kind, "intensity", output)


def _print(settings: Settings, frame: pd.DataFrame, asked: PerUnit) -> None:
    from carbon.cli.report import label_of
    from carbon.report.monthly import month_spans
    from carbon.report.unitview import render_units

    screen, entity = console(), settings.text("entity.name")
    title = f"Per unit of work: {entity}{', ' if entity else ''}{month_spans(frame['month'])}"
    label = label_of(asked.energy, asked.hardware, restated=asked.restated, as_of=asked.as_of)
    for part in render_units(frame, asked.by, [title, label], screen.width):
        screen.print(part)
