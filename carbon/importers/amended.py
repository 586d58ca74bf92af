"""Bills that a provider exported again: which earlier export a later one takes the place of, or why nobody can tell.

Two files are exports of one bill where they share rows of it (by their keys) and differ in what a machine has in a charge
period, or where both together would use a machine for more than all of the time. Files that share none are its parts.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US, parse_instant
from carbon.importers.ordinals import hashes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from carbon.core.findings import Findings
    from carbon.importers.store import Imported, Source

PERIOD = ["node", "start_us"]
ROUNDED = 1e-6  # of a period: what decimals of hours may add up to above all of it


class Conflict(NamedTuple):
    """A bill of an export that later ones (places of sources) give again; `sure` where the user said so."""

    older: int
    bill: str
    newer: tuple[int, ...]
    sure: bool


class Sums(NamedTuple):
    """What a bill comes to in some sources: hours used [h], machines, and the machine and charge periods."""

    hours: float
    machines: int
    periods: frozenset[tuple[str, int]]


class Exports:
    """Bills that are kept and those that are given, in the order in which they were exported: the given ones last, as given."""

    def __init__(self, imported: Imported, given: Sequence[Source], findings: Findings) -> None:
        """`given` are kept already or drafts (carbon.importers.store.Imported.draft)."""
        there = imported.sources()
        without = {source.id: source.without for source in there}
        now = {source.id: source._replace(without=without.get(source.id, ())) for source in given}
        others = [source for source in there if source.importer == "focus" and source.id not in now]
        self.sources = [*others, *now.values()]
        self._imported, self._first, self._findings = imported, len(others), findings

    def settle(self, replaced: Iterable[str] = ()) -> list[Source]:
        """The given sources, with the bills that each takes the place of; those of ids `replaced` are taken as older unseen.

        Tells what became of each bill. Raises InputError where nobody can tell which export is the newer one, and for bills
        of one machine and time that were read with different `--busy`.
        """
        self._tell_of_replaced()
        pairs = self._pairs()
        conflicts = [*self._named(set(replaced)), *self._found(pairs)]
        done = {(each.older, each.bill) for each in conflicts if each.sure}
        conflicts = [each for each in conflicts if each.sure or (each.older, each.bill) not in done]
        places = defaultdict[int, defaultdict[str, set[str]]](lambda: defaultdict(set))
        for each in conflicts:
            if self._stands(each):
                self._place(each, places)
        self._refuse_mixed(pairs, {(each.older, each.bill) for each in conflicts})
        self._findings.raise_errors()
        return [self._with(at, places[at]) for at in range(self._first, len(self.sources))]

    def _with(self, at: int, more: dict[str, set[str]]) -> Source:
        source = self.sources[at]
        ids = sorted({*source.replaces, *more})
        told = {other: sorted({*source.replaces.get(other, ()), *more.get(other, ())}) for other in ids}
        return source._replace(replaces=told, without=())

    def _place(self, conflict: Conflict, places: dict[int, defaultdict[str, set[str]]]) -> None:
        """Let the newer ones take the place of a bill, and of what it took the place of itself."""
        older = self.sources[conflict.older]
        before = [other for other, bills in older.replaces.items() if conflict.bill in bills]
        for newer in conflict.newer:
            for other in (older.id, *before):
                places[newer][other].add(conflict.bill)

    def _tell_of_replaced(self) -> None:
        for source in self.sources[self._first :]:
            if source.without:
                by = [other for other in self.sources if source.id in other.replaces]
                problem = f"its bill {', '.join(source.without)} was replaced by {_named(by)}, and does not count"
                mend = "`carbon import remove` of that one brings it back"
                self._findings.note("bill-replaced", problem, mend, file=source.name)

    def _rows(self, day: int, places: Sequence[int] | None = None) -> pd.DataFrame:
        """Rows of a day with the place of their source, the share of their time used [1] and the hours [h]."""
        chosen = range(len(self.sources)) if places is None else places
        sources = [self.sources[at] for at in chosen]
        rows = self._imported.load(day, "events", sources)
        busy = np.array([float(source.options["busy"]) or np.nan for source in sources])[rows["source"].to_numpy(int)]
        used = (rows["busy_fraction"] / busy).fillna(0.0)
        hours = used * (rows["end_us"] - rows["start_us"]) / HOUR_US
        return rows.assign(source=np.array(chosen)[rows["source"].to_numpy(int)], used=used, hours=hours)

    def _pairs(self) -> pd.DataFrame:
        """Machines and times that an earlier and a given source have: `older`, `newer`, `bill` of both, `shared` rows, whether
        they `differ`, whether they are `over` all of the time."""
        days = sorted({day for source in self.sources[self._first :] for day in source.days})
        found = [_pairs_of(self._rows(day), self._first) for day in days]
        columns = ["older", "newer", "bill", "bill_newer"]
        every = pd.concat(found, ignore_index=True) if found else _pairs_of(self._rows(0, []), 0)
        return every.groupby(columns, as_index=False)[["shared", "differ", "over"]].sum()

    def _found(self, pairs: pd.DataFrame) -> list[Conflict]:
        same = pairs["bill"].eq(pairs["bill_newer"])
        wrong = pairs[same & pairs["shared"].gt(0) & pairs["differ"].gt(0) | pairs["over"].gt(0)]
        found = defaultdict[tuple[int, str], set[int]](set)
        for older, bill, newer in zip(wrong["older"], wrong["bill"], wrong["newer"], strict=True):
            found[int(older), str(bill)].add(int(newer))
        return [
            Conflict(older, bill, tuple(sorted(newer)), sure=False) for (older, bill), newer in sorted(found.items())
        ]

    def _named(self, ids: set[str]) -> list[Conflict]:
        """Bills of sources that the user says are older; all that are given take their place."""
        found = []
        newer = tuple(range(self._first, len(self.sources)))
        for at, source in enumerate(self.sources[: self._first]):
            if source.id in ids:
                bills = {bill for day in source.days for bill in self._rows(day, [at])["bill"].unique()}
                found += [Conflict(at, bill, newer, sure=True) for bill in sorted(bills)]
        return found

    def _stands(self, conflict: Conflict) -> bool:
        """Whether the older bill is to go, which is told; an error where that is not sure."""
        older = self.sources[conflict.older]
        after = [at for at in range(self._first, len(self.sources)) if at > conflict.older]
        before, now = (
            self._sums(conflict.bill, [conflict.older], after),
            self._sums(conflict.bill, after, [conflict.older]),
        )
        newer = [self.sources[at] for at in conflict.newer]
        lacking = before.periods - now.periods
        late = [source for source in newer if not _later(source, older)]
        if not conflict.sure and (lacking or late):
            self._refuse(conflict, _lacking(lacking) if lacking else _not_later(late[0], older), bool(lacking))
            return False
        problem = (
            f"replaces {_name(older)} in the bill {conflict.bill}: hours {before.hours:,.10g} to {now.hours:,.10g}, "
            f"machines {before.machines:,} to {now.machines:,}"
        )
        mend = "`carbon import remove` of this file brings that one back"
        self._findings.note("bill-replaces", problem, mend, file=_named(newer))
        return True

    def _sums(self, bill: str, places: Sequence[int], beside: Sequence[int]) -> Sums:
        """What a bill comes to in some sources, over the days of these and of others."""
        days = sorted({day for at in (*places, *beside) for day in self.sources[at].days})
        parts = [rows[rows["bill"].eq(bill)] for rows in (self._rows(day, places) for day in days)]
        rows = pd.concat(parts, ignore_index=True).drop_duplicates(["node", "key"])
        periods = frozenset(rows[PERIOD].itertuples(index=False, name=None))
        return Sums(float(rows["hours"].sum()), int(rows["node"].nunique()), periods)

    def _refuse(self, conflict: Conflict, why: str, in_part: bool) -> None:
        older, newer = self.sources[conflict.older], self.sources[conflict.newer[0]]
        again = f"if it replaces that one, say --replaces {older.id[:12]}" if conflict.older < self._first else ""
        first = "give all files of the newer export at once" if in_part else "name the older file first"
        mend = "; ".join(filter(None, (first, again, "or leave one of them out (`carbon import remove`)")))
        problem = f"has machines and times of the bill {conflict.bill} otherwise than {_name(older)}, and {why}"
        self._findings.error("bill-amended", problem, mend, file=newer.name)

    def _refuse_mixed(self, pairs: pd.DataFrame, gone: set[tuple[int, str]]) -> None:
        met = defaultdict[str, set[str]](set)
        for at, beside, bill in zip(pairs["older"], pairs["newer"], pairs["bill"], strict=True):
            older, newer = self.sources[at], self.sources[beside]
            if older.options["busy"] != newer.options["busy"] and (at, bill) not in gone:
                met[newer.name].add(older.name)
        for file, names in sorted(met.items()):
            self._findings.error(
                "busy-mixed", f"has machines and times that were imported with another --busy from {', '.join(sorted(names))}",
                "import these files together, with one --busy", file=file,
            )  # fmt: skip


def _pairs_of(rows: pd.DataFrame, first: int) -> pd.DataFrame:
    """Pairs of an earlier and a given source (`first` and those after it) for each machine and time of a day that both have."""
    several = (
        rows.groupby(PERIOD)["source"].transform("nunique").gt(1) if len(rows) else rows["source"].gt(rows["source"])
    )
    rows = rows[several]
    content = hashes(rows[["key", "product", "end_us"]].assign(used=rows["used"].round(9)))
    once = rows.drop_duplicates(["bill", "node", "key"])
    all_used = once.groupby(PERIOD)["used"].sum().rename("all_used").reset_index()
    by = rows.assign(content=content).groupby(["source", "bill", *PERIOD], as_index=False)
    periods = by.agg(content=("content", "sum"), used=("used", "sum")).merge(all_used, on=PERIOD)
    pairs = _joined(periods, PERIOD, first)
    shared = _joined(rows[["source", "bill", *PERIOD, "key"]], ["bill", *PERIOD, "key"], first)
    shared = (
        shared.groupby(["older", "newer", "bill", *PERIOD], as_index=False).size().rename(columns={"size": "shared"})
    )
    shared["bill_newer"] = shared["bill"]
    pairs = pairs.merge(shared, how="left", on=["older", "newer", "bill", "bill_newer", *PERIOD])
    differ = pairs["content"].ne(pairs["content_newer"])
    both = pairs["used"].gt(0) & pairs["used_newer"].gt(0) & (pairs["used"] + pairs["used_newer"]).gt(1 + ROUNDED)
    over = differ & both & pairs["all_used"].gt(1 + ROUNDED)
    return pairs[["older", "newer", "bill", "bill_newer"]].assign(
        shared=pairs["shared"].fillna(0.0), differ=differ.astype(int), over=over.astype(int)
    )


def _joined(table: pd.DataFrame, keys: list[str], first: int) -> pd.DataFrame:
    """Each row of a given source beside those of an earlier one with the same keys."""
    newer = table[table["source"].ge(first)]
    pairs = table.merge(newer, on=keys, suffixes=("", "_newer"))
    pairs = pairs[pairs["source"].lt(pairs["source_newer"])]
    return pairs.rename(columns={"source": "older", "source_newer": "newer"})


def _later(newer: Source, older: Source) -> bool:
    """Whether the file of a source was written after that of another; not where nobody knows."""
    return bool(newer.written_at and older.written_at) and parse_instant(newer.written_at) > parse_instant(
        older.written_at
    )


def _lacking(periods: frozenset[tuple[str, int]]) -> str:
    return f"lacks {len(periods):,} of its charge periods, of machines: {len({node for node, _ in periods}):,}"


def _not_later(newer: Source, older: Source) -> str:
    when = [source.written_at or "at a time that nobody knows" for source in (newer, older)]
    return f"which is newer nobody can tell: it was written {when[0]}, that one {when[1]}"


def _name(source: Source) -> str:
    return f"{source.name} ({source.id[:12]})"


def _named(sources: Iterable[Source]) -> str:
    return ", ".join(_name(source) for source in sources)
