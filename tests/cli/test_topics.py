"""`topicidx topics --json` and `--html`."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from doubles.spaces import THEMES, Paint
from topicidx.embedders.topic_space import TopicSpace

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, paint: Paint, colour_cli: Run, space_folder: Path) -> Path:
    """A folder with a store of ten pictures. Read it alone."""
    folder = tmp_path_factory.mktemp("topics")
    (folder / ".topicidx").mkdir()
    for theme, (_, colour) in THEMES.items():
        for number in range(2):
            paint(folder / "photos" / f"{theme}{number}.jpg", colour)
    done = colour_cli("ingest", "photos", "--space", space_folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_json_tells_the_nearest_topics(home: Path, colour_cli: Run, space_folder: Path) -> None:
    done = colour_cli("topics", "--json", "--space", space_folder, "--limit", 4, cwd=home)
    assert done.returncode == 0, done.stderr
    topics = json.loads(done.stdout)
    assert len(topics) == 4
    for topic in topics:
        assert {"topic", "share", "unused", "words", "nearest"} == set(topic)
        assert len(topic["nearest"]) == 5
        assert all(0 <= other["distance"] <= 1 and other["topic"] != topic["topic"] for other in topic["nearest"])


def test_the_page_has_topics_words_and_pictures_as_asked(
    home: Path, colour_cli: Run, space_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "topics.html"
    options = ("--html", file, "--limit", 3, "--words", 2)
    done = colour_cli("topics", "--space", space_folder, *options, cwd=home)
    assert done.returncode == 0, done.stderr
    assert str(file) in done.stderr
    assert done.stdout == ""
    html = file.read_text(encoding="utf-8")
    assert html.count("<article") == html.count("<circle") == 3
    assert html.count('<span class="word"') == 6
    assert html.count("<img") == 3 * 8
    assert "without pictures" not in done.stderr
    # Another time it is replaced, and a store may be named.
    done = colour_cli(
        "topics", *options, "--space", space_folder, "--store", home / ".topicidx" / "store", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert file.read_text(encoding="utf-8") == html


def test_a_store_of_another_space_is_told_and_left_out(home: Path, colour_cli: Run, other_space: TopicSpace) -> None:
    file = other_space.folder.parent / "topics.html"
    done = colour_cli("topics", "--space", other_space.folder, "--html", file, cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("another topic space") == 1
    assert "<img" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("has_home", [True, False])
def test_without_a_store_the_page_has_no_pictures(
    has_home: bool, colour_cli: Run, space_folder: Path, tmp_path: Path
) -> None:
    if has_home:
        (tmp_path / ".topicidx").mkdir()
    done = colour_cli("topics", "--space", space_folder, "--html", "topics.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "without pictures" in done.stderr
    assert "<article" in (tmp_path / "topics.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--html", "a.html", "--json"), 2, r"--html .* --json"),
        (("--store", "elsewhere"), 2, "--store goes with --html"),
        (("--collection", "photos", "--json"), 2, "--collection goes with --html"),
        (("--html", "no/such/a.html"), 2, "no/such"),
        (("--html", "."), 2, "is a folder"),
        (("--html", "a.html", "--store", "elsewhere"), 1, "elsewhere"),
    ],
)
def test_what_cannot_be_is_said(
    options: tuple[str, ...], code: int, says: str, home: Path, colour_cli: Run, space_folder: Path, tmp_path: Path
) -> None:
    done = colour_cli("topics", "--space", space_folder, *options, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert re.search(says, done.stderr)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a.html").exists()
