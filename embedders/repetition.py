"""Captions that come many times: how often, and how much they count, so that floods of one caption eat no topics."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Repetition:
    """Which documents have the same words as others.

    counts: int64 (documents,), for the first document of some words how many have the same, for the others 0; documents
    without words have 0. times: int64 (groups,), the counts of two and more, the largest first; examples: int64 (groups,),
    their documents.
    """

    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    examples: NDArray[np.int64]

    @property
    def weights(self) -> NDArray[np.float32]:
        """How much each document counts where it is learned from: float32 (documents,).

        The first of n with the same words as much as n up to two, and 2 + 2 ln(n / 2) beyond, so that a thousand count as
        14; the others nothing.
        """
        more = np.maximum(self.counts, 2)
        return np.where(self.counts > 2, 2 + 2 * np.log(more / 2), self.counts).astype(np.float32)

    @property
    def repeated(self) -> int:
        """How many documents only say again what another one says."""
        return int((self.times - 1).sum())


def find_repetition(digests: NDArray[np.uint64], sizes: NDArray[np.integer]) -> Repetition:
    """The repetition among documents. digests: uint64 (documents,), equal for the same words; sizes: how many words each has.

    Memory: some 40 bytes a document.
    """
    counts = np.zeros(len(digests), dtype=np.int64)
    telling = np.flatnonzero(sizes > 0)
    _, first, times = np.unique(digests[telling], return_index=True, return_counts=True)
    counts[telling[first]] = times
    several = np.flatnonzero(times > 1)
    order = several[np.lexsort((first[several], -times[several]))]
    return Repetition(counts, times[order].astype(np.int64), telling[first[order]])
