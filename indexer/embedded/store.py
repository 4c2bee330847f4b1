"""EmbeddedStore: a collection in a folder, read from its live generation."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import numpy as np

from topicidx.errors import StoreError, StoreNotFoundError
from topicidx.indexer.embedded.generations import Generation, damaged, live_generation, previous_generation
from topicidx.indexer.embedded.shard import Shard
from topicidx.indexer.store import Float32, PointBlock, PointFilter, Record, ScoredIds, StoreInfo, VectorBlock
from topicidx.settings import APPROXIMATE_FROM

if TYPE_CHECKING:
    from topicidx.indexer.embedded.writer import EmbeddedWriter

T = TypeVar("T")


class EmbeddedStore:
    """The live generation of a collection, open for reading beside any number of readers and one writer.

    What is open stays as it was when it was opened, whatever an ingest publishes meanwhile.
    """

    def __init__(self, folder: Path, collection: str, generation: Generation, shard: Shard) -> None:
        self.folder = folder
        self.collection = collection
        self._generation = generation
        self._shard = shard

    @classmethod
    def open(cls, folder: Path, collection: str = "photos") -> "EmbeddedStore":
        """Open a store's folder. Raises StoreNotFoundError where there is none, StoreDamagedError where it cannot be read."""
        if not folder.is_dir():
            raise StoreNotFoundError(
                f"there is no store at {folder}; `topicidx ingest SOURCE` makes one, --store names one"
            )
        generation = live_generation(folder / collection)
        while True:
            try:
                shard = Shard.load_finished(generation.shard, generation.description.points)
                return cls(folder, collection, generation, shard)
            except Exception as error:  # the engine raises nothing narrower
                newer = live_generation(folder / collection)
                if newer == generation:
                    raise damaged(folder / collection, generation.shard, error) from error
                generation = newer  # an ingest published, and removed what we were about to open

    @staticmethod
    def writer(
        folder: Path,
        collection: str,
        vector_space: str,
        dimensions: int,
        *,
        rebuild: bool = False,
        approximate_from: int = APPROXIMATE_FROM,
    ) -> "AbstractContextManager[EmbeddedWriter]":
        """Begin to write a collection; see `embedded_writer`."""
        from topicidx.indexer.embedded.writer import embedded_writer

        return embedded_writer(
            folder / collection, vector_space, dimensions, rebuild=rebuild, approximate_from=approximate_from
        )

    def info(self) -> StoreInfo:
        description = self._generation.description
        previous = previous_generation(self.folder / self.collection)
        return StoreInfo(
            location=str(self.folder),
            collection=self.collection,
            points=self.count(),
            dimensions=description.dimensions,
            vector_space=description.vector_space,
            generation=self._generation.name,
            previous=previous.name if previous else None,
            fields=self._do(lambda: self._shard.fields),
            approximate="turbo8" if description.approximate else None,
        )

    def count(self, where: PointFilter | None = None) -> int:
        return self._do(lambda: self._shard.count(where))

    def has(self, where: PointFilter) -> bool:
        return self._do(lambda: self._shard.has(where))

    def search(
        self, vectors: Float32, limit: int, where: PointFilter | None = None, *, exact: bool = True
    ) -> list[ScoredIds]:
        if (
            vectors.ndim != 2
            or vectors.shape[1] != self._generation.description.dimensions
            or not np.isfinite(vectors).all()
        ):
            raise StoreError(
                f"a query of shape {vectors.shape} does not fit the store's {self._generation.description.dimensions} "
                "dimensions, or is not finite"
            )
        precise = exact or not self._generation.description.approximate
        return self._do(lambda: self._shard.search(vectors, limit, where, exact=precise))

    def retrieve(self, ids: Sequence[UUID]) -> list[Record]:
        return self._do(lambda: self._shard.retrieve(ids))

    def vectors(self, ids: Sequence[UUID]) -> Float32:
        found = self._do(lambda: self._shard.vectors(ids))
        missing = next((point for point in ids if point not in found), None)
        if missing is not None:
            raise StoreError(f"the store {self.folder} has no point {missing}")
        empty = np.empty((0, self._generation.description.dimensions), dtype=np.float32)
        return np.stack([found[point] for point in ids]) if ids else empty

    def scroll(self, fields: Sequence[str] | None = None, where: PointFilter | None = None) -> Iterator[Record]:
        yield from self._each(self._shard.scroll(fields, where))

    def blocks(self) -> Iterator[PointBlock]:
        yield from self._each(self._shard.blocks())

    def scan(self, where: PointFilter | None = None) -> Iterator[VectorBlock]:
        """Ids and vectors of every point, in the order of ids, in blocks of at most BLOCK."""
        yield from self._each(self._shard.scan(where))

    def facet(self, field: str, where: PointFilter | None = None) -> dict[str, int]:
        return self._do(lambda: self._shard.facet(field, where))

    def close(self) -> None:
        self._shard.close()

    def __enter__(self) -> "EmbeddedStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _each(self, items: Iterator[T]) -> Iterator[T]:
        try:
            yield from items
        except Exception as error:  # the engine raises nothing narrower
            raise self._failed(error) from error

    def _do(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:  # the engine raises nothing narrower
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(f"the store {self.folder} could not answer: {error}")
