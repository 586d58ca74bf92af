"""Settings of the property tests, and what tests of several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("carbon", deadline=None, max_examples=25, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)  # --hypothesis-profile thorough
settings.load_profile("carbon")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def grid_data() -> Path:
    """Folder of the bundled grid tables."""
    return ROOT / "grid_data"
