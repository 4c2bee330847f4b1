"""The demo from end to end: what it promises, and that the promise rests on the captions."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from topicidx.indexer.demo import QUERIES, DemoReport, run_demo

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoReport:
    return run_demo(tmp_path_factory.mktemp("demo"))


def test_pairs_of_words_find_pictures_that_hold_both(demo: DemoReport) -> None:
    hits = {answer.result.query: answer.hits for answer in demo.answers}
    assert set(hits) == set(QUERIES)
    assert hits["sunrise beach"] >= 8
    assert min(hits.values()) >= 5
    assert sum(hits.values()) >= 30


def test_all_pictures_are_indexed_and_none_by_its_caption(demo: DemoReport) -> None:
    assert demo.ingested.indexed == demo.ingested.points == len(demo.pictures) == 1_000
    assert demo.ingested.skipped == []
    assert all(hit.captions == () for answer in demo.answers for hit in answer.result)


def test_some_right_pictures_were_never_trained_on(demo: DemoReport) -> None:
    uncaptioned = {str(picture.path) for picture in demo.pictures if not picture.captions}
    assert len(uncaptioned) > 40
    assert demo.training.training_pictures < len(demo.pictures) - len(uncaptioned)


def test_the_page_shows_every_picture_found_and_says_that_they_are_rendered(demo: DemoReport) -> None:
    page = demo.sheet.read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == sum(len(answer.result) for answer in demo.answers)
    assert "rendered, not photographed" in page
    assert all(query in page for query in QUERIES)
    assert "http://" not in page
    assert "https://" not in page


def test_the_demos_index_answers_further_queries(demo: DemoReport, topicidx: Run) -> None:
    done = topicidx("query", "snow", "mountain", "--home", demo.folder / ".topicidx", "--format", "json")
    assert done.returncode == 0, done.stderr
    concepts = {str(picture.path): picture.concepts for picture in demo.pictures}
    found = [concepts[hit["image"]] for hit in json.loads(done.stdout)["results"]]
    assert sum({"snow", "mountain"} <= held for held in found) >= 5


def test_with_captions_of_other_pictures_the_answers_fall_to_chance(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    shuffled = run_demo(tmp_path_factory.mktemp("shuffled"), epochs=8, shuffle_captions=True)
    found = sum(answer.hits for answer in shuffled.answers)
    chance = sum(answer.by_chance for answer in shuffled.answers)
    # Forty pictures, of which chance finds about three; ten or more would be one in a thousand.
    assert 2 < chance < 4
    assert found < 10


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, topicidx: Run) -> None:
    precious = tmp_path / "photos" / "precious.jpg"
    precious.parent.mkdir()
    precious.write_bytes(b"mine")
    done = topicidx("demo", "--folder", tmp_path)
    assert done.returncode == 2
    assert "something other than an earlier demo" in done.stderr
    assert precious.read_bytes() == b"mine"
