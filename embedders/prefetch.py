"""Doing a thing ahead, in threads, in order, and never more than a few items ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def default_threads() -> int:
    """Decoding threads that keep a network busy without taking its cores."""
    return max(2, min(8, cpu_count() or 2))


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, threads: int, ahead: int) -> Iterator[R]:
    """`function` of each item, in order, computed in `threads` threads at most `ahead` items before they are asked for.

    Memory is bounded by `ahead`, not by the number of items. An exception of `function` is raised at its item's place.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="topicidx-decode")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
