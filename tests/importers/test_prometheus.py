"""Meters out of saved answers of Prometheus: each device once, whatever slices, servers, pods and domains write of it."""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.core.findings import Findings
from carbon.importers.prometheus import read
from carbon.importers.prometheus_series import Options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from carbon.importers.records import Take

START = 1_790_812_800  # 2026-10-01, at midnight
HOUR_S = 3_600
NOW = Options((START + 40 * 86_400) * 1_000_000)
ENERGY, POWER = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_POWER_USAGE"
J_PER_KWH = 3.6e6

Samples = list[tuple[float, Any]]


def series(name: str, samples: Iterable[tuple[float, Any]], **labels: str) -> dict[str, object]:
    """A series of a matrix, by default of one device of node `a`; times [s] after START."""
    usual = {"Hostname": "a", "UUID": "GPU-1"} if name.startswith("DCGM") else {"instance": "a:9100"}
    named = {"__name__": name} if name else {}
    values = [[START + at, value if isinstance(value, str) else repr(value)] for at, value in samples]
    return {"metric": {**named, **usual, **labels}, "values": values}


def answer(found: Sequence[object], **more: object) -> dict[str, object]:
    """A whole answer."""
    return {"status": "success", "data": {"resultType": "matrix", "result": list(found)}, **more}


