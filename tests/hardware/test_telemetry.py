"""Samples of nvidia-smi, DCGM and plain files: the same figures however they are written, and nothing but figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError, NotFoundError
from carbon.hardware.telemetry import Samples, read_files, read_samples

SMI = """\
timestamp, uuid, name, power.draw [W], utilization.gpu [%], memory.used [MiB]
2026/10/25 02:30:00.123, GPU-a, NVIDIA L4, 41.30 W, 97 %, 20123 MiB
2026/10/25 02:30:00.123, GPU-b, NVIDIA L4, 14.00 W, 0 %, 3 MiB
2026/10/25 02:30:30.124, GPU-a, NVIDIA L4, 40.00 W, 50 %, 20123 MiB
"""
DCGM = """\
# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",modelName="NVIDIA L4"} 41.3
DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="GPU-b",modelName="NVIDIA L4"} 14
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",modelName="NVIDIA L4"} 97
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b",modelName="NVIDIA L4"} 0
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",modelName="NVIDIA L4"} 20123
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b",modelName="NVIDIA L4"} 3
DCGM_FI_DEV_MEMORY_TEMP{gpu="0",UUID="GPU-a",modelName="NVIDIA L4"} 9223372036854775794
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",modelName="NVIDIA L4"} 40
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",modelName="NVIDIA L4"} 50
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",modelName="NVIDIA L4"} 20123
"""
LONG = """\
time,__name__,UUID,modelName,value
1,DCGM_FI_DEV_POWER_USAGE,GPU-a,NVIDIA L4,41.3
1,DCGM_FI_DEV_GPU_UTIL,GPU-a,NVIDIA L4,97
1,DCGM_FI_DEV_FB_USED,GPU-a,NVIDIA L4,20123
1,DCGM_FI_DEV_POWER_USAGE,GPU-b,NVIDIA L4,14
1,DCGM_FI_DEV_GPU_UTIL,GPU-b,NVIDIA L4,0
1,DCGM_FI_DEV_FB_USED,GPU-b,NVIDIA L4,3
31,DCGM_FI_DEV_POWER_USAGE,GPU-a,NVIDIA L4,40
31,DCGM_FI_DEV_GPU_UTIL,GPU-a,NVIDIA L4,50
31,DCGM_FI_DEV_FB_USED,GPU-a,NVIDIA L4,20123
"""
PLAIN = "power_w,busy_fraction,memory_mib,device\n41.3,0.97,20123,GPU-a\n14,0,3,GPU-b\n40,0.5,20123,GPU-a\n"
EXPECTED = [(14.0, 0.0, 3.0), (40.0, 0.5, 20123.0), (41.3, 0.97, 20123.0)]


def in_series(text: str) -> str:
    """The long form with name and labels in one cell, as Prometheus writes a series."""
    lines = [line.split(",") for line in text.splitlines()[1:]]
    cells = [f'{time},"{name}{{UUID=""{uuid}"",modelName=""{model}""}}",{value}' for time, name, uuid, model, value in lines]
    return "\n".join(["Time,metric,Value", *cells])


def with_times(text: str) -> str:
    """The exposition with times, all series of a scrape together."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(f"{line} {1790000000000 if at < 7 else 1790000030000}" for at, line in enumerate(lines))


def wide(text: str) -> str:
    """A column a metric."""
    names = "time,UUID,modelName,DCGM_FI_DEV_POWER_USAGE,DCGM_FI_DEV_GPU_UTIL,DCGM_FI_DEV_FB_USED"
    values = [line.split(",") for line in text.splitlines()[1:]]
    rows = [",".join([*values[at][:1], *values[at][2:4], *(line[4] for line in values[at : at + 3])]) for at in (0, 3, 6)]
    return "\n".join([names, *rows])


