"""A small network made up for the demo: the same files each time, and every one of them says so."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from carbon.config import FILE, to_toml
from carbon.core.errors import UsageError
from carbon.core.write import write_new
from carbon.hardware.profiles import find_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MONTHS = ("2026-09", "2026-10")
LAST_MONTH = MONTHS[-1]
NOTE = "MADE-UP.txt"
NOTE_TEXT = """This project was written by `carbon demo`.
Its nodes, operators and workload are made up: no such network exists.
Intensities come from the bundled typical and annual tables, hardware from the bundled profiles.
"""
_FIRST, _AFTER = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
_HEADER = "start,end,node,energy_kwh,requests,input_tokens,output_tokens,product,model,mode,activity\n"


class _Node(NamedTuple):
    name: str
    operator: str
    hardware: str
    devices: int
    zone: str
    pue: float
    product: str
    model: str
    mode: str
    boundary: str = "own"
    in_service: str = "2025-03-01"
    retired: str = ""
    place: str = "50.1,8.7"
    solar_hour: int = 0


_FRANKFURT, _AMSTERDAM, _STOCKHOLM, _MADRID, _LONDON = "50.1,8.7", "52.4,4.9", "59.3,18.1", "40.4,-3.7", "51.5,-0.1"
_SAN_JOSE, _DALLAS, _SYDNEY = "37.3,-121.9", "32.8,-96.8", "-33.9,151.2"
_NODES = (
    _Node("fra-01", "Rheingrid", "h100-sxm5-80gb", 8, "DE", 1.25, "chat", "llama-70b", "vanilla", solar_hour=1),
    _Node("fra-02", "Rheingrid", "h100-sxm5-80gb", 8, "DE", 1.25, "chat", "llama-70b", "tee", solar_hour=1),
    _Node("fra-03", "Rheingrid", "h200-sxm-141gb", 8, "DE", 1.22, "agents", "mixtral-8x22b", "tee", in_service="2026-10-06", solar_hour=1),
    _Node("ams-01", "Rheingrid", "l40s", 2, "NL", 1.2, "embed", "bge-large", "vanilla", place=_AMSTERDAM),
    _Node("ams-02", "Rheingrid", "a100-sxm4-80gb", 8, "NL", 1.2, "agents", "mixtral-8x22b", "vanilla", place=_AMSTERDAM, in_service="2023-06-01"),
    _Node("sto-01", "Nordlys", "h100-sxm5-80gb", 8, "SE", 1.08, "chat", "llama-70b", "vanilla", place=_STOCKHOLM, solar_hour=1),
    _Node("sto-02", "Nordlys", "h100-sxm5-80gb", 8, "SE", 1.08, "agents", "mixtral-8x22b", "tee", place=_STOCKHOLM, solar_hour=1),
    _Node("sto-03", "Nordlys", "l4", 2, "SE", 1.1, "embed", "bge-large", "vanilla", place=_STOCKHOLM, solar_hour=1),
    _Node("mad-01", "Nordlys", "a100-pcie-80gb", 2, "ES", 1.3, "embed", "bge-large", "vanilla", place=_MADRID, in_service="2022-11-01", retired="2026-10-18"),
    _Node("lon-01", "Albion Compute", "h100-pcie-80gb", 2, "GB", 1.3, "chat", "llama-8b", "tee", place=_LONDON),
    _Node("lon-02", "Albion Compute", "h100-nvl-94gb", 2, "GB", 1.3, "agents", "llama-8b", "zkml", place=_LONDON),
    _Node("lon-03", "Albion Compute", "rtx4090", 2, "GB", 1.1, "embed", "bge-large", "vanilla", place=_LONDON),
    _Node("sjc-01", "Golden Hash", "h100-sxm5-80gb", 8, "US-CAL-CISO", 1.15, "chat", "llama-70b", "vanilla", place=_SAN_JOSE, solar_hour=-8),
    _Node("sjc-02", "Golden Hash", "h200-sxm-141gb", 8, "US-CAL-CISO", 1.15, "agents", "mixtral-8x22b", "tee", place=_SAN_JOSE, solar_hour=-8),
    _Node("sjc-03", "Golden Hash", "l4", 2, "US-CAL-CISO", 1.15, "chat", "gateway", "proxy", place=_SAN_JOSE, solar_hour=-8),
    _Node("dfw-01", "Golden Hash", "h100-sxm5-80gb", 8, "US-TEX-ERCO", 1.35, "chat", "llama-70b", "vanilla", place=_DALLAS, solar_hour=-6),
    _Node("dfw-02", "Golden Hash", "rtx4090", 2, "US-TEX-ERCO", 1.1, "agents", "llama-8b", "zkml", place=_DALLAS, solar_hour=-6),
    _Node("syd-01", "Southern Cloud", "a100-sxm4-80gb", 8, "AU-NSW", 1.4, "chat", "llama-70b", "vanilla", "purchased", place=_SYDNEY, solar_hour=10),
    _Node("syd-02", "Southern Cloud", "l40s", 2, "AU-NSW", 1.4, "embed", "bge-large", "vanilla", "purchased", place=_SYDNEY, solar_hour=10),
    _Node("roam-01", "Nordlys", "rtx5090", 2, "DE", 1.15, "agents", "llama-8b", "vanilla", "leased", solar_hour=1),
)  # fmt: skip
_INSTRUMENTS = """\
id,kind,market,start,end,mwh,intensity_g_per_kwh,technology,renewable,node,registry,serial_from,serial_to,retired_on,beneficiary,source
GO-DE-1,certificate,DE,2026-07-01,2026-10-01,15,0,wind,yes,,made up,1,15,2026-11-10,Demo network (made up),made up
PPA-US-1,contract,US,2026-09-01,2026-11-01,6,0,solar,yes,,,,,,,made up
"""
_FLEET = """\
asset,node,profile,devices,acquired,in_service,valid_from,retired,fate
mad-cards,mad-01,a100-pcie-80gb,2,2022-10-10,2022-11-01,,2026-10-18,resold
sto-first,sto-01,h100-sxm5-80gb,8,2025-02-10,2025-03-01,,,
sto-first,sto-01,h100-sxm5-80gb,7,2025-02-10,2025-03-01,2026-10-09,,failed
sto-spare,sto-01,h100-sxm5-80gb,1,2026-10-09,2026-10-09,,,
"""
_MODELS = """\
model,provider,zone,pue,input_j_per_token,output_j_per_token,year,source
gateway,Outer Models (made up),US-CAL-CISO,1.2,0.1,1.5,2026,made up
"""
_MOVES = {"roam-01": ("SE", "2026-10-12", _STOCKHOLM)}


def write_demo(folder: Path) -> None:
    """Write the demo project; files that exist are left as they are.

    Raises UsageError when the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / NOTE).exists():
        raise UsageError(f"{folder} is not empty and was not written by `carbon demo`; name a new folder")
    files: dict[Path, Callable[[], str]] = {
        folder / NOTE: lambda: NOTE_TEXT,
        folder / FILE: lambda: to_toml().replace('name = ""', 'name = "Demo network (made up)"', 1),
        folder / "nodes.csv": lambda: "".join(_register()),
        folder / "fleet.csv": lambda: _FLEET,
        folder / "instruments.csv": lambda: _INSTRUMENTS,
        folder / "models.csv": lambda: _MODELS,
        **{folder / "workload" / f"{month}.csv": partial(_workload, month) for month in MONTHS},
    }
    for path, text in files.items():
        if not path.exists():
            write_new(path, text())


