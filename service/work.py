"""Workers: a bounded number of threads for what would hold up the event loop, with a bounded queue and time."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """So many requests are waiting that another one would only wait in vain."""


class TooSlowError(Exception):
    """The answer took too long."""


class Workers:
    """Threads that answer requests, `threads` at a time; at most `waiting` more wait for their turn."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + waiting
        self._open = 0
        self._counting = threading.Lock()

    async def run(self, call: Callable[[], T], timeout: float) -> T:
        """What `call` gives. Raises BusyError, or TooSlowError after `timeout` seconds: what has begun then runs on unheeded."""
        with self._counting:
            if self._open >= self._most:
                raise BusyError
            self._open += 1
        future = self._threads.submit(call)
        future.add_done_callback(self._note_end)
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise TooSlowError from error

    def close(self) -> None:
        """Wait for what has begun, and leave the rest."""
        self._threads.shutdown(cancel_futures=True)

    def _note_end(self, _: Future[T]) -> None:
        with self._counting:
            self._open -= 1
