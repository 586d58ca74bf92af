"""Hardware profiles, one TOML file each (hardware_profiles/SOURCES.md), an analyst's own folder or file included."""

from __future__ import annotations

import math
import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.findings import shown
from carbon.core.resources import folder

MACHINES = ("gpu", "host", "system")  # what a node may be made of
STAGES = ("A1-A3", "A1-A4", "A1-A5", "A4", "A5", "A4-A5", "C", "C1", "C2", "C3", "C4", "C1-C4")
MOST = 1e12  # above any figure of one unit; sums of units then stay finite
KINDS = (*MACHINES, "plant", "network")
# Parts add up to their whole but for the noise of adding decimals.
_SAME = 1e-9


class Estimate(NamedTuple):
    """A figure with its range."""

    low: float
    central: float
    high: float


_BATCH = re.compile("batch_([1-9][0-9]*)_output_j_per_token")


class Part(NamedTuple):
    """A part of one unit: its share of the embodied carbon [kg], and how much of it there is, None where not known."""

    name: str
    kgco2e: Estimate
    amount: float | None
    unit: str
    source: str
    confidence: str


class Profile(NamedTuple):
    """A device (`gpu`), a `host`, a `system` that holds its devices, a `plant` or a switch (`network`). Unknown is None.

    Of one unit: `tdp_w`, `idle_w` and `load` by kind [W] (per token [J]), `mass_kg` [kg], `embodied_kgco2e` [kg]. The unit
    of a plant is 1 kW of rated IT power. `parts` add up to the central figure; `life_years` is a planned life of its own,
    `bf16_dense_tflops` the rated speed [TFLOP/s].
    """

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
    curve: dict[str, str | float]
    mass_kg: float | None
    embodied_kgco2e: Estimate
    stages: tuple[str, ...]
    disposal_included_kgco2e: float
    boundary: str
    source: str
    confidence: str
    parts: tuple[Part, ...] = ()
    life_years: float | None = None
    bf16_dense_tflops: float | None = None

    @property
    def unit(self) -> str:
        """What the figures are of: `piece`, or `kW` of rated IT power."""
        return "kW" if self.kind == "plant" else "piece"

    @property
    def output_j_per_token_by_batch(self) -> dict[float, float]:
        """Energy of a token written [J] by size of the batch it was measured in; empty where the profile has none."""
        named = ((_BATCH.fullmatch(key), value) for key, value in self.load.items())
        return {float(found[1]): value for found, value in named if found}

    @property
    def manufacturing_kgco2e(self) -> Estimate:
        """Embodied carbon [kg] without the end of life that the figure may hold: disposal is reckoned on its own."""
        return Estimate(*(figure - self.disposal_included_kgco2e for figure in self.embodied_kgco2e))


def find_profile(name: str, own: str = "") -> Profile:
    """Profile of an id (own folder first) or of a TOML file (beside it first). Raises NotFoundError with near names."""
    return read_profile(profile_file(name, own))


def profile_file(name: str, own: str = "") -> Path:
    """File of the profile that `find_profile` finds. Raises NotFoundError with near names."""
    if name.endswith(".toml"):
        beside = Path(own).parent / name
        return beside if own and beside.is_file() else Path(name)
    files = profile_files(own)
    if name not in files:
        from difflib import get_close_matches

        near = ", ".join(get_close_matches(shown(name), files, n=3))
        raise NotFoundError(f"no hardware profile {shown(name)!r}" + (f"; near names: {near}" if near else ""))
    return files[name]


def profile_files(own: str = "") -> dict[str, Path]:
    """Profile files by id, those of the folder `own` before the bundled ones. Raises UsageError where it is closed."""
    files = {path.stem: path for path in sorted(folder("hardware_profiles").glob("*.toml"))}
    try:
        if own and Path(own).is_dir():
            files |= {path.stem: path for path in sorted(Path(own).iterdir()) if path.suffix == ".toml"}
    except PermissionError:
        raise UsageError(f"{own} cannot be read (permission denied); allow this account to read it") from None
    return dict(sorted(files.items()))


