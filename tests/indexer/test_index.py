"""Searching a store by words: what is found, how it scores, and what is said where nothing can be."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import QueryError, QuerySyntaxError, SpaceMismatchError, UnknownCityError, UnknownWordError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.keys import city_key, point_id
from topicidx.indexer.scoring import geometric_mean
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.settings import Match

LABELS = ("London", "New York", "São Paulo")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / "photos"
    folder.mkdir()
    (folder / "000.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def vectors(text_encoder: LdaTextEncoder, captions: tuple[str, ...]) -> NDArray[np.float32]:
    """Pictures whose topics are those of the captions that the topics were learned from."""
    return text_encoder.encode(captions)


@pytest.fixture(scope="module")
def store(
    photos: Path, captions: tuple[str, ...], vectors: NDArray[np.float32], space_folder: Path, fill_store: Callable[..., None]
) -> Iterator[EmbeddedStore]:  # fmt: skip
    folder = photos.parent / "store"
    SourceRegistry(folder).register(open_source(photos))
    payloads: list[dict[str, Any]] = [
        {
            "image": f"photos/{row:03}.jpg",
            "city": city_key(LABELS[row % 3]),
            "city_label": LABELS[row % 3],
            "captions": [caption] if row % 10 else [],
        }
        for row, caption in enumerate(captions)
    ]
    ids = [point_id(payload["image"]) for payload in payloads]
    fill_store(folder, ids, vectors, payloads, vector_space=TopicSpace.load(space_folder).vector_space)
    with EmbeddedStore.open(folder) as opened:
        yield opened


@pytest.fixture
def index(space: TopicSpace, store: EmbeddedStore) -> Index:
    return Index(space, store, SourceRegistry(store.folder))


def row_of(image: str) -> int:
    return int(image.removeprefix("photos/").removesuffix(".jpg"))


def lifts_of(space: TopicSpace, vectors: NDArray[np.float32], words: Sequence[str]) -> NDArray[np.float64]:
    """The lift of every word in every picture, float64 (pictures, words)."""
    ids = [space.words.vocabulary.ids[space.normalizer.stems(word)[0]] for word in words]
    rows = space.words.vectors("lift", ids)
    return vectors.astype(np.float64) @ rows.T.astype(np.float64)


def scores_of(index: Index, query: str, **options: Any) -> list[float]:
    return [hit.score for hit in index.search(query, **options)]


QUERIES: dict[str, dict[str, float]] = {
    "beach": {"beach": 1},
    "sunrise beach": {"sunrise": 1, "beach": 1},
    "beach^3 dog": {"beach": 3, "dog": 1},
    "dog -beach": {"dog": 1, "beach": -1},
    "-dog": {"dog": -1},
    "-dog -beach^2": {"dog": -1, "beach": -2},
    "coffee guitar tower^0.5 -kitten": {"coffee": 1, "guitar": 1, "tower": 0.5, "kitten": -1},
}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("limit", [5, 1_000])
def test_match_all_is_the_geometric_mean_of_lifts_over_all_pictures(
    index: Index, vectors: NDArray[np.float32], query: str, limit: int
) -> None:
    weights = np.array(list(QUERIES[query].values()))
    expected = geometric_mean(lifts_of(index.space, vectors, list(QUERIES[query])), weights)
    hits = index.search(query, limit=limit)
    assert len(hits) == min(limit, len(vectors))
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(expected)[::-1][:limit], rtol=1e-4)
    np.testing.assert_allclose([hit.score for hit in hits], [expected[row_of(hit.image)] for hit in hits], rtol=1e-4)


@pytest.mark.parametrize("query", QUERIES)
def test_match_mean_is_one_dot_product_with_the_words_topics(
    index: Index, vectors: NDArray[np.float32], query: str
) -> None:
    terms = QUERIES[query]
    ids = [index.space.words.vocabulary.ids[index.space.normalizer.stems(word)[0]] for word in terms]
    topics = index.space.words.vectors("topics", ids).astype(np.float64)
    weights = np.array(list(terms.values()))
    expected = vectors.astype(np.float64) @ (weights @ topics / np.abs(weights).sum())
    hits = index.search(query, match="mean", limit=20)
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(expected)[::-1][:20], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        [hit.score for hit in hits], [expected[row_of(hit.image)] for hit in hits], rtol=1e-4, atol=1e-6
    )


def test_the_average_lift_of_the_collection_is_one(index: Index) -> None:
    for word in ("beach", "café", "dog", "guitar", "tower"):
        scores = scores_of(index, word, limit=1_000)
        assert np.mean(scores) == pytest.approx(1, abs=0.05)
        assert sum(score >= 1 for score in scores) < len(scores) / 2


def test_what_is_found_is_what_the_captions_speak_of(index: Index, captions: tuple[str, ...]) -> None:
    themes = {row: row % 5 for row in range(len(captions))}
    for query, theme in {"sunrise beach": 0, "skyline tower": 1, "café cake": 2, "dog": 3, "guitar": 4}.items():
        assert {themes[row_of(hit.image)] for hit in index.search(query, limit=10)} == {theme}


@pytest.mark.parametrize("query", ["Beaches", "BEACH", "#beach", "beach!", "the beach", "beach and", "«beach»"])
def test_every_form_of_a_word_finds_the_same(index: Index, query: str) -> None:
    expected = index.search("beach")
    assert index.search(query) == expected


def test_normal_forms_of_a_word_find_the_same(index: Index) -> None:
    assert index.search("cafe\u0301") == index.search("caf\u00e9")
    assert index.search("ПЛЯЖ") == index.search("пляж")


def test_the_words_of_a_hyphenated_term_count_each(index: Index) -> None:
    assert index.search("dog-beach") == index.search("dog beach")
    assert index.search("-dog-beach") == index.search("-dog -beach")


def test_repeated_words_add_their_weights(index: Index) -> None:
    assert scores_of(index, "beach dog beach") == pytest.approx(scores_of(index, "beach^2 dog"))
    assert scores_of(index, "beaches #beach dog") == pytest.approx(scores_of(index, "beach^2 dog"))
    assert scores_of(index, "beach^3 -beach dog") == pytest.approx(scores_of(index, "beach^2 dog"))


@pytest.mark.parametrize("query", ["dog beach -beach", "dog beach^0.1 beach^0.2 -beach^0.3"])
def test_words_whose_weights_cancel_are_left_out(index: Index, query: str) -> None:
    assert scores_of(index, query) == pytest.approx(scores_of(index, "dog"))


@pytest.mark.parametrize("query", ["beach -beach", "beach^0.1 beach^0.2 -beach^0.3"])
def test_a_query_that_cancels_itself_is_an_error_that_says_so(index: Index, query: str) -> None:
    with pytest.raises(QuerySyntaxError, match="cancel"):
        index.search(query)


def test_unknown_words_among_known_ones_are_named_with_near_ones(index: Index) -> None:
    result = index.search("beach beech sunrize")
    assert result == index.search("beach")
    assert [unknown.word for unknown in result.unknown] == ["beech", "sunrize"]
    assert "beach" in result.unknown[0].nearest
    assert result.unknown[1].nearest[0] == "sunrise"
    assert all(len(unknown.nearest) <= 3 for unknown in result.unknown)
    assert str(result.unknown[1]).startswith("the captions never used the word 'sunrize' (did you mean sunrise")


@pytest.mark.parametrize("match", ["all", "mean"])
def test_a_query_without_any_known_word_is_an_error_with_near_ones(index: Index, match: Match) -> None:
    with pytest.raises(UnknownWordError, match=r"'sunrize' \(did you mean sunrise") as caught:
        index.search("sunrize -qqqqqq", match=match)
    assert "'qqqqqq'" in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("query", ["", "  ", "the", "and the", "-the", "the^2", "!!!", "\N{SUNRISE} \N{DOG FACE}", "#"])
def test_a_query_without_a_word_to_search_for_is_wrong_use(index: Index, query: str) -> None:
    with pytest.raises(QuerySyntaxError, match=r"give|add") as caught:
        index.search(query)
    assert caught.value.exit_code == 2


def test_negative_words_alone_find_what_has_the_least_of_them(index: Index, vectors: NDArray[np.float32]) -> None:
    lifts = lifts_of(index.space, vectors, ["dog"])[:, 0]
    hits = index.search("-dog", limit=10)
    assert max(lifts[row_of(hit.image)] for hit in hits) <= np.sort(lifts)[9] + 1e-6


@pytest.mark.parametrize("match", ["all", "mean"])
def test_cities_are_filtered_whatever_their_spelling(index: Index, match: Match) -> None:
    for cities in (["LONDON"], ["  new   york", "NEW YORK"], ["Sa\u0303o paulo", "london"]):
        hits = index.search("beach", city=cities, limit=1_000, match=match)
        keys = {city_key(city) for city in cities}
        assert {city_key(hit.city or "") for hit in hits} == keys
        assert {hit.city for hit in hits} <= set(LABELS)
        assert len(hits) == sum(city_key(LABELS[row % 3]) in keys for row in range(250))
    with pytest.raises(UnknownCityError, match=r"no picture in the store is of the city 'lundon'.*did you mean london"):
        index.search("beach", city=["london", "lundon"], match=match)
    assert index.search("beach", city=[], limit=3, match=match) == index.search("beach", limit=3, match=match)


@pytest.mark.parametrize("match", ["all", "mean"])
def test_scores_below_the_least_wanted_are_left_out(index: Index, match: Match) -> None:
    everything = index.search("beach dog", limit=1_000, match=match)
    bound = everything[100].score
    hits = index.search("beach dog", limit=1_000, min_score=bound, match=match)
    assert hits == [hit for hit in everything if hit.score >= bound]
    assert 100 < len(hits) < len(everything)
    assert index.search("beach", min_score=1e9, match=match) == []


def test_ranks_count_from_one_and_scores_fall(index: Index) -> None:
    hits = index.search("sunrise beach", limit=30)
    assert [hit.rank for hit in hits] == list(range(1, 31))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_result_in_json_has_the_promised_shape(index: Index, photos: Path, captions: tuple[str, ...]) -> None:
    found = index.search("sunrise beach", limit=1_000)
    value = found.to_json()
    assert json.loads(json.dumps(value)) == value
    assert set(value) == {"query", "results"}
    assert value["query"] == "sunrise beach"
    assert len(value["results"]) == len(captions)
    by_row = {row_of(result["image"]): result for result in value["results"]}
    for row, result in by_row.items():
        assert result == {
            "rank": result["rank"],
            "score": result["score"],
            "image": f"photos/{row:03}.jpg",
            "city": LABELS[row % 3],
            "caption": captions[row] if row % 10 else None,
            "id": str(point_id(f"photos/{row:03}.jpg")),
            "path": str(photos / f"{row:03}.jpg"),
        }
        assert list(result) == ["rank", "score", "image", "city", "caption", "id", "path"]
    assert isinstance(value["results"][0]["score"], float)


def test_unknown_words_are_part_of_the_json_only_where_there_are_any(index: Index) -> None:
    value = index.search("beach sunrize").to_json()
    assert set(value) == {"query", "results", "unknown"}
    (unknown,) = value["unknown"]
    assert unknown["word"] == "sunrize"
    assert unknown["nearest"][0] == "sunrise"


def test_pictures_of_a_source_that_is_not_known_have_no_path(
    space: TopicSpace, store: EmbeddedStore, tmp_path: Path
) -> None:
    for sources in (None, SourceRegistry(tmp_path / "elsewhere")):
        result = Index(space, store, sources).search("beach")
        assert {hit.path for hit in result} == {None}
        assert result.to_json()["results"][0]["path"] is None


def test_a_store_of_another_space_is_refused(other_space: TopicSpace, store: EmbeddedStore) -> None:
    with pytest.raises(SpaceMismatchError, match=r"filled with another topic space .*--space") as caught:
        Index(other_space, store)
    assert str(store.folder) in str(caught.value)
    assert str(other_space.folder) in str(caught.value)


def test_a_store_without_pictures_finds_nothing(
    space: TopicSpace, tmp_path: Path, fill_store: Callable[..., None]
) -> None:
    empty = np.empty((0, space.dimensions), dtype=np.float32)
    with EmbeddedStore.writer(tmp_path, "photos", space.vector_space, space.dimensions) as writer:
        writer.upsert([], empty, [])
        writer.publish()
    with EmbeddedStore.open(tmp_path) as opened:
        for match in ("all", "mean"):
            assert Index(space, opened).search("beach dog", match=match) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query", ["\x00", "\ud800", "a" * 10_000, "beach " * 500, "beach\u0000dog", "'; drop", "-" * 50]
)
def test_no_query_is_more_than_a_query_error(index: Index, query: str) -> None:
    try:
        result = index.search(query)
    except QueryError:
        return
    assert result
