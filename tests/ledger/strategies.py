"""Lines that agree and differ in few places, so that a random state often meets the one before."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.ledger.lines import at_hour, line
from tests.ledger.reference import key

# Sums of a few stay finite.
NUMBERS = st.sampled_from([0.0, -0.0, 0.1, 0.30000000000000004, 0.3, 1e-310, -2.5]) | st.floats(-1e300, 1e300)
MAYBE = st.none() | NUMBERS
SPREADS = st.none() | st.sampled_from([1.0, 1.05, 1.5]) | st.floats(1, 1e3)
MONTHS = ("2026-10", "2026-11")
# Hours 0 and 1 are in the first month, 800 in the second.
PLACES = {
    "hour": [0, 1, 800], "node": ["n1", "n2"], "zone": ["GB", None], "basis": ["location", "market"],
    "category": [None, 1], "factor": ["A@1", "A@2", "B@1 x L@3", "B@2 x L@4"], "method": ["location@1", "location@2"],
    "status": ["provisional", "settled"], "source": ["a.csv@1", "b.csv@2; c.csv@3", ""], "boundary": ["own", "leased"],
}  # fmt: skip


@st.composite
def any_lines(draw: st.DrawFn) -> dict[str, object]:
    """One line."""
    chosen = {name: draw(st.sampled_from(options)) for name, options in PLACES.items()}
    numbers = {name: draw(MAYBE) for name in ("energy_kwh", "requests")} | {"gsd2": draw(SPREADS)}
    return at_hour(chosen.pop("hour"), **chosen, **numbers, kgco2e=draw(NUMBERS))  # type: ignore[arg-type]


def states(max_size: int = 8) -> st.SearchStrategy[list[dict[str, object]]]:
    """Lines of both months, no two with the same key."""
    return st.lists(any_lines(), max_size=max_size, unique_by=lambda one: key(line(**one)))
