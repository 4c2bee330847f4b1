"""One Qdrant Edge shard: how it is created, opened, filled and searched. Nothing else in the project touches the engine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from topicidx.indexer.store import Float32, Payload, PointFilter, Record, ScoredIds

#: Payload fields with a keyword index.
INDEXED_FIELDS = ("city", "source")
_EXACT = edge.SearchParams(exact=True)


class Shard:
    """An open shard of dot-product vectors. Engine errors pass through as they are: bare `Exception`s."""

    def __init__(self, engine: edge.EdgeShard) -> None:
        self._engine = engine

    @classmethod
    def create(cls, folder: Path, dimensions: int, *, log: bool) -> "Shard":
        """A new, empty shard, its payload indexes made before any point.

        With `log` a write-ahead log guards every update, but no second process can even read; without it any number of
        processes may read, and updates are safe when `flush` returns. The engine fixes the choice for good.
        """
        folder.mkdir(parents=True)
        vectors = edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Dot)
        # Word queries are answered by exact scans, so no graph is built: it would cost minutes and answer them worse.
        graph = edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000)
        config = edge.EdgeConfig(vectors=vectors, hnsw_config=graph, wal_enabled=log)
        shard = cls(edge.EdgeShard.create(str(folder), config))
        for field in INDEXED_FIELDS:
            shard._engine.update(edge.UpdateOperation.create_field_index(field, edge.PayloadSchemaType.Keyword))
        return shard

    @classmethod
    def load(cls, folder: Path) -> "Shard":
        """Open an existing shard."""
        return cls(edge.EdgeShard.load(str(folder)))

    @classmethod
    def load_finished(cls, folder: Path, points: int | None) -> "Shard":
        """Open a shard that holds `points` points. Raises ValueError where it holds others: the engine takes what is missing
        for empty."""
        shard = cls.load(folder)
        found = shard.count()
        if points not in (None, found):
            shard.close()
            raise ValueError(f"it holds {found} points instead of {points}")
        return shard

    def upsert(self, ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
        rows = vectors.tolist()
        points = [
            edge.Point(point, row, dict(payload)) for point, row, payload in zip(ids, rows, payloads, strict=True)
        ]
        self._engine.update(edge.UpdateOperation.upsert_points(points))

    def flush(self) -> None:
        """Bring all updates to the disk."""
        self._engine.flush()

    def optimize(self) -> None:
        """Merge and index segments; takes its time and holds the interpreter lock."""
        self._engine.optimize()

    def close(self) -> None:
        self._engine.close()

    def count(self, where: PointFilter | None = None) -> int:
        return self._engine.count(edge.CountRequest(filter=_filter(where), exact=True))

    def search(self, vectors: Float32, limit: int, where: PointFilter | None = None) -> list[ScoredIds]:
        chosen = _filter(where)
        requests = [
            edge.QueryRequest(
                limit=limit,
                query=edge.Query.Nearest(vector),
                filter=chosen,
                params=_EXACT,
                with_payload=False,
                with_vector=False,
            )
            for vector in vectors.tolist()
        ]
        found = self._engine.query_batch(edge.QueryBatchRequest(requests))
        return [
            ScoredIds(
                [_uuid(point.id) for point in points], np.array([point.score for point in points], dtype=np.float64)
            )
            for points in found
        ]

    def retrieve(self, ids: Sequence[UUID]) -> list[Record]:
        found = {_uuid(record.id): record for record in self._engine.retrieve(list(ids), True, False)}
        return [Record(point, found[point].payload or {}) for point in ids if point in found]

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        found = self._engine.retrieve(list(ids), False, True)
        return {_uuid(record.id): np.asarray(record.vector, dtype=np.float32) for record in found}

    def scroll(self, fields: Sequence[str] | None = None) -> Iterator[Record]:
        wanted = True if fields is None else list(fields)
        for records in self._pages(wanted, with_vector=False):
            yield from (Record(_uuid(record.id), record.payload or {}) for record in records)

    def copy_into(self, other: "Shard") -> None:
        """Write every point of this shard, whole, into another one."""
        for records in self._pages(True, with_vector=True):
            vectors = np.array([record.vector for record in records], dtype=np.float32)
            other.upsert(
                [_uuid(record.id) for record in records], vectors, [record.payload or {} for record in records]
            )

    def _pages(self, fields: bool | list[str], *, with_vector: bool) -> Iterator[list[edge.Record]]:
        offset = None
        while True:
            request = edge.ScrollRequest(offset=offset, limit=1_000, with_payload=fields, with_vector=with_vector)
            records, offset = self._engine.scroll(request)
            if records:
                yield records
            if offset is None:
                return

    def facet(self, field: str) -> dict[str, int]:
        hits = self._engine.facet(edge.FacetRequest(key=field, limit=10_000, exact=True)).hits
        # The engine goes on listing values that no point has any more.
        counts = {str(hit.value): hit.count for hit in hits if hit.count}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _filter(where: PointFilter | None) -> edge.Filter | None:
    if where is None:
        return None
    must: list[edge.FieldCondition | edge.HasIdCondition] = []
    if where.cities:
        must.append(edge.FieldCondition("city", match=edge.MatchAny(list(where.cities))))
    if where.ids is not None:
        must.append(edge.HasIdCondition(set(where.ids)))
    return edge.Filter(must=list(must)) if must else None


def _uuid(value: object) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
