"""What docs/downstream.md says in Python finds what topicidx finds."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from topicidx.indexer.index import Index
from topicidx.indexer.store import PointFilter

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")

Names = dict[str, Any]


def test_words_are_found_by_any_form_and_stop_words_are_not(names: Names, index: Index) -> None:
    def ids(text: str) -> set[str]:
        return set(names["find_words"](text).values())

    assert set(names["words"]) == {"sunrise", "beach", "dogs"}
    assert ids("beaches") <= ids("Beach") == ids("#beach") == ids("ＢＥＡＣＨ!")
    assert ids("beach’s") == ids("beachs")
    assert ids("the quokka") == set()


def test_where_two_words_share_a_form_the_more_frequent_counts(names: Names, memory: QdrantClient) -> None:
    rare, frequent = "00000000-0000-0000-0000-00000000000f", "00000000-0000-0000-0000-000000000000"
    memory.upsert(
        "photos_words",
        [
            models.PointStruct(id=point, vector={}, payload={"forms": ["glass"], "count": count})
            for point, count in ((rare, 1), (frequent, 7))
        ],
    )
    try:
        assert names["find_words"]("glass") == {"glass": frequent}
    finally:
        memory.delete("photos_words", [rare, frequent])


@pytest.mark.parametrize(
    ("found", "query"),
    [
        ("one_word", "sunrise"),
        ("both", "sunrise beach"),
        ("weighed", "sunrise^2 beach"),
        ("without", "beach -dogs"),
        ("sure", "sunrise beach"),
    ],
)
def test_the_examples_find_what_a_query_finds(names: Names, index: Index, found: str, query: str) -> None:
    assert_found(names[found], index, query)


def test_the_mean_ranks_as_the_published_method(names: Names, index: Index) -> None:
    assert_found(names["mean"], index, "sunrise beach", match="mean")


@pytest.mark.parametrize("words", [("sunrise", "beach"), ("tower", "cake"), ("wave", "street", "fur")])
@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 0.5, 1), (1, -1, 2), (-1, -0.25, -1)])
def test_sure_searches_find_what_queries_find(
    names: Names, index: Index, words: tuple[str, ...], weights: tuple[float, ...]
) -> None:
    terms = dict(zip(words, weights, strict=False))
    ids = names["find_words"](" ".join(terms))
    query = " ".join(f"{'-' * (weight < 0)}{word}^{abs(weight)}" for word, weight in terms.items())
    for limit in (1, 10, 500):
        found = names["search_surely"]({ids[word]: weight for word, weight in terms.items()}, limit)
        assert_found(found, index, query, limit=limit)


def test_a_sure_search_stops_before_it_has_seen_all(
    names: Names, memory: QdrantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[models.QueryRequest]] = []
    query = memory.query_batch_points

    def spy(collection: str, requests: Sequence[models.QueryRequest]) -> list[models.QueryResponse]:
        asked.append(requests)
        return query(collection, requests)

    monkeypatch.setattr(memory, "query_batch_points", spy)
    names["search_surely"]({names["sunrise"]: 1, names["beach"]: 1}, 1)
    (requests,) = asked
    assert requests[0].prefetch[0].prefetch[0].limit == 128


def test_a_sure_search_goes_on_while_an_unseen_picture_could_be_better(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifts = [(2.1, 1.5)] * 128 + [(1.5, 2.1)] * 128 + [(2.0, 2.0)]  # the last is on neither list, and the best
    client = QdrantClient(":memory:")
    size = models.VectorParams(size=2, distance=models.Distance.DOT)
    client.create_collection("photos", size)
    client.create_collection("photos_words", {"lift": size})
    client.upsert("photos", [models.PointStruct(id=n, vector=list(lift)) for n, lift in enumerate(lifts)])
    client.upsert("photos_words", [models.PointStruct(id=n, vector={"lift": [1 - n, n]}) for n in (0, 1)])
    monkeypatch.setitem(names, "client", client)
    (best,) = names["search_surely"]({0: 1, 1: 1}, 1)
    assert (best.id, best.score) == (256, pytest.approx(2))


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 0.5, 1), (1, -1, 2)])
def test_rescoring_in_the_app_finds_what_queries_find_once_the_lists_hold_all(
    names: Names, index: Index, weights: tuple[float, ...]
) -> None:
    terms = dict(zip(("sunrise", "beach", "fur"), weights, strict=True))
    ids = names["find_words"](" ".join(terms))
    query = " ".join(f"{'-' * (weight < 0)}{word}^{abs(weight)}" for word, weight in terms.items())
    found = names["rescore"]({ids[word]: weight for word, weight in terms.items()}, depth=index.store.count())
    hits = index.search(query)
    assert [picture.id for _, picture in found] == [hit.id for hit in hits]
    assert [score for score, _ in found] == pytest.approx([hit.score for hit in hits], rel=1e-4)
    assert found[0][1].payload["image"] == hits[0].image


def test_the_example_of_rescoring_finds_what_a_query_finds(names: Names, index: Index) -> None:
    hits = index.search("sunrise beach")
    assert [(picture.id, score) for score, picture in names["rescored"]] == [
        (hit.id, pytest.approx(hit.score, rel=1e-4)) for hit in hits
    ]


def test_too_shallow_a_search_misses_pictures_but_never_misjudges_one(names: Names, index: Index) -> None:
    words = names["find_words"]("sunrise tower")
    shallow = names["search"](names["all_of"](dict.fromkeys(words.values(), 1), depth=10))
    scores = {hit.id: hit.score for hit in index.search("sunrise tower", limit=400)}
    assert [point.score for point in shallow] == pytest.approx([scores[point.id] for point in shallow], rel=1e-5)
    assert {point.id for point in shallow} != {hit.id for hit in index.search("sunrise tower")}


def test_filters_hold_for_the_candidates_too(names: Names, index: Index) -> None:
    chosen = {
        str(record.id)
        for record in index.store.scroll()
        if record.payload["city"] in ("miami", "são paulo")
        and "2024-06-01" <= (record.payload["taken_at"] or "") < "2024-09-01"
    }
    ranked = [hit.id for hit in index.search("sunrise beach", limit=400) if hit.id in chosen]
    assert [point.id for point in names["filtered"]] == ranked[:10]
    shallow = names["all_of"]({names["sunrise"]: 1}, depth=10, where=names["summer"])
    assert len(names["search"](shallow)) == 10


def test_a_sure_search_of_some_cities_finds_what_the_query_finds(names: Names, index: Index) -> None:
    where = {"must": [{"key": "city", "match": {"value": "london"}}]}
    found = names["search_surely"](dict.fromkeys(names["words"].values(), 1), where=where)
    assert_found(found, index, "sunrise beach dogs", city=["London"])


def test_cities_are_those_of_the_store(names: Names, index: Index) -> None:
    assert {hit.value: hit.count for hit in names["cities"].hits} == index.store.facet("city")


def test_groups_are_the_best_of_each_city(names: Names, index: Index) -> None:
    groups = {group.id: group.hits for group in names["by_city"].groups}
    assert set(groups) == set(index.store.facet("city"))
    for city, found in groups.items():
        assert_found(found, index, "sunrise beach", city=[city], limit=3)


def test_more_like_a_picture_is_by_dot_product_and_without_itself(names: Names, index: Index) -> None:
    first = index.search("sunrise beach")[0]
    (vector,) = index.store.vectors([UUID(first.id)])
    (ranked,) = index.store.search(vector[None], 11, PointFilter())
    expected = [str(point) for point in ranked.ids if str(point) != first.id]
    assert [point.id for point in names["more"]] == expected[:10]


def test_metadata_name_the_space(names: Names, index: Index) -> None:
    assert names["space"] == index.space.vector_space
    assert names["info"].points_count == index.store.count()


def assert_found(points: Sequence[models.ScoredPoint], index: Index, query: str, **options: Any) -> None:
    """The points are those of `topicidx query`, with its scores and in its order, but for scores that differ by rounding."""
    hits = index.search(query, **options)
    np.testing.assert_allclose([point.score for point in points], [hit.score for hit in hits], rtol=1e-5)
    # Beyond the last, pictures of the same score may be told apart by rounding as well.
    last = hits[-1].score * (1 + 1e-5)
    assert {point.id for point in points if point.score > last} == {hit.id for hit in hits if hit.score > last}
    scores = {hit.id: hit.score for hit in hits}
    payloads = {hit.id: hit.payload for hit in hits}
    for point in points:
        if point.id in scores:
            assert point.score == pytest.approx(scores[point.id], rel=1e-5)
            assert point.payload == {name: payloads[point.id][name] for name in point.payload}
