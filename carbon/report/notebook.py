"""The report table in a notebook: it shows as a report, and is a DataFrame like any other."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec

import pandas as pd

from carbon.core.errors import CarbonError, NotFoundError
from carbon.ledger import kept
from carbon.ledger.delta import open_table
from carbon.ledger.owner import owner
from carbon.ledger.reader import Reader
from carbon.ledger.restated import Restated
from carbon.report import monthly
from carbon.report.console import as_known, by_weight
from carbon.report.markup import as_html
from carbon.report.monthly import kept_tables, months_of, scope2_by_method, statement, statement_label
from carbon.report.months import month_notes
from carbon.report.notes import Notes, weighed
from carbon.report.ranges import Draws
from carbon.report.rolling import SHOWN, rolled
from carbon.report.running import edge_note
from carbon.report.settledness import MOVED, movement, settled, settled_notes
from carbon.report.view import headline, standing_tiers

if TYPE_CHECKING:
    from datetime import datetime

    from carbon.ledger.delta import Head
    from carbon.report.settledness import Movement

P = ParamSpec("P")
_NOT_READ = "What stands behind these figures cannot be read again, so notes and what is settled are left out: {}"
_GONE = "the ledger is not where it was when they were reckoned"


class Asked(NamedTuple):
    """What a report was asked for, and the newest posting then (None: what was given is no ledger with postings)."""

    ledger: Any
    period: str | list[str] | None
    energy: str
    hardware: str
    as_of: datetime | str | None
    draws: Draws
    rolling: str | None
    then: Head | None

    @property
    def booked(self) -> Reader | None:
        """The ledger in which all of it is booked."""
        ledger = self.ledger.ledger if isinstance(self.ledger, Restated) else self.ledger
        return ledger if isinstance(ledger, Reader) else None

    @property
    def known(self) -> datetime | str | None:
        """The state that was read: what is posted since stays out of what is told."""
        if self.as_of is not None or self.booked is None or self.then is None:
            return self.as_of
        return None if self.booked.head().posting == self.then.posting else self.then.recorded_at


class Behind(NamedTuple):
    """What stands behind a report: live entries with energy [kWh] and emissions [kg], months, the time in words, notes."""

    entries: pd.DataFrame
    months: list[str]
    span: str
    known: list[str]


class Told(NamedTuple):
    """What is told beside the figures: notes, what is settled, Scope 2 by method [kg], shares of its energy [1] by tier
    of grid data (None: those of its table), the time in words, whose ledger it is.
    """

    notes: Notes
    settled: list[str]
    scope2: dict[str, float]
    tiers: dict[str, float] | None
    span: str
    entity: str


class Shown:
    """What a notebook calls of a report table; of one that was changed since, it gives the table as pandas does."""

    def __init__(self, frame: pd.DataFrame, asked: Asked) -> None:
        """Keep the table as it is now: a copy, which shares its memory until one of both is changed."""
        self._frame, self._table, self._asked = weakref.ref(frame), frame.copy(), asked

    def __call__(self) -> str | None:
        """HTML of the report, emissions [kgCO2e]; None where pandas is told to show no HTML."""
        if not pd.get_option("display.notebook_repr_html"):
            return None
        frame = self._frame()
        if frame is not None and not (frame.equals(self._table) and list(frame) == list(self._table)):
            return pd.DataFrame._repr_html_(frame)  # type: ignore[attr-defined]  # the stubs leave it out
        return _html(self._table, self._asked)


def shown_in_notebooks(function: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """The same function as carbon.report.monthly.report, whose table [kWh, kg] shows as a report in a notebook.

    The table is a plain DataFrame, and so is what is taken of it. Its notes are read from the ledger when it is shown, in
    the state in which the figures were read.
    """

    @wraps(function)
    def shown(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        given = signature(function).bind(*args, **kwargs)
        given.apply_defaults()
        asked = _asked(given.arguments)
        given.arguments |= {"period": asked.period, "kept": asked.draws.kept}
        frame = function(*given.args, **given.kwargs)
        object.__setattr__(frame, "_repr_html_", Shown(frame, asked))
        return frame

    return shown


report = shown_in_notebooks(monthly.report)


def _asked(told: dict[str, Any]) -> Asked:
    period = told["period"] if told["period"] is None or isinstance(told["period"], str) else list(told["period"])
    tables = kept_tables(told["ledger"]) if told["kept"] is None else told["kept"]
    draws = Draws(told["draws"], told["seed"], told["tables"], tables)
    asked = Asked(told["ledger"], period, told["energy"], told["hardware"], told["as_of"], draws, told["rolling"], None)
    return asked if asked.booked is None else asked._replace(then=asked.booked.head())


def _html(table: pd.DataFrame, asked: Asked) -> str:
    """The report in HTML; without what the ledger tells beside the figures where it cannot be read any more."""
    try:
        told = _told(table, asked, asked.known)
    except (CarbonError, OSError) as error:
        told = Told(Notes([_NOT_READ.format(error)]), [], {}, None, asked.rolling or "", "")
    label = f"{statement_label(asked.energy, asked.hardware)}{as_known(asked.as_of)}"
    lines = headline(table, label, told.entity, told.scope2, told.span, settled=told.settled, tiers=told.tiers)
    return as_html(table, lines.plain.split("\n"), told.notes)


def _told(table: pd.DataFrame, asked: Asked, known: datetime | str | None) -> Told:
    """What the ledger tells of a report in the state `known`. Raises CarbonError or OSError where it cannot be read."""
    bases = asked.energy, asked.hardware
    behind = _behind(asked, known)
    waiting = settled_notes(settled(behind.entries, *bases, asked.draws), _moved(asked, behind, known))
    notes = _notes(table, asked, behind, known)
    tiers = standing_tiers(table, statement(behind.entries, *bases))
    return Told(notes, waiting, scope2_by_method(behind.entries), tiers, behind.span, _entity(asked))


def _entity(asked: Asked) -> str:
    """Whose ledger it is."""
    table = None if asked.booked is None else open_table(asked.booked.path)
    return "" if asked.booked is None or table is None else owner(asked.booked.path, table)


def _behind(asked: Asked, known: datetime | str | None) -> Behind:
    """What stands behind a report, of the state `known`. Raises NotFoundError where there is nothing any more."""
    months = months_of(asked.period) if asked.period else []
    if asked.rolling is not None:
        found = rolled(asked.ledger, asked.rolling, months, known, (*SHOWN, *asked.draws.needs))
        span = f"{asked.rolling}, {found.span}"
        return Behind(found.entries, found.span.months, span, edge_note(found, asked.energy, asked.hardware))
    booked = asked.booked
    entry = ("entry",) if booked is not None and booked.closed().number else ()
    names = (*SHOWN, *entry, *asked.draws.needs)
    entries = asked.ledger.live(as_of=known, periods=months, columns=names, coded=True)
    if entries.empty:
        raise NotFoundError(_GONE)
    if booked is None or isinstance(asked.ledger, Restated):  # a restated ledger tells of each month as it is now
        return Behind(entries, months, "", [])
    return Behind(entries, months, "", month_notes(booked, months, known, asked.energy, asked.hardware))


def _notes(table: pd.DataFrame, asked: Asked, behind: Behind, known: datetime | str | None) -> Notes:
    """The notes that the terminal has, by weight."""
    booked = asked.booked
    findings = kept.nothing() if booked is None else booked.findings(behind.months, known)
    notes = weighed(behind.entries, findings, behind.months, asked.hardware, behind.known)
    return by_weight(table, behind.months, notes)


def _moved(asked: Asked, behind: Behind, known: datetime | str | None) -> Movement | None:
    if asked.booked is None:
        return None
    entries = asked.ledger.entries(known, behind.months, MOVED, coded=True)
    return movement(entries, asked.energy, asked.hardware)
