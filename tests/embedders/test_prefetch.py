"""Working ahead: in order, bounded, with errors in their place and no thread left behind."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.embedders.prefetch import default_threads, map_ahead


def decoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("topicidx-decode")]


class CountedItems:
    """0, 1, 2, ... up to `count`, which remember how many of them were taken."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0

    def __iter__(self) -> Iterator[int]:
        for item in range(self.count):
            self.taken += 1
            yield item


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(), max_size=30), st.integers(1, 4), st.integers(0, 8))
def test_results_come_in_the_order_of_the_items(items: list[int], threads: int, ahead: int) -> None:
    assert list(map_ahead(lambda item: item * 2, items, threads=threads, ahead=ahead)) == [item * 2 for item in items]


def test_a_slow_first_item_holds_the_others_back() -> None:
    last_done = threading.Event()

    def first_waits_for_last(item: int) -> int:
        if item == 0:
            assert last_done.wait(30)
        if item == 3:
            last_done.set()
        return item

    assert list(map_ahead(first_waits_for_last, range(4), threads=2, ahead=4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_no_more_items_are_taken_than_ahead_allows(ahead: int) -> None:
    items = CountedItems(50)
    results = map_ahead(lambda item: item, items, threads=2, ahead=ahead)
    for asked, result in enumerate(results, start=1):
        assert result == asked - 1
        assert items.taken <= asked + ahead
    assert items.taken == 50


def test_nothing_is_computed_before_the_first_result_is_asked_for() -> None:
    items = CountedItems(5)
    map_ahead(lambda item: item, items, threads=2, ahead=3)
    assert items.taken == 0
    assert not decoding_threads()


def test_an_error_is_raised_in_its_items_place_and_ends_the_threads() -> None:
    def refuse_three(item: int) -> int:
        if item == 3:
            raise KeyError("three")
        return item

    results = map_ahead(refuse_three, range(10), threads=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(results)
    assert not decoding_threads()


def test_closing_early_leaves_no_threads_and_starts_nothing_more() -> None:
    items = CountedItems(1_000)
    results = map_ahead(lambda item: item, items, threads=3, ahead=5)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not decoding_threads()
    assert items.taken == 6


def test_no_threads_are_left_when_all_is_done() -> None:
    assert sum(map_ahead(abs, range(-5, 0), threads=2, ahead=2)) == 15
    assert not decoding_threads()


def test_there_are_always_at_least_two_threads() -> None:
    assert 2 <= default_threads() <= 8
