"""A ledger audited with all of it held at once: the slow obvious way, judge of the one that goes by pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from carbon.core.time import cell_of, month_text, us_of
from carbon.ledger.closing import closings, own_month
from carbon.ledger.closing import digest as closing_digest
from carbon.ledger.delta import Head, commit_head, head_of, open_table, read
from carbon.ledger.entries import AMOUNTS, LINES, bits, digest, entry_ids, in_order, to_frame
from carbon.ledger.log import infos

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from carbon.ledger.closing import Closing

LISTED = 20
_COPIED = [name for name in LINES if name not in (*AMOUNTS, "period")]


class Held(NamedTuple):
    """Postings, entries and faults, but those of files and log."""

    postings: int
    entries: int
    faults: list[str]


def audited(path: Path) -> Held:
    """All that `verify` recomputes of a ledger whose files and log are whole."""
    table = open_table(path)
    assert table is not None
    entries, frame = in_order(read(path, table)), to_frame(in_order(read(path, table)))
    told, last = commit_head(path, table), head_of(entries)
    faults = [*_chain(entries), *_reversals(frame), *_periods(frame)]
    if told is not None and told != last:
        faults.append(
            f"posting {last.posting}: is the newest, recorded at {last.recorded_at} with digest {last.digest}, but the newest "
            f"commit tells of posting {told.posting}, {told.recorded_at}, {told.digest}"
        )
    faults += _closings(closings(infos(path, table.version())), frame)
    return Held(frame["posting"].nunique(), len(frame), faults)


def _chain(entries: pa.Table) -> Iterator[str]:
    last = Head(0, "", None)
    for number in sorted(set(entries["posting"].to_pylist())):
        posting = entries.filter(pc.equal(entries["posting"], number))
        found, first = head_of(posting), posting.slice(0, 1).to_pylist()[0]
        if number != last.posting + 1:
            yield f"posting {number}: comes after posting {last.posting}; what was between is missing"
        for name in ("digest", "previous", "recorded_at"):
            if len(set(posting[name].to_pylist())) != 1:
                yield f"posting {number}: its entries differ in {name}"
        if first["previous"] != last.digest:
            named = first["previous"] or "none"
            yield f"posting {number}: names {named} as the digest before it, which is {last.digest or 'none'}"
        if digest(posting, last.digest) != found.digest:
            yield f"posting {number}: its digest is {found.digest}, but its entries give another; they were changed"
        if last.recorded_at and found.recorded_at and found.recorded_at < last.recorded_at:
            yield f"posting {number}: recorded at {found.recorded_at}, before posting {last.posting}"
        pairs = zip(posting["entry"].to_pylist(), entry_ids(number, posting.num_rows).to_pylist(), strict=True)
        yield from [f"posting {number}, entry {a}: stands where {b} should" for a, b in pairs if a != b][:1]
        last = found


def _reversals(frame: pd.DataFrame) -> Iterator[str]:
    reversals = frame[frame["reverses"].notna()].reset_index(drop=True)
    targets = frame.drop_duplicates("entry")
    at = pd.Index(targets["entry"]).get_indexer(pd.Index(reversals["reverses"]))
    yield from _listed(reversals[at < 0], "reverses {reverses}, which does not exist")
    known = reversals[at >= 0].reset_index(drop=True)
    target = targets.iloc[at[at >= 0]].reset_index(drop=True)
    negated = [bits(known[name]) == bits(-target[name]) for name in AMOUNTS]
    same = [((known[name] == target[name]) | (known[name].isna() & target[name].isna())).fillna(False) for name in _COPIED]
    yield from _listed(known[target["posting"] >= known["posting"]], "reverses {reverses}, which is not before it")
    yield from _listed(known[target["reverses"].notna()], "reverses {reverses}, which is a reversal itself")
    yield from _listed(known[~np.all(negated, axis=0)], "reverses {reverses}, but its values are not those negated")
    yield from _listed(known[~np.all(same, axis=0)], "reverses {reverses}, but is not of the same key")
    yield from _listed(known[known["reverses"].duplicated()], "reverses {reverses}, which was reversed before")


def _periods(frame: pd.DataFrame) -> Iterator[str]:
    months = [month_text(int(month)) for month in cell_of(us_of(frame["start"]), "month")]
    strayed = frame[(own_month(frame) != months).to_numpy()]
    strayed = strayed.assign(start=strayed["start"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    yield from _listed(strayed, "is booked in {period}, but begins at {start}")


def _closings(told: Sequence[Closing], frame: pd.DataFrame) -> Iterator[str]:
    heads = frame.drop_duplicates("posting").set_index("posting")["digest"]
    number, previous = 0, ""
    for one in told:
        name = f"closing {one.number} ({one.action} {one.month})"
        if (one.number, one.previous) != (number + 1, previous):
            yield f"{name}: does not follow closing {number}; what was between is missing, or was changed"
        if closing_digest(one) != one.digest:
            yield f"{name}: its digest is {one.digest}, but it gives another; it was changed"
        if one.posting and heads.get(one.posting) != one.head:
            yield f"{name}: rests on posting {one.posting} with digest {one.head}, which the ledger does not have"
        number, previous = one.number, one.digest
    for nth, one in enumerate(told):
        until = told[nth + 1].posting if nth + 1 < len(told) else np.inf
        late = frame[(frame["posting"] > one.posting) & (frame["period"] <= one.closed) & (frame["posting"] <= until)]
        for row in late.head(LISTED).to_dict("records"):
            yield f"posting {row['posting']}, entry {row['entry']}: is booked in {row['period']}, which was closed then"


def _listed(faulty: pd.DataFrame, text: str) -> Iterator[str]:
    for row in faulty.head(LISTED).to_dict("records"):
        yield f"posting {row['posting']}, entry {row['entry']}: {text.format_map(row)}"
    if len(faulty) > LISTED:
        yield f"{len(faulty) - LISTED:,} more entries: as the one before"
