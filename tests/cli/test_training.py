"""`topicidx train`: stopped and taken up again, in several processes, prepared for others, and told of."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from topicidx.embedders.networks.architectures import ARCHITECTURES, load_initial_weights
from topicidx.errors import SettingsError

Run = Callable[..., subprocess.CompletedProcess[str]]

TOML = """
[lda]
num_topics = 8

[training]
crop = 32
resize = 36
batch_size = 16
optimizer = "sgd"
learning_rate = 0.001
dropout = 0.0
calibrate = false
"""
CHOSEN = ("--arch", "bvlc", "--init", "random", "--epochs", 4)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from topicidx.indexer.rendered import render_collection

    folder = tmp_path_factory.mktemp("rendered")
    render_collection(folder, 50, 48, seed=3)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "topicidx.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


def weights(home: Path) -> dict[str, np.ndarray]:
    return dict(load_file(home / ".topicidx" / "space" / "image.safetensors"))


@pytest.fixture(scope="module")
def alone(rendered: Path, tmp_path_factory: pytest.TempPathFactory, topicidx: Run) -> Path:
    """A folder whose space was trained in one go, in one process."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "topicidx.toml").write_text(TOML, encoding="utf-8")
    done = topicidx("train", rendered / "captions.csv", *CHOSEN, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert not (folder / ".topicidx" / "training").exists()
    return folder


def test_a_report_shows_losses_topics_and_pictures_that_were_kept_apart(alone: Path) -> None:
    page = (alone / ".topicidx" / "space" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 5
    assert page.count("data:image/png") == 1
    assert "http" not in page
    assert len(re.findall(r"<dd>\d+% \w+", page)) == 5 * 2 * 3
    assert "4, the best one" in page
    assert page.count('<th scope="row">') >= 8 + 5


@pytest.mark.parametrize(("asked", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_it_goes_on_to_the_same_weights(
    asked: signal.Signals, code: int, rendered: Path, home: Path, alone: Path, topicidx: Run
) -> None:
    command = [sys.executable, "-m", "topicidx", "train", str(rendered / "captions.csv"), *map(str, CHOSEN)]
    running = subprocess.Popen(command, cwd=home, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("epoch 1 "):
            os.kill(running.pid, asked)
            break
    rest = running.stderr.read()
    running.stderr.close()
    assert running.wait() == code, rest
    assert "the same command goes on from here" in rest
    assert "Traceback" not in rest
    assert not (home / ".topicidx" / "space").exists()
    listed = json.loads(topicidx("gc", "--json", cwd=home).stdout)["leftovers"]
    assert [(leftover["removed"], "goes on" in leftover["reason"]) for leftover in listed] == [(False, True)]

    done = topicidx("train", rendered / "captions.csv", *CHOSEN, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "going on with the training" in done.stderr
    assert re.search(r"going on after [1-3] epochs", done.stderr)
    expected = weights(alone)
    assert all(np.array_equal(tensor, expected[name]) for name, tensor in weights(home).items())
    assert not (home / ".topicidx" / "training").exists()


def test_what_a_stopped_training_keeps_is_removed_when_asked(rendered: Path, home: Path, topicidx: Run) -> None:
    prepared = topicidx("train", rendered / "captions.csv", *CHOSEN, "--prepare", "--json", cwd=home)
    folder = Path(json.loads(prepared.stdout)["prepared"])
    assert (folder / "job.json").is_file()
    other = topicidx("train", rendered / "captions.csv", *CHOSEN, "--seed", 9, "--prepare", cwd=home)
    assert "1 other trainings" in other.stderr
    assert "torchrun" in other.stdout
    removed = topicidx("gc", "--unfinished", cwd=home)
    assert removed.returncode == 0, removed.stderr
    assert removed.stdout.count("removed: ") == 2
    assert not folder.parent.exists()


def test_two_processes_make_the_same_space_as_one(rendered: Path, home: Path, alone: Path, topicidx: Run) -> None:
    done = topicidx("train", rendered / "captions.csv", *CHOSEN, "--nproc", 2, cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 4 ") == 1
    expected = weights(alone)
    for name, tensor in weights(home).items():
        # Each process rounds to bfloat16 where the machine computes in it.
        np.testing.assert_allclose(tensor, expected[name], atol=2e-3, err_msg=name)
    assert not (home / ".topicidx" / "training").exists()


def test_under_torchrun_it_says_what_to_do(rendered: Path, home: Path, topicidx: Run) -> None:
    done = topicidx("train", rendered / "captions.csv", *CHOSEN, cwd=home, WORLD_SIZE="2", RANK="0")
    assert done.returncode == 2
    assert "--nproc" in done.stderr
    assert "--prepare" in done.stderr


def test_layers_and_the_cache_are_chosen_by_flags(rendered: Path, home: Path, topicidx: Run) -> None:
    started = time.monotonic()
    done = topicidx(
        "train", rendered / "captions.csv", "--arch", "bvlc", "--init", "random", "--train-from", "inception4e",
        "--no-cache-trunk", "--epochs", 1, "--tensorboard", "events", cwd=home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "computed in every epoch" in done.stderr
    assert list((home / "events").iterdir())
    manifest = json.loads((home / ".topicidx" / "space" / "space.json").read_text(encoding="utf-8"))
    assert manifest["provenance"]["training"]["layers"] == "tail"
    (line,) = (home / ".topicidx" / "space" / "training.jsonl").read_text(encoding="utf-8").splitlines()
    assert 0 < json.loads(line)["seconds"] < time.monotonic() - started


def test_weights_that_do_not_fit_are_named_tensor_by_tensor(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    architecture = ARCHITECTURES["googlenet"]
    trunk, tail = architecture.build()
    tensors = {name: value.numpy() for part in (trunk, tail) for name, value in part.state_dict().items()}
    names = sorted(name for name in tensors if name.endswith("conv.weight"))
    for name in names[:6]:
        del tensors[name]
    tensors[names[7]] = tensors[names[7]][:1].copy()
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    with pytest.raises(SettingsError) as raised:
        load_initial_weights(architecture, str(path), trunk, tail)
    message = str(raised.value)
    assert all(repr(name) in message for name in (*names[:4], names[7]))
    assert "and 2 more" in message
    assert "weights of googlenet" in message
