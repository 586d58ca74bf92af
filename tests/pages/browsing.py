"""A browser without a head, where the machine has one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: install the Debian package chromium")


class Shown(NamedTuple):
    """A page that is open, what its console said, and what it asked for."""

    page: Page
    said: list[str]
    asked: list[str]
