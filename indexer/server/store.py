"""ServerStore: a collection on a Qdrant server, read from the generation that was live when it was opened."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from topicidx.errors import StoreDamagedError, StoreError, StoreNotFoundError
from topicidx.indexer.server.collection import Generation, live_generation
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.server.filters import served_filter
from topicidx.indexer.server.reading import (
    count_points,
    count_values,
    find_points,
    has_point,
    id_of,
    retrieve_points,
    scroll_blocks,
    scroll_records,
    vector_of,
)
from topicidx.indexer.store import Float32, PointBlock, PointFilter, Quantized, Record, ScoredIds, StoreInfo

P = ParamSpec("P")
T = TypeVar("T")

#: How many times as many points as wanted are scored by their whole vectors, by what has found them.
OVERSAMPLING = {"turbo8": 2.0, "int8": 8.0}


class ServerStore:
    """The live generation of a collection, open for reading.

    It stays with that generation while an ingest of another topic space publishes the next one; what an ingest of the same
    space writes is seen at once.
    """

    def __init__(self, connection: Connection, collection: str, generation: Generation) -> None:
        self.collection = collection
        self._connection = connection
        self._generation = generation
        self._closed = False

    @classmethod
    def open(cls, connection: Connection, collection: str = "photos") -> "ServerStore":
        """Open a collection; closing the store closes the connection.

        Raises StoreNotFoundError where there is none, StoreError where it is not one of topicidx.
        """
        try:
            generation = live_generation(connection, collection)
            if generation is None:
                raise StoreNotFoundError(
                    f"there is no collection {collection!r} on the server {connection.location}; "
                    "`topicidx ingest SOURCE --store URL` fills one, --store and --collection name another"
                )
            if generation.description.vector_space is None:
                raise StoreDamagedError(
                    f"the collection {collection!r} does not say what its vectors are; ingest again"
                )
        except BaseException:
            connection.close()
            raise
        return cls(connection, collection, generation)

    def info(self) -> StoreInfo:
        description = self._generation.description
        previous = description.previous
        return StoreInfo(
            location=self._connection.location,
            collection=self.collection,
            points=self.count(),
            dimensions=description.dimensions,
            vector_space=description.vector_space or "",
            generation=self._generation.name,
            previous=previous.rpartition("_")[2] if previous else None,
            fields=description.fields,
            approximate=self._generation.quantized,
        )

    def count(self, where: PointFilter | None = None) -> int:
        return self._ask(count_points, served_filter(where))

    def has(self, where: PointFilter) -> bool:
        return self._ask(has_point, served_filter(where))

    def search(
        self, vectors: Float32, limit: int, where: PointFilter | None = None, *, exact: bool = True
    ) -> list[ScoredIds]:
        dimensions = self._generation.description.dimensions
        if vectors.ndim != 2 or vectors.shape[1] != dimensions or not np.isfinite(vectors).all():
            raise StoreError(
                f"a query of shape {vectors.shape} does not fit the store's {dimensions} dimensions, or is not finite"
            )
        quantized = None if exact else self._generation.quantized
        queries = [_approximate(row, quantized) if quantized else _exact(row) for row in vectors]
        chosen = served_filter(where)
        requests = [
            models.QueryRequest(
                query=query.vector.tolist(),
                limit=limit,
                filter=chosen,
                params=query.params,
                with_payload=False,
                with_vector=False,
            )
            for query in queries
        ]
        found = self._ask_for_each(find_points, requests)
        return [_scored(points, query.exponent) for points, query in zip(found, queries, strict=True)]

    def retrieve(self, ids: Sequence[UUID]) -> list[Record]:
        found = self._ask(retrieve_points, ids, payload=True, vectors=False)
        return [Record(point, found[point].payload or {}) for point in ids if point in found]

    def vectors(self, ids: Sequence[UUID]) -> Float32:
        found = self._ask(retrieve_points, ids, payload=False, vectors=True)
        missing = next((point for point in ids if point not in found), None)
        if missing is not None:
            raise StoreError(
                f"the collection {self.collection!r} of {self._connection.location} has no point {missing}"
            )
        empty = np.empty((0, self._generation.description.dimensions), dtype=np.float32)
        return np.stack([vector_of(found[point]) for point in ids]) if ids else empty

    def scroll(self, fields: Sequence[str] | None = None, where: PointFilter | None = None) -> Iterator[Record]:
        return self._ask_for_each(scroll_records, fields, served_filter(where))

    def blocks(self) -> Iterator[PointBlock]:
        return self._ask_for_each(scroll_blocks)

    def facet(self, field: str, where: PointFilter | None = None) -> dict[str, int]:
        indexed = self._generation.description.fields
        if indexed.get(field) != "keyword":
            names = ", ".join(sorted(name for name, kind in indexed.items() if kind == "keyword"))
            raise StoreError(
                f"the values of {field!r} cannot be counted: the collection {self.collection!r} of "
                f"{self._connection.location} has as keywords only {names}"
            )
        return self._ask(count_values, field, served_filter(where))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._connection.close()

    def __enter__(self) -> "ServerStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, question: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the open generation answers."""
        with self._open_generation() as collection:
            return question(self._connection, collection, *args, **kwargs)

    def _ask_for_each(
        self, question: Callable[Concatenate[Connection, str, P], Iterator[T]], *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        """What the open generation answers, one thing after the other."""
        with self._open_generation() as collection:
            answers = question(self._connection, collection, *args, **kwargs)
        while True:
            with self._open_generation():
                answer = next(answers, None)
            if answer is None:
                return
            yield answer

    @contextmanager
    def _open_generation(self) -> Iterator[str]:
        if self._closed:
            raise StoreError(f"the collection {self.collection!r} of {self._connection.location} has been closed")
        try:
            yield self._generation.collection
        except StoreNotFoundError as error:
            raise StoreNotFoundError(
                f"{self._generation.collection} of {self._connection.location}, which was open, has been replaced by newer "
                "generations and removed; open the collection again"
            ) from error


@dataclass(frozen=True, slots=True)
class _Query:
    """What a server is asked for in place of a query: the vector, divided by 2 ** exponent, and how it is to search."""

    vector: NDArray[np.float32]
    params: models.SearchParams
    exponent: int = 0


def _exact(vector: NDArray[np.float32]) -> _Query:
    return _Query(vector, models.SearchParams(exact=True))


def _approximate(vector: NDArray[np.float32], quantized: Quantized) -> _Query:
    """A search among quantized vectors, whose best are scored by the whole ones; exact for words that are pushed down.

    With int8 the engine cuts a query's numbers off where those of the stored vectors end, near 1: it is brought there first,
    by a power of 2, which changes no digit of a score.
    """
    if vector.min() < 0 or vector.max() == 0:
        return _exact(vector)
    rescored = models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING[quantized])
    params = models.SearchParams(quantization=rescored)
    if quantized == "turbo8":
        return _Query(vector, params)
    exponent = int(np.frexp(vector.max())[1])
    return _Query(np.ldexp(vector, -exponent), params, exponent)


def _scored(points: Sequence[models.ScoredPoint], exponent: int) -> ScoredIds:
    scores = np.array([point.score for point in points], dtype=np.float64)
    return ScoredIds([id_of(point) for point in points], np.ldexp(scores, exponent))
