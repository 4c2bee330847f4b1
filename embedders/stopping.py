"""StopRequest: SIGTERM and Ctrl-C, heeded where a training can be taken up again."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether this process was asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def wanted(self) -> bool:
        return self.signal is not None

    def check(self) -> None:
        """Do what the signal asks for: KeyboardInterrupt for Ctrl-C, SystemExit(143) for SIGTERM; nothing without one."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)

    def heed(self, number: int, frame: FrameType | None) -> None:
        """Note the signal; the second one is not waited with."""
        del frame
        asked_before, self.signal = self.wanted, number
        if asked_before:
            self.check()


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """For as long as the block lasts, SIGTERM and Ctrl-C are noted in place of ending the process.

    In another thread than the main one, which gets no signals, nothing is ever asked for.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.heed) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