def take(text: str | bytes, options: Options = NOW) -> tuple[pd.DataFrame, list[Take], Findings]:
    """Meters of an answer, everything that came, and findings."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "answer.json"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        findings = Findings()
        takes = list(read(path, options, findings))
    return pd.concat([take.meters for take in takes], ignore_index=True), takes, findings


def meters(*found: object, options: Options = NOW, **more: object) -> tuple[pd.DataFrame, set[str]]:
    """Meters of series, and the codes of the findings."""
    rows, _, findings = take(json.dumps(answer(found, **more)), options)
    return rows, {finding.code for finding in findings}


def every(values: Iterable[Any], step: float = 60) -> Samples:
    """Values one step apart."""
    return [(step * place, value) for place, value in enumerate(values)]


def test_a_counter_that_began_again_gives_what_it_showed_since() -> None:
    rows, codes = meters(series(ENERGY, every([100, 160, 20, 50])))
    assert rows["value"].sum() * 3.6e9 == pytest.approx(110, rel=1e-12)
    assert codes == {"counter-reset"}
    assert rows[["node", "device", "part", "quality"]].to_numpy().tolist() == [["a", "GPU-1", "gpu", "measured"]]
    assert rows["start_us"].tolist() == [START * 1_000_000]
    assert rows["end_us"].tolist() == [(START + 180) * 1_000_000]


def test_four_slices_that_nearly_agree_are_one_device() -> None:
    """Figures of an A30 with four instances, each of which repeats the counter of the whole device."""
    first = [126_272_101_025, 126_272_101_025, 126_272_106_318, 126_272_101_025]
    found = [
        series(ENERGY, every([value, value + 9_900_000]), GPU_I_ID=str(place), GPU_I_PROFILE="1g.6gb")
        for place, value in enumerate(first, 3)
    ]
    rows, codes = meters(*found)
    assert rows["value"].sum() * 3.6e9 == pytest.approx(9_900_000, rel=1e-9)
    assert codes == {"same-time"}


def test_of_two_servers_the_one_with_more_samples_counts() -> None:
    whole, part = every([k * 6e6 for k in range(10)]), [(60 * k + 7, k * 6e6 + 7e5) for k in (0, 1, 2, 3, 8, 9)]
    pair = [series(ENERGY, part, prometheus_replica="r0"), series(ENERGY, whole, prometheus_replica="r1")]
    alone, _ = meters(series(ENERGY, whole))
    for order in (pair, pair[::-1]):
        rows, codes = meters(*order)
        pd.testing.assert_frame_equal(rows, alone)
        assert codes == {"replica-series"}


def test_another_pod_goes_on_where_the_first_one_ended() -> None:
    values = [k * 6e6 for k in range(8)]
    samples = every(values)
    rows, codes = meters(
        series(ENERGY, samples[:4], pod="x", namespace="one"), series(ENERGY, samples[4:], exported_pod="y", container="c")
    )
    assert rows["value"].sum() * 3.6e9 == pytest.approx(values[-1], rel=1e-12)
    assert codes == set()


def test_the_counter_comes_before_the_gauge_and_the_gauge_alone_counts() -> None:
    counter, gauge = series(ENERGY, every([k * 6e6 for k in range(5)])), series(POWER, every([500.0] * 5))
    rows, codes = meters(gauge, counter)
    assert rows["value"].sum() * 3.6e9 == pytest.approx(4 * 6e6)
    assert codes == {"held-already"}
    rows, codes = meters(gauge)
    assert rows["value"].sum() == pytest.approx(500 * 240 / J_PER_KWH)
    assert codes == set()
    rows, _ = meters(counter, series(POWER, every([500.0] * 5), UUID="GPU-2"))
    assert sorted(rows["device"]) == ["GPU-1", "GPU-2"]


@pytest.mark.parametrize("blank", [9223372036854775794, 2147483632, 140737488355328, "NaN", "+Inf", "-Inf", -5])
def test_what_is_no_value_is_left_out(blank: object) -> None:
    rows, codes = meters(series(ENERGY, [(0, 0), (60, 6e6), (120, blank), (180, 18e6)]))
    assert rows["value"].sum() * 3.6e9 == pytest.approx(18e6)
    assert codes == {"blank-figure"}
    rows, codes = meters(series(POWER, [(0, 100.0), (60, 100.0), (120, blank), (180, 100.0)]))
    assert rows["value"].sum() == pytest.approx(100 * 180 / J_PER_KWH)
    assert codes == {"blank-figure"}


def test_a_jump_that_no_device_can_make_is_left_out() -> None:
    rows, codes = meters(series(ENERGY, every([0, 6e6, 6e6 + 1_681e3 * 60, 12e6 + 1_681e3 * 60])))
    assert rows["value"].sum() * 3.6e9 == pytest.approx(12e6)
    assert codes == {"counter-jump"}
    rows, codes = meters(series(ENERGY, every([0, 1_679e3 * 60])))
    assert codes == set()
    assert rows["value"].sum() * 3.6e9 == pytest.approx(1_679e3 * 60)


def test_a_gap_keeps_the_energy_of_a_counter_and_marks_it() -> None:
    rows, _ = meters(series(ENERGY, [*every([0, 6e6, 12e6]), (3_000, 12e6 + 48 * 6e6), (3_060, 12e6 + 49 * 6e6)]))
    assert rows["value"].sum() * 3.6e9 == pytest.approx(12e6 + 49 * 6e6)
    across = rows[rows["quality"].eq("interpolated")]
    assert (across["end_us"] - across["start_us"]).tolist() == [2_880_000_000]
    rows, codes = meters(series(POWER, [*every([100.0] * 3), (3_000, 100.0), (3_060, 100.0)]))
    assert rows["value"].sum() == pytest.approx(100 * 180 / J_PER_KWH)
    assert "power-gap" in codes


@pytest.mark.parametrize(("labels", "label", "node", "code"), [
    ({"Hostname": "n1", "instance": "10.0.0.1:9400"}, "", "n1", ""),
    ({"Hostname": "", "instance": "10.0.0.1:9400"}, "", "10.0.0.1", ""),
    ({"Hostname": "", "instance": "[fe80::1]:9400"}, "", "fe80::1", ""),
    ({"Hostname": "dcgm-exporter-sn5rp", "node": "n2", "instance": "x:1"}, "", "n2", "pod-as-host"),
    ({"Hostname": "p-1", "pod": "p-1", "instance": "n3:9400"}, "", "n3", "pod-as-host"),
    ({"Hostname": "n1", "rack_node": "n4"}, "rack_node", "n4", ""),
    ({"Hostname": "dcgm-exporter-sn5rp"}, "Hostname", "dcgm-exporter-sn5rp", ""),
])  # fmt: skip
def test_the_node_is_the_machine_and_not_the_exporters_pod(labels: dict[str, str], label: str, node: str, code: str) -> None:
    rows, codes = meters(series(ENERGY, every([0, 1e6]), **labels), options=NOW._replace(node_label=label))
    assert rows["node"].tolist() == [node]
    assert codes == ({code} if code else set())


def test_series_without_their_node_or_device_are_counted() -> None:
    good = series(ENERGY, every([0, 1e6]))
    rows, codes = meters(good, series(ENERGY, every([0, 1e6]), UUID=""), options=NOW)
    assert (len(rows), codes) == (1, {"no-device"})
    rows, codes = meters(good, series(ENERGY, every([0, 1e6]), rack="r1"), options=NOW._replace(node_label="rack"))
    assert (rows["node"].tolist(), codes) == (["r1"], {"no-node"})


def test_processors_of_one_meter_package_and_memory_or_the_platform_alone() -> None:
    def kepler(zone: str, watts: float, path: str = "") -> dict[str, object]:
        labels = {"zone": zone, "path": path, "node_name": "a"}
        return series("kepler_node_cpu_joules_total", every([k * 60 * watts for k in range(4)]), **labels)

    rapl = "/sys/class/powercap/intel-rapl:"
    packages = [kepler("package", 100, f"{rapl}0"), kepler("package", 110, f"{rapl}1")]
    memory = [kepler("dram", 10, f"{rapl}0:0"), kepler("dram", 11, f"{rapl}1:0")]
    inner, platform = [kepler("core", 70, f"{rapl}0:1"), kepler("uncore", 5, f"{rapl}0:2")], [kepler("psys", 260)]
    exporter = [series("node_rapl_package_joules_total", every([k * 6_000.0 for k in range(4)]), index="0")]
    host = [series("scaph_host_energy_microjoules", every([k * 6e9 for k in range(4)]))]
    for found, watts in (
        ([*packages, *memory, *inner, *platform, *exporter, *host], 231),
        ([*inner, *platform, *exporter, *host], 260),
        ([*exporter, *host], 100),
        (host, 100),
    ):
        rows, _ = meters(*found)
        assert rows["value"].sum() == pytest.approx(watts * 180 / J_PER_KWH)
        assert set(rows["part"]) == {"cpu"}
    assert sorted(meters(*packages, *memory)[0]["device"]) == ["dram-0", "dram-1", "package-0", "package-1"]


def test_kepler_scaphandre_and_ipmi_by_their_units() -> None:
    rows, _ = meters(
        series("kepler_node_gpu_joules_total", every([0, 30_000.0]), gpu_uuid="GPU-9", gpu_name="L40S", node_name="a"),
        series("scaph_host_power_microwatts", every([2e8, 2e8]), instance="b:8080"),
        series("ipmi_dcmi_power_consumption_watts", every([900.0, 1100.0]), instance="c:9290"),
    )
    found = rows.set_index(["node", "part"])["value"] * J_PER_KWH / 60
    assert found.to_dict() == pytest.approx({("a", "gpu"): 500, ("b", "cpu"): 200, ("c", "node"): 1000})


def test_the_models_of_devices_are_told() -> None:
    one = series(ENERGY, every([0, 1e6]), modelName="NVIDIA H100 80GB HBM3")
    _, takes, _ = take(json.dumps(answer([one])))
    hosts = pd.concat([take.hosts for take in takes])
    assert hosts[["node", "device", "gpu"]].to_numpy().tolist() == [["a", "GPU-1", "NVIDIA H100 80GB HBM3"]]


def counts(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Counts by part and model."""
    return {(str(part), str(model)): value for (part, model), value in rows.groupby(["part", "model"])["value"].sum().items()}


