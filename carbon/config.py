"""Every setting once: name, default, unit, help. It feeds carbon.toml, the environment, and the docs."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from carbon.core.errors import UsageError
from carbon.core.findings import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

FILE = "carbon.toml"
Value = str | bool | float | tuple[str, ...]


class Setting(NamedTuple):
    """One setting; its type is its default's. `choices` are the words allowed, if any; a section may have dots."""

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
        return variable_of(self.name)


def default(name: str) -> Value:
    """Default of a setting `section.key`."""
    return _BY_NAME[name].default


def variable_of(name: str) -> str:
    """Environment variable of a setting: CARBON_GRID_PROVIDERS_ENERGY_CHARTS_URL of `grid.providers.energy-charts.url`."""
    return f"CARBON_{name}".upper().replace(".", "_").replace("-", "_")


SECRETS = ("token", "user", "password")
SETTINGS = (
    Setting("entity", "name", "", "the one entity that this ledger belongs to"),
    Setting(
        "entity", "consolidation", "operational", "approach that decides what is ours (GHG Protocol Corporate Standard ch. 3)",
        ("operational", "financial", "equity"),
    ),
    Setting("inputs", "nodes", "nodes.csv", "the node register"),
    Setting("inputs", "workload", "workload", "folder or glob of workload files"),
    Setting("inputs", "instruments", "instruments.csv", "contracts and certificates, if there are any"),
    Setting("inputs", "models", "models.csv", "energy per token of models that others run, if there are any"),
    Setting("inputs", "energy_at", "it", "where energy_kwh was metered: at the IT load, or at the site's meter", ("it", "meter")),
    Setting("inputs", "decimal", ".", "decimal mark of CSV files; with a comma, fields may be separated by ;", (".", ",")),
    Setting("inputs", "time_zone", "", "IANA zone of times without an offset; empty refuses them"),
    Setting(
        "activity", "idle", "modelled",
        "time in service without a row: reckoned as idle for nodes whose energy is modelled, always for all nodes, or never",
        ("modelled", "always", "never"),
    ),
    Setting("overheads", "tee", True, "trusted environments: a factor on energy of tee rows that is reckoned from tokens"),
    Setting(
        "overheads", "zkml", 0.0,
        "energy of proofs over that of answers, where zkml rows are by tokens and have no proof rows; 0: none",
    ),
    Setting(
        "overheads", "failed", True,
        "failed work: a share of inference energy that is reckoned from tokens, where no retry rows are",
    ),
    Setting("grid", "folder", "grid", "where intensity series that were fetched or imported are kept"),
    Setting("grid", "data", "", "folder with rows of your own for grid_data tables; they come before the bundled ones"),
    Setting("grid", "tiers", ("measured", "typical", "annual"), "tiers allowed, in the order of falling back, hour by hour"),
    Setting("grid", "sources", (), "sources of series, the preferred first; of a generation mix the provider's name is enough"),
    Setting("grid", "parent", True, "whether a sub-zone without an annual figure may use its country's"),
    Setting("grid", "uncovered", "stop", "energy that no tier covers: stop, or report it and post the rest", ("stop", "report")),
    Setting("grid.providers", "retries", 4.0, "how often a request is tried again after a fault that may pass"),
    Setting("grid.providers", "timeout_s", 60.0, "longest silence of a server before that [s]"),
    Setting("grid.providers", "pace", 1.0, "factor on pauses between requests and before a second try; 0 for a server of yours"),
    Setting("grid.providers.neso", "url", "https://api.carbonintensity.org.uk", "address of the Carbon Intensity API"),
    Setting("grid.providers.energy-charts", "url", "https://api.energy-charts.info", "address of Energy-Charts"),
    Setting("grid.providers.electricity-maps", "url", "https://api.electricitymaps.com/v3", "address with the version"),
    Setting("grid.providers.eia", "url", "https://api.eia.gov/v2", "address of the EIA API, with the version"),
    Setting("grid.providers.entsoe", "url", "https://web-api.tp.entsoe.eu/api", "address of the Transparency Platform"),
    Setting("grid.providers.ember", "url", "https://api.ember-energy.org/v1", "address of the Ember API, with the version"),
    Setting("grid.providers.watttime", "url", "https://api.watttime.org", "address of WattTime, without a version"),
    Setting("grid.providers.folder", "path", "", "folder of CSV or Parquet files in import format"),
    Setting(
        "scope2", "market", "annual", "period in which instruments are matched with energy (market-based Scope 2)",
        ("annual", "hourly"),
    ),
    Setting(
        "scope2", "fallback", "grid-average", "what energy takes that has neither an instrument nor a residual mix",
        ("grid-average", "fossil"),
    ),
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
_BY_VARIABLE = {setting.variable: setting for setting in SETTINGS}
_FOLDERS = ("grid.data", "grid.folder", "hardware.profiles")
_PATHS = ("inputs.nodes", "inputs.workload", "grid.folder", "hardware.profiles", "ledger.path")
_NEAR_WORD, _SAME_WORD = 0.85, 0.9
_LEAST_MOST = {
    "overheads.zkml": (0, 1e6),
    "grid.providers.retries": (0, 20),
    "grid.providers.timeout_s": (0.1, 3600),
    "grid.providers.pace": (0, 100),
}


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

    @property
    def own_tables(self) -> str:
        """Folder of the project's own grid tables, empty where it has none."""
        return str(self.path("grid.data")) if self.text("grid.data") else ""


def load(
    folder: str | Path = ".",
    overrides: Mapping[str, Value] | None = None,
    environment: Mapping[str, str] | None = None,
    absent: Collection[str] = (),
) -> Settings:
    """Settings of a project folder: option, then environment, then carbon.toml, then default.

    Raises UsageError for a setting that does not exist, a value of the wrong kind, a file that is not TOML, and a folder
    that is named and not there (those of the settings `absent` may be: the caller makes them). Of the environment it refuses
    CARBON_SECTION_KEY where the section is one of ours and the key is none of it, and what is one slip away from a setting.
    Other names with CARBON_ are other tools' (CARBON_INTENSITY_TOKEN) and let through, as are tokens of providers.
    """
    folder = Path(folder)
    from_file = _from_file(folder / FILE)
    from_environment = _from_environment(os.environ if environment is None else environment)
    from_options = {name: _checked(_BY_NAME[name], value, "option") for name, value in (overrides or {}).items()}
    defaults: dict[str, Value] = {setting.name: setting.default for setting in SETTINGS}
    settings = Settings(folder, defaults | from_file | from_environment | from_options)
    for name in _FOLDERS:
        where = "option" if name in from_options else str(folder / FILE)
        _check_folder(settings, name, _BY_NAME[name].variable if name in from_environment else where, name in absent)
    return settings


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


def _check_folder(settings: Settings, name: str, where: str, may_be_absent: bool) -> None:
    """Raise UsageError where a folder that was named is not there (a default may be), or is none."""
    text, path = settings.text(name), settings.path(name)
    try:
        if not text or path.is_dir():
            return
        there = os.path.lexists(path)
    except OSError as error:
        raise UsageError(f"{where}: {name} = {shown(repr(text))} cannot be read ({error.strerror})") from None
    if there:
        raise UsageError(f"{where}: {name} = {shown(repr(text))} is not a folder; name one, or move it away")
    if text != _BY_NAME[name].default and not may_be_absent:
        raise UsageError(f"{where}: {name} = {shown(repr(text))} names no folder; make it, or correct the name")


def _from_file(path: Path) -> dict[str, Value]:
    if not path.is_file():
        if os.path.lexists(path):
            raise UsageError(f"{path} is not a file; move it away, and write settings with `carbon init`")
        return {}
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); allow this account to read it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}; compare it with `carbon init` in an empty folder") from None
    values: dict[str, Value] = {}
    for section, keys in sections.items():
        if not isinstance(keys, dict):
            raise UsageError(f"{path}: {section} stands outside a section; write it under one, such as [grid]")
        for name, value in _flat(section, keys):
            setting = _known(name, str(path))
            values[setting.name] = _checked(setting, value, str(path))
    return values


