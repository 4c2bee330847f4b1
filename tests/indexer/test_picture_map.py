"""Laying pictures out, keeping the map, and telling what of it still holds."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from doubles.collections import SPACE, fill_folder, made_up_points
from doubles.engines import ENGINES, Engine, engine_of
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import MapError, MapNotFoundError, MissingExtraError, StoreError
from topicidx.indexer import picture_map_layout
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.picture_map import (
    NONE,
    PictureMap,
    compare,
    content_of,
    id_of,
    map_file,
    read_picture_map,
    write_picture_map,
)
from topicidx.indexer.picture_map_layout import FEW, lay_out
from topicidx.indexer.picture_map_making import comparable, make_picture_map
from topicidx.indexer.store import PointBlock
from topicidx.indexer.stores import StoreAddress

GROUPS, OF_EACH = 4, 40


def roots_of_distributions(count: int, dimensions: int = 24, seed: int = 0) -> NDArray[np.float16]:
    return np.sqrt(np.random.default_rng(seed).dirichlet(np.full(dimensions, 0.3), count)).astype(np.float16)


@pytest.fixture(scope="module")
def grouped() -> NDArray[np.float16]:
    """Vectors of four groups, those of a group next to one another."""
    chance = np.random.default_rng(1)
    middles = chance.dirichlet(np.full(30, 0.1), GROUPS)
    return np.sqrt(np.concatenate([chance.dirichlet(middle * 200 + 0.01, OF_EACH) for middle in middles])).astype(
        np.float16
    )


@pytest.fixture(scope="module")
def places(grouped: NDArray[np.float16]) -> NDArray[np.float32]:
    return lay_out(grouped, seed=3)


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    server = request.getfixturevalue("qdrant_server") if request.param == "server" else None
    with engine_of(request.param, tmp_path, server) as found:
        yield found


def map_of(block: PointBlock, **changes: Any) -> PictureMap:
    """A map of points, everywhere in it."""
    count = len(block)
    found = PictureMap(
        ids=np.frombuffer(b"".join(point.bytes for point in block.ids), dtype=np.uint8).reshape(count, 16),
        places=np.random.default_rng(0).random((count, 2), dtype=np.float32),
        contents=np.array([content_of(payload) for payload in block.payloads], dtype=np.uint64),
        topics=(np.arange(count) % 3).astype(np.int32),
        vector_space=SPACE,
        generation="1",
        seed=7,
        made="2024-05-01T09:00:00+00:00",
    )
    return replace(found, **changes)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, FEW - 1])
def test_a_few_pictures_have_places_of_their_own_within_the_frame(count: int) -> None:
    places = lay_out(roots_of_distributions(count).reshape(count, 24))
    assert (places.shape, places.dtype) == ((count, 2), np.float32)
    assert len(np.unique(places, axis=0)) == count
    if count:
        assert (places.min(), places.max()) >= (0, 0)
        assert places.max() <= 1
    if count > 1:
        assert np.ptp(places, axis=0).max() == pytest.approx(1, abs=1e-6)


def test_pictures_of_a_group_lie_together(places: NDArray[np.float32]) -> None:
    group = np.repeat(np.arange(GROUPS), OF_EACH)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :5]
    assert (group[nearest] == group[:, None]).mean() > 0.95
    assert places.min() >= 0
    assert places.max() <= 1
    assert np.ptp(places, axis=0).max() == pytest.approx(1, abs=1e-6)
    # None hides another: by far most have the room that is aimed at.
    assert np.median(distances.min(axis=1)) > 0.02


def test_the_same_seed_gives_the_same_map(grouped: NDArray[np.float16], places: NDArray[np.float32]) -> None:
    assert lay_out(grouped, seed=3).tobytes() == places.tobytes()


@pytest.mark.parametrize("others", [0, 20])
def test_equal_vectors_lie_around_one_place(others: int) -> None:
    same = np.repeat(roots_of_distributions(1), 60, axis=0)
    places = lay_out(np.concatenate([same, roots_of_distributions(others, seed=5).reshape(others, 24)]))
    assert len(np.unique(places, axis=0)) == 60 + others
    assert np.isfinite(places).all()
    if others:
        middle = places[:60].mean(axis=0)
        away = np.linalg.norm(places[:60] - middle, axis=1).max()
        assert np.median(np.linalg.norm(places[60:] - middle, axis=1)) > away


def test_progress_is_told_and_may_end_it(grouped: NDArray[np.float16]) -> None:
    told: list[tuple[str, int, int | None]] = []

    def on_progress(what: str, done: int, total: int | None) -> None:
        told.append((what, done, total))
        if what == "laying out":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lay_out(grouped, on_progress=on_progress)
    assert told[0] == ("finding neighbours", len(grouped), len(grouped))
    assert told[-1][0] == "laying out"


def test_approximate_neighbours_do_for_very_many(grouped: NDArray[np.float16], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_map_layout, "EXACT", 10)
    monkeypatch.setattr(picture_map_layout, "_UNFOLDING", 20)
    places = lay_out(grouped)
    assert np.isfinite(places).all()


def test_what_is_missing_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_map_layout, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"topicidx\[map\]"):
        lay_out(roots_of_distributions(FEW))


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = map_file(StoreAddress(tmp_path / "servers" / "host", "http://host:6333"), "photos")
    written = map_of(made_up_points(9))
    write_picture_map(file, written)
    read = read_picture_map(file, SPACE)
    for name in ("ids", "places", "contents", "topics"):
        assert np.array_equal(getattr(read, name), getattr(written, name))
    assert (read.vector_space, read.generation, read.seed, read.made) == (SPACE, "1", 7, written.made)
    assert id_of(read, 4) == made_up_points(9).ids[4]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_is_no_map_is_refused_with_what_to_run(tmp_path: Path) -> None:
    file = tmp_path / "map.safetensors"
    with pytest.raises(MapNotFoundError, match="`topicidx map` makes one"):
        read_picture_map(file, SPACE)
    write_picture_map(file, map_of(made_up_points(5)))
    whole = file.read_bytes()
    with pytest.raises(MapError, match=r"another topic space \(ffff.*`topicidx map` makes it anew"):
        read_picture_map(file, "e" * 64)
    for damaged in (
        b"",
        whole[:4],
        whole[:-3],
        b"\xff" * 64,
        whole.replace(b"places", b"plaies"),
        b"\x02" + bytes(7) + b"{}",
    ):
        file.write_bytes(damaged)
        with pytest.raises(MapError, match=r"is damaged.*`topicidx map` makes it anew"):
            read_picture_map(file, SPACE)
    file.write_bytes(whole.replace(b'\\"version\\": 1', b'\\"version\\": 9'))
    with pytest.raises(MapError, match="newer topicidx"):
        read_picture_map(file, SPACE)
    write_picture_map(file, map_of(made_up_points(5), places=np.full((5, 2), np.nan, dtype=np.float32)))
    with pytest.raises(MapError, match="is damaged"):
        read_picture_map(file, SPACE)
    file.unlink()
    file.mkdir()
    with pytest.raises(MapError, match="cannot read"):
        read_picture_map(file, SPACE)
    with pytest.raises(MapError, match="cannot write"):
        write_picture_map(file, map_of(made_up_points(5)))


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
def test_what_was_added_changed_or_removed_is_told(engine: Engine) -> None:
    block = made_up_points(12)
    on_map = PointBlock(block.ids[:10], block.vectors[:10], block.payloads[:10])
    found = map_of(on_map)
    with engine.writer(16) as writer:
        writer.upsert(on_map.ids, on_map.vectors, on_map.payloads)
        writer.publish()
    with engine.open() as store:
        whole = compare(found, store)
    assert whole.current
    assert whole.rows.tolist() == list(range(10))
    assert whole.city_names == ("London", "São Paulo", "東京")
    labels = [record.get("city_label") for record in on_map.payloads]
    assert [None if city == NONE else whole.city_names[city] for city in whole.cities.tolist()] == labels

    with engine.writer(16) as writer:
        writer.delete(block.ids[:2])
        writer.upsert(block.ids[10:], block.vectors[10:], block.payloads[10:])
        changed = {**block.payloads[4], "sha256": "e" * 64}
        writer.upsert(block.ids[4:5], block.vectors[4:5], [changed])
        writer.publish()
    with engine.open() as store:
        part = compare(found, store)
    assert not part.current
    assert part.rows.tolist() == [2, 3, 5, 6, 7, 8, 9]
    assert (part.missing, part.gone) == (3, 3)


def test_payloads_that_tell_little_are_taken_as_they_are(tmp_path: Path) -> None:
    assert content_of({}) == content_of({"sha256": "no digits"}) == content_of({"sha256": 5}) == 0
    point = uuid.uuid4()
    block = PointBlock([point], np.full((1, 16), 1 / 16, dtype=np.float32), [{"city": 5}])
    fill_folder(tmp_path, block)
    with EmbeddedStore.open(tmp_path) as store:
        assert compare(map_of(block), store).cities.tolist() == [NONE]


@pytest.fixture
def small_index(space: TopicSpace, tmp_path: Path) -> Iterator[Index]:
    """An index of five pictures."""
    block = made_up_points(5, dimensions=space.dimensions)
    fill_folder(tmp_path, block, space=space.vector_space)
    with EmbeddedStore.open(tmp_path) as store:
        yield Index(space, store)


def test_the_map_of_an_index_has_all_its_pictures(small_index: Index) -> None:
    told: list[tuple[str, int, int | None]] = []
    found = make_picture_map(small_index, seed=4, on_progress=lambda *step: told.append(step))
    blocks = list(small_index.store.blocks())
    assert [id_of(found, row) for row in range(5)] == blocks[0].ids
    assert found.topics.tolist() == blocks[0].vectors.argmax(axis=1).tolist()
    assert (found.vector_space, found.seed) == (small_index.space.vector_space, 4)
    assert compare(found, small_index.store).current
    assert told == [("reading vectors", 5, 5)]
    seen = comparable(small_index.space, blocks[0].vectors)
    assert np.allclose((seen.astype(np.float32) ** 2).sum(axis=1), 1, atol=1e-2)


def test_an_index_without_pictures_has_no_map(space: TopicSpace, tmp_path: Path) -> None:
    block = made_up_points(1, dimensions=space.dimensions)
    fill_folder(tmp_path, block, space=space.vector_space)
    with EmbeddedStore.writer(tmp_path, "photos", space.vector_space, space.dimensions) as writer:
        writer.delete(block.ids)
        writer.publish()
    with EmbeddedStore.open(tmp_path) as store, pytest.raises(StoreError, match="topicidx ingest"):
        make_picture_map(Index(space, store))
