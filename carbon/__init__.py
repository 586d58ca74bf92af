"""Scope 2 and Scope 3 of distributed AI-compute networks, kept in a ledger that can be traced and reckoned again."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from carbon.version import __version__

if TYPE_CHECKING:
    from carbon.activity.energy import device_energy, node_energy
    from carbon.core.errors import CarbonError, InputError, InputWarning, LedgerError, NotFoundError, UsageError
    from carbon.core.findings import Finding
    from carbon.grid.dataset import GridOptions, open_grid
    from carbon.ledger.store import Ledger
    from carbon.readers.fleet import read_fleet
    from carbon.readers.nodes import read_nodes
    from carbon.readers.workload import read_workload
    from carbon.report.bridge import bridge
    from carbon.report.concentration import concentration, concentration_curve
    from carbon.report.drivers import drivers
    from carbon.report.intensity import intensities
    from carbon.report.notebook import report
    from carbon.report.sci import sci
    from carbon.report.units import intensity
    from carbon.scope2.location import scope2
    from carbon.scope3.hardware import scope3
    from carbon.scope3.policy import Refresh

__all__ = [
    "CarbonError", "Finding", "GridOptions", "InputError", "InputWarning", "Ledger", "LedgerError", "NotFoundError",
    "Refresh", "UsageError", "__version__", "bridge", "concentration", "concentration_curve", "device_energy", "drivers",
    "intensities", "intensity", "node_energy", "open_grid", "read_fleet", "read_nodes", "read_workload", "report", "sci",
    "scope2", "scope3",
]  # fmt: skip

_HOME = {
    "carbon.activity.energy": ("device_energy", "node_energy"),
    "carbon.core.errors": ("CarbonError", "InputError", "InputWarning", "LedgerError", "NotFoundError", "UsageError"),
    "carbon.core.findings": ("Finding",),
    "carbon.grid.dataset": ("GridOptions", "open_grid"),
    "carbon.ledger.store": ("Ledger",),
    "carbon.readers.fleet": ("read_fleet",),
    "carbon.readers.nodes": ("read_nodes",),
    "carbon.readers.workload": ("read_workload",),
    "carbon.report.bridge": ("bridge",),
    "carbon.report.concentration": ("concentration", "concentration_curve"),
    "carbon.report.drivers": ("drivers",),
    "carbon.report.intensity": ("intensities",),
    "carbon.report.notebook": ("report",),
    "carbon.report.sci": ("sci",),
    "carbon.report.units": ("intensity",),
    "carbon.scope2.location": ("scope2",),
    "carbon.scope3.policy": ("Refresh",),
    "carbon.scope3.hardware": ("scope3",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


class _Public(ModuleType):
    """The package, whose functions `scope2`, `scope3` and `report` are not hidden by the rooms of the same name."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; what an import would set for a room that a function is named like is left out."""
        if not (name in _MODULE_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Public


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: `import carbon` alone loads nothing heavy."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'carbon' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