def _workload(month: str) -> str:
    return _HEADER + "".join(_rows(month))


def _register() -> Iterator[str]:
    yield "node,operator,hardware,devices,zone,pue,boundary,operated,in_service,retired,valid_from,latitude,longitude\n"
    for node in _NODES:
        operated = "true" if node.boundary in {"own", "leased"} else "false"
        fixed = f"{node.name},{node.operator},{node.hardware},{node.devices}"
        service = f"{node.pue},{node.boundary},{operated},{node.in_service},{node.retired}"
        yield f"{fixed},{node.zone},{service},,{node.place}\n"
        if node.name in _MOVES:
            zone, day, place = _MOVES[node.name]
            yield f"{fixed},{zone},{service},{day},{place}\n"


def _rows(month: str) -> Iterator[str]:
    """Hourly rows of every node in a month; proved nodes have their proofs, and busy ones their retries, as rows apart."""
    random_ = random.Random(month)
    for node in _NODES:
        idle_kw, full_kw = _power_kw(node)
        for hour in _hours(node, month):
            busy = _busy(node, hour, random_)
            kwh = idle_kw + busy * (full_kw - idle_kw)
            requests = round(busy * node.devices * 900)
            for activity, share, answered in _activities(node, requests):
                yield _row(node, hour, activity, kwh * share, answered)


def _activities(node: _Node, requests: int) -> Iterator[tuple[str, float, int]]:
    proof = {"zkml": 0.35, "tee": 0.06}.get(node.mode, 0.0)
    retry = 0.03 if node.product == "chat" else 0.0
    yield "inference", 1 - proof - retry, requests
    if proof:
        yield "verification", proof, 0
    if retry:
        yield "retry", retry, 0


def _row(node: _Node, hour: datetime, activity: str, kwh: float, requests: int) -> str:
    start, end = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (hour, hour + timedelta(hours=1)))
    tokens = f"{requests},{requests * 700},{requests * 250}" if activity == "inference" else ",,"
    return f"{start},{end},{node.name},{kwh:.4f},{tokens},{node.product},{node.model},{node.mode},{activity}\n"


def _hours(node: _Node, month: str) -> Iterator[datetime]:
    hour = max(_FIRST, datetime.fromisoformat(f"{node.in_service}T00:00:00+00:00"))
    end = datetime.fromisoformat(f"{node.retired}T00:00:00+00:00") if node.retired else _AFTER
    while hour < min(end, _AFTER):
        if f"{hour:%Y-%m}" == month:
            yield hour
        hour += timedelta(hours=1)


def _busy(node: _Node, hour: datetime, random_: random.Random) -> float:
    """Busy fraction: a daily wave by solar time, quieter weekends, growing by a tenth a month, with noise."""
    wave = 0.5 - 0.35 * math.cos(2 * math.pi * ((hour.hour + node.solar_hour) - 3) / 24)
    weekday = 0.8 if hour.weekday() >= 5 else 1.0
    growth = 1 + 0.1 * (hour - _FIRST).days / 30
    return min(0.98, max(0.02, wave * weekday * growth * random_.gauss(0.85, 0.06)))


def _power_kw(node: _Node) -> tuple[float, float]:
    """Power of devices and hosts, idle and busy [kW], from the bundled profiles."""
    profile = find_profile(node.hardware)
    host = find_profile(profile.host)
    hosts = math.ceil(node.devices / profile.devices_per_host)
    idle = (profile.idle_w.central if profile.idle_w else 0) * node.devices + (
        host.idle_w.central if host.idle_w else 0
    ) * hosts
    full = 0.76 * (profile.tdp_w or 0) * node.devices + (host.tdp_w or 0) * 0.8 * hosts
    return idle / 1000, full / 1000
