"""Processes that train together: the same weights as one, every picture validated once, the first failure told."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from doubles import trainings
from doubles.trainings import coloured_pictures
from topicidx.embedders import launch
from topicidx.embedders.distributed import ALONE, VARIABLES, Ranks, process_group, ranks_from
from topicidx.embedders.training import Example, Progress, train_image_encoder
from topicidx.embedders.training_job import TrainingJob
from topicidx.errors import SettingsError, TrainingError
from topicidx.settings import TrainingSettings

SET = dict(zip(VARIABLES, ("1", "2", "1", "2", "0", "127.0.0.1", "29500"), strict=True))


# Which process this is


def test_without_torchrun_a_process_trains_alone() -> None:
    assert ranks_from({"PATH": "/bin"}) == ALONE
    assert ALONE.first
    assert ALONE.total(2.0, 3.0) == [2.0, 3.0]
    assert ALONE.gathered("a") == ["a"]


def test_what_torchrun_sets_is_read() -> None:
    ranks = ranks_from(SET)
    assert ranks == Ranks(1, 2, 1, 2, 0)
    assert not ranks.first
    np.testing.assert_array_equal(ranks.share(np.arange(7)), [1, 3, 5])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"RANK": "2"}, r"RANK is 2.*0 to 1"),
        ({"RANK": "-1"}, r"RANK is -1"),
        ({"RANK": "one"}, r"RANK is 'one'"),
        ({"WORLD_SIZE": ""}, r"not WORLD_SIZE"),
        ({"MASTER_ADDR": None}, r"not MASTER_ADDR"),
        ({"MASTER_PORT": "0"}, r"MASTER_PORT is 0"),
        ({"LOCAL_RANK": "2"}, r"LOCAL_RANK is 2"),
        ({"LOCAL_WORLD_SIZE": "3"}, r"LOCAL_WORLD_SIZE 3"),
        ({"GROUP_RANK": "-1"}, r"GROUP_RANK is -1"),
        (dict.fromkeys(set(VARIABLES) - {"RANK"}), r"^RANK of a group.*torchrun"),
    ],
)
def test_variables_that_do_not_fit_are_named(changed: dict[str, str | None], named: str) -> None:
    environment = {name: value for name, value in (SET | changed).items() if value is not None}
    with pytest.raises(SettingsError, match=named):
        ranks_from(environment)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingsError, match="1 GPU:"):
        ranks_from(SET)


def test_the_group_is_destroyed_however_the_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *rest, **more: done.append("joined"))
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: done.append("destroyed"))
    for error in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), process_group(Ranks(0, 2)):
            raise error
    with process_group(Ranks(1, 2)):
        pass
    with process_group(ALONE):
        pass
    assert done == ["joined", "destroyed"] * 4


# Two gloo processes


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    return coloured_pictures(tmp_path_factory.mktemp("pictures"), 27)


@pytest.fixture(autouse=True)
def small_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is launched computes in float32, so that one process and two can be compared."""
    started = subprocess.Popen

    def popen(command: list[str], **more: object) -> object:
        if "topicidx.embedders.train" in command:
            place = command.index("-m", 2 + command.index("-m"))
            command = [*command[:place], trainings.__file__, *(part for part in command[place + 2 :])]
        return started(command, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(launch.subprocess, "Popen", popen)


def without_chance(layers: str, weight_file: Path, **more: object) -> TrainingSettings:
    """No dropout, which each process draws for itself; plain SGD, whose steps are the gradients."""
    asked = {
        "arch": "bvlc", "init": str(weight_file) if layers != "all" else "random", "layers": layers, "optimizer": "sgd",
        "dropout": 0.0, "crop": 32, "epochs": 2, "batch_size": 8, "validation_share": 0.2, "views": 2,
        "learning_rate": 0.003, "members": 1, "hidden": 0,
    }  # fmt: skip
    return TrainingSettings(**(asked | more))


def both(
    examples: list[Example], settings: TrainingSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TrainingJob, TrainingJob]:
    """The same training in one process, this one, and in two."""
    alone = TrainingJob.write(folder / "alone", examples, settings, seed=3)
    together = TrainingJob.write(folder / "together", examples, settings, seed=3)
    launch.train_in_processes(together, 2)
    with monkeypatch.context() as patched:
        from topicidx.embedders import googlenet_encoder, precision, training_inputs

        for module in (precision, googlenet_encoder, training_inputs):
            patched.setattr(module, "inference_dtype", lambda device: torch.float32)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone.train()
        torch.set_num_threads(threads)
    return alone, together


@pytest.mark.parametrize("layers", ["tail", "all"])
def test_two_processes_learn_what_one_does(
    layers: str, examples: list[Example], weight_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """22 pictures in batches of 8: the last batch of 6 is split as the others are; 5 validate, three in one process."""
    alone, together = both(examples, without_chance(layers, weight_file, micro_batch=3), tmp_path, monkeypatch)
    one, two = alone.result(), together.result()
    start = train_start(examples, without_chance(layers, weight_file), tmp_path)
    for name, tensor in one.encoder.tensors().items():
        learned = np.abs(tensor - start[name]).max()
        np.testing.assert_allclose(two.encoder.tensors()[name], tensor, atol=1e-6 + 2e-3 * learned, err_msg=name)
    for first, second in zip(one.epochs, two.epochs, strict=True):
        assert second.train_loss == pytest.approx(first.train_loss, rel=1e-5)
        assert second.validation_loss == pytest.approx(first.validation_loss, rel=1e-5)


def train_start(examples: list[Example], settings: TrainingSettings, folder: Path) -> dict[str, np.ndarray]:
    """The weights that a training begins with."""
    (folder / "start").mkdir()
    still = replace(settings, learning_rate=1e-30, pretrained_learning_rate=1e-30, epochs=1)
    return dict(train_image_encoder(examples, still, seed=3, cache_folder=folder / "start").encoder.tensors())


def test_the_failure_of_a_process_is_the_error_that_is_told(
    examples: list[Example], weight_file: Path, tmp_path: Path
) -> None:
    settings = without_chance("head", weight_file, learning_rate=1e30)
    job = TrainingJob.write(tmp_path / "job", examples, settings, seed=3)
    with pytest.raises(TrainingError, match="lower learning rate"):
        launch.train_in_processes(job, 2)
    job = TrainingJob.write(tmp_path / "other", examples, replace(settings, init=str(tmp_path)), seed=3)
    with pytest.raises(TrainingError, match="no weight file"):
        launch.train_in_processes(job, 2)


def test_batches_too_small_for_the_processes_are_refused(examples: list[Example], tmp_path: Path) -> None:
    settings = TrainingSettings(init="random", crop=32, epochs=1, batch_size=3)
    job = TrainingJob.write(tmp_path / "job", examples, settings, seed=3)
    with pytest.raises(TrainingError, match="batch normalisation"):
        launch.train_in_processes(job, 2)


def test_sigterm_lets_all_processes_stop_and_the_next_ones_go_on(
    examples: list[Example], weight_file: Path, tmp_path: Path
) -> None:
    settings = without_chance("tail", weight_file, epochs=12, patience=12, views=1, learning_rate=1e-5)
    job = TrainingJob.write(tmp_path / "job", examples, settings, seed=3)
    heard: list[int] = []

    def ask(epoch: object) -> None:
        heard.append(1)
        if len(heard) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        launch.train_in_processes(job, 2, Progress(epoch=ask))
    assert stopped.value.code == 143
    assert not job.finished
    time.sleep(0.1)
    resumed: list[tuple[int, int]] = []
    result = launch.train_in_processes(
        job, 2, Progress(resumed=lambda epochs, batches: resumed.append((epochs, batches)))
    )
    assert len(resumed) == 1
    assert resumed[0] >= (2, 0)
    assert [epoch.epoch for epoch in result.epochs] == list(range(1, 13))


def test_torchrun_starts_a_prepared_training(examples: list[Example], weight_file: Path, tmp_path: Path) -> None:
    """As on several machines: the module itself, with nothing of this process around it."""
    job = TrainingJob.write(tmp_path / "job", examples, without_chance("head", weight_file), seed=3)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "topicidx.embedders.train", str(job.folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 2 (all that learns)") == 1
    assert job.finished
    events = [json.loads(line)[0] for line in (job.folder / "progress.jsonl").read_text().splitlines()]
    assert events.count("epoch") == 2
