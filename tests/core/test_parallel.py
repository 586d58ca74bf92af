"""Work by several threads: results in order, a bounded number under way, faults where they belong."""

from __future__ import annotations

import time
from threading import Event, Lock

import pytest

from carbon.core.parallel import ordered_map


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    """Also where later items finish first."""

    def slow_first(item: int) -> int:
        time.sleep(0.004 * (4 - item % 5))
        return item * item

    assert list(ordered_map(slow_first, range(20), workers)) == [item * item for item in range(20)]


@pytest.mark.parametrize("workers", [1, 3])
def test_items_under_way_are_bounded(workers: int) -> None:
    """A reader that is faster than the work does not run ahead: at most two items a worker are taken and not given back."""
    lock, taken, given, most = Lock(), 0, 0, 0

    def items() -> object:
        nonlocal taken, most
        for item in range(60):
            with lock:
                taken += 1
                most = max(most, taken - given)
            yield item

    for _ in ordered_map(lambda item: time.sleep(0.0005), items(), workers):  # type: ignore[arg-type]
        with lock:
            given += 1
    assert given == 60
    assert most <= 2 * workers


def test_workers_do_work_at_the_same_time() -> None:
    """Two items that wait for each other both finish."""
    here, there = Event(), Event()

    def meet(item: int) -> bool:
        mine, other = (here, there) if item else (there, here)
        mine.set()
        return other.wait(timeout=5)

    assert list(ordered_map(meet, [0, 1], 2)) == [True, True]


def test_a_fault_comes_out_at_its_item() -> None:
    """What came before is given; the fault is not swallowed."""

    def work(item: int) -> float:
        return 1 / item

    results = ordered_map(work, [4, 2, 0, 1], 2)
    assert [next(results), next(results)] == [0.25, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_nothing_in_nothing_out() -> None:
    """No items, no results; and the number of workers may be left to the machine."""
    assert list(ordered_map(str, [])) == []
    assert list(ordered_map(str, range(3))) == ["0", "1", "2"]
