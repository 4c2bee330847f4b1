"""The two GoogLeNets: equal to the networks their weights come from, and first weights from any honest file."""

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import GoogLeNet_Weights, googlenet

from topicidx.embedders.networks.architectures import ARCHITECTURES, Architecture, load_initial_weights
from topicidx.embedders.networks.bvlc import LocalResponseNorm, caffe_key
from topicidx.embedders.networks.googlenet import fold_batch_norm
from topicidx.embedders.views import whole_view
from topicidx.errors import SettingsError, TrainingError

pytestmark = pytest.mark.usefixtures("one_thread")

Parts = tuple[nn.Sequential, nn.Sequential]
BOTH = pytest.mark.parametrize("name", ["googlenet", "bvlc"])


@pytest.fixture(scope="module")
def test_data() -> Path:
    """The folder with the test pictures in data/ and the published weights in weights/."""
    folder = Path(os.environ.get("TOPICIDX_TEST_DATA") or "not set")
    if not (folder / "data").is_dir() or not (folder / "weights").is_dir():
        pytest.skip("TOPICIDX_TEST_DATA names no folder with data/ and weights/")
    return folder


@pytest.fixture(scope="module")
def caffe_weights(test_data: Path) -> Mapping[str, Tensor]:
    return load_file(test_data / "weights/bvlc_googlenet.safetensors")


