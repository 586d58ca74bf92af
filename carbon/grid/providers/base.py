"""What the fetcher knows of a provider, and what it asks one for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from carbon.core.findings import Findings
from carbon.core.time import DAY_US
from carbon.grid.providers.client import Client
from carbon.grid.providers.secrets import Secret


class Query(NamedTuple):
    """A zone by the provider's own code, a range [us] in UTC, where to put warnings, and the analyst's own tables."""

    code: str
    start_us: int
    end_us: int
    findings: Findings
    own: str = ""


@dataclass(frozen=True, eq=False)
class Provider:
    """One provider of grid data.

    `kind`: intensity, mix (generation by fuel) or marginal. `chunk_us`: longest range of one request; `window_us`: how
    long after an interval its value may still be revised. `code`: its own name for a row of zones.csv, empty where it
    has none. `labels`: what its figures mean, in the store's columns.
    """

    name: str
    operator: str
    kind: str
    chunk_us: int
    window_us: int
    code: Callable[[Mapping[str, str]], str]
    get: Callable[[Client, Query], pd.DataFrame]
    labels: Mapping[str, str | bool]
    secrets: tuple[Secret, ...] = ()
    pause_s: float = 0.0
    at_once: int = 2

    @property
    def needs(self) -> str:
        """What it needs, for a message."""
        return (
            f"needs {' and '.join(secret.variables[0] for secret in self.secrets)}" if self.secrets else "needs no key"
        )


def days(number: float) -> int:
    """Days as microseconds."""
    return int(number * DAY_US)


def secret(name: str, key: str, provider: str, *usual: str) -> Secret:
    """A secret with its variable, named like a setting, before those that other tools use."""
    variable = f"CARBON_GRID_PROVIDERS_{provider}_{key}".upper().replace("-", "_")
    return Secret(name, (variable, *usual))
