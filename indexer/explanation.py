"""Why a picture is found: the topics that the terms of a query speak of, and each term's lift for each picture.

Where scores are similarities, dimensions mean nothing to people: the words that lie nearest are told in place of topics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.compiled_query import CompiledQuery
from topicidx.indexer.results import Hit, SearchResult, Unknown, unknown_json
from topicidx.indexer.scoring import Float64, Scoring
from topicidx.indexer.store import Float32
from topicidx.indexer.topics import leading_words, nearest_words

#: Topics told of each picture, and words of each topic.
HIT_TOPICS, TOPIC_WORDS = 3, 5
#: Words told of each term and each picture where there are no topics.
NEAR_WORDS = 5


@dataclass(frozen=True, slots=True)
class TopicShare:
    """A topic, its share of what is explained, and its most probable words (none where topics are not made of words)."""

    topic: int
    share: float
    words: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The topic in JSON values."""
        return {"topic": self.topic, "share": self.share, "words": list(self.words)}


@dataclass(frozen=True, slots=True)
class ExplainedTerm:
    """A word or picture of the query, its weight, and the topics it speaks of: P(topic | word), those with the largest
    share first. near: the other words that lie nearest to it, the nearest first, where scores are similarities."""

    label: str
    weight: float
    topics: tuple[TopicShare, ...] = ()
    near: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The term in JSON values."""
        return {"term": self.label, "weight": self.weight} | _reasons(self.topics, self.near)


@dataclass(frozen=True, slots=True)
class ExplainedHit:
    """A picture, its lift for each term in the order of the terms (with match="mean" or an encoder without lifts: its dot
    product), and the topics that carry its score: their shares of the lifts of what is asked for. near: the words that it
    is most like, where scores are similarities."""

    hit: Hit
    lifts: tuple[float, ...]
    topics: tuple[TopicShare, ...] = ()
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A query's result with the reasons for it. lifts: whether the hits' numbers are lifts."""

    query: str
    lifts: bool
    terms: tuple[ExplainedTerm, ...]
    hits: tuple[ExplainedHit, ...]
    unknown: tuple[Unknown, ...]

    def to_json(self) -> dict[str, Any]:
        """The JSON result: that of `search`, and `terms`; each result has its `lifts` (or `products`) by term and its
        `topics` (or the words `near`)."""
        name = "lifts" if self.lifts else "products"
        results = [
            explained.hit.to_json()
            | {
                name: [
                    {"term": term.label, "value": lift} for term, lift in zip(self.terms, explained.lifts, strict=True)
                ]
            }
            | _reasons(explained.topics, explained.near)
            for explained in self.hits
        ]
        terms = [term.to_json() for term in self.terms]
        return {"query": self.query, "terms": terms, "results": results} | unknown_json(self.unknown)


def explain(
    space: TopicSpace, compiled: CompiledQuery, found: SearchResult, vectors: Float32, *, topics: int
) -> Explanation:
    """The reasons for what was found; vectors: those of the pictures, float32 (n, dimensions)."""
    scoring = compiled.scoring
    if space.scores == "similarity":
        return _by_nearness(space, compiled, found, vectors)
    shares = _shares(space, scoring)
    carried = _carried(scoring, vectors)
    chosen = [_leading(row, topics) for row in shares]
    chosen_of_hits = [_leading(row, HIT_TOPICS) for row in carried]
    words = leading_words(space, sorted({int(k) for some in (*chosen, *chosen_of_hits) for k in some}), TOPIC_WORDS)
    terms = tuple(
        ExplainedTerm(term.label, term.weight, _topics(row, some, words))
        for term, row, some in zip(compiled.terms, shares, chosen, strict=True)
    )
    lifts = scoring.lifts(vectors)
    hits = tuple(
        ExplainedHit(hit, tuple(map(float, row)), _topics(share, some, words))
        for hit, row, share, some in zip(found, lifts, carried, chosen_of_hits, strict=True)
    )
    return Explanation(found.query, scoring.rule == "product", terms, hits, found.unknown)


def _by_nearness(space: TopicSpace, compiled: CompiledQuery, found: SearchResult, vectors: Float32) -> Explanation:
    forms = [word.form for word in space.words.vocabulary.words]
    asked = nearest_words(space, compiled.scoring.vectors, NEAR_WORDS + 1)
    seen = nearest_words(space, vectors, NEAR_WORDS)
    terms = tuple(
        ExplainedTerm(
            term.label, term.weight, near=tuple(forms[word] for word in words if word != term.word)[:NEAR_WORDS]
        )
        for term, words in zip(compiled.terms, asked, strict=True)
    )
    hits = tuple(
        ExplainedHit(hit, tuple(map(float, row)), near=tuple(forms[word] for word in words))
        for hit, row, words in zip(found, compiled.scoring.lifts(vectors), seen, strict=True)
    )
    return Explanation(found.query, False, terms, hits, found.unknown)


def _reasons(topics: tuple[TopicShare, ...], near: tuple[str, ...]) -> dict[str, Any]:
    return {"topics": [topic.to_json() for topic in topics]} | ({"near": list(near)} if near else {})


def _shares(space: TopicSpace, scoring: Scoring) -> Float64:
    """P(topic | term) of each term: float64 (terms, dimensions). Lift vectors are P(topic | term) / p(topic)."""
    shares = scoring.vectors.astype(np.float64)
    if scoring.rule == "product":
        shares = shares * space.topic_prior
    return _normalized(np.maximum(shares, 0))


def _carried(scoring: Scoring, vectors: Float32) -> Float64:
    """What share of a picture's lifts comes from each topic, on average over the terms asked for: float64 (n, dimensions)."""
    asked = np.flatnonzero(scoring.weights > 0) if (scoring.weights > 0).any() else np.arange(len(scoring.weights))
    weights = np.abs(scoring.weights[asked]) / np.abs(scoring.weights[asked]).sum()
    total = np.zeros(vectors.shape, dtype=np.float64)
    for term, weight in zip(asked, weights, strict=True):
        total += weight * _normalized(np.maximum(vectors * scoring.vectors[term].astype(np.float64), 0))
    return total


def _normalized(rows: Float64) -> Float64:
    divided: Float64 = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300)
    return divided


def _leading(row: Float64, count: int) -> NDArray[np.int64]:
    return np.argsort(-row, kind="stable")[:count]


def _topics(row: Float64, chosen: NDArray[np.int64], words: Mapping[int, tuple[str, ...]]) -> tuple[TopicShare, ...]:
    return tuple(TopicShare(int(k), float(row[k]), words.get(int(k), ())) for k in chosen if row[k] > 0)
