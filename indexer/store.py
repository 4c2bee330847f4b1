"""VectorStore: the interface of the places that keep topic vectors, and what goes in and out of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.errors import InvalidPointError
from topicidx.post import JsonValue

Float32 = NDArray[np.float32]
Payload = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Which points a query may find: those of any of `cities` (keys, see `city_key`), and among `ids`, where given."""

    cities: tuple[str, ...] = ()
    ids: frozenset[UUID] | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A stored point: its payload, or the fields asked for."""

    id: UUID
    payload: Payload


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Facts of a collection."""

    location: str
    collection: str
    points: int
    dimensions: int
    vector_space: str
    generation: str


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

    def search(self, vectors: Float32, limit: int, where: PointFilter | None = None) -> list[ScoredIds]:
        """For each row of `vectors`, float32 (m, dimensions), the `limit` points of highest dot product, exactly."""

    def retrieve(self, ids: Sequence[UUID]) -> list[Record]:
        """Points by id, in the order of `ids`; unknown ids are left out."""

    def vectors(self, ids: Sequence[UUID]) -> Float32:
        """Stored vectors by id: float32 (n, dimensions). Raises StoreError where one is unknown."""

    def scroll(self, fields: Sequence[str] | None = None) -> Iterator[Record]:
        """Every point, in the order of ids, with these payload fields (None: all)."""

    def facet(self, field: str) -> dict[str, int]:
        """How many points have each value of an indexed payload field, most frequent first."""

    def close(self) -> None:
        """Release the collection."""


class StoreWriter(Protocol):
    """One ingest's hold on a collection: what it writes is seen by readers when `publish` returns, all at once."""

    def known(self, fields: Sequence[str]) -> Iterator[Record]:
        """The points that the writer starts from, with these payload fields."""

    def upsert(self, ids: Sequence[UUID], vectors: Float32, payloads: Sequence[Payload]) -> None:
        """Insert or overwrite points. Raises InvalidPointError before anything is written."""

    def replace_payload(self, point: UUID, payload: Payload, keep: Sequence[str]) -> None:
        """Replace the payload of a stored point but for the fields in `keep`; its vector stays."""

    def checkpoint(self) -> None:
        """Bring everything written so far to the disk: it survives any crash, and the next ingest goes on from it."""

    def publish(self) -> int:
        """Make everything written visible to readers, and give the number of points there are."""


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
