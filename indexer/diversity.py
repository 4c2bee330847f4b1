"""Diversity: a ranking reordered so that pictures unlike those before them come earlier."""

import numpy as np
from numpy.typing import NDArray

from topicidx.indexer.scoring import Float64
from topicidx.indexer.store import Float32

#: How much the score counts, the rest being unlikeness.
RELEVANCE = 0.6
#: Pictures that are reordered among themselves: the best so many, then the next, so that pages fit together.
BLOCK = 120


def maximal_marginal_relevance(vectors: Float32, scores: Float64, relevance: float = RELEVANCE) -> NDArray[np.int64]:
    """The order, int64 (n,), that takes next what scores high and is unlike all that was taken before.

    vectors: float32 (n, dimensions); scores: float64 (n,). Each time the largest relevance * s - (1 - relevance) * c is
    taken: s is the score, brought to lie between 0 (the least) and 1 (the best), c the largest cosine with one taken
    before. Equal ones come in the order given. Source: Carbonell and Goldstein, "The use of MMR, diversity-based
    reranking for reordering documents" (1998).
    """
    units = vectors.astype(np.float64)
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    spread = np.ptp(scores) if len(scores) else 0.0
    worth = relevance * ((scores - scores.min()) / spread if spread > 0 else np.zeros(len(scores)))
    nearest = np.zeros(len(scores))
    order = np.empty(len(scores), dtype=np.int64)
    for place in range(len(scores)):
        order[place] = chosen = int(np.argmax(worth - (1 - relevance) * nearest))
        nearest = np.maximum(nearest, units @ units[chosen])
        worth[chosen] = -np.inf
    return order
