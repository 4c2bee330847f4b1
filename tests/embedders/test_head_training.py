"""Training a head alone: from views as indexing sees them, with the captions' words, and calibrated at the end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from topicidx.embedders.googlenet_encoder import CALIBRATION
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.networks.bvlc import caffe_key
from topicidx.embedders.topic_network import HeadSettings
from topicidx.embedders.training import Example, Progress, TrainingResult, train_image_encoder
from topicidx.settings import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
#: A topic for each colour, of two words each, and one of no colour's.
TOPIC_WORDS = np.kron(np.eye(4), [[0.5, 0.5]]).astype(np.float32) * 0.96 + 0.005
TOPIC_WORDS /= TOPIC_WORDS.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    made = []
    for number in range(36):
        path = folder / f"{number}.png"
        pixels = np.clip(rng.normal(COLOURS[number % 3], 25, (40, 40, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        topics = np.full(4, 0.1, dtype=np.float32)
        topics[number % 3] = 0.7
        words = np.array([[2 * (number % 3), 2], [2 * (number % 3) + 1, 1]], dtype=np.int32)
        made.append(Example(f"colours/{number}.png", path, topics, words))
    return made


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    torch.manual_seed(7)
    parts = ARCHITECTURES["bvlc"].build()
    path = tmp_path_factory.mktemp("weights") / "bvlc.safetensors"
    weights = {caffe_key(name): value.contiguous() for part in parts for name, value in part.state_dict().items()}
    save_file(weights, path)
    return TrainingSettings(
        arch="bvlc", init=str(path), crop=32, sizes=(32, 46), epochs=12, batch_size=8, hidden=16, members=2,
        validation_share=0.2,
    )  # fmt: skip


def train(
    examples: list[Example],
    settings: TrainingSettings,
    folder: Path,
    topic_words: NDArray[np.float32] | None = TOPIC_WORDS,
) -> TrainingResult:
    result = train_image_encoder(examples, settings, seed=1, cache_folder=folder, topic_words=topic_words)
    assert not list(folder.iterdir())
    return result


@pytest.fixture(scope="module")
def trained(
    examples: list[Example], asked: TrainingSettings, tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    return train(examples, asked, tmp_path_factory.mktemp("cache"))


def bytes_of(result: TrainingResult) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in result.encoder.tensors().items()}


def thetas(result: TrainingResult, examples: list[Example]) -> NDArray[np.float32]:
    encoder = result.encoder
    return encoder.encode([encoder.prepare(Image.open(example.path)) for example in examples])


def test_what_is_taught_is_what_indexing_sees(trained: TrainingResult, asked: TrainingSettings) -> None:
    assert trained.plan.head == HeadSettings("several", 16, 2, root=True)
    assert trained.encoder.views.sizes == (32, 46)
    assert {epoch.stage for epoch in trained.epochs} == {"main"}


def test_it_tells_colours_apart(trained: TrainingResult, examples: list[Example]) -> None:
    assert trained.epochs[-1].train_loss < trained.epochs[0].train_loss
    assert (thetas(trained, examples).argmax(axis=1) == np.arange(36) % 3).mean() > 0.9


def test_the_frozen_layers_are_what_was_loaded(trained: TrainingResult, asked: TrainingSettings) -> None:
    from safetensors.torch import load_file

    loaded = load_file(asked.init)
    tensors = trained.encoder.tensors()
    for part in ("trunk", "tail"):
        names = [name for name in tensors if name.startswith(f"{part}.")]
        assert names
        for name in names:
            np.testing.assert_array_equal(tensors[name], loaded[caffe_key(name.removeprefix(f"{part}."))].numpy())


def test_the_same_seed_gives_the_same_bytes(
    trained: TrainingResult, examples: list[Example], asked: TrainingSettings, tmp_path: Path
) -> None:
    torch.manual_seed(999)
    assert bytes_of(train(examples, asked, tmp_path)) == bytes_of(trained)


def test_the_average_picture_is_the_mean_of_what_the_encoder_gives(
    trained: TrainingResult, examples: list[Example]
) -> None:
    from topicidx.embedders.training import split_by_key

    learning, _ = split_by_key([example.key for example in examples], 0.2)
    assert trained.average is not None
    assert trained.average.sum() == pytest.approx(1, abs=1e-5)
    expected = thetas(trained, [examples[place] for place in learning]).mean(axis=0)
    np.testing.assert_allclose(trained.average, expected, atol=0.01)


def test_the_captions_words_take_away_what_every_picture_is_given(
    trained: TrainingResult, examples: list[Example]
) -> None:
    """Topics say .1 of everything, words of one thing only."""
    background = trained.encoder.tensors()["head.background"]
    assert background.sum() > 0
    assert thetas(trained, examples).max(axis=1).mean() > 0.8


def test_without_words_nothing_is_calibrated(examples: list[Example], asked: TrainingSettings, tmp_path: Path) -> None:
    result = train(examples, asked, tmp_path, topic_words=None)
    assert result.average is None
    assert not any(result.encoder.tensors()[name].any() for name in CALIBRATION)


def test_calibration_can_be_left_out(examples: list[Example], asked: TrainingSettings, tmp_path: Path) -> None:
    result = train(examples, replace(asked, calibrate=False), tmp_path)
    assert result.average is None
    assert not any(result.encoder.tensors()[name].any() for name in CALIBRATION)


def test_no_room_for_features_is_said_and_costs_nothing_but_time(
    trained: TrainingResult, examples: list[Example], asked: TrainingSettings, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    result = train(examples, replace(asked, cache_gigabytes=0.0, epochs=2), tmp_path)
    kept = train(examples, replace(asked, epochs=2), tmp_path)
    assert [record.message for record in caplog.records if "no room" in record.message]
    assert result.epochs[-1].validation_loss == pytest.approx(kept.epochs[-1].validation_loss, rel=0.02)


def test_unreadable_pictures_are_left_out_and_named(
    examples: list[Example], asked: TrainingSettings, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    (tmp_path / "cache").mkdir()
    mixed = [*examples[:20], Example("colours/broken.png", broken, examples[0].topics, examples[0].words)]
    told: list[tuple[int, int]] = []
    result = train_image_encoder(
        mixed, replace(asked, epochs=1), cache_folder=tmp_path / "cache", topic_words=TOPIC_WORDS,
        progress=Progress(features=lambda done, total: told.append((done, total))),
    )  # fmt: skip
    assert list(result.unreadable) == ["colours/broken.png"]
    assert told[-1] == (21, 21)
