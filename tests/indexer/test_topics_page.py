"""The page of topics: what it tells, that it needs nothing else, and that it believes nothing it is told."""

import base64
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from doubles.html_page import Page
from doubles.spaces import THEMES, Paint
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer import topics_page as module
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.ingest import ingest
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.indexer.topic_map import TopicDistances
from topicidx.indexer.topics import Topic, describe_topics, topic_distances
from topicidx.indexer.topics_page import PICTURE_SIZE, PICTURES, SamplePicture, sample_pictures, topics_page

EVIL = "<script>alert('x')</script>\"'&{{ 7 * 7 }}</title>"
WORDS = np.array([[0.7, 0.3, 0, 0], [0.6, 0.38, 0.02, 0], [0, 0, 0.3, 0.7]], dtype=np.float32)
NAMES = ("dog", "puppy", "café", "beach")


@pytest.fixture(scope="module")
def distances() -> TopicDistances:
    return TopicDistances.between([0, 1, 2], WORDS)


@pytest.fixture(scope="module")
def topics(distances: TopicDistances) -> list[Topic]:
    """Three topics, and two that no caption speaks of."""
    found = []
    for topic, share in ((2, 0.5), (0, 0.25), (1, 0.125)):
        order = np.argsort(-WORDS[topic], kind="stable").tolist()
        words = tuple((NAMES[word], float(WORDS[topic, word])) for word in order)
        found.append(Topic(topic, share, words, nearest=distances.nearest(topic, 5)))
    return [*found, *(Topic(topic, 0.06, (("dog", 0.25), ("beach", 0.25)), unused=True) for topic in (4, 3))]


