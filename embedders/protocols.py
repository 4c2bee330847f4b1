"""What a text encoder and an image encoder are, and how third parties plug in their own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.vocabulary import Vocabulary
from topicidx.errors import SettingsError, SpaceError, TopicidxError

if TYPE_CHECKING:
    from PIL import Image

Float32 = NDArray[np.float32]
#: What dot products with the word vectors mean: ratios of probabilities, or plain similarity.
Scores = Literal["lift", "similarity"]
Kind = Literal["text", "image"]


@dataclass(frozen=True, slots=True)
class TextProgress:
    """What is told while a text encoder learns; every function may be called often.

    read: with the number of captions read so far; learned: with what is done and what is to do in all, in any unit.
    """

    read: Callable[[int], None] = lambda done: None
    learned: Callable[[int, int], None] = lambda done, total: None


NO_PROGRESS = TextProgress()


@runtime_checkable
class TextEncoder(Protocol):
    """Captions and words to vectors of a topic space: a class registered under `topicidx.text_encoders` by its `name`."""

    name: str
    scores: Scores
    normalizer: CaptionNormalizer
    vocabulary: Vocabulary

    @classmethod
    def train(
        cls, documents: Iterable[str], settings: Any = None, *, seed: int = 0, progress: TextProgress = NO_PROGRESS,
        work: Path | None = None,
    ) -> Self:  # fmt: skip
        """Learn from `documents`, each one a picture's captions in one string; `topicidx.embedders.corpus` numbers words.

        They can be iterated over as often as needed, and are not held in memory: there may be millions. work: a folder
        that stays where the training is stopped and begun again, to keep in it what would have to be computed again.

        settings: for an encoder of another package what the table `[encoders.NAME]` of topicidx.toml holds, a dict; None
        or empty for defaults. The same documents, settings and seed should give the same encoder. Raises SettingsError
        for settings that it does not know, TrainingError where the captions do not suffice.
        """

    @classmethod
    def restore(
        cls, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any], normalizer: CaptionNormalizer,
        vocabulary: Vocabulary,
    ) -> Self:  # fmt: skip
        """The encoder that `tensors` and `settings_json` described. Raises SpaceDamagedError where they do not fit."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> Float32:
        """Vectors of `texts`: float32 (n, dimensions), in [0, 1], each depending on its own text alone.

        They are what the network learns to predict from pictures.
        """

    def knows(self, text: str) -> bool:
        """True when the encoder knows a word of `text`."""

    def word_vectors(self) -> tuple[Float32, Float32]:
        """(lift, topics) of every vocabulary word: float32 (words, dimensions) each.

        A query takes the pictures' dot products with the first, and with `--match mean` with the second. They are kept in
        the topic space, so that queries need no encoder.
        """

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The arrays that make up the encoder.

        Where scores are "similarity", one named `average`, float32 (dimensions,), is taken for the mean vector of the
        training captions: pictures as terms of a query then count as they lean from it (`topicidx.embedders.leaning`).
        """

    def settings_json(self) -> dict[str, Any]:
        """All of the encoder that is no array, in JSON values."""


@runtime_checkable
class LiftTextEncoder(TextEncoder, Protocol):
    """A text encoder of `scores` "lift": its vectors are topic distributions, and its topics are made of words.

    `tensors` holds `topic_prior`.
    """

    @property
    def topic_prior(self) -> Float32:
        """p(k), float32 (dimensions,): the mean topic weight over the training captions."""

    @property
    def topic_words(self) -> Float32:
        """P(word | topic), float32 (dimensions, words)."""

    def words_of(self, text: str) -> NDArray[np.int32]:
        """The known words of `text`, int32 (n, 2): word id and count."""


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

    def prepare(self, image: "Image.Image") -> NDArray[np.uint8]:
        """An upright RGB picture as this encoder's input: uint8, the same shape for every picture."""

    def encode(self, prepared: Sequence[NDArray[np.uint8]]) -> Float32:
        """Vectors of prepared pictures: float32 (n, dimensions)."""

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The arrays that make up the encoder, for a topic space bundle."""

    def settings_json(self) -> dict[str, Any]:
        """All of the encoder that is no array, in JSON values."""


@runtime_checkable
class HasteningEncoder(ImageEncoder, Protocol):
    """An image encoder that can be made faster for very many pictures."""

    def hasten(self) -> None:
        """Take some seconds now, so that pictures encoded from now on, by this thread, take less time each."""


def text_encoder_class(name: str) -> type[TextEncoder]:
    """The text encoder that the setting `text_encoder` names. Raises SettingsError where none is registered so."""
    found: type[TextEncoder] = _registered("text", name, SettingsError)
    if getattr(found, "name", None) != name:
        raise SettingsError(
            f"the text encoder registered as {name!r} calls itself {getattr(found, 'name', None)!r}, so that what it learns "
            "could not be opened again; the package that provides it must give both the same name"
        )
    return found


def load_encoder_class(kind: Kind, name: str) -> Any:
    """The encoder class registered as `name` in the entry points `topicidx.text_encoders` or `topicidx.image_encoders`.

    Raises SpaceError where none is.
    """
    return _registered(kind, name, SpaceError)


def _registered(kind: Kind, name: str, error: type[TopicidxError]) -> Any:
    from importlib.metadata import entry_points

    found = entry_points(group=f"topicidx.{kind}_encoders")
    if name not in found.names:
        raise error(
            f"no {kind} encoder is registered as {name!r} (known: {', '.join(sorted(found.names)) or 'none'}); "
            "install the package that provides it"
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as problem:
        raise error(
            f"the {kind} encoder {name!r} cannot be loaded from {found[name].value}: {problem}; "
            "install the package that provides it again"
        ) from problem
