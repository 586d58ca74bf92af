"""Names of devices and rented machines: what each stands for, and what stands for nothing."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.hardware.names import Instance, instance_of, plain_instance, profile_of_gpu
from carbon.hardware.profiles import find_profile, profile_files
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ROOT / "hardware_profiles"
WRITTEN = {
    "NVIDIA H100 80GB HBM3": "h100-sxm5-80gb", "NVIDIA-H100-80GB-HBM3": "h100-sxm5-80gb",
    "NVIDIA H100 PCIe": "h100-pcie-80gb", "NVIDIA H100 NVL": "h100-nvl-94gb", "H100 SXM5 80GB": "h100-sxm5-80gb",
    "nvidia-h100-mega-80gb": "h100-sxm5-80gb", "NVIDIA H200": "h200-sxm-141gb", "NVIDIA H200 SXM 141GB": "h200-sxm-141gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm4-80gb", "A100-SXM-80GB": "a100-sxm4-80gb", "NVIDIA A100-SXM4-40GB": "a100-sxm4-40gb",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb", "NVIDIA A100 80GB PCIe": "a100-pcie-80gb",
    "NVIDIA A100 PCIe 80GB": "a100-pcie-80gb", "nvidia-tesla-a100": "a100-sxm4-40gb", "nvidia-a100-80gb": "a100-sxm4-80gb",
    "Tesla T4": "t4", "nvidia-tesla-t4": "t4", "Tesla-T4-SHARED": "t4", "Tesla V100-SXM2-32GB": "v100-sxm2-32gb",
    "NVIDIA L4": "l4", "NVIDIA L40S": "l40s", "NVIDIA A10": "a10", "NVIDIA B200": "b200-sxm-180gb", "NVIDIA GB200": "gb200-gpu",
    "NVIDIA GeForce RTX 4090": "rtx4090", "GeForce RTX 3090": "rtx3090", "NVIDIA GeForce RTX 5090": "rtx5090",
    "AMD Instinct MI300X OAM": "mi300x", "AMD Instinct MI300X": "mi300x", "AMD Instinct MI250X": "mi250x",
}  # fmt: skip
# Another card, a slice of one, or what could be two.
NOT_KNOWN = (
    "", "NVIDIA", "GPU", "NVIDIA H100", "H100 80GB", "NVIDIA A100", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA H800",
    "NVIDIA H20",
    "NVIDIA GH200 480GB", "NVIDIA H200 NVL", "NVIDIA A10G", "NVIDIA L40", "NVIDIA T4G Tensor Core", "Tesla V100-SXM2-16GB",
    "NVIDIA A100-SXM-64GB", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "NVIDIA GeForce RTX 3090 Ti",
    "AMD Instinct MI250X / MI250", "AMD Instinct MI300A", "AMD Instinct MI325X", "NVIDIA GB300", "Apple M1",
)  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_names_as_drivers_and_clouds_write_them(name: str) -> None:
    assert profile_of_gpu(name) == WRITTEN[name]
    assert profile_of_gpu(f" {name.lower()} ") == WRITTEN[name]


@pytest.mark.parametrize("name", NOT_KNOWN)
def test_what_is_another_device_or_could_be_two_is_none(name: str) -> None:
    assert not profile_of_gpu(name)


@given(st.text(max_size=30))
def test_any_text_has_one_profile_of_ours_or_none(name: str) -> None:
    assert profile_of_gpu(name) in {"", *profile_files()}


def test_every_pattern_names_a_device_of_ours_and_each_device_has_one() -> None:
    with (TABLES / "gpu_names.csv").open(encoding="utf-8", newline="") as file:
        named = {row["profile"] for row in csv.DictReader(file)}
    assert named == {name for name in profile_files() if find_profile(name).kind == "gpu"}


def test_no_name_fits_patterns_of_two_profiles() -> None:
    """Each name is tried against every pattern alone, by the rule that the table states."""
    import re

    with (TABLES / "gpu_names.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in WRITTEN:
        plain = name.lower().removesuffix("-shared")
        fits = {row["profile"] for row in rows if re.fullmatch(row["pattern"].replace(" ", "[ _-]"), plain)}
        assert fits == {WRITTEN[name]}


@pytest.mark.parametrize("name", ["Standard_ND96isr_H100_v5", "ND96isr H100 v5", "nd96isr_h100_v5", " standard_nd96isr_H100_V5"])
@pytest.mark.parametrize("provider", ["Microsoft", "azure", "Microsoft Azure", ""])
def test_one_instance_by_all_its_names(provider: str, name: str) -> None:
    found = instance_of(provider, name)
    assert found is not None
    assert found[:5] == ("azure", "ND96isr_H100_v5", "NVIDIA H100 SXM5 80GB", 8.0, 96.0)
    assert (found.profile, found.host_share) == ("h100-sxm5-80gb", 1.0)


def test_an_instance_is_of_its_provider() -> None:
    assert instance_of("aws", "p5.48xlarge") is not None
    assert instance_of("Google Cloud", "p5.48xlarge") is None
    assert instance_of("AWS", "m5.xlarge") is None
    assert instance_of("", "") is None


@pytest.mark.parametrize(
    ("provider", "name", "count", "share"),
    [
        ("gcp", "a3-highgpu-1g", 1.0, 0.125), ("aws", "g6.xlarge", 1.0, 0.02083), ("aws", "g3s.xlarge", 1.0, 0.0625),
        ("azure", "NV6ads_A10_v5", 0.1667, 0.08333), ("aws", "gr6.8xlarge", 1.0, 0.1667), ("azure", "NC40ads_H100_v5", 1.0, 0.5),
    ],
)  # fmt: skip
def test_a_part_of_a_machine_has_its_share_of_the_processors(provider: str, name: str, count: float, share: float) -> None:
    found = instance_of(provider, name)
    assert found is not None
    assert (found.gpu_count, found.host_share) == (count, share)


def test_the_table_is_sound() -> None:
    with (TABLES / "instances.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({(row["provider"], plain_instance(row["instance"])) for row in rows}) == 124
    assert not {row["profile"] for row in rows} - {"", *profile_files()}
    assert all(0 < float(row["host_share"]) <= 1 and row["source"] and row["licence"] for row in rows)
    assert all(row["profile"] == profile_of_gpu(row["gpu"]) for row in rows)
    assert {row["gpu"] for row in rows if row["instance"].startswith("trn1")} == {"AWS Trainium"}


def test_rows_of_ones_own_come_first(tmp_path: Path) -> None:
    (tmp_path / "gpu_names.csv").write_text("pattern,profile,written_by\nnvidia a10g,a10,us\n", encoding="utf-8")
    (tmp_path / "instances.csv").write_text(
        "provider,instance,gpu,gpu_count,vcpu_count,memory_gb,host_share,profile,source,licence,verified\n"
        "Lambda,gpu_1x_a10,A10,1,30,200,1,a10,us,,\n", encoding="utf-8",
    )  # fmt: skip
    assert profile_of_gpu("NVIDIA A10G", str(tmp_path)) == "a10"
    assert profile_of_gpu("NVIDIA L4", str(tmp_path)) == "l4"
    assert instance_of("lambda", "gpu_1x_a10", str(tmp_path)) == Instance(
        "Lambda", "gpu_1x_a10", "A10", 1.0, 30.0, 200.0, 1.0, "a10", "us"
    )


@pytest.mark.parametrize(
    ("table", "text", "said"),
    [
        ("gpu_names", "pattern,profile\nx,l4\n", "lacks the columns written_by"),
        ("gpu_names", "pattern,profile,written_by\n(x,l4,us\n", "no regular expression"),
        ("instances", "provider,instance\na,b\n", "lacks the columns gpu, gpu_count"),
    ],
)
def test_a_faulty_table_of_ones_own_is_told(tmp_path: Path, table: str, text: str, said: str) -> None:
    (tmp_path / f"{table}.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        profile_of_gpu("x", str(tmp_path)) if table == "gpu_names" else instance_of("aws", "x", str(tmp_path))
