"""What each topic is about, in the words of the captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.protocols import LiftTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SpaceError

Float32 = NDArray[np.float32]

#: Word vectors that are read at once.
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's number, its share of the training captions p(k), and its most probable words with P(word | topic)."""

    topic: int
    share: float
    words: tuple[tuple[str, float], ...]

    def to_json(self) -> dict[str, Any]:
        """The topic in JSON values."""
        words = [{"word": word, "weight": weight} for word, weight in self.words]
        return {"topic": self.topic, "share": self.share, "words": words}


def describe_topics(space: TopicSpace, *, words: int) -> list[Topic]:
    """All topics with their `words` most probable words, those with the largest share first.

    Raises SpaceError for a text encoder without topics.
    """
    encoder = space.text_encoder
    if not isinstance(encoder, LiftTextEncoder):
        raise SpaceError(f"the text encoder {encoder.name!r} of {space.folder} has no topics that are made of words")
    forms = [word.form for word in encoder.vocabulary.words]
    order = np.argsort(-encoder.topic_prior, kind="stable")
    leading = np.argsort(-encoder.topic_words, axis=1, kind="stable")[:, :words]
    return [
        Topic(
            int(topic),
            float(encoder.topic_prior[topic]),
            tuple((forms[word], float(encoder.topic_words[topic, word])) for word in leading[topic]),
        )
        for topic in order
    ]


def leading_words(space: TopicSpace, topics: Sequence[int], words: int) -> dict[int, tuple[str, ...]]:
    """The `words` most probable words of each of these topics; nothing for a text encoder without topics made of words."""
    encoder = space.text_encoder
    if not isinstance(encoder, LiftTextEncoder):
        return {}
    vocabulary = encoder.vocabulary.words
    found = {}
    for topic in topics:
        leading = np.argsort(-encoder.topic_words[topic], kind="stable")[:words]
        found[topic] = tuple(vocabulary[word].form for word in leading.tolist())
    return found


def nearest_words(space: TopicSpace, vectors: Float32, count: int) -> list[list[int]]:
    """For each of `vectors`, float32 (n, dimensions), the ids of the `count` words with the largest dot products, best first."""
    words = len(space.words.vocabulary)
    products = [
        vectors @ space.words.vectors("lift", list(range(begin, min(begin + _ROWS, words)))).T
        for begin in range(0, words, _ROWS)
    ]
    nearest: list[list[int]] = np.argsort(-np.concatenate(products, axis=1), axis=1, kind="stable")[:, :count].tolist()
    return nearest
