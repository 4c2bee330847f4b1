"""WordTable: the vocabulary and its two vectors for each word, read without any learning library."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from topicidx.embedders.normalizer import CaptionNormalizer, Token
from topicidx.embedders.vocabulary import Vocabulary
from topicidx.errors import SpaceDamagedError

Float32 = NDArray[np.float32]
VectorName = Literal["lift", "topics"]


@dataclass(frozen=True)
class WordTable:
    """The words of a topic space. Vector rows are read from the file by slice, never the whole table."""

    normalizer: CaptionNormalizer
    vectors_file: Path
    vocabulary_file: Path
    dimensions: int
    words: int = field(compare=False)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The stems with their surface forms. Raises SpaceDamagedError where the file is damaged."""
        try:
            vocabulary = Vocabulary.read(self.vocabulary_file)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SpaceDamagedError(
                f"{self.vocabulary_file} is damaged ({error}); train the topic space again"
            ) from error
        if len(vocabulary) != self.words:
            raise SpaceDamagedError(
                f"{self.vocabulary_file} has {len(vocabulary)} words, space.json says {self.words}; train the topic space again"
            )
        return vocabulary

    def find(self, text: str) -> list[tuple[Token, int | None]]:
        """The words of `text` that are no stop words, each with its word id, or None where it is unknown."""
        return [(token, self.vocabulary.find(token.stem, token.form)) for token in self.normalizer.tokens(text)]

    def mean_vector(self, name: VectorName, text: str) -> tuple[NDArray[np.float64] | None, list[str]]:
        """The mean of the vectors of the words of `text`, float64 (dimensions,), None where none is known; and the unknown ones.

        A word that stands in the text twice counts twice; stop words count for nothing. Raises SpaceDamagedError.
        """
        found = self.find(text)
        known = [word for _, word in found if word is not None]
        unknown = list(dict.fromkeys(token.form for token, word in found if word is None))
        return (self.vectors(name, known).mean(axis=0, dtype=np.float64) if known else None), unknown

    def vectors(self, name: VectorName, words: list[int]) -> Float32:
        """Rows of the table: float32 (len(words), dimensions). Raises SpaceDamagedError where the file is damaged."""
        try:
            with safe_open(self.vectors_file, framework="numpy") as file:
                table = file.get_slice(name)
                if table.get_shape() != [self.words, self.dimensions]:
                    raise SpaceDamagedError(
                        f"{self.vectors_file}: {name} is {table.get_shape()}, not {[self.words, self.dimensions]}; "
                        "train the topic space again"
                    )
                rows = [table[word : word + 1] for word in words]
        except (OSError, SafetensorError) as error:
            raise SpaceDamagedError(f"{self.vectors_file} is damaged ({error}); train the topic space again") from error
        vectors = np.concatenate(rows) if rows else np.empty((0, self.dimensions), dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise SpaceDamagedError(
                f"{self.vectors_file}: {name} holds values that are not finite; train the topic space again"
            )
        return vectors
