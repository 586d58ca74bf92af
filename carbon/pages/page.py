"""The page: what was gathered, put into the template. Nothing in it asks for anything from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from carbon.pages import change, hardware, hours, places, proof, summary
from carbon.pages.gather import gather
from carbon.report.cells import clean
from carbon.report.monthly import month_spans, statement_label
from carbon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carbon.config import Settings
    from carbon.pages.gather import Facts, Wish
    from carbon.pages.model import Section

_ISOLATE, _END = "\u2068", "\u2069"


def page(settings: Settings, wish: Wish, now: datetime, others: Sequence[str] = ()) -> str:
    """The report of a period as one HTML page, charts and style in it; `others` are notes of the caller's.

    Emissions in [kgCO2e] or [tCO2e], energy in [kWh]; a number's exact value is its `data-value`. The same ledger, inputs
    and settings give the same bytes. Raises NotFoundError and UsageError as carbon.report does.
    """
    facts = gather(settings, wish, now)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = _code
    template = environment.from_string(_file("page.html.j2"))
    entity = clean(settings.text("entity.name"))
    if not entity.isascii():
        entity = f"{_ISOLATE}{entity}{_END}"  # a name from right to left must not turn what stands beside it
    return template.render(
        style=Markup(_file("style.css")),
        title=f"Emissions of {entity}" if entity else "Emissions",
        span=month_spans(facts.months),
        label=statement_label(wish.energy, wish.hardware),
        wish=wish,
        cards=summary.cards(facts),
        sections=sections(facts, others),
        state=proof.state(facts),
        unit=facts.unit,
        version=__version__,
        svg=Markup,
    )


def sections(facts: Facts, others: Sequence[str] = ()) -> list[Section]:
    """The sections in their order; those with nothing to tell but that there is nothing say so."""
    found = [
        summary.trend(facts), summary.breakdown(facts), places.ranked(facts), hours.hours(facts), hardware.fleet(facts),
        change.driven(facts), change.restated(facts), places.concentrated(facts), places.per_unit(facts), places.tiers(facts),
        proof.sources(facts), proof.notes(facts, others), proof.lines(facts),
    ]  # fmt: skip
    return [one for one in found if one is not None]


def _file(name: str) -> str:
    return files("carbon.pages").joinpath(name).read_text(encoding="utf-8")


def _code(text: str) -> Markup:
    """Text with what stands between backticks as code; all of it escaped."""
    parts = clean(text).split("`")
    if len(parts) % 2 == 0:
        return Markup.escape(clean(text))
    pieces = [
        Markup("<code>{}</code>").format(part) if at % 2 else Markup.escape(part) for at, part in enumerate(parts)
    ]
    return Markup("").join(pieces)
