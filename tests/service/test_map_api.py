"""The map over HTTP: none yet, as it was made, as the store is now, and one that is of no use."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

from doubles.services import Serving
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id
from topicidx.indexer.picture_map import NONE, PictureMap, content_of, write_picture_map

CITIES = ["London", "New York", "São Paulo"]


@pytest.fixture
def made(own_home: Path) -> tuple[Path, PictureMap]:
    """The file of a map of the sixty pictures, and what is in it."""
    with Index.open(own_home) as index:
        [block] = index.store.blocks()
        info = index.store.info()
    found = PictureMap(
        ids=np.frombuffer(b"".join(point.bytes for point in block.ids), dtype=np.uint8).reshape(-1, 16),
        places=np.random.default_rng(0).random((60, 2), dtype=np.float32),
        contents=np.array([content_of(payload) for payload in block.payloads], dtype=np.uint64),
        topics=block.vectors.argmax(axis=1).astype(np.int32),
        vector_space=info.vector_space,
        generation=info.generation,
        seed=0,
        made="2024-05-01T09:00:00+00:00",
    )
    file = own_home / ".topicidx" / "store" / "photos" / "map.safetensors"
    write_picture_map(file, found)
    return file, found


def unpacked(answer: dict[str, Any], name: str, kind: str) -> Any:
    return np.frombuffer(base64.b64decode(answer["points"][name]), dtype=kind)


def test_where_there_is_none_it_says_how_to_make_one(client: httpx.Client) -> None:
    answer = client.get("/api/map")
    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "type": "MapNotFoundError", "message": "there is no map of the pictures yet; `topicidx map` makes one",
    }  # fmt: skip


def test_every_picture_has_its_place_city_and_topic(
    own_home: Path, made: tuple[Path, PictureMap], serving: Serving
) -> None:
    _, found = made
    with serving(own_home) as client:
        answer = client.get("/api/map").json()
        assert client.get("/api/map").json() == answer
        document = client.get("/openapi.json").json()["components"]["schemas"]["MapAnswer"]
        some = UUID(bytes=unpacked(answer, "ids", "V16")[7].tobytes())
        known = client.get(f"/api/pictures/{some}").json()
        topics = {topic["topic"]: topic["words"] for topic in client.get("/api/topics").json()["topics"]}
    assert set(document["examples"][0]) == set(answer)
    assert (answer["pictures"], answer["missing"], answer["made"]) == (60, 0, found.made)
    assert unpacked(answer, "ids", "u1").tobytes() == found.ids.tobytes()
    assert unpacked(answer, "places", "<f4").tobytes() == found.places.tobytes()
    assert [city["city"] for city in answer["cities"]] == CITIES
    assert [city["count"] for city in answer["cities"]] == [15, 15, 15]
    cities, leading = unpacked(answer, "cities", "<u2"), unpacked(answer, "topics", "<u2")
    assert (cities == 0xFFFF).sum() == 15
    assert known["city"] == (None if cities[7] == 0xFFFF else CITIES[cities[7]])
    assert [answer["topics"][place]["topic"] for place in leading] == found.topics.tolist()
    counts = [topic["count"] for topic in answer["topics"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == 60
    assert answer["topics"][0]["words"] == [word["word"] for word in topics[answer["topics"][0]["topic"]]][:6]


def test_what_is_removed_vanishes_and_what_is_added_is_counted(
    own_home: Path, made: tuple[Path, PictureMap], serving: Serving
) -> None:
    with serving(own_home) as client:
        assert client.get("/api/map").json()["pictures"] == 60
        gone, new = point_id("photos/03.jpg"), [point_id("photos/60.jpg"), point_id("photos/61.jpg")]
        with Index.open(own_home) as index:
            dimensions = index.space.dimensions
        store = own_home / ".topicidx" / "store"
        with EmbeddedStore.writer(store, "photos", made[1].vector_space, dimensions) as writer:
            writer.delete([gone])
            vectors = np.full((2, dimensions), 1 / dimensions, dtype=np.float32)
            writer.upsert(new, vectors, [{"image": "photos/60.jpg"}, {"image": "photos/61.jpg"}])
            writer.publish()
        answer = client.get("/api/map").json()
        assert (answer["pictures"], answer["missing"]) == (59, 2)
        assert gone.bytes not in unpacked(answer, "ids", "V16").tolist()
        file, found = made
        write_picture_map(file, replace(found, topics=np.full(60, NONE, dtype=np.int32)))
        assert client.get("/api/map").json()["topics"] == []


def test_a_map_that_cannot_be_used_is_refused_with_what_to_run(
    own_home: Path, made: tuple[Path, PictureMap], serving: Serving
) -> None:
    file, found = made
    with serving(own_home, token="0123456789abcdef") as client:
        assert client.get("/api/map").status_code == 401
        client.headers["authorization"] = "Bearer 0123456789abcdef"
        write_picture_map(file, replace(found, vector_space="e" * 64))
        answer = client.get("/api/map")
        assert (answer.status_code, answer.json()["error"]["type"]) == (409, "MapError")
        assert "`topicidx map` makes it anew" in answer.json()["error"]["message"]
        file.write_bytes(b"no map")
        assert "is damaged" in client.get("/api/map").json()["error"]["message"]
