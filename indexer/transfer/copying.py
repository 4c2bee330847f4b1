"""Copying: every point of a collection to another one, counted and checked on arrival."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import numpy as np

from topicidx.errors import SettingsError, TransferError
from topicidx.indexer.store import BLOCK, FieldType, OnProgress, PointBlock, StoreWriter, VectorStore
from topicidx.indexer.stores import open_store, open_writer
from topicidx.indexer.totals import Totals
from topicidx.indexer.transfer.places import Place
from topicidx.indexer.transfer.source_tables import add_sources, check_sources, sources_of
from topicidx.settings import ServerSettings

if TYPE_CHECKING:
    from topicidx.embedders.topic_space import TopicSpace

#: Points between two checkpoints.
CHECKPOINT_POINTS = 5_000
#: Called with (points done, all points).
OnPoints = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did. points: how many the collection holds now; checksum: of all of them, the same in every store;
    resumed: how many of them a stopped copy had left there; replaced: how many points readers saw before; words: whether a
    server got the words too."""

    points: int
    checksum: str
    resumed: int = 0
    replaced: int = 0
    words: bool = False

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


def copy_collection(
    source: Place,
    destination: Place,
    server: ServerSettings | None = None,
    *,
    space: "TopicSpace | None" = None,
    fresh: bool = False,
    on_progress: OnProgress = lambda stage, done, total: None,
) -> CopyReport:
    """Build the collection `destination` anew from `source`, with what is known of its sources, and make it the live one.

    space: the topic space whose words a server gets, where it is the one of the points. Raises SettingsError where both are
    the same, and what `copy_points` raises.
    """
    if source.is_same_as(destination):
        raise SettingsError(f"{source} cannot be copied to itself; name another store or collection")
    with open_store(source.address, source.collection, server) as store:
        info = store.info()
        roots = sources_of(store, source.address.folder)
        check_sources(destination.address.folder, roots)
        replaced = destination.points(server)
        words = space if space is not None and space.manifest.vector_space == info.vector_space else None
        with open_writer(
            destination.address,
            destination.collection,
            info.vector_space,
            info.dimensions,
            rebuild=True,
            words_of=words,
            server=server,
            on_progress=on_progress,
        ) as writer:
            report = copy_points(
                store, writer, fresh=fresh, on_points=lambda done, total: on_progress("copying points", done, total)
            )
    add_sources(destination.address.folder, roots)
    skipped = source.skipped_list()
    if skipped is not None:
        destination.put_skipped(skipped)
    with_words = destination.address.url is not None and words is not None
    return replace(report, replaced=replaced, words=with_words)


def copy_points(
    source: VectorStore, writer: StoreWriter, *, fresh: bool = False, on_points: OnPoints | None = None
) -> CopyReport:
    """Bring every point of `source` into the new generation that `writer` builds, verify it and publish it.

    What a stopped copy has left there is not sent again, unless `fresh`. Raises TransferError where the points did not arrive
    as they were sent, or `source` changed meanwhile; readers then keep what they had.
    """
    info = source.info()
    return send_points(source.blocks(), info, writer, fresh=fresh, on_points=on_points)


class Sent(Protocol):
    """What is known beforehand of the points that are sent."""

    @property
    def points(self) -> int: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def fields(self) -> Mapping[str, FieldType]: ...


def send_points(
    blocks: Iterable[PointBlock], sent: Sent, writer: StoreWriter, *, fresh: bool, on_points: OnPoints | None = None
) -> CopyReport:
    """Make what `writer` builds the points of `blocks`, no more and no less: see `copy_points`."""
    writer.index_fields(sent.fields)
    leftover = {record.id for record in writer.known(())}
    totals, resumed, since_checkpoint = Totals(), 0, 0
    for block in blocks:
        totals = totals.plus(block)
        missing = block if fresh else _without(block, leftover)
        leftover.difference_update(block.ids)
        if len(missing):
            writer.upsert(missing.ids, missing.vectors, missing.payloads)
        resumed += len(block) - len(missing)
        since_checkpoint += len(missing)
        if since_checkpoint >= CHECKPOINT_POINTS:
            writer.checkpoint()
            since_checkpoint = 0
        if on_points is not None:
            on_points(totals.points, sent.points)
    if totals.points != sent.points:
        raise TransferError(
            f"{totals.points:,} points were read where {sent.points:,} were announced: what is copied changed meanwhile, or is "
            "damaged; run the same command again when nothing writes to it"
        )
    _delete(writer, sorted(leftover))
    if not totals.points:  # a writer that was given nothing at all would leave readers what they had
        writer.upsert([], np.empty((0, sent.dimensions), dtype=np.float32), [])
    try:
        writer.publish(totals)
    except TransferError as error:
        if not resumed:
            raise
        raise TransferError(
            f"{error}; {resumed:,} of the points were left by a stopped copy, perhaps of something else: run the same command "
            "with --fresh to send all of them again"
        ) from error
    return CopyReport(totals.points, totals.checksum, resumed)


def _without(block: PointBlock, ids: set[UUID]) -> PointBlock:
    rows = [row for row, point in enumerate(block.ids) if point not in ids]
    if len(rows) == len(block):
        return block
    chosen = np.array(rows, dtype=np.intp)
    return PointBlock([block.ids[row] for row in rows], block.vectors[chosen], [block.payloads[row] for row in rows])


def _delete(writer: StoreWriter, ids: list[UUID]) -> None:
    for begin in range(0, len(ids), BLOCK):
        writer.delete(ids[begin : begin + BLOCK])