def test_tokens_of_engines_add_up_and_what_was_aborted_is_told() -> None:
    def vllm(name: str, values: list[float], **labels: str) -> dict[str, object]:
        return series(f"vllm:{name}", every(values), **{"instance": "a:8000", "model_name": "m", "engine": "0", **labels})

    rows, _, findings = take(json.dumps(answer([
        vllm("prompt_tokens_total", [0, 100, 250]),
        vllm("prompt_tokens_total", [10, 15, 5], engine="1"),
        vllm("generation_tokens_total", [1000, 1040, 1060]),
        vllm("generation_tokens_total", [0, 7, 9], instance="a:8001"),
        vllm("generation_tokens_total", [0, 7, 9], instance="a:8001", job="scraped twice"),
        vllm("request_success_total", [0, 3, 4], finished_reason="stop"),
        vllm("request_success_total", [0, 1, 2], finished_reason="length"),
        vllm("request_success_total", [0, 0, 5], finished_reason="abort"),
        vllm("iteration_tokens_total", [0, 1e6, 2e6]), vllm("prompt_tokens_created", [1.7e9] * 3),
    ])))  # fmt: skip
    assert counts(rows) == {("input_tokens", "m"): 250 + 5 + 5, ("output_tokens", "m"): 60 + 9, ("requests", "m"): 6}
    told = {finding.code: finding.problem for finding in findings}
    assert told["aborted-requests"].endswith(": 5")
    assert told["other-metric"].endswith(": 2")
    assert told["counter-reset"].endswith(": 1")
    assert set(rows["node"]) == {"a"}


