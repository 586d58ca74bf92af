"""All providers, and which one a zone is fetched from when nobody says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.core.errors import NotFoundError, UsageError
from carbon.grid.providers.eia import EIA
from carbon.grid.providers.electricity_maps import ELECTRICITY_MAPS
from carbon.grid.providers.ember import EMBER
from carbon.grid.providers.energy_charts import ENERGY_CHARTS
from carbon.grid.providers.entsoe import ENTSOE
from carbon.grid.providers.folder import FOLDER
from carbon.grid.providers.neso import NESO
from carbon.grid.providers.secrets import of_environment
from carbon.grid.providers.watttime import WATTTIME
from carbon.grid.tables import rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbon.grid.providers.base import Provider

# Of those that have a zone and whose token is set the first one is taken: operators before those who reckon from their
# data, hours before months. Marginal intensity and one's own folder are only taken when they are asked for.
PROVIDERS: dict[str, Provider] = {
    one.name: one for one in (NESO, EIA, ENTSOE, ENERGY_CHARTS, ELECTRICITY_MAPS, EMBER, WATTTIME, FOLDER)
}
_ON_REQUEST = frozenset({WATTTIME.name, FOLDER.name})


def code_of(provider: Provider, zone: str, own: str = "") -> str:
    """The provider's own name for a zone; empty where it has none."""
    row = next((row for row in rows("zones", own) if row["zone"] == zone), None)
    return provider.code(row) if row else ""


def secrets_of(provider: Provider, environment: Mapping[str, str]) -> dict[str, str]:
    """Secrets of a provider by name, from the environment. Raises UsageError naming the variable that is not set."""
    found = {}
    for secret in provider.secrets:
        found[_key(secret.variables[0])] = value = of_environment(secret, environment)
        if not value:
            also = f" (or {' or '.join(secret.variables[1:])})" if secret.variables[1:] else ""
            raise UsageError(
                f"{provider.name} needs a {secret.name}: set the environment variable {secret.variables[0]}{also}; "
                "it is read from there only"
            )
    return found


def choose(zone: str, environment: Mapping[str, str], before: str = "", own: str = "") -> tuple[Provider, str]:
    """The provider for a zone, and why: the one it was fetched from before, else the first that has it and can be asked.

    Raises NotFoundError when none has the zone, UsageError when those that have it lack a token.
    """
    having = [one for one in PROVIDERS.values() if one.name not in _ON_REQUEST and code_of(one, zone, own)]
    usable = [one for one in having if all(of_environment(secret, environment) for secret in one.secrets)]
    for one in usable:
        if one.name == before:
            return one, "it was fetched from there before"
    if usable:
        return usable[0], f"{usable[0].operator}; {usable[0].needs if not usable[0].secrets else 'its token is set'}"
    if not having:
        raise NotFoundError(f"no provider has the zone {zone}; `carbon grid import` takes a file of it")
    ways = "; ".join(f"{one.name} {one.needs}" for one in having)
    raise UsageError(f"every provider of {zone} needs a token, and none is set: {ways}")


def _key(variable: str) -> str:
    return variable.rpartition("_")[2].lower()
