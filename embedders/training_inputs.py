"""What a training learns from, in batches: pixels, outputs of the frozen trunk, or features where only a head learns."""

import logging
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topicidx.embedders.distributed import Ranks
from topicidx.embedders.googlenet_encoder import FeatureExtractor
from topicidx.embedders.networks.architectures import Architecture
from topicidx.embedders.networks.googlenet import fold_batch_norm
from topicidx.embedders.picture_cache import Done, PictureCache, kept_bytes, room
from topicidx.embedders.precision import CPU_CHUNK, inference_dtype
from topicidx.embedders.stopping import StopRequest
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.view_reader import Pixels, Places, View, ViewReader
from topicidx.embedders.views import random_cut

logger = logging.getLogger(__name__)

#: Pixels (n, 3, crop, crop), the trunk's outputs (n, 528, h, w), or features (n, width).
Kind = Literal["pixels", "maps", "features"]
Batches = Iterator[tuple[Places, Tensor]]


class Inputs(Protocol):
    """Where a training gets its batches from.

    For each of the wanted places (n,) there come those that can be read (m,) and their inputs, in the same order; both may
    be empty. Which views are seen does not depend on how places are put into batches.
    """

    @property
    def kind(self) -> Kind:
        """What the inputs are."""

    def batches(self, wanted: Sequence[Places], epoch: int) -> Batches:
        """Inputs to learn from: of random views where there are any."""

    def evaluation_batches(self, wanted: Sequence[Places]) -> Batches:
        """Inputs as indexing sees pictures: the same view of a picture every time."""

    def blank(self, count: int) -> Tensor:
        """Inputs of `count` pictures that show nothing, for a process whose pictures of a batch cannot be read."""