def test_tokens_of_sglang_and_tgi() -> None:
    def count(name: str, values: list[float], **labels: str) -> dict[str, object]:
        return series(name, every(values), **labels)

    rows, codes = meters(
        count("sglang:prompt_tokens_total", [0, 10], model_name="s"),
        count("sglang:generation_tokens_total", [0, 20], model_name="s"),
        count("sglang:e2e_request_latency_seconds_count", [0, 2], model_name="s"),
        count("sglang:num_requests_total", [0, 3], model_name="s"),
        count("tgi_request_input_length_sum", [0, 5], instance="b:80"),
        count("tgi_request_generated_tokens_sum", [0, 6], instance="b:80"),
        count("tgi_request_success", [0, 1], instance="b:80"),
    )  # fmt: skip
    assert counts(rows) == {
        ("input_tokens", "s"): 10, ("output_tokens", "s"): 20, ("requests", "s"): 2,
        ("input_tokens", ""): 5, ("output_tokens", ""): 6, ("requests", ""): 1,
    }  # fmt: skip
    assert codes == {"held-already"}


def test_only_wanted_parts_are_read() -> None:
    rows, codes = meters(
        series(ENERGY, every([0, 1e6])), series("vllm:prompt_tokens_total", every([0, 5])),
        options=NOW._replace(parts=("input_tokens",)),
    )  # fmt: skip
    assert (rows["part"].tolist(), codes) == (["input_tokens"], set())


def test_increase_of_windows_once_whatever_their_border() -> None:
    """Samples of increase(…[1h]) tell of the hour before; a border that came twice counts once."""
    values = [(HOUR_S, 2.5e9), (2 * HOUR_S, 3e9), (2 * HOUR_S, 3e9), (3 * HOUR_S, 2e9)]
    options = NOW._replace(metric=ENERGY, window_us=HOUR_S * 1_000_000)
    rows, codes = meters(series("", values, Hostname="a", UUID="GPU-1"), options=options)
    assert (rows["value"] * 3.6e9).tolist() == pytest.approx([2.5e9, 3e9, 2e9])
    assert (rows["start_us"] // 1_000_000 - START).tolist() == [0, HOUR_S, 2 * HOUR_S]
    assert codes == set()
    vector = {"metric": {"Hostname": "a", "UUID": "GPU-1"}, "value": [START + HOUR_S, "2.5e9"]}
    text = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [vector]}})
    rows, _, findings = take(text, options)
    assert (rows["value"] * 3.6e9).tolist() == pytest.approx([2.5e9])
    assert len(findings) == 0


def test_series_without_a_name_need_to_say_what_a_sample_counts() -> None:
    found = series("", every([2.5e9, 2.6e9], HOUR_S), Hostname="a", UUID="GPU-1")
    with pytest.raises(InputError, match=r"give --window 1h .* or --window raw") as caught:
        meters(found, options=NOW._replace(metric=ENERGY))
    assert [finding.code for finding in caught.value.findings] == ["no-window"]
    rows, _ = meters(found, options=NOW._replace(metric=ENERGY, raw=True))
    assert rows["value"].sum() * 3.6e9 == pytest.approx(1e8)
    rows, _ = meters(series(ENERGY, every([0, 1e8])), options=NOW._replace(metric=ENERGY))  # it has a name
    assert len(rows) == 1


