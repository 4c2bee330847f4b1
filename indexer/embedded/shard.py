"""One Qdrant Edge shard: how it is created, opened, filled and searched. Nothing else in the project touches the engine."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from struct import Struct
from typing import cast
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from topicidx.indexer.embedded.filters import edge_filter
from topicidx.indexer.engine_filters import field_of, json_path
from topicidx.indexer.store import (
    BLOCK,
    FieldType,
    Float32,
    Payload,
    PointBlock,
    PointFilter,
    Record,
    ScoredIds,
    VectorBlock,
)

_SCHEMA: Mapping[FieldType, edge.PayloadSchemaType] = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "bool": edge.PayloadSchemaType.Bool,
    "datetime": edge.PayloadSchemaType.Datetime,
}
_TYPES: Mapping[str, FieldType] = {str(schema): name for name, schema in _SCHEMA.items()}
#: Bytes of a file that are read at once.
_PART = 2**20
_EXACT = edge.SearchParams(exact=True)
#: Twice as many as are wanted are scored by their whole vectors: with 8 bits a number that finds all of them, near enough.
_APPROXIMATE = edge.SearchParams(
    quantization=edge.QuantizationSearchParams(ignore=False, rescore=True, oversampling=2.0)
)


class Shard:
    """An open shard of dot-product vectors. Engine errors pass through as they are: bare `Exception`s."""

    def __init__(
        self,
        engine: edge.EdgeShard,
        beside: "tempfile.TemporaryDirectory[str] | None" = None,
        folder: Path | None = None,
    ) -> None:
        self._engine = engine
        self._beside = beside
        #: Where quantized vectors lie that were not read yet.
        self._unread = folder

    @classmethod
    def create(cls, folder: Path, dimensions: int, *, log: bool, approximate: bool = False) -> "Shard":
        """A new, empty shard.

        With `log` a write-ahead log guards every update, but no second process can even read; without it any number of
        processes may read, and updates are safe when `flush` returns. The engine fixes the choice for good. With
        `approximate`, `optimize` makes what approximate searches need.
        """
        folder.mkdir(parents=True)
        return cls(edge.EdgeShard.create(str(folder), _config(dimensions, log=log, approximate=approximate)))

    @classmethod
    def load(cls, folder: Path) -> "Shard":
        """Open an existing shard."""
        return cls(edge.EdgeShard.load(str(folder)), folder=folder)

    @classmethod
    def load_to_change(cls, folder: Path, dimensions: int, *, approximate: bool) -> "Shard":
        """Open an existing shard without a log, to be as `create` would make it now."""
        return cls(edge.EdgeShard.load(str(folder), _config(dimensions, log=None, approximate=approximate)))

    @classmethod
    def load_finished(cls, folder: Path, points: int | None) -> "Shard":
        """Open a shard that holds `points` points. Raises ValueError where it holds others: the engine takes what is missing
        for empty."""
        try:
            shard = cls.load(folder)
        except Exception as error:  # the engine raises nothing narrower
            if "No space left" not in str(error):
                raise
            shard = cls._load_on_full_disk(folder)
        found = shard.count()
        if points not in (None, found):
            shard.close()
            raise ValueError(f"it holds {found} points instead of {points}")
        return shard

    @classmethod
    def _load_on_full_disk(cls, folder: Path) -> "Shard":
        """Open a shard through another folder: the engine writes its configuration anew whenever it opens one."""
        beside = tempfile.TemporaryDirectory(prefix="topicidx-")
        for path in folder.iterdir():
            if path.is_dir():
                Path(beside.name, path.name).symlink_to(path.absolute())
            else:
                shutil.copy(path, beside.name)
        return cls(edge.EdgeShard.load(beside.name), beside, folder)

    @property
    def fields(self) -> dict[str, FieldType]:
        """The payload fields that are indexed, and as what."""
        schema = self._engine.info().payload_schema
        return {field_of(path): _TYPES[str(index.data_type)] for path, index in schema.items()}

    def index_fields(self, fields: Mapping[str, FieldType]) -> None:
        """Index payload fields that are not indexed yet."""
        known = self.fields
        for name, kind in fields.items():
            if name not in known:
                self._engine.update(edge.UpdateOperation.create_field_index(json_path(name), _SCHEMA[kind]))

    def upsert(self, ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
        rows = vectors.tolist()
        points = [
            edge.Point(point, row, dict(payload)) for point, row, payload in zip(ids, rows, payloads, strict=True)
        ]
        self._engine.update(edge.UpdateOperation.upsert_points(points))

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove points; unknown ids are passed over."""
        self._engine.update(edge.UpdateOperation.delete_points(list(ids)))

    def flush(self) -> None:
        """Bring all updates to the disk."""
        self._engine.flush()

    def optimize(self) -> None:
        """Merge and index segments; takes its time and holds the interpreter lock."""
        self._engine.optimize()

    def close(self) -> None:
        self._engine.close()
        if self._beside is not None:
            self._beside.cleanup()

    def count(self, where: PointFilter | None = None) -> int:
        return self._engine.count(edge.CountRequest(filter=edge_filter(where), exact=True))

    def has(self, where: PointFilter) -> bool:
        first = edge.ScrollRequest(limit=1, filter=edge_filter(where), with_payload=False, with_vector=False)
        return bool(self._engine.scroll(first)[0])

    def search(
        self, vectors: Float32, limit: int, where: PointFilter | None = None, *, exact: bool = True
    ) -> list[ScoredIds]:
        """As a store's. Exact, whatever is asked for, where the shard was not made for anything else, and for words that are
        pushed down: their best are those with next to nothing of the word, which quantized vectors cannot tell apart."""
        chosen = edge_filter(where)
        precise = [exact or bool(vector.min() < 0) for vector in vectors]
        if not all(precise):
            self._read_ahead()
        requests = [
            edge.QueryRequest(
                limit=limit,
                query=edge.Query.Nearest(vector.tolist()),
                filter=chosen,
                params=_EXACT if whole else _APPROXIMATE,
                with_payload=False,
                with_vector=False,
            )
            for vector, whole in zip(vectors, precise, strict=True)
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
        return {_uuid(record.id): vector for record, vector in zip(found, _vectors(found), strict=True)}

    def points(self, ids: Sequence[UUID]) -> dict[UUID, tuple[NDArray[np.float32], Payload]]:
        """Vectors and payloads of those ids that are there."""
        found = self._engine.retrieve(list(ids), True, True)
        return {
            _uuid(record.id): (vector, record.payload or {})
            for record, vector in zip(found, _vectors(found), strict=True)
        }

    def scroll(self, fields: Sequence[str] | None = None, where: PointFilter | None = None) -> Iterator[Record]:
        for records in self.record_blocks(fields, where):
            yield from records

    def record_blocks(
        self, fields: Sequence[str] | None = None, where: PointFilter | None = None
    ) -> Iterator[list[Record]]:
        """As `scroll`, in blocks of at most BLOCK."""
        wanted = True if fields is None else [json_path(name) for name in fields]
        for records in self._pages(wanted, with_vector=False, where=where):
            yield [Record(_uuid(record.id), record.payload or {}) for record in records]

    def scan(self, where: PointFilter | None = None) -> Iterator[VectorBlock]:
        """Ids and vectors of every point, in the order of ids."""
        for records in self._pages(False, with_vector=True, where=where):
            yield VectorBlock(_vectors(records), partial(_id_of, records))

    def blocks(self) -> Iterator[PointBlock]:
        """Every point, whole, in the order of ids."""
        for records in self._pages(True, with_vector=True):
            ids = [_uuid(record.id) for record in records]
            yield PointBlock(ids, _vectors(records), [record.payload or {} for record in records])

    def _read_ahead(self) -> None:
        """Have the system keep the quantized vectors in memory: the engine lets go of them when it opens a shard, and would have
        them read again page by page, which takes ten times as long as reading the whole file."""
        folder, self._unread = self._unread, None
        part = bytearray(_PART)
        for path in folder.glob("segments/*/vector_storage/quantized.data") if folder else ():
            with suppress(OSError), path.open("rb", buffering=0) as file:
                while file.readinto(part):
                    pass

    def _pages(
        self, fields: bool | list[str], *, with_vector: bool, where: PointFilter | None = None
    ) -> Iterator[list[edge.Record]]:
        offset = None
        chosen = edge_filter(where)
        while True:
            request = edge.ScrollRequest(
                offset=offset, limit=BLOCK, filter=chosen, with_payload=fields, with_vector=with_vector
            )
            records, offset = self._engine.scroll(request)
            if records:
                yield records
            if offset is None:
                return

    def facet(self, field: str, where: PointFilter | None = None) -> dict[str, int]:
        request = edge.FacetRequest(key=json_path(field), limit=1_000_000, exact=True, filter=edge_filter(where))
        # The engine goes on listing values that no point has any more.
        counts = {str(hit.value): hit.count for hit in self._engine.facet(request).hits if hit.count}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _config(dimensions: int, *, log: bool | None, approximate: bool) -> edge.EdgeConfig:
    # Files are mapped and read when they are asked for; reading them ahead, as is the engine's way, costs as long as many
    # searches, and a second copy of the vectors in the memory of every process.
    turbo = edge.TurboQuantQuantizationConfig(bits=edge.TurboQuantBitSize.Bits8, memory=edge.Memory.Cold)
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(
            size=dimensions,
            distance=edge.Distance.Dot,
            memory=edge.Memory.Cold,
            quantization_config=turbo if approximate else None,
        ),
        # Word queries are answered by scans, so no graph is built: it would cost minutes and answer them worse.
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
        # Segments of fewer kilobytes are not quantized: a scan of them is quick.
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1_000) if approximate else None,
        wal_enabled=log,
    )


def _vectors(records: Sequence[edge.Record]) -> Float32:
    """The vectors of records, which the engine gives as lists: float32 (n, dimensions)."""
    if not records:
        return np.empty((0, 0), dtype=np.float32)
    # Packed row by row, which takes half as long as having NumPy find out what is in the lists.
    pack = Struct(f"{len(cast(list[float], records[0].vector))}f").pack
    packed = bytearray().join(pack(*cast(list[float], record.vector)) for record in records)
    return np.frombuffer(packed, dtype=np.float32).reshape(len(records), -1)


def _id_of(records: Sequence[edge.Record], row: int) -> UUID:
    return _uuid(records[row].id)


def _uuid(value: object) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
