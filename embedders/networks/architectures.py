"""The architectures by name: how each is built, which pixels it expects and where its first weights come from."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from topicidx.embedders.networks.bvlc import build_bvlc, caffe_key
from topicidx.embedders.networks.googlenet import build_googlenet
from topicidx.errors import SettingsError, TrainingError


@dataclass(frozen=True, slots=True)
class Architecture:
    """A GoogLeNet: `build` gives (trunk, tail); `source_key` is the name that published weights give a parameter.

    Pixels (RGB, 0..255) become (pixel - mean) / scale, in BGR order where `bgr` says so.
    """

    name: str
    build: Callable[[], tuple[nn.Sequential, nn.Sequential]]
    source_key: Callable[[str], str]
    mean: tuple[float, float, float]
    scale: float
    bgr: bool

    def normalize(self, pixels: Tensor) -> Tensor:
        """uint8 RGB (n, h, w, 3) -> float32 (n, 3, h, w) as the network expects it, channels last in memory."""
        mean = torch.tensor(self.mean, device=pixels.device)
        values = (pixels.float() - mean) / self.scale
        if self.bgr:
            values = values.flip(-1)
        return values.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


ARCHITECTURES: Mapping[str, Architecture] = {
    # torchvision's weights were trained on pixels from -1 to 1, which its `transform_input` restores from ImageNet's mean.
    "googlenet": Architecture("googlenet", build_googlenet, lambda key: key, (127.5, 127.5, 127.5), 127.5, bgr=False),
    "bvlc": Architecture("bvlc", build_bvlc, caffe_key, (123.0, 117.0, 104.0), 1.0, bgr=True),
}


def load_initial_weights(architecture: Architecture, init: str, trunk: nn.Module, tail: nn.Module) -> None:
    """Give trunk and tail their first weights: "imagenet", "random" (kept as built), or a weight file.

    A file is a .safetensors, or a PyTorch state dict (opened without running code from it), with the names of torchvision
    (googlenet) or Caffe (bvlc). Classifier weights in it are ignored. Raises SettingsError where `init` cannot be used.
    """
    weights = read_initial_weights(architecture, init)
    if weights is None:
        return
    wanted = {key: value for part in (trunk, tail) for key, value in part.state_dict().items()}
    _check(weights, architecture, wanted, init)
    for part in (trunk, tail):
        part.load_state_dict({key: weights[architecture.source_key(key)] for key in part.state_dict()})


def read_initial_weights(architecture: Architecture, init: str) -> Mapping[str, Tensor] | None:
    """The weights that `init` names, downloaded where they must be, or None for "random".

    Raises SettingsError or TrainingError, before anything has been trained in vain.
    """
    if init == "random":
        return None
    return _download(architecture) if init == "imagenet" else _read(Path(init))


def _download(architecture: Architecture) -> Mapping[str, Tensor]:
    if architecture.name != "googlenet":
        raise SettingsError(
            f"there is no download for the {architecture.name} weights; name their file with --init FILE"
        )
    from torchvision.models import GoogLeNet_Weights

    try:
        with redirect_stdout(sys.stderr):  # torch.hub announces a download on stdout, where results go
            weights: Mapping[str, Tensor] = GoogLeNet_Weights.IMAGENET1K_V1.get_state_dict(
                progress=False, check_hash=True, weights_only=True
            )
    except Exception as error:  # the network's errors, the disk's, and what torch.load raises for a damaged copy
        raise TrainingError(
            f"the ImageNet weights could not be fetched ({error}); try again with a network connection, or fetch "
            f"{GoogLeNet_Weights.IMAGENET1K_V1.url} elsewhere and name the file with --init FILE, or train from nothing with "
            "--init random"
        ) from error
    return weights


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise SettingsError(
            f"--init: there is no weight file {path}; give imagenet, random or the path of a weight file"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SettingsError(f"--init: cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # torch.load documents no common root, and its messages advise to run the file's code
        raise SettingsError(
            f"--init: {path} is damaged, or no file of weights alone; give a .safetensors or a PyTorch state dict"
        ) from error
    if not isinstance(weights, Mapping):
        raise SettingsError(f"--init: {path} holds no state dict but a {type(weights).__name__}")
    return weights


def _check(weights: Mapping[str, Tensor], architecture: Architecture, wanted: Mapping[str, Tensor], init: str) -> None:
    """Raises SettingsError that names the tensors of which the file has none, or one of another shape."""
    missing, different = [], []
    for key, value in wanted.items():
        name = architecture.source_key(key)
        if name not in weights:
            missing.append(repr(name))
        elif weights[name].shape != value.shape:
            different.append(
                f"{name!r} is {tuple(weights[name].shape)}, {architecture.name} needs {tuple(value.shape)}"
            )
    reasons = [f"it has no {_few(missing)}"] if missing else []
    reasons += [_few(different)] if different else []
    if reasons:
        raise SettingsError(
            f"--init: {init} does not fit: {'; '.join(reasons)}; are these weights of {architecture.name}?"
        )


def _few(names: Sequence[str], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
