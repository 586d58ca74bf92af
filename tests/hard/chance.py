"""How often the long tests try, and the seed of what they draw: CARBON_TRIES lowers the one, CARBON_SEED sets the other."""

from __future__ import annotations

import os
import random
import sys


def tries(usual: int) -> int:
    """How often to try."""
    return min(usual, int(os.environ.get("CARBON_TRIES", usual)))


def drawn(name: str) -> random.Random:
    """Random numbers; the seed is printed, and pytest shows it where a test fails."""
    seed = int(os.environ.get("CARBON_SEED") or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"{name}: CARBON_SEED={seed}\n")
    return random.Random(seed)
