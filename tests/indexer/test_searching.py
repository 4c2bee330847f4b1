"""What a search can do beyond words: pictures as terms, filters in the query, pages, diversity, groups, reasons."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from doubles.spaces import THEMES, Paint
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import (
    FilterSyntaxError,
    QueryError,
    QuerySyntaxError,
    SettingsError,
    UnknownCityError,
    UnknownPictureError,
    UnknownWordError,
)
from topicidx.indexer import batch_ranking
from topicidx.indexer import index as index_module
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.ingest import ingest
from topicidx.indexer.keys import point_id
from topicidx.indexer.query_language import Like, Query, Words
from topicidx.indexer.results import SearchResult
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.settings import IngestSettings

CITIES = ("London", "New York", "São Paulo", None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, paint: Paint) -> Path:
    """Sixty pictures between the colours of themes, in three cities and in none, from twelve years."""
    folder = tmp_path_factory.mktemp("searching")
    colours = np.array([colour for _, colour in THEMES.values()], dtype=np.float64)
    chance = np.random.default_rng(4)
    rows = ["image,caption,city,author,likes"]
    for number in range(60):
        shares = chance.dirichlet(np.full(len(colours), 0.4))
        colour = tuple(int(part) for part in shares @ colours)
        exif = {} if number % 6 == 5 else {"exif": _taken_in(2010 + number % 12)}
        paint(folder / "photos" / f"{number:02}.jpg", colour, **exif)
        rows.append(
            f"{number:02}.jpg,nr {number},{CITIES[number % 4] or ''},{'ann' if number % 7 else ''},{number % 5}"
        )
    (folder / "photos" / "captions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def _taken_in(year: int) -> bytes:
    from PIL import ExifTags, Image

    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = f"{year}:06:15 12:00:00"
    return exif.tobytes()


@pytest.fixture
def index(folder: Path, space: TopicSpace) -> Iterator[Index]:
    store = folder / "store"
    if not store.exists():
        source = SourceRegistry(store).register(open_source(folder / "photos"))
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            settings = IngestSettings(index_fields={"likes": "integer"})
            ingest(source, space, writer, settings, skipped_file=folder / "skipped.jsonl")
    with EmbeddedStore.open(store) as opened:
        yield Index(space, opened, SourceRegistry(store))


def images(found: Any) -> list[str]:
    return [hit.image for hit in found]


# Phrases and words


def test_a_phrase_is_one_term_of_all_its_words(index: Index) -> None:
    phrase = index.search('"sunrise dog" pizza', limit=60)
    assert phrase == index.search("sunrise^0.5 dog^0.5 pizza", limit=60)
    assert phrase != index.search("sunrise dog pizza", limit=60)
    assert index.search('"sunrise"') == index.search("sunrise")
    assert index.search('-"sunrise dog"^2 pizza') == index.search("-sunrise -dog pizza")


def test_stop_words_and_unknown_words_of_a_phrase_take_no_part_in_it(index: Index) -> None:
    found = index.search('"the sunrise and zzzzzz" pizza')
    assert found == index.search("sunrise pizza")
    assert [word.word for word in found.unknown] == ["zzzzzz"]


def test_did_you_mean_searches_with_the_nearest_known_word(index: Index) -> None:
    found = index.search("sunrize pizzza", did_you_mean=True)
    assert found == index.search("sunrise pizza")
    assert [(word.word, word.used) for word in found.unknown] == [("sunrize", "sunrise"), ("pizzza", "pizza")]
    assert found.to_json()["unknown"][0]["used"] == "sunrise"
    assert all(word.used is None for word in index.search("sunrize dog").unknown)
    with pytest.raises(UnknownWordError):
        index.search("zzzzzzz", did_you_mean=True)


# Pictures as terms


def test_a_picture_is_named_by_id_key_file_or_what_the_file_shows(index: Index, folder: Path, tmp_path: Path) -> None:
    key = "photos/07.jpg"
    by_id = index.search(f"like:{point_id(key)}", limit=60)
    outside = tmp_path / "elsewhere.jpg"
    outside.write_bytes((folder / "photos" / "07.jpg").read_bytes())
    for target in (key, folder / "photos" / "07.jpg", outside):
        assert images(index.search(f'like:"{target}"', limit=60)) == images(by_id)
    vectors = index.store.vectors([UUID(hit.id) for hit in by_id]).astype(np.float64)
    asked = index.store.vectors([point_id(key)])[0]
    lifts = vectors @ (asked / index.space.topic_prior)
    np.testing.assert_allclose([hit.score for hit in by_id], lifts, rtol=1e-4)
    assert lifts.tolist() == sorted(lifts, reverse=True)


def test_an_indexed_file_is_not_read_again_unless_it_has_changed(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch, paint: Paint, tmp_path: Path
) -> None:
    encoded: list[Path] = []
    encode = TopicSpace.encode_images
    monkeypatch.setattr(
        TopicSpace, "encode_images", lambda self, paths: (encoded.extend(paths), encode(self, paths))[1]
    )
    file = folder / "photos" / "03.jpg"
    index.search(f"like:{file}")
    assert encoded == []
    before = file.read_bytes(), file.stat()
    try:
        paint(file, THEMES["music"][1], size=(40, 40))
        found = index.search(f"like:{file}")
        assert encoded == [file]
        assert found == index.search(f"like:{paint(tmp_path / 'music.jpg', THEMES['music'][1])}")
    finally:
        file.write_bytes(before[0])


def test_pictures_and_words_mix_and_can_be_pushed_down(index: Index, paint: Paint, tmp_path: Path) -> None:
    coast, music = (paint(tmp_path / f"{theme}.jpg", THEMES[theme][1]) for theme in ("coast", "music"))
    mixed = index.search(f"guitar like:{coast}^2", limit=60)
    compiled = index.compile(f"guitar like:{coast}^2")
    vectors = index.store.vectors([UUID(hit.id) for hit in mixed])
    np.testing.assert_allclose([hit.score for hit in mixed], compiled.score(vectors), rtol=1e-4)
    assert [term.label for term in compiled.terms] == ["guitar", str(coast)]
    away = images(index.search(f"like:{coast} -like:{music}", limit=60))
    assert len(away) == 60
    towards = images(index.search(f"like:{music}", limit=5))
    assert min(away.index(image) for image in towards) > 20
    published = index.compile(f"like:{coast} guitar", match="mean")
    assert published.scoring.rule == "dot"
    np.testing.assert_allclose(published.scoring.vectors[1], index.space.encode_images([coast])[0], rtol=1e-6)


def test_a_query_can_be_made_of_parts(index: Index, folder: Path) -> None:
    target = str(folder / "photos" / "01.jpg")
    assert index.search(Query((Words("dog"), Like(target)))) == index.search(f"dog like:{target}")
    assert index.search(Query((Words("dog"),))).query == "dog"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nowhere.jpg", "No such file"),
        (str(point_id("photos/none.jpg")), "No such file"),
        ("photos/99.jpg", "give the id or key of an indexed picture, a file, or an http"),
        ("/", "not a file"),
        ("http://127.0.0.1:9/a.jpg", "could not be fetched"),
        ("http://[", "could not be fetched"),
        ("bad\x00name", "cannot be used"),
    ],
)
def test_a_picture_that_is_not_there_is_pointed_at(index: Index, target: str, says: str) -> None:
    with pytest.raises(UnknownPictureError, match=says) as caught:
        index.search(Query((Words("dog"), Like(target, position=4)), f"dog like:{target}"))
    assert "(character 5)" in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_file_that_is_no_picture_says_so(index: Index, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(UnknownPictureError, match="not a picture in any known format"):
        index.search(f"like:{tmp_path / 'text.jpg'}")


def test_where_files_are_not_allowed_only_indexed_pictures_can_be_named(
    folder: Path, index: Index, space: TopicSpace
) -> None:
    closed = Index(space, index.store, index.sources, files=False)
    assert closed.search("like:photos/01.jpg") == index.search("like:photos/01.jpg")
    for target in (folder / "photos" / "01.jpg", "http://127.0.0.1:9/a.jpg", "/etc/passwd"):
        with pytest.raises(UnknownPictureError, match=r"in the store; give an id or a key"):
            closed.search(f"like:{target}")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path != "/gone" else 404)
        self.end_headers()
        if self.path == "/endless":
            try:
                while True:
                    self.wfile.write(bytes(2**16))
            except OSError:
                return
        elif self.path != "/gone":
            self.wfile.write(Path(self.path).read_bytes())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_picture_is_fetched_from_an_url(
    index: Index, folder: Path, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = index.search(f"like:{web}{folder / 'photos' / '07.jpg'}", limit=60)
    assert images(found) == images(index.search("like:photos/07.jpg", limit=60))
    with pytest.raises(UnknownPictureError, match="404"):
        index.search(f"like:{web}/gone")
    monkeypatch.setattr("topicidx.indexer.asked_pictures.MOST_BYTES", 2_000_000)
    with pytest.raises(UnknownPictureError, match="more than 2 MB"):
        index.search(f"like:{web}/endless")


# Filters in the query


def test_cities_of_a_query_are_those_of_the_option(index: Index) -> None:
    assert index.search("dog city:LONDON", limit=60) == index.search("dog", city="london", limit=60)
    both = index.search('dog city:london city:"são paulo"', limit=60)
    assert both == index.search("dog", city=["London", "São Paulo"], limit=60)
    without = index.search("dog -city:london", limit=60)
    assert {hit.city for hit in without} == {"New York", "São Paulo", None}
    assert len(without) == 45
    assert index.search('dog city:london city:"new york"', city="london", limit=60) == index.search(
        "dog", city="london", limit=60
    )
    with pytest.raises(UnknownCityError, match=r"did you mean london.*\(character 6\)") as caught:
        index.search("dog -city:lundon")
    assert str(caught.value).endswith("  dog -city:lundon\n       ^")


def test_times_of_a_query_are_those_of_the_payload(index: Index) -> None:
    def years(query: str) -> set[str]:
        return {str(hit.payload["taken_at"])[:4] for hit in index.search(query, limit=60)}

    assert years("dog after:2012 before:2015") == {"2012", "2013", "2014"}
    assert years("dog after:2012-06-15 before:2012-06-16") == {"2012"}
    assert years("dog before:2012-06-15") == {"2010", "2011"}
    assert index.search("dog after:2030") == []


def test_conditions_may_be_text_and_add_to_those_of_the_query(index: Index) -> None:
    found = index.search("dog city:london", where="likes >= 3", limit=60)
    assert {hit.payload["likes"] for hit in found} <= {3, 4}
    assert {hit.city for hit in found} == {"London"}
    with pytest.raises(FilterSyntaxError, match="character 10"):
        index.search("dog", where="likes >= many")


def test_filters_alone_are_no_query(index: Index) -> None:
    with pytest.raises(QuerySyntaxError, match="only says which pictures count; add a word"):
        index.search("city:london before:2024")


# Pages, diversity, groups


@pytest.mark.parametrize("options", [{}, {"diverse": True}, {"unique": True}, {"match": "mean"}, {"min_score": 0.5}])
@pytest.mark.parametrize("query", ["sunrise", "sunrise dog", "dog -sunrise", "-dog"])
def test_pages_fit_together(index: Index, query: str, options: dict[str, Any]) -> None:
    whole = index.search(query, limit=60, **options)
    pages = [hit for offset in range(0, 63, 7) for hit in index.search(query, limit=7, offset=offset, **options)]
    assert pages == whole
    assert [hit.rank for hit in pages] == list(range(1, len(whole) + 1))
    assert index.search(query, offset=1_000, **options) == []


@pytest.mark.parametrize(("options", "says"), [({"limit": 0}, "limit 0"), ({"offset": -1}, "offset -1")])
def test_a_page_that_cannot_be_is_wrong_use(index: Index, options: dict[str, int], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        index.search("dog", **options)  # type: ignore[arg-type]


def test_a_diverse_result_has_the_same_pictures_less_alike(index: Index) -> None:
    plain, diverse = index.search("dog", limit=60), index.search("dog", limit=60, diverse=True)
    assert {hit.id for hit in plain} == {hit.id for hit in diverse}
    assert diverse[0].id == plain[0].id

    def likeness(hits: list[Any]) -> float:
        vectors = index.store.vectors([UUID(hit.id) for hit in hits])
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return float((units @ units.T).sum())

    assert likeness(diverse[:10]) < likeness(plain[:10])


def test_groups_hold_the_best_of_each_city_the_best_city_first(index: Index) -> None:
    groups = index.search_groups("dog", "city", size=4)
    assert {group.value for group in groups} == {"London", "New York", "São Paulo"}
    for group in groups:
        assert list(group.hits) == index.search("dog", city=group.value, limit=4)
    best = [group.hits[0].score for group in groups]
    assert best == sorted(best, reverse=True)
    assert groups.to_json()["by"] == "city"
    assert index.search_groups("dog", "city", limit=1, size=4) == groups[:1]
    few = index.search_groups("dog", "city", min_score=groups[0].hits[1].score)
    assert few[0].hits == groups[0].hits[:2]


def test_groups_go_by_any_column(index: Index) -> None:
    by_likes = index.search_groups("sunrise dog", "likes", size=2)
    assert sorted(group.value for group in by_likes) == ["0", "1", "2", "3", "4"]
    for group in by_likes:
        assert list(group.hits) == index.search("sunrise dog", where=f"likes = {group.value}", limit=2)
    assert [group.value for group in index.search_groups("dog", "author")] == ["ann"]
    with pytest.raises(SettingsError, match="no picture in the store has a field 'autor'"):
        index.search_groups("dog", "autor")


# Reasons


def test_an_explanation_tells_the_lifts_that_make_the_score(index: Index, paint: Paint, tmp_path: Path) -> None:
    coast = paint(tmp_path / "coast.jpg", THEMES["coast"][1])
    query = f"dog^2 -guitar like:{coast}"
    explained = index.explain(query, limit=8, offset=2)
    assert [each.hit for each in explained.hits] == index.search(query, limit=8, offset=2)
    assert [(term.label, term.weight) for term in explained.terms] == [("dog", 2), ("guitar", -1), (str(coast), 1)]
    for each in explained.hits:
        dog, guitar, like = each.lifts
        assert each.hit.score == pytest.approx((dog**2 / max(guitar, 1) * like) ** 0.25, rel=1e-4)
        shares = [topic.share for topic in each.topics]
        assert 0 < sum(shares) <= 1 + 1e-9
        assert shares == sorted(shares, reverse=True)


def test_a_words_topics_are_those_whose_captions_hold_it(index: Index) -> None:
    (term,) = index.explain("dog", topics=12).terms
    assert sum(topic.share for topic in term.topics) == pytest.approx(1)
    assert "dog" in term.topics[0].words
    phi = index.space.text_encoder.topic_words  # type: ignore[attr-defined]
    word = index.space.words.vocabulary.ids["dog"]
    joint = phi[:, word] * index.space.topic_prior
    expected = joint / joint.sum()
    assert {topic.topic: topic.share for topic in term.topics} == pytest.approx(
        {topic: float(expected[topic]) for topic in range(12) if expected[topic] > 0}, rel=1e-3
    )


def test_an_explanation_in_json_names_terms_and_lifts(index: Index) -> None:
    value = index.explain("sunrise dog zzzzzz", limit=3).to_json()
    assert [term["term"] for term in value["terms"]] == ["sunrise", "dog"]
    assert [lift["term"] for lift in value["results"][0]["lifts"]] == ["sunrise", "dog"]
    assert value["unknown"][0]["word"] == "zzzzzz"
    published = index.explain("sunrise dog", match="mean", limit=3).to_json()
    assert "products" in published["results"][0]
    assert index.explain("dog after:2030").hits == ()


# Many queries


@pytest.mark.parametrize("worth", [1, 10**9])
def test_many_queries_are_answered_as_each_is(index: Index, worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_ranking, "WORTH", worth)
    monkeypatch.setattr(index_module, "QUERIES", 4)  # in blocks
    queries = [
        "sunrise",
        "dog pizza",
        "zzzzzz",
        "sunrise city:london",
        "-dog sunrise",
        "sunrise zzzzzz",
        'like:"photos/07.jpg"',
        "",
        "dog",
    ]
    for options in (
        {},
        {"limit": 3, "offset": 2},
        {"city": "london", "where": "likes >= 2"},
        {"min_score": 1.5},
        {"match": "mean"},
    ):
        found = list(index.search_many(iter(queries), **options))
        for query, result in zip(queries, found, strict=True):
            if isinstance(result, SearchResult):
                assert result.to_json() == index.search(query, **options).to_json()
            else:
                with pytest.raises(type(result)) as alone:
                    index.search(query, **options)
                assert str(result) == str(alone.value)
        assert [isinstance(result, QueryError) for result in found].count(True) == 2
    with pytest.raises(SettingsError):
        next(index.search_many(queries, limit=0))
