"""Boundary routing: which scope and category a node's lines belong to, seen from one entity. One place, one function."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

CONSOLIDATIONS = ("operational", "financial", "equity")


class Place(NamedTuple):
    """Scope and Scope 3 category (0: none)."""

    scope: int
    category: int


class Route(NamedTuple):
    """Where the lines of a node go. `owned` hardware has two bases, other hardware is a period cost."""

    energy: Place
    upstream: Place
    manufacturing: Place
    transport: Place
    disposal: Place
    owned: bool


def route_of_service() -> Route:
    """Route of the provider's part of a proxied request: a purchased service, whoever runs the gateway that calls it."""
    return route("purchased", operated=False)


@cache
def route(boundary: str, operated: bool, consolidation: str = "operational") -> Route:
    """Scope and category of a node's lines (GHG Protocol Scope 2 Guidance ch. 5; Scope 3 Standard ch. 5, categories 1-8, 13).

    Own hardware that others operate leaves Scope 2 under operational control (category 13). A lease counts as our
    Scope 2 only when we operate it under operational control, else category 8. Purchased compute is category 1 whole.
    """
    if boundary == "own":
        scope2 = operated or consolidation != "operational"
        energy = Place(2, 0) if scope2 else Place(3, 13)
        upstream = Place(3, 3) if scope2 else Place(3, 13)
        return Route(energy, upstream, Place(3, 2), Place(3, 4), Place(3, 5), owned=True)
    if boundary == "leased":
        scope2 = operated and consolidation == "operational"
        energy, upstream = (Place(2, 0), Place(3, 3)) if scope2 else (Place(3, 8), Place(3, 8))
        return Route(energy, upstream, Place(3, 8), Place(3, 8), Place(3, 8), owned=False)
    service = Place(3, 1)
    return Route(service, service, service, service, service, owned=False)
