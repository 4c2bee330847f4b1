"""OpenVINO in place of PyTorch: the same features, made ready only where it is worth it, and never a reason to fail."""

import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from topicidx.embedders import googlenet_encoder
from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder, ViewSettings
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.openvino_features import OpenVinoFeatures, openvino_features
from topicidx.embedders.protocols import HasteningEncoder
from topicidx.embedders.topic_network import HeadSettings, TopicNetwork

pytestmark = pytest.mark.usefixtures("one_thread")

VIEWS = ViewSettings("whole", 73, 64)


def encoder_of(arch: str = "googlenet", views: ViewSettings = VIEWS) -> GoogLeNetImageEncoder:
    torch.manual_seed(0)
    network = TopicNetwork(ARCHITECTURES[arch], 12, head=HeadSettings(features="several", root=True)).eval()
    return GoogLeNetImageEncoder(network, arch, views, device="cpu")


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(5)]


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(googlenet_encoder, "inference_dtype", lambda device: torch.float32)


@pytest.fixture
def installed() -> None:
    pytest.importorskip("openvino")


@pytest.mark.usefixtures("float32", "installed")
@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_vectors_stay_the_same_but_for_the_last_digits(arch: str, pictures: list[NDArray[np.uint8]]) -> None:
    encoder = encoder_of(arch)
    assert isinstance(encoder, HasteningEncoder)
    before = encoder.encode(pictures)
    encoder.hasten()
    assert list(encoder._extract._hastened) == [64]
    after = encoder.encode(pictures)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(encoder.encode(pictures[3:4]), after[3:4], rtol=1e-5)
    assert encoder.encode([]).shape == (0, 12)


@pytest.mark.usefixtures("float32", "installed")
def test_every_size_and_mirror_image_is_computed_so(pictures: list[NDArray[np.uint8]]) -> None:
    encoder = encoder_of(views=ViewSettings("whole", 73, 64, (64, 48), mirror=True))
    before = encoder.encode(pictures)
    encoder.hasten()
    assert sorted(encoder._extract._hastened) == [48, 64]
    np.testing.assert_allclose(encoder.encode(pictures), before, rtol=1e-4, atol=1e-7)


def test_what_computes_in_bfloat16_stays_with_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(googlenet_encoder, "inference_dtype", lambda device: torch.bfloat16)
    encoder = encoder_of()
    encoder.hasten()
    assert not encoder._extract._hastened


@pytest.mark.usefixtures("float32")
def test_without_openvino_pytorch_goes_on(monkeypatch: pytest.MonkeyPatch, pictures: list[NDArray[np.uint8]]) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    encoder = encoder_of()
    before = encoder.encode(pictures)
    encoder.hasten()
    assert not encoder._extract._hastened
    np.testing.assert_array_equal(encoder.encode(pictures), before)


@pytest.mark.usefixtures("installed")
def test_what_cannot_be_converted_is_said_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def fails(pixels: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such operation")

    with caplog.at_level(logging.WARNING):
        assert openvino_features(fails, 8) is None
    assert "PyTorch goes on" in caplog.text


@pytest.mark.usefixtures("installed")
def test_pictures_come_back_in_their_order() -> None:
    features = OpenVinoFeatures(lambda pixels: pixels.to(torch.float32).mean(dim=(1, 2)), 4)
    values = np.arange(50, dtype=np.uint8)
    pictures: Any = np.broadcast_to(values[:, None, None, None], (50, 4, 4, 3)).copy()
    found = features(pictures)
    assert (found.shape, found.dtype) == ((50, 3), torch.float32)
    np.testing.assert_array_equal(found[:, 1].numpy(), values)


@pytest.mark.usefixtures("installed")
def test_its_maker_is_not_told_of_its_use() -> None:
    program = (
        "import sys, torch\n"
        "from topicidx.embedders.openvino_features import OpenVinoFeatures\n"
        "OpenVinoFeatures(lambda pixels: pixels.to(torch.float32).mean(dim=(1, 2)), 4)\n"
        "sys.exit(bool(sys.modules['openvino_telemetry']) or 'openvino.tools.ovc.telemetry_stub' not in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
