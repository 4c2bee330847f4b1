"""The command line as a process of its own: started fast, and ended at once where nothing else is at work."""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Callable
from functools import partial


def program() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them means reading all that is installed
    gc.set_threshold(50_000)  # importing makes ten thousands of objects, hardly any of which are garbage
    try:
        _chosen(sys.argv[1:])()
    except SystemExit as end:
        _end(end)


def _chosen(arguments: list[str]) -> Callable[[], None]:
    """What runs a command: for `query WORDS`, what does without the libraries that read options, which take as long to import as
    the query."""
    command, words = arguments[:1], arguments[1:]
    plain = command == ["query"] and words and not any(word.startswith("-") for word in words)
    # On Windows, words may be patterns of files.
    if plain and os.name != "nt" and "_TOPICIDX_COMPLETE" not in os.environ:
        return partial(_ask, words)
    from topicidx.cli.app import main

    return main


def _ask(words: list[str]) -> None:
    from topicidx.cli.console import log_to_stderr, run_command

    log_to_stderr(verbose=False)
    try:
        from topicidx.cli.asking import ask

        run_command(partial(ask, words))
    except BrokenPipeError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _end(end: SystemExit) -> None:
    """End at once: taking down all that was imported would be a tenth of the time of a query."""
    at_work = threading.active_count() > 1 or "multiprocessing.util" in sys.modules or "torch" in sys.modules
    if at_work or not isinstance(end.code, int):
        raise end
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # such as a pipe that nobody reads any more
        raise end from None
    os._exit(end.code)
