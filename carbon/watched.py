"""How far a rolling account is, in `watch.json` of the project: for monitoring, and for the next round to go on from.

What is still to be done stands there before it is begun, so that a round may end at any moment.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError
from carbon.core.time import DAY_US, SECOND_US, from_us, isoformat, parse_instant
from carbon.core.write import whole_file

if TYPE_CHECKING:
    from pathlib import Path

FILE = "watch.json"
ZONES_SHOWN = 3
STALE_AFTER = 2  # times the time between rounds, without one that went well
_TIMES = ("at", "good_at", "next_at", "covered_to", "grid_to", "account_from", "settle_from")
_WORDS = ("zones", "zones_without", "failing")
_TEXTS = ("url", "register", "inputs")


class Watched(NamedTuple):
    """How far it is. Times are instants [us], None where there is none yet.

    `at`: end of the last round, `good_at` of the last in which nothing failed, `every_s` [s] from one to the next, `failing`:
    steps that failed, with the reason. `covered_to`: end of what was asked of `url`; `nodes` of `nodes_in_service` have data
    of the hour before it. `grid_to`: end of the shortest series of `zones`; `zones_without` have none. `account_from` and
    `settle_from`: since when that is due, None where it is done. `looked_back`: day of the last round that asked for grid data of
    earlier months. `register` and `inputs`: digests of what was used last.
    """

    at: int | None = None
    good_at: int | None = None
    next_at: int | None = None
    every_s: float = 0.0
    failing: tuple[str, ...] = ()
    covered_to: int | None = None
    nodes: int = 0
    nodes_in_service: int = 0
    grid_to: int | None = None
    zones: tuple[str, ...] = ()
    zones_without: tuple[str, ...] = ()
    posting: int = 0
    provisional_share: float | None = None
    url: str = ""
    account_from: int | None = 0
    settle_from: int | None = None
    looked_back: int = -1
    register: str = ""
    inputs: str = ""


def save(folder: Path, watched: Watched) -> None:
    """Write it, whole, in the place of what was there. Raises OSError."""
    told = {name: isoformat(us) if name in _TIMES and us is not None else us for name, us in watched._asdict().items()}
    with whole_file(folder / FILE, replace=True) as file:
        file.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def load(folder: Path) -> Watched | None:
    """What a round left; None where there is nothing that can be read: then all is to be done again."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        times = {name: parse_instant(told[name]) for name in _TIMES if told[name] is not None}
        words = {name: tuple(map(str, told[name])) for name in _WORDS}
        texts = {name: str(told[name]) for name in _TEXTS}
        return Watched(**{**told, **times, **words, **texts, "every_s": float(told["every_s"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def require(folder: Path) -> Watched:
    """The same, where there must be one. Raises NotFoundError."""
    found = load(folder)
    if found is None or found.at is None:
        raise NotFoundError(f"{folder / FILE} tells of no round that has ended; begin with `carbon watch`")
    return found


def line(watched: Watched, now_us: int) -> str:
    """What is covered up to when, on one line, as of `at`."""
    at = watched.at if watched.at is not None else now_us
    parts = [f"{_nodes(watched, at)}", *_grid(watched, at)]
    parts += [f"posting {watched.posting}"] if watched.posting else ["nothing posted"]
    parts += [f"provisional {watched.provisional_share:.0%}".replace("%", " %")] if _known(watched) else []
    parts += [f"failing: {', '.join(one.partition(':')[0] for one in watched.failing)}"] if watched.failing else []
    parts += [f"next in {wait(watched.next_at - now_us)}"] if watched.next_at is not None else []
    return f"{minute(at)} {', '.join(parts)}"


def stale(watched: Watched, now_us: int) -> str:
    """Why what it says is not to be relied on; empty where the last round that went well is young enough."""
    assert watched.at is not None
    limit_us = round(STALE_AFTER * watched.every_s * SECOND_US)
    if now_us - watched.at > limit_us:
        return f"no round since {minute(watched.at)}: `carbon watch` does not run"
    if watched.good_at is None or now_us - watched.good_at > limit_us:
        since = "none went well yet" if watched.good_at is None else f"none went well since {minute(watched.good_at)}"
        return f"rounds fail, {since}: {'; '.join(watched.failing)}"
    return ""


def minute(us: int) -> str:
    """An instant [us] to the minute."""
    return f"{from_us(us):%Y-%m-%dT%H:%MZ}"


def wait(us: int) -> str:
    """A wait [us] in the unit that fits."""
    seconds = max(0, round(us / SECOND_US))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def _known(watched: Watched) -> bool:
    return watched.provisional_share is not None


def _when(us: int, at: int) -> str:
    """A time as short as it can be beside `at`."""
    return f"{from_us(us):%H:%M}" if us // DAY_US == at // DAY_US else minute(us)


def _nodes(watched: Watched, at: int) -> str:
    if watched.covered_to is None:
        return "nothing imported yet"
    return f"covered to {_when(watched.covered_to, at)}: {watched.nodes} of {watched.nodes_in_service} nodes"


def _grid(watched: Watched, at: int) -> list[str]:
    found = [f"grid to {_when(watched.grid_to, at)} ({_few(watched.zones)})"] if watched.grid_to is not None else []
    return found + ([f"no grid data: {_few(watched.zones_without)}"] if watched.zones_without else [])


def _few(zones: tuple[str, ...]) -> str:
    more = len(zones) - ZONES_SHOWN
    return ", ".join(zones[:ZONES_SHOWN]) + (f" and {more} more" if more > 0 else "")
