"""What is done with every word of a corpus, compiled: digests of documents, counts, and bags of words."""

import numba
import numpy as np
from numpy.typing import NDArray

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def document_digests(starts: NDArray[np.int64], words: NDArray[np.int32], digests: NDArray[np.uint64]) -> None:
    """A digest of each document's words, whatever their order: uint64 (documents,); those below 0 do not count.

    starts: int64 (documents + 1,), document d is words[starts[d] : starts[d + 1]].
    """
    for document in range(len(starts) - 1):
        total = np.uint64(0)
        for place in range(starts[document], starts[document + 1]):
            if words[place] >= 0:
                # The mixing function of splitmix64 (Steele et al., "Fast Splittable Pseudorandom Number Generators", 2014).
                mixed = (np.uint64(words[place]) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
                mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                total += mixed ^ (mixed >> np.uint64(31))
        digests[document] = total


@_compiled
def count_documents(
    starts: NDArray[np.int64], words: NDArray[np.int32], weights: NDArray[np.float32],
    last: NDArray[np.int64], counts: NDArray[np.int64], weighted: NDArray[np.float64], first: int,
) -> None:  # fmt: skip
    """Add to `counts` in how many documents each word is, and to `weighted` the sums of their weights.

    last: int64 (distinct words,), -1 at the beginning; first: the number of the first of these documents.
    """
    for document in range(len(starts) - 1):
        for place in range(starts[document], starts[document + 1]):
            word = words[place]
            if last[word] != first + document:
                last[word] = first + document
                counts[word] += 1
                weighted[word] += weights[document]


@_compiled
def bags_of_words(
    starts: NDArray[np.int64], words: NDArray[np.int32],
    sizes: NDArray[np.int64], ids: NDArray[np.int32], counts: NDArray[np.int32],
) -> int:  # fmt: skip
    """Write each document's different words with their counts, in the order of the ids; those below 0 are dropped.

    sizes: int64 (documents,), how many each document has; ids, counts: int32 (words,), filled from the beginning.
    Returns how far they are filled.
    """
    end = 0
    for document in range(len(starts) - 1):
        row = np.sort(words[starts[document] : starts[document + 1]])
        begin = end
        for word in row:
            if word < 0:
                continue
            if end > begin and ids[end - 1] == word:
                counts[end - 1] += 1
            else:
                ids[end] = word
                counts[end] = 1
                end += 1
        sizes[document] = end - begin
    return end
