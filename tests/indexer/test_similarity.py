"""Search in a topic space whose scores are similarities: word2vec beside an image encoder that goes by colours."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from doubles.colour import ColourImageEncoder
from doubles.spaces import THEMES, Colour, Paint
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.embedders.word2vec import Word2VecTextEncoder
from topicidx.errors import SpaceError
from topicidx.indexer import Index
from topicidx.indexer.recall import measure_recall
from topicidx.indexer.topics import describe_topics
from topicidx.settings import Word2VecSettings

Run = Callable[..., subprocess.CompletedProcess[str]]
EACH = 4


@pytest.fixture(scope="module")
def home(captions: tuple[str, ...], paint: Paint, colour_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with four pictures of each theme, and two in which coast and pets meet; shared, read it alone."""
    folder = tmp_path_factory.mktemp("similar")
    encoder = Word2VecTextEncoder.train(captions, Word2VecSettings(dimensions=24, epochs=60), seed=3)
    colours = np.array([colour for _, colour in THEMES.values()], dtype=np.float32)
    seen = encoder.encode([" ".join(words) for words, _ in THEMES.values()])
    write_topic_space(folder / ".topicidx" / "space", encoder, ColourImageEncoder(colours, seen))
    rows = ["image,caption"]
    for theme, (words, colour) in THEMES.items():
        for number in range(EACH):
            paint(folder / "photos" / f"{theme}{number}.png", colour)
            rows.append(f"{theme}{number}.png,{' '.join(words)}")
    for number in range(2):
        paint(folder / "photos" / f"both{number}.png", between(THEMES["coast"][1], THEMES["pets"][1]))
    (folder / "photos" / "captions.csv").write_text("\n".join(rows), encoding="utf-8")
    ingested = colour_cli("ingest", "photos", cwd=folder)
    assert ingested.returncode == 0, ingested.stderr
    return folder


def between(one: Colour, other: Colour) -> Colour:
    red, green, blue = ((a + b) // 2 for a, b in zip(one, other, strict=True))
    return red, green, blue


@pytest.fixture
def index(home: Path, space: TopicSpace) -> Iterator[Index]:
    del space  # registers the image encoder
    with Index.open(home) as index:
        yield index


def themes_of(index: Index, query: str, limit: int = EACH, **options: str) -> list[str]:
    found = index.search(query, limit=limit, **options)  # type: ignore[arg-type]
    return [Path(hit.image).stem[:-1] for hit in found]


@pytest.mark.parametrize(
    ("query", "theme"), [("sunrise", "coast"), ("пляж", "coast"), ("#café", "food"), ("puppies dog", "pets")]
)
def test_words_find_the_pictures_that_lean_towards_them(index: Index, query: str, theme: str) -> None:
    assert themes_of(index, query) == [theme] * EACH


def test_scores_are_above_0_for_what_is_like_the_words_and_below_for_what_is_not(index: Index) -> None:
    scores = {Path(hit.image).stem: hit.score for hit in index.search("concert", limit=100)}
    assert all((score > 0) == name.startswith("music") for name, score in scores.items() if "both" not in name)


def test_two_words_find_pictures_of_either_or_both(index: Index) -> None:
    assert set(themes_of(index, "beach dog", limit=2 * EACH + 2)) == {"coast", "pets", "both"}


def test_words_are_pushed_down(index: Index) -> None:
    found = themes_of(index, "beach -dog", limit=100)
    assert found[:EACH] == ["coast"] * EACH
    assert found.index("pets") > found.index("both")
    assert themes_of(index, "-dog", limit=100)[-EACH:] == ["pets"] * EACH


def test_the_published_match_works_too(index: Index) -> None:
    assert "coast" in themes_of(index, "sunrise", limit=2 * EACH, match="mean")


def test_a_picture_finds_those_like_it_and_mixes_with_words(index: Index, home: Path) -> None:
    picture = home / "photos" / "food1.png"
    assert themes_of(index, f"like:{picture}") == ["food"] * EACH
    assert set(themes_of(index, f"like:{picture} concert", limit=2 * EACH)) == {"food", "music"}


def test_the_reasons_are_words_that_lie_near(index: Index) -> None:
    explained = index.explain("sunrise", limit=EACH)
    [term] = explained.terms
    coast = set(THEMES["coast"][0])
    assert term.topics == ()
    assert "sunrise" not in term.near
    assert len(set(term.near) & {form for word in coast for form in (word, f"{word}s")}) >= 4
    assert not explained.lifts
    for hit in explained.hits:
        assert hit.near
        assert hit.lifts == pytest.approx([hit.hit.score])
    in_json = explained.to_json()
    assert in_json["terms"][0]["near"] == list(term.near)
    assert {"products", "near"} <= in_json["results"][0].keys()


def test_there_are_no_topics_to_describe(index: Index) -> None:
    with pytest.raises(SpaceError, match=r"'word2vec' of .* has no topics"):
        describe_topics(index.space, words=3)


def test_recall_is_measured(index: Index) -> None:
    report = measure_recall(index, queries=10)
    assert (report.words.mean, report.pushed_down.mean, report.pictures.mean) == (1, 1, 1)


def test_explain_shows_words_in_place_of_topics(home: Path, colour_cli: Run) -> None:
    shown = colour_cli("explain", "sunrise", "--limit", 1, cwd=home)
    assert shown.returncode == 0, shown.stderr
    assert "near it" in shown.stdout
    assert "most like" in shown.stdout
    assert "topic" not in shown.stdout


def test_evaluate_says_why_nothing_is_calibrated(home: Path, colour_cli: Run) -> None:
    evaluated = colour_cli("evaluate", "photos", "--by", "words", "--least", 3, "--most", 0.5, "--json", cwd=home)
    assert evaluated.returncode == 0, evaluated.stderr
    report = json.loads(evaluated.stdout)
    assert not report.get("calibration")
    assert any("'word2vec' are similarities" in note for note in report["notes"])
