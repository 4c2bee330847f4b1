"""Trainings that are stopped: killed, asked to stop, or without room, they end up at the weights of those that were not."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from doubles import trainings
from doubles.trainings import coloured_pictures
from topicidx.embedders import training_run
from topicidx.embedders.checkpoint import load_checkpoint, save_checkpoint
from topicidx.embedders.training import CHECKPOINT, Example, Progress, TrainingResult, train_image_encoder
from topicidx.embedders.training_job import TrainingJob
from topicidx.errors import TrainingError
from topicidx.settings import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(BaseException):
    """Stands for the death of the process."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    return coloured_pictures(tmp_path_factory.mktemp("pictures"), 26)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every batch."""
    monkeypatch.setattr(training_run, "BETWEEN_EPOCHS", -1.0)
    monkeypatch.setattr(training_run, "WITHIN_EPOCH", -1.0)


KINDS: dict[str, dict[str, Any]] = {
    "everything": {"init": "random", "epochs": 3},
    "tail": {"layers": "tail", "epochs": 2, "head_epochs": 2, "views": 2},
    "tail, in pieces": {"layers": "tail", "epochs": 2, "head_epochs": 1, "views": 2, "micro_batch": 3},
    "tail, streamed": {"layers": "tail", "epochs": 2, "head_epochs": 1, "cache_gigabytes": 0.0},
    "head": {"layers": "head", "epochs": 4, "hidden": 16, "members": 2},
    "sgd": {"layers": "tail", "optimizer": "sgd", "epochs": 3, "views": 2},
}


def settings_for(kind: str, weight_file: Path) -> TrainingSettings:
    asked = {"arch": "bvlc", "init": str(weight_file), "crop": 32, "batch_size": 8} | KINDS[kind]
    return TrainingSettings(**asked)


def outcome(result: TrainingResult) -> tuple[dict[str, bytes], list[tuple[float, ...]]]:
    weights = {name: tensor.tobytes() for name, tensor in result.encoder.tensors().items()}
    return weights, [(epoch.epoch, epoch.train_loss, epoch.validation_loss, epoch.best) for epoch in result.epochs]


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_training_that_was_killed_reaches_the_same_weights(
    kind: str, examples: list[Example], weight_file: Path, tmp_path: Path
) -> None:
    """Killed three times: in its first epoch, within a later one, and between two."""
    settings = settings_for(kind, weight_file)
    whole = train_image_encoder(examples, settings, seed=3, cache_folder=tmp_path)
    kept = tmp_path / "kept"
    kept.mkdir()
    told: list[tuple[int, int]] = []

    def killed_after(batches: int) -> Progress:
        left = iter(range(batches))

        def batch(*told: object) -> None:
            if next(left, None) is None:
                raise Killed

        return Progress(batch=batch)

    for batches in (2, 3, 2):
        with pytest.raises(Killed):
            train_image_encoder(
                examples, settings, seed=3, cache_folder=kept, resumable=True, progress=killed_after(batches)
            )
    progress = Progress(resumed=lambda epochs, batches: told.append((epochs, batches)))
    resumed = train_image_encoder(examples, settings, seed=3, cache_folder=kept, resumable=True, progress=progress)
    assert len(told) == 1
    assert told[0] > (0, 0)
    assert outcome(resumed) == outcome(whole)


