"""VectorStore: the interface of the places that keep topic vectors, and what goes in and out of it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.errors import InvalidPointError, StoreError
from topicidx.indexer.conditions import Condition
from topicidx.indexer.totals import Totals
from topicidx.post import JsonValue

Float32 = NDArray[np.float32]
Payload = Mapping[str, JsonValue]
#: What a payload field may be indexed as. Times are ISO 8601 text.
FieldType = Literal["keyword", "integer", "float", "bool", "datetime"]
#: How a collection may keep its vectors a second time, for searches that are not exact.
Quantized = Literal["turbo8", "int8"]
#: Payload fields that every collection indexes.
INDEXED_FIELDS: Mapping[str, FieldType] = {"city": "keyword", "source": "keyword", "taken_at": "datetime"}
#: Called with (what is being done, points done, all points or None).
OnProgress = Callable[[str, int, int | None], None]
#: Points in a block, of those that are read or written one after another.
BLOCK = 1_000


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Which points are meant: those of any of `cities` (keys, see `city_key`), among `ids` and that `where` holds of, where
    given."""

    cities: tuple[str, ...] = ()
    ids: frozenset[UUID] | None = None
    where: Condition | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A stored point: its payload, or the fields asked for."""

    id: UUID
    payload: Payload


@dataclass(frozen=True, slots=True)
class PointBlock:
    """Points, whole: ids, vectors float32 (n, dimensions), payloads."""

    ids: list[UUID]
    vectors: Float32
    payloads: list[Payload]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class VectorBlock:
    """Points without their payloads: vectors float32 (n, dimensions), and what tells the id of the point in a row, for few are
    asked for."""

    vectors: Float32
    id_of: Callable[[int], UUID]

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A point that is to have the vector of the stored point `origin` (often itself) and this payload.

    Of the origin's payload the fields in `keep` stay, where `payload` has none of the name.
    """

    id: UUID
    origin: UUID
    payload: Payload
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Facts of a collection.

    fields: what its payload indexes are of; previous: the generation that can be brought back, if one is kept;
    approximate: the quantized vectors that searches which are not exact go through, if it has any.
    """

    location: str
    collection: str
    points: int
    dimensions: int
    vector_space: str
    generation: str
    previous: str | None = None
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    approximate: Quantized | None = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a build left behind: its path or the collection's name, why it is of no use, whether it is to be removed, and its
    size in bytes where that is known."""

    name: str
    reason: str
    remove: bool
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ScoredIds:
    """The best points for one vector, best first: ids and dot products, float64 (n,)."""

    ids: list[UUID] = field(default_factory=list)
    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


class VectorStore(Protocol):
    """A collection of topic vectors that can be searched. Every method raises StoreError where the store fails."""

    def info(self) -> StoreInfo:
        """Facts of the collection."""

    def count(self, where: PointFilter | None = None) -> int:
        """How many points there are, exactly."""

    def has(self, where: PointFilter) -> bool:
        """Whether there is such a point: quicker than counting all of them."""

    def search(
        self, vectors: Float32, limit: int, where: PointFilter | None = None, *, exact: bool = True
    ) -> list[ScoredIds]:
        """For each row of `vectors`, float32 (m, dimensions), the `limit` points of highest dot product.

        Their scores are exact dot products always. With exact=False a point may be missed, where the collection has what
        such a search needs (`info().approximate`).
        """

    def retrieve(self, ids: Sequence[UUID]) -> list[Record]:
        """Points by id, in the order of `ids`; unknown ids are left out."""

    def vectors(self, ids: Sequence[UUID]) -> Float32:
        """Stored vectors by id: float32 (n, dimensions). Raises StoreError where one is unknown."""

    def scroll(self, fields: Sequence[str] | None = None, where: PointFilter | None = None) -> Iterator[Record]:
        """Every point, in the order of ids, with these payload fields (None: all)."""

    def blocks(self) -> Iterator[PointBlock]:
        """Every point, whole, in the order of ids, in blocks of at most BLOCK."""

    def facet(self, field: str, where: PointFilter | None = None) -> dict[str, int]:
        """How many points have each value of a payload field that is indexed as keyword, most frequent first."""

    def close(self) -> None:
        """Release the collection."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class StoreWriter(Protocol):
    """One ingest's hold on a collection. Where it builds a new generation, readers see what it writes when `publish` returns,
    all at once.

    resumes: a stopped ingest left points behind that this one goes on from. replaces_space: readers now see the vectors of
    another space, which publishing replaces. fields: what the payload indexes are of.
    """

    @property
    def resumes(self) -> bool: ...

    @property
    def replaces_space(self) -> bool: ...

    @property
    def fields(self) -> Mapping[str, FieldType]: ...

    def index_fields(self, fields: Mapping[str, FieldType]) -> None:
        """Index further payload fields. Raises StoreError where one is indexed as another type already."""

    def known(self, fields: Sequence[str]) -> Iterator[Record]:
        """The points that the writer starts from, with these payload fields."""

    def upsert(self, ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
        """Insert or overwrite points. Raises InvalidPointError before anything is written."""

    def rewrite(self, changes: Sequence[Rewrite]) -> None:
        """Write points with vectors that the collection has. Raises InvalidPointError before anything is written."""

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove points; unknown ids are passed over."""

    def checkpoint(self) -> None:
        """Bring everything written so far to the disk: it survives any crash, and the next ingest goes on from it."""

    def publish(self, expected: Totals | None = None) -> int:
        """Make everything written visible to readers, and give the number of points there are.

        Raises StoreError, and leaves readers what they had, where the points are not those `expected`.
        """


def check_fields(known: Mapping[str, FieldType], wanted: Mapping[str, FieldType]) -> dict[str, FieldType]:
    """Those of the `wanted` fields that are not indexed yet. Raises StoreError where one is indexed as another type."""
    for name, kind in wanted.items():
        if known.get(name, kind) != kind:
            raise StoreError(
                f"the field {name!r} is indexed as {known[name]} already and cannot be indexed as {kind} too; "
                "`topicidx ingest SOURCE --rebuild` makes a new index"
            )
    return {name: kind for name, kind in wanted.items() if name not in known}


def validate_points(ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload], dimensions: int) -> None:
    """Refuse what no engine refuses by itself. Raises InvalidPointError that names the first bad point and why."""
    if vectors.ndim != 2 or vectors.shape != (len(ids), dimensions):
        raise InvalidPointError(
            f"vectors of shape {vectors.shape} cannot be stored: {(len(ids), dimensions)} was expected"
        )
    for wrong, bad in (("NaN", np.isnan(vectors)), ("infinite", np.isinf(vectors)), ("negative", vectors < 0)):
        if bad.any():
            row = int(np.flatnonzero(bad.any(axis=1))[0])
            raise InvalidPointError(
                f"the vector of point {ids[row]} holds {wrong} values and cannot be stored; "
                "topic vectors are finite and not negative: is the image model damaged?"
            )
    for point, payload in zip(ids, payloads, strict=True):
        validate_payload(point, payload)


def validate_payload(point: UUID, payload: Payload) -> None:
    """Refuse a payload that is not JSON in UTF-8. Raises InvalidPointError that names the point."""
    try:
        json.dumps(payload, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError) as error:
        raise InvalidPointError(f"the payload of point {point} cannot be stored: {error}") from error
