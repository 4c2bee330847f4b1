"""What runs in the child process that writes: a death by a full disk or by the kernel takes only the child."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from uuid import UUID

import numpy as np
from filelock import FileLock

from topicidx.indexer.embedded.journal import JOURNAL, acknowledge, last_entry
from topicidx.indexer.embedded.shard import Shard
from topicidx.indexer.store import INDEXED_FIELDS, FieldType, Float32, Payload, PointBlock, Record, Rewrite
from topicidx.indexer.totals import Totals, totals_of

#: What publishing does, one after the other; the parent shows it.
STAGES = ("", "copying the live index", "adding what is new", "optimizing", "verifying")
#: A child whose parent was killed needs a moment to notice and let go.
_ORPHAN_SECONDS = 60
#: A changed point of this payload stands for one that is to be removed.
_REMOVED: Payload = {"topicidx_removed": True}


@dataclass(frozen=True, slots=True)
class _Work:
    """The generation being written: its changes, guarded by a log, and the live points that they apply to."""

    lock: FileLock
    changes: Shard
    base: Shard | None
    journal: Path


_work: list[_Work] = []
_known: list[Iterator[list[Record]]] = []
_stage: "list[SynchronizedArray[int]]" = []


def start(stage: "SynchronizedArray[int]") -> None:
    """First thing in the child: leave Ctrl-C to the parent, and end when the parent ends.

    stage: shared with the parent, its place in STAGES, the points done, and all points.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stage[:] = [stage]
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def is_born() -> None:
    """Nothing to do: the child is there when this is asked of it."""


def begin(changes: Path, base: Path | None, dimensions: int) -> None:
    """Open, or make, the shard of changes, once the child of a killed ingest has let go of it.

    Raises ValueError where it lacks what its journal says is safe.
    """
    lock = FileLock(changes.with_name("changes.lock"))
    lock.acquire(timeout=_ORPHAN_SECONDS)
    opened = Shard.load(changes) if changes.is_dir() else _create_whole(changes, dimensions)
    journal = changes.with_name(JOURNAL)
    acknowledged = last_entry(journal)
    if acknowledged is not None and opened.count() < acknowledged.points:
        raise ValueError(f"it holds {opened.count()} points, {acknowledged.points} were acknowledged")
    _work.append(_Work(lock, opened, Shard.load(base) if base else None, journal))


def fields() -> dict[str, FieldType]:
    """The payload fields that the new generation will have indexed."""
    base = _base()
    return {**INDEXED_FIELDS, **(base.fields if base else {}), **_changes().fields}


def index_fields(wanted: Mapping[str, FieldType]) -> None:
    """Have further payload fields indexed. The changes' own indexes remember them."""
    _changes().index_fields(wanted)


def begin_known(wanted: Sequence[str]) -> None:
    """Let `next_known` begin: the points with the changes applied, with these payload fields."""
    _known[:] = [_known_pages(wanted)]


def next_known() -> list[Record] | None:
    """Some more of the points; None where there are no more."""
    return next(_known[0], None)


def _known_pages(wanted: Sequence[str]) -> Iterator[list[Record]]:
    base, changes = _base(), _changes()
    for records in base.record_blocks(wanted) if base else ():
        changed = {record.id: record for record in changes.retrieve([record.id for record in records])}
        latest = (changed.get(record.id, record) for record in records)
        yield [_with_fields(record, wanted) for record in latest if not _is_removal(record.payload)]
    for records in changes.record_blocks([*wanted, *_REMOVED]):
        old = {record.id for record in base.retrieve([record.id for record in records])} if base else set()
        new = (record for record in records if record.id not in old)
        yield [_with_fields(record, wanted) for record in new if not _is_removal(record.payload)]


def _with_fields(record: Record, wanted: Sequence[str]) -> Record:
    return Record(record.id, {name: record.payload[name] for name in wanted if name in record.payload})


def upsert(ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
    """Insert or overwrite points."""
    _changes().upsert(ids, vectors, payloads)


def rewrite(changes: Sequence[Rewrite]) -> None:
    """Write points with the vectors of stored ones. Raises ValueError where one is not stored."""
    origins = list(dict.fromkeys(change.origin for change in changes))
    base = _base()
    stored = (base.points(origins) if base else {}) | _changes().points(origins)
    ids, vectors, payloads = [], [], []
    for change in changes:
        if change.origin not in stored or _is_removal(stored[change.origin][1]):
            raise ValueError(f"there is no point {change.origin} whose vector could be taken over")
        vector, old = stored[change.origin]
        ids.append(change.id)
        vectors.append(vector)
        payloads.append({**{name: value for name, value in old.items() if name in change.keep}, **change.payload})
    if ids:
        _changes().upsert(ids, np.stack(vectors), payloads)


def delete(ids: Sequence[UUID], dimensions: int) -> None:
    """Remove points."""
    _changes().upsert(ids, np.zeros((len(ids), dimensions), dtype=np.float32), [_REMOVED] * len(ids))


def flush() -> None:
    """Bring all changes to the disk, and note in the journal that they are there."""
    _changes().flush()
    acknowledge(_work[0].journal, _changes().count())


def merge(
    base: Path | None, shard: Path, dimensions: int, *, with_totals: bool, approximate_from: int
) -> tuple[Totals, bool]:
    """Make the generation's shard, the live points with the changes applied, without a log.

    Gives its number of points, with their checksum where that is wanted, and whether it can be searched approximately, which
    it can from `approximate_from` points on.
    """
    _changes().flush()
    merging = shard.with_name("merging")
    for leftover in (merging, shard):
        shutil.rmtree(leftover, ignore_errors=True)
    live, changed, written = _base(), _changes().count(), 0
    approximate = changed + (live.count() if live else 0) >= approximate_from
    if base is None:
        merged = Shard.create(merging, dimensions, log=False, approximate=approximate)
    else:
        _report(1, 0, 0)
        shutil.copytree(base, merging)
        merged = Shard.load_to_change(merging, dimensions, approximate=approximate)
    merged.index_fields(fields())
    for block in _changes().blocks():
        _report(2, written, changed)
        _apply(block, merged)
        written += len(block)
    _report(3, 0, 0)
    merged.optimize()
    merged.flush()
    totals = Totals(merged.count())
    if with_totals:
        totals = totals_of(_counted(merged.blocks(), totals.points))
    merged.close()
    Shard.load(merging).close()  # the first opening puts files into their final form: from now on readers change none
    merging.rename(shard)
    return totals, approximate


def close() -> None:
    """Let go of the shards."""
    while _work:
        work = _work.pop()
        work.changes.close()
        if work.base:
            work.base.close()
        work.lock.release()


def _apply(block: PointBlock, merged: Shard) -> None:
    removed = [point for point, payload in zip(block.ids, block.payloads, strict=True) if _is_removal(payload)]
    if removed:
        merged.delete(removed)
    kept = [row for row, payload in enumerate(block.payloads) if not _is_removal(payload)]
    if kept:
        merged.upsert([block.ids[row] for row in kept], block.vectors[kept], [block.payloads[row] for row in kept])


def _is_removal(payload: Payload) -> bool:
    return payload == _REMOVED


def _counted(blocks: Iterable[PointBlock], points: int) -> Iterator[PointBlock]:
    done = 0
    for block in blocks:
        _report(4, done, points)
        yield block
        done += len(block)


def _report(stage: int, done: int, points: int) -> None:
    _stage[0][:] = [stage, done, points]


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
