"""The command export esrs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import AsOfOption, OutputOption, guarded
from carbon.cli.export_common import (
    ExportFormat,
    FormatOption,
    PeriodArgument,
    chosen,
    country_of,
    leave,
)
from carbon.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from carbon.cli.export_common import Chosen
    from carbon.exports.esrs import Compared, Revenue
    from carbon.ledger.views import Live

LEAST_REVENUE, MOST_REVENUE = 1.0, 1e15
_SHOWN = ("id", "line", "unit", "value", "comparative", "text")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon export esrs 2026 --revenue 2500000 --format csv")(esrs)


@guarded
def esrs(
    context: typer.Context,
    period: PeriodArgument = None,
    revenue: Annotated[
        float | None, typer.Option(metavar="N", help="Net revenue of the period, 1 to 1e15; else report.revenue.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Currency of it, such as EUR; else report.currency.")
    ] = None,
    base_year: Annotated[
        int | None, typer.Option("--base-year", metavar="YEAR", help="Year whose figures stand beside, as restated.")
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = ExportFormat.csv,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """Lines of ESRS E1-6: Scopes 1 to 3, both totals, instruments, intensity per revenue; hardware as incurred."""
    from carbon.exports.esrs import esrs as lines

    found = chosen(context, period, as_of)
    frame = lines(
        _entries(found.ledger, found.months, as_of),
        found.months,
        _revenue(found, revenue, currency),
        country_of(found.settings),
        _year_before(found, as_of),
        _base(found, base_year, as_of),
    )
    leave({"E1-6": frame}, str(format), "ESRS E1-6", output, _SHOWN)


def _entries(ledger: Live, months: Sequence[str], as_of: str | None) -> pd.DataFrame:
    """Live entries of some months, as few as the lines need."""
    from carbon.exports.esrs import ALIKE, AMOUNTS
    from carbon.report.condensed import Condensed

    return Condensed(ledger, ALIKE, AMOUNTS).live(as_of, months)


def _revenue(found: Chosen, revenue: float | None, currency: str | None) -> Revenue:
    """Revenue of the option, else of the settings; what is not above 0 is not stated."""
    from carbon.exports.esrs import Revenue

    amount = found.settings.number("report.revenue") if revenue is None else revenue
    code = found.settings.text("report.currency") if currency is None else currency
    if not (amount == 0 or LEAST_REVENUE <= amount <= MOST_REVENUE):
        source = "[report] revenue" if revenue is None else "--revenue"
        span = f"{LEAST_REVENUE:g} to {MOST_REVENUE:g}, in {code}, or 0"
        raise UsageError(f"{source} {amount:g} must be {span}; leave it out where it is not known")
    if not re.fullmatch("[A-Z]{3}", code):
        raise UsageError(f"currency {code!r} is no ISO 4217 code, such as EUR; correct --currency or [report] currency")
    return Revenue(amount, code)


def _year_before(found: Chosen, as_of: str | None) -> Compared:
    """The same months a year before, as restated, where the ledger has all of them on both energy bases."""
    from carbon.core.time import month_number, month_text
    from carbon.exports.esrs import NOTHING, Compared
    from carbon.report.monthly import ENERGY, month_spans, require_energy_basis

    months = [month_text(month_number(month) - 12) for month in found.months]
    entries = _entries(found.ledger.restated(), months, as_of)
    if entries.empty:
        return NOTHING
    if set(entries["period"]) != set(months):
        return Compared(None, f"no comparative: the ledger has only {month_spans(entries['period'])} of a year before")
    try:
        for energy in ENERGY:
            require_energy_basis(entries, energy)
    except NotFoundError as error:
        return Compared(None, f"no comparative: {error}")
    return Compared(entries, f"comparative is {month_spans(months)}, as restated")


def _base(found: Chosen, year: int | None, as_of: str | None) -> Compared:
    """The base year, as restated. Raises NotFoundError where the ledger has no entry of it."""
    from carbon.exports.esrs import NOTHING, Compared
    from carbon.report.monthly import month_spans, months_of, nothing_posted

    if year is None:
        return NOTHING
    months = months_of(f"{year:04d}")
    ledger = found.ledger.restated()
    entries = _entries(ledger, months, as_of)
    if entries.empty:
        raise nothing_posted(months, ledger.live(as_of, columns=("period",), coded=True)["period"])
    return Compared(entries, f"base_year is {month_spans(entries['period'])}, as restated")
