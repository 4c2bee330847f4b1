"""The processes that write stores and read captions, forked from one that has imported what they need: they start at once."""

from multiprocessing import forkserver

from topicidx import processes

_PRELOADED = ["topicidx.indexer.embedded.writer_process", "topicidx.embedders.tokens"]


def start() -> None:
    """Let the children of this process, and of those that fork from it, start so."""
    forkserver.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()
    processes.START_METHOD = "forkserver"


def inherit() -> None:
    """In a process that was forked from one that called `start`: go on with its server, which is no child of this one."""
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[attr-defined,method-assign]
