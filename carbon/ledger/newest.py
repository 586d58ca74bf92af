"""The newest posting that a ledger had at a time, without holding its entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.ledger.delta import EMPTY, Head

if TYPE_CHECKING:
    from datetime import datetime

    from carbon.ledger.reader import Reader


def newest(ledger: Reader, as_of: str | datetime | None = None) -> Head:
    """The newest posting known at `as_of`: number, digest, time; (0, "", None) where there is none. Raises as `entries`."""
    if as_of is None:
        return ledger.head()
    found = EMPTY
    for _, known in ledger.each_month(as_of, columns=("posting", "recorded_at", "digest")):
        last = known.loc[[known["posting"].idxmax()]] if len(known) else known
        for posting, recorded_at, digest in last.itertuples(index=False, name=None):
            found = max(
                found, Head(int(posting), str(digest), recorded_at.to_pydatetime()), key=lambda one: one.posting
            )
    return found