def test_a_vector_of_a_counter_is_one_sample_and_says_so() -> None:
    vector = {"metric": {"__name__": ENERGY, "Hostname": "a", "UUID": "GPU-1"}, "value": [START + 0.5, "8.6e9"]}
    with pytest.raises(InputError, match="has one sample of a meter") as caught:
        take(json.dumps({"status": "success", "data": {"resultType": "vector", "result": [vector]}}))
    assert [finding.code for finding in caught.value.findings] == ["nothing-usable", "lone-sample"]


def test_samples_of_the_future_are_left_out() -> None:
    options = Options((START + 60) * 1_000_000)
    rows, codes = meters(series(ENERGY, [(0, 0), (60, 6e6), (150, 15e6), (420, 42e6)]), options=options)
    assert rows["value"].sum() * 3.6e9 == pytest.approx(15e6)
    assert codes == {"future-time", "far-clock"}


def test_cut_to_a_range_in_proportion() -> None:
    within = ((START + 90) * 1_000_000, (START + 200) * 1_000_000)
    rows, _ = meters(series(ENERGY, every([0, 6e6, 18e6, 21e6, 27e6])), options=NOW._replace(within_us=within))
    assert rows["value"].sum() * 3.6e9 == pytest.approx(6e6 + 3e6 + 2e6)
    assert (rows["start_us"].min(), rows["end_us"].max()) == within


@pytest.mark.parametrize("dump", [{}, {"indent": 2}, {"separators": (",", ":")}, {"sort_keys": True}])
def test_however_the_json_is_written(dump: dict[str, Any]) -> None:
    odd = series(ENERGY, every([5, 12e6]), UUID='"values":[[1')
    found = [series(ENERGY, every([0, 6e6])), series(ENERGY, [], UUID="GPU-2"), odd]
    expected, _ = meters(*found)
    assert len(expected) == 2
    for whole in (answer(found), answer(found)["data"]["result"]):  # type: ignore[index]
        for text in (json.dumps(whole, **dump), "\ufeff" + json.dumps(whole, **dump)):
            rows, _, _ = take(text)
            pd.testing.assert_frame_equal(rows, expected)


def test_what_the_server_says_beside_the_data_is_shown() -> None:
    one = series(ENERGY, every([0, 1e6]))
    assert meters(one, warnings=["10 stores failed"], infos=["x"])[1] == {"server-warning", "server-info"}
    assert meters(one, warnings=["partial response: no store matched"])[1] == {"server-warning", "partial-answer"}
    assert meters(one, isPartial=True)[1] == {"partial-answer"}


WHOLE = json.dumps(answer([series(ENERGY, every([k * 1e6 for k in range(50)])), series(ENERGY, every([0, 1]), UUID="GPU-2")]))


