"""ServerWriter: one ingest's writes to a server, into the live generation or beside it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from qdrant_client import models

from topicidx.errors import StoreError, TransferError
from topicidx.indexer.server.collection import (
    Description,
    Generation,
    all_generations,
    create_generation,
    describe,
    drop,
    end_loading,
    index_fields,
    live_generation,
    point_aliases,
    prepare_loading,
    superseded_generations,
    words_name,
)
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.server.reading import (
    count_points,
    retrieve_points,
    scroll_records,
    vector_of,
)
from topicidx.indexer.server.verification import verify_points
from topicidx.indexer.server.words import drop_unused_words, load_words
from topicidx.indexer.store import (
    BLOCK,
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
from topicidx.indexer.totals import Totals
from topicidx.settings import ServerSettings

if TYPE_CHECKING:
    from topicidx.embedders.topic_space import TopicSpace

logger = logging.getLogger(__name__)


@contextmanager
def server_writer(
    connection: Connection,
    collection: str,
    vector_space: str,
    dimensions: int,
    settings: ServerSettings,
    *,
    rebuild: bool = False,
    words_of: "TopicSpace | None" = None,
    on_progress: OnProgress | None = None,
) -> Iterator["ServerWriter"]:
    """Begin to write a collection; the connection is closed at the end.

    rebuild: start a new generation, even where readers see the vectors of this space already. words_of: the topic space
    whose words are to lie beside the pictures. Raises StoreError where the collection is not one of topicidx.
    """
    try:
        writer = ServerWriter(
            connection,
            collection,
            vector_space,
            dimensions,
            settings,
            rebuild=rebuild,
            words_of=words_of,
            on_progress=on_progress,
        )
        try:
            yield writer
        finally:
            writer.close()
    finally:
        connection.close()


class ServerWriter:
    """Writes a collection of a server.

    Where readers see the vectors of this space, what is written is seen at once, batch by batch. Otherwise it goes into a
    generation of its own, which `publish` verifies and leads readers to. Every write waits until it is applied and may be
    made twice, so that a lost answer does no harm. Nothing is created before the first write.
    """

    def __init__(
        self,
        connection: Connection,
        collection: str,
        vector_space: str,
        dimensions: int,
        settings: ServerSettings,
        *,
        rebuild: bool = False,
        words_of: "TopicSpace | None" = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._connection = connection
        self._collection = collection
        self._vector_space = vector_space
        self._dimensions = dimensions
        self._settings = settings
        self._words_of = words_of
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._written: set[UUID] = set()
        #: The generation that is to replace the live one is being loaded: settings are changed that must be put back.
        self._loading = False
        live = live_generation(connection, collection)
        self._live = live
        #: True when readers now see the vectors of another space, which publishing replaces.
        self.replaces_space = live is not None and not self._is_of_wanted_space(live)
        in_place = live is not None and not self.replaces_space and not rebuild
        #: What is written to: None until the first write where there is nothing to go on from.
        self._target = live if in_place else self._unpublished(rebuild)
        self._in_place = in_place
        #: True when a stopped ingest left points behind that this one goes on from.
        self.resumes = self._target is not None and not in_place

    @property
    def fields(self) -> Mapping[str, FieldType]:
        return INDEXED_FIELDS if self._target is None else self._target.description.fields

    def index_fields(self, fields: Mapping[str, FieldType]) -> None:
        missing = check_fields(self.fields, fields)
        if missing:
            self._target = index_fields(self._connection, self._open(), missing)

    def known(self, fields: Sequence[str]) -> Iterator[Record]:
        if self._target is not None:
            yield from scroll_records(self._connection, self._target.collection, fields)

    def upsert(self, ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
        validate_points(ids, vectors, payloads, self._dimensions)
        points = zip(ids, vectors.tolist(), payloads, strict=True)
        self._upsert(
            [models.PointStruct(id=str(point), vector=row, payload=dict(payload)) for point, row, payload in points]
        )
        self._written.update(ids)

    def rewrite(self, changes: Sequence[Rewrite]) -> None:
        for change in changes:
            validate_payload(change.id, change.payload)
        if not changes:
            return
        # All is read before anything is written: a point may be the origin of one change and the target of another.
        stored = self._stored({change.origin for change in changes if change.origin == change.id}, vectors=False)
        stored |= self._stored({change.origin for change in changes if change.origin != change.id}, vectors=True)
        missing = next((change.origin for change in changes if change.origin not in stored), None)
        if missing is not None:
            raise StoreError(f"there is no point {missing} whose vector could be taken over")
        points: list[models.PointStruct] = []
        overwrites: list[models.UpdateOperation] = []
        for change in {change.id: change for change in changes}.values():  # the last one counts
            old = stored[change.origin]
            kept = {name: value for name, value in (old.payload or {}).items() if name in change.keep}
            payload = {**kept, **change.payload}
            if change.origin == change.id:
                overwrite = models.SetPayload(payload=payload, points=[str(change.id)])
                overwrites.append(models.OverwritePayloadOperation(overwrite_payload=overwrite))
            else:
                points.append(models.PointStruct(id=str(change.id), vector=vector_of(old).tolist(), payload=payload))
        target = self._open()
        for begin in range(0, len(overwrites), self._settings.batch_size):
            some = overwrites[begin : begin + self._settings.batch_size]
            self._connection.call(self._connection.client.batch_update_points, target.collection, some, wait=True)
        if points:
            self._upsert(points)
        self._written.update(change.id for change in changes)

    def delete(self, ids: Sequence[UUID]) -> None:
        if self._target is None or not ids:
            return
        target = self._open()
        for begin in range(0, len(ids), BLOCK):
            selector = models.PointIdsList(points=[str(point) for point in ids[begin : begin + BLOCK]])
            self._connection.call(self._connection.client.delete, target.collection, selector, wait=True)
        self._written.difference_update(ids)

    def checkpoint(self) -> None:
        """Nothing is left to do: a server has written what it has said is done."""

    def publish(self, expected: Totals | None = None) -> int:
        if self._target is None:  # nothing was written
            return self._unchanged(expected)
        target = self._open() if self.resumes else self._target
        points = verify_points(
            self._connection,
            target.collection,
            self._written,
            expected,
            self._on_progress,
            nothing_else=not self._in_place,
        )
        self._show(target)
        return points

    def close(self) -> None:
        """Put back the settings of a generation that was not published; what was written stays for the next ingest."""
        if self._loading and self._target is not None:
            try:
                end_loading(self._connection.with_attempts(1), self._target)
            except StoreError as error:
                logger.warning(
                    "the settings of %s could not be put back (%s); the next ingest does it",
                    self._target.collection,
                    error,
                )
            self._loading = False

    def _show(self, target: Generation) -> None:
        """Lead readers to what was written, and to its words."""
        words = self._load_words()
        goes_with = {"query_side": self._words_of.query_side} if self._words_of else {}
        switched = {words_name(self._collection): words} if words else {}
        if self._in_place:
            point_aliases(self._connection, switched)
            self._target = describe(self._connection, target, **goes_with)
        else:
            previous = self._replaced_by(target)
            target = end_loading(self._connection, target, state="complete", previous=previous, **goes_with)
            self._loading = False
            point_aliases(self._connection, {self._collection: target, **switched})
            self._begin_again_from(target)
            drop(self._connection, superseded_generations(self._connection, self._collection))
        if self._words_of is not None:
            drop_unused_words(self._connection, self._collection)

    def _is_of_wanted_space(self, generation: Generation) -> bool:
        description = generation.description
        return (description.vector_space, description.dimensions) == (self._vector_space, self._dimensions)

    def _unpublished(self, rebuild: bool) -> Generation | None:
        """What a stopped ingest of the same space left, or one that had all done but leading readers to it."""
        live = self._live
        for found in reversed(all_generations(self._connection, self._collection)):
            newer = live is None or found.number > live.number
            stopped = found.description.state == "building"
            if (
                self._is_of_wanted_space(found)
                and (stopped or (newer and not rebuild))
                and (live is None or found.collection != live.collection)
            ):
                return found
        return None

    def _open(self) -> Generation:
        """What is written to, ready for it."""
        if self._target is None:
            self._target = self._create()
        if not (self._in_place or self._loading):
            if self.resumes:
                left = scroll_records(self._connection, self._target.collection, [])
                self._written.update(record.id for record in left)
            self._target = prepare_loading(self._connection, self._target)
            self._loading = True
        return self._target

    def _create(self, number: int | None = None, **described: Any) -> Generation:
        description = Description(
            kind="pictures",
            vector_space=self._vector_space,
            dimensions=self._dimensions,
            fields=dict(INDEXED_FIELDS),
            **described,
        )
        vectors = models.VectorParams(
            size=self._dimensions, distance=models.Distance.DOT, on_disk=self._settings.on_disk
        )
        return create_generation(self._connection, self._collection, description, vectors, self._settings, number)

    def _upsert(self, points: list[models.PointStruct]) -> None:
        target = self._open()
        for begin in range(0, len(points), self._settings.batch_size):
            some = points[begin : begin + self._settings.batch_size]
            self._connection.call(self._connection.client.upsert, target.collection, some, wait=True)

    def _stored(self, ids: set[UUID], *, vectors: bool) -> dict[UUID, models.Record]:
        if self._target is None:
            return {}
        return retrieve_points(self._connection, self._target.collection, list(ids), payload=True, vectors=vectors)

    def _unchanged(self, expected: Totals | None) -> int:
        if expected not in (None, Totals()):
            raise TransferError(
                f"nothing was written to the collection {self._collection!r} of {self._connection.location}, {expected.points} "
                "points were expected"
            )
        return count_points(self._connection, self._live.collection) if self._live else 0

    def _replaced_by(self, target: Generation) -> str | None:
        """The collection that can be brought back when readers have been led to `target`."""
        live = live_generation(self._connection, self._collection)
        if live is None or live.collection != target.collection:
            return live.collection if live else None
        return live.description.previous  # another ingest of the same space went on from it too, and was faster

    def _load_words(self) -> Generation | None:
        if self._words_of is None:
            return None
        self._on_progress("writing words", 0, None)
        return load_words(self._connection, self._collection, self._words_of, self._settings)

    def _begin_again_from(self, live: Generation) -> None:
        self._live = self._target = live
        self._in_place, self._loading, self.resumes, self.replaces_space = True, False, False, False
        self._written.clear()
