"""One lot at a time, month by month, in plain Python: the judge of carbon/scope3/roll.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from carbon.scope3.lots import Lot
    from carbon.scope3.policy import Refresh

YEAR_US = 365.25 * 86_400_000_000
Estimates = tuple[float, float, float]  # growth [1/year], use [1], busy [1]; nan: not known


def edge(month: int) -> int:
    """First instant of a month [us]; month 0 is January 1970."""
    return int(datetime(1970 + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def planned(base: float, growth: float, use: float, policy: Refresh) -> float:
    """Planned life [year] by the formula as it is printed, with what is not known left out."""
    if growth != growth and use != use:
        return base
    life = base
    if growth == growth:
        elasticity = policy.growth_elasticity if policy.scarcity else -policy.growth_elasticity
        life *= (1 + max(growth, 0) / policy.growth_reference) ** elasticity
    if use == use:
        life *= (max(use, 0.05) / policy.use_reference) ** -policy.use_elasticity
    return min(max(life, policy.life_least_years), policy.life_most_years)


def months_of(lot: Lot, first: int, after: int, policy: Refresh, demand: Callable[[int], Estimates]) -> list[dict[str, float]]:
    """Shares of the basis [1] by month, straight line or declining or usage, of a lot that is no plant and owned."""
    rows, balance, used, life = [], 0.0, 0.0, None
    month = min(first, _month(lot.acquired_us))
    while month < after:
        start, end = edge(month), edge(month + 1)
        opening = balance
        acquired = 1.0 if start <= lot.acquired_us < end else 0.0
        balance += acquired
        begin, stop = max(lot.in_service_us, start), min(lot.retired_us, end)
        years = max(stop - begin, 0) / YEAR_US
        growth, use, busy = demand(month)
        wanted = planned(policy.life_years, growth, use, policy) if "elastic" in policy.models else policy.life_years
        longest = float("inf") if life is None or lot.in_service_us >= start else life + (end - start) / YEAR_US * policy.lengthen
        life = min(wanted, longest)
        age = max(begin - lot.in_service_us, 0) / YEAR_US
        hours = (policy.use_reference if busy != busy else busy) * years * 8766.0
        charged = _charge(policy, balance, years, age, life, used, hours) if years > 0 else 0.0
        used, balance = used + hours, balance - charged
        written = 0.0
        for moment, share in lot.impairments:
            if start <= moment < end:
                written = max(balance - share, 0.0)
        second = 0.0
        if start <= lot.retired_us < end:
            second = min(balance - written, policy.residual) if lot.fate == "resold" else 0.0
            written = balance - second
        balance -= written + second
        if month >= first:
            rows.append({
                "opening": opening, "acquired": acquired, "charged": charged, "written_off": written, "second_life": second,
                "closing": balance,
            })  # fmt: skip
        month += 1
    return rows


def _charge(policy: Refresh, balance: float, years: float, age: float, life: float, used: float, hours: float) -> float:
    base = max(balance - policy.residual, 0.0)
    left = life - age
    straight = base if left <= years else base * years / left
    if policy.method == "straight-line":
        return straight
    if policy.method == "usage":
        rest = policy.life_busy_hours - used
        return base if rest <= hours else base * hours / rest
    assert policy.method == "declining"
    return min(base, max(balance * (1 - (1 - min(1.0, 2 / life)) ** years), straight))


def _month(us: int) -> int:
    moment = datetime.fromtimestamp(us / 1e6, UTC)
    return (moment.year - 1970) * 12 + moment.month - 1