@pytest.fixture(scope="module")
def torchvision_network() -> nn.Module:
    """torchvision's own network, with its silent `transform_input`, and statistics that are not those of no training."""
    torch.manual_seed(1)
    network = googlenet(weights=None, aux_logits=False, transform_input=True, init_weights=False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def torchvision_file(torchvision_network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "googlenet.safetensors"
    save_file(torchvision_network.state_dict(), path)
    return path


def built(name: str) -> tuple[Architecture, Parts]:
    architecture = ARCHITECTURES[name]
    trunk, tail = architecture.build()
    return architecture, (trunk.eval(), tail.eval())


def loaded(name: str, init: Path | str) -> tuple[Architecture, Parts]:
    architecture, parts = built(name)
    load_initial_weights(architecture, str(init), *parts)
    return architecture, parts


def values(parts: Parts) -> dict[str, Tensor]:
    return {key: value.clone() for part in parts for key, value in part.state_dict().items()}


def holds(parts: Parts, expected: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(value, expected[key]) for key, value in values(parts).items())


def some_pixels(count: int = 2, size: int = 64) -> Tensor:
    return torch.from_numpy(np.random.default_rng(4).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


# The layers


@pytest.mark.parametrize("channels", [3, 5, 64, 192])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_local_response_norm_equals_torchs_forward_and_backward(channels: int, scale: float) -> None:
    torch.manual_seed(channels)
    ours = (torch.randn(2, channels, 4, 5, dtype=torch.float64) * scale).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    norm = LocalResponseNorm(channels).double()
    reference = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)
    weights = torch.randn(2, channels, 4, 5, dtype=torch.float64)
    out, expected = norm(ours), reference(theirs)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-8)


def test_local_response_norm_leaves_its_input_alone_without_gradients() -> None:
    x = torch.rand(1, 8, 3, 3) * 100
    before = x.clone()
    with torch.no_grad():
        out = LocalResponseNorm(8)(x)
    assert torch.equal(x, before)
    torch.testing.assert_close(out, nn.LocalResponseNorm(5)(x))


def test_local_response_norm_adds_nothing_to_the_saved_weights() -> None:
    assert not LocalResponseNorm(8).state_dict()


@BOTH
@pytest.mark.parametrize("size", [224, 96])
def test_the_trunk_divides_the_picture_by_16_and_the_tail_by_32(name: str, size: int) -> None:
    _, (trunk, tail) = built(name)
    with torch.inference_mode():
        maps = trunk(torch.zeros(1, 3, size, size))
        assert maps.shape == (1, 528, size // 16, size // 16)
        assert tail(maps).shape == (1, 1024, size // 32, size // 32)


@BOTH
def test_the_smallest_allowed_picture_has_features(name: str) -> None:
    _, (trunk, tail) = built(name)
    with torch.inference_mode():
        assert tail(trunk(torch.zeros(1, 3, 32, 32))).shape == (1, 1024, 1, 1)


def test_bvlc_has_the_published_number_of_parameters() -> None:
    _, parts = built("bvlc")
    classifier = 1024 * 1000 + 1000
    assert sum(parameter.numel() for part in parts for parameter in part.parameters()) + classifier == 6_998_552


def test_the_tail_is_what_the_published_recipe_trains() -> None:
    """Everything after inception 4d, after which the second auxiliary loss stood."""
    _, (trunk, tail) = built("bvlc")
    assert list(trunk._modules)[-1] == "inception_4d"
    assert [name for name in tail._modules if name.startswith("inception")] == [
        "inception_4e", "inception_5a", "inception_5b",
    ]  # fmt: skip
    _, (trunk, tail) = built("googlenet")
    assert list(trunk._modules)[-1] == "inception4d"
    assert [name for name in tail._modules if name.startswith("inception")] == [
        "inception4e", "inception5a", "inception5b",
    ]  # fmt: skip


# The pixels they expect


def test_pixels_of_bvlc_are_bgr_minus_the_published_mean() -> None:
    pixels = torch.tensor([[[[200, 100, 50]]]], dtype=torch.uint8)
    assert ARCHITECTURES["bvlc"].normalize(pixels).flatten().tolist() == [50 - 104, 100 - 117, 200 - 123]


def test_pixels_of_googlenet_are_rgb_from_minus_one_to_one() -> None:
    pixels = torch.tensor([[[[255, 0, 51]]]], dtype=torch.uint8)
    torch.testing.assert_close(
        ARCHITECTURES["googlenet"].normalize(pixels).flatten(), torch.tensor([1.0, -1.0, 51 / 127.5 - 1])
    )


@BOTH
def test_normalized_pixels_are_float32_and_channels_last_in_memory(name: str) -> None:
    pixels = ARCHITECTURES[name].normalize(some_pixels(2, 40))
    assert pixels.shape == (2, 3, 40, 40)
    assert pixels.dtype == torch.float32
    assert pixels.is_contiguous(memory_format=torch.channels_last)


# googlenet is torchvision's


@torch.no_grad()
def test_googlenet_gives_torchvisions_logits_from_the_same_pixels(
    torchvision_network: Any, torchvision_file: Path
) -> None:
    architecture, (trunk, tail) = loaded("googlenet", torchvision_file)
    pixels = some_pixels(3, 96)
    features = tail(trunk(architecture.normalize(pixels))).mean((2, 3))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = torchvision_network(((pixels / 255 - mean) / deviation).permute(0, 3, 1, 2))
    assert expected.std() > 1e-3
    torch.testing.assert_close(torchvision_network.fc(features), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_folded_batch_norm_leaves_the_outputs_as_they_were(torchvision_file: Path) -> None:
    architecture, (trunk, tail) = loaded("googlenet", torchvision_file)
    pixels = architecture.normalize(some_pixels())
    before = tail(trunk(pixels))
    for part in (trunk, tail):
        fold_batch_norm(part)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in part.modules())
    torch.testing.assert_close(tail(trunk(pixels)), before, rtol=1e-3, atol=1e-4)


def test_folding_leaves_a_network_without_batch_norm_alone() -> None:
    _, parts = built("bvlc")
    before = values(parts)
    for part in parts:
        fold_batch_norm(part)
    assert holds(parts, before)


# bvlc is Caffe's


def test_every_parameter_of_bvlc_has_its_tensor_in_the_caffe_file(caffe_weights: Mapping[str, Tensor]) -> None:
    _, parts = built("bvlc")
    names = {caffe_key(key): value.shape for part in parts for key, value in part.state_dict().items()}
    expected = {key: value.shape for key, value in caffe_weights.items() if not key.startswith("loss3/")}
    assert names == expected


@torch.inference_mode()
def test_bvlc_knows_a_dog_when_it_sees_one(test_data: Path, caffe_weights: Mapping[str, Tensor]) -> None:
    captions = defaultdict(list)
    with (test_data / "data/flickr8k/captions.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            captions[row["image"]].append(row["caption"].lower())
    dogs = sorted(image for image, texts in captions.items() if all("dog" in text.split() for text in texts))[:200:20]
    assert len(dogs) == 10
    classes = (test_data / "weights/imagenet_classes.txt").read_text("utf-8").splitlines()
    dog_classes = [place for place, line in enumerate(classes) if "n02085620" <= line.split()[0] <= "n02113978"]
    assert dog_classes == list(range(151, 269))

    architecture, (trunk, tail) = loaded("bvlc", test_data / "weights/bvlc_googlenet.safetensors")
    views = [whole_view(Image.open(test_data / "data/flickr8k/images" / name).convert("RGB"), 224) for name in dogs]
    features = tail(trunk(architecture.normalize(torch.from_numpy(np.stack(views))))).mean((2, 3))
    logits = features @ caffe_weights["loss3/classifier.weight"].T + caffe_weights["loss3/classifier.bias"]
    found = [bool(set(row.tolist()) & set(dog_classes)) for row in logits.topk(5).indices]
    assert sum(found) >= 9


# First weights


@BOTH
def test_random_keeps_the_weights_as_built(name: str) -> None:
    architecture, parts = built(name)
    before = values(parts)
    load_initial_weights(architecture, "random", *parts)
    assert holds(parts, before)


def test_random_networks_pass_signals_on() -> None:
    architecture, (trunk, tail) = built("googlenet")
    with torch.no_grad():
        features = tail.train()(trunk.train()(architecture.normalize(some_pixels(4, 64)))).mean((2, 3))
    assert features.std(dim=0).mean() > 0.05


def test_weights_are_read_from_safetensors(torchvision_network: nn.Module, torchvision_file: Path) -> None:
    _, parts = loaded("googlenet", torchvision_file)
    assert holds(parts, torchvision_network.state_dict())


@pytest.mark.parametrize("modern", [True, False])
def test_weights_are_read_from_a_pytorch_state_dict_and_other_layers_in_it_ignored(
    torchvision_network: nn.Module, modern: bool, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pth"
    weights = torchvision_network.state_dict()
    others = {"aux1.conv.conv.weight": torch.ones(2), "aux2.fc2.bias": torch.ones(3), "fc.weight": torch.ones(7, 7)}
    torch.save(weights | others, path, _use_new_zipfile_serialization=modern)
    _, parts = loaded("googlenet", path)
    assert holds(parts, weights)


def test_bvlc_is_read_under_caffes_names(tmp_path: Path) -> None:
    _, parts = built("bvlc")
    weights = {caffe_key(key): value for key, value in values(parts).items()}
    save_file(weights, tmp_path / "bvlc.safetensors")
    _, again = loaded("bvlc", tmp_path / "bvlc.safetensors")
    assert holds(again, values(parts))


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty download folder of torchvision and a network that answers nobody. -> where its file for googlenet belongs."""

    def no_network(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    return folder / GoogLeNet_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[1]


def test_imagenet_weights_are_downloaded_once_and_then_found_without_a_network(
    torchvision_network: nn.Module, torch_home: Path
) -> None:
    torch.save(torchvision_network.state_dict(), torch_home)
    _, parts = loaded("googlenet", "imagenet")
    assert holds(parts, torchvision_network.state_dict())


def test_a_download_that_fails_says_what_to_do(torch_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match="no route to host") as caught:
        loaded("googlenet", "imagenet")
    assert "--init FILE" in str(caught.value)
    assert "--init random" in str(caught.value)
    assert not list(torch_home.parent.iterdir())


def test_a_download_writes_nothing_to_stdout(torch_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError):
        loaded("googlenet", "imagenet")
    assert capsys.readouterr().out == ""


def test_a_download_that_arrives_damaged_is_refused_and_not_kept(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer(io.BytesIO):
        def info(self) -> Any:
            return self

        def get_all(self, name: str) -> list[str]:
            return [str(len(self.getvalue()))]

    monkeypatch.setattr(torch.hub, "urlopen", lambda *args, **kwargs: Answer(b"half a file"))
    assert hashlib.sha256(b"half a file").hexdigest()[:8] not in torch_home.name
    with pytest.raises(TrainingError, match="--init FILE"):
        loaded("googlenet", "imagenet")
    assert not torch_home.exists()


def test_a_damaged_file_in_the_download_folder_is_an_error_of_ours(
    torchvision_network: nn.Module, torch_home: Path
) -> None:
    torch.save(torchvision_network.state_dict(), torch_home, _use_new_zipfile_serialization=False)
    whole = torch_home.read_bytes()
    for kept in (0, 10, 5_000, len(whole) // 2):
        torch_home.write_bytes(whole[:kept])
        with pytest.raises(TrainingError, match="--init FILE"):
            loaded("googlenet", "imagenet")


def test_there_is_no_download_of_the_caffe_weights(torch_home: Path) -> None:
    with pytest.raises(SettingsError, match="--init FILE"):
        loaded("bvlc", "imagenet")


def refusal(name: str, init: Path | str) -> str:
    """The text of the error, once it is certain that nothing was loaded and the text fits a line."""
    architecture, parts = built(name)
    before = values(parts)
    with pytest.raises(SettingsError) as caught:
        load_initial_weights(architecture, str(init), *parts)
    assert holds(parts, before)
    reason = str(caught.value)
    assert "--init" in reason
    assert "\n" not in reason
    return reason


def test_a_missing_weight_file_is_named(tmp_path: Path) -> None:
    assert "gone.pth" in refusal("googlenet", tmp_path / "gone.pth")
    assert str(tmp_path) in refusal("googlenet", tmp_path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin"])
@pytest.mark.parametrize(
    "content", [b"", b"no weights at all", b"\x80\x02", b"PK\x03\x04", bytes(200), b"\x00" * 8 + b"{}"]
)
def test_a_file_without_weights_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    assert "weights" in refusal("googlenet", path)


SMALL = {"conv1.conv.weight": torch.arange(6.0).reshape(2, 3), "conv1.bn.bias": torch.ones(2)}


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_truncated_weight_file_is_refused_wherever_it_is_cut(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pth")
    if kind == "safetensors":
        save_file(SMALL, path)
    else:
        torch.save(SMALL, path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    architecture, parts = built("googlenet")
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(SettingsError, match=path.name):
            load_initial_weights(architecture, str(path), *parts)


@pytest.mark.parametrize("modern", [True, False])
def test_a_file_with_code_in_it_is_refused_and_the_code_not_run(modern: bool, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "was-here"),)

    path = tmp_path / "hostile.pth"
    torch.save({"conv1.conv.weight": Hostile()}, path, _use_new_zipfile_serialization=modern)
    reason = refusal("googlenet", path)
    assert "hostile.pth" in reason
    assert "weights_only" not in reason
    assert not (tmp_path / "was-here").exists()


def test_a_pickle_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.pth"
    torch.save([torch.ones(3)], path)
    assert "list" in refusal("googlenet", path)


def test_weights_of_the_other_architecture_are_refused(torchvision_file: Path, tmp_path: Path) -> None:
    assert "bvlc" in refusal("bvlc", torchvision_file)
    path = tmp_path / "bvlc.safetensors"
    save_file({caffe_key(key): value for key, value in values(built("bvlc")[1]).items()}, path)
    assert "googlenet" in refusal("googlenet", path)


def test_a_tensor_of_the_wrong_shape_is_named(torchvision_network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "narrow.safetensors"
    save_file(torchvision_network.state_dict() | {"conv1.conv.weight": torch.ones(64, 1, 7, 7)}, path)
    reason = refusal("googlenet", path)
    assert "conv1.conv.weight" in reason
    assert "(64, 1, 7, 7)" in reason
