"""Whatever stands in a cell: figures, or findings and the ledger as it was, never a fault of the program."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon.core.schema import columns
from tests.cli.project import WORKLOAD, Project
from tests.cli.test_bad_input import LINE, REFUSED
from tests.cli.test_in_short import LINE as IN_SHORT

ODD = (
    "", "0", "-0", "1e308", "1e-320", "nan", "-1", "1,5", "0x10", "٣", "true", "NULL", "2024-06-30", "2024-06-29T02:00:00+99:00",
    "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-06-29T24:00:00Z", "20240629T020000Z", "a", "b", " a", "A", "=1+1",
    "\u202eabc", "x" * 300, "US-CAL-CISO", "us-cal-ciso", "l40s", "dgx-h100", "nodes.csv", "/dev/null", "decode", "training",
    "leased", "1970-01-01", "2300-01-01", "%s {} [red]", '"', "a\nb",
)  # fmt: skip
words = st.one_of(st.sampled_from(ODD), st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=12))
edits = st.one_of(
    *(
        st.tuples(st.just(name), st.integers(2, 4), st.sampled_from(sorted(columns(table))), words)
        for name, table in ((WORKLOAD, "workload"), ("nodes.csv", "nodes"))
    )
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(edits, min_size=1, max_size=5))
def test_whatever_stands_in_a_cell(accounted_once: Path, changes: list[tuple[str, int, str, str]]) -> None:
    with TemporaryDirectory() as folder:
        project = Project(Path(folder) / "any")
        shutil.copytree(accounted_once, project.folder)
        for name, row, column, word in changes:
            project.change(name, row, **{column: word})
        before = project.state()
        result = project.run("account")
        assert result.code in (0, 1)
        others = [line for line in result.err.splitlines() if not LINE.fullmatch(line) and not IN_SHORT.fullmatch(line)]
        assert [bool(REFUSED.fullmatch(line)) for line in others] == [True] * result.code
        assert result.code == 0 or (project.state() == before and "error: " in result.err)
