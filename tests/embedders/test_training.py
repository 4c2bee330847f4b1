"""Training: the published loss, a fair split, weights that are the best seen and the same for the same seed."""

import gc
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from topicidx.embedders import training_run
from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder
from topicidx.embedders.learner import make_optimizer, topic_loss
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training import (
    Epoch,
    Example,
    Progress,
    TrainingResult,
    split_by_key,
    train_image_encoder,
)
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.training_plot import plot_training
from topicidx.errors import SettingsError, TrainingError
from topicidx.settings import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
#: Everything learns, from nothing.
RANDOM = TrainingSettings(init="random", crop=32, epochs=8, patience=8, batch_size=10, learning_rate=1e-3)


def coloured(colour: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(np.clip(rng.normal(colour, 25, (40, 40, 3)), 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """42 noisy red, green and blue pictures in turn, each nearly all of its colour's topic; a fourth topic is no one's."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    made = []
    for number in range(42):
        path = folder / f"{number}.png"
        coloured(list(COLOURS.values())[number % 3], rng).save(path)
        topics = np.full(4, 0.02, dtype=np.float32)
        topics[number % 3] = 0.94
        made.append(Example(f"colours/{number}.png", path, topics))
    return made


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of torchvision's names, random, with the batch statistics of noise."""
    torch.manual_seed(7)
    parts = ARCHITECTURES["googlenet"].build()
    with torch.no_grad():
        for _ in range(20):
            nn.Sequential(*parts).train()(torch.rand(16, 3, 64, 64) * 2 - 1)
    path = tmp_path_factory.mktemp("weights") / "googlenet.safetensors"
    save_file({name: value.contiguous() for part in parts for name, value in part.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def pretrained(weight_file: Path) -> TrainingSettings:
    """The published layers learn, behind a frozen trunk."""
    return TrainingSettings(
        init=str(weight_file), layers="tail", crop=32, epochs=2, head_epochs=2, batch_size=10, views=3
    )


@dataclass
class Heard:
    """What was told of a training's progress, in order."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def progress(self) -> Progress:
        return Progress(
            features=lambda *told: self.told.append(("features", *told)),
            batch=lambda *told: self.told.append(("batch", *told)),
            epoch=lambda record: self.told.append(("epoch", record)),
        )

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [told[1:] for told in self.told if told[0] == kind]


Trained = tuple[TrainingResult, Heard]


def train(examples: Sequence[Example], settings: TrainingSettings, folder: Path, seed: int = 1) -> Trained:
    """Train and check that nothing is left in `folder`, not even a file without a name."""
    heard = Heard()
    result = train_image_encoder(examples, settings, seed=seed, cache_folder=folder, progress=heard.progress)
    assert not list(folder.iterdir())
    assert not [link for link in open_files() if link.startswith(str(folder))]
    return result, heard


def open_files() -> list[str]:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        return []
    return [str(link.readlink()) for link in descriptors.iterdir() if link.is_symlink()]


@pytest.fixture(scope="module")
def trained(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(examples, RANDOM, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module", params=["cached", "streamed"])
def tail_trained(
    request: pytest.FixtureRequest,
    examples: list[Example],
    pretrained: TrainingSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    room = {"cached": 1.0, "streamed": 0.0}[request.param]
    settings = replace(pretrained, cache_gigabytes=room)
    return train(examples, settings, tmp_path_factory.mktemp("cache"))


def bytes_of(encoder: GoogLeNetImageEncoder) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in encoder.tensors().items()}


# The loss


def test_the_loss_is_the_sum_over_topics_and_the_mean_over_pictures() -> None:
    logits = torch.tensor([[0.0, 2.0, -1.0], [3.0, -3.0, 0.5]])
    topics = torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    by_hand = 0.0
    for row, wanted in zip(logits.tolist(), topics.tolist(), strict=True):
        for logit, topic in zip(row, wanted, strict=True):
            probability = 1 / (1 + math.exp(-logit))
            by_hand -= topic * math.log(probability) + (1 - topic) * math.log(1 - probability)
    assert topic_loss(logits, topics).item() == pytest.approx(by_hand / 2, rel=1e-6)


def test_five_hundred_undecided_topics_lose_five_hundred_times_log_two() -> None:
    """The scale on which the published losses read 6.2 and 5.73, and 0.003 is a learning rate."""
    assert topic_loss(torch.zeros(8, 500), torch.full((8, 500), 1 / 500)).item() == pytest.approx(500 * math.log(2))


def test_the_loss_does_not_depend_on_the_number_of_pictures() -> None:
    logits, topics = torch.randn(1, 5), torch.rand(1, 5)
    assert topic_loss(logits.repeat(9, 1), topics.repeat(9, 1)).item() == pytest.approx(
        topic_loss(logits, topics).item(), rel=1e-5
    )


# The split

KEYS = st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=2, max_size=60, unique=True)
SHARE = st.floats(0.01, 0.99)


def validating(keys: Sequence[str], share: float) -> set[str]:
    return {keys[place] for place in split_by_key(keys, share)[1]}


@settings(max_examples=80, deadline=None)
@given(KEYS, SHARE)
def test_every_picture_is_on_one_side_and_neither_side_is_empty(keys: list[str], share: float) -> None:
    training_side, validation_side = split_by_key(keys, share)
    assert sorted([*training_side.tolist(), *validation_side.tolist()]) == list(range(len(keys)))
    assert len(training_side)
    assert len(validation_side)
    assert abs(len(validation_side) - share * len(keys)) <= 1


@settings(max_examples=60, deadline=None)
@given(KEYS, SHARE, st.randoms(use_true_random=False))
def test_the_order_of_the_pictures_does_not_move_them(keys: list[str], share: float, random: Any) -> None:
    shuffled = list(keys)
    random.shuffle(shuffled)
    assert validating(shuffled, share) == validating(keys, share)


@settings(max_examples=80, deadline=None)
@given(KEYS, KEYS, SHARE)
def test_adding_pictures_moves_no_more_old_ones_than_were_added_and_all_one_way(
    keys: list[str], more: list[str], share: float
) -> None:
    added = [key for key in more if key not in keys]
    before, after = validating(keys, share), validating([*keys, *added], share) & set(keys)
    assert before <= after or after <= before
    assert len(before ^ after) <= len(added)


def test_a_single_picture_has_nothing_to_validate_with() -> None:
    for keys in ([], ["one"]):
        training_side, validation_side = split_by_key(keys, 0.1)
        assert (len(training_side), len(validation_side)) == (len(keys), 0)


def test_keys_from_undecodable_file_names_have_a_side_too() -> None:
    assert sum(map(len, split_by_key(["caf\udce9.jpg", "café.jpg", "b.jpg"], 0.3))) == 3


# The optimiser


@pytest.fixture(scope="module")
def tail_network() -> TopicNetwork:
    network = TopicNetwork(ARCHITECTURES["bvlc"], 5)
    network.freeze("tail")
    return network


def learning_rates(network: TopicNetwork, asked: TrainingSettings, steps: int) -> tuple[list[dict[str, Any]], Any]:
    plan = TrainingPlan.adapted(asked, 1_000)
    optimizer, schedule = make_optimizer(network, plan, plan.learning_rate, steps)
    return optimizer.param_groups, (optimizer, schedule)


def test_sgd_is_the_published_recipe(tail_network: TopicNetwork) -> None:
    groups, (optimizer, schedule) = learning_rates(tail_network, TrainingSettings(optimizer="sgd"), steps=10)
    assert isinstance(optimizer, torch.optim.SGD)
    for group in groups:
        bias = group["params"][0].ndim == 1
        assert group["lr"] == pytest.approx(0.006 if bias else 0.003)
        assert group["weight_decay"] == (0 if bias else 2e-4)
        assert group["momentum"] == 0.9
    for _ in range(1_000):
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == pytest.approx([group["initial_lr"] for group in groups], rel=1e-3)


def test_adamw_gives_pretrained_layers_the_lower_rate_and_ends_at_none(tail_network: TopicNetwork) -> None:
    asked = TrainingSettings(learning_rate=1e-2, pretrained_learning_rate=1e-5)
    groups, (optimizer, schedule) = learning_rates(tail_network, asked, steps=20)
    head = {id(parameter) for parameter in tail_network.head.parameters()}
    for group in groups:
        parameter = group["params"][0]
        assert group["lr"] == (1e-2 if id(parameter) in head else 1e-5)
        assert (group["weight_decay"] == 0) == (parameter.ndim == 1)
    for _ in range(20):
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.0] * len(groups), abs=1e-9)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_only_layers_that_learn_are_given_to_the_optimiser(tail_network: TopicNetwork, optimizer: Any) -> None:
    groups, _ = learning_rates(tail_network, TrainingSettings(optimizer=optimizer), steps=10)
    expected = [*tail_network.tail.parameters(), *tail_network.head.parameters()]
    assert [id(group["params"][0]) for group in groups] == [id(parameter) for parameter in expected]


# A whole training


def loss_of_the_average(examples: Sequence[Example]) -> float:
    """What predicting the average picture's topics for every picture loses: no knowledge of the pixels."""
    topics = torch.from_numpy(np.stack([example.topics for example in examples]))
    return topic_loss(torch.logit(topics.mean(0)).expand_as(topics), topics).item()


def test_training_lowers_the_loss_and_tells_colours_apart(trained: Trained, examples: list[Example]) -> None:
    result, _ = trained
    assert result.epochs[-1].train_loss < 0.7 * result.epochs[0].train_loss
    assert min(epoch.validation_loss for epoch in result.epochs) < 0.6 * loss_of_the_average(examples)
    rng = np.random.default_rng(99)
    unseen = [coloured(colour, rng) for colour in COLOURS.values() for _ in range(5)]
    theta = result.encoder.encode([result.encoder.prepare(image) for image in unseen])
    assert theta.argmax(axis=1).tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    trained: Trained, examples: list[Example], tmp_path: Path
) -> None:
    torch.manual_seed(12345)  # what happened before must not matter
    again, _ = train(examples, RANDOM, tmp_path)
    assert bytes_of(again.encoder) == bytes_of(trained[0].encoder)
    losses = [(epoch.train_loss, epoch.validation_loss) for epoch in again.epochs]
    assert losses == [(epoch.train_loss, epoch.validation_loss) for epoch in trained[0].epochs]
    other, _ = train(examples, replace(RANDOM, epochs=1), tmp_path, seed=2)
    assert other.epochs[0].train_loss != again.epochs[0].train_loss


def test_training_leaves_torchs_random_numbers_as_they_were(
    examples: list[Example], pretrained: TrainingSettings, tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    train(examples[:8], replace(pretrained, epochs=1, head_epochs=0), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def validation_loss_of(encoder: GoogLeNetImageEncoder, examples: list[Example]) -> float:
    """The loss of an encoder's network on the pictures that only validate, computed anew in float32."""
    network = TopicNetwork(ARCHITECTURES[encoder.arch], encoder.dimensions)
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in encoder.tensors().items()})
    held_out = [examples[place] for place in split_by_key([example.key for example in examples], 0.1)[1]]
    pixels = np.stack([encoder.prepare(Image.open(example.path)) for example in held_out])
    with torch.no_grad():
        logits = network.eval()(ARCHITECTURES[encoder.arch].normalize(torch.from_numpy(pixels)))
    return topic_loss(logits, torch.from_numpy(np.stack([example.topics for example in held_out]))).item()


def test_the_weights_kept_are_those_of_the_best_epoch(trained: Trained, examples: list[Example]) -> None:
    result, _ = trained
    losses = [epoch.validation_loss for epoch in result.epochs]
    assert [epoch.best for epoch in result.epochs] == [
        loss < min(losses[:place], default=math.inf) for place, loss in enumerate(losses)
    ]
    assert validation_loss_of(result.encoder, examples) == pytest.approx(min(losses), rel=0.05, abs=0.02)


def test_training_ends_when_patience_is_at_its_end(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([5.0, 4.0, 4.5, 4.0, 3.0])  # the fourth is no gain on the second; the fifth is never asked for
    monkeypatch.setattr(training_run.TrainingRun, "_validate", lambda run, validation: next(losses))
    result, _ = train(examples[:12], replace(RANDOM, patience=2), tmp_path)
    assert [epoch.validation_loss for epoch in result.epochs] == [5.0, 4.0, 4.5, 4.0]
    assert [epoch.best for epoch in result.epochs] == [True, True, False, False]


def test_pictures_are_counted_by_side(trained: Trained, examples: list[Example]) -> None:
    result, _ = trained
    assert (result.training_pictures, result.validation_pictures) == (38, 4)
    assert result.unreadable == {}


# The published layers


def test_a_frozen_trunk_is_byte_for_byte_what_was_loaded(tail_trained: Trained, weight_file: Path) -> None:
    result, _ = tail_trained
    parts = ARCHITECTURES["googlenet"].build()
    assert result.plan.layers == "tail"
    loaded = load_file(weight_file)
    tensors = result.encoder.tensors()
    for name in parts[0].state_dict():
        np.testing.assert_array_equal(tensors[f"trunk.{name}"], loaded[name].numpy())


def test_the_new_layer_learns_alone_first(tail_trained: Trained) -> None:
    result, _ = tail_trained
    assert [epoch.stage for epoch in result.epochs] == ["head", "head", "main", "main"]
    assert [epoch.epoch for epoch in result.epochs] == [1, 2, 3, 4]
    assert result.epochs[1].train_loss < result.epochs[0].train_loss


def test_only_the_new_layer_learns_before_the_others_join(
    examples: list[Example], pretrained: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = []

    def noted(network: TopicNetwork, *rest: Any) -> Any:
        learning.append({name.split(".")[0] for name, value in network.named_parameters() if value.requires_grad})
        return make_optimizer(network, *rest)

    monkeypatch.setattr(training_run, "make_optimizer", noted)
    train(examples[:12], replace(pretrained, epochs=1, head_epochs=1), tmp_path)
    assert learning == [{"head"}, {"tail", "head"}]


def test_the_head_starts_from_standardised_features(tail_trained: Trained) -> None:
    tensors = tail_trained[0].encoder.tensors()
    assert np.abs(tensors["head.mean"]).max() > 0
    assert not (tensors["head.deviation"] == 1).any()
    assert (tensors["head.deviation"] > 0).all()


def test_no_room_for_a_cache_is_said_once_and_costs_nothing_but_time(
    examples: list[Example], pretrained: TrainingSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = replace(pretrained, cache_gigabytes=0.0, epochs=1, head_epochs=1)
    _, heard = train(examples[:12], asked, tmp_path)
    assert len([record for record in caplog.records if str(tmp_path) in record.getMessage()]) == 1
    assert not heard.of("features")


def test_little_room_keeps_fewer_views(
    examples: list[Example], pretrained: TrainingSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one_view_of_each = 12 * 528 * 2 * 2 * 2
    asked = replace(pretrained, cache_gigabytes=1.5 * one_view_of_each / 1e9, epochs=1, head_epochs=0)
    result, heard = train(examples[:12], asked, tmp_path)
    assert len(result.epochs) == 1
    assert heard.of("features")[-1] == (12, 12)
    assert not caplog.records


def test_the_disk_space_is_given_back_when_training_fails(
    examples: list[Example], pretrained: TrainingSettings, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError):
        train_image_encoder(examples, replace(pretrained, learning_rate=1e30), seed=1, cache_folder=tmp_path)
    gc.collect()
    assert not [link for link in open_files() if link.startswith(str(tmp_path))]


@pytest.mark.parametrize("layers", ["all", "tail", "head"])
@pytest.mark.parametrize("room", [1.0, 0.0])
def test_a_last_batch_of_one_picture_and_one_picture_to_validate_with_are_no_trouble(
    examples: list[Example], pretrained: TrainingSettings, layers: Any, room: float, tmp_path: Path
) -> None:
    asked = replace(pretrained, layers=layers, cache_gigabytes=room, epochs=1, head_epochs=1, batch_size=5)
    result, _ = train(examples[:12], asked, tmp_path)
    assert (result.training_pictures % 5, result.validation_pictures) == (1, 1)
    assert all(math.isfinite(epoch.validation_loss) for epoch in result.epochs)


# Pictures that cannot be read, or are too few


def broken(examples: Sequence[Example], which: Sequence[int], folder: Path) -> list[Example]:
    text = folder / "text.jpg"
    text.write_text("no picture")
    return [replace(example, path=text) if place in which else example for place, example in enumerate(examples)]


@pytest.mark.parametrize("room", [1.0, 0.0])
def test_unreadable_pictures_are_left_out_and_named(
    examples: list[Example], pretrained: TrainingSettings, room: float, tmp_path: Path
) -> None:
    asked = replace(pretrained, cache_gigabytes=room, epochs=1, head_epochs=1)
    (tmp_path / "cache").mkdir()
    result, heard = train(broken(examples[:20], (3, 8), tmp_path), asked, tmp_path / "cache")
    assert set(result.unreadable) == {"colours/3.png", "colours/8.png"}
    assert all("not a picture" in reason for reason in result.unreadable.values())
    if room:
        assert heard.of("features")[-1] == (20, 20)


@pytest.mark.parametrize("init", ["random", "file"])
@pytest.mark.parametrize("layers", ["all", "tail"])
@pytest.mark.parametrize("room", [1.0, 0.0])
def test_no_readable_picture_is_an_error_that_says_so(
    examples: list[Example], pretrained: TrainingSettings, init: str, layers: Any, room: float, tmp_path: Path
) -> None:
    chosen = {"init": "random"} if init == "random" else {}
    asked = replace(pretrained, layers=layers, cache_gigabytes=room, **chosen)
    with pytest.raises(TrainingError, match="read"):
        train_image_encoder(broken(examples[:9], range(9), tmp_path), asked, cache_folder=tmp_path)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_are_an_error_that_says_how_many(examples: list[Example], count: int, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=rf"{count} picture.*at least"):
        train_image_encoder(examples[:count], RANDOM, cache_folder=tmp_path)


def test_batches_too_small_for_batch_normalisation_are_not_blamed_on_the_files(
    examples: list[Example], tmp_path: Path
) -> None:
    for chosen, asked in ((examples[:2], RANDOM), (examples[:9], replace(RANDOM, batch_size=1))):
        with pytest.raises((TrainingError, SettingsError), match="batch normalisation"):
            train_image_encoder(chosen, asked, cache_folder=tmp_path)


def test_two_pictures_suffice_where_no_layer_is_batch_normalised(examples: list[Example], tmp_path: Path) -> None:
    result, _ = train(examples[:2], replace(RANDOM, arch="bvlc", epochs=1), tmp_path)
    assert (result.training_pictures, result.validation_pictures) == (1, 1)


@pytest.mark.parametrize("batch_size", [10, 100])
def test_a_loss_that_is_no_number_is_an_error_that_says_what_to_do(
    examples: list[Example], batch_size: int, tmp_path: Path
) -> None:
    asked = replace(RANDOM, learning_rate=1e30, batch_size=batch_size, epochs=2)
    with pytest.raises(TrainingError, match="lower learning rate"):
        train_image_encoder(examples[:30], asked, cache_folder=tmp_path)


def test_contradicting_settings_are_refused_before_any_picture_is_read(examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"training\.resize"):
        train_image_encoder(examples, replace(RANDOM, resize=16), cache_folder=tmp_path)


# What is told of it


def test_progress_is_told_batch_by_batch_and_epoch_by_epoch(trained: Trained) -> None:
    result, heard = trained
    assert not heard.of("features")
    assert [record for (record,) in heard.of("epoch")] == list(result.epochs)
    kinds = [told[0] for told in heard.told]
    assert kinds == (["batch"] * 4 + ["epoch"]) * len(result.epochs)
    assert [told[:4] for told in heard.of("batch")[:4]] == [
        (1, 8, 10, 38),
        (1, 8, 20, 38),
        (1, 8, 30, 38),
        (1, 8, 38, 38),
    ]
    for number, epoch in enumerate(result.epochs):
        assert heard.of("batch")[4 * number + 3][4] == pytest.approx(epoch.train_loss)


def test_progress_counts_the_epochs_of_both_stages_together(tail_trained: Trained) -> None:
    _, heard = tail_trained
    assert sorted({told[:2] for told in heard.of("batch")}) == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_frozen_layers_are_told_of_until_all_pictures_are_done(
    examples: list[Example], pretrained: TrainingSettings, tmp_path: Path
) -> None:
    asked = replace(pretrained, epochs=1, head_epochs=0)
    _, heard = train(examples, asked, tmp_path)
    done = heard.of("features")
    assert done == sorted(done)
    assert done[-1] == (42, 42)
    assert heard.told.index(("features", 42, 42)) < [told[0] for told in heard.told].index("batch")


def epochs_of(losses: Sequence[tuple[float, float]], head: int = 0) -> list[Epoch]:
    return [
        Epoch(number, "head" if number <= head else "main", train_loss, validation_loss, False, 1e-3, 10.0, 1.0)
        for number, (train_loss, validation_loss) in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize("head", [0, 1, 2])
def test_the_plot_is_a_picture(head: int) -> None:
    file = io.BytesIO()
    plot_training(epochs_of([(3.0, 3.2), (2.0, 2.9), (1.5, 3.0)], head), file)
    image = Image.open(file)
    image.load()
    assert image.format == "PNG"
    assert min(image.size) > 300
    assert len(image.convert("RGB").getcolors(1_000_000) or []) > 10


def test_a_single_epoch_can_be_plotted() -> None:
    file = io.BytesIO()
    plot_training(epochs_of([(3.0, 3.2)]), file)
    Image.open(file).verify()
