"""What is sunk decides nothing: the open balance of hardware that is held moves no unit, whatever the policy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scope3.refresh_worlds import REASONS, World, worlds

DECISIONS = ("acquired", *REASONS, "in_service", "use", "shortfall")


@settings(deadline=None, max_examples=60)
@given(worlds().filter(lambda world: world.start is not None), st.floats(0, 1), st.floats(1, 50))
def test_no_decision_depends_on_the_balance_of_what_is_held(world: World, left: float, dearer: float) -> None:
    """The same fleet, its carbon written down or dearer when it was bought, is failed, retired and replaced alike."""
    held = world.start
    assert held is not None
    other = held._replace(basis=held.basis * dearer, balance=held.balance * left * dearer, amortised=held.amortised * 0)
    runs = world.run(), world._replace(start=other).run()
    for name in DECISIONS:
        one, two = (np.asarray(getattr(run, name)) for run in runs)
        assert np.array_equal(one, two, equal_nan=True), name
