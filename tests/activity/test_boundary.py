"""Whose emissions they are: every case of boundary, operation and consolidation."""

from __future__ import annotations

from itertools import product

import pytest

from carbon.activity.boundary import CONSOLIDATIONS, Place, route

CASES = {
    # boundary, operated, consolidation: energy, upstream, manufacturing, transport, disposal, owned
    ("own", True, "operational"): ((2, 0), (3, 3), (3, 2), (3, 4), (3, 5), True),
    ("own", True, "financial"): ((2, 0), (3, 3), (3, 2), (3, 4), (3, 5), True),
    ("own", True, "equity"): ((2, 0), (3, 3), (3, 2), (3, 4), (3, 5), True),
    ("own", False, "operational"): ((3, 13), (3, 13), (3, 2), (3, 4), (3, 5), True),
    ("own", False, "financial"): ((2, 0), (3, 3), (3, 2), (3, 4), (3, 5), True),
    ("own", False, "equity"): ((2, 0), (3, 3), (3, 2), (3, 4), (3, 5), True),
    ("leased", True, "operational"): ((2, 0), (3, 3), (3, 8), (3, 8), (3, 8), False),
    ("leased", True, "financial"): ((3, 8), (3, 8), (3, 8), (3, 8), (3, 8), False),
    ("leased", True, "equity"): ((3, 8), (3, 8), (3, 8), (3, 8), (3, 8), False),
    ("leased", False, "operational"): ((3, 8), (3, 8), (3, 8), (3, 8), (3, 8), False),
    ("leased", False, "financial"): ((3, 8), (3, 8), (3, 8), (3, 8), (3, 8), False),
    ("leased", False, "equity"): ((3, 8), (3, 8), (3, 8), (3, 8), (3, 8), False),
} | {
    ("purchased", operated, how): ((3, 1), (3, 1), (3, 1), (3, 1), (3, 1), False)
    for operated, how in product((True, False), CONSOLIDATIONS)
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case_has_its_place(case: tuple[str, bool, str]) -> None:
    """Scope and category of each line, as the routing table has them."""
    *places, owned = CASES[case]
    assert tuple(route(*case)) == (*(Place(*place) for place in places if isinstance(place, tuple)), owned)


def test_every_case_is_listed() -> None:
    """No combination is left to chance."""
    assert set(CASES) == set(product(("own", "leased", "purchased"), (True, False), CONSOLIDATIONS))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_upstream_is_category_3_exactly_beside_scope_2(case: tuple[str, bool, str]) -> None:
    """Category 3 belongs to energy that is our Scope 2; else the category of the energy holds it."""
    found = route(*case)
    assert found.upstream == (Place(3, 3) if found.energy == Place(2, 0) else found.energy)
