"""Work in threads, in order, and never much of it at a time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from pipeline.ordered_map import in_batches, ordered_map


def test_results_come_in_the_items_order_however_long_each_takes() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * 10

    with ThreadPoolExecutor(4) as executor:
        assert list(ordered_map(executor, slow_first, range(20), ahead=5)) == [number * 10 for number in range(20)]


@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_items_are_taken_than_are_asked_for(ahead: int) -> None:
    taken = 0

    def items() -> object:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with ThreadPoolExecutor(2) as executor, closing(ordered_map(executor, str, items(), ahead=ahead)) as results:  # type: ignore[arg-type]
        for number in range(10):
            assert next(results) == str(number)
            assert taken <= number + ahead


def test_an_error_reaches_the_one_who_takes_the_result_and_the_rest_is_cancelled() -> None:
    begun: list[int] = []
    may_go_on = threading.Event()

    def fails_at_two(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("two")
        if number > 2:
            may_go_on.wait(10)
        return number

    with ThreadPoolExecutor(1) as executor:
        results = ordered_map(executor, fails_at_two, range(50), ahead=20)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)
        may_go_on.set()
    assert len(begun) <= 5


def test_batches_hold_every_item_in_order() -> None:
    assert list(in_batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
