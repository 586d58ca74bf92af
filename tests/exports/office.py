"""LibreOffice without a screen: files opened, reckoned anew and written again, in a profile of their own."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROGRAM = shutil.which("soffice") or shutil.which("libreoffice")
NEEDS_OFFICE = pytest.mark.skipif(PROGRAM is None, reason="LibreOffice is not here (no soffice in PATH)")
CSV = "CSV:44,34,76,1,,1033,false,false"  # comma, quote, UTF-8, from line 1, columns as they come, English, no quoted text forced
_ALWAYS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
</item></oor:items>
"""


def converted(files: Sequence[Path], folder: Path, reader: str = "") -> list[Path]:
    """XLSX files that LibreOffice made of files, with every formula reckoned when it opened them."""
    profile, out = folder / "profile", folder / "converted"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_ALWAYS, encoding="utf-8")
    words = [
        str(PROGRAM), "--headless", "--norestore", f"-env:UserInstallation={profile.as_uri()}",
        *([f"--infilter={reader}"] if reader else []), "--convert-to", "xlsx", "--outdir", str(out), *map(str, files),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    made = [out / f"{file.stem}.xlsx" for file in files]
    assert all(file.is_file() for file in made), done.stdout + done.stderr
    return made