def _flat(section: str, keys: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Names and values of a section and of the sections inside it; one that names a setting is its (wrong) value."""
    for key, value in keys.items():
        name = f"{section}.{key}"
        if isinstance(value, dict) and name not in _BY_NAME:
            yield from _flat(name, value)
        else:
            yield name, value


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for variable, text in sorted(environment.items()):
        if variable in _BY_VARIABLE:
            setting = _BY_VARIABLE[variable]
            values[setting.name] = _checked(setting, _parse(setting, text), variable)
        elif variable.startswith("CARBON_"):
            _check_foreign(variable)
    return values


def _check_foreign(variable: str) -> None:
    """Raise UsageError for a variable that must be meant for us and names no setting."""
    providers = {setting.section for setting in SETTINGS if setting.section.startswith("grid.providers.")}
    if variable in {variable_of(f"{section}.{secret}") for section in providers for secret in SECRETS}:
        return
    ours = any(variable.startswith(f"CARBON_{setting.section.split('.')[0]}_".upper()) for setting in SETTINGS)
    near = get_close_matches(variable, _BY_VARIABLE, n=1, cutoff=_NEAR_WORD if ours else _SAME_WORD)
    if near:
        raise UsageError(f"{variable}: there is no such setting; did you mean {near[0]}?")
    if ours:
        raise UsageError(f"{variable}: there is no such setting; `carbon init` writes every setting")


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
    if name.startswith("grid.providers.") and name.rpartition(".")[2] in SECRETS:
        raise UsageError(
            f"{where}: {name} is a secret, and those come from the environment only: set {variable_of(name)} and take it out"
        )
    if name not in _BY_NAME:
        near = get_close_matches(name, _BY_NAME, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `carbon init` writes every setting"
        raise UsageError(f"{where}: there is no setting {shown(name)}{hint}")
    return _BY_NAME[name]


def _checked(setting: Setting, value: Any, where: str) -> Value:
    kind = type(setting.default)
    if kind is tuple and isinstance(value, list | tuple):
        value = tuple(str(word) for word in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind):
        expected = {tuple: "a list", float: "a number", bool: "true or false", str: "text"}[kind]
        raise UsageError(f"{where}: {setting.name} must be {expected}, not {shown(repr(value))}")
    if setting.choices and value not in setting.choices:
        raise UsageError(f"{where}: {setting.name} = {shown(repr(value))} is none of {', '.join(setting.choices)}")
    _check_bounds(setting, value, where)
    return value


def _check_bounds(setting: Setting, value: Any, where: str) -> None:
    if setting.name in _PATHS and (not value.strip() or "\0" in value):
        raise UsageError(
            f"{where}: {setting.name} = {shown(repr(value))} names nothing; the default is {setting.default!r}"
        )
    if setting.name == "grid.tiers" and not (value and set(value) <= {"measured", "typical", "annual"}):
        raise UsageError(
            f"{where}: grid.tiers = {shown(list(value))} may hold measured, typical and annual, at least one"
        )
    if setting.name == "hardware.life_years" and not 0 < value <= 50:
        raise UsageError(f"{where}: hardware.life_years = {value} must be above 0 and at most 50 years")
    if setting.name in _LEAST_MOST and not _LEAST_MOST[setting.name][0] <= value <= _LEAST_MOST[setting.name][1]:
        least, most = _LEAST_MOST[setting.name]
        raise UsageError(f"{where}: {setting.name} = {value} must be from {least:g} to {most:g}")
    if setting.section.startswith("grid.providers.") and setting.key == "url":
        _check_url(setting, value, where)
    if setting.name == "inputs.time_zone" and value:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"{where}: inputs.time_zone = {shown(repr(value))} is not an IANA zone, such as Europe/Berlin"
            ) from None


def _check_url(setting: Setting, value: str, where: str) -> None:
    """Refuse what is no plain web address; the value is not shown, since it may hold a secret."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value)
        plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc and not parts.query
    except ValueError:
        plain = False
    if not plain:
        raise UsageError(
            f"{where}: {setting.name} must be a web address without user, password or query, such as {setting.default}"
        )
