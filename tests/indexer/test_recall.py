"""Searches that need not be exact: when a store gets what they take, and what they find."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import StoreError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.recall import AT, Recall, measure_recall
from topicidx.indexer.store import PointFilter, ScoredIds
from topicidx.settings import Search

DIMENSIONS, POINTS = 200, 6_000
Float32 = NDArray[np.float32]


def thetas(points: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).dirichlet(np.full(DIMENSIONS, 0.05), points).astype(np.float32)


def publish(store: Path, vectors: Float32, approximate_from: int, first: int = 0, space: str = "a space") -> None:
    ids = [UUID(int=number + 1) for number in range(first, first + len(vectors))]
    payloads = [{"city": f"city {number % 5}"} for number in range(first, first + len(vectors))]
    with EmbeddedStore.writer(store, "photos", space, vectors.shape[1], approximate_from=approximate_from) as writer:
        for begin in range(0, len(ids), 1_000):
            some = slice(begin, begin + 1_000)
            writer.upsert(ids[some], vectors[some], payloads[some])
        writer.publish()


def recall_of(found: ScoredIds, expected: ScoredIds) -> float:
    return len(set(found.ids) & set(expected.ids)) / len(expected.ids)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("quantized") / "store"
    publish(store, thetas(POINTS), approximate_from=POINTS)
    return store


def test_a_store_gets_what_approximate_searches_need_when_it_is_large_enough(quantized: Path, tmp_path: Path) -> None:
    with EmbeddedStore.open(quantized) as store:
        assert store.info().approximate == "turbo8"
    assert list(quantized.glob("photos/g000001/shard/segments/*/vector_storage/quantized.data"))
    publish(tmp_path / "small", thetas(POINTS - 1), approximate_from=POINTS)
    with EmbeddedStore.open(tmp_path / "small") as store:
        assert store.info().approximate is None
    publish(tmp_path / "small", thetas(1), approximate_from=POINTS, first=POINTS - 1)  # it has grown
    with EmbeddedStore.open(tmp_path / "small") as store:
        assert store.info().approximate == "turbo8"
    assert list((tmp_path / "small").glob("photos/g000002/shard/segments/*/vector_storage/quantized.data"))


def test_quantized_vectors_are_read_in_one_go_before_the_first_approximate_search_alone(
    quantized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def watched(path: Path, mode: str = "r", **options: Any) -> Any:
        opened.append(path)
        return open_file(path, mode, **options)

    open_file = Path.open
    words = np.ones((1, DIMENSIONS), dtype=np.float32)
    with EmbeddedStore.open(quantized) as store:
        monkeypatch.setattr(Path, "open", watched)
        store.search(words, AT)
        store.search(-words, AT, exact=False)
        assert not opened
        store.search(words, AT, exact=False)
        store.search(words, AT, exact=False)
        assert [path.name for path in opened] == ["quantized.data"]
    with EmbeddedStore.open(quantized) as store:
        monkeypatch.setattr(Path, "open", lambda path, *arguments, **options: open_file(path / "gone"))
        assert len(store.search(words, AT, exact=False)[0].ids) == AT


@pytest.mark.parametrize("where", [None, PointFilter(("city 3",))], ids=["all", "a city"])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_approximate_search_finds_nearly_all_with_exact_scores(
    quantized: Path, where: PointFilter | None, sign: int
) -> None:
    words = (sign * np.random.default_rng(3).gamma(0.02, 50.0, (50, DIMENSIONS))).astype(np.float32)
    with EmbeddedStore.open(quantized) as store:
        exact, found = store.search(words, AT, where), store.search(words, AT, where, exact=False)
        vectors = store.vectors(found[0].ids)
    np.testing.assert_allclose(found[0].scores, vectors.astype(np.float64) @ words[0], rtol=1e-4, atol=1e-6)
    assert np.mean([recall_of(one, other) for one, other in zip(found, exact, strict=True)]) >= 0.99


@pytest.mark.parametrize(
    ("mode", "kind", "exact"),
    [
        ("auto", None, True), ("auto", "turbo8", False), ("auto", "int8", True),
        ("exact", "turbo8", True), ("approximate", "int8", False), ("approximate", None, False),
    ],
)  # fmt: skip
def test_what_is_searched_exactly_follows_the_setting_and_the_store(
    space: TopicSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Search, kind: str | None, exact: bool
) -> None:
    publish(tmp_path, np.full((3, space.dimensions), 1 / space.dimensions, np.float32), 10, space=space.vector_space)
    with EmbeddedStore.open(tmp_path) as store:
        from dataclasses import replace

        info = replace(store.info(), approximate=kind)
        monkeypatch.setattr(EmbeddedStore, "info", lambda self: info)
        asked: list[bool] = []
        search = EmbeddedStore.search

        def spy(self: EmbeddedStore, *arguments: object, exact: bool = True) -> object:
            asked.append(exact)
            return search(self, *arguments, exact=exact)  # type: ignore[arg-type]

        monkeypatch.setattr(EmbeddedStore, "search", spy)
        index = Index(space, store, search_mode=mode)
        assert index.exact is exact
        assert len(index.search("beach dog")) == 3
        assert index.search("beach", match="mean")
        assert asked
        assert set(asked) == {exact}


@pytest.fixture
def index(space: TopicSpace, tmp_path: Path) -> Callable[[Search], Index]:
    vectors = np.random.default_rng(1).dirichlet(np.full(space.dimensions, 0.2), 3_000).astype(np.float32)
    publish(tmp_path / "store", vectors, approximate_from=100, space=space.vector_space)
    return lambda mode: Index(space, EmbeddedStore.open(tmp_path / "store"), search_mode=mode)


def test_recall_is_measured_with_words_and_pictures(index: Callable[[Search], Index]) -> None:
    report = measure_recall(index("exact"), queries=20)
    assert (report.search, report.points) == ("exact", 3_000)
    assert report.words == report.pictures == report.pushed_down == Recall(20, 1.0, 1.0)
    approximate = measure_recall(index("auto"), queries=20)
    assert approximate.search == "turbo8"
    assert approximate.words.mean > 0.9
    assert measure_recall(index("auto"), queries=20) == approximate


def test_a_search_that_misses_pictures_is_found_out(
    index: Callable[[Search], Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = EmbeddedStore.search

    def forgetful(self: EmbeddedStore, vectors: Float32, limit: int, *rest: object, exact: bool = True) -> object:
        found = search(self, vectors, limit + (0 if exact else 3), *rest, exact=True)  # type: ignore[arg-type]
        return found if exact else [ScoredIds(one.ids[3:], one.scores[3:]) for one in found]

    monkeypatch.setattr(EmbeddedStore, "search", forgetful)
    report = measure_recall(index("approximate"), queries=20)
    assert report.words.mean < 0.8
    assert report.pictures.worst_decile == pytest.approx(0.7, abs=0.05)


def test_an_empty_store_has_no_recall(space: TopicSpace, tmp_path: Path) -> None:
    publish(tmp_path, np.empty((0, space.dimensions), np.float32), 10, space=space.vector_space)
    with EmbeddedStore.writer(tmp_path, "photos", space.vector_space, space.dimensions) as writer:
        writer.upsert([], np.empty((0, space.dimensions), np.float32), [])
        writer.publish()
    with EmbeddedStore.open(tmp_path) as store, pytest.raises(StoreError, match="no pictures"):
        measure_recall(Index(space, store))
