"""GoogLeNetImageEncoder: topic distributions that do not depend on the batch, the number format or a stay on disk."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from topicidx.embedders import googlenet_encoder
from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder, ViewSettings, prepare_for_inference
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.protocols import ImageEncoder
from topicidx.embedders.topic_network import TopicNetwork, topic_distribution
from topicidx.embedders.views import center_view, whole_view
from topicidx.errors import SpaceDamagedError

pytestmark = pytest.mark.usefixtures("one_thread")

Float32 = NDArray[np.float32]
TOPICS = 6
WHOLE = ViewSettings("whole", 73, 64)


def lively_network(arch: str) -> TopicNetwork:
    """A network with batch statistics of some pictures and a head whose topics differ from picture to picture."""
    torch.manual_seed(2)
    network = TopicNetwork(ARCHITECTURES[arch], TOPICS)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    pixels = ARCHITECTURES[arch].normalize(
        torch.from_numpy(np.stack([WHOLE.pixels(image) for image in some_pictures()]))
    )
    with torch.no_grad():
        for _ in range(20):
            network.train()(pixels)
        features = network.eval().features(pixels)
        network.head.mean.copy_(features.mean(0))
        network.head.deviation.copy_(features.std(0) + features.std(0).mean())
        network.head.linear.weight.normal_(std=0.06)
    return network


def some_pictures() -> list[Image.Image]:
    rng = np.random.default_rng(8)
    colours = rng.integers(0, 256, (9, 1, 1, 3))
    noise = rng.normal(0, 40, (9, 70, 90, 3)).cumsum(axis=2) / 4
    return [Image.fromarray(pixels) for pixels in np.clip(colours + noise, 0, 255).astype(np.uint8)]


@pytest.fixture(scope="module", params=["googlenet", "bvlc"])
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def network(arch: str) -> TopicNetwork:
    return lively_network(arch)


@pytest.fixture(scope="module")
def encoder(network: TopicNetwork, arch: str) -> GoogLeNetImageEncoder:
    return GoogLeNetImageEncoder(network, arch, WHOLE, device="cpu")


def thetas(encoder: GoogLeNetImageEncoder) -> Float32:
    return encoder.encode([encoder.prepare(image) for image in some_pictures()])


def in_format(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, network: TopicNetwork, arch: str) -> Float32:
    monkeypatch.setattr(googlenet_encoder, "inference_dtype", lambda device: dtype)
    return thetas(GoogLeNetImageEncoder(network, arch, WHOLE, device="cpu"))


def test_it_is_an_image_encoder(encoder: GoogLeNetImageEncoder) -> None:
    assert isinstance(encoder, ImageEncoder)
    assert encoder.dimensions == TOPICS


def test_pictures_become_topic_distributions(encoder: GoogLeNetImageEncoder) -> None:
    theta = thetas(encoder)
    assert theta.shape == (9, TOPICS)
    assert theta.dtype == np.float32
    assert (theta >= 0).all()
    np.testing.assert_allclose(theta.sum(axis=1), 1, atol=1e-5)
    assert len({int(topic) for topic in theta.argmax(axis=1)}) > 1


def test_no_pictures_are_no_rows(encoder: GoogLeNetImageEncoder) -> None:
    theta = encoder.encode([])
    assert theta.shape == (0, TOPICS)
    assert theta.dtype == np.float32


def test_a_picture_has_the_same_vector_alone_and_among_others(encoder: GoogLeNetImageEncoder) -> None:
    prepared = [encoder.prepare(image) for image in some_pictures()]
    alone = np.concatenate([encoder.encode([pixels]) for pixels in prepared])
    np.testing.assert_allclose(alone, encoder.encode(prepared), atol=2e-3)
    np.testing.assert_allclose(encoder.encode(prepared[::-1])[::-1], encoder.encode(prepared), atol=2e-3)


def test_many_pictures_keep_their_order(encoder: GoogLeNetImageEncoder) -> None:
    prepared = [encoder.prepare(image) for image in some_pictures()]
    np.testing.assert_allclose(encoder.encode(prepared * 8), np.tile(encoder.encode(prepared), (8, 1)), atol=2e-3)


def test_the_same_pictures_have_the_same_vectors_every_time(encoder: GoogLeNetImageEncoder) -> None:
    np.testing.assert_array_equal(thetas(encoder), thetas(encoder))


def test_in_float32_it_is_the_network_it_was_made_from(
    network: TopicNetwork, arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folding batch normalisation and the memory layout change nothing."""
    pixels = np.stack([WHOLE.pixels(image) for image in some_pictures()])
    with torch.inference_mode():
        logits = network.eval()(ARCHITECTURES[arch].normalize(torch.from_numpy(pixels)))
    expected = topic_distribution(logits).numpy()
    np.testing.assert_allclose(in_format(monkeypatch, torch.float32, network, arch), expected, atol=1e-4)


