"""Collections of made-up points, and what is in a store, to be compared."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.keys import point_id
from topicidx.indexer.store import PointBlock, StoreWriter, VectorStore

SPACE = "f" * 64
#: Points of the tests that move many: several blocks of them.
MANY_POINTS = int(os.environ.get("TOPICIDX_TEST_POINTS", "4500"))
CITIES = ("london", "são paulo", "東京", None)
FIELDS: Mapping[str, Any] = {"likes": "integer", "author": "keyword", "indoor": "bool", "sharpness": "float"}


def made_up_points(count: int, dimensions: int = 16, seed: int = 0) -> PointBlock:
    """Points with payloads of every kind that JSON has, in the order of their keys, which is not that of their ids."""
    chance = np.random.default_rng(seed)
    keys = [f"photos/{number}.jpg" for number in range(count)]
    vectors = chance.dirichlet(np.full(dimensions, 0.3), count).astype(np.float32)
    return PointBlock([point_id(key) for key in keys], vectors, [_payload(number) for number in range(count)])


def _payload(number: int) -> dict[str, Any]:
    city = CITIES[number % len(CITIES)]
    return {
        "image": f"photos/{number}.jpg",
        "source": "photos",
        "city": city,
        "city_label": city and city.title(),
        "captions": ["Sunrise at the beach 🏖️\u2028of\nmany lines", "пляж"] if number % 3 else [],
        "sha256": f"{number:064x}",
        "size": 1_000 + number,
        "mtime": 1_700_000_000_000_000_000 + number,
        "width": 640,
        "height": 480,
        "taken_at": f"2020-01-02T03:04:{number % 60:02}" if number % 2 else None,
        "topics": [{"topic": number % 5, "weight": 0.125}],
        "likes": number,
        "author": f"user {number % 7}",
        "indoor": number % 2 == 0,
        "sharpness": number / 7,
        "nested": {"ключ": [None, True, 1.5, {"deep": []}]},
    }


def write_points(writer: StoreWriter, block: PointBlock, fields: Mapping[str, Any] = FIELDS) -> None:
    """Write points in batches, with these fields indexed."""
    writer.index_fields(fields)
    for begin in range(0, len(block), 1_000):
        some = slice(begin, begin + 1_000)
        writer.upsert(block.ids[some], block.vectors[some], block.payloads[some])


def fill_folder(
    folder: Path,
    block: PointBlock,
    *,
    collection: str = "photos",
    space: str = SPACE,
    fields: Mapping[str, Any] = FIELDS,
) -> None:
    """Publish points in an embedded store, in place of what is there."""
    dimensions = block.vectors.shape[1]
    with EmbeddedStore.writer(folder, collection, space, dimensions, rebuild=True) as writer:
        write_points(writer, block, fields)
        writer.publish()


def content(store: VectorStore) -> tuple[Sequence[uuid.UUID], NDArray[np.float32], Sequence[Mapping[str, Any]]]:
    """Ids in their order, vectors, payloads."""
    blocks = list(store.blocks())
    empty = np.empty((0, store.info().dimensions), dtype=np.float32)
    return (
        [point for block in blocks for point in block.ids],
        np.concatenate([empty, *(block.vectors for block in blocks)]),
        [dict(payload) for block in blocks for payload in block.payloads],
    )


def assert_same(one: VectorStore, other: VectorStore) -> None:
    """Both hold the same points, bit for bit, and index the same fields."""
    left, right = content(one), content(other)
    assert left[0] == right[0] == sorted(left[0])
    assert left[1].tobytes() == right[1].tobytes()
    assert left[2] == right[2]
    assert one.info().fields == other.info().fields
    assert (one.info().vector_space, one.info().dimensions) == (other.info().vector_space, other.info().dimensions)
