"""A cheap image encoder that goes by a picture's mean colour, in place of a network, and the command line with it.

python -m doubles.colour ingest photos/
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topicidx.embedders import protocols, topic_space


class ColourImageEncoder:
    """Topic distributions from the mean colour: that of the theme whose colour it is, or between those of several."""

    name = "colour"
    input_size = 8

    def __init__(self, colours: NDArray[np.float32], topics: NDArray[np.float32]) -> None:
        self.colours = colours
        self.topics = topics

    @property
    def dimensions(self) -> int:
        return self.topics.shape[1]

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(image.resize((4, 4)))

    def encode(self, prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        means = np.stack([pixels.reshape(-1, 3).mean(axis=0) for pixels in prepared])
        nearness = np.exp(-(((means[:, None] - self.colours) / 60) ** 2).sum(axis=2)) + 1e-6
        # Not a matrix product: its last bits would depend on what else is in the batch.
        vectors = np.einsum("bc,ck->bk", nearness / nearness.sum(axis=1, keepdims=True), self.topics, optimize=False)
        return vectors.astype(np.float32)

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        return {"colours": self.colours, "topics": self.topics}

    def settings_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> "ColourImageEncoder":
        return cls(tensors["colours"], tensors["topics"])


def load_encoder_class(kind: Literal["text", "image"], name: str) -> Any:
    """As the one of `protocols`, which knows this encoder too."""
    return ColourImageEncoder if name == ColourImageEncoder.name else protocols.load_encoder_class(kind, name)


def main() -> None:
    """The command line, with this encoder registered."""
    from topicidx.cli.app import main as command_line

    topic_space.load_encoder_class = load_encoder_class
    command_line()


if __name__ == "__main__":
    main()
