"""Every setting once: name, default, unit, help. It feeds carbon.toml, the environment, and the docs."""

from __future__ import annotations

import json
import os
import tomllib
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from carbon.core.errors import UsageError
from carbon.core.findings import is_utf8, shown
from carbon.ledger.place import is_uri, place_of
from carbon.settings import LEAST_MOST, SETTINGS, Setting, Value, variable_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from carbon.ledger.place import Place
    from carbon.report.ranges import Draws

FILE = "carbon.toml"


def default(name: str) -> Value:
    """Default of a setting `section.key`."""
    return _BY_NAME[name].default


SECRETS = ("token", "user", "password")
_BY_NAME = {setting.name: setting for setting in SETTINGS}
_BY_VARIABLE = {setting.variable: setting for setting in SETTINGS}
_FOLDERS = ("grid.data", "grid.folder", "hardware.profiles")
_PATHS = (
    "inputs.nodes",
    "inputs.workload",
    "inputs.imported",
    "inputs.fleet",
    "inputs.estimates",
    "grid.folder",
    "hardware.profiles",
    "ledger.path",
)
_WHOLE = ("uncertainty.draws", "uncertainty.seed", "report.base_year")
_NEAR_WORD, _SAME_WORD = 0.85, 0.9
_MODELS = ("wear", "elastic", "slots", "break-even")


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

    @overload
    def path(self, name: Literal["ledger.path"]) -> Place: ...  # type: ignore[overload-overlap]

    @overload
    def path(self, name: str) -> Path: ...

    def path(self, name: str) -> Place:
        """A path setting, resolved against the project folder; the ledger's may be in a store. Raises UsageError."""
        text = self.text(name)
        return place_of(text) if name == "ledger.path" and is_uri(text) else self.folder / text

    @property
    def draws(self) -> Draws:
        """How ranges of the ledger are drawn: number, seed, the tables that it kept, and where those that hold now are.

        Raises LedgerError for a ledger that cannot be read.
        """
        from carbon.ledger.spreads import spreads
        from carbon.report.ranges import Draws

        count, seed = (int(self.number(f"uncertainty.{name}")) for name in ("draws", "seed"))
        return Draws(count, seed, self.own_tables, spreads(self.path("ledger.path")))

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
    if not is_utf8(str(folder.absolute())):
        raise UsageError(f"{folder.absolute()}: the name of the project folder is not UTF-8; rename it")
    from_file = _from_file(folder / FILE)
    from_environment = _from_environment(os.environ if environment is None else environment)
    from_options = {name: _checked(_BY_NAME[name], value, "option") for name, value in (overrides or {}).items()}
    defaults: dict[str, Value] = {setting.name: setting.default for setting in SETTINGS}
    settings = Settings(folder, defaults | from_file | from_environment | from_options)
    _check_together(settings)
    for name in _FOLDERS:
        where = "option" if name in from_options else str(folder / FILE)
        _check_folder(settings, name, _BY_NAME[name].variable if name in from_environment else where, name in absent)
    return settings


def _check_together(settings: Settings) -> None:
    """Raise UsageError for settings that do not go together."""
    least, most = (settings.number(f"refresh.life_{end}_years") for end in ("least", "most"))
    if least > most:
        where = settings.folder / FILE
        problem = f"refresh.life_least_years = {least:g} is above refresh.life_most_years = {most:g}; swap them"
        raise UsageError(f"{where} or the environment: {problem}")
    if settings.text("report.base_set") and not settings.number("report.base_year"):
        where = settings.folder / FILE
        raise UsageError(f"{where} or the environment: report.base_set needs report.base_year; name the base year")


def to_toml(values: Mapping[str, Value] | None = None) -> str:
    """A carbon.toml with every setting, at its default unless `values` has another, and one line of help."""
    lines = ["# Settings of this project. Environment variables (CARBON_SECTION_KEY) and options come before them."]
    section = ""
    for setting in SETTINGS:
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        choices = f" ({' | '.join(setting.choices)})" if setting.choices else ""
        lines += [
            f"# {setting.help}{choices}",
            f"{setting.key} = {_toml((values or {}).get(setting.name, setting.default))}",
        ]
    return "\n".join(lines) + "\n"


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_quoted(word) for word in value) + "]"
    return str(value) if isinstance(value, float) else _quoted(value)


def _quoted(text: str) -> str:
    """A TOML string: what JSON escapes, and the one control character that it does not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


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
            if not is_utf8(text):
                raise UsageError(f"{variable}: its bytes are not UTF-8; write it in UTF-8")
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
    if name.startswith("import.prometheus.") and name.rpartition(".")[2] in SECRETS:
        variable = f"CARBON_PROMETHEUS_{name.rpartition('.')[2].upper()}"
        raise UsageError(
            f"{where}: {name} is a secret, and those come from the environment only: set {variable} and take it out"
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
    if setting.name == "report.base_set" and isinstance(value, date):
        value = value.isoformat()  # TOML knows dates without quotes
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
    if setting.name == "ledger.path" and is_uri(value):
        try:
            place_of(value)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    if setting.name == "grid.tiers" and not (value and set(value) <= {"measured", "typical", "annual"}):
        raise UsageError(
            f"{where}: grid.tiers = {shown(list(value))} may hold measured, typical and annual, at least one"
        )
    if setting.name == "refresh.models" and not set(value) <= set(_MODELS):
        raise UsageError(f"{where}: refresh.models = {shown(list(value))} may hold {', '.join(_MODELS)}")
    if setting.name == "hardware.life_years" and not 0 < value <= 50:
        raise UsageError(f"{where}: hardware.life_years = {value} must be above 0 and at most 50 years")
    if setting.name in _WHOLE and value % 1:
        raise UsageError(f"{where}: {setting.name} = {value:g} must be a whole number")
    if setting.name in LEAST_MOST and not LEAST_MOST[setting.name][0] <= value <= LEAST_MOST[setting.name][1]:
        least, most = LEAST_MOST[setting.name]
        raise UsageError(f"{where}: {setting.name} = {value} must be from {least:g} to {most:g}")
    if setting.name == "report.base_set" and value:
        _check_instant(setting, value, where)
    if setting.section.startswith(("grid.providers.", "import.")) and setting.key == "url" and value != setting.default:
        _check_url(setting, value, where)
    if setting.name == "inputs.time_zone" and value:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"{where}: inputs.time_zone = {shown(repr(value))} is not an IANA zone, such as Europe/Berlin"
            ) from None


def _check_instant(setting: Setting, value: str, where: str) -> None:
    from carbon.core.time import parse_instant

    try:
        parse_instant(value)
    except ValueError as error:
        example = "2026-03-01 or 2026-03-01T12:00:00Z"
        raise UsageError(f"{where}: {setting.name} = {shown(repr(value))}: {error}; write it as {example}") from None


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
            f"{where}: {setting.name} must be a web address without user, password or query, such as "
            f"{setting.default or 'http://localhost:9090'}"
        )
