"""The bundled plain files are found beside the package or inside it."""

from __future__ import annotations

import pytest

from carbon.core.resources import folder


@pytest.mark.parametrize(("name", "file"), [("grid_data", "zones.csv"), ("hardware_profiles", "SOURCES.md")])
def test_bundled_folders_are_found(name: str, file: str) -> None:
    """With what they are for."""
    assert (folder(name) / file).is_file()


def test_a_folder_that_was_lost_is_told() -> None:
    """The message says where it was looked for and what to do."""
    with pytest.raises(FileNotFoundError, match="install carbon-ledger again"):
        folder("no_such_data")
