"""The digest of a posting in a file of its own, to be kept or notarised elsewhere and compared with the ledger later."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from carbon.core.errors import LedgerError, NotFoundError, UsageError
from carbon.core.findings import shown
from carbon.core.time import isoformat, month_number, to_us
from carbon.ledger.audit import verify
from carbon.ledger.closing import NEVER
from carbon.ledger.postings import postings_by_month

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from carbon.ledger.closing import State
    from carbon.ledger.store import Ledger

FORMAT = "carbon-anchor@1"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 65_536


class Anchor(NamedTuple):
    """A posting to hold the ledger to: its number, entries, digest and time; the entity, and the month it was made for.

    `closings` and `closing` are how many closings and reopenings there were then, and the digest of the newest.
    """

    entity: str
    month: str | None
    posting: int
    entries: int
    recorded_at: str
    digest: str
    closings: int
    closing: str


def anchor(ledger: Ledger, entity: str, month: str | None = None) -> Anchor:
    """The newest posting, or the newest with entries booked in `month` (`YYYY-MM`); its digest covers all before it.

    Raises NotFoundError when there is none, LedgerError for a ledger that does not hold.
    """
    if month is not None:
        month_number(month)
    _require_whole(ledger)
    one = ledger.pinned()
    postings = postings_by_month(one)
    booked = postings if month is None else postings[postings["period"] == month]
    if booked.empty:
        known = ", ".join(one.months()) or "none yet; run `carbon account` first"
        raise NotFoundError(f"the ledger has no entries{f' for {month}' if month else ''}; months that it has: {known}")
    return _of(postings, int(booked["posting"].max()), entity, month, one.closed())


def to_json(one: Anchor) -> str:
    """An anchor as JSON, the same bytes each time."""
    return json.dumps({"format": FORMAT, **one._asdict()}, ensure_ascii=False, indent=2) + "\n"


def read_anchor(path: Path) -> Anchor:
    """The anchor in a file. Raises NotFoundError where there is no file, UsageError for one that is no anchor."""
    try:
        with path.open("rb") as file:
            return _parsed(json.loads(file.read(_MOST_BYTES).decode("utf-8-sig")))
    except FileNotFoundError:
        raise NotFoundError(f"no file {path}; name one that `carbon ledger anchor -o` wrote") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); name a file that can") from None
    except (ValueError, LookupError, TypeError, RecursionError, UsageError) as error:
        why = shown(str(error))
        raise UsageError(f"{path} is no anchor ({why}); name a file that `carbon ledger anchor -o` wrote") from None


def check(ledger: Ledger, kept: Anchor) -> None:
    """Raise LedgerError unless the ledger holds, and still has the posting of an anchor with its digest."""
    _require_whole(ledger)
    one = ledger.pinned()
    postings = postings_by_month(one)
    if not (postings["posting"] == kept.posting).any():
        newest = int(postings["posting"].max()) if len(postings) else 0
        raise LedgerError(f"the ledger has no posting {kept.posting}, its newest is {newest}; restore it from a copy")
    found = _of(postings, kept.posting, kept.entity, kept.month, NEVER)
    for name in ("digest", "recorded_at", "entries"):
        mine, told = getattr(found, name), getattr(kept, name)
        if mine != told:
            raise LedgerError(
                f"posting {kept.posting}: {name} is {mine} in the ledger, and {told} in the anchor; it is another ledger, or "
                "was written anew: restore it from a copy"
            )

    made = one.closings().set_index("number")["digest"]
    if kept.closings and made.get(kept.closings) != kept.closing:
        raise LedgerError(
            f"the ledger has no closing {kept.closings} with digest {kept.closing}, as the anchor has; restore it from a copy"
        )


def _of(postings: pd.DataFrame, number: int, entity: str, month: str | None, state: State) -> Anchor:
    group = postings[postings["posting"] == number]
    recorded_at = isoformat(to_us(group["recorded_at"].iloc[0].to_pydatetime()))
    told = (entity, month, number, int(group["entries"].sum()), recorded_at, str(group["digest"].iloc[0]))
    return Anchor(*told, state.number, state.digest)


def _require_whole(ledger: Ledger) -> None:
    faults = verify(ledger).faults
    if faults:
        raise LedgerError("\n".join(["the ledger does not hold:", *faults]))


def _parsed(told: Any) -> Anchor:
    """The anchor that JSON tells. Raises ValueError, LookupError or TypeError for what is none."""
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    one = Anchor(*(told[name] for name in Anchor._fields))
    texts = [one.entity, one.recorded_at, one.digest, one.month or ""]
    if not all(isinstance(text, str) for text in texts) or not _DIGEST.fullmatch(one.digest):
        raise ValueError("entity, month, recorded_at or digest is not well formed")
    if not all(type(count) is int and count > 0 for count in (one.posting, one.entries)):
        raise ValueError("posting and entries are not whole numbers above 0")
    if (
        type(one.closings) is not int
        or one.closings < 0
        or not _DIGEST.fullmatch(str(one.closing) if one.closings else "0" * 64)
    ):
        raise ValueError("closings and closing are not well formed")
    if datetime.fromisoformat(one.recorded_at).tzinfo is None:
        raise ValueError("recorded_at has no offset from UTC")
    if one.month is not None:
        month_number(one.month)
    return one