class FrozenTrunk:
    """The layers that do not learn, as fast as the device computes them: normalisations folded, channels last, no gradients.

    uint8 (n, crop, crop, 3), on any device -> (n, 528, h, w), in the number format that the device is fastest in.
    """

    def __init__(self, network: TopicNetwork, architecture: Architecture, device: torch.device) -> None:
        self.architecture = architecture
        self.device = device
        self.dtype = inference_dtype(device)
        trunk = deepcopy(network.trunk).eval().requires_grad_(False)
        fold_batch_norm(trunk)
        self._trunk: nn.Module = trunk.to(device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Tensor:
        size = CPU_CHUNK if self.device.type == "cpu" else max(1, len(pixels))
        parts = [self._chunk(pixels[begin : begin + size]) for begin in range(0, max(1, len(pixels)), size)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _chunk(self, pixels: Tensor) -> Tensor:
        normalized = self.architecture.normalize(pixels.to(self.device))
        maps: Tensor = self._trunk(normalized.to(self.dtype))
        return maps


def staged(read: Iterator[tuple[Places, Pixels]], device: torch.device) -> Batches:
    """Pixels as tensors; for a GPU copied from pinned memory one batch ahead, while it computes on the one before."""
    if device.type != "cuda":
        yield from ((places, torch.from_numpy(pixels)) for places, pixels in read)
        return
    ahead: tuple[Places, Tensor] | None = None
    for places, pixels in read:
        copied = torch.from_numpy(pixels).pin_memory().to(device, non_blocking=True)
        if ahead is not None:
            yield ahead
        ahead = places, copied
    if ahead is not None:
        yield ahead


@dataclass
class PictureInputs:
    """Every picture decoded afresh in every epoch; through the trunk where that does not learn.

    cut_on_device: random crops are cut and mirrored where the network computes, so that threads only decode; they are the
    same ones.
    """

    reader: ViewReader
    architecture: Architecture
    device: torch.device
    trunk: FrozenTrunk | None = None
    cut_on_device: bool = False

    @property
    def kind(self) -> Kind:
        return "pixels" if self.trunk is None else "maps"

    def batches(self, wanted: Sequence[Places], epoch: int) -> Batches:
        if not self.cut_on_device:
            return self._seen(wanted, "random", epoch)
        whole = staged(self.reader.read(wanted, ("whole",)), self.device)
        return ((places, self._inputs(self._cut(places, pixels, epoch))) for places, pixels in whole)

    def evaluation_batches(self, wanted: Sequence[Places]) -> Batches:
        return self._seen(wanted, "indexed", 0)

    def blank(self, count: int) -> Tensor:
        return self._inputs(torch.zeros(count, self.reader.plan.crop, self.reader.plan.crop, 3, dtype=torch.uint8))

    def _seen(self, wanted: Sequence[Places], view: View, epoch: int) -> Batches:
        for places, pixels in staged(self.reader.read(wanted, (view,), epoch), self.device):
            yield places, self._inputs(pixels)

    def _inputs(self, pixels: Tensor) -> Tensor:
        if self.trunk is None:
            return self.architecture.normalize(pixels.to(self.device))
        return self.trunk(pixels).clone()  # inference tensors have no part in what learns

    def _cut(self, places: Places, pixels: Tensor, epoch: int) -> Tensor:
        from torchvision.transforms.v2 import functional

        plan = self.reader.plan
        cuts = []
        for place, picture in zip(places.tolist(), pixels.permute(0, 3, 1, 2), strict=True):
            top, left, mirrored = random_cut(plan.resize, plan.crop, self.reader.generator(place, epoch))
            cut = functional.crop_image(picture, top, left, plan.crop, plan.crop)
            cuts.append(functional.horizontal_flip_image(cut) if mirrored else cut)
        if not cuts:
            return pixels[:, : plan.crop, : plan.crop]
        return torch.stack(cuts).permute(0, 2, 3, 1)


class CachedInputs:
    """The frozen trunk's outputs for a few views of each picture: as indexing sees it, mirrored, and the rest random.

    Kept as bfloat16, (pictures, views, h, w, channels).
    """

    kind: Kind = "maps"

    def __init__(self, cache: PictureCache, views: int, device: torch.device, seed: int) -> None:
        self._cache = cache
        self._views = views
        self._device = device
        self._seed = seed

    @classmethod
    def compute(
        cls, reader: ViewReader, trunk: FrozenTrunk, training: Places, validation: Places, kept: "Kept",
    ) -> "CachedInputs | None":  # fmt: skip
        """Run the trunk over all pictures. None, with nothing done, where not even one view of each has room."""
        channels, height, width = trunk(torch.zeros(1, reader.plan.crop, reader.plan.crop, 3, dtype=torch.uint8)).shape[
            1:
        ]
        pictures = len(reader.paths)
        views = kept.views("maps", 2 * channels * height * width * pictures, reader.plan.views)
        if views < 1:
            return None
        shape = (views, height, width, channels)
        cache = PictureCache(kept.folder, kept.name("maps"), pictures, shape, np.int16, kept.ranks)
        kinds: list[View] = ["indexed", "mirrored"] if views > 1 else ["random"]
        kinds += ["random"] * (views - len(kinds))

        def rows(pixels: Pixels, seen: int) -> NDArray[np.int16]:
            outputs = (
                trunk(torch.from_numpy(pixels))
                .to(torch.bfloat16)
                .permute(0, 2, 3, 1)
                .contiguous()
                .view(torch.int16)
                .cpu()
                .numpy()
            )
            computed = np.zeros((len(pixels) // seen, *shape), dtype=np.int16)
            computed[:, :seen] = outputs.reshape(-1, seen, *shape[1:])
            return computed

        chunk = max(1, (CPU_CHUNK if trunk.device.type == "cpu" else 128) // views)
        everything = len(training) + len(validation)
        cache.fill(
            reader, validation, ["indexed"], lambda pixels: rows(pixels, 1), chunk, kept.stop,
            lambda done, total: kept.done(done, everything),
        )  # fmt: skip
        cache.fill(
            reader, training, kinds, lambda pixels: rows(pixels, views), chunk, kept.stop,
            lambda done, total: kept.done(len(validation) + done, everything),
        )  # fmt: skip
        return cls(cache, views, trunk.device, reader.seed)

    def batches(self, wanted: Sequence[Places], epoch: int) -> Batches:
        views = np.random.default_rng((self._seed, epoch)).integers(self._views, size=len(self._cache.rows))
        for places in wanted:
            yield places, self._maps(places, views[places])

    def evaluation_batches(self, wanted: Sequence[Places]) -> Batches:
        for places in wanted:
            yield places, self._maps(places, np.zeros(len(places), dtype=np.int64))

    def blank(self, count: int) -> Tensor:
        _, height, width, channels = self._cache.rows.shape[1:]
        return torch.zeros(count, channels, height, width, device=self._device)

    def close(self) -> None:
        """Let go of the files."""
        self._cache.close()

    def _maps(self, places: Places, views: NDArray[np.int64]) -> Tensor:
        rows = self._cache.tensor(places, views).view(torch.bfloat16)
        return rows.permute(0, 3, 1, 2).to(self._device, torch.float32)


class FeatureInputs:
    """Features of pictures as indexing sees them, for a head that learns alone: kept as float32 (pictures, width), or
    computed afresh each time."""

    kind: Kind = "features"

    def __init__(self, reader: ViewReader, extract: FeatureExtractor) -> None:
        self._reader = reader
        self._extract = extract
        self._cache: PictureCache | None = None

    def keep(self, order: Places, kept: "Kept") -> bool:
        """Compute the features of all pictures in `order`. False, and nothing done, where they have no room."""
        pictures, width = len(self._reader.paths), self._extract.width
        if not kept.views("features", 4 * pictures * width, 1):
            return False
        cache = PictureCache(kept.folder, kept.name("features"), pictures, (width,), np.float32, kept.ranks)
        cache.fill(
            self._reader, order, ("indexed",), lambda pixels: self._extract(pixels).cpu().numpy(),
            self._extract.chunk or 128, kept.stop, kept.done,
        )  # fmt: skip
        self._cache = cache
        return True

    def batches(self, wanted: Sequence[Places], epoch: int) -> Batches:
        del epoch
        return self.evaluation_batches(wanted)

    def evaluation_batches(self, wanted: Sequence[Places]) -> Batches:
        if self._cache is None:
            yield from self._computed(wanted)
            return
        for places in wanted:
            yield places, self._cache.tensor(places).to(self._extract.device)

    def blank(self, count: int) -> Tensor:
        return torch.zeros(count, self._extract.width, device=self._extract.device)

    def close(self) -> None:
        """Let go of the files."""
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    def _computed(self, wanted: Sequence[Places]) -> Batches:
        chunk = self._extract.chunk or 128
        for places, pixels in self._reader.read(wanted, ("indexed",)):
            parts = [self._extract(pixels[begin : begin + chunk]) for begin in range(0, len(places), chunk)]
            yield places, torch.cat(parts) if parts else self.blank(0)


@dataclass(frozen=True)
class Kept:
    """Where what the frozen layers give may be kept, and how much of it; `named` files outlive the process."""

    folder: Path
    bytes_allowed: int
    named: bool
    ranks: Ranks
    stop: StopRequest
    done: Done

    def name(self, what: str) -> str | None:
        """What a cache's files are called, None where they have no name."""
        return what if self.named else None

    def views(self, what: str, size: int, most: int) -> int:
        """How many views of all pictures, of `size` bytes each, have room on every machine: as many as a stopped run kept."""
        found = kept_bytes(self.folder, self.name(what), self.ranks) // max(1, size)
        views = found if 0 < found <= most else min(most, room(self.folder, self.bytes_allowed) // max(1, size))
        return int(min(self.ranks.gathered(views)))


def make_inputs(
    reader: ViewReader, network: TopicNetwork, architecture: Architecture, training: Places, validation: Places,
    kept: Kept, device: torch.device,
) -> Inputs:  # fmt: skip
    """Inputs for the layers of `network` that learn; what the others give is computed once where it has room."""
    if network.trained == "all":
        return PictureInputs(reader, architecture, device, cut_on_device=device.type == "cuda")
    if network.trained == "head":
        features = FeatureInputs(reader, FeatureExtractor(network, architecture, reader.indexed, device))
        if features.keep(np.concatenate([validation, training]), kept):
            return features
        _no_room(kept)
        return features
    trunk = FrozenTrunk(network, architecture, device)
    if (cached := CachedInputs.compute(reader, trunk, training, validation, kept)) is not None:
        return cached
    _no_room(kept)
    return PictureInputs(reader, architecture, device, trunk, cut_on_device=device.type == "cuda")


def _no_room(kept: Kept) -> None:
    logger.warning("no room to keep the frozen layers' outputs in %s: they are computed in every epoch", kept.folder)
