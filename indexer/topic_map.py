"""How far topics lie from one another by their words, and a map of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: The map's width and height; positions and radii are in the same unit.
WIDTH, HEIGHT = 1_000.0, 640.0

#: Words that are told apart, those most probable in any topic; all others count as one word.
_WORDS = 4_000
#: Numbers that one step works on, so that they stay in the processor's cache.
_STEP = 250_000
#: Fewer topics than these are laid out by classical scaling alone: neighbourhoods of so few say nothing more.
_FEW = 12
_PERPLEXITY = 15
#: The share of the map that circles cover.
_COVERED = 0.2
#: The least room between two circles, and how often those that overlap are pushed apart.
_GAP, _PUSHES = 1.5, 150


@dataclass(frozen=True, slots=True)
class TopicDistances:
    """Jensen-Shannon distances between the word distributions of `topics`: float32 (n, n), 0 (the same) to 1 (no word shared)."""

    topics: tuple[int, ...]
    values: Float32

    @classmethod
    def between(cls, topics: Sequence[int], topic_words: Float32) -> "TopicDistances":
        """The distances of `topics`, whose word distributions are rows of `topic_words`, float32 (all topics, words)."""
        return cls(tuple(topics), jensen_shannon(topic_words[list(topics)]))

    def nearest(self, topic: int, count: int) -> tuple[tuple[int, float], ...]:
        """The `count` topics nearest to `topic` with their distances; none for a topic that was not measured."""
        if topic not in self.topics:
            return ()
        place = self.topics.index(topic)
        order = np.argsort(self.values[place], kind="stable").tolist()
        others = [other for other in order if other != place][:count]
        return tuple((self.topics[other], float(self.values[place, other])) for other in others)

    def among(self, topics: Sequence[int]) -> Float32:
        """The distances of these topics alone, in their order."""
        places = [self.topics.index(topic) for topic in topics]
        found: Float32 = self.values[np.ix_(places, places)]
        return found


@dataclass(frozen=True, slots=True)
class Circle:
    """A topic's place on the map, and the radius of its circle."""

    x: float
    y: float
    radius: float


def jensen_shannon(distributions: Float32) -> Float32:
    """Distances between distributions, float32 (n, words): float32 (n, n), to the base 2.

    The square root of the Jensen-Shannon divergence (D. Endres and J. Schindelin, 2003). In large vocabularies the words that are
    rare in every topic are put together, which makes no distance larger.
    """
    kept = _pooled(distributions)
    count, words = kept.shape
    negative_entropy = _x_log_x(kept)
    divergence = np.zeros((count, count), dtype=np.float32)
    rows = max(1, _STEP // words)
    for one in range(count):
        for begin in range(one + 1, count, rows):
            others = slice(begin, begin + rows)
            middle = (kept[others] + kept[one]) * np.float32(0.5)
            divergence[one, others] = (negative_entropy[one] + negative_entropy[others]) / 2 - _x_log_x(middle)
    distances: Float32 = np.sqrt(np.maximum(divergence + divergence.T, 0) / np.log(2)).astype(np.float32)
    return distances


def map_topics(distances: Float32, shares: Sequence[float], *, seed: int = 0) -> list[Circle]:
    """A circle for each topic: similar ones near each other, its area its share, none on top of another.

    distances: float32 (n, n). The same arguments give the same map.
    """
    if not len(distances):
        return []
    weights = np.asarray(shares, dtype=np.float64)
    radii = np.sqrt(weights / weights.sum() * WIDTH * HEIGHT * _COVERED / np.pi)
    places = _apart(_into_frame(_plane(distances, seed), radii), radii)
    return [Circle(x, y, radius) for (x, y), radius in zip(places.tolist(), radii.tolist(), strict=True)]


def _pooled(distributions: Float32) -> Float32:
    if distributions.shape[1] <= _WORDS:
        return np.ascontiguousarray(distributions)
    leading = np.argsort(-distributions.max(axis=0), kind="stable")[:_WORDS]
    kept = distributions[:, leading]
    rest = np.maximum(1 - kept.sum(axis=1, keepdims=True), 0)
    return np.ascontiguousarray(np.hstack([kept, rest]), dtype=np.float32)


def _x_log_x(distributions: Float32) -> Float32:
    """The sum of x ln x over each row."""
    logarithms = np.log(np.maximum(distributions, np.float32(1e-30)))
    sums: Float32 = np.einsum("ij,ij->i", distributions, logarithms)
    return sums


def _plane(distances: Float32, seed: int) -> Float64:
    """A point on a plane for each topic, float64 (n, 2)."""
    from sklearn.decomposition import KernelPCA
    from sklearn.manifold import TSNE

    count = len(distances)
    if count == 1:
        return np.zeros((1, 2))
    # Classical multidimensional scaling is a kernel PCA of squared distances.
    scaling = KernelPCA(2, kernel="precomputed", random_state=seed)
    scaled: Float64 = np.nan_to_num(scaling.fit_transform(-0.5 * distances.astype(np.float64) ** 2))
    if count < _FEW:
        return scaled
    # Of 462 topics of real captions t-SNE keeps 17 % of the nearest five as neighbours, MDS, which fills a disc evenly, 2 %.
    start = (scaled / max(float(scaled[:, 0].std()), 1e-9) * 1e-4).astype(np.float32)
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    layout = TSNE(2, metric="precomputed", init=start, perplexity=perplexity, random_state=seed)
    return np.asarray(layout.fit_transform(distances), dtype=np.float64)


def _into_frame(points: Float64, radii: Float64) -> Float64:
    """Points stretched so that they fill the map up to the circles' own room at its edges."""
    margin = float(radii.max()) + _GAP
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    room = np.array([WIDTH, HEIGHT]) - 2 * margin
    flat = extent < 1e-9
    relative = np.where(flat, 0.5, (points - low) / np.where(flat, 1, extent))
    return margin + relative * room


def _apart(points: Float64, radii: Float64) -> Float64:
    """Points moved until their circles no longer overlap, as far as a number of small pushes gets."""
    from scipy.spatial import cKDTree

    points, edge = points.copy(), (radii + _GAP)[:, None]
    # Circles that lie exactly on one another part in directions of their own.
    angles = np.arange(len(points)) * 2.399963
    points += 1e-3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for _ in range(_PUSHES):
        pairs = cKDTree(points).query_pairs(2 * float(radii.max()) + _GAP, output_type="ndarray")
        first, second = pairs[:, 0], pairs[:, 1]
        between = points[second] - points[first]
        length = np.maximum(np.linalg.norm(between, axis=1), 1e-9)
        overlap = radii[first] + radii[second] + _GAP - length
        touching = overlap > 0
        if not touching.any():
            break
        push = (between / length[:, None] * overlap[:, None] / 2)[touching]
        np.add.at(points, first[touching], -push)
        np.add.at(points, second[touching], push)
        points = np.clip(points, edge, np.array([WIDTH, HEIGHT]) - edge)
    return points
