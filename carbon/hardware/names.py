"""What names of devices and of rented machines stand for: hardware_profiles/gpu_names.csv and instances.csv."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import UsageError
from carbon.core.resources import table_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

# Providers by the first word of their names.
PROVIDERS = {
    "aws": "aws", "amazon": "aws", "azure": "azure", "microsoft": "azure", "gcp": "gcp", "google": "gcp",
}  # fmt: skip
_SHARED = re.compile(r"[ -]shared")  # what Kubernetes adds to the name of a device that several containers share


class Instance(NamedTuple):
    """A rented machine: its devices (a fraction where it holds a slice of one), processors, memory [GB].

    `profile` is that of its devices, empty where there is none; `host_share` [1] the part of a whole machine that it is.
    """

    provider: str
    instance: str
    gpu: str
    gpu_count: float
    vcpu_count: float
    memory_gb: float
    host_share: float
    profile: str
    source: str


def profile_of_gpu(name: str, own: str = "") -> str:
    """Profile of a device by the name that its driver or a cloud gives it; empty where none stands for it.

    Case, and hyphens or underscores for blanks, do not matter. What could be two devices is none, and so are slices of a
    device. Patterns of the folder `own` come first. Raises UsageError for a table of one's own that is faulty.
    """
    plain = _SHARED.sub("", " ".join(name.lower().split()))
    return next((profile for pattern, profile in _patterns(own) if pattern.fullmatch(plain)), "")


def instance_of(provider: str, name: str, own: str = "") -> Instance | None:
    """A rented machine by its name, `Standard_ND96isr_H100_v5` and `ND96isr H100 v5` alike; None where it is not known.

    `provider` is any of its names; empty where it is not known, for the instance of any. Rows of the folder `own` come
    first. Raises UsageError for a table of one's own that is faulty.
    """
    return _instances(own).get((provider_of(provider), plain_instance(name)))


def provider_of(name: str) -> str:
    """`aws`, `azure` or `gcp` by any of their names, such as Microsoft Corporation; of others the name in small letters."""
    plain = " ".join(name.lower().split())
    return PROVIDERS.get(plain.partition(" ")[0], plain)


def plain_instance(name: str) -> str:
    """Name of a rented machine in the one form that names are compared in."""
    return "_".join(name.lower().split()).removeprefix("standard_")


@cache
def _patterns(own: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(row["pattern"]), row["profile"]) for row in _rows("gpu_names", own))


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text.lower().replace(" ", "[ _-]"))
    except re.error as error:
        raise UsageError(f"gpu_names.csv: {text!r} is no regular expression ({error}); mend the pattern") from None


@cache
def _instances(own: str) -> Mapping[tuple[str, str], Instance]:
    """Instances by provider and plain name, and by plain name alone."""
    found: dict[tuple[str, str], Instance] = {}
    for row in _rows("instances", own):
        instance = _instance(row)
        for provider in (provider_of(instance.provider), ""):
            found.setdefault((provider, plain_instance(instance.instance)), instance)
    return found


def _instance(row: Mapping[str, str]) -> Instance:
    try:
        numbers = {name: float(row[name]) for name in ("gpu_count", "vcpu_count", "memory_gb", "host_share")}
    except ValueError as error:
        raise UsageError(f"instances.csv: {row['instance']!r}: {error}; mend the number") from None
    return Instance(**{name: row[name] for name in Instance._fields if name not in numbers}, **numbers)  # type: ignore[arg-type]


@cache
def _rows(table: str, own: str) -> tuple[Mapping[str, str], ...]:
    """Rows of a table, those of the folder `own` first."""
    return table_rows("hardware_profiles", table, own)
