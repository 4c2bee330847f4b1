"""Batches of trunk outputs for training: computed once and kept on disk behind a frozen trunk, or afresh each epoch."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders.googlenet_encoder import ViewSettings
from topicidx.embedders.networks.architectures import Architecture
from topicidx.embedders.pictures import open_picture, random_view
from topicidx.embedders.precision import CPU_CHUNK, mixed_precision
from topicidx.embedders.prefetch import default_threads, map_ahead
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.errors import ImageError

Places = NDArray[np.int64]
View = Literal["indexed", "mirrored", "random"]
#: Called with (pictures done, pictures in all) while a cache is filled.
Done = Callable[[int, int], None]


class Inputs(Protocol):
    """Where a training loop gets the trunk's outputs from."""

    def batches(self, order: Places, epoch: int, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        """Augmented batches in `order`: places (n,) and trunk outputs (n, 528, h, w)."""

    def evaluation_batches(self, order: Places, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        """Batches as indexing sees them: the same view of a picture every time."""


class ViewReader:
    """Decodes views of pictures in threads ahead of whoever asks, the same for the same seed, place and epoch.

    `unreadable` collects the reason for each picture that could not be decoded.
    """

    def __init__(self, paths: Sequence[Path], architecture: Architecture, plan: TrainingPlan, *, seed: int) -> None:
        self.paths = paths
        self.architecture = architecture
        self.plan = plan
        self.seed = seed
        self.unreadable: dict[int, str] = {}

    def read(self, order: Places, views: Sequence[View], epoch: int = 0) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Place and views, uint8 (views, crop, crop, 3), of each picture in `order` that can be decoded."""

        def decode(place: int) -> NDArray[np.uint8] | str:
            try:
                return self._decode(place, views, epoch)
            except ImageError as error:
                return str(error)

        decoded = map_ahead(decode, order.tolist(), threads=default_threads(), ahead=2 * self.plan.batch_size)
        for place, pixels in zip(order.tolist(), decoded, strict=True):
            if isinstance(pixels, str):
                self.unreadable[place] = pixels
            else:
                yield place, pixels

    def batches(
        self, order: Places, views: Sequence[View], batch_size: int, epoch: int = 0
    ) -> Iterator[tuple[Places, Tensor]]:
        """Places (n,) and normalised pixels (n x views, 3, crop, crop), the views of a picture together."""
        places: list[int] = []
        pixels: list[NDArray[np.uint8]] = []
        for place, stack in self.read(order, views, epoch):
            places.append(place)
            pixels.append(stack)
            if len(places) == batch_size:
                yield np.array(places), self._normalized(pixels)
                places, pixels = [], []
        if places:
            yield np.array(places), self._normalized(pixels)

    def _normalized(self, pixels: list[NDArray[np.uint8]]) -> Tensor:
        return self.architecture.normalize(torch.from_numpy(np.concatenate(pixels)))

    def _decode(self, place: int, views: Sequence[View], epoch: int) -> NDArray[np.uint8]:
        plan = self.plan
        image = open_picture(self.paths[place], at_least=plan.resize).image
        indexed = ViewSettings(plan.view, plan.resize, plan.crop).pixels(image)
        rng = np.random.default_rng((self.seed, place, epoch))
        made = {"indexed": lambda: indexed, "mirrored": lambda: indexed[:, ::-1],
                "random": lambda: random_view(image, plan.resize, plan.crop, rng)}  # fmt: skip
        return np.stack([made[view]() for view in views])


@dataclass
class PictureInputs:
    """Every picture decoded afresh in every epoch, through a trunk that may itself be learning."""

    reader: ViewReader
    network: TopicNetwork
    device: torch.device

    def batches(self, order: Places, epoch: int, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        for places, pixels in self.reader.batches(order, ("random",), batch_size, epoch):
            with torch.set_grad_enabled(self.network.trained == "all"), mixed_precision(self.device):
                maps = self.network.trunk(pixels.to(self.device))
            yield places, maps

    def evaluation_batches(self, order: Places, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        for places, pixels in self.reader.batches(order, ("indexed",), batch_size):
            with torch.no_grad(), mixed_precision(self.device):
                maps = self.network.trunk(pixels.to(self.device))
            yield places, maps


class CachedInputs:
    """The frozen trunk's outputs for a few views of each picture, computed once, in a file that vanishes with the process.

    Stored as bfloat16, (pictures, views, h, w, channels).
    """

    def __init__(
        self, pictures: int, views: int, maps: tuple[int, int, int], folder: Path, device: torch.device
    ) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, prefix="training-")  # noqa: SIM115 lives as long as the array
        self._maps: np.memmap[tuple[int, ...], np.dtype[np.int16]] = np.memmap(
            self._file, dtype=np.int16, mode="w+", shape=(pictures, views, *maps)
        )
        self._views = views
        self._device = device

    @classmethod
    def compute(
        cls, reader: ViewReader, network: TopicNetwork, training: Places, validation: Places, folder: Path,
        device: torch.device, *, bytes_allowed: int, done: Done | None = None,
    ) -> "CachedInputs | None":  # fmt: skip
        """Run the trunk over all pictures, once, in inference mode. None where not even one view of each has room."""
        plan = reader.plan
        with torch.inference_mode():
            probe = network.trunk(torch.zeros(1, 3, plan.crop, plan.crop, device=device))
        channels, height, width = probe.shape[1:]
        pictures = len(training) + len(validation)
        room = min(bytes_allowed, int(0.8 * shutil.disk_usage(folder).free))
        views = min(plan.views, room // (2 * channels * height * width * pictures))
        if views < 1:
            return None
        cache = cls(len(reader.paths), views, (height, width, channels), folder, device)
        kinds: list[View] = ["indexed", "mirrored"] if views > 1 else ["random"]
        kinds += ["random"] * (views - len(kinds))
        batch = max(1, (CPU_CHUNK if device.type == "cpu" else 128) // views)
        completed = 0
        jobs: list[tuple[Places, list[View]]] = [(validation, ["indexed"]), (training, kinds)]
        for order, seen in jobs:
            for places, pixels in reader.batches(order, seen, batch):
                with torch.inference_mode(), mixed_precision(device):
                    outputs = network.trunk(pixels.to(device)).to(torch.bfloat16).permute(0, 2, 3, 1)
                rows = outputs.contiguous().view(torch.int16).cpu().numpy()
                cache._maps[places, : len(seen)] = rows.reshape(len(places), len(seen), *rows.shape[1:])
                completed += len(places)
                if done:
                    done(completed + len(reader.unreadable), pictures)
        return cache

    def batches(self, order: Places, epoch: int, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        rng = np.random.default_rng((epoch, self._views))
        for places in _chunks(order, batch_size):
            yield places, self._read(places, rng.integers(self._views, size=len(places)))

    def evaluation_batches(self, order: Places, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        for places in _chunks(order, batch_size):
            yield places, self._read(places, np.zeros(len(places), dtype=np.int64))

    def close(self) -> None:
        """Give the disk space back."""
        del self._maps
        self._file.close()

    def _read(self, places: Places, views: Places) -> Tensor:
        rows = torch.from_numpy(self._maps[places, views]).view(torch.bfloat16)
        return rows.permute(0, 3, 1, 2).to(self._device, torch.float32)


def _chunks(order: Places, size: int) -> Iterator[Places]:
    for begin in range(0, len(order), size):
        yield order[begin : begin + size]
