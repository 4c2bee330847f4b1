"""What runs in the child process that writes a shard: a death by a full disk or by the kernel takes only the child."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from filelock import FileLock

from topicidx.indexer.embedded.shard import Shard, seal
from topicidx.indexer.store import Float32, Payload, Record

#: A child whose parent was killed needs a moment to notice and let go of the shard.
_ORPHAN_SECONDS = 60

_open: list[Shard] = []
_lock: list[FileLock] = []


def start() -> None:
    """First thing in the child: leave Ctrl-C to the parent, and end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def open_shard(folder: Path, dimensions: int, create: bool) -> None:
    """Open the shard that the other functions work on, once the child of a killed ingest has let go of it."""
    lock = FileLock(folder.with_name("shard.lock"))
    lock.acquire(timeout=_ORPHAN_SECONDS)
    _lock.append(lock)
    _open.append(Shard.create(folder, dimensions) if create else Shard.load(folder))


def known(fields: Sequence[str]) -> list[Record]:
    """Every point with these payload fields."""
    return list(_open[0].scroll(fields))


def upsert(ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
    """Insert or overwrite points."""
    _open[0].upsert(ids, vectors, payloads)


def replace_payload(point: UUID, payload: Payload, keep: Sequence[str]) -> None:
    """Replace a payload but for the fields in `keep`."""
    _open[0].replace_payload(point, payload, keep)


def flush() -> None:
    """Bring all updates to the disk."""
    _open[0].flush()


def finish(folder: Path) -> int:
    """Merge, bring to the disk, close and seal; gives the number of points."""
    shard = _open[0]
    shard.optimize()
    shard.flush()
    points = shard.count()
    close()
    seal(folder)
    return points


def close() -> None:
    """Let go of the shard."""
    while _open:
        _open.pop().close()
    while _lock:
        _lock.pop().release()
