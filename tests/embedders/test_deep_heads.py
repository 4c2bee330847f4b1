"""Heads with hidden layers, on several layers' features of several views: what they see, and that they survive the disk."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from topicidx.embedders import googlenet_encoder
from topicidx.embedders.googlenet_encoder import CALIBRATION, GoogLeNetImageEncoder, ViewSettings
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.topic_network import (
    HeadSettings,
    TopicNetwork,
    smoothed,
    topic_distribution,
    without_background,
)
from topicidx.errors import SpaceDamagedError

pytestmark = pytest.mark.usefixtures("one_thread")

DEEP = HeadSettings("several", hidden=8, members=2, root=True)
VIEWS = ViewSettings("whole", 40, 32, sizes=(32, 48), mirror=True)
Float32 = NDArray[np.float32]


@pytest.fixture(scope="module", params=["bvlc", "googlenet"])
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def network(arch: str) -> TopicNetwork:
    torch.manual_seed(3)
    network = TopicNetwork(ARCHITECTURES[arch], 5, head=DEEP).eval()
    with torch.no_grad():
        for layer in network.head.last_layers:
            layer.weight.normal_(std=0.5)
        network.head.background.copy_(torch.tensor([0.1, 0.0, 0.05, 0.0, 0.1]))
        network.head.prior.copy_(torch.tensor([0.02, 0.02, 0.0, 0.05, 0.01]))
    return network


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(googlenet_encoder, "inference_dtype", lambda device: torch.float32)


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    rng = np.random.default_rng(4)
    return [Image.fromarray(rng.integers(0, 256, (60, 70, 3), dtype=np.uint8)).resize((50, 60)) for _ in range(3)]


def thetas(network: TopicNetwork, arch: str, views: ViewSettings, images: list[Image.Image]) -> Float32:
    encoder = GoogLeNetImageEncoder(network, arch, views, device="cpu")
    return encoder.encode([encoder.prepare(image) for image in images])


def test_several_layers_are_seen_each_as_the_mean_over_the_picture(network: TopicNetwork, arch: str) -> None:
    pixels = torch.rand(2, 3, 64, 48)
    with torch.no_grad():
        features = network.features(pixels)
        earliest = network.trunk[: 12 if arch == "bvlc" else 7](pixels).mean((2, 3))
        last = network.tail(network.trunk(pixels)).mean((2, 3))
    assert features.shape == (2, DEEP.width)
    torch.testing.assert_close(features[:, :480], earliest)
    torch.testing.assert_close(features[:, -1024:], last)


def test_a_head_of_several_members_gives_the_mean_of_their_logits(network: TopicNetwork) -> None:
    features = torch.rand(3, DEEP.width)
    members = network.head.member_logits(features)
    assert members.shape == (2, 3, 5)
    assert not torch.allclose(members[0], members[1])
    torch.testing.assert_close(network.head(features), members.mean(0))


def test_features_are_square_rooted_before_they_are_standardised(network: TopicNetwork) -> None:
    features = torch.rand(3, DEEP.width) * 9
    torch.testing.assert_close(network.head.standardized(features), features.sqrt())


def test_a_picture_is_seen_at_every_size_and_mirrored(
    network: TopicNetwork, arch: str, images: list[Image.Image]
) -> None:
    """What is averaged are features, and smaller views are made of the largest."""
    one = images[0]
    pixels = torch.from_numpy(VIEWS.pixels(one).copy())[None]
    seen = list(VIEWS.seen(pixels))
    assert [view.shape[1:] for view in seen] == [(32, 32, 3)] * 2 + [(48, 48, 3)] * 2
    with torch.inference_mode():
        features = [network.features(ARCHITECTURES[arch].normalize(view)) for view in seen]
        head = network.head
        theta = topic_distribution(head(torch.stack(features).mean(0)))
        expected = smoothed(without_background(theta, head.background), head.prior)
    np.testing.assert_allclose(thetas(network, arch, VIEWS, [one]), expected.numpy(), atol=1e-4)


def test_where_mirror_images_are_seen_a_mirror_image_has_the_same_vector(
    network: TopicNetwork, arch: str, images: list[Image.Image]
) -> None:
    square = [image.resize((48, 48)) for image in images]
    mirrored = [ImageOps.mirror(image) for image in square]
    both = ViewSettings("whole", 40, 32, sizes=(48,), mirror=True)
    np.testing.assert_allclose(
        thetas(network, arch, both, mirrored), thetas(network, arch, both, square), rtol=1e-3, atol=1e-6
    )
    once = ViewSettings("whole", 40, 32, sizes=(48,))
    assert not np.allclose(thetas(network, arch, once, mirrored), thetas(network, arch, once, square), rtol=1e-3)


def test_the_largest_size_says_how_many_pixels_are_of_use() -> None:
    assert VIEWS.input_size == 48
    assert ViewSettings("center", 40, 32, sizes=(32, 48)).input_size == 60
    assert ViewSettings("center", 40, 32).pixels(Image.new("RGB", (90, 50))).shape == (32, 32, 3)


def test_an_encoder_comes_back_from_its_tensors_and_settings_to_the_bit(
    network: TopicNetwork, arch: str, images: list[Image.Image]
) -> None:
    encoder = GoogLeNetImageEncoder(network, arch, VIEWS, device="cpu")
    restored = GoogLeNetImageEncoder.restore(encoder.tensors(), encoder.settings_json())
    prepared = [encoder.prepare(image) for image in images]
    np.testing.assert_array_equal(restored.encode(prepared), encoder.encode(prepared))
    assert restored.settings_json() == encoder.settings_json()
    assert restored.encode([]).shape == (0, 5)


@pytest.mark.parametrize(
    "damage", [{"members": 3}, {"hidden": 9}, {"features": "last"}, {"features": "none"}, {"hidden": 0}, {"unheard": 1}]
)
def test_a_head_that_does_not_fit_its_description_is_refused(network: TopicNetwork, damage: dict[str, Any]) -> None:
    encoder = GoogLeNetImageEncoder(network, "bvlc", VIEWS, device="cpu")
    written = encoder.settings_json()
    with pytest.raises(SpaceDamagedError, match="image model"):
        GoogLeNetImageEncoder.restore(encoder.tensors(), written | {"head": written["head"] | damage})


def test_an_encoder_of_the_first_format_is_read_as_it_was(arch: str, images: list[Image.Image]) -> None:
    """Which knew neither of sizes nor of heads nor of calibration."""
    encoder = GoogLeNetImageEncoder(
        TopicNetwork(ARCHITECTURES[arch], 5), arch, ViewSettings("whole", 40, 32), device="cpu"
    )
    tensors = {name: tensor for name, tensor in encoder.tensors().items() if name not in CALIBRATION}
    written = {"arch": arch, "topics": 5, "view": "whole", "resize": 40, "crop": 32}
    prepared = [encoder.prepare(image) for image in images]
    np.testing.assert_array_equal(
        GoogLeNetImageEncoder.restore(tensors, written).encode(prepared), encoder.encode(prepared)
    )


DISTRIBUTIONS = st.lists(st.floats(0.001, 1), min_size=4, max_size=4).map(
    lambda weights: torch.tensor(weights) / sum(weights)
)


@settings(max_examples=100, deadline=None)
@given(DISTRIBUTIONS, DISTRIBUTIONS, st.floats(0, 0.95))
def test_without_its_background_a_distribution_is_one(theta: torch.Tensor, average: torch.Tensor, share: float) -> None:
    left = without_background(theta[None], share * average)[0]
    assert (left >= 0).all()
    assert left.sum().item() == pytest.approx(1, abs=1e-5)
    assert left[theta <= share * average - 1e-6].sum() == 0


@settings(max_examples=100, deadline=None)
@given(DISTRIBUTIONS, DISTRIBUTIONS, st.floats(0, 0.95))
def test_with_a_prior_a_distribution_is_one_and_lifts_move_towards_one(
    theta: torch.Tensor, average: torch.Tensor, share: float
) -> None:
    word = torch.tensor([0.7, 0.1, 0.0, 0.2])
    mixed = smoothed(theta[None], share * average)[0]
    assert mixed.sum().item() == pytest.approx(1, abs=1e-5)
    lift = (word @ theta) / (word @ average)
    assert ((word @ mixed) / (word @ average)).item() == pytest.approx(((1 - share) * lift + share).item(), rel=1e-4)


def test_no_calibration_leaves_every_bit_as_it_is() -> None:
    theta = topic_distribution(torch.randn(4, 6))
    assert torch.equal(smoothed(without_background(theta, torch.zeros(6)), torch.zeros(6)), theta)
