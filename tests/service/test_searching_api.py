"""Searches, suggestions, facets, topics and vectors over HTTP: the answers are those of the index."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id

KEY = "photos/07.jpg"


@pytest.fixture(scope="module")
def index(home: Path) -> Iterator[Index]:
    with Index.open(home) as index:
        yield index


def ask(client: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: httpx.Client, path: str, status: int = 422, **parameters: Any) -> tuple[str, str]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["type"], answer.json()["error"]["message"]


def keys(answer: Any) -> list[str]:
    return [picture["image"] for picture in answer["results"]]


@pytest.mark.parametrize(
    "query",
    ["sunrise", "sunrise dog^2", '"ice sunrise" -dog', f"like:{KEY} -dog", "sunrise city:london before:2018", "-dog"],
)
def test_a_search_finds_what_the_index_finds(client: httpx.Client, index: Index, query: str) -> None:
    answer = ask(client, "/api/search", q=query, limit=20)
    found = index.search(query, limit=20)
    assert [(picture["id"], picture["score"], picture["rank"]) for picture in answer["results"]] == [
        (hit.id, hit.score, hit.rank) for hit in found
    ]
    first, hit = answer["results"][0], found[0]
    assert (first["image"], first["city"], first["captions"]) == (hit.image, hit.city, list(hit.captions))
    assert (first["width"], first["height"]) == (400, 300)
    assert first["why"] is None
    assert answer["query"] == query


def test_pages_fit_together_and_the_last_one_says_so(client: httpx.Client) -> None:
    whole = ask(client, "/api/search", q="sunrise dog", limit=200)
    assert (len(whole["results"]), whole["more"]) == (60, False)
    pages = [ask(client, "/api/search", q="sunrise dog", limit=25, offset=offset) for offset in (0, 25, 50)]
    assert [picture for page in pages for picture in page["results"]] == whole["results"]
    assert [page["more"] for page in pages] == [True, True, False]
    assert not ask(client, "/api/search", q="sunrise dog", limit=10, offset=50)["more"]


def test_parameters_narrow_as_the_query_language_does(client: httpx.Client) -> None:
    named = ask(client, "/api/search", q='sunrise city:london city:"New York" after:2012 before:2016', limit=50)
    given = ask(client, "/api/search", q="sunrise", city=["LONDON", "new york"], after="2012", before="2016", limit=50)
    assert keys(named) == keys(given) != []
    assert {picture["city"] for picture in given["results"]} == {"London", "New York"}
    assert all("2012" <= picture["taken_at"] < "2016" for picture in given["results"])
    liked = ask(client, "/api/search", q="sunrise", where="likes = 3", limit=50)
    assert len(liked["results"]) == 12
    strict = ask(client, "/api/search", q="sunrise", min_score=1, limit=50)
    assert 0 < len(strict["results"]) < 50
    assert all(picture["score"] >= 1 for picture in strict["results"])


def test_the_published_method_scores_otherwise(client: httpx.Client, index: Index) -> None:
    answer = ask(client, "/api/search", q="sunrise dog", match="mean")
    assert answer["results"][0]["score"] == index.search("sunrise dog", match="mean")[0].score


def test_terms_are_told_as_they_were_typed(client: httpx.Client) -> None:
    answer = ask(client, "/api/search", q=f'Sunrise^2 -"the dog" sunrize like:{KEY}^0.5 city:london', did_you_mean=True)
    assert answer["terms"] == [
        {"text": "Sunrise", "kind": "word", "weight": 2.0, "known": True, "used": None},
        {"text": "the dog", "kind": "phrase", "weight": -1.0, "known": True, "used": None},
        {"text": "sunrize", "kind": "word", "weight": 1.0, "known": False, "used": "sunrise"},
        {"text": KEY, "kind": "picture", "weight": 0.5, "known": True, "used": None},
    ]
    assert answer["unknown"] == [{"word": "sunrize", "nearest": ["sunrise"], "used": "sunrise"}]


def test_the_reasons_multiply_to_the_score(client: httpx.Client) -> None:
    for picture in ask(client, "/api/search", q="sunrise dog", explain=True, min_score=0.1)["results"]:
        assert [why["term"] for why in picture["why"]] == ["sunrise", "dog"]
        lifts = np.maximum([why["lift"] for why in picture["why"]], 0.01)
        assert np.sqrt(lifts.prod()) == pytest.approx(picture["score"])


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("", "QuerySyntaxError", "the query is empty"),
        ("city:london", "QuerySyntaxError", "only says which pictures count"),
        ('"open', "QuerySyntaxError", "not closed"),
        ("zzzzz", "UnknownWordError", "'zzzzz'"),
        ("sunrise city:atlantis", "UnknownCityError", "atlantis"),
        ("like:nowhere.jpg", "UnknownPictureError", "nowhere.jpg"),
        (" ".join(f"a{number}b" for number in range(51)), "QuerySyntaxError", "51 words and pictures are too many"),
        ("a,b" * 51, "QuerySyntaxError", "too many"),
    ],
)
def test_what_cannot_be_answered_says_why(client: httpx.Client, query: str, error: str, message: str) -> None:
    kind, said = refused(client, "/api/search", q=query)
    assert kind == error
    assert message in said


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", 0), ("limit", 201), ("offset", -1), ("match", "some"), ("min_score", "nan"), ("after", "soon"),
     ("before", "2020-13"), ("where", "likes >"), ("city", "atlantis"), ("q", "x" * 2_001)],
)  # fmt: skip
def test_a_wrong_parameter_is_refused(client: httpx.Client, name: str, value: object) -> None:
    _, message = refused(client, "/api/search", **{"q": "sunrise", name: value})
    assert message
    assert refused(client, "/api/search") == ("RequestError", "q: field required")


# Suggestions, facets, topics, vectors


def test_words_are_suggested_by_their_beginnings(client: httpx.Client, index: Index) -> None:
    documents = {word.form: word.documents for word in index.space.words.vocabulary.words}
    found = ask(client, "/api/suggest", prefix="S")["words"]
    assert {word["word"] for word in found} <= {"sunrise", "sand", "skyline", "street", "singer", "stage"}
    assert len(found) == 6
    counts = [word["documents"] for word in found]
    assert counts == sorted(counts, reverse=True)
    assert found[0]["documents"] == documents[found[0]["word"]]
    assert [word["word"] for word in ask(client, "/api/suggest", prefix="s", limit=2)["words"]] == [
        word["word"] for word in found[:2]
    ]
    assert [word["word"] for word in ask(client, "/api/suggest", prefix="CAFE")["words"]] == ["café"]
    assert [word["word"] for word in ask(client, "/api/suggest", prefix="пл")["words"]] == ["пляж"]
    assert ask(client, "/api/suggest", prefix="zz") == {"words": []}


def test_a_further_form_of_a_word_is_suggested_once_it_is_all_that_begins_so(client: httpx.Client) -> None:
    assert [word["word"] for word in ask(client, "/api/suggest", prefix="beaches")["words"]] in ([], ["beaches"])
    assert [word["word"] for word in ask(client, "/api/suggest", prefix="dogs")["words"]] == ["dogs"]


def test_cities_are_counted(client: httpx.Client) -> None:
    facets = ask(client, "/api/facets")
    assert facets["pictures"] == 60
    assert sorted((city["city"], city["label"], city["count"]) for city in facets["cities"]) == [
        ("london", "London", 15),
        ("new york", "New York", 15),
        ("são paulo", "São Paulo", 15),
    ]


def test_topics_are_told_with_their_words_and_pictures(client: httpx.Client, index: Index) -> None:
    topics = ask(client, "/api/topics", limit=3)["topics"]
    assert len(topics) == 3
    shares = [topic["share"] for topic in topics]
    assert shares == sorted(shares, reverse=True)
    number = topics[0]["topic"]
    answer = ask(client, f"/api/topics/{number}/pictures", limit=5, city="london")
    vectors = index.store.vectors([point_id(key) for key in keys(answer)])
    assert [picture["score"] for picture in answer["results"]] == pytest.approx(vectors[:, number].tolist())
    assert {picture["city"] for picture in answer["results"]} == {"London"}
    assert answer["terms"][0]["text"] == " ".join(word["word"] for word in topics[0]["words"][:3])
    assert refused(client, "/api/topics/999/pictures", 404)[0] == "UnknownPictureError"


def test_texts_become_vectors_that_find_what_the_published_method_finds(client: httpx.Client, index: Index) -> None:
    body = {"texts": ["the sunrise, dog zzzzz", "zzzzz"], "kind": "topics"}
    answer = client.post("/api/encode", json=body).json()
    assert answer["unknown"] == [["zzzzz"], ["zzzzz"]]
    assert answer["vectors"][1] is None
    best = index.store.search(np.array([answer["vectors"][0]], dtype=np.float32), 5)[0]
    found = index.search("sunrise dog", match="mean", limit=5)
    assert [str(point) for point in best.ids] == [hit.id for hit in found]
    assert best.scores.tolist() == pytest.approx([hit.score for hit in found])
    lift = client.post("/api/encode", json={"texts": ["dog"], "kind": "lift"}).json()["vectors"][0]
    word = index.space.words.find("dog")[0][1]
    assert word is not None
    np.testing.assert_allclose(lift, index.space.words.vectors("lift", [word])[0], rtol=1e-6)
    assert client.post("/api/encode", json={"texts": ["x"] * 65}).status_code == 422