@pytest.fixture(scope="module")
def page(topics: list[Topic], distances: TopicDistances) -> Page:
    return Page(topics_page(topics, distances, captioned=1_234))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, paint: Paint) -> Path:
    """Fifteen pictures of each theme's colour."""
    folder = tmp_path_factory.mktemp("topics")
    rows = ["image,caption"]
    for theme, (_, colour) in THEMES.items():
        for number in range(15):
            shade = tuple(min(part + number, 255) for part in colour)
            paint(folder / "photos" / f"{theme}{number:02}.jpg", shade, (200, 100))
            rows.append(f"{theme}{number:02}.jpg,a picture of {theme}")
    (folder / "photos" / "captions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def index(folder: Path, space: TopicSpace) -> Iterator[Index]:
    store = folder / "store"
    if not store.exists():
        source = SourceRegistry(store).register(open_source(folder / "photos"))
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            ingest(source, space, writer, skipped_file=folder / "skipped.jsonl")
    with EmbeddedStore.open(store) as opened:
        yield Index(space, opened, SourceRegistry(store))


def test_each_topic_is_told_with_its_size_words_and_nearest_topics(page: Page) -> None:
    assert "1,234 pictures" in page.text
    assert "2 beach, café 50.00 % of the captions" in page.text
    assert "beach 70.0 % café 30.0 % dog 0.0 %" in page.text
    articles = [attributes["id"] for attributes in page.named("article")]
    assert articles == ["topic-2", "topic-0", "topic-1"]
    # Bars are as long as words are probable, the most probable of all as long as there is room.
    bars = [attributes["style"] for attributes in page.named("span") if attributes.get("class") == "length"]
    assert bars[:4] == ["width:100.00%", "width:42.86%", "width:0.00%", "width:0.00%"]
    assert bars[8] == "width:85.71%"


def test_words_of_next_to_no_weight_are_not_what_a_topic_is_called_by(topics: list[Topic]) -> None:
    alone = Topic(9, 1.0, (("man", 0.995), ("street", 0.0049), ("dog", 0.0001)))
    shown = Page(topics_page([alone], TopicDistances.between([9], np.ones((10, 3), dtype=np.float32) / 3)))
    assert "9 man 100.00 %" in shown.text
    assert "dog < 0.1 %" in shown.text


def test_circles_and_nearest_topics_lead_to_blocks(page: Page, distances: TopicDistances) -> None:
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [str(attributes["href"]) for attributes in page.named("a")]
    assert {link[1:] for link in links} <= ids
    circles = [attributes for attributes in page.named("a") if attributes.get("class") == "circle"]
    assert [circle["href"] for circle in circles] == ["#topic-2", "#topic-0", "#topic-1"]
    assert circles[2]["aria-label"] == "Topic 1, 12.50 %: dog, puppy, café"
    radii = [float(str(attributes["r"])) for attributes in page.named("circle")]
    assert radii[0] ** 2 / radii[1] ** 2 == pytest.approx(2, rel=0.01)
    assert f"0 dog, puppy {distances.values[0, 1]:.2f}" in page.text  # the nearest of topic 1, and how near


def test_unused_topics_are_last_and_marked(page: Page) -> None:
    assert re.search(r"Unused topics .* 3 4 ", page.text)
    places = [attributes.get("id") for _, attributes in page.tags]
    assert places.index("unused") > places.index("topic-1")
    assert "4" not in [attributes["href"] for attributes in page.named("a")]


def test_a_nearest_topic_that_is_not_shown_is_no_link(topics: list[Topic], distances: TopicDistances) -> None:
    first = Page(topics_page(topics[:1], distances))
    assert {str(attributes["href"]) for attributes in first.named("a")} <= {"#topic-2", "#topics", "#map"}
    assert "0 1.00" in first.text


def test_the_page_needs_nothing_from_elsewhere(topics: list[Topic], distances: TopicDistances) -> None:
    html = topics_page(topics, distances)
    assert html.startswith("<!doctype html>")
    assert re.findall(r"(?:src|href)=\"(?!data:|#)|https?://|url\(|@import|<link|fetch\(", html) == []


def test_words_captions_and_names_are_text_and_never_code(tmp_path: Path, paint: Paint) -> None:
    topic = Topic(0, 1.0, ((EVIL, 0.6), ("b", 0.4)))
    picture = SamplePicture(EVIL, EVIL, 0.5, paint(tmp_path / "a.jpg"))
    missing = SamplePicture(EVIL, "", 0.4, None)
    distances = TopicDistances.between([0], np.full((1, 2), 0.5, dtype=np.float32))
    html = topics_page([topic], distances, {0: [picture, missing]})
    hostile = Page(html)
    assert len(hostile.named("script")) == html.count("<script") == 1
    assert "alert" not in html[html.index("<script>") :]
    assert hostile.named("img")[0]["alt"] == EVIL
    assert EVIL in str(next(a for a in hostile.named("a") if a.get("class") == "circle")["aria-label"])
    assert hostile.text.count(EVIL) >= 2
    harmless = {"src", "alt", "title", "loading", "decoding"}
    assert {name for attributes in hostile.named("img") for name in attributes} == harmless


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_few_topics_make_a_page_too(count: int) -> None:
    phi = np.random.default_rng(0).dirichlet(np.ones(6), count).astype(np.float32)
    topics = [Topic(number, 1 / count, (("word", 0.5), ("other", 0.2))) for number in range(count)]
    page = Page(topics_page(topics, TopicDistances.between(range(count), phi.reshape(count, 6))))
    assert len(page.named("circle")) == len(page.named("article")) == count


def test_pictures_are_those_with_most_of_a_topic(index: Index, space: TopicSpace) -> None:
    topics = describe_topics(space, words=4)
    samples = sample_pictures(index, topics)
    ids = [record.id for record in index.store.scroll(["image"])]
    images = {record.id: str(record.payload["image"]) for record in index.store.scroll(["image"])}
    vectors = index.store.vectors(ids)
    assert set(samples) == {topic.topic for topic in topics if not topic.unused}
    for topic, pictures in samples.items():
        column = vectors[:, topic]
        best = np.sort(column)[::-1][:PICTURES]
        assert [picture.share for picture in pictures] == pytest.approx(best.tolist(), abs=1e-6)
        of_picture = {images[point]: float(share) for point, share in zip(ids, column, strict=True)}
        assert all(of_picture[picture.image] == pytest.approx(picture.share) for picture in pictures)
        assert all(picture.path and picture.path.is_file() for picture in pictures)
        assert all(picture.caption.startswith("a picture of ") for picture in pictures)


def test_of_many_topics_each_has_fewer_pictures(
    index: Index, space: TopicSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = [topic for topic in describe_topics(space, words=4) if not topic.unused]
    monkeypatch.setattr(module, "MOST_PICTURES", 5 * len(topics))
    monkeypatch.setattr(module, "_BLOCK", 4)
    assert {len(pictures) for pictures in sample_pictures(index, topics).values()} == {5}
    monkeypatch.setattr(module, "MOST_PICTURES", 1)
    assert {len(pictures) for pictures in sample_pictures(index, topics).values()} == {module.FEWEST}


def test_a_page_with_pictures_holds_small_ones(index: Index, space: TopicSpace) -> None:
    distances = topic_distances(space)
    topics = describe_topics(space, words=4, distances=distances)
    samples = sample_pictures(index, topics)
    gone = next(iter(samples.values()))[0]
    samples[topics[0].topic] = [SamplePicture(gone.image, "", 0.5, Path("/nowhere/a.jpg")), *samples[topics[0].topic]]
    html = topics_page(topics, distances, samples)
    page = Page(html)
    assert "by their pixels alone" in page.text
    assert len(page.named("img")) == sum(map(len, samples.values())) - 1
    assert page.text.count("picture not found") == 1
    for image in page.named("img"):
        assert image["loading"] == "lazy"
        assert str(image["alt"]).startswith("a picture of ")
        with Image.open(io.BytesIO(base64.b64decode(str(image["src"]).split(",")[1]))) as thumbnail:
            assert thumbnail.size == (PICTURE_SIZE, PICTURE_SIZE // 2)


def test_without_a_store_nothing_is_said_of_pictures(page: Page) -> None:
    assert page.named("img") == []
    assert "by their pixels alone" not in page.text


def in_a_browser(html: str, folder: Path, script: str) -> str:
    """The page's text and tags after a script was run in it, as a browser sees them."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no browser: Chromium is not installed")
    file = folder / "topics.html"
    file.write_text(html.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    options: list[Any] = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [browser, *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_words_typed_leave_the_topics_that_have_them(
    topics: list[Topic], distances: TopicDistances, tmp_path: Path
) -> None:
    script = 'find.value = "CAFE beach"; find.dispatchEvent(new Event("input"));'
    seen = Page(in_a_browser(topics_page(topics, distances), tmp_path, script))
    shown = [attributes["id"] for attributes in seen.named("article") if "hidden" not in attributes]
    assert shown == ["topic-2"]  # the others list both words too, but have next to nothing of them
    script = 'find.value = "Pupp"; find.dispatchEvent(new Event("input"));'
    few = [Topic(topic.topic, topic.share, topic.words[:2], nearest=topic.nearest) for topic in topics[:3]]
    seen = Page(in_a_browser(topics_page(few, distances), tmp_path, script))
    assert [a["id"] for a in seen.named("article") if "hidden" not in a] == ["topic-0", "topic-1"]
    assert [a["href"] for a in seen.named("a") if a.get("class") == "circle out"] == ["#topic-2"]
    assert "2 of 3 topics" in seen.text


def test_a_circle_is_read_out_where_the_focus_is(
    topics: list[Topic], distances: TopicDistances, tmp_path: Path
) -> None:
    script = 'document.querySelectorAll(".circle")[1].dispatchEvent(new Event("focus"));'
    seen = Page(in_a_browser(topics_page(topics, distances), tmp_path, script))
    assert "Topic 0, 25.00 %: dog, puppy Find" in seen.text
