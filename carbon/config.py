"""Every setting once: name, default, unit, help. It feeds carbon.toml, the environment, and the docs."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "carbon.toml"
Value = str | bool | float | tuple[str, ...]


class Setting(NamedTuple):
    """One setting; its type is its default's. `choices` are the words allowed, if any."""

    section: str
    key: str
    default: Value
    help: str
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the rest of the code names it: `section.key`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """Environment variable that overrides it."""
        return f"CARBON_{self.section}_{self.key}".upper()


SETTINGS = (
    Setting("entity", "name", "", "the one entity that this ledger belongs to"),
    Setting(
        "entity", "consolidation", "operational", "approach that decides what is ours (GHG Protocol Corporate Standard ch. 3)",
        ("operational", "financial", "equity"),
    ),
    Setting("inputs", "nodes", "nodes.csv", "the node register"),
    Setting("inputs", "workload", "workload", "folder or glob of workload files"),
    Setting("inputs", "energy_at", "it", "where energy_kwh was metered: at the IT load, or at the site's meter", ("it", "meter")),
    Setting("inputs", "decimal", ".", "decimal mark of CSV files; with a comma, fields may be separated by ;", (".", ",")),
    Setting("inputs", "time_zone", "", "IANA zone of times without an offset; empty refuses them"),
    Setting("grid", "folder", "grid", "where imported intensity series are kept"),
    Setting("grid", "data", "", "folder with rows of your own for grid_data tables; they come before the bundled ones"),
    Setting("grid", "tiers", ("measured", "typical", "annual"), "tiers allowed, in the order of falling back, hour by hour"),
    Setting("grid", "sources", (), "sources of imported series, the preferred first"),
    Setting("grid", "parent", True, "whether a sub-zone without an annual figure may use its country's"),
    Setting("grid", "uncovered", "stop", "energy that no tier covers: stop, or report it and post the rest", ("stop", "report")),
    Setting("hardware", "profiles", "hardware_profiles", "folder with profiles of your own; they come before the bundled ones"),
    Setting("hardware", "life_years", 5.0, "planned life [year] (accounting lives of large operators are 4 to 6, 2020-2025)"),
    Setting("hardware", "freight_mode", "air", "mode of the inbound lane", ("air", "air-rf", "sea", "road", "rail")),
    Setting(
        "hardware", "disposal", "weee-recycling", "treatment at the end of life",
        ("weee-recycling", "weee-landfill", "process"),
    ),
    Setting("ledger", "path", "ledger", "the ledger, a Delta Lake table"),
    Setting("ledger", "grain", "day", "time grain of entries", ("hour", "day", "month")),
)  # fmt: skip
_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Settings(NamedTuple):
    """Values of all settings for one project folder; paths are resolved against it."""

    folder: Path
    values: Mapping[str, Value]

    def text(self, name: str) -> str:
        """A text setting."""
        return str(self.values[name])

    def words(self, name: str) -> tuple[str, ...]:
        """A list setting."""
        return tuple(str(word) for word in self.values[name])  # type: ignore[union-attr]

    def number(self, name: str) -> float:
        """A numeric setting."""
        return float(self.values[name])  # type: ignore[arg-type]

    def flag(self, name: str) -> bool:
        """A yes-or-no setting."""
        return bool(self.values[name])

    def path(self, name: str) -> Path:
        """A path setting, resolved against the project folder."""
        return self.folder / self.text(name)


def load(
    folder: str | Path = ".", overrides: Mapping[str, Value] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings of a project folder: option, then environment, then carbon.toml, then default.

    Raises UsageError for a setting that does not exist, a value of the wrong kind, or a file that is not TOML.
    """
    folder = Path(folder)
    values: dict[str, Value] = {setting.name: setting.default for setting in SETTINGS}
    values |= _from_file(folder / FILE)
    values |= _from_environment(os.environ if environment is None else environment)
    for name, value in (overrides or {}).items():
        values[name] = _checked(_BY_NAME[name], value, "option")
    return Settings(folder, values)


def to_toml() -> str:
    """A carbon.toml with every setting at its default and one line of help."""
    lines = ["# Settings of this project. Environment variables (CARBON_SECTION_KEY) and options come before them."]
    section = ""
    for setting in SETTINGS:
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        choices = f" ({' | '.join(setting.choices)})" if setting.choices else ""
        lines += [f"# {setting.help}{choices}", f"{setting.key} = {_toml(setting.default)}"]
    return "\n".join(lines) + "\n"


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{word}"' for word in value) + "]"
    return str(value) if isinstance(value, float) else f'"{value}"'


def _from_file(path: Path) -> dict[str, Value]:
    if not path.is_file():
        return {}
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}; compare it with `carbon init` in an empty folder") from None
    values: dict[str, Value] = {}
    for section, keys in sections.items():
        if not isinstance(keys, dict):
            raise UsageError(f"{path}: {section} stands outside a section; write it under one, such as [grid]")
        for key, value in keys.items():
            setting = _known(f"{section}.{key}", str(path))
            values[setting.name] = _checked(setting, value, str(path))
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for setting in SETTINGS:
        text = environment.get(setting.variable)
        if text is not None:
            values[setting.name] = _checked(setting, _parse(setting, text), setting.variable)
    return values


def _parse(setting: Setting, text: str) -> object:
    if isinstance(setting.default, bool):
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower(), text)
    if isinstance(setting.default, tuple):
        return [word.strip() for word in text.split(",") if word.strip()]
    if isinstance(setting.default, float):
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _known(name: str, where: str) -> Setting:
    if name not in _BY_NAME:
        near = get_close_matches(name, _BY_NAME, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `carbon init` writes every setting"
        raise UsageError(f"{where}: there is no setting {name}{hint}")
    return _BY_NAME[name]


def _checked(setting: Setting, value: Any, where: str) -> Value:
    kind = type(setting.default)
    if kind is tuple and isinstance(value, list | tuple):
        value = tuple(str(word) for word in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind):
        expected = {tuple: "a list", float: "a number", bool: "true or false", str: "text"}[kind]
        raise UsageError(f"{where}: {setting.name} must be {expected}, not {value!r}")
    if setting.choices and value not in setting.choices:
        raise UsageError(f"{where}: {setting.name} = {value!r} is none of {', '.join(setting.choices)}")
    _check_bounds(setting, value, where)
    return value


def _check_bounds(setting: Setting, value: Any, where: str) -> None:
    if setting.name == "grid.tiers" and not (value and set(value) <= {"measured", "typical", "annual"}):
        raise UsageError(f"{where}: grid.tiers = {list(value)!r} may hold measured, typical and annual, at least one")
    if setting.name == "hardware.life_years" and not 0 < value <= 50:
        raise UsageError(f"{where}: hardware.life_years = {value} must be above 0 and at most 50 years")
    if setting.name == "inputs.time_zone" and value:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"{where}: inputs.time_zone = {value!r} is not an IANA zone, such as Europe/Berlin"
            ) from None
