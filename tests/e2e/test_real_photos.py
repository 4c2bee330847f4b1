"""The published way on real photos: captions of some, a network that starts from ImageNet, others found by words."""

import csv
import json
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

TRAINED, INDEXED = 900, 300


@pytest.fixture(scope="module")
def home(real_data: Path, tmp_path_factory: pytest.TempPathFactory, topicidx: Run) -> Path:
    """A workspace trained on some photos of Flickr8k and filled with others."""
    folder = tmp_path_factory.mktemp("real")
    flickr = real_data / "data" / "flickr8k"
    for name, count in (("train", TRAINED), ("test", INDEXED)):
        captions: dict[str, list[str]] = defaultdict(list)
        with (flickr / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                captions[row["image"]].append(row["caption"])
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for image in list(captions)[:count]:
                file.write(json.dumps({"image": str(flickr / image), "caption": captions[image]}) + "\n")
    weights = real_data / "weights" / "bvlc_googlenet.safetensors"
    (folder / "topicidx.toml").write_text("[training]\nviews = 2\nhead_epochs = 10\n", encoding="utf-8")
    trained = topicidx("train", "train.jsonl", "--arch", "bvlc", "--init", weights, "--epochs", 2, cwd=folder)
    assert trained.returncode == 0, trained.stderr
    ingested = topicidx("ingest", "test.jsonl", "--json", cwd=folder)
    assert ingested.returncode == 0, ingested.stderr
    report = json.loads(ingested.stdout)
    assert (report["indexed"], report["skipped"]) == (INDEXED, [])
    return folder


def _share(home: Path, topicidx: Run, words: str) -> tuple[float, float]:
    """Share of pictures whose captions hold every word: among the first ten found, and among all."""
    captions = {
        Path(row["image"]).name: " ".join(row["caption"]).lower()
        for row in map(json.loads, (home / "test.jsonl").read_text().splitlines())
    }
    done = topicidx("query", words, "--format", "json", cwd=home)
    assert done.returncode == 0, done.stderr
    found = [Path(hit["path"]).name for hit in json.loads(done.stdout)["results"]]
    held = [all(word in text for word in words.split()) for text in captions.values()]
    return sum(all(word in captions[name] for word in words.split()) for name in found) / 10, sum(held) / len(held)


@pytest.mark.parametrize("words", ["dog", "water", "snow"])
def test_a_word_finds_photos_whose_captions_hold_it(home: Path, topicidx: Run, words: str) -> None:
    found, everywhere = _share(home, topicidx, words)
    assert found >= 0.5
    assert found > 2 * everywhere


def test_two_words_find_photos_of_both(home: Path, topicidx: Run) -> None:
    found, everywhere = _share(home, topicidx, "dog grass")
    assert found >= 0.3
    assert found > 3 * everywhere
