"""Child processes: how they are born without running the program again, and without being hit by Ctrl-C."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from types import ModuleType

#: How child processes start: from nothing, so that they are not hit by what threads of this one hold. `forkserver` does not
#: copy this process either, and pays where one program starts very many of them.
START_METHOD = "spawn"


def child_context() -> BaseContext:
    """What child processes are made with."""
    return multiprocessing.get_context(START_METHOD)


@contextmanager
def without_main() -> Iterator[None]:
    """Children born in here do not run the program's main module, which may be a script without a guard, or no file at all."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C does nothing to this process, nor to children born in here, for as long as the block lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
