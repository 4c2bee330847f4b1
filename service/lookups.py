"""Lookups: what is asked of an index beside pictures, worked out once: words by their beginnings, cities, topics."""

import heapq
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from topicidx.embedders.protocols import LiftTextEncoder
from topicidx.embedders.vocabulary import unaccented
from topicidx.indexer.index import Index
from topicidx.indexer.store import PointFilter
from topicidx.indexer.topics import Topic, describe_topics

#: Words told of each topic.
TOPIC_WORDS = 10
#: Cities whose names are shown as people wrote them, the most frequent first; the rest go by their keys.
LABELLED = 300


@dataclass(frozen=True, slots=True)
class City:
    """A city by its key, as people wrote it, and how many pictures are of it."""

    key: str
    label: str
    count: int


class Lookups:
    """Words, cities and topics of an open index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._counted: tuple[int, tuple[City, ...]] | None = None

    def warm_up(self) -> None:
        """Work out what is asked for while people type."""
        self._spellings  # noqa: B018 kept when it is asked for

    def words(self, beginning: str, limit: int) -> list[tuple[str, int]]:
        """The words that begin so, without regard to case and accents, with how many captions have them, most first."""
        wanted = _folded(beginning)
        spellings = self._spellings
        found: dict[int, str] = {}
        for place in range(bisect_left(spellings, (wanted,)), len(spellings)):
            spelling, word, form = spellings[place]
            if not spelling.startswith(wanted):
                break
            # The word's most frequent form comes first among those that begin so.
            if word not in found or self._rank_of(word, form) < self._rank_of(word, found[word]):
                found[word] = form
        vocabulary = self._index.space.words.vocabulary.words
        best = heapq.nsmallest(limit, found, key=lambda word: (-vocabulary[word].documents, found[word]))
        return [(found[word], vocabulary[word].documents) for word in best]

    def cities(self) -> tuple[City, ...]:
        """All cities, those with most pictures first; counted again where the store has more or fewer pictures than before."""
        store = self._index.store
        pictures = store.count()
        if self._counted is None or self._counted[0] != pictures:
            counts = store.facet("city")
            self._counted = (
                pictures,
                tuple(
                    City(key, self._label(key) if place < LABELLED else key, count)
                    for place, (key, count) in enumerate(counts.items())
                ),
            )
        return self._counted[1]

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        """The topics that captions speak of, the most frequent first; none for a text encoder without topics."""
        if not isinstance(self._index.space.text_encoder, LiftTextEncoder):
            return ()
        return tuple(topic for topic in describe_topics(self._index.space, words=TOPIC_WORDS) if not topic.unused)

    @cached_property
    def topic_by_number(self) -> dict[int, Topic]:
        return {topic.topic: topic for topic in self.topics}

    def _label(self, key: str) -> str:
        any_vector = np.ones((1, self._index.space.dimensions), dtype=np.float32)
        best = self._index.store.search(any_vector, 1, PointFilter((key,)))[0]
        records = self._index.store.retrieve(best.ids)
        label = records[0].payload.get("city_label") if records else None
        return label if isinstance(label, str) else key

    def _rank_of(self, word: int, form: str) -> int:
        forms = self._index.space.words.vocabulary.words[word].forms
        return next((rank for rank, (known, _) in enumerate(forms) if known == form), len(forms))

    @cached_property
    def _spellings(self) -> list[tuple[str, int, str]]:
        """Every form of every word, folded, in order: the folded form, the word's id, the form."""
        words = self._index.space.words.vocabulary.words
        return sorted((_folded(form), number, form) for number, word in enumerate(words) for form, _ in word.forms)


def _folded(text: str) -> str:
    return unaccented(unicodedata.normalize("NFC", text).casefold())
