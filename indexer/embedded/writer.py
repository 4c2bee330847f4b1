"""EmbeddedWriter: one ingest's new generation, written in a child process beside the live one."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as Waiting
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import UUID

from filelock import FileLock, Timeout

from topicidx.errors import StoreBusyError, StoreDamagedError, StoreError, StoreFullError, TransferError
from topicidx.indexer.embedded import writer_process
from topicidx.indexer.embedded.generations import (
    Description,
    Generation,
    begin_generation,
    damaged,
    live_generation,
    live_or_none,
    publish_generation,
    unfinished_generation,
)
from topicidx.indexer.embedded.shard import Shard
from topicidx.indexer.store import (
    INDEXED_FIELDS,
    FieldType,
    Float32,
    OnProgress,
    Payload,
    Record,
    Rewrite,
    check_fields,
    validate_payload,
    validate_points,
)
from topicidx.indexer.totals import Totals, totals_of
from topicidx.processes import child_context, uninterrupted, without_main
from topicidx.settings import APPROXIMATE_FROM

P = ParamSpec("P")
T = TypeVar("T")

#: Free space that is never used: the engine dies when a disk fills up under it.
MARGIN_BYTES = 256 * 2**20
#: Batches that may wait for the child.
_AHEAD = 4
#: Seconds between two looks at how far the child is.
_LOOK = 0.2


@contextmanager
def embedded_writer(
    collection: Path,
    vector_space: str,
    dimensions: int,
    *,
    rebuild: bool = False,
    approximate_from: int = APPROXIMATE_FROM,
    on_progress: OnProgress | None = None,
) -> Iterator["EmbeddedWriter"]:
    """Hold the collection for writing. Raises StoreBusyError at once while another process holds it.

    rebuild: the new generation starts from nothing, whatever the live one holds. approximate_from: points from which on it
    gets what approximate searches need.
    """
    with hold(collection):
        writer = EmbeddedWriter(
            collection,
            vector_space,
            dimensions,
            rebuild=rebuild,
            approximate_from=approximate_from,
            on_progress=on_progress,
        )
        try:
            yield writer
        finally:
            writer.close()


@contextmanager
def hold(collection: Path) -> Iterator[None]:
    """Keep all other writers from the collection. Raises StoreBusyError at once while another process holds it."""
    try:
        collection.mkdir(parents=True, exist_ok=True)
        lock = FileLock(collection / "writer.lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusyError(
            f"another process is writing to the store {collection.parent} (collection {collection.name!r}); "
            "wait until it is done, then run this again"
        ) from error
    except OSError as error:
        raise StoreError(f"cannot write to the store {collection.parent}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


class EmbeddedWriter:
    """Writes the next generation of a collection.

    Changes go into a shard of their own, guarded by a write-ahead log, and survive whatever happens; `publish` applies
    them to a copy of the live generation and swaps the two. For another vector space there is nothing to copy. No file is
    touched before the first write: an ingest that finds nothing new costs nothing.
    """

    def __init__(
        self,
        collection: Path,
        vector_space: str,
        dimensions: int,
        *,
        rebuild: bool = False,
        approximate_from: int = APPROXIMATE_FROM,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._collection = collection
        self._approximate_from = approximate_from
        self._wanted = Description(vector_space=vector_space, dimensions=dimensions)
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._pool: ProcessPoolExecutor | None = None
        self._begun: Future[None] | None = None
        self._waiting: list[Future[None]] = []
        self._stage = child_context().Array("q", 3)
        live = _live_or_damaged(collection) if rebuild else live_or_none(collection)
        self._begin_from(None if rebuild else live)
        #: True when readers now see the vectors of another space, which publishing replaces.
        self.replaces_space = live is not None and not self._is_of_wanted_space(live)

    @property
    def resumes(self) -> bool:
        """True when a stopped ingest left points behind that this one goes on from."""
        return self._unfinished is not None

    @property
    def fields(self) -> Mapping[str, FieldType]:
        if self._unfinished is not None or self._pool is not None:
            self._open()
            return self._call(writer_process.fields)
        if self._live is None:
            return INDEXED_FIELDS
        with _opened(self._live) as shard:
            return {**INDEXED_FIELDS, **shard.fields}

    def index_fields(self, fields: Mapping[str, FieldType]) -> None:
        missing = check_fields(self.fields, fields)
        if missing:
            self._open()
            self._call(writer_process.index_fields, missing)

    def known(self, fields: Sequence[str]) -> Iterator[Record]:
        if self._unfinished is not None or self._pool is not None:
            self._open()
            self._call(writer_process.begin_known, list(fields))
            while (records := self._call(writer_process.next_known)) is not None:
                yield from records
        elif self._live is not None:
            with _opened(self._live) as shard:
                yield from shard.scroll(fields)

    def upsert(self, ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
        validate_points(ids, vectors, payloads, self._wanted.dimensions)
        self._submit(writer_process.upsert, list(ids), vectors, [dict(payload) for payload in payloads])

    def rewrite(self, changes: Sequence[Rewrite]) -> None:
        for change in changes:
            validate_payload(change.id, change.payload)
        self._submit(writer_process.rewrite, list(changes))

    def delete(self, ids: Sequence[UUID]) -> None:
        if ids:
            self._submit(writer_process.delete, list(ids), self._wanted.dimensions)

    def checkpoint(self) -> None:
        if self._pool is not None:
            self._drain()
            self._call(writer_process.flush)
            self._check_space(0)

    def publish(self, expected: Totals | None = None) -> int:
        if self._unfinished is not None:
            self._open()
        if self._building is None:  # nothing was written
            return self._unchanged(expected)
        self._drain()
        # The copy of the live points, the changes in it, and as much again while its segments are merged and quantized.
        self._check_space(2 * (size_of(self._building.changes) + (size_of(self._live.shard) if self._live else 0)))
        totals, approximate = self._watch(
            writer_process.merge,
            self._base_shard,
            self._building.shard,
            self._wanted.dimensions,
            with_totals=expected is not None,
            approximate_from=self._approximate_from,
        )
        if expected is not None and totals != expected:
            raise TransferError(
                f"{totals.points} points with the checksum {totals.checksum} were written to {self._building.folder}, "
                f"{expected.points} with {expected.checksum} were expected; what readers see was not changed"
            )
        self._call(writer_process.close)
        self._shut_down()
        publish_generation(self._building, totals.points, approximate=approximate)
        self._begin_from(live_generation(self._collection))
        return totals.points

    def close(self) -> None:
        """Let go of a generation that was not published; what was written stays for the next ingest."""
        if self._pool is None:
            return
        try:
            self._settle()
            # Where the child is gone, which is why we are here, its log holds what it acknowledged.
            with suppress(StoreError):
                self._drain()
                self._call(writer_process.flush)
                self._call(writer_process.close)
        finally:
            self._waiting.clear()
            self._shut_down()

    def _begin_from(self, live: Generation | None) -> None:
        self._live = live if live is not None and self._is_of_wanted_space(live) else None
        self._wanted = replace(self._wanted, base=self._live.name if self._live else None)
        self._unfinished = unfinished_generation(self._collection, self._wanted)
        self._building: Generation | None = None

    def _is_of_wanted_space(self, live: Generation) -> bool:
        wanted = (self._wanted.vector_space, self._wanted.dimensions)
        return (live.description.vector_space, live.description.dimensions) == wanted

    def _unchanged(self, expected: Totals | None) -> int:
        if self._live is None:
            return 0
        with _opened(self._live) as shard:
            found = Totals(shard.count()) if expected is None else totals_of(shard.blocks())
        if expected not in (None, found):
            raise TransferError(f"{self._live.folder} holds other points than those expected; it was not changed")
        return found.points

    @property
    def _base_shard(self) -> Path | None:
        return self._live.shard if self._live else None

    def _open(self) -> None:
        if self._pool is not None:
            return
        self._check_space(0)
        self._building = self._unfinished or begin_generation(self._collection, self._wanted)
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=child_context(),
            initializer=writer_process.start,
            initargs=(self._stage,),
        )
        # The child is born in here, and must not be hit by Ctrl-C before it has put it off.
        with uninterrupted(), without_main():
            self._pool.submit(writer_process.is_born)
        self._begun = self._pool.submit(
            writer_process.begin, self._building.changes, self._base_shard, self._wanted.dimensions
        )

    def _settle(self) -> None:
        """See to it that the child has begun, for which nothing that is merely submitted waits."""
        if self._begun is None:
            return
        begun, self._begun = self._begun, None
        try:
            self._result(begun)
        except StoreBusyError:
            raise
        except StoreError as error:
            if self._unfinished is None:
                raise
            raise StoreDamagedError(
                f"what a stopped ingest left in {self._unfinished.folder} cannot be opened ({error}); remove that folder and "
                "run the same command again: it goes on from what was published last"
            ) from error

    def _submit(self, function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        self._open()
        assert self._pool is not None
        while len(self._waiting) >= _AHEAD:
            self._result(self._waiting.pop(0))
        try:
            self._waiting.append(self._pool.submit(function, *args, **kwargs))
        except BrokenProcessPool as error:
            raise self._died() from error

    def _drain(self) -> None:
        while self._waiting:
            self._result(self._waiting.pop(0))

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        assert self._pool is not None
        try:
            return self._result(self._pool.submit(function, *args, **kwargs))
        except BrokenProcessPool as error:
            raise self._died() from error

    def _watch(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `_call`, saying how far it is."""
        assert self._pool is not None
        try:
            future = self._pool.submit(function, *args, **kwargs)
        except BrokenProcessPool as error:
            raise self._died() from error
        while True:
            try:
                future.exception(timeout=_LOOK)
                return self._result(future)
            except Waiting:
                stage, done, points = self._stage[:]
                self._on_progress(writer_process.STAGES[stage], done, points or None)

    def _result(self, future: Future[T]) -> T:
        self._settle()
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise self._died() from error
        except Timeout as error:
            raise StoreBusyError(
                f"a process still holds the unfinished index in {self._collection}; end it first"
            ) from error
        except Exception as error:  # the engine raises nothing narrower
            raise StoreError(f"the store {self._collection} could not be written: {error}") from error

    def _died(self) -> StoreError:
        self._waiting.clear()
        if shutil.disk_usage(self._collection).free < MARGIN_BYTES:
            return self._full(0)
        return StoreError(
            f"the process that writes the store {self._collection} was killed; what it had acknowledged is kept: "
            "run the same command again to go on from there"
        )

    def _full(self, needed: int) -> StoreFullError:
        free, wanted = shutil.disk_usage(self._collection).free // 2**20, (needed + MARGIN_BYTES) // 2**20
        return StoreFullError(
            f"the disk of {self._collection} is nearly full ({free} MiB free, {wanted} MiB are needed); make room and run the "
            "same command again: it goes on from where it stopped"
        )

    def _check_space(self, needed: int) -> None:
        if shutil.disk_usage(self._collection).free < needed + MARGIN_BYTES:
            raise self._full(needed)

    def _shut_down(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def _live_or_damaged(collection: Path) -> Generation | None:
    try:
        return live_or_none(collection)
    except StoreDamagedError:  # a rebuild needs nothing of it
        return None


@contextmanager
def _opened(generation: Generation) -> Iterator[Shard]:
    try:
        shard = Shard.load_finished(generation.shard, generation.description.points)
    except Exception as error:  # the engine raises nothing narrower
        raise damaged(generation.folder.parent, generation.shard, error) from error
    try:
        yield shard
    finally:
        shard.close()


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on the disk."""
    # Allocated blocks, not lengths: the engine's files are sparse.
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
