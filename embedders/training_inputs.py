"""Batches for training: outputs of the trunk, or features where only the head learns; kept on disk, or computed afresh."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders.googlenet_encoder import FeatureExtractor, ViewSettings
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
    """Where a training loop gets its inputs from: the trunk's outputs (n, 528, h, w), or features (n, width) if `pooled`."""

    pooled: bool

    def batches(self, order: Places, epoch: int, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        """Batches to learn from, in `order`: places (n,) and inputs, of random views where there are any."""

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
        self.indexed = ViewSettings(plan.view, plan.resize, plan.crop, plan.sizes, plan.mirror)
        self.unreadable: dict[int, str] = {}

    def readable(self, order: Places) -> Places:
        """Those of `order` that have not turned out to be unreadable."""
        return order[~np.isin(order, list(self.unreadable))]

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
        for places, pixels in self.pictures(order, views, batch_size, epoch):
            yield places, self.architecture.normalize(torch.from_numpy(pixels))

    def pictures(
        self, order: Places, views: Sequence[View], batch_size: int, epoch: int = 0
    ) -> Iterator[tuple[Places, NDArray[np.uint8]]]:
        """Places (n,) and uint8 (n x views, side, side, 3), the views of a picture together."""
        places: list[int] = []
        pixels: list[NDArray[np.uint8]] = []
        for place, stack in self.read(order, views, epoch):
            places.append(place)
            pixels.append(stack)
            if len(places) == batch_size:
                yield np.array(places), np.concatenate(pixels)
                places, pixels = [], []
        if places:
            yield np.array(places), np.concatenate(pixels)

    def _decode(self, place: int, views: Sequence[View], epoch: int) -> NDArray[np.uint8]:
        plan = self.plan
        image = open_picture(self.paths[place], at_least=max(plan.resize, self.indexed.input_size)).image
        indexed = self.indexed.pixels(image)
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
    pooled: bool = False

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

    pooled = False

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
        views = min(plan.views, _room(folder, bytes_allowed) // (2 * channels * height * width * pictures))
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


class FeatureInputs:
    """Features of pictures as indexing sees them, for a head that learns alone: computed once and kept, or afresh each time.

    Kept as float32 (pictures, width), in a file that vanishes with the process.
    """

    pooled = True

    def __init__(self, reader: ViewReader, extract: FeatureExtractor) -> None:
        self._reader = reader
        self._extract = extract
        self._file: Any = None
        self._kept: np.memmap[tuple[int, ...], np.dtype[np.float32]] | None = None

    def keep(self, order: Places, folder: Path, *, bytes_allowed: int, done: Done | None = None) -> bool:
        """Compute the features of all pictures in `order`, once. False, and nothing done, where they have no room."""
        shape = (len(self._reader.paths), self._extract.width)
        if 4 * shape[0] * shape[1] > _room(folder, bytes_allowed):
            return False
        file = tempfile.TemporaryFile(dir=folder, prefix="training-")  # noqa: SIM115 lives as long as the array
        kept: np.memmap[tuple[int, ...], np.dtype[np.float32]] = np.memmap(
            file, dtype=np.float32, mode="w+", shape=shape
        )
        completed = 0
        for places, features in self._computed(order, self._extract.chunk or 128):
            kept[places] = features.cpu().numpy()
            completed += len(places)
            if done:
                done(completed + len(self._reader.unreadable), len(order))
        self._file, self._kept = file, kept
        return True

    def batches(self, order: Places, epoch: int, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        del epoch
        return self.evaluation_batches(order, batch_size)

    def evaluation_batches(self, order: Places, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        if self._kept is None:
            yield from self._computed(order, batch_size)
            return
        for places in _chunks(order, batch_size):
            yield places, torch.from_numpy(self._kept[places]).to(self._extract.device)

    def close(self) -> None:
        """Give the disk space back."""
        self._kept = None
        if self._file is not None:
            self._file.close()

    def _computed(self, order: Places, batch_size: int) -> Iterator[tuple[Places, Tensor]]:
        chunk = self._extract.chunk or batch_size
        for places, pixels in self._reader.pictures(order, ("indexed",), batch_size):
            parts = [self._extract(pixels[begin : begin + chunk]) for begin in range(0, len(places), chunk)]
            yield places, torch.cat(parts)


def _room(folder: Path, bytes_allowed: int) -> int:
    """Bytes that may be kept in `folder`: some of the disk is left to others."""
    return min(bytes_allowed, int(0.8 * shutil.disk_usage(folder).free))


def _chunks(order: Places, size: int) -> Iterator[Places]:
    for begin in range(0, len(order), size):
        yield order[begin : begin + size]
