"""Options of `carbon import opengradient` as its reader takes them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from carbon.cli.common import show_findings
from carbon.core.errors import NotFoundError, UsageError
from carbon.core.findings import Findings
from carbon.core.schema import columns
from carbon.importers.opengradient import Options, read_blobs

if TYPE_CHECKING:
    from pathlib import Path


def options_of(node: str, blobs: Path | None, mode: str, tokens: str) -> tuple[Options, dict[str, str]]:
    """Options of the reader, and the same as text, in which blobs are their digest: with others a file is read anew."""
    modes = columns("workload")["mode"].choices
    if mode and mode not in modes:
        raise UsageError(f"--mode {mode} is none of {', '.join(modes)}")
    findings, folder = Findings(), sorted(blobs.rglob("*.json")) if blobs else []
    if blobs and not blobs.is_dir():
        raise NotFoundError(f"no folder {blobs}; give the one that the blobs were saved in, each as JSON")
    trees = read_blobs(folder, findings)
    show_findings(list(findings))
    told = {"node": node, "mode": mode, "tokens": tokens, "blobs": _digest(trees)}
    return Options(node, mode, _pair(tokens), trees), told


def _pair(tokens: str) -> tuple[float, float] | None:
    """Tokens read and written of `IN,OUT`."""
    if not tokens:
        return None
    try:
        read, written = (float(part) for part in tokens.split(","))
    except ValueError:
        raise UsageError(f"--tokens {tokens}: write tokens read and written, such as 900,310") from None
    if not (0 <= read < float("inf") and 0 <= written < float("inf")):
        raise UsageError(f"--tokens {tokens}: must be 0 or more")
    return read, written


def _digest(trees: dict[str, list[list[str]]]) -> str:
    return hashlib.sha256(repr(sorted(trees.items())).encode()).hexdigest() if trees else ""
