"""What each topic is about, in the words of the captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.protocols import LiftTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SpaceError
from topicidx.indexer.topic_map import TopicDistances

Float32 = NDArray[np.float32]

#: Topics that are told as nearest to one.
NEAREST = 5
#: Word vectors that are read at once.
_ROWS = 10_000
#: In a topic that hardly any caption speaks of, no word is as many times likelier than any other.
_FLAT = 2


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's number, its share of the training captions p(k), and its most probable words with P(word | topic).

    unused: hardly any caption speaks of it, so that all words are equally probable. nearest: the topics with the most similar
    words, and their Jensen-Shannon distances, where they were asked for.
    """

    topic: int
    share: float
    words: tuple[tuple[str, float], ...]
    unused: bool = False
    nearest: tuple[tuple[int, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The topic in JSON values."""
        return {
            "topic": self.topic,
            "share": self.share,
            "unused": self.unused,
            "words": [{"word": word, "weight": weight} for word, weight in self.words],
            "nearest": [{"topic": topic, "distance": distance} for topic, distance in self.nearest],
        }


def describe_topics(space: TopicSpace, *, words: int, distances: TopicDistances | None = None) -> list[Topic]:
    """All topics with their `words` most probable words, those with the largest share first, unused ones last.

    distances: what `topic_distances` gives, for topics with their nearest ones. Raises SpaceError for a text encoder without
    topics.
    """
    encoder = _with_topics(space)
    forms = [word.form for word in encoder.vocabulary.words]
    unused = _unused(encoder.topic_words)
    leading = np.argsort(-encoder.topic_words, axis=1, kind="stable")[:, :words]
    return [
        Topic(
            topic,
            float(encoder.topic_prior[topic]),
            tuple((forms[word], float(encoder.topic_words[topic, word])) for word in leading[topic]),
            bool(unused[topic]),
            distances.nearest(topic, NEAREST) if distances else (),
        )
        for topic in np.lexsort((-encoder.topic_prior, unused)).tolist()
    ]


def topic_distances(space: TopicSpace) -> TopicDistances:
    """How far apart the words of topics are, unused ones left out. Raises SpaceError for a text encoder without topics."""
    phi = _with_topics(space).topic_words
    return TopicDistances.between(np.flatnonzero(~_unused(phi)).tolist(), phi)


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


def _with_topics(space: TopicSpace) -> LiftTextEncoder:
    encoder = space.text_encoder
    if not isinstance(encoder, LiftTextEncoder):
        raise SpaceError(f"the text encoder {encoder.name!r} of {space.folder} has no topics that are made of words")
    return encoder


def _unused(topic_words: Float32) -> NDArray[np.bool_]:
    """Which topics, rows of `topic_words`, have learned no word."""
    flat: NDArray[np.bool_] = topic_words.max(axis=1) < _FLAT * topic_words.min(axis=1)
    return flat
