"""TopicSpace: the trained bundle that defines the vector space, as a folder without pickle."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.atomic import new_folder, standing_folder
from topicidx.embedders.bundle import (
    FORMAT_VERSION,
    MANIFEST,
    EncoderEntry,
    Manifest,
    TextEntry,
    fingerprint,
    read_manifest,
    read_tensors,
    write_manifest,
    write_tensors,
)
from topicidx.embedders.leaning import leaning
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.protocols import ImageEncoder, Scores, TextEncoder, load_encoder_class
from topicidx.embedders.vocabulary import Vocabulary
from topicidx.embedders.word_table import WordTable
from topicidx.errors import SpaceDamagedError, SpaceError

Float32 = NDArray[np.float32]

LDA_TENSORS, TEXT_TENSORS = "lda.safetensors", "text.safetensors"
WORD_VECTORS = "words.safetensors"
VOCABULARY = "vocabulary.jsonl"
IMAGE_TENSORS = "image.safetensors"

#: What the average picture scores at least, for the sake of words of topics that the network sees in no picture.
SMALLEST_AVERAGE = np.float32(0.05)


class TopicSpace:
    """A topic space opened from its folder; encoders and word vectors are read when first used."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path) -> "TopicSpace":
        """Open the bundle in `folder`; light: no tensor is read, no learning library imported.

        Raises SpaceNotFoundError, SpaceVersionError or SpaceDamagedError with what to do next.
        """
        standing = standing_folder(folder)
        return cls(standing, read_manifest(standing))

    @property
    def dimensions(self) -> int:
        """Length of every vector of the space: the number of topics."""
        return self.manifest.dimensions

    @property
    def scores(self) -> Scores:
        """What scores are: ratios of probabilities, or plain similarities."""
        return self.manifest.text.scores

    @property
    def vector_space(self) -> str:
        """The fingerprint that a store's points must agree with. Raises SpaceError for a space of captions only."""
        if self.manifest.vector_space is None:
            raise self._captions_only()
        return self.manifest.vector_space

    @property
    def query_side(self) -> str:
        """The fingerprint of words, word vectors and normaliser."""
        return self.manifest.query_side

    @cached_property
    def normalizer(self) -> CaptionNormalizer:
        """How captions and queries become words. Raises SpaceDamagedError."""
        try:
            return CaptionNormalizer.from_json(self.manifest.text.normalizer)
        except (KeyError, TypeError, ValueError) as error:
            raise SpaceDamagedError(
                f"the normaliser in {self.folder / MANIFEST} is damaged: {error}; train the topic space again"
            ) from error

    @cached_property
    def words(self) -> WordTable:
        """The vocabulary and the word vectors, read by slice."""
        return WordTable(
            self.normalizer,
            self.folder / WORD_VECTORS,
            self.folder / VOCABULARY,
            self.dimensions,
            self.manifest.text.words,
        )

    @cached_property
    def topic_prior(self) -> Float32:
        """p(k), float32 (dimensions,): the mean topic weight over the training captions, where scores are lifts."""
        shapes = {"topic_prior": (self.dimensions,)}
        prior: Float32 = read_tensors(self.folder / _text_tensors(self.manifest.text), shapes)["topic_prior"]
        return prior

    @cached_property
    def average(self) -> Float32 | None:
        """The mean vector of the training captions, float32 (dimensions,), where scores are similarities and it is known."""
        if self.scores != "similarity":
            return None
        path = self.folder / _text_tensors(self.manifest.text)
        average = read_tensors(path).get("average")
        if average is not None and average.shape != (self.dimensions,):
            raise SpaceDamagedError(f"{path} is damaged: 'average' is {average.shape}; train the topic space again")
        return average

    def as_terms(self, pictures: Float32) -> Float32:
        """Pictures' vectors (..., dimensions) as the terms of a query, which dot products are taken with.

        Divided by p(k), so that they are lifts too, on average 1; where scores are similarities as they lean from the average.
        """
        if self.scores == "lift":
            scaled: Float32 = (pictures / np.maximum(self.topic_prior, 1e-9)).astype(np.float32)
            return scaled
        return pictures if self.average is None else leaning(pictures, self.average)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The text encoder, restored from the bundle."""
        entry = self.manifest.text
        encoder_class = load_encoder_class("text", entry.encoder)
        file = _text_tensors(entry)
        tensors = read_tensors(self.folder / file)
        with self._naming(file):
            restored: TextEncoder = encoder_class.restore(
                tensors, entry.settings, self.normalizer, self.words.vocabulary
            )
        return restored

    @cached_property
    def image_encoder(self) -> ImageEncoder:
        """The image encoder, restored from the bundle. Raises SpaceError for a space of captions only."""
        entry = self.manifest.image
        if entry is None:
            raise self._captions_only()
        encoder_class = load_encoder_class("image", entry.encoder)
        tensors = read_tensors(self.folder / IMAGE_TENSORS)
        with self._naming(IMAGE_TENSORS):
            restored: ImageEncoder = encoder_class.restore(tensors, entry.settings)
        return restored

    def encode_text(self, texts: Sequence[str]) -> Float32:
        """Topic distributions of captions: float32 (n, dimensions). Imports gensim."""
        vectors: Float32 = self.text_encoder.encode(texts)
        return vectors

    def encode_images(self, paths: Sequence[Path], *, batch_size: int = 32) -> Float32:
        """Topic distributions of picture files: float32 (n, dimensions). Imports torch. Raises ImageError."""
        from topicidx.embedders.pictures import open_picture

        encoder = self.image_encoder
        parts = [np.empty((0, self.dimensions), dtype=np.float32)]
        for begin in range(0, len(paths), batch_size):
            some = [Path(path) for path in paths[begin : begin + batch_size]]
            pictures = [open_picture(path, at_least=encoder.input_size) for path in some]
            parts.append(encoder.encode([encoder.prepare(picture.image) for picture in pictures]))
        return np.concatenate(parts)

    @contextmanager
    def _naming(self, file: str) -> Iterator[None]:
        try:
            yield
        except SpaceDamagedError as error:
            raise SpaceDamagedError(
                f"{self.folder / file} does not fit {MANIFEST}: {error}; train the topic space again"
            ) from error

    def _captions_only(self) -> SpaceError:
        return SpaceError(
            f"the topic space {self.folder} has no image model yet; `topicidx train SOURCE --only image` adds one"
        )


def write_topic_space(
    folder: Path,
    text: TextEncoder,
    image: ImageEncoder | None = None,
    *,
    provenance: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    attachments: Mapping[str, bytes] | None = None,
    average_picture: Float32 | None = None,
) -> TopicSpace:
    """Write a bundle to `folder`, whole or not at all, in place of the one there, and open it.

    `attachments` are further files by name (training.png, training.jsonl); like provenance and metrics they are no part
    of a fingerprint. `average_picture`, float32 (dimensions,), is the mean of the vectors that `image` gives pictures: lift
    vectors are divided by what it scores, so that the average picture scores 1 for every word.
    Raises SpaceError where something other than a topic space is in the way.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise SpaceError(f"{folder} exists and is no topic space; name another place with --space")
    lift, topics = text.word_vectors()
    if average_picture is not None and text.scores == "lift":
        lift = lift / np.maximum(lift @ average_picture, SMALLEST_AVERAGE)[:, None]
    text_tensors = text.tensors()
    words = {"lift": lift, "topics": topics}
    entry = TextEntry(
        encoder=text.name,
        settings=text.settings_json(),
        scores=text.scores,
        normalizer=text.normalizer.to_json(),
        words=len(text.vocabulary),
    )
    image_entry = None if image is None else EncoderEntry(encoder=image.name, settings=image.settings_json())
    with new_folder(folder) as building:
        write_tensors(building / _text_tensors(entry), text_tensors)
        write_tensors(building / WORD_VECTORS, words)
        text.vocabulary.write(building / VOCABULARY)
        if image is not None:
            write_tensors(building / IMAGE_TENSORS, image.tensors())
        for name, content in (attachments or {}).items():
            (building / name).write_bytes(content)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            dimensions=text.dimensions,
            text=entry,
            image=image_entry,
            vector_space=None if image is None else _vector_space(text, image, image_entry),
            query_side=_query_side(entry, words, text.vocabulary),
            files={path.name: path.stat().st_size for path in sorted(building.iterdir())},
            provenance=dict(provenance or {}),
            metrics=dict(metrics or {}),
        )
        write_manifest(building, manifest)
    return TopicSpace.load(folder)


def _text_tensors(entry: TextEntry) -> str:
    return LDA_TENSORS if entry.encoder == "lda" else TEXT_TENSORS


def _vector_space(text: TextEncoder, image: ImageEncoder, entry: EncoderEntry | None) -> str:
    # The text tensors are the topics themselves: a vector's axes mean what they say.
    return fingerprint(
        {f"image.{name}": tensor for name, tensor in image.tensors().items()}
        | {f"text.{name}": tensor for name, tensor in text.tensors().items()}
        | {"image": entry and entry.to_json(), "dimensions": text.dimensions}
    )


def _query_side(entry: TextEntry, words: Mapping[str, Float32], vocabulary: Vocabulary) -> str:
    forms = [
        [word.stem, [form for form, _ in word.forms], *([list(word.also)] if word.also else [])]
        for word in vocabulary.words
    ]
    return fingerprint({**words, "forms": forms, "normalizer": entry.normalizer, "scores": entry.scores})
