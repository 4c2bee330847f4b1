"""What a text encoder and an image encoder are, and how third parties plug in their own."""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topicidx.embedders.corpus import Vocabulary
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.errors import SpaceError

Float32 = NDArray[np.float32]
#: What dot products with the word vectors mean: ratios of probabilities, or plain similarity.
Scores = Literal["lift", "similarity"]


@runtime_checkable
class TextEncoder(Protocol):
    """Captions and words to vectors of a topic space.

    A class registered under `topicidx.text_encoders` also has a classmethod
    `restore(tensors, settings, normalizer, vocabulary)`, the inverse of `tensors` and `settings_json`. `tensors` holds at
    least `topic_prior`, float32 (dimensions,).
    """

    name: str
    scores: Scores
    normalizer: CaptionNormalizer
    vocabulary: Vocabulary

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> Float32:
        """Vectors of `texts`: float32 (n, dimensions), each depending on its own text alone."""

    def knows(self, text: str) -> bool:
        """True when the encoder knows a word of `text`."""

    def word_vectors(self) -> tuple[Float32, Float32]:
        """(lift, topics) of every vocabulary word: float32 (words, dimensions) each."""

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The arrays that make up the encoder."""

    def settings_json(self) -> dict[str, Any]:
        """All of the encoder that is no array, in JSON values."""


@runtime_checkable
class ImageEncoder(Protocol):
    """Pictures to vectors of a topic space: non-negative, so that dot products with word vectors are comparable.

    `prepare` is called from many threads; `encode` from one. A class registered under `topicidx.image_encoders` also has
    a classmethod `restore(tensors, settings)`, the inverse of `tensors` and `settings_json`.
    """

    name: str

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def input_size(self) -> int:
        """The fewest pixels a side that `prepare` makes use of; larger pictures may be reduced while decoding."""

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """An upright RGB picture as this encoder's input: uint8, the same shape for every picture."""

    def encode(self, prepared: Sequence[NDArray[np.uint8]]) -> Float32:
        """Vectors of prepared pictures: float32 (n, dimensions)."""

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The arrays that make up the encoder, for a topic space bundle."""

    def settings_json(self) -> dict[str, Any]:
        """All of the encoder that is no array, in JSON values."""


def load_encoder_class(kind: Literal["text", "image"], name: str) -> Any:
    """The encoder class registered as `name` in the entry points `topicidx.text_encoders` or `topicidx.image_encoders`.

    Raises SpaceError where none is.
    """
    found = entry_points(group=f"topicidx.{kind}_encoders")
    if name not in found.names:
        raise SpaceError(
            f"no {kind} encoder is registered as {name!r} (known: {', '.join(sorted(found.names)) or 'none'}); "
            "install the package that provides it"
        )
    return found[name].load()