def test_bfloat16_agrees_with_float32(network: TopicNetwork, arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To .05 of probability with random weights, which round worse than trained ones; leading topics change only on ties."""
    exact = in_format(monkeypatch, torch.float32, network, arch)
    quick = in_format(monkeypatch, torch.bfloat16, network, arch)
    np.testing.assert_allclose(quick, exact, atol=0.05)
    assert np.corrcoef(np.log(quick).ravel(), np.log(exact).ravel())[0, 1] > 0.93
    chosen = exact[np.arange(len(exact)), quick.argmax(axis=1)]
    assert (exact.max(axis=1) - chosen < 0.05).all()
    assert not np.array_equal(quick, exact)


def test_the_network_passed_in_is_not_modified(arch: str) -> None:
    network = lively_network(arch)
    network.freeze("tail")
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    gradients = [parameter.requires_grad for parameter in network.parameters()]
    thetas(GoogLeNetImageEncoder(network, arch, WHOLE, device="cpu"))
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == gradients
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_training_the_network_on_does_not_move_the_encoder(arch: str) -> None:
    network = lively_network(arch)
    encoder = GoogLeNetImageEncoder(network, arch, WHOLE, device="cpu")
    before, saved = thetas(encoder), {name: value.copy() for name, value in encoder.tensors().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    np.testing.assert_array_equal(thetas(encoder), before)
    assert all(np.array_equal(value, saved[name]) for name, value in encoder.tensors().items())


def test_a_network_made_ready_for_inference_neither_learns_nor_drops_out(network: TopicNetwork) -> None:
    ready = prepare_for_inference(network)
    assert not any(module.training for module in ready.modules() if isinstance(module, nn.Dropout | nn.BatchNorm2d))
    assert not ready.training
    assert not any(parameter.requires_grad for parameter in ready.parameters())


def test_a_restored_encoder_gives_the_same_vectors(encoder: GoogLeNetImageEncoder) -> None:
    restored = GoogLeNetImageEncoder.restore(encoder.tensors(), encoder.settings_json())
    assert restored.settings_json() == encoder.settings_json()
    assert restored.views == encoder.views
    assert {name: value.tobytes() for name, value in restored.tensors().items()} == {
        name: value.tobytes() for name, value in encoder.tensors().items()
    }
    np.testing.assert_array_equal(thetas(restored), thetas(encoder))


def test_settings_are_json_values(encoder: GoogLeNetImageEncoder, arch: str) -> None:
    views = {"view": "whole", "resize": 73, "crop": 64, "sizes": [64], "mirror": False}
    head = {"features": "last", "hidden": 0, "members": 1, "root": False, "normalize": True}
    assert encoder.settings_json() == {"arch": arch, "topics": TOPICS, **views, "head": head}


@pytest.mark.parametrize("damage", ["missing tensor", "unknown tensor", "wrong shape", "no tensors"])
def test_damaged_tensors_are_refused(encoder: GoogLeNetImageEncoder, damage: str) -> None:
    tensors = dict(encoder.tensors())
    first = next(iter(tensors))
    if damage == "missing tensor":
        del tensors[first]
    elif damage == "unknown tensor":
        tensors["more"] = np.zeros(3, dtype=np.float32)
    elif damage == "wrong shape":
        tensors[first] = tensors[first][:1]
    else:
        tensors = {}
    with pytest.raises(SpaceDamagedError, match="image model"):
        GoogLeNetImageEncoder.restore(tensors, encoder.settings_json())


@pytest.mark.parametrize(
    "change",
    [
        {"arch": "resnet"}, {"arch": ["googlenet"]}, {"topics": TOPICS + 1}, {"topics": "6"}, {"topics": -1},
        {"view": "left half"}, {"crop": 0}, {"crop": -5}, {"crop": 74}, {"crop": "64"},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_fit_no_network_are_refused(encoder: GoogLeNetImageEncoder, change: dict[str, Any]) -> None:
    with pytest.raises(SpaceDamagedError, match="image model"):
        GoogLeNetImageEncoder.restore(encoder.tensors(), encoder.settings_json() | change)


@pytest.mark.parametrize("missing", ["arch", "topics", "view", "resize", "crop"])
def test_settings_with_something_missing_are_refused(encoder: GoogLeNetImageEncoder, missing: str) -> None:
    settings = {name: value for name, value in encoder.settings_json().items() if name != missing}
    with pytest.raises(SpaceDamagedError, match=missing):
        GoogLeNetImageEncoder.restore(encoder.tensors(), settings)


def test_views_are_the_whole_picture_or_its_middle() -> None:
    image = some_pictures()[0]
    np.testing.assert_array_equal(ViewSettings("whole", 73, 64).pixels(image), whole_view(image, 64))
    np.testing.assert_array_equal(ViewSettings("center", 73, 64).pixels(image), center_view(image, 73, 64))


@pytest.mark.parametrize(("views", "pixels"), [(WHOLE, 64), (ViewSettings("center", 73, 64), 73)])
def test_input_size_is_what_the_view_is_made_from(network: TopicNetwork, views: ViewSettings, pixels: int) -> None:
    encoder = GoogLeNetImageEncoder(network, "googlenet", views, device="cpu")
    assert encoder.input_size == pixels
    assert encoder.prepare(some_pictures()[0]).shape == (64, 64, 3)
