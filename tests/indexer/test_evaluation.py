"""Evaluation by words, cities and queries of one's own: what is asked, what counts as right, how it is ranked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SourceError, StoreError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.evaluation import (
    Picture,
    Pictures,
    WordProtocol,
    evaluate_cities,
    evaluate_words,
    gather_pictures,
    ranking,
)
from topicidx.indexer.evaluation.evaluator import Evaluator, Query
from topicidx.indexer.evaluation.ranking import Method, best_first, resolve, scores_of
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id
from topicidx.indexer.sources import open_source

CITIES = ("Coast", "Skyline", "Café", "Nowhereville")


@pytest.fixture(scope="module")
def store(
    captions: tuple[str, ...], text_encoder: LdaTextEncoder, space_folder: Path, fill_store: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[EmbeddedStore]:  # fmt: skip
    """Pictures whose topics are those of their captions; every tenth has no caption, every fifth no city."""
    folder = tmp_path_factory.mktemp("evaluation")
    payloads: list[dict[str, Any]] = [
        {
            "image": f"photos/{row:03}.jpg",
            "city": None if row % 5 == 4 else CITIES[row % 5].casefold(),
            "city_label": None if row % 5 == 4 else CITIES[row % 5],
            "captions": [caption, "a photo"] if row % 10 else [],
        }
        for row, caption in enumerate(captions)
    ]
    ids = [point_id(payload["image"]) for payload in payloads]
    vectors = text_encoder.encode(captions)
    fill_store(folder, ids, vectors, payloads, vector_space=TopicSpace.load(space_folder).vector_space)
    with EmbeddedStore.open(folder) as opened:
        yield opened


@pytest.fixture
def index(space: TopicSpace, store: EmbeddedStore) -> Index:
    return Index(space, store)


@pytest.fixture
def pictures(store: EmbeddedStore) -> Pictures:
    return gather_pictures(store)


@pytest.mark.parametrize("match", ["all", "mean"])
@pytest.mark.parametrize(
    "query", ["beach", "sunrise beach", "dog -beach", "-beach", "cake^3 café dog", "sunrise nosuchword"]
)
def test_rankings_are_those_of_search(index: Index, pictures: Pictures, query: str, match: Method) -> None:
    assert match != "l2"
    scores = scores_of(resolve(index, query, match), pictures.vectors)
    order = best_first(scores)
    ranked, _ = index.rank(query, match=match, limit=len(pictures))
    assert len(ranked) == len(order) == 250
    by_id = {picture.id: score for picture, score in zip(pictures.pictures, scores, strict=True)}
    np.testing.assert_allclose(
        [by_id[point.id] for point in ranked], [point.score for point in ranked], rtol=1e-5, atol=1e-8
    )
    # Beyond rounding, the order is the same.
    np.testing.assert_allclose(scores[order], [point.score for point in ranked], rtol=1e-5, atol=1e-8)


def test_scores_of_blocks_are_those_of_the_whole(
    index: Index, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods: tuple[Method, ...] = ("all", "mean", "l2")
    whole = [scores_of(resolve(index, "sunrise beach", method), pictures.vectors) for method in methods]
    monkeypatch.setattr(ranking, "_AT_ONCE", 7)
    parts = [scores_of(resolve(index, "sunrise beach", method), pictures.vectors) for method in methods]
    np.testing.assert_allclose(parts, whole, rtol=1e-6)


def test_equal_scores_come_in_the_order_of_ids_whatever_is_relevant() -> None:
    assert best_first(np.array([1.0, 2.0, 1.0, 2.0])).tolist() == [1, 3, 0, 2]
    assert best_first(np.array([1.0, 2.0, 1.0, 2.0]), np.array([0, 2, 3])).tolist() == [3, 0, 2]


def test_distance_prefers_the_picture_at_the_querys_own_topics(index: Index, pictures: Pictures) -> None:
    words = [word for _, word in index.space.words.find("sunrise beach") if word is not None]
    target = index.space.words.vectors("topics", words).mean(axis=0)
    vectors = np.vstack([pictures.vectors[:20], target[None]])
    scores = scores_of(resolve(index, "sunrise beach", "l2"), vectors)
    assert best_first(scores)[0] == 20
    assert scores[20] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(scores[:20], -np.linalg.norm(vectors[:20] - target, axis=1), rtol=1e-5)


def test_words_are_asked_for_that_neither_few_nor_most_pictures_have(index: Index, pictures: Pictures) -> None:
    protocol = WordProtocol(least=20, pairs=5)
    found = evaluate_words(index, pictures, protocol=protocol, seed=1)
    captioned = [picture for picture in pictures.pictures if picture.captions]
    assert found.pictures == len(captioned) == 225
    assert "25 pictures without captions" in found.notes[0]
    single, pairs = found.sets
    assert [each.name for each in found.sets] == ["1 word", "2 words"]
    has = [set(index.space.normalizer.stems(" ".join(picture.captions))) for picture in captioned]
    for result in (*single.results, *pairs.results):
        stems = set(index.space.normalizer.stems(result.text))
        assert result.relevant == sum(stems <= each for each in has) >= 20
        assert result.problem is None
    assert all(result.relevant <= 45 for result in single.results)
    every = {stem for each in has for stem in each if stem in index.space.words.vocabulary.ids}
    counts = {stem: sum(stem in each for each in has) for stem in every}
    expected = {stem for stem, count in counts.items() if 20 <= count <= 45}
    assert min(counts.values()) < 20
    assert {index.space.normalizer.stems(result.text)[0] for result in single.results} == expected
    assert len(pairs.results) == 5
    assert all(len(result.text.split()) == 2 for result in pairs.results)
    fewer = evaluate_words(index, pictures, protocol=WordProtocol(least=1, most=0.12, pairs=0)).sets[0].results
    assert max(result.relevant for result in fewer) <= 27 < max(counts.values())


def test_both_ways_to_match_are_measured_and_compared(index: Index, pictures: Pictures) -> None:
    found = evaluate_words(index, pictures, protocol=WordProtocol(least=5, pairs=30))
    for each in found.sets:
        assert list(each.estimates) == ["mean", "all"]
        for method, estimates in each.estimates.items():
            for measure, one in estimates.items():
                values = [result.values[method][measure] for result in each.results]
                assert one.mean == pytest.approx(np.mean(values))
                assert one.mean > each.chance[measure]  # the vectors are those of the captions
        comparison = each.comparisons["all"]["AP"]
        means = [each.estimates[method]["AP"].mean for method in found.methods]
        assert comparison.ratio == pytest.approx(means[1] / means[0])
        assert comparison.difference.mean == pytest.approx(means[1] - means[0])
        assert each.counted == len(each.results)
    assert sum(one.pairs for one in found.calibration) == 225 * len(found.sets[0].results)


def test_scores_that_are_no_lifts_are_not_calibrated(
    index: Index, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = WordProtocol(least=5, words=3, pairs=0)
    assert evaluate_words(index, pictures, methods=("mean",), protocol=protocol).calibration == ()
    monkeypatch.setattr(TopicSpace, "scores", "similarity")
    found = evaluate_words(index, pictures, protocol=protocol)
    assert found.calibration == ()
    assert found.sets[0].counted == 3


def test_the_same_seed_gives_the_same_evaluation(index: Index, pictures: Pictures) -> None:
    protocol = WordProtocol(least=5, words=8, pairs=4)
    first, again, other = (
        evaluate_words(index, pictures, methods=("all",), protocol=protocol, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert len(first.sets[0].results) == 8
    assert "8 were drawn at random" in first.notes[1]
    assert [result.text for result in first.sets[0].results] != [result.text for result in other.sets[0].results]
    assert json.loads(json.dumps(first.to_json()))["exact"] is True


def test_pictures_without_captions_cannot_be_evaluated_by_words(index: Index, pictures: Pictures) -> None:
    bare = Pictures(tuple(Picture(picture.id, picture.image) for picture in pictures.pictures), pictures.vectors)
    with pytest.raises(SourceError, match=r"no captions.*--queries"):
        evaluate_words(index, bare)


def test_bounds_that_no_word_meets_are_named(index: Index, pictures: Pictures) -> None:
    with pytest.raises(SourceError, match=r"at least 200 and at most 20% of the 225 pictures.*--least"):
        evaluate_words(index, pictures, protocol=WordProtocol(least=200))
    alone = evaluate_words(index, pictures, protocol=WordProtocol(least=30, pairs=0))
    assert [each.name for each in alone.sets] == ["1 word"]
    assert not any("pairs" in note for note in alone.notes)


def test_cities_are_found_by_name_and_unknown_ones_left_out(index: Index, pictures: Pictures) -> None:
    found = evaluate_cities(index, pictures)
    (each,) = found.sets
    assert found.methods == ("mean", "l2", "all")
    by_name = {result.id: result for result in each.results}
    assert list(by_name) == ["Café", "Coast", "Nowhereville", "Skyline"]
    assert by_name["Café"].problem is None
    assert "'nowhereville'" in str(by_name["Nowhereville"].problem)
    assert each.counted == sum(result.problem is None for result in each.results)
    known = [result for result in each.results if result.problem is None]
    assert each.estimates["mean"]["AP"].mean == pytest.approx(
        np.mean([result.values["mean"]["AP"] for result in known])
    )
    assert by_name["Café"].values["mean"]["AP"] > by_name["Café"].chance["AP"]
    assert any("50 pictures have no city" in note for note in found.notes)
    assert any("fewer than 100" in note for note in found.notes)


def test_top100_and_ap_of_cities_are_those_of_a_ranking_made_by_hand(index: Index, space: TopicSpace) -> None:
    (word,) = [word for _, word in space.words.find("beach") if word is not None]
    topics = space.words.vectors("topics", [word])[0]
    other = np.eye(space.dimensions, dtype=np.float32)[topics.argmin()]
    # The nearer to the word's topics, the better: 60 of Beach, 60 of Dog, 90 of Beach, 90 of Dog.
    nearness = np.linspace(1, 0, 300, dtype=np.float32)[:, None]
    vectors = nearness * topics + (1 - nearness) * other
    cities = ["Beach"] * 60 + ["Dog"] * 60 + ["Beach"] * 90 + ["Dog"] * 90
    ids = sorted(point_id(str(row)) for row in range(300))
    pictures = Pictures(
        tuple(Picture(ids[row], f"photos/{row}.jpg", (), city.lower(), city) for row, city in enumerate(cities)),
        vectors,
    )
    (each,) = evaluate_cities(index, pictures).sets
    (beach,) = (result for result in each.results if result.id == "Beach")
    precisions = [*(1.0,) * 60, *((60 + number) / (120 + number) for number in range(1, 91))]
    for method in ("mean", "l2"):
        assert beach.values[method]["P@100"] == pytest.approx(0.6)
        assert beach.values[method]["AP"] == pytest.approx(np.mean(precisions))
    assert beach.chance["P@100"] == pytest.approx(0.5)


def test_names_of_cities_survive_the_query_language(index: Index, pictures: Pictures) -> None:
    named = [
        Picture(
            picture.id, picture.image, (), "x" if row % 2 else "y", '-Sunrise: "Beach"^2' if row % 2 else "Cake-^Dog"
        )
        for row, picture in enumerate(pictures.pictures)
    ]
    (each,) = evaluate_cities(index, Pictures(tuple(named), pictures.vectors)).sets
    assert [(result.text, result.problem) for result in each.results] == [("sunrise beach 2", None), ("cake dog", None)]
    assert each.results[0].unknown == ("2",)


@pytest.mark.parametrize(
    ("city", "says"), [(None, "no picture of the store has a city"), ("beach", "are of the city 'beach'"), ("zzz", "of any city")]
)  # fmt: skip
def test_cities_that_say_nothing_are_refused(index: Index, pictures: Pictures, city: str | None, says: str) -> None:
    chosen = [
        Picture(picture.id, picture.image, (), city if row or city != "zzz" else "zzzz", city)
        for row, picture in enumerate(pictures.pictures)
    ]
    with pytest.raises(SourceError, match=says):
        evaluate_cities(index, Pictures(tuple(chosen), pictures.vectors))


def test_a_source_is_looked_up_in_the_store_with_its_own_captions(store: EmbeddedStore, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = ["image,caption", *(f"{row:03}.jpg,new words {row}" for row in range(10)), "unknown.jpg,nothing"]
    (folder / "captions.csv").write_text("\n".join(rows))
    found = gather_pictures(store, open_source(folder / "captions.csv"))
    assert (len(found), found.missing) == (10, 1)
    assert [picture.id for picture in found.pictures] == sorted(picture.id for picture in found.pictures)
    vectors: NDArray[np.float32] = store.vectors([picture.id for picture in found.pictures])
    np.testing.assert_array_equal(found.vectors, vectors)
    by_image = {picture.image: picture for picture in found.pictures}
    assert by_image["photos/007.jpg"].captions == ("new words 7",)
    assert by_image["photos/007.jpg"].city_label == "Café"
    with pytest.raises(StoreError, match=r"none of the 1 pictures.*topicidx ingest"):
        (folder / "other.csv").write_text("image,caption\nunknown.jpg,nothing")
        gather_pictures(store, open_source(folder / "other.csv"))


def test_rankings_can_be_looked_at_as_they_are_made(index: Index, pictures: Pictures) -> None:
    seen = []
    evaluator = Evaluator(
        index,
        pictures,
        ("all",),
        on_ranking=lambda query, method, order, scores: seen.append((query.id, method, order[0])),
    )
    evaluator.evaluate("queries", [Query("q", "beach", {0: 1})])
    scores = scores_of(resolve(index, "beach", "all"), pictures.vectors)
    assert seen == [("q", "all", int(scores.argmax()))]
