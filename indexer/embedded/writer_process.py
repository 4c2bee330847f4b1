"""What runs in the child process that writes: a death by a full disk or by the kernel takes only the child."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from filelock import FileLock

from topicidx.indexer.embedded.shard import Shard
from topicidx.indexer.store import Float32, Payload, Record

#: A child whose parent was killed needs a moment to notice and let go.
_ORPHAN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Work:
    """The generation being written: its changes, guarded by a log, and the live points that they apply to."""

    lock: FileLock
    changes: Shard
    base: Shard | None


_work: list[_Work] = []


def start() -> None:
    """First thing in the child: leave Ctrl-C to the parent, and end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def begin(changes: Path, base: Path | None, dimensions: int) -> None:
    """Open, or make, the shard of changes, once the child of a killed ingest has let go of it."""
    lock = FileLock(changes.with_name("changes.lock"))
    lock.acquire(timeout=_ORPHAN_SECONDS)
    opened = Shard.load(changes) if changes.is_dir() else _create_whole(changes, dimensions)
    _work.append(_Work(lock, opened, Shard.load(base) if base else None))


def known(fields: Sequence[str]) -> list[Record]:
    """The points with the changes applied, with these payload fields."""
    base = _base()
    records = {record.id: record for record in base.scroll(fields)} if base else {}
    return list((records | {record.id: record for record in _changes().scroll(fields)}).values())


def upsert(ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
    """Insert or overwrite points."""
    _changes().upsert(ids, vectors, payloads)


def replace_payload(point: UUID, payload: Payload, keep: Sequence[str]) -> None:
    """Replace a payload but for the fields in `keep`."""
    for shard in (_changes(), _base()):
        vectors = shard.vectors([point]) if shard else {}
        if shard and point in vectors:
            (old,) = shard.retrieve([point])
            kept = {name: value for name, value in old.payload.items() if name in keep}
            _changes().upsert([point], np.stack([vectors[point]]), [{**kept, **payload}])
            return


def flush() -> None:
    """Bring all changes to the disk."""
    _changes().flush()


def merge(base: Path | None, shard: Path, dimensions: int) -> int:
    """Make the generation's shard, the live points with the changes applied, without a log; gives the number of points."""
    _changes().flush()
    merging = shard.with_name("merging")
    for leftover in (merging, shard):
        shutil.rmtree(leftover, ignore_errors=True)
    if base is None:
        merged = Shard.create(merging, dimensions, log=False)
    else:
        shutil.copytree(base, merging)
        merged = Shard.load(merging)
    _changes().copy_into(merged)
    merged.optimize()
    merged.flush()
    points = merged.count()
    merged.close()
    Shard.load(merging).close()  # the first opening puts files into their final form: from now on readers change none
    merging.rename(shard)
    close()
    return points


def close() -> None:
    """Let go of the shards."""
    while _work:
        work = _work.pop()
        work.changes.close()
        if work.base:
            work.base.close()
        work.lock.release()


def _changes() -> Shard:
    return _work[0].changes


def _base() -> Shard | None:
    return _work[0].base


def _create_whole(folder: Path, dimensions: int) -> Shard:
    # Under another name first: a shard half made cannot be opened.
    making = folder.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    Shard.create(making, dimensions, log=True).close()
    making.rename(folder)
    return Shard.load(folder)
