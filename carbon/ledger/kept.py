"""Findings of a run, kept with the commit of its posting, so that a warning stays visible as long as its month stands.

They are metadata of the commit and no part of the posting's digest: `carbon ledger verify` says nothing of them.
"""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from carbon.core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

LIMIT = 100
COLUMNS = ("posting", "periods", *Finding._fields)
_FINDINGS, _MONTHS = "carbon.findings", "carbon.months"
_TYPES = {"posting": "int64", "row": "Int64"}


def told(findings: Iterable[Finding], months: Sequence[str]) -> dict[str, str]:
    """What a commit is told of a run: the months that it covers, and its findings; of more than LIMIT the first."""
    given = iter(findings)
    kept = list(islice(given, LIMIT))
    more = sum(1 for _ in given)
    if more:
        count = f"{more + 1:,} more findings"
        kept[-1] = Finding(kept[-1].severity, "more-findings", "", None, "", "", count, "`carbon check` lists them")
    listed = json.dumps([finding._asdict() for finding in kept], ensure_ascii=False)
    return {_FINDINGS: listed, _MONTHS: json.dumps(sorted(set(months)))}


def newest(commits: Iterable[dict[str, Any]], months: Collection[str], until: datetime | None) -> pd.DataFrame:
    """Findings of the newest posting, recorded up to `until`, that covers each of `months`; columns COLUMNS.

    `commits` tell of themselves, the newest first. `periods` names those of `months` that the posting is the newest for.
    """
    left, rows = set(months), []
    for info in commits:
        covered = _covered(info, until) & left
        left -= covered
        if covered:
            place = (int(info["posting"]), ", ".join(sorted(covered)))
            rows += [(*place, *Finding(**found)) for found in json.loads(info[_FINDINGS])]
        if not left:
            break
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({name: _TYPES.get(name, "str") for name in COLUMNS})


def _covered(info: dict[str, Any], until: datetime | None) -> set[str]:
    if _FINDINGS not in info or (until is not None and datetime.fromisoformat(info["recorded_at"]) > until):
        return set()
    return set(json.loads(info[_MONTHS]))
