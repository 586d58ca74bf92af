"""Names of devices and of rented machines, with the profiles that they stand for; tools/make_profiles.py writes them."""

import re
from pathlib import Path

from make_grid_data import Row, read_rows

# What writes a name: the driver of the device (nvidia-smi, DCGM, Kepler, CodeCarbon; GPU feature discovery puts hyphens for
# blanks), or a cloud. Pattern and profile; a blank stands for one blank, hyphen or underscore.
DRIVER, GOOGLE, COMPILED = "device driver", "Google Cloud accelerator type", "instances.csv"
NAMES = (
    ("(nvidia )?(tesla )?t4( 16gb)?", "t4", DRIVER),
    ("(nvidia )?(tesla )?v100 sxm2 32gb", "v100-sxm2-32gb", DRIVER),
    ("(nvidia )?a10( 24gb)?", "a10", DRIVER),
    ("(nvidia )?(a100 pcie 40gb|a100 40gb pcie)", "a100-pcie-40gb", DRIVER),
    ("(nvidia )?(a100 pcie 80gb|a100 80gb pcie)", "a100-pcie-80gb", DRIVER),
    ("(nvidia )?(a100 sxm4? 40gb|a100 40gb sxm4?)", "a100-sxm4-40gb", DRIVER),
    ("(nvidia )?(a100 sxm4? 80gb|a100 80gb sxm4?)", "a100-sxm4-80gb", DRIVER),
    ("(nvidia )?l4( 24gb)?", "l4", DRIVER),
    ("(nvidia )?l40s( 48gb)?", "l40s", DRIVER),
    ("(nvidia )?(h100 pcie( 80gb)?|h100 80gb (pcie|hbm2e))", "h100-pcie-80gb", DRIVER),
    ("(nvidia )?h100 nvl( 94gb)?", "h100-nvl-94gb", DRIVER),
    ("(nvidia )?(h100 80gb hbm3|h100 sxm5?( 80gb)?|h100 80gb sxm5?)", "h100-sxm5-80gb", DRIVER),
    ("(nvidia )?h200( sxm5?)?( 141gb)?", "h200-sxm-141gb", DRIVER),
    ("(nvidia )?b200( sxm6?)?( 180gb)?", "b200-sxm-180gb", DRIVER),
    ("(nvidia )?gb200", "gb200-gpu", DRIVER),
    ("(nvidia )?(geforce )?rtx 3090( 24gb)?", "rtx3090", DRIVER),
    ("(nvidia )?(geforce )?rtx 4090( 24gb)?", "rtx4090", DRIVER),
    ("(nvidia )?(geforce )?rtx 5090( 32gb)?", "rtx5090", DRIVER),
    ("(amd )?(instinct )?mi250x( oam)?( 128gb)?", "mi250x", DRIVER),
    ("(amd )?(instinct )?mi300x( oam)?( 192gb)?", "mi300x", DRIVER),
    ("nvidia-tesla-a100", "a100-sxm4-40gb", GOOGLE),
    ("nvidia-a100-80gb", "a100-sxm4-80gb", GOOGLE),
    ("nvidia-h100(-mega)?-80gb", "h100-sxm5-80gb", GOOGLE),
)
COLUMNS = ("provider", "instance", "gpu", "gpu_count", "vcpu_count", "memory_gb")
# Families that are sold from the machines of another.
KIN = {"g3s": "g3", "gr6": "g6", "NCadis_H100_v5": "NCads_H100_v5"}
_FAMILIES = {"aws": r"[^.]+", "gcp": r"[a-z]\d+-[a-z]+", "azure": r"(?P<a>[A-Z]+)\d+(?P<b>\D.*)"}


def gpu_names() -> list[Row]:
    """List the patterns of device names, each with its profile and what writes it so."""
    return [dict(zip(("pattern", "profile", "written_by"), row, strict=True)) for row in NAMES]


def profile_of(gpu: str) -> str:
    """Profile of a device name, empty where none stands for it."""
    fits = (profile for pattern, profile, _ in NAMES if re.fullmatch(pattern.replace(" ", "[ _-]"), gpu.lower()))
    return next(fits, "")


def family_of(row: Row) -> tuple[str, ...]:
    """What instances of one machine have in common: the provider, the family, the device."""
    match = re.match(_FAMILIES[row["provider"]], row["instance"])
    name = "" if match is None else "".join(match.groupdict().values()) or match[0]
    return row["provider"], KIN.get(name, name), row["gpu"]


def instances(source: Path) -> list[Row]:
    """List rented machines with devices; `host_share` is the share of processors of the family's largest instance."""
    rows = read_rows(source / "tables" / "gpu_instances.csv")
    most: dict[tuple[str, ...], float] = {}
    for row in rows:
        most[family_of(row)] = max(float(row["vcpu_count"]), most.get(family_of(row), 0.0))
    return [
        {
            **{name: row[name] for name in COLUMNS},
            "host_share": f"{float(row['vcpu_count']) / most[family_of(row)]:.4g}",
            "profile": profile_of(row["gpu"]),
            **{name: row[name] for name in ("source", "licence", "verified")},
        }
        for row in rows
    ]
