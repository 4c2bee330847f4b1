"""The contract of a vector store, kept by every engine: what is written is found, exactly, and nothing else."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from doubles.engines import ENGINES, SPACE, Engine, engine_of
from topicidx.errors import InvalidPointError, StoreError, StoreNotFoundError, TransferError
from topicidx.indexer.conditions import All, Between, Condition, Equals, Missing, Not
from topicidx.indexer.store import PointFilter, Rewrite, VectorStore
from topicidx.indexer.totals import totals_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]

Float32 = NDArray[np.float32]
DIMENSIONS = 8
CITIES = ("london", "new york", "são paulo", None)
BIG = 10_000


@pytest.fixture(scope="session", params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    if request.param == "server":
        request.getfixturevalue("qdrant_server")
    return str(request.param)


@pytest.fixture(scope="session")
def server_url(engine_name: str, request: pytest.FixtureRequest) -> str | None:
    return str(request.getfixturevalue("qdrant_server")) if engine_name == "server" else None


@pytest.fixture
def engine(engine_name: str, server_url: str | None, tmp_path: Path) -> Iterator[Engine]:
    """An engine with a collection that is not there yet."""
    with engine_of(engine_name, tmp_path, server_url) as engine:
        yield engine


@pytest.fixture(scope="session")
def store(
    engine_name: str, server_url: str | None, tmp_path_factory: pytest.TempPathFactory, points: "Points"
) -> Iterator[VectorStore]:
    """A store of 10,000 points, open for reading and shared."""
    with engine_of(engine_name, tmp_path_factory.mktemp("contract"), server_url) as engine:
        with engine.writer(DIMENSIONS) as writer:
            writer.index_fields({"number": "integer", "tags": "keyword"})
            for begin in range(0, BIG, 1_000):
                some = slice(begin, begin + 1_000)
                writer.upsert(points.ids[some], points.vectors[some], points.payloads[some])
            assert writer.publish() == BIG
        with engine.open() as opened:
            yield opened


class Points:
    """10,000 points with distinct scores for nearly every query, in an order that is not that of their ids."""

    def __init__(self) -> None:
        chance = np.random.default_rng(4)
        self.ids = [UUID(int=int(number) + 1) for number in chance.permutation(BIG)]
        self.vectors: Float32 = chance.dirichlet(np.full(DIMENSIONS, 0.3), BIG).astype(np.float32)
        self.cities = [CITIES[number % len(CITIES)] for number in chance.integers(0, 100, BIG)]
        self.payloads = [
            {"city": city, "image": f"photos/{row}.jpg", "number": row, "tags": [f"t{row % 3}", f"u{row % 5}"]}
            for row, city in enumerate(self.cities)
        ]

    def rows(self, where: PointFilter | None) -> list[int]:
        return [
            row
            for row, point in enumerate(self.ids)
            if where is None
            or (
                (not where.cities or self.cities[row] in where.cities)
                and (where.ids is None or point in where.ids)
                and (where.where is None or CONDITIONS[where.where](row, self.cities[row]))
            )
        ]

    def best(self, vector: Float32, limit: int, where: PointFilter | None = None) -> tuple[list[UUID], list[float]]:
        rows = np.array(self.rows(where))
        scores = self.vectors[rows].astype(np.float64) @ vector.astype(np.float64)
        order = np.argsort(-scores, kind="stable")[:limit]
        return [self.ids[rows[row]] for row in order], scores[order].tolist()


@pytest.fixture(scope="session")
def points() -> Points:
    return Points()


def some_ids(count: int) -> list[UUID]:
    return [UUID(int=number + 1) for number in range(count)]


def unit_vectors(count: int, dimensions: int = DIMENSIONS) -> Float32:
    return np.eye(dimensions, dtype=np.float32)[np.arange(count) % dimensions]


def write(
    engine: Engine, ids: Sequence[UUID], vectors: Float32, payloads: Sequence[dict[str, Any]] | None = None
) -> int:
    with engine.writer(vectors.shape[1]) as writer:
        writer.upsert(ids, vectors, payloads or [{"city": None} for _ in ids])
        return writer.publish()


# Searching


QUERIES = {
    "one topic": np.eye(DIMENSIONS, dtype=np.float32)[2],
    "lifts": np.array([0.1, 5, 0, 30, 0.5, 1, 2, 0.01], dtype=np.float32),
    "negative": -np.array([0.1, 5, 0.2, 30, 0.5, 1, 2, 0.01], dtype=np.float32),
    "mixed": np.array([1, -2, 3, -4, 5, -6, 7, -8], dtype=np.float32),
}
CONDITIONS: dict[Condition, Callable[[int, str | None], bool]] = {
    Between("number", gte=100, lt=400): lambda row, city: 100 <= row < 400,
    Not(Equals("tags", ("t1", "u3"))): lambda row, city: row % 3 != 1 and row % 5 != 3,
    Between("number", lt=400): lambda row, city: row < 400,
    All((Missing("city"), Equals("number", (3, 4, 5, 6, 7, 8)))): lambda row, city: city is None and 3 <= row <= 8,
}
FILTERS = {
    **{f"condition {number}": PointFilter(where=where) for number, where in enumerate(CONDITIONS)},
    "a city and a condition": PointFilter(("london",), where=Between("number", lt=400)),
    "all": None,
    "no city named": PointFilter(),
    "a city": PointFilter(("london",)),
    "cities": PointFilter(("london", "são paulo")),
    "cities, one of them unknown": PointFilter(("new york", "atlantis")),
    "ids": PointFilter(ids=frozenset(some_ids(500))),
    "cities and ids": PointFilter(("london",), frozenset(some_ids(500))),
}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("where", FILTERS)
@pytest.mark.parametrize("limit", [1, 50])
def test_search_is_exact(store: VectorStore, points: Points, query: str, where: str, limit: int) -> None:
    vector = QUERIES[query]
    (found,) = store.search(vector[None], limit, FILTERS[where])
    ids, scores = points.best(vector, limit, FILTERS[where])
    assert found.ids == ids
    assert found.scores.dtype == np.float64
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5, atol=1e-5)


def test_several_vectors_are_searched_at_once(store: VectorStore) -> None:
    vectors = np.stack(list(QUERIES.values()))
    together = store.search(vectors, 20)
    for found, vector in zip(together, vectors, strict=True):
        (alone,) = store.search(vector[None], 20)
        assert found.ids == alone.ids
        assert found.scores.tolist() == alone.scores.tolist()
    assert store.search(vectors[:0], 20) == []


def test_a_limit_beyond_the_collection_gives_all_of_it(store: VectorStore, points: Points) -> None:
    (found,) = store.search(QUERIES["mixed"][None], 2 * BIG)
    assert len(found.ids) == BIG
    assert set(found.ids) == set(points.ids)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("where", [PointFilter(("atlantis",)), PointFilter(ids=frozenset())], ids=["city", "ids"])
def test_a_filter_that_nothing_passes_finds_nothing(store: VectorStore, where: PointFilter) -> None:
    (found,) = store.search(QUERIES["lifts"][None], 10, where)
    assert (found.ids, found.scores.tolist(), store.count(where)) == ([], [], 0)


@pytest.mark.parametrize(
    "vectors",
    [
        np.ones((1, DIMENSIONS + 1), dtype=np.float32),
        np.ones((1, DIMENSIONS - 1), dtype=np.float32),
        np.ones(DIMENSIONS, dtype=np.float32),
        np.full((1, DIMENSIONS), np.nan, dtype=np.float32),
        np.array([[1] * (DIMENSIONS - 1) + [np.inf]], dtype=np.float32),
    ],
    ids=["too long", "too short", "not a table", "NaN", "infinite"],
)
def test_a_query_that_does_not_fit_is_refused(store: VectorStore, vectors: Float32) -> None:
    with pytest.raises(StoreError, match="query"):
        store.search(vectors, 10)


# Reading


def test_facts_of_a_collection(store: VectorStore) -> None:
    info = store.info()
    assert (info.points, info.dimensions, info.vector_space) == (BIG, DIMENSIONS, SPACE)
    assert info.collection
    assert info.generation
    assert info.location


@pytest.mark.parametrize("where", FILTERS)
def test_points_are_counted_exactly(store: VectorStore, points: Points, where: str) -> None:
    assert store.count(FILTERS[where]) == len(points.rows(FILTERS[where]))
    assert store.has(FILTERS[where]) == bool(points.rows(FILTERS[where]))


def test_points_come_in_the_order_asked_for_without_the_unknown(store: VectorStore, points: Points) -> None:
    rows = [7, 3, 9_999, 0, 5_000]
    asked = [points.ids[row] for row in rows]
    records = store.retrieve([asked[0], UUID(int=10**9), *asked[1:]])
    assert [record.id for record in records] == asked
    assert [record.payload for record in records] == [points.payloads[row] for row in rows]
    assert store.retrieve([]) == []
    assert store.retrieve([UUID(int=10**9)]) == []


def test_vectors_come_as_they_were_stored(store: VectorStore, points: Points) -> None:
    rows = [7, 3, 7, 9_999]
    found = store.vectors([points.ids[row] for row in rows])
    assert found.dtype == np.float32
    assert found.tobytes() == points.vectors[rows].tobytes()
    assert store.vectors([]).shape == (0, DIMENSIONS)


def test_the_vector_of_an_unknown_point_is_an_error_that_names_it(store: VectorStore, points: Points) -> None:
    with pytest.raises(StoreError, match=re.escape(str(UUID(int=10**9)))):
        store.vectors([points.ids[0], UUID(int=10**9)])


def test_scrolling_gives_every_point_once_in_the_order_of_ids(store: VectorStore, points: Points) -> None:
    records = list(store.scroll())
    assert [record.id for record in records] == sorted(points.ids)
    by_id = dict(zip(points.ids, points.payloads, strict=True))
    assert all(record.payload == by_id[record.id] for record in records)


def test_scrolling_gives_the_fields_asked_for(store: VectorStore) -> None:
    assert all(set(record.payload) == {"image"} for record in store.scroll(["image", "unheard_of"]))


@pytest.mark.parametrize("where", FILTERS)
def test_scrolling_gives_the_points_that_a_filter_means(store: VectorStore, points: Points, where: str) -> None:
    found = [record.id for record in store.scroll([], FILTERS[where])]
    assert found == sorted(points.ids[row] for row in points.rows(FILTERS[where]))


def test_blocks_are_all_points_whole_in_the_order_of_ids(store: VectorStore, points: Points) -> None:
    blocks = list(store.blocks())
    ids = [point for block in blocks for point in block.ids]
    order = np.argsort([point.int for point in points.ids], kind="stable")
    assert ids == [points.ids[row] for row in order]
    assert np.concatenate([block.vectors for block in blocks]).tobytes() == points.vectors[order].tobytes()
    assert [payload for block in blocks for payload in block.payloads] == [points.payloads[row] for row in order]
    assert all(block.vectors.dtype == np.float32 and len(block) <= 1_000 for block in blocks)


def test_the_payload_schema_is_told(store: VectorStore) -> None:
    own = {"city": "keyword", "source": "keyword", "taken_at": "datetime"}
    assert store.info().fields == own | {"number": "integer", "tags": "keyword"}


def test_values_are_counted_among_the_points_that_a_filter_means(store: VectorStore, points: Points) -> None:
    rows = points.rows(PointFilter(("london",), where=Between("number", lt=400)))
    expected = [len([row for row in rows if row % 3 == kind]) for kind in range(3)]
    found = store.facet("tags", PointFilter(("london",), where=Between("number", lt=400)))
    assert [found[f"t{kind}"] for kind in range(3)] == expected
    assert sum(found.values()) == 2 * len(rows)


def test_a_search_that_may_be_approximate_gives_exact_scores(store: VectorStore, points: Points) -> None:
    vector = QUERIES["lifts"]
    (found,) = store.search(vector[None], 50, exact=False)
    by_id = dict(zip(points.ids, points.vectors.astype(np.float64) @ vector.astype(np.float64), strict=True))
    np.testing.assert_allclose(found.scores, [by_id[point] for point in found.ids], rtol=1e-5)
    assert len(set(found.ids) & set(points.best(vector, 50)[0])) >= 45


def test_values_of_a_field_are_counted_most_frequent_first(store: VectorStore, points: Points) -> None:
    expected = {city: points.cities.count(city) for city in CITIES if city}
    assert store.facet("city") == expected
    assert list(store.facet("city").values()) == sorted(expected.values(), reverse=True)


def test_a_closed_store_answers_with_an_error(engine: Engine) -> None:
    write(engine, some_ids(1), unit_vectors(1))
    with engine.open() as store:
        assert store.count() == 1
    for read in (
        store.count,
        lambda: store.search(unit_vectors(1), 1),
        lambda: store.retrieve(some_ids(1)),
        lambda: store.vectors(some_ids(1)),
        lambda: list(store.scroll()),
        lambda: store.facet("city"),
    ):
        with pytest.raises(StoreError):
            read()


def test_an_engines_error_is_a_store_error(store: VectorStore) -> None:
    with pytest.raises(StoreError, match="image"):
        store.facet("image")


# Writing


def test_a_collection_without_points_answers_every_question(engine: Engine) -> None:
    with engine.writer(DIMENSIONS) as writer:
        writer.upsert([], unit_vectors(0), [])
        assert writer.publish() == 0
    with engine.open() as store:
        assert store.count() == store.info().points == 0
        assert store.search(unit_vectors(1), 10)[0].ids == []
        assert (list(store.scroll()), store.facet("city"), store.retrieve(some_ids(1))) == ([], {}, [])


def test_a_single_point_is_found(engine: Engine) -> None:
    assert write(engine, some_ids(1), unit_vectors(1), [{"city": "london"}]) == 1
    with engine.open() as store:
        (found,) = store.search(unit_vectors(1), 10, PointFilter(("london",)))
        assert (found.ids, found.scores.tolist(), store.count()) == (some_ids(1), [1.0], 1)


def test_writing_a_point_again_replaces_it_whole(engine: Engine) -> None:
    ids = some_ids(3)
    write(engine, ids, unit_vectors(3), [{"city": "london", "old": 1} for _ in ids])
    with engine.writer(DIMENSIONS) as writer:
        writer.upsert(ids[:2], unit_vectors(8)[5:7], [{"city": "paris"}, {"city": "rome"}])
        writer.upsert(ids[:1], unit_vectors(8)[7:], [{"city": "oslo"}])
        assert writer.publish() == 3
    with engine.open() as store:
        assert store.count() == 3
        assert [record.payload for record in store.retrieve(ids)] == [
            {"city": "oslo"}, {"city": "rome"}, {"city": "london", "old": 1},
        ]  # fmt: skip
        assert store.vectors(ids).argmax(axis=1).tolist() == [7, 6, 2]
        assert store.facet("city") == {"london": 1, "oslo": 1, "rome": 1}
        assert store.count(PointFilter(("london",))) == 1


def test_replacing_a_payload_keeps_the_vector_and_the_named_fields(engine: Engine) -> None:
    ids = some_ids(2)
    write(engine, ids, unit_vectors(2), [{"city": "london", "sha256": "ab", "width": 3, "gone": 1} for _ in ids])
    with engine.writer(DIMENSIONS) as writer:
        writer.rewrite([Rewrite(ids[0], ids[0], {"city": "paris", "new": [1]}, ("sha256", "width", "not there"))])
        assert writer.publish() == 2
    with engine.open() as store:
        assert [record.payload for record in store.retrieve(ids)] == [
            {"city": "paris", "new": [1], "sha256": "ab", "width": 3},
            {"city": "london", "sha256": "ab", "width": 3, "gone": 1},
        ]
        assert store.vectors(ids).tobytes() == unit_vectors(2).tobytes()
        assert store.count(PointFilter(("london",))) == store.count(PointFilter(("paris",))) == 1


def test_a_point_takes_over_the_vector_of_another_one_and_the_named_fields(engine: Engine) -> None:
    ids = some_ids(4)
    write(engine, ids[:2], unit_vectors(2), [{"city": "london", "sha256": "ab"}, {"city": "rome", "sha256": "cd"}])
    with engine.writer(DIMENSIONS) as writer:
        writer.upsert(ids[2:3], unit_vectors(8)[7:], [{"city": "oslo", "sha256": "ef"}])
        writer.rewrite(
            [
                Rewrite(ids[3], ids[2], {"city": "bern"}, ("sha256",)),
                Rewrite(ids[0], ids[1], {"city": "bonn"}, ("sha256",)),
                Rewrite(ids[1], ids[0], {"city": "nice"}, ("sha256",)),  # what the point held before this call
            ]
        )
        assert writer.publish() == 4
    with engine.open() as store:
        assert [record.payload for record in store.retrieve(ids)] == [
            {"city": "bonn", "sha256": "cd"},
            {"city": "nice", "sha256": "ab"},
            {"city": "oslo", "sha256": "ef"},
            {"city": "bern", "sha256": "ef"},
        ]
        assert store.vectors(ids).argmax(axis=1).tolist() == [1, 0, 7, 7]


def test_a_vector_that_is_not_there_cannot_be_taken_over(engine: Engine) -> None:
    write(engine, some_ids(1), unit_vectors(1))
    with pytest.raises(StoreError, match=str(UUID(int=99))), engine.writer(DIMENSIONS) as writer:
        writer.rewrite([Rewrite(some_ids(1)[0], UUID(int=99), {})])
        writer.publish()


def test_removed_points_are_gone_and_may_come_back(engine: Engine) -> None:
    ids = some_ids(5)
    write(engine, ids, unit_vectors(5), [{"city": "london"}] * 5)
    with engine.writer(DIMENSIONS) as writer:
        writer.delete([ids[1], ids[3], UUID(int=99)])
        writer.upsert([ids[3]], unit_vectors(8)[7:], [{"city": "oslo"}])
        writer.upsert([UUID(int=50)], unit_vectors(1), [{"city": "rome"}])
        writer.delete([UUID(int=50)])
        writer.delete([])
        assert {record.id for record in writer.known([])} == {ids[0], ids[2], ids[3], ids[4]}
        assert writer.publish() == 4
    with engine.open() as store:
        assert [record.id for record in store.scroll()] == [ids[0], ids[2], ids[3], ids[4]]
        assert store.facet("city") == {"london": 3, "oslo": 1}
        assert store.search(unit_vectors(8)[7:], 1)[0].ids == [ids[3]]
        assert len(store.search(unit_vectors(1), 100)[0].ids) == 4
        assert store.retrieve([ids[1]]) == []


def test_all_points_may_be_removed(engine: Engine) -> None:
    write(engine, some_ids(3), unit_vectors(3))
    with engine.writer(DIMENSIONS) as writer:
        writer.delete(some_ids(3))
        assert writer.publish() == 0
    with engine.open() as store:
        assert (store.count(), list(store.scroll()), list(store.blocks())) == (0, [], [])


def test_a_field_is_indexed_once_and_as_one_type(engine: Engine) -> None:
    with engine.writer(DIMENSIONS) as writer:
        writer.index_fields({"likes": "integer", "city": "keyword"})
        writer.index_fields({"likes": "integer"})
        with pytest.raises(StoreError, match=r"'likes' is indexed as integer already .*--rebuild"):
            writer.index_fields({"likes": "keyword"})
        writer.upsert(some_ids(1), unit_vectors(1), [{"likes": 3}])
        writer.publish()
    with engine.writer(DIMENSIONS) as writer:
        assert writer.fields["likes"] == "integer"
        writer.index_fields({"author": "keyword"})
        writer.publish()
    with engine.open() as store:
        assert (store.info().fields["likes"], store.info().fields["author"]) == ("integer", "keyword")
        assert store.count(PointFilter(where=Equals("likes", (3,)))) == 1


def test_points_of_another_space_replace_those_there_when_they_are_published(engine: Engine) -> None:
    write(engine, some_ids(3), unit_vectors(3))
    with engine.writer(DIMENSIONS, space="another space") as writer:
        assert writer.replaces_space
        assert list(writer.known([])) == []
        writer.upsert(some_ids(1), unit_vectors(1), [{}])
        with engine.open() as store:
            assert (store.count(), store.info().vector_space) == (3, SPACE)
        assert writer.publish() == 1
    with engine.open() as store:
        info = store.info()
        assert (store.count(), info.vector_space) == (1, "another space")
        assert info.previous is not None


def test_a_rebuild_starts_from_nothing_and_is_seen_when_it_is_published(engine: Engine) -> None:
    write(engine, some_ids(3), unit_vectors(3))
    with engine.writer(DIMENSIONS, rebuild=True) as writer:
        assert (list(writer.known([])), writer.replaces_space, writer.resumes) == ([], False, False)
        writer.upsert(some_ids(5)[4:], unit_vectors(1), [{}])
        with engine.open() as store:
            assert store.count() == 3
        assert writer.publish() == 1
    with engine.open() as store:
        assert [record.id for record in store.scroll()] == some_ids(5)[4:]


def test_a_stopped_rebuild_is_gone_on_from(engine: Engine) -> None:
    write(engine, some_ids(3), unit_vectors(3))
    with pytest.raises(KeyboardInterrupt), engine.writer(DIMENSIONS, rebuild=True) as writer:
        writer.upsert(some_ids(6)[5:], unit_vectors(1), [{"city": "oslo"}])
        writer.checkpoint()
        raise KeyboardInterrupt
    with engine.open() as store:
        assert store.count() == 3
    with engine.writer(DIMENSIONS, rebuild=True) as writer:
        assert writer.resumes
        assert [(record.id, record.payload) for record in writer.known(["city"])] == [(UUID(int=6), {"city": "oslo"})]
        writer.upsert(some_ids(1), unit_vectors(1), [{}])
        assert writer.publish() == 2


def test_what_is_not_as_expected_is_not_published(engine: Engine) -> None:
    write(engine, some_ids(3), unit_vectors(3))
    with engine.open() as store:
        totals = totals_of(store.blocks())
    assert totals.points == 3
    with pytest.raises(TransferError, match=totals.checksum), engine.writer(DIMENSIONS, rebuild=True) as writer:
        writer.upsert(some_ids(3), unit_vectors(4)[1:], [{"city": None}] * 3)
        writer.publish(totals)
    with engine.open() as store:
        assert totals_of(store.blocks()) == totals
    with engine.writer(DIMENSIONS, rebuild=True) as writer:
        writer.upsert(some_ids(3), unit_vectors(3), [{"city": None}] * 3)
        assert writer.publish(totals) == 3


def test_a_collection_that_is_not_there_says_how_to_fill_it(engine: Engine) -> None:
    with pytest.raises(StoreNotFoundError, match="topicidx ingest"):
        engine.open()
    with engine.writer(DIMENSIONS) as writer:
        assert (list(writer.known([])), writer.resumes, writer.replaces_space, writer.publish()) == (
            [],
            False,
            False,
            0,
        )
    with pytest.raises(StoreNotFoundError):
        engine.open()


def test_payloads_come_back_as_they_were(engine: Engine) -> None:
    payload = {
        "image": 'photos/caf\u00e9/cafe\u0301 "it\'s"\n\N{SUNRISE}.jpg',
        "city": "s\u00e3o paulo",
        "none": None,
        "yes": True,
        "number": 1_700_000_000_123_456_789,
        "minus": -3,
        "half": 0.1,
        "list": ["\N{SUNRISE}", 1, None, {"deep": [[]]}],
        "empty": {},
        "text": "",
        "dotted.name[0]": 1,
    }
    write(engine, some_ids(1), unit_vectors(1), [payload])
    with engine.open() as store:
        (record,) = store.retrieve(some_ids(1))
        assert record.payload == payload
        assert json.dumps(record.payload, sort_keys=True) == json.dumps(payload, sort_keys=True)
        assert [scrolled.payload for scrolled in store.scroll()] == [payload]


def test_the_writer_knows_the_points_it_starts_from(engine: Engine) -> None:
    with engine.writer(DIMENSIONS) as writer:
        assert list(writer.known(["city"])) == []
    ids = some_ids(2_500)
    write(engine, ids, unit_vectors(2_500), [{"city": "london", "image": str(point)} for point in ids])
    with engine.writer(DIMENSIONS) as writer:
        known = {record.id: record.payload for record in writer.known(["image"])}
    assert known == {point: {"image": str(point)} for point in ids}


def bad(row: int, value: float) -> Float32:
    vectors = unit_vectors(3)
    vectors[row, 1] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (bad(1, np.nan), f"{UUID(int=2)} holds NaN values"),
        (bad(2, np.inf), f"{UUID(int=3)} holds infinite values"),
        (bad(0, -np.inf), f"{UUID(int=1)} holds infinite values"),
        (bad(1, -1e-6), f"{UUID(int=2)} holds negative values"),
        (unit_vectors(2), "(2, 8) cannot be stored: (3, 8) was expected"),
        (unit_vectors(3, 7), "(3, 7) cannot be stored: (3, 8) was expected"),
        (unit_vectors(3)[0], "(8,) cannot be stored: (3, 8) was expected"),
    ],
    ids=["NaN", "infinite", "minus infinite", "negative", "too few", "too short", "not a table"],
)
def test_a_bad_vector_is_named_and_nothing_is_written(engine: Engine, vectors: Float32, message: str) -> None:
    with engine.writer(DIMENSIONS) as writer:
        with pytest.raises(InvalidPointError, match=re.escape(message)):
            writer.upsert(some_ids(3), vectors, [{}, {}, {}])
        assert writer.publish() == 0
    with pytest.raises(StoreError), engine.open():
        pass


@pytest.mark.parametrize(
    "payload",
    [
        {"rating": float("nan")},
        {"rating": float("inf")},
        {"caption": "cut \ud83d"},
        {"captions": ["fine", "cut \ud83d"]},
    ],
    ids=["NaN", "infinite", "half a character", "half a character in a list"],
)
def test_a_payload_that_cannot_be_stored_is_named(engine: Engine, payload: dict[str, Any]) -> None:
    with engine.writer(DIMENSIONS) as writer, pytest.raises(InvalidPointError, match=str(UUID(int=2))):
        writer.upsert(some_ids(2), unit_vectors(2), [{}, payload])
        writer.checkpoint()


def test_a_field_whose_name_looks_like_a_path_is_a_field_of_that_name(engine: Engine) -> None:
    name = "likes.total[0]"
    with engine.writer(DIMENSIONS) as writer:
        writer.index_fields({name: "keyword"})
        writer.upsert(some_ids(2), unit_vectors(2), [{name: "many", "likes": {"total": ["few"]}}, {name: "none"}])
        writer.publish()
    with engine.writer(DIMENSIONS) as writer:
        assert writer.fields[name] == "keyword"
        assert {str(record.payload[name]) for record in writer.known([name])} == {"many", "none"}
    with engine.open() as store:
        assert store.info().fields[name] == "keyword"
        assert store.facet(name) == {"many": 1, "none": 1}
        assert [record.id for record in store.scroll([], PointFilter(where=Equals(name, ("many",))))] == some_ids(1)
