"""A small file for each importer, as the examples of the help name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

POWER = "2026/10/01 02:{:02d}:00.000, GPU-1, NVIDIA H100 80GB HBM3, 402.10 W"
SAMPLES = {
    "gpu-a.csv": "\n".join(["timestamp, uuid, name, power.draw [W]", *(POWER.format(minute) for minute in range(60))]),
    "usage.jsonl": '{"sessionId": "s-1", "requestCount": 2, "inputTokens": 1200, "outputTokens": 350, "created_at": 1790812800}',
}


def write_samples(folder: Path) -> None:
    """Put them all into a folder."""
    for name, text in SAMPLES.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