@pytest.mark.usefixtures("often")
def test_what_the_frozen_layers_gave_is_not_computed_again(
    examples: list[Example], weight_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topicidx.embedders import view_reader

    settings = settings_for("head", weight_file)
    decoded: list[Path] = []
    open_picture = view_reader.open_picture
    monkeypatch.setattr(
        view_reader, "open_picture", lambda path, **more: (decoded.append(path), open_picture(path, **more))[1]
    )

    def killed(done: int, total: int) -> None:
        if done >= 10:
            raise Killed

    with pytest.raises(Killed):
        train_image_encoder(
            examples, settings, cache_folder=tmp_path, resumable=True, progress=Progress(features=killed)
        )
    before = len(set(decoded))
    assert before > 0
    decoded.clear()
    train_image_encoder(examples, settings, cache_folder=tmp_path, resumable=True)
    assert len(decoded) == len(examples) - 8 * (10 // 8 + 1)


def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do(
    examples: list[Example], weight_file: Path, tmp_path: Path
) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="from the beginning"):
        train_image_encoder(examples, settings_for("head", weight_file), cache_folder=tmp_path, resumable=True)


def test_a_checkpoint_runs_no_code_when_it_is_read(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "run",)

    torch.save({"at": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(TrainingError, match="cannot be read"):
        load_checkpoint(tmp_path / "bomb.pt")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_takes_the_place_of_the_one_before_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"at": 1})
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, {"at": 2})
    assert load_checkpoint(path) == {"at": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


# In processes of their own

Weights = dict[str, NDArray[Any]]


def start(job: Path, *more: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, trainings.__file__, str(job), *map(str, more)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def weights_of(job: TrainingJob) -> Weights:
    return dict(job.result().encoder.tensors())


def prepared(folder: Path, examples: list[Example], settings: TrainingSettings) -> TrainingJob:
    return TrainingJob.write(folder, examples, settings, seed=3)


def test_killed_with_9_and_asked_to_stop_a_job_still_reaches_the_same_weights(
    examples: list[Example], weight_file: Path, tmp_path: Path
) -> None:
    settings = replace(settings_for("tail", weight_file), epochs=3)
    whole = prepared(tmp_path / "whole", examples, settings)
    stopped = prepared(tmp_path / "stopped", examples, settings)
    alone = start(whole.folder)
    assert start(stopped.folder, "--kill-at", 6).wait() == -signal.SIGKILL
    assert alone.wait() == 0

    asked = start(stopped.folder)
    started = time.monotonic()
    checkpoint = stopped.state / CHECKPOINT
    written = checkpoint.stat().st_mtime_ns
    while checkpoint.stat().st_mtime_ns == written and asked.poll() is None and time.monotonic() < started + 60:
        time.sleep(0.01)
    asked.terminate()
    assert asked.wait() in {143, 0}
    if not stopped.finished:
        assert asked.returncode == 143
        assert start(stopped.folder).wait() == 0
    expected = weights_of(whole)
    for name, tensor in weights_of(stopped).items():
        np.testing.assert_array_equal(tensor, expected[name])
    assert [epoch.validation_loss for epoch in stopped.result().epochs] == [
        epoch.validation_loss for epoch in whole.result().epochs
    ]


def test_a_second_training_of_the_same_job_is_refused(
    examples: list[Example], weight_file: Path, tmp_path: Path
) -> None:
    from topicidx.embedders.train import locked, take_part

    job = prepared(tmp_path / "job", examples, settings_for("head", weight_file))
    with locked(job.folder), pytest.raises(TrainingError, match="running already"):
        take_part(job.folder)


def test_a_folder_that_is_no_job_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--prepare"):
        TrainingJob.open(tmp_path)


def test_a_job_gives_back_what_was_put_into_it(examples: list[Example], tmp_path: Path) -> None:
    """Names that are not UTF-8, words and topic words too."""
    odd = Example(
        "caf\udce9.jpg", Path("/photos/caf\udce9.jpg"), examples[0].topics, np.array([[3, 2]], dtype=np.int32)
    )
    words = np.full((4, 5), 0.2, dtype=np.float32)
    job = TrainingJob.write(
        tmp_path / "job", [odd, examples[1]], TrainingSettings(sizes=(64, 96)), seed=9, topic_words=words
    )
    first, second = TrainingJob.open(job.folder).examples()
    assert (first.key, first.path) == (odd.key, odd.path)
    assert first.words is not None
    assert second.words is not None
    np.testing.assert_array_equal(first.words, [[3, 2]])
    assert second.words.shape == (0, 2)
    np.testing.assert_array_equal(second.topics, examples[1].topics)
    assert TrainingSettings(**job._description()["settings"]) == TrainingSettings(sizes=(64, 96))


def test_a_result_is_read_as_it_was(examples: list[Example], weight_file: Path, tmp_path: Path) -> None:
    job = prepared(tmp_path / "job", examples, settings_for("head", weight_file))
    with pytest.raises(TrainingError, match="not finished"):
        job.result()
    result = job.train()
    again = job.result()
    assert outcome(again) == outcome(result)
    assert again.plan == result.plan
    assert all(math.isfinite(epoch.train_loss) for epoch in again.epochs)
