"""Ranking: exactly what scoring every point gives, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from topicidx.indexer import batch_ranking
from topicidx.indexer.batch_ranking import Ranked, rank_many
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.ranking import ScoredPoint, rank
from topicidx.indexer.scoring import LIFT_FLOOR, Scoring, geometric_mean
from topicidx.indexer.store import PointFilter, VectorStore

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
TOPICS = 10
POINTS = 3_000
CITIES = ("london", "paris", "rome")


@dataclass
class Collection:
    """3,000 topic distributions: sparse ones, dense ones, one-topic ones and many that are equal."""

    ids: list[UUID] = field(default_factory=list)
    vectors: Float32 = field(default_factory=lambda: np.empty((0, TOPICS), dtype=np.float32))
    cities: list[str] = field(default_factory=list)

    def brute_force(
        self, vectors: Float32, weights: Float64, where: PointFilter | None
    ) -> tuple[list[UUID], dict[UUID, float]]:
        rows = [row for row, city in enumerate(self.cities) if where is None or city in where.cities]
        scores = geometric_mean(self.vectors[rows].astype(np.float64) @ vectors.T.astype(np.float64), weights)
        by_id = {self.ids[row]: float(score) for row, score in zip(rows, scores, strict=True)}
        return sorted(by_id, key=lambda point: (-by_id[point], point)), by_id


@pytest.fixture(scope="module")
def collection() -> Collection:
    chance = np.random.default_rng(8)
    parts = [
        chance.dirichlet(np.full(TOPICS, 0.05), 1_200),
        chance.dirichlet(np.full(TOPICS, 2.0), 1_200),
        np.eye(TOPICS)[chance.integers(0, TOPICS, 300)],
        np.repeat(chance.dirichlet(np.full(TOPICS, 0.3), 2), 150, axis=0),
    ]
    return Collection(
        [UUID(int=int(number) + 1) for number in chance.permutation(POINTS)],
        np.concatenate(parts).astype(np.float32),
        [CITIES[int(number)] for number in chance.choice(3, POINTS, p=[0.5, 0.45, 0.05])],
    )


@pytest.fixture(scope="module")
def store(
    collection: Collection, tmp_path_factory: pytest.TempPathFactory, fill_store: object
) -> Iterator[VectorStore]:
    folder = tmp_path_factory.mktemp("scoring") / "store"
    assert callable(fill_store)
    fill_store(folder, collection.ids, collection.vectors, [{"city": city} for city in collection.cities])
    with EmbeddedStore.open(folder) as opened:
        yield opened


def assert_exact(
    found: list[ScoredPoint], collection: Collection, vectors: Float32, weights: Float64, limit: int, where: PointFilter | None
) -> None:  # fmt: skip
    ids, scores = collection.brute_force(vectors, weights, where)
    assert len(found) == min(limit, len(ids))
    np.testing.assert_allclose([point.score for point in found], [scores[point] for point in ids[:limit]], rtol=1e-4)
    np.testing.assert_allclose([point.score for point in found], [scores[point.id] for point in found], rtol=1e-4)
    assert len({point.id for point in found}) == len(found)
    assert found == sorted(found, key=lambda point: (-point.score, point.id))


@st.composite
def queries(draw: st.DrawFn) -> tuple[Float32, Float64]:
    terms = draw(st.integers(1, 4))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["sparse", "dense", "mixed"]))
    spread = {"sparse": 0.1, "dense": 5.0, "mixed": 0.7}[kind]
    vectors = chance.gamma(spread, 1 / spread, (terms, TOPICS)).astype(np.float32)
    weights = [draw(st.floats(0.1, 5)) * draw(st.sampled_from([1, 1, -1])) for _ in range(terms)]
    return vectors, np.array(weights)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=queries(),
    limit=st.sampled_from([1, 7, 40, 400, 5_000]),
    where=st.sampled_from([None, PointFilter(("rome",)), PointFilter(("london", "rome")), PointFilter(("atlantis",))]),
)
def test_ranking_by_product_is_exact(
    store: VectorStore, collection: Collection, query: tuple[Float32, Float64], limit: int, where: PointFilter | None
) -> None:
    vectors, weights = query
    found = rank(store, Scoring(vectors, weights, "product"), limit, where)
    assert_exact(found, collection, vectors, weights, limit, where)


def test_the_best_point_is_found_where_it_leads_in_no_term(store: VectorStore, collection: Collection) -> None:
    # Two topics that hardly ever occur together: the best for both is far down in the list of each.
    vectors = (np.eye(TOPICS, dtype=np.float32) * 30)[[0, 1]]
    weights = np.array([1.0, 1.0])
    found = rank(store, Scoring(vectors, weights, "product"), 1)
    assert_exact(found, collection, vectors, weights, 1, None)
    for vector in vectors:
        (leading,) = store.search(vector[None], 128)
        assert found[0].id not in leading.ids


def test_where_no_point_holds_every_word_all_are_equal(store: VectorStore, collection: Collection) -> None:
    vectors = np.full((2, TOPICS), 1e-4, dtype=np.float32)
    found = rank(store, Scoring(vectors, np.array([1.0, 2.0]), "product"), 20)
    assert [point.score for point in found] == pytest.approx([LIFT_FLOOR] * 20)


@pytest.mark.parametrize("limit", [1, 10, 100, 200])
def test_of_equal_points_each_comes_once_and_in_the_order_of_ids(
    store: VectorStore, collection: Collection, limit: int
) -> None:
    # The last 150 points are all the same, and lead in what is asked for.
    vectors = collection.vectors[-1:] * 10 / (collection.vectors[-1:] ** 2).sum()
    weights = np.array([1.0])
    ranked = rank(store, Scoring(vectors, weights, "product"), limit)
    assert_exact(ranked, collection, vectors, weights, limit, None)
    assert ranked == rank(store, Scoring(vectors, weights, "product"), limit)
    by_dot_product = rank(store, Scoring(np.atleast_2d(vectors[0]), np.ones(1), "dot"), limit)
    assert [point.score for point in by_dot_product] == pytest.approx([point.score for point in ranked], rel=1e-5)
    assert by_dot_product == sorted(by_dot_product, key=lambda point: (-point.score, point.id))


def test_ranking_by_dot_product_is_exact(store: VectorStore, collection: Collection) -> None:
    vector = np.random.default_rng(1).normal(size=TOPICS).astype(np.float32)
    for where in (None, PointFilter(("rome",))):
        found = rank(store, Scoring(np.atleast_2d(vector), np.ones(1), "dot"), 50, where)
        rows = [row for row, city in enumerate(collection.cities) if where is None or city in where.cities]
        scores = collection.vectors[rows].astype(np.float64) @ vector
        np.testing.assert_allclose([point.score for point in found], np.sort(scores)[::-1][:50], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0], [1.0, -1.0], [-1.0]])
def test_pages_of_a_ranking_fit_together(store: VectorStore, weights: list[float]) -> None:
    vectors = np.random.default_rng(6).gamma(0.5, 2, (len(weights), TOPICS)).astype(np.float32)
    scoring = Scoring(vectors, np.array(weights), "product")
    whole = rank(store, scoring, 200)
    for limit in (1, 9, 50, 199):
        assert rank(store, scoring, limit) == whole[:limit]


def test_pages_fit_together_through_points_that_are_equal(store: VectorStore, collection: Collection) -> None:
    vectors = np.stack([collection.vectors[-1], collection.vectors[-200]]) * 10
    scoring = Scoring(vectors, np.array([2.0, 1.0]), "product")
    whole = rank(store, scoring, 400)
    assert any(one.score == other.score for one, other in pairwise(whole))
    for limit in range(1, 400, 23):
        assert rank(store, scoring, limit) == whole[:limit]


def test_a_shallow_first_round_may_miss_what_further_rounds_find(store: VectorStore, collection: Collection) -> None:
    vectors = (np.eye(TOPICS, dtype=np.float32) * 30)[[0, 1]]
    scoring = Scoring(vectors, np.array([1.0, 1.0]), "product")
    best = rank(store, scoring, 1)
    assert rank(store, scoring, 1, first_depth=16, rounds=1) != best
    assert rank(store, scoring, 1, first_depth=16) == best


def many(count: int) -> list[Ranked]:
    """Scorings of all kinds, some terms shared, some among fewer points."""
    chance = np.random.default_rng(count)
    words = chance.gamma(0.3, 3, (20, TOPICS)).astype(np.float32)
    asked: list[Ranked] = []
    for number in range(count):
        terms = 1 + number % 3
        weights = chance.uniform(0.2, 3, terms) * chance.choice([1, 1, -1], terms)
        vectors = words[chance.choice(len(words), terms, replace=False)]
        if number % 10 == 9:
            asked.append((Scoring(chance.normal(size=(terms, TOPICS)).astype(np.float32), weights, "dot"), None))
        else:
            where = PointFilter(("london", "rome")) if number % 4 == 3 else None
            asked.append((Scoring(vectors, weights, "dot" if number % 7 == 6 else "product"), where))
    return asked


@pytest.mark.parametrize("limit", [1, 10, 300])
@pytest.mark.parametrize("scores", [10_000_000, 5_000])
def test_a_batch_is_ranked_as_its_queries_are(
    store: VectorStore, limit: int, scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_ranking, "WORTH", 10)
    asked = many(60)
    alone = [rank(store, scoring, limit, where) for scoring, where in asked]
    monkeypatch.setattr(batch_ranking, "_SCORES", scores)
    assert rank_many(store, asked, limit) == alone


def test_a_batch_may_ask_for_more_than_there_is(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_ranking, "WORTH", 1)
    asked = many(6)
    assert rank_many(store, asked, 5_000) == [rank(store, scoring, 5_000, where) for scoring, where in asked]


def test_a_batch_passes_over_the_vectors_once_for_each_filter(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(store, EmbeddedStore)
    monkeypatch.setattr(batch_ranking, "WORTH", 100)
    scans: list[PointFilter | None] = []
    scan = store.scan
    monkeypatch.setattr(store, "scan", lambda where=None: scans.append(where) or scan(where))
    one_by_one: list[Scoring] = []
    monkeypatch.setattr(batch_ranking, "rank", lambda store, scoring, *rest, **options: one_by_one.append(scoring))
    rank_many(store, many(300), 10)
    assert scans == [None, PointFilter(("london", "rome"))]
    assert len(one_by_one) < 60  # those that most points are equal for
    scans.clear()
    rank_many(store, many(20), 10)
    assert scans == []  # reading all vectors would cost more


def test_in_a_batch_too_crowds_of_equal_points_come_in_the_order_of_ids(
    store: VectorStore, collection: Collection
) -> None:
    vectors = collection.vectors[-1:] * 10 / (collection.vectors[-1:] ** 2).sum()
    asked: list[Ranked] = [*many(200), (Scoring(vectors, np.ones(1), "product"), None)]
    for limit in (1, 20):
        assert rank_many(store, asked, limit)[-1] == rank(store, *asked[-1][:1], limit)


def test_no_point_is_found_where_there_is_none(store: VectorStore) -> None:
    asked = [(scoring, PointFilter(("atlantis",))) for scoring, _ in many(200)]
    assert rank_many(store, asked, 10) == [[]] * 200
