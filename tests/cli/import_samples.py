"""A small file for each importer, as the examples of the help name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

POWER = "2026/10/01 02:{:02d}:00.000, GPU-1, NVIDIA H100 80GB HBM3, 402.10 W"
SERIES = (
    '{"metric": {"__name__": "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "UUID": "GPU-1", "Hostname": "ams-01"}, '
    '"values": [[1790812800, "8642000000"], [1790813100, "8707000000"]]}',
    '{"metric": {"__name__": "vllm:generation_tokens_total", "model_name": "m", "instance": "ams-01:8000"}, '
    '"values": [[1790812800, "81234"], [1790813100, "261200"]]}',
)
RUN = "2026-10-01T03:00:00,run-1,3600,4.2"
BILL = 'ChargePeriodStart,ChargePeriodEnd,ProviderName,ResourceId,ChargeCategory,ConsumedQuantity,ConsumedUnit,SkuPriceDetails'
P5 = '2026-10-01T00:00:00Z,2026-10-01T01:00:00Z,AWS,fra-01,Usage,1,Hours,"{""InstanceType"": ""p5.48xlarge""}"'
SAMPLES = {
    "answer.json": f'{{"status": "success", "data": {{"resultType": "matrix", "result": [{", ".join(SERIES)}]}}}}',
    "emissions.csv": "\n".join(["timestamp,run_id,duration,energy_consumed", RUN]),
    "requests.jsonl": '{"created": 1790812805, "model": "m", "usage": {"prompt_tokens": 812, "completion_tokens": 240}}',
    "bill.csv": f"{BILL}\n{P5}",
    "gpu-a.csv": "\n".join(["timestamp, uuid, name, power.draw [W]", *(POWER.format(minute) for minute in range(60))]),
    "usage.jsonl": '{"sessionId": "s-1", "requestCount": 2, "inputTokens": 1200, "outputTokens": 350, "created_at": 1790812800}',
}


def write_samples(folder: Path) -> None:
    """Put them all into a folder."""
    for name, text in SAMPLES.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
