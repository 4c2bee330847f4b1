"""Points of one collection, read: what the store gives to readers, and what the writer starts from and verifies."""

import re
from collections.abc import Iterator, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from topicidx.errors import StoreDamagedError
from topicidx.indexer.engine_filters import json_path
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.store import BLOCK, Float32, Payload, PointBlock, Record

#: Queries in one request.
_QUERIES = 100
#: Values of a field that are counted.
_VALUES = 1_000_000
#: Names that a selection of payload fields takes as they are, not as paths into nested values.
_PLAIN = re.compile(r"[A-Za-z0-9_]+")


def count_points(connection: Connection, collection: str, where: models.Filter | None = None) -> int:
    """How many points there are, exactly."""
    return connection.call(connection.client.count, collection, count_filter=where, exact=True).count


def has_point(connection: Connection, collection: str, where: models.Filter | None) -> bool:
    """Whether there is a point that passes."""
    found, _ = connection.call(
        connection.client.scroll, collection, scroll_filter=where, limit=1, with_payload=False, with_vectors=False
    )
    return bool(found)


def count_ids(connection: Connection, collection: str, ids: Sequence[UUID]) -> int:
    """How many of these points there are."""
    return count_points(connection, collection, models.Filter(must=[models.HasIdCondition(has_id=_strings(ids))]))


def find_points(
    connection: Connection, collection: str, requests: Sequence[models.QueryRequest]
) -> Iterator[list[models.ScoredPoint]]:
    """What each of the requests finds, best first."""
    for begin in range(0, len(requests), _QUERIES):
        some = requests[begin : begin + _QUERIES]
        for answer in connection.call(connection.client.query_batch_points, collection, some):
            yield answer.points


def count_values(
    connection: Connection, collection: str, field: str, where: models.Filter | None = None
) -> dict[str, int]:
    """How many points have each value of a field that is indexed as keyword, most frequent first."""
    path = json_path(field)
    found = connection.call(connection.client.facet, collection, path, facet_filter=where, limit=_VALUES, exact=True)
    counts = {str(hit.value): hit.count for hit in found.hits if hit.count}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def scroll_records(
    connection: Connection, collection: str, fields: Sequence[str] | None = None, where: models.Filter | None = None
) -> Iterator[Record]:
    """Every point, in the order of ids, with these payload fields (None: all)."""
    chosen = True if fields is None else list(fields) if all(map(_PLAIN.fullmatch, fields)) else True
    for page in _pages(connection, collection, chosen or False, vectors=False, where=where):
        for record in page:
            payload = record.payload or {}
            if fields is not None:
                payload = {name: payload[name] for name in fields if name in payload}
            yield Record(id_of(record), payload)


def scroll_blocks(connection: Connection, collection: str) -> Iterator[PointBlock]:
    """Every point, whole, in the order of ids, in blocks of at most BLOCK."""
    for page in _pages(connection, collection, True, vectors=True, where=None):
        vectors: Float32 = np.stack([vector_of(record) for record in page])
        payloads: list[Payload] = [record.payload or {} for record in page]
        yield PointBlock([id_of(record) for record in page], vectors, payloads)


def retrieve_points(
    connection: Connection, collection: str, ids: Sequence[UUID], *, payload: bool, vectors: bool
) -> dict[UUID, models.Record]:
    """Those of these points that there are."""
    found: dict[UUID, models.Record] = {}
    for begin in range(0, len(ids), BLOCK):
        records = connection.call(
            connection.client.retrieve,
            collection,
            _strings(ids[begin : begin + BLOCK]),
            with_payload=payload,
            with_vectors=vectors,
        )
        found |= {id_of(record): record for record in records}
    return found


def vector_of(record: models.Record) -> NDArray[np.float32]:
    """A point's vector, float32 (dimensions,)."""
    return np.asarray(record.vector, dtype=np.float32)


def id_of(record: models.Record | models.ScoredPoint) -> UUID:
    """A point's id. Raises StoreDamagedError for a number: topicidx gives none."""
    try:
        return UUID(str(record.id))
    except ValueError as error:
        raise StoreDamagedError(
            f"the point {record.id} was not written by topicidx; remove it from the server"
        ) from error


def _pages(
    connection: Connection, collection: str, fields: bool | list[str], *, vectors: bool, where: models.Filter | None
) -> Iterator[list[models.Record]]:
    offset = None
    while True:
        page, offset = connection.call(
            connection.client.scroll,
            collection,
            scroll_filter=where,
            limit=BLOCK,
            offset=offset,
            with_payload=fields,
            with_vectors=vectors,
        )
        if page:
            yield page
        if offset is None:
            return


def _strings(ids: Sequence[UUID]) -> list[models.ExtendedPointId]:
    return [str(point) for point in ids]
