"""The command export mica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import AsOfOption, OutputOption, guarded, now
from carbon.cli.export_common import ExportFormat, FormatOption, PeriodArgument, chosen, leave
from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from carbon.config import Settings

MOST_TRANSACTIONS = 1e18
_SHOWN = ("field", "required", "name", "unit", "reported")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon export mica 2026 --transactions 120000000 --format csv")(mica)


@guarded
def mica(
    context: typer.Context,
    period: PeriodArgument = None,
    transactions: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Transactions validated in the period, a whole number; without it nothing is per transaction.",
        ),
    ] = None,
    consensus: Annotated[
        str, typer.Option(metavar="WORDS", help="Activities that validate the ledger: chain, verification, settlement.")
    ] = "chain",
    as_of: AsOfOption = None,
    format: FormatOption = ExportFormat.csv,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """MiCA fields S.1 to S.36: energy and emissions of consensus, apart from inference, rounded as the form asks."""
    from carbon.exports.mica import ALIKE, AMOUNTS, APART, Disclosure
    from carbon.exports.mica import mica as fields
    from carbon.report.condensed import Condensed

    if transactions is not None and not (0 <= transactions <= MOST_TRANSACTIONS and transactions.is_integer()):
        raise UsageError(
            f"--transactions {transactions:g} must be a whole number, 0 or more and at most {MOST_TRANSACTIONS:g}; "
            "leave it out where it is not known"
        )
    found = chosen(context, period, as_of)
    count = float("nan") if transactions is None else transactions
    told = Disclosure(found.settings.text("entity.name"), count, _renewable(found.settings), _activities(consensus))
    entries = Condensed(found.ledger, ALIKE, AMOUNTS, APART).live(as_of, found.months)
    leave({"MiCA": fields(entries, found.months, told)}, str(format), "MiCA indicators", output, _SHOWN)


def _activities(text: str) -> list[str]:
    """The activities that a text names. Raises UsageError for another word."""
    allowed = ("chain", "verification", "settlement", "network", "storage")
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in allowed]
    if unknown or not words:
        raise UsageError(f"--consensus {text!r} may name {', '.join(allowed)}, with commas between")
    return words


def _renewable(settings: Settings) -> dict[str, bool]:
    """Which instruments of the project are renewable, as far as they say."""
    from carbon.core.time import to_us
    from carbon.readers.convert import Dialect
    from carbon.readers.instruments import read_instruments

    path = settings.path("inputs.instruments")
    if not path.is_file():
        return {}
    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"), to_us(now()))
    table = read_instruments(path, dialect=dialect).dropna(subset=["renewable"])
    return {str(id_): flag == "yes" for id_, flag in zip(table["id"], table["renewable"], strict=True)}
