"""GoogLeNetImageEncoder: pictures to topic distributions with a trained network."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from topicidx.embedders.networks.architectures import ARCHITECTURES, Architecture
from topicidx.embedders.networks.googlenet import fold_batch_norm
from topicidx.embedders.openvino_features import OpenVinoFeatures, openvino_features
from topicidx.embedders.pictures import Pixels
from topicidx.embedders.precision import CPU_CHUNK, inference_dtype
from topicidx.embedders.topic_network import HeadSettings, TopicNetwork
from topicidx.embedders.views import center_view, whole_view
from topicidx.errors import SpaceDamagedError

Float32 = NDArray[np.float32]
#: The tensors that calibration sets.
CALIBRATION = ("head.background", "head.prior")


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """What of a picture the network sees: all of it squashed to crop x crop, or the middle of resize x resize.

    sizes: the sides at which that is seen, (crop,) when nothing is said; mirror: also its mirror image at each. Features
    are averaged over all of them.
    """

    view: Literal["whole", "center"]
    resize: int
    crop: int
    sizes: tuple[int, ...] = ()
    mirror: bool = False

    def __post_init__(self) -> None:
        if not self.sizes:
            object.__setattr__(self, "sizes", (self.crop,))
        if self.view not in {"whole", "center"} or not 0 < self.crop <= self.resize or min(self.sizes) < 1:
            raise ValueError(f"no such view: {self}")

    @property
    def largest(self) -> int:
        """The largest side at which a picture is seen."""
        return max(self.sizes)

    @property
    def input_size(self) -> int:
        """The fewest pixels a side of which use is made."""
        return self._resize if self.view == "center" else self.largest

    @property
    def _resize(self) -> int:
        return round(self.resize * self.largest / self.crop)

    def pixels(self, image: Image.Image) -> Pixels:
        """uint8 RGB (largest, largest, 3)."""
        if self.view == "whole":
            return whole_view(image, self.largest)
        return center_view(image, self._resize, self.largest)

    def seen(self, pixels: torch.Tensor) -> Iterator[torch.Tensor]:
        """uint8 (n, largest, largest, 3) -> every view, uint8 (n, size, size, 3)."""
        for size in self.sizes:
            view = pixels if size == pixels.shape[1] else _resized(pixels, size)
            yield view
            if self.mirror:
                yield view.flip(2)


def _resized(pixels: torch.Tensor, size: int) -> torch.Tensor:
    channels_first = pixels.permute(0, 3, 1, 2)
    smaller = nn.functional.interpolate(channels_first, size=(size, size), mode="bilinear", antialias=True)
    return smaller.permute(0, 2, 3, 1)


class FeatureExtractor:
    """A network's features of pictures, averaged over their views: the one place where indexing and training see them.

    On a CPU that computes in bfloat16 it does so (about twice as fast; thetas agree with float32 to about 1 %), with
    batch normalisation folded into the convolutions and channels last in memory. The network given stays as it is. On
    other CPUs `hasten` lets OpenVINO compute them, where it is installed.
    """

    def __init__(self, network: TopicNetwork, architecture: Architecture, views: ViewSettings, device: torch.device):
        self.architecture = architecture
        self.views = views
        self.device = device
        self.dtype = inference_dtype(device)
        self.network = prepare_for_inference(network).to(device)
        self.network.trunk.to(self.dtype)
        self.network.tail.to(self.dtype)
        self._hastened: dict[int, OpenVinoFeatures] = {}

    @property
    def width(self) -> int:
        """Length of a picture's features."""
        return self.network.head_settings.width

    @property
    def chunk(self) -> int | None:
        """How many pictures at once suit the device; None: any number."""
        if self.device.type != "cpu" or self._hastened:
            return None
        return max(1, CPU_CHUNK * 224**2 // max(224, self.views.largest) ** 2)

    @torch.inference_mode()
    def __call__(self, pictures: Pixels) -> torch.Tensor:
        """Prepared pictures, uint8 (n, largest, largest, 3) -> float32 features (n, width)."""
        pixels = torch.from_numpy(pictures).to(self.device)
        seen = [
            self._hastened[view.shape[1]](view.numpy()) if self._hastened else self.of_view(view)
            for view in self.views.seen(pixels)
        ]
        return seen[0] if len(seen) == 1 else torch.stack(seen).mean(dim=0)

    def hasten(self) -> None:
        """From now on compute the same, but for the last digits, with a faster engine where there is one for this device; making
        it ready takes seconds."""
        if self.device.type == "cpu" and self.dtype == torch.float32 and not self._hastened:
            made = {side: openvino_features(self.of_view, side) for side in dict.fromkeys(self.views.sizes)}
            if all(made.values()):
                self._hastened = {side: features for side, features in made.items() if features is not None}

    def of_view(self, view: torch.Tensor) -> torch.Tensor:
        """One view of each picture by PyTorch: uint8 (n, side, side, 3) -> features (n, width)."""
        return self.network.features(self.architecture.normalize(view).to(self.dtype))


class GoogLeNetImageEncoder:
    """A trained TopicNetwork, made ready for inference: theta, a topic distribution, for each picture."""

    name = "googlenet"

    def __init__(self, network: TopicNetwork, arch: str, views: ViewSettings, *, device: str | None = None) -> None:
        self.arch = arch
        self.views = views
        self._weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        self._topics = network.head.topics
        self._head_settings = network.head_settings
        found = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._extract = FeatureExtractor(network, ARCHITECTURES[arch], views, found)

    @property
    def dimensions(self) -> int:
        return self._topics

    @property
    def input_size(self) -> int:
        return self.views.input_size

    def prepare(self, image: Image.Image) -> Pixels:
        """An upright RGB picture -> uint8 (side, side, 3), of the largest side at which it is seen."""
        return self.views.pixels(image)

    @torch.inference_mode()
    def encode(self, prepared: Sequence[Pixels]) -> Float32:
        """Prepared pictures -> theta, float32 (n, topics), rows sum to 1."""
        if not prepared:
            return np.empty((0, self.dimensions), dtype=np.float32)
        size = self._extract.chunk or len(prepared)
        chunks = [prepared[begin : begin + size] for begin in range(0, len(prepared), size)]
        # The head takes all of them at once: its weights pass through memory once for each call.
        return self.distributions(torch.cat([self._extract(np.stack(chunk)) for chunk in chunks]))

    def hasten(self) -> None:
        """Make ready what encodes many pictures faster, for the one thread that encodes.

        That is OpenVINO, where it is installed, on CPUs that compute in float32. Vectors stay the same but for the last digits.
        """
        self._extract.hasten()

    @torch.inference_mode()
    def distributions(self, features: torch.Tensor) -> Float32:
        """Features (n, width) -> theta, float32 (n, topics), rows sum to 1."""
        head = self._extract.network.head
        theta: Float32 = head.distribution(features).cpu().numpy()
        return theta

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        return {name: value.numpy() for name, value in self._weights.items()}

    def settings_json(self) -> dict[str, Any]:
        views = asdict(self.views) | {"sizes": list(self.views.sizes)}
        return {"arch": self.arch, "topics": self.dimensions, **views, "head": asdict(self._head_settings)}

    @classmethod
    def restore(cls, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> "GoogLeNetImageEncoder":
        """The encoder that `tensors` and `settings_json` described. Raises SpaceDamagedError where they do not fit."""
        try:
            topics = settings["topics"]
            # Spaces of format 1 know neither of heads nor of sizes; their heads are not calibrated.
            head = HeadSettings(**settings.get("head", {}))
            network = TopicNetwork(ARCHITECTURES[settings["arch"]], topics, head=head)
            weights = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
            uncalibrated = {name: torch.zeros(topics) for name in CALIBRATION}
            network.load_state_dict(uncalibrated | weights)
            sizes = tuple(settings.get("sizes", ()))
            views = ViewSettings(
                settings["view"], settings["resize"], settings["crop"], sizes, settings.get("mirror", False)
            )
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise SpaceDamagedError(f"the image model does not fit its description: {error}") from error
        return cls(network, settings["arch"], views)


def prepare_for_inference(network: TopicNetwork) -> TopicNetwork:
    """A copy of `network` in eval mode, without gradients, batch normalisation folded, channels last."""
    network = deepcopy(network).eval().requires_grad_(False)
    fold_batch_norm(network)
    return network.to(memory_format=torch.channels_last)
