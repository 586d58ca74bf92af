"""A quote that is never closed swallows the rows up to the next quote; that is refused, whichever column holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import carbon

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("column", ["product", "remark"])
def test_an_open_quote_is_refused_with_its_row(tmp_path: Path, column: str) -> None:
    cells = {2: '"chat', 19: 'chat"'}
    rows = "".join(
        f"2026-03-01T{hour:02d}:00:00Z,2026-03-01T{hour:02d}:59:00Z,n1,1,{cells.get(hour, 'chat')}\n" for hour in range(24)
    )
    (tmp_path / "w.csv").write_text(f"start,end,node,energy_kwh,{column}\n{rows}")
    with pytest.raises(carbon.InputError, match=rf"w\.csv:4 {column}: goes on over the end of its line; close the quote"):
        carbon.read_workload(tmp_path / "w.csv")
