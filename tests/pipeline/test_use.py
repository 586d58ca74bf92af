"""Use of hardware as the stream measures it: the window, the threads and faulty rows do not move it."""

from __future__ import annotations

import pandas as pd
import pytest

from carbon.cli.common import now
from carbon.config import load
from carbon.core.findings import Findings
from carbon.core.time import to_us
from carbon.readers.convert import Dialect
from carbon.readers.files import find_files
from carbon.readers.nodes import parse_nodes
from carbon.stream import Stream
from carbon.window import EVERYTHING, Window, month_window
from tests.cli.project import JULY, WORKLOAD, Project
from tests.worlds import us_of


def streamed(project: Project, window: Window = EVERYTHING, workers: int = 0, grain: str = "") -> Stream:
    """A stream that has run."""
    settings, findings = load(project.folder), Findings()
    dialect = Dialect(now_us=to_us(now()))
    files = find_files("workload", project.folder, findings=findings)
    stream = Stream(settings, nodes_of(project, dialect), files, window, dialect, findings, grain)
    stream.sums(None, workers)
    return stream


def nodes_of(project: Project, dialect: Dialect) -> pd.DataFrame:
    """The node table."""
    return parse_nodes(project.folder / "nodes.csv", dialect, Findings(), "nodes.csv")


def used(stream: Stream) -> pd.DataFrame:
    """Use with names for codes."""
    frame = stream.use()
    return frame.assign(
        node=[stream.register.nodes[code] for code in frame["node"]],
        work=[" ".join(map(str, stream.works.labels[code])) for code in frame["work"]],
    )


def test_use_and_reach_are_of_all_rows_whatever_the_window(project: Project) -> None:
    """A month alone measures the same use as everything does, to the last bit."""
    whole, june = streamed(project), streamed(project, month_window("2024-06"))
    pd.testing.assert_frame_equal(used(june), used(whole), check_exact=True)
    assert june.reach_us == whole.reach_us == (us_of("2024-06-29"), us_of("2024-07-03"))
    metered = used(whole).groupby("node")["occupied_device_h"].sum()
    assert metered.to_dict() == pytest.approx({"a": 8 * 96, "b": 2 * 96, "c": 8 * 96})


def test_any_number_of_workers_measures_the_same_bits(project: Project) -> None:
    """Row groups of a few rows, read by one thread or by five."""
    for name in (WORKLOAD, JULY):
        path = project.folder / name
        frame = pd.read_csv(path)
        for column in ("start", "end"):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        path.unlink()
        frame.to_parquet(path.with_suffix(".parquet"), row_group_size=7)
    one = used(streamed(project, workers=1))
    for workers in (2, 5):
        pd.testing.assert_frame_equal(used(streamed(project, workers=workers)), one, check_exact=True)


def test_rows_that_cannot_be_reckoned_have_no_use(project: Project) -> None:
    """A row of an unknown node does not shift what the others are taken for."""
    rows = project.rows(WORKLOAD)
    at = rows[0].index("node")
    strange = [*rows[1][:at], "nobody", *rows[1][at + 1 :]]
    before = used(streamed(project))
    project.put_rows(WORKLOAD, [rows[0], strange, *rows[1:]])
    pd.testing.assert_frame_equal(used(streamed(project)), before, check_exact=True)


def test_the_grain_does_not_matter(project: Project) -> None:
    """Cut by the hour, the day or the month."""
    by_hour, by_day = used(streamed(project, grain="hour")), used(streamed(project))
    pd.testing.assert_frame_equal(by_hour, by_day, rtol=1e-12)


def test_to_measure_alone_gives_the_same(project: Project) -> None:
    """`measure` reads no grid and reckons no sums, and measures what `sums` does."""
    summed = streamed(project)
    alone = Stream(
        load(project.folder), nodes_of(project, Dialect(now_us=to_us(now()))), summed.files, EVERYTHING,
        Dialect(now_us=to_us(now())), Findings(),
    )  # fmt: skip
    alone.measure()
    assert alone.reach_us == summed.reach_us
    pd.testing.assert_frame_equal(used(alone), used(summed), check_exact=True)
