"""A profile of one's own: the text of a profile file with the curve that was fitted to telemetry, and where it is from."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from carbon.hardware.curve import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbon.hardware.fit import Fit, Part

METHOD = "least squares without outliers, idle <= context <= load <= 1.2 x tdp"
SHAPE = "context + s(u) (load - context); s = u for decode, 2u - u^1.4 for prefill and train (Fan, Weber, Barroso 2007)"
RATIOS = "as measured on one H200, docs/hardware.md"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DECIMALS = 1  # meters of devices err by more than 0.1 W


def with_curve(base: Mapping[str, Any], fit: Fit, name: str, source: str) -> dict[str, Any]:
    """Tables of a profile `name`: all of a base profile but its powers [W], which are those of a fit to `source`."""
    power = dict(base["power"])
    per_token = {key: figure for key, figure in power.get("load", {}).items() if key.endswith("_j_per_token")}
    power |= {"idle_w": _rounded(fit.idle_w._asdict()), "idle_basis": _words(fit.parts[0])}
    power |= {"load": _load(base, fit, per_token, source), "curve": curve_table(fit, source)}
    head = {"id": name, "name": base["name"], "based_on": base.get("based_on", base["id"])}
    return head | {key: value for key, value in base.items() if key not in head} | {"power": power}


def _load(base: Mapping[str, Any], fit: Fit, per_token: Mapping[str, float], source: str) -> dict[str, Any]:
    """Powers at full load [W] of a fit, and the energy per token [J] of the base profile with where that is from."""
    watts = {part.name: part.watts for part in fit.parts}
    table: dict[str, Any] = _rounded({f"{load}_w": watts[load] for load in ("context", *KINDS)})
    told = f"{source}; see power.curve"
    if per_token:
        told += f". Energy per token as before: {base['power']['load'].get('source', 'not said')}"
    return table | dict(per_token) | {"source": told}


def curve_table(fit: Fit, source: str) -> dict[str, Any]:
    """How a curve was fitted: to what, how each power was found, `rmse_w` [W] and `energy_error` [1]."""
    table: dict[str, Any] = {"method": METHOD, "shape": SHAPE, "samples": fit.samples, "outliers": fit.outliers}
    table |= {"rmse_w": round(fit.rmse_w, 2), "energy_error": round(fit.bias, 5) + 0.0}
    return table | {part.name: _words(part) for part in fit.parts} | {"source": source}


def _words(part: Part) -> str:
    """How a power was found, with its samples; what the telemetry lacks says whose ratio stands in."""
    if not part.samples:
        return f"{part.found} ({RATIOS})" if part.name in KINDS and " x 1.000" not in part.found else part.found
    reach = f"{part.samples} sample{'s' * (part.samples != 1)}"
    reach += f" at busy fraction {part.busy_low:.3g}"
    reach += f" to {part.busy_high:.3g}" if part.busy_high > part.busy_low else ""
    return f"{part.found}: {reach}, RMSE {part.rmse_w:.2f} W"


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(figure, _DECIMALS) for name, figure in figures.items()}


def to_toml(tables: Mapping[str, Any], name: str = "") -> str:
    """TOML of nested tables, plain values before the tables in each; ranges such as { low, central, high } in one line."""
    inner = {key: value for key, value in tables.items() if isinstance(value, dict) and not _is_range(value)}
    listed = {key: value for key, value in tables.items() if _is_list_of_tables(value)}
    lines = [f"[{name}]"] if name else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in tables.items() if key not in inner | listed]
    parts = ["\n".join(lines) + "\n"] if lines else []
    parts += [to_toml(one, f"[{_below(name, key)}]") for key, value in listed.items() for one in value]
    parts += [to_toml(value, _below(name, key)) for key, value in inner.items()]
    return "\n".join(parts)


def _below(name: str, key: str) -> str:
    return f"{name}.{_key(key)}" if name else _key(key)


def _is_list_of_tables(value: object) -> bool:
    """A list of tables of plain values or ranges, which is written as sections."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and _is_flat(one) for one in value)


def _is_flat(table: dict[str, Any]) -> bool:
    return bool(table) and all(not isinstance(value, dict) or _is_range(value) for value in table.values())


def _is_range(table: Mapping[str, Any]) -> bool:
    return bool(table) and all(isinstance(value, int | float) for value in table.values()) and "central" in table


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())} }}" if value else "{}"
    return repr(value)
