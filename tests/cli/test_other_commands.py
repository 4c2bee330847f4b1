"""`topicidx train`, `topics`, `info` and the program itself."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from topicidx import __version__

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_version_is_the_packages(topicidx: Run) -> None:
    assert topicidx("--version").stdout == f"topicidx {__version__}\n"


def test_training_leaves_its_course_in_the_space(workspace: Path) -> None:
    space = workspace / ".topicidx" / "space"
    epochs = [json.loads(line) for line in (space / "training.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert all(epoch["images_per_second"] > 0 for epoch in epochs)
    with Image.open(space / "training.png") as plot:
        assert plot.width > 500
    manifest = json.loads((space / "space.json").read_text())
    assert manifest["metrics"]["validation_loss"] == min(epoch["validation_loss"] for epoch in epochs)


def test_topics_lists_words_with_their_weights(workspace: Path, topicidx: Run) -> None:
    topics = json.loads(topicidx("topics", "--json", "--words", 5, cwd=workspace).stdout)
    assert len(topics) == 40
    assert [topic["share"] for topic in topics] == sorted((topic["share"] for topic in topics), reverse=True)
    assert all(len(topic["words"]) == 5 for topic in topics)
    table = topicidx("topics", "--limit", 3, cwd=workspace).stdout
    assert topics[0]["words"][0]["word"] in table
    assert len(table.splitlines()) == 4


def test_info_tells_what_is_there(workspace: Path, topicidx: Run) -> None:
    info = json.loads(topicidx("info", "--json", cwd=workspace).stdout)
    assert info["match"] is True
    assert info["space"]["topics"] == 40
    assert info["store"]["pictures"] == 160
    assert info["store"]["dimensions"] == 40
    assert sum(info["store"]["cities"].values()) <= 160
    text = topicidx("info", cwd=workspace).stdout
    assert "pictures: 160" in text


def test_info_says_what_is_missing(tmp_path: Path, topicidx: Run) -> None:
    (tmp_path / ".topicidx").mkdir()
    done = topicidx("info", cwd=tmp_path)
    assert done.returncode == 0
    assert "topicidx train" in done.stdout
    assert "topicidx ingest" in done.stdout


def test_captions_alone_make_a_space_that_says_what_it_lacks(photos: Path, topicidx: Run, tmp_path: Path) -> None:
    trained = topicidx("train", photos / "captions.csv", "--only", "text", "--topics", 10, "--json", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["vector_space"] is None
    done = topicidx("ingest", photos, cwd=tmp_path)
    assert done.returncode == 1
    assert "--only image" in done.stderr


def test_a_space_with_an_image_model_is_not_thrown_away_for_one_without(
    workspace: Path, photos: Path, topicidx: Run
) -> None:
    done = topicidx("train", photos / "captions.csv", "--only", "text", cwd=workspace)
    assert done.returncode == 1
    assert "would be lost" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nowhere",), 1, "there is nothing at"),
        (("uncaptioned",), 1, "has a caption"),
        (("few.csv", "--init", "random"), 1, "too few|no word is left"),
        (("few.csv", "--arch", "vgg"), 2, "--arch"),
        (("few.csv", "--topics", "1"), 2, "num_topics"),
        (("captions.csv", "--arch", "bvlc"), 2, "--init FILE"),
        (("captions.csv", "--init", "missing.pth"), 2, "no weight file"),
        (("captions.csv", "--only", "image"), 1, "to add an image model to"),
    ],
)
def test_training_mistakes_are_explained(
    photos: Path, topicidx: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "uncaptioned").mkdir()
    picture = next((photos / "photos").rglob("*.jpg"))
    (tmp_path / "uncaptioned" / "a.jpg").write_bytes(picture.read_bytes())
    (tmp_path / "few.csv").write_text(f"image,caption\n{picture},one word\n")
    rows = (
        "".join(f"{picture},night beach sunrise\n" for _ in range(1))
        + f"{picture}x,night beach\n{picture}y,night walk\n"
    )
    (tmp_path / "captions.csv").write_text("image,caption\n" + rows + f"{picture}z,long walk\n")
    done = topicidx("train", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert re.search(says, done.stderr)
    assert "Traceback" not in done.stderr


def test_a_training_that_fails_leaves_no_empty_workspace_behind(topicidx: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert topicidx("train", "empty", "--init", "random", cwd=tmp_path).returncode == 1
    assert not (tmp_path / ".topicidx").exists()


def test_the_folder_of_a_workspace_will_do_for_home(workspace: Path, topicidx: Run, tmp_path: Path) -> None:
    done = topicidx("info", "--home", workspace, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["store"]["pictures"] == 160