def read(folder: Path, text: str | bytes, name: str = "gpu.csv", **options: str) -> tuple[Samples, list[str]]:
    """Samples of a file with that text, and the codes of its findings."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    samples, findings = read_samples(path, **options)
    return samples, [finding.code for finding in findings]


def figures(samples: Samples) -> list[tuple[float, float, float]]:
    return sorted(zip(samples.power_w.tolist(), samples.busy.tolist(), samples.memory_mib.tolist(), strict=True))


FORMS = {
    "nvidia-smi": SMI,
    "without units": SMI.replace(" W,", ",").replace(" %,", ",").replace(" MiB\n", "\n"),
    "units in no header": SMI.replace(" [W]", "").replace(" [%]", "").replace(" [MiB]", ""),
    "header again": SMI + SMI.splitlines()[0] + "\n",
    "utf-8 with a mark": SMI.encode("utf-8-sig"),
    "utf-16": SMI.encode("utf-16"),
    "crlf": SMI.replace("\n", "\r\n"),
    "milliwatts": SMI.replace("41.30 W", "41300 mW"),
    "average": SMI.replace("power.draw", "power.draw.average"),
    "exposition": DCGM,
    "exposition with times": with_times(DCGM),
    "samples": LONG,
    "samples as series": in_series(LONG),
    "samples in columns": wide(LONG),
    "plain": PLAIN,
    "semicolons": PLAIN.replace(",", ";").replace(".", ","),
    "elsewhere": PLAIN.replace("power_w", "mean_power_w") + "\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(tmp_path: Path, form: str) -> None:
    samples, codes = read(tmp_path, FORMS[form])
    assert figures(samples) == [pytest.approx(row) for row in EXPECTED]
    assert samples.devices == {"GPU-a", "GPU-b"}
    assert set(samples.load) == {"decode"}
    assert codes == []


BLANKS = ("[N/A]", "N/A", "[Not Supported]", "[Unknown Error]", "ERR!", "", "NaN", "+Inf", "2147483632", "9.3e18")


@pytest.mark.parametrize("blank", BLANKS)
def test_blanks_are_left_out_and_counted(tmp_path: Path, blank: str) -> None:
    samples, codes = read(tmp_path, SMI.replace("41.30 W", blank))
    assert figures(samples) == EXPECTED[:2]
    assert codes == ["blank-figure"]
    samples, codes = read(tmp_path, SMI.replace("20123 MiB", blank))
    assert np.isnan(samples.memory_mib).tolist().count(True) == 2
    assert codes == []


def test_the_next_column_stands_in_for_a_blank(tmp_path: Path) -> None:
    text = "power.draw [W], power.draw.instant [W], utilization.gpu [%]\n[N/A], 50.0 W, 10 %\n40 W, 60 W, 20 %\n"
    assert read(tmp_path, text)[0].power_w.tolist() == [50.0, 40.0]


@pytest.mark.parametrize("form", ["exposition", "exposition with times"])
def test_slices_of_a_device_are_one_sample(tmp_path: Path, form: str) -> None:
    """MIG: each instance repeats the power of the whole device, not always to the last digit; the highest counts."""
    text = str(FORMS[form])
    lines = [line.replace("{gpu=", f'{{GPU_I_ID="{slice_}",gpu=') for line in text.splitlines() for slice_ in (3, 4, 5)]
    lines[-9:-8] = [lines[-9].replace("} 40", "} 39.999")]
    assert figures(read(tmp_path, "\n".join(lines))[0]) == [pytest.approx(row) for row in EXPECTED]


def test_samples_of_one_device_alone(tmp_path: Path) -> None:
    samples, _ = read(tmp_path, SMI, device="GPU-a")
    assert figures(samples) == EXPECTED[1:]
    with pytest.raises(NotFoundError, match=r"no device 'GPU-z' in gpu\.csv; it has GPU-a, GPU-b"):
        read(tmp_path, SMI, device="GPU-z")


def test_several_models_need_a_choice(tmp_path: Path) -> None:
    text = SMI.replace("GPU-b, NVIDIA L4", "GPU-b, Tesla T4")
    with pytest.raises(InputError, match="holds several models: NVIDIA L4, Tesla T4; name one device of it with --device"):
        read(tmp_path, text)
    assert read(tmp_path, text, device="GPU-b")[0].models == ("Tesla T4",)


def test_several_files_are_read_together(tmp_path: Path) -> None:
    for name, text in (("a.csv", SMI), ("b.prom", DCGM), ("t4.csv", SMI.replace("NVIDIA L4", "Tesla T4"))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    samples, source, findings = read_files([tmp_path / "a.csv", tmp_path / "b.prom"], load="train")
    assert figures(samples) == sorted(EXPECTED * 2)
    assert set(samples.load) == {"train"}
    assert source.startswith("a.csv (sha256 ")
    assert not list(findings)
    with pytest.raises(InputError, match=r"a\.csv, t4\.csv: holds several models"):
        read_files([tmp_path / "a.csv", tmp_path / "t4.csv"])


def test_kinds_of_load_are_read_from_load_and_phase(tmp_path: Path) -> None:
    """A column load goes before phase; a word that names no kind leaves a working device out, not one at rest."""
    rows = ("duty_decode32_0.5,,300,.5", "prefill_4096,Train,600,1", ",,400,.7", "matmul,,600,1", "idle,,100,0")
    text = "\n".join(["phase,load,power_w,busy_fraction", *rows])
    samples, codes = read(tmp_path, text, load="mixed")
    assert samples.load.tolist() == ["decode", "train", "mixed", ""]
    assert codes == ["no-load"]


@pytest.mark.parametrize(
    ("row", "code"), [("50,1.5", "bad-busy"), ("50,-0.1", "bad-busy"), ("0,0.5", "bad-power"), ("-3,0.5", "bad-power")]
)
def test_figures_out_of_range_are_left_out_and_counted(tmp_path: Path, row: str, code: str) -> None:
    samples, codes = read(tmp_path, f"power_w,busy_fraction\n40,0.5\n41,0.6\n42,1\n{row}\n")
    assert (samples.power_w.tolist(), codes) == ([40.0, 41.0, 42.0], [code])


@pytest.mark.parametrize(
    ("code", "text", "word"),
    [
        ("empty", "", "holds no samples"),
        ("empty", "# HELP x\n\n", "holds no samples"),
        ("no-column", "time,temperature\n1,40\n", "no column of power"),
        ("no-column", "power_w\n40\n", "no column of busy fraction"),
        ("no-column", SMI.partition("\n")[2], "with its header"),
        ("no-column", 'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-a"} 40\n', "no column of busy fraction"),
        ("bad-busy", "power_w,busy_fraction\n40,50\n41,60\n42,1\n", "utilization.gpu"),
        ("not-text", b"\xff\x00\x81\x00", "not text"),
        ("not-text", b"PK\x03\x04\x00\x00", "not text"),
    ],
)
def test_files_that_hold_no_samples_are_refused(tmp_path: Path, code: str, text: str | bytes, word: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert {fault.code for fault in refused.value.findings} == {code}
    assert any(word in str(fault) for fault in refused.value.findings)


CELLS = st.lists(st.one_of(st.text(), st.floats(-1, 3).map(str)), max_size=6).map(",".join)


@given(st.one_of(st.text(), st.binary(), CELLS.map(lambda rest: f"power_w,busy_fraction\n{rest}")))
def test_any_file_gives_samples_or_findings(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    try:
        samples, _ = read(tmp_path_factory.mktemp("any"), text.encode(errors="replace") if isinstance(text, str) else text)
    except InputError:
        return
    assert np.isfinite(samples.power_w).all()
    assert ((samples.busy >= 0) & (samples.busy <= 1)).all()