@pytest.mark.parametrize(("text", "code", "said"), [
    ("", "foreign-file", "holds nothing"),
    ("   \n", "foreign-file", "holds nothing"),
    ("<!DOCTYPE html><html>login</html>", "foreign-file", "is a web page"),
    (b"\x00\x01PAR1", "foreign-file", "is not text"),
    ("timestamp, uuid, power.draw [W]\n", "foreign-file", "carbon import nvidia-smi"),
    ("# HELP vllm:x y\n# TYPE vllm:x counter\nvllm:x 5\n", "foreign-file", "/metrics"),
    ('vllm:generation_tokens_total{engine="0"} 8.1234e+06\n', "foreign-file", "/metrics"),
    ('{"status":"error","errorType":"bad_data","error":"exceeded 11,000"}', "server-error", "bad_data: exceeded"),
    ('{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}', "wrong-format", "no matrix or vector"),
    ('{"a":1}', "wrong-format", "no matrix or vector"),
    ("[1,2]", "wrong-format", "no matrix or vector"),
    ('{"metric":{"__name__":"x"},"values":[1,2],"timestamps":[3,4]}', "wrong-format", "samples"),
    (WHOLE[:-60], "unreadable", ""), (WHOLE[: WHOLE.index("[[") + 1], "wrong-format", ""), (WHOLE[:300], "unreadable", ""),
    (WHOLE[:-1], "unreadable", "JSON"), (WHOLE + "]", "unreadable", ""),
    (WHOLE.replace('"6000000.0"', '"six"'), "wrong-format", "samples"),
    (WHOLE.replace('"6000000.0"', '"6", "7"'), "wrong-format", "samples"),
    (WHOLE.encode().replace(b"GPU-2", b"GPU-\xff"), "unreadable", "UTF-8"),
    ("[" * 100_000, "unreadable", "nested too deep"),
    ("[]", "nothing-usable", "has no samples"), (json.dumps(answer([])), "nothing-usable", "has no samples"),
    (json.dumps(answer([series(ENERGY, [(100 * 86_400, 1), (100 * 86_400 + 60, 2)])])), "nothing-usable", "of the future alone"),
    (json.dumps(answer([series(ENERGY, [(999 * START, 1), (999 * START + 60_000, 2)])])), "nothing-usable", "milliseconds"),
    (json.dumps(answer([series(ENERGY, every(["NaN", "NaN"]))])), "nothing-usable", "nothing that could be counted"),
    (json.dumps(answer([series("up", every([1, 1]))])), "no-metric", "has no series that is read"),
])  # fmt: skip
def test_what_is_no_whole_answer_is_refused(text: str | bytes, code: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        take(text)
    assert [finding.code for finding in caught.value.findings if finding.severity == "error"] == [code]
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)


@st.composite
def scrapes(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Samples of a counter [mJ] that may begin again, at whole seconds over some hours, never faster than a device can."""
    at, value, found = draw(st.integers(0, HOUR_S)), draw(st.integers(0, 10**12)), []
    for _ in range(draw(st.integers(0, 30))):
        found.append((at, value))
        passed = draw(st.sampled_from([15, 30, 60, 60, 60, 400, 5_000]))
        at += passed
        rise = draw(st.integers(0, 1_600_000 * passed))
        value = rise if draw(st.integers(0, 9)) == 0 else value + rise
    return found


def judged(samples: list[tuple[int, int]]) -> dict[int, Fraction]:
    """Energy [mJ] by hour since START, one pair of samples after the other."""
    found: dict[int, Fraction] = defaultdict(Fraction)
    for (start, before), (end, after) in pairwise(samples):
        rise = after - before if after >= before else after
        for hour in range(start // HOUR_S, (end - 1) // HOUR_S + 1):
            inside = min(end, (hour + 1) * HOUR_S) - max(start, hour * HOUR_S)
            found[hour] += Fraction(rise * inside, end - start)
    return found


@given(st.lists(scrapes(), min_size=1, max_size=4), st.integers(1, 5), st.randoms(use_true_random=False))
def test_hours_of_many_devices_are_what_a_slow_sum_says(found: list[list[tuple[int, int]]], pods: int, chance: Any) -> None:
    """Devices whose samples are dealt out to pods that follow one another, in any order of series."""
    dealt = []
    for device, samples in enumerate(found):
        cuts = [0, *sorted(chance.randint(0, len(samples)) for _ in range(pods - 1)), len(samples)]
        hands = [samples[start:end] for start, end in pairwise(cuts)]
        dealt += [series(ENERGY, hand, UUID=f"GPU-{device}", pod=str(pod)) for pod, hand in enumerate(hands) if hand]
    if all(len(samples) < 2 for samples in found):
        return
    chance.shuffle(dealt)
    rows, _ = meters(*dealt)
    hours = (rows["start_us"] // 1_000_000 - START) // HOUR_S
    summed = rows["value"].groupby([rows["device"], hours]).sum().to_dict()
    hourly = {(f"GPU-{device}", hour): mj for device, samples in enumerate(found) for hour, mj in judged(samples).items()}
    expected = {key: mj / 3_600_000_000 for key, mj in hourly.items()}
    assert set(summed) == set(expected)
    for key, kwh in expected.items():
        assert summed[key] == pytest.approx(float(kwh), rel=1e-9, abs=1e-15)
