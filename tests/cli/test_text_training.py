"""`topicidx train --only text`: the same with any number of workers and processes, and taken up again where it was stopped."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from topicidx.embedders.topic_space import TopicSpace

WORDS = [f"{first}{second}{end}" for first in "bdfgkl" for second in ("alo", "emi", "oru", "ipa") for end in "kmr"]
POSTS = 22_500
TWELVE = ("--topics", "12")


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More captions than one process reads alone; the pictures need not be there."""
    path = tmp_path_factory.mktemp("posts") / "posts.csv"
    chance = random.Random(4)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption"])
        for number in range(POSTS):
            theme = number % 6 * 12
            words = chance.choices(WORDS[theme : theme + 12], k=5)
            writer.writerow([f"{number}.jpg", " ".join(f"#{word}" for word in words)])
    return path


def command(posts: Path, home: Path, *flags: str) -> list[str | Path]:
    return [sys.executable, "-m", "topicidx", "train", posts, "--only", "text", "--home", home, *flags]


def train(posts: Path, home: Path, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    started = command(posts, home, *TWELVE, *flags)
    done = subprocess.run(started, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def learned(home: Path) -> dict[str, bytes]:
    """The space's files, but for the day on which they were made."""
    files = {path.name: path.read_bytes() for path in (home / "space").iterdir() if path.name != "space.json"}
    return files | {"query side": TopicSpace.load(home / "space").query_side.encode()}


@pytest.fixture(scope="module")
def by_one(posts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    home = tmp_path_factory.mktemp("one") / ".topicidx"
    train(posts, home, TOPICIDX_LDA__WORKERS="1")
    return learned(home)


def test_two_workers_make_the_same_bundle(posts: Path, by_one: dict[str, bytes], tmp_path: Path) -> None:
    train(posts, tmp_path / ".topicidx", TOPICIDX_LDA__WORKERS="2")
    assert learned(tmp_path / ".topicidx") == by_one
    assert not (tmp_path / ".topicidx" / "training").exists()


def test_two_processes_of_torchrun_make_the_same_bundle(posts: Path, by_one: dict[str, bytes], tmp_path: Path) -> None:
    home = tmp_path / ".topicidx"
    prepared = json.loads(train(posts, home, "--prepare", "--json").stdout)["prepared"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    both = [*torchrun, "-m", "topicidx.embedders.train_text", prepared]
    done = subprocess.run(both, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modified = (Path(prepared) / "lda.safetensors").stat().st_mtime_ns
    # A second time there is nothing left to do.
    again = subprocess.run(both, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert (Path(prepared) / "lda.safetensors").stat().st_mtime_ns == modified
    train(posts, home)
    assert learned(home) == by_one
    assert not Path(prepared).exists()


def test_what_is_not_prepared_cannot_be_taken_part_in(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "topicidx.embedders.train_text", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "--only text --prepare" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_while_reading_it_goes_on_to_the_same_bundle(
    posts: Path, by_one: dict[str, bytes], tmp_path: Path, number: signal.Signals
) -> None:
    home = tmp_path / ".topicidx"
    small = {"TOPICIDX_LDA__WORKERS": "1"}
    running = subprocess.Popen(command(posts, home, *TWELVE), env=os.environ | small, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(home.glob("training/*.captions/words.i32")) and running.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    running.send_signal(number)
    running.wait(60)
    if number == signal.SIGTERM:
        assert running.returncode in (143, 0)
    train(posts, home)
    assert learned(home) == by_one
    assert not (home / "training").exists()


def test_only_one_process_learns_the_same_at_a_time(posts: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    home = tmp_path / ".topicidx"
    prepared = Path(json.loads(train(posts, home, "--prepare", "--json").stdout)["prepared"])
    with FileLock(prepared / "lock", timeout=0):
        done = subprocess.run(command(posts, home, *TWELVE), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "already" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_encoder_that_learns_alone_says_so(posts: Path, tmp_path: Path) -> None:
    asked = command(posts, tmp_path / "h", "--text-encoder", "word2vec", "--prepare")
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "one process alone" in done.stderr
