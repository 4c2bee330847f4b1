"""What a training learns: the course that it took before, pictures by heart, and nothing in layers that are frozen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from doubles.trainings import coloured_pictures
from topicidx.embedders import googlenet_encoder, precision, training_inputs
from topicidx.embedders.learner import topic_loss
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.networks.bvlc import caffe_key
from topicidx.embedders.stopping import StopRequest
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training import Example, Progress, train_image_encoder
from topicidx.embedders.training_inputs import PictureInputs
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.view_reader import ViewReader
from topicidx.settings import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers on every machine, but for the last digits."""
    for module in (precision, googlenet_encoder, training_inputs):
        monkeypatch.setattr(module, "inference_dtype", lambda device: torch.float32)


@pytest.fixture(scope="module")
def weight_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random first weights of both architectures; googlenet's batch statistics are those of noise."""
    folder = tmp_path_factory.mktemp("weights")
    files = {}
    for arch, name_of in (("bvlc", caffe_key), ("googlenet", str)):
        torch.manual_seed(7)
        parts = ARCHITECTURES[arch].build()
        with torch.no_grad():
            for _ in range(10 if arch == "googlenet" else 0):
                nn.Sequential(*parts).train()(torch.rand(16, 3, 64, 64) * 2 - 1)
        files[arch] = folder / f"{arch}.safetensors"
        tensors = {name_of(name): value.contiguous() for part in parts for name, value in part.state_dict().items()}
        save_file(tensors, files[arch])
    return files


#: Trainings, and the (training loss, validation loss) of their epochs.
COURSES: dict[str, tuple[dict[str, Any], list[tuple[float, float]]]] = {
    "everything, googlenet": (
        {"arch": "googlenet", "init": "random", "learning_rate": 3e-4},
        [(1.9812, 2.1752), (1.9270, 2.0829), (1.8789, 2.0358), (1.8537, 2.0037), (1.8608, 1.9903)],
    ),
    "head, bvlc": (
        {"arch": "bvlc", "init": "file", "hidden": 32, "members": 2},
        [(1.9682, 1.9914), (1.8385, 1.9029), (1.6593, 1.8266), (1.5328, 1.7868), (1.4813, 1.7794)],
    ),
}
#: By how much the losses of another machine may differ, whose convolutions round in another order: at higher rates such
#: differences grow from step to step.
TOLERANCE = {"everything, googlenet": 0.025, "head, bvlc": 0.01}


@pytest.mark.parametrize("name", list(COURSES))
def test_the_losses_of_a_rendered_collection_take_the_course_that_they_took(
    name: str, weight_files: dict[str, Path], photos: Path, tmp_path: Path
) -> None:
    names = sorted((photos / "photos").rglob("*.jpg"))[:48]
    brightness = [np.asarray(Image.open(path).convert("L")).mean() for path in names]
    third = np.searchsorted(np.quantile(brightness, [1 / 3, 2 / 3]), brightness)
    topics = np.where(np.arange(4) == third[:, None], 0.94, 0.02).astype(np.float32)
    examples = [Example(path.name, path, row) for path, row in zip(names, topics, strict=True)]
    asked, expected = COURSES[name]
    init = {"init": str(weight_files["bvlc"])} if asked["init"] == "file" else {}
    settings = TrainingSettings(**asked | init, crop=64, epochs=5, batch_size=12, dropout=0.0, validation_share=0.2)
    result = train_image_encoder(examples, settings, seed=1, cache_folder=tmp_path)
    course = [(epoch.train_loss, epoch.validation_loss) for epoch in result.epochs]
    found = np.array(course)
    assert found == pytest.approx(np.array(expected), rel=TOLERANCE[name]), course
    assert found[-1, 1] < found[0, 1]


def test_thirty_two_pictures_are_learned_by_heart(tmp_path: Path) -> None:
    """Noise that has nothing in common, each picture with a topic of its own drawing."""
    rng = np.random.default_rng(3)
    examples = []
    for number in range(34):
        path = tmp_path / f"{number}.png"
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((40, 40), Image.Resampling.NEAREST).save(path)
        topics = np.zeros(5, dtype=np.float32)
        topics[rng.integers(5)] = 1
        examples.append(Example(f"noise/{number}.png", path, topics))
    settings = TrainingSettings(
        arch="googlenet", init="random", crop=48, resize=48, epochs=60, patience=60, batch_size=16, dropout=0.0,
        learning_rate=2e-3, weight_decay=0.0, validation_share=2 / 34,
    )  # fmt: skip
    (tmp_path / "cache").mkdir()
    result = train_image_encoder(examples, settings, seed=1, cache_folder=tmp_path / "cache")
    assert result.training_pictures == 32
    assert result.epochs[0].train_loss > 1
    assert min(epoch.train_loss for epoch in result.epochs) < 0.02


