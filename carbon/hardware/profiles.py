"""Hardware profiles, one TOML file each (hardware_profiles/SOURCES.md), an analyst's own folder or file included."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from carbon.core.errors import NotFoundError
from carbon.core.resources import folder


class Estimate(NamedTuple):
    """A figure with its range."""

    low: float
    central: float
    high: float


class Profile(NamedTuple):
    """A device (`gpu`), a `host`, or a `system` that holds its devices. Unknown figures are None."""

    id: str
    name: str
    kind: str
    vendor: str
    form_factor: str
    released: date | None
    host: str
    devices_per_host: int
    tdp_w: float | None
    idle_w: Estimate | None
    load: dict[str, float]
    mass_kg: float | None
    embodied_kgco2e: Estimate
    stages: tuple[str, ...]
    disposal_included_kgco2e: float
    boundary: str
    source: str
    confidence: str

    @property
    def manufacturing_kgco2e(self) -> Estimate:
        """Embodied carbon [kg] without the end of life that the figure may hold: disposal is reckoned on its own."""
        return Estimate(*(figure - self.disposal_included_kgco2e for figure in self.embodied_kgco2e))


def find_profile(name: str, own: str = "") -> Profile:
    """Profile of an id (own folder first) or of a TOML file (beside it first). Raises NotFoundError with near names."""
    if name.endswith(".toml"):
        beside = Path(own).parent / name
        return read_profile(beside if own and beside.is_file() else Path(name))
    files = profile_files(own)
    if name not in files:
        from difflib import get_close_matches

        near = ", ".join(get_close_matches(name, files, n=3))
        raise NotFoundError(f"no hardware profile {name!r}" + (f"; near names: {near}" if near else ""))
    return read_profile(files[name])


def profile_files(own: str = "") -> dict[str, Path]:
    """Profile files by id, those of the folder `own` before the bundled ones."""
    files = {path.stem: path for path in sorted(folder("hardware_profiles").glob("*.toml"))}
    if own and Path(own).is_dir():
        files |= {path.stem: path for path in sorted(Path(own).glob("*.toml"))}
    return dict(sorted(files.items()))


@cache
def read_profile(path: Path) -> Profile:
    """Parse one profile file. Raises NotFoundError when it is absent, ValueError (with the file) when it is faulty."""
    if not path.is_file():
        raise NotFoundError(f"no hardware profile at {path}")
    try:
        return _profile(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a hardware profile: {error!r}; compare hardware_profiles/l4.toml") from None


def _profile(toml: dict[str, Any]) -> Profile:
    power, embodied = toml.get("power", {}), toml["embodied"]
    figures = {key: value for key, value in power.get("load", {}).items() if isinstance(value, float | int)}
    return Profile(
        toml["id"],
        toml["name"],
        toml["kind"],
        toml.get("vendor", ""),
        toml.get("form_factor", ""),
        toml.get("released"),
        toml.get("host", ""),
        int(toml.get("devices_per_host", 1)),
        power.get("tdp_w"),
        _estimate(power["idle_w"]) if "idle_w" in power else None,
        figures,
        toml.get("mass", {}).get("mass_kg"),
        _estimate(embodied["kgco2e"]),
        tuple(embodied["stages"]),
        float(embodied["disposal_included_kgco2e"]),
        embodied.get("boundary", ""),
        embodied["source"],
        embodied.get("confidence", ""),
    )


def _estimate(range_: dict[str, float]) -> Estimate:
    return Estimate(float(range_["low"]), float(range_["central"]), float(range_["high"]))
