"""ViewReader: views of pictures, decoded in threads ahead of whoever asks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.googlenet_encoder import ViewSettings
from topicidx.embedders.pictures import open_picture
from topicidx.embedders.prefetch import default_threads, map_ahead
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.views import random_view, whole_view
from topicidx.errors import ImageError
from topicidx.post import PictureFile

Places = NDArray[np.int64]
Pixels = NDArray[np.uint8]
#: As indexing sees it, that mirrored, a random crop, or all of it at the size that crops are cut from.
View = Literal["indexed", "mirrored", "random", "whole"]


class ViewReader:
    """Decodes views of pictures in threads ahead of whoever asks, the same for the same seed, place and epoch.

    `unreadable` collects the reason for each picture that could not be decoded, by place.
    """

    def __init__(self, paths: Sequence[PictureFile], plan: TrainingPlan, *, seed: int) -> None:
        self.paths = paths
        self.plan = plan
        self.seed = seed
        self.indexed = ViewSettings(plan.view, plan.resize, plan.crop, plan.sizes, plan.mirror)
        self.unreadable: dict[int, str] = {}

    def readable(self, order: Places) -> Places:
        """Those of `order` that have not turned out to be unreadable."""
        return order[~np.isin(order, list(self.unreadable))]

    def read(self, wanted: Iterable[Places], views: Sequence[View], epoch: int = 0) -> Iterator[tuple[Places, Pixels]]:
        """For each of `wanted` (n,) those places that can be decoded (m,), and uint8 (m x views, side, side, 3).

        The views of a picture lie together. Where none can be decoded, both are empty.
        """
        batches = list(wanted)
        side = {"random": self.plan.crop, "whole": self.plan.resize}.get(views[0], self.indexed.largest)

        def decode(place: int) -> Pixels | str:
            try:
                return self._decode(place, views, epoch)
            except ImageError as error:
                return str(error)

        order = [int(place) for places in batches for place in places]
        decoded = map_ahead(decode, order, threads=default_threads(), ahead=2 * self.plan.batch_size)
        for places in batches:
            found: list[int] = []
            pixels = [np.empty((0, side, side, 3), dtype=np.uint8)]
            for place in places.tolist():
                outcome = next(decoded)
                if isinstance(outcome, str):
                    self.unreadable[place] = outcome
                else:
                    found.append(place)
                    pixels.append(outcome)
            yield np.array(found, dtype=np.int64), np.concatenate(pixels)

    def generator(self, place: int, epoch: int) -> np.random.Generator:
        """What the random view of a picture in an epoch is drawn from."""
        return np.random.default_rng((self.seed, place, epoch))

    def check(self, places: Places) -> None:
        """Decode pictures only to learn why they cannot be."""
        for _ in self.read([places], ("indexed",)):
            pass

    def _decode(self, place: int, views: Sequence[View], epoch: int) -> Pixels:
        plan = self.plan
        image = open_picture(self.paths[place], at_least=max(plan.resize, self.indexed.input_size)).image
        rng = self.generator(place, epoch)
        made = {"whole": lambda: whole_view(image, plan.resize),
                "indexed": lambda: self.indexed.pixels(image), "mirrored": lambda: self.indexed.pixels(image)[:, ::-1],
                "random": lambda: random_view(image, plan.resize, plan.crop, rng)}  # fmt: skip
        return np.stack([made[view]() for view in views])