def test_frozen_layers_and_their_statistics_do_not_move_by_one_bit(
    weight_files: dict[str, Path], tmp_path: Path
) -> None:
    examples = coloured_pictures(tmp_path / "pictures", 18)
    (tmp_path / "cache").mkdir()
    architecture = ARCHITECTURES["googlenet"]
    fresh = TopicNetwork(architecture, 4)
    from topicidx.embedders.networks.architectures import load_initial_weights

    load_initial_weights(architecture, str(weight_files["googlenet"]), fresh.trunk, fresh.tail)
    before = {name: value.numpy() for name, value in fresh.state_dict().items()}
    for layers, frozen in (("head", ("trunk.", "tail.")), ("tail", ("trunk.",))):
        settings = TrainingSettings(
            init=str(weight_files["googlenet"]), layers=layers, crop=32, epochs=1, head_epochs=0, batch_size=6, views=2,
            hidden=8 if layers == "head" else 0, cache_gigabytes=0.0 if layers == "tail" else 1.0,
        )  # fmt: skip
        result = train_image_encoder(examples, settings, seed=1, cache_folder=tmp_path / "cache")
        after = result.encoder.tensors()
        for name, value in before.items():
            if name.startswith(frozen):
                assert value.tobytes() == after[name].tobytes(), name
    moved = [name for name, value in before.items() if name.startswith("tail.") and "running_mean" in name]
    assert moved
    assert all(before[name].tobytes() != after[name].tobytes() for name in moved)


def test_the_loss_is_caffes_on_a_case_by_hand() -> None:
    """Caffe: max(x, 0) - x t + log(1 + exp(-|x|)), summed over the topics of all pictures, divided by the pictures."""
    logits, topics = torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([[0.9, 0.1], [0.25, 0.75]])
    by_hand = (1 - 0.9 + np.log1p(np.exp(-1))) + (0.2 + np.log1p(np.exp(-2)))
    by_hand += np.log(2) + (3 - 2.25 + np.log1p(np.exp(-3)))
    assert topic_loss(logits, topics).item() == pytest.approx(by_hand / 2, rel=1e-6)


@pytest.mark.parametrize("mode", ["pixels", "maps"])
def test_crops_that_are_cut_on_the_device_are_the_same_ones(
    mode: str, weight_files: dict[str, Path], tmp_path: Path
) -> None:
    examples = coloured_pictures(tmp_path, 7)
    (tmp_path / "3.png").write_text("no picture")
    plan = TrainingPlan.adapted(TrainingSettings(init="random", crop=32, resize=40), 7)
    device = torch.device("cpu")
    architecture = ARCHITECTURES["bvlc"]
    network = TopicNetwork(architecture, 4)
    trunk = training_inputs.FrozenTrunk(network, architecture, device) if mode == "maps" else None
    reader = ViewReader([example.path for example in examples], plan, seed=5)
    wanted = [np.array([0, 1, 2]), np.array([3]), np.array([4, 3, 6])]
    both = [
        list(PictureInputs(reader, architecture, device, trunk, cut_on_device=cut).batches(wanted, epoch=2))
        for cut in (False, True)
    ]
    for (places, inputs), (same_places, same_inputs), asked in zip(*both, wanted, strict=True):
        assert places.tolist() == same_places.tolist() == [place for place in asked.tolist() if place != 3]
        assert torch.equal(inputs, same_inputs)
    assert both[0][1][1].shape[0] == 0


def test_a_second_signal_is_not_waited_with() -> None:
    import signal

    stop = StopRequest()
    stop.heed(signal.SIGTERM, None)
    assert stop.wanted
    with pytest.raises(SystemExit) as raised:
        stop.heed(signal.SIGTERM, None)
    assert raised.value.code == 143
    ctrl_c = StopRequest()
    ctrl_c.heed(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        ctrl_c.check()


def test_tensorboard_gets_every_epoch(weight_files: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from topicidx.embedders.tensorboard import written_to_tensorboard

    heard: list[float] = []
    examples = coloured_pictures(tmp_path / "pictures", 9)
    settings = TrainingSettings(arch="bvlc", init=str(weight_files["bvlc"]), crop=32, epochs=3, hidden=8)
    (tmp_path / "cache").mkdir()
    with written_to_tensorboard(
        Progress(epoch=lambda epoch: heard.append(epoch.train_loss)), tmp_path / "events"
    ) as told:
        train_image_encoder(examples, settings, cache_folder=tmp_path / "cache", progress=told)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [event.value for event in events.Scalars("loss/training")] == pytest.approx(heard)
    assert len(heard) == 3


def test_layers_are_compiled_where_that_is_asked_for(
    weight_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(torch, "compile", lambda module: (compiled.append(module), module)[1])
    examples = coloured_pictures(tmp_path / "pictures", 9)
    (tmp_path / "cache").mkdir()
    asked = TrainingSettings(arch="bvlc", init=str(weight_files["bvlc"]), crop=32, epochs=1, hidden=8)
    for compile_layers in (False, True):
        settings = replace(asked, compile_layers=compile_layers)
        train_image_encoder(examples, settings, cache_folder=tmp_path / "cache")
        assert len(compiled) == compile_layers
