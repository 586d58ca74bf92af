"""A real Prometheus scrapes a counter that begins again; what is imported is what was played."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.core.time import isoformat
from tests.cli.project import write_small
from tests.importers.play import PROMETHEUS, WHY_NOT, Prometheus, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WATTS, BOOT_MJ, TOKENS_PER_S = 600.0, 8.6e12, 40.0
RUN_S, RESET_AT_S = 10.0, 5.0
J_PER_KWH = 3.6e6


class Exporter:
    """Plays a device's counter, which begins again after a while, its gauge, and the tokens of a server, once it is asked."""

    began = 0.0

    def page(self, path: str, form: dict[str, str], headers: Mapping[str, str]) -> Reply:
        """The page of metrics at this moment."""
        self.began = self.began or time.time()
        passed = time.time() - self.began
        value = BOOT_MJ + passed * WATTS * 1e3 if passed < RESET_AT_S else (passed - RESET_AT_S) * WATTS * 1e3
        labels = '{gpu="0",UUID="GPU-1",modelName="NVIDIA H100 80GB HBM3",Hostname="a",pod="chat-0"}'
        copies = "".join(
            f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{labels[:-1]},GPU_I_ID=\"{part}\"}} {value + part:.0f}\n" for part in (3, 4)
        )
        tokens = f'vllm:generation_tokens_total{{engine="0",model_name="m",node="a"}} {passed * TOKENS_PER_S:.0f}\n'
        gauge = f"DCGM_FI_DEV_POWER_USAGE{labels} {WATTS}\n"
        alone = gauge.replace("GPU-1", "GPU-2").replace('"0"', '"1"')
        return Reply(200, copies + gauge + alone + tokens, {"Content-Type": "text/plain; version=0.0.4"})


def _wait(condition: Callable[[], bool]) -> None:
    """Wait for something that takes a few seconds."""
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("the exporter was not scraped")


@pytest.mark.skipif(PROMETHEUS is None, reason=WHY_NOT)
def test_what_a_real_prometheus_scraped_is_what_was_played(tmp_path: Path) -> None:
    """Energy of a counter (two slices, one reset) and of a gauge without one, and tokens, each within a scrape."""
    project = write_small(tmp_path / "network")
    (tmp_path / "prometheus").mkdir()
    exporter = Exporter()
    with Server(exporter.page) as pages, Prometheus(tmp_path / "prometheus", {"dcgm": pages.url}) as prometheus:
        _wait(lambda: exporter.began > 0)
        time.sleep(exporter.began + RUN_S - time.time())
        from_, to = (isoformat(round(at) * 1_000_000) for at in (exporter.began + 1.5, time.time() - 1))
        words = "--url", prometheus.url, "--from", from_, "--to", to, "--step", "1s"
        first = project.run("import", "prometheus", *words)
        assert first.code == 0, first.text
        kept = {path: path.read_text() for path in (project.folder / "workload" / "imported").glob("*.csv")}
        again = project.run("import", "prometheus", *words)
        listed = project.csv("import", "list")
    assert again.code == 0, again.text
    assert kept == {path: path.read_text() for path in (project.folder / "workload" / "imported").glob("*.csv")}
    assert set(listed["importer"]) == {"prometheus"}
    seconds = (pd.Timestamp(to) - pd.Timestamp(from_)).total_seconds()
    meters = pd.concat(pd.read_parquet(path) for path in (project.folder / "imported" / "meters").rglob("*.parquet"))
    found = meters.groupby(["part", "device"])["value"].sum()
    scrape = WATTS / J_PER_KWH
    assert found["gpu", "GPU-2"] == pytest.approx(seconds * scrape, abs=1.01 * scrape)
    assert found["gpu", "GPU-1"] == pytest.approx(seconds * scrape, abs=2.02 * scrape)  # a scrape at the end, one at the reset
    assert found["output_tokens"].sum() == pytest.approx(seconds * TOKENS_PER_S, abs=2 * TOKENS_PER_S)
    assert set(meters["node"]) == {"a"}
    assert "counters began again" in first.err
    rows = pd.concat(pd.read_csv(path) for path in kept)
    assert rows["energy_kwh"].sum() > found["gpu"].sum()  # the host was added
    assert rows["output_tokens"].sum() == found["output_tokens"].sum()
