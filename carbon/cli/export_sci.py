"""The command export sci."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import AsOfOption, OutputOption, emit, guarded, settings_of
from carbon.cli.export_common import ExportFormat, leave_workbook
from carbon.cli.report import Energy, last_month, require_posted

if TYPE_CHECKING:
    from carbon.config import Settings


SHOWN = ("month", "boundary", "functional_unit", "sci_gco2e_per_unit", "energy_kwh", "intensity_g_per_kwh")


def add_to(app: typer.Typer) -> None:
    """Add the command to the forms."""
    app.command(epilog="Example: carbon export sci 2026-10")(sci)


@guarded
def sci(
    context: typer.Context,
    period: Annotated[
        str | None,
        typer.Argument(metavar="[PERIOD]", help="2026-10, 2026-Q4 or 2026; else the ledger's last year."),
    ] = None,
    energy: Annotated[
        Energy, typer.Option(help="Basis of the energy: location; SCI refuses the other.")
    ] = Energy.location,
    total: Annotated[bool, typer.Option("--total", help="One score for the whole period, not one a month.")] = False,
    as_of: AsOfOption = None,
    format: Annotated[  # noqa: A002
        ExportFormat, typer.Option(help="How the scores are written; xlsx needs -o FILE.")
    ] = ExportFormat.csv,
    output: OutputOption = None,
) -> None:
    """Software carbon intensity by ISO/IEC 21031:2024 and SCI for AI, per request and per thousand tokens."""
    from carbon.core.errors import UsageError
    from carbon.ledger.store import Ledger
    from carbon.report.sci import REFUSED, sci_sheets
    from carbon.report.sci import sci as scores

    if energy != Energy.location:
        raise UsageError(REFUSED)
    settings = settings_of(context)
    require_posted(settings, as_of)
    ledger = Ledger(settings.path("ledger.path")).restated()  # work is divided by what is about the same months
    if format == ExportFormat.xlsx:
        leave_workbook(sci_sheets(ledger, period or _last_year(settings, as_of), as_of), output)
        return
    frame = scores(ledger, period or _last_year(settings, as_of), as_of, total=total)
    emit(frame, str(format), "software carbon intensity", output, SHOWN)


def _last_year(settings: Settings, as_of: str | None) -> str:
    """All months of the last year that the ledger has entries about."""
    return last_month(settings, as_of, restated=True)[:4]