@cache
def read_profile(path: Path) -> Profile:
    """Profile in a file: powers [W], mass [kg], embodied carbon [kg].

    Raises NotFoundError when it is absent, ValueError (with the file) when it is faulty.
    """
    if not path.is_file():
        raise NotFoundError(f"no hardware profile at {shown(path)}")
    try:
        return _profile(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except PermissionError:
        raise ValueError(f"{path} cannot be read (permission denied)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, _Wrong) as error:
        raise ValueError(f"{path} is not a hardware profile: {error}; compare hardware_profiles/l4.toml") from None


class _Wrong(Exception):  # noqa: N818 - its text is a part of a sentence
    """What is wrong with a figure of a profile."""


def _profile(toml: dict[str, Any]) -> Profile:
    power, load = _table(toml, "power"), _table(_table(toml, "power"), "load", "power.load")
    embodied = _table(toml, "embodied")
    return Profile(
        _text(toml, "id"),
        _text(toml, "name"),
        _kind(toml),
        _text(toml, "vendor", ""),
        _text(toml, "form_factor", ""),
        _released(toml),
        _text(toml, "host", ""),
        _devices_per_host(toml),
        _figure(power, "power.tdp_w"),
        _estimate(power, "power.idle_w") if "idle_w" in power else None,
        {key: _number(value, f"power.load.{key}") for key, value in load.items() if not _is_remark(key, value)},
        _curve(_table(power, "curve", "power.curve")),
        _mass(_table(toml, "mass")),
        _embodied(embodied),
        _stages(embodied),
        _disposal_included(embodied),
        _text(embodied, "embodied.boundary", ""),
        _text(embodied, "embodied.source"),
        _text(embodied, "embodied.confidence", ""),
        _parts(embodied),
        _life(toml),
        _figure(_table(toml, "chip"), "chip.bf16_dense_tflops"),
    )


def _present(table: dict[str, Any], name: str) -> Any:
    """What a table says under the last part of a dotted name. Raises _Wrong where it does not."""
    key = name.rpartition(".")[2]
    if key not in table:
        raise _Wrong(f"{name} is missing")
    return table[key]


def _table(toml: dict[str, Any], key: str, name: str = "") -> dict[str, Any]:
    value = toml.get(key, {})
    if not isinstance(value, dict):
        raise _Wrong(f"{name or key} = {shown(repr(value))} must be a section, [{name or key}]")
    return value


def _text(table: dict[str, Any], name: str, default: str | None = None) -> str:
    value = _present(table, name) if default is None else table.get(name.rpartition(".")[2], default)
    if not isinstance(value, str):
        raise _Wrong(f"{name} = {shown(repr(value))} must be text")
    return value


def _kind(toml: dict[str, Any]) -> str:
    kind = _text(toml, "kind")
    if kind not in KINDS:
        raise _Wrong(f"kind = {shown(repr(kind))} must be one of {', '.join(KINDS)}")
    return kind


def _released(toml: dict[str, Any]) -> date | None:
    value = toml.get("released")
    if value is not None and not isinstance(value, date):
        raise _Wrong(f"released = {shown(repr(value))} must be a day without quotes, such as 2023-03-21")
    return value


def _devices_per_host(toml: dict[str, Any]) -> int:
    value = toml.get("devices_per_host", 1)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _Wrong(f"devices_per_host = {shown(repr(value))} must be a whole number of 1 or more")
    return value


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise _Wrong(f"{name} = {shown(repr(value))} must be a number of 0 or more")
    return float(value)


def _is_remark(key: str, value: object) -> bool:
    """Whether an entry of power.load is text about the figures, which all end in their unit."""
    return isinstance(value, str) and not key.endswith(("_w", "_per_token"))


def _curve(table: dict[str, Any]) -> dict[str, str | float]:
    """How the powers of power.load were found: remarks and figures, as `carbon hardware fit` writes them."""
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _Wrong(f"power.curve.{key} = {shown(repr(value))} must be text or a number")
    return table


def _figure(table: dict[str, Any], name: str) -> float | None:
    value = table.get(name.rpartition(".")[2])
    return None if value is None else _number(value, name)


def _mass(table: dict[str, Any]) -> float | None:
    mass = _figure(table, "mass.mass_kg")
    if mass == 0:
        raise _Wrong("mass.mass_kg = 0 would hide transport and disposal: give the mass, or leave it out if not known")
    return mass


def _life(toml: dict[str, Any]) -> float | None:
    life = _figure(toml, "life_years")
    if life == 0:
        raise _Wrong("life_years = 0 must be above 0, or left out: then the policy's planned life holds")
    return life


def _embodied(table: dict[str, Any]) -> Estimate:
    estimate = _estimate(table, "embodied.kgco2e")
    if not estimate.low:
        raise _Wrong("embodied.kgco2e.low = 0 must be above 0: nothing is made without emissions")
    return estimate


def _disposal_included(table: dict[str, Any]) -> float:
    name = "embodied.disposal_included_kgco2e"
    included, low = _number(_present(table, name), name), _embodied(table).low
    if included >= low:
        raise _Wrong(f"{name} = {included:g} must be a part of embodied.kgco2e, whose low figure is {low:g}")
    return included


def _parts(embodied: dict[str, Any]) -> tuple[Part, ...]:
    """Parts of a profile, in their order. Raises _Wrong where they do not add up to the central figure."""
    tables = embodied.get("parts", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _Wrong(f"embodied.parts = {shown(repr(tables))} must be sections, [[embodied.parts]]")
    parts = tuple(_part(table, f"embodied.parts[{at}]") for at, table in enumerate(tables, 1))
    whole, total = _embodied(embodied).central, math.fsum(part.kgco2e.central for part in parts)
    if parts and abs(total - whole) > _SAME * whole:
        mend = "name what is left as a part, such as 'rest, rounding'" if total < whole else "mend one of the two"
        raise _Wrong(f"embodied.parts add up to {total:.10g}, embodied.kgco2e.central is {whole:.10g}: {mend}")
    return parts


def _part(table: dict[str, Any], at: str) -> Part:
    return Part(
        _text(table, f"{at}.name"),
        _estimate(table, f"{at}.kgco2e"),
        _figure(table, f"{at}.amount"),
        _text(table, f"{at}.unit", ""),
        _text(table, f"{at}.source"),
        _text(table, f"{at}.confidence", ""),
    )


def _estimate(table: dict[str, Any], name: str) -> Estimate:
    range_ = _present(table, name)
    if not isinstance(range_, dict):
        raise _Wrong(f"{name} = {shown(repr(range_))} must be a range, {{ low = 1.0, central = 2.0, high = 3.0 }}")
    parts = [f"{name}.{part}" for part in Estimate._fields]
    estimate = Estimate(*(float(_number(_present(range_, part), part)) for part in parts))
    if not estimate.low <= estimate.central <= estimate.high:
        raise _Wrong(
            f"{name} must have low, central and high in this order, not {', '.join(f'{x:g}' for x in estimate)}"
        )
    return estimate


def _stages(embodied: dict[str, Any]) -> tuple[str, ...]:
    stages = _present(embodied, "embodied.stages")
    if not isinstance(stages, list) or not all(isinstance(stage, str) for stage in stages):
        raise _Wrong(f'embodied.stages = {shown(repr(stages))} must be a list of words, such as ["A1-A3", "C"]')
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown or not any(stage.startswith("A1") for stage in stages):
        known = ", ".join(STAGES)
        raise _Wrong(
            f"embodied.stages = {shown(repr(stages))} must hold A1-A3 or more, and words of {known} (EN 15978)"
        )
    if any(stage.startswith("C") for stage in stages) and not embodied.get("disposal_included_kgco2e"):
        raise _Wrong(
            "embodied.stages holds C, the end of life: say in disposal_included_kgco2e how much of the figure it is"
        )
    return tuple(stages)
