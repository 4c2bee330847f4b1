"""The arithmetic of latent Dirichlet allocation, compiled: what gensim's `LdaModel` does, many times faster.

Topics lie word by word, float32 (words, topics), so that a document touches a few rows that stay in the processor's cache, and
all loops over topics are vectorised. The exponential of the digamma function, which is all that either is needed for, is
computed in one go.
Source: Hoffman, Blei and Bach, "Online Learning for Latent Dirichlet Allocation" (2010), as gensim implements it.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core.types import float32, int32
from numba.extending import intrinsic
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

# Sums may be taken in another order, so that they can be vectorised, but always in the same one: results do not change
# from run to run. Infinities and what is not a number keep their meaning.
_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"})
_inlined = numba.njit(cache=True, inline="always")
_f = np.float32
#: Added to the probability of a word in a document, so that it is never 0.
_EPSILON = _f(1e-30)


def _bitcast(typing: Any, bits: Any) -> Any:
    del typing, bits
    return float32(int32), lambda context, builder, signature, arguments: builder.bitcast(arguments[0], ir.FloatType())


#: The float32 with the bits of an int32.
_float_of_bits: Any = intrinsic(_bitcast)


@_inlined
def _exp(x: np.float32) -> np.float32:
    """exp(x) for -87 <= x <= 88, to a unit in the last place or two: by a power of two and a polynomial (Cephes, expf)."""
    power = np.floor(x * _f(1.44269504) + _f(0.5))
    rest = x - power * _f(0.693359375) + power * _f(2.12194440e-4)
    series = _f(1.9875691500e-4)
    series = series * rest + _f(1.3981999507e-3)
    series = series * rest + _f(8.3334519073e-3)
    series = series * rest + _f(4.1665795894e-2)
    series = series * rest + _f(1.6666665459e-1)
    series = series * rest + _f(5.0000001201e-1)
    scale: np.float32 = _float_of_bits(np.int32((np.int32(power) + np.int32(127)) << np.int32(23)))
    result: np.float32 = (series * rest * rest + rest + _f(1)) * scale
    return result


@_inlined
def _exponent(x: np.float32) -> np.float32:
    """digamma(x) - log(x + 4) for x > 0: digamma(x) = digamma(y) - sum of 1 / (x + i) for i < 4, y = x + 4, there by its series.

    It grows with x.
    """
    x = min(x, _f(1e4))  # the powers below would overflow; what is beyond hardly changes
    x1, x2, x3, y = x + _f(1), x + _f(2), x + _f(3), x + _f(4)
    low, high = x * x1, x2 * x3
    inverse = _f(1) / (low * high * y)  # the one division
    small = inverse * (low * high)
    steps = ((x + x1) * high + (x2 + x3) * low) * (inverse * y)
    square = small * small
    return -steps - _f(0.5) * small - square * (_f(1 / 12) - square * (_f(1 / 120) - square * _f(1 / 252)))


@_inlined
def _exp_digamma(x: np.float32, over: np.float32) -> np.float32:
    """exp(digamma(x) - over), for over at most 87 above what digamma is for the largest x."""
    # From 10,000 on digamma is log(x - 1/2), to all digits that float32 has.
    base = x - _f(0.5) if x > _f(1e4) else x + _f(4)
    return base * _exp(max((_f(0) if x > _f(1e4) else _exponent(x)) - over, _f(-87)))


@_compiled
def exp_digamma(x: Float32, out: Float32) -> None:
    """exp(digamma(x)) of each of `x`, float32 (n,), into `out`."""
    for i in range(len(x)):
        out[i] = _exp_digamma(x[i], _f(0))


@_compiled
def infer(
    documents: NDArray[np.int64], begin: int, end: int, offsets: NDArray[np.int64], ids: NDArray[np.int32],
    counts: NDArray[np.int32], topics: Float32, scale: Float32, alpha: Float32, start: Float32, iterations: int,
    threshold: np.float32, gamma: Float32, theta: Float32, begins: NDArray[np.int64], shares: Float32,
) -> None:  # fmt: skip
    """The expectation step for documents[begin:end]: variational inference, a document at a time.

    documents: int64, which documents of the corpus (offsets, ids, counts). topics: float32 (words, topics), times scale
    (topics,) exp E[log beta], but for a factor of each word, which changes nothing. alpha: (topics,), the document-topic
    prior; start: (topics,), gamma at the beginning. It ends when gamma changes by less than `threshold` on average over
    topics, or after `iterations`.
    Filled: gamma and theta, exp E[log theta] times scale, float32 (len(documents), topics), at the place of each document;
    shares, float32 (entries,), from begins[document] on: each word's count over its probability in the document.
    """
    size = topics.shape[1]
    total = np.empty(size, dtype=np.float32)
    for place in range(begin, end):
        first, last = offsets[documents[place]], offsets[documents[place] + 1]
        here, now = gamma[place], theta[place]
        weight = _f(0)
        for k in range(size):
            here[k] = start[k]
            weight += start[k]
        norm = _f(1) / _exp_digamma(weight, _f(0))
        for k in range(size):
            now[k] = _exp_digamma(here[k], _f(0)) * norm * scale[k]
        for _ in range(iterations):
            for k in range(size):
                total[k] = _f(0)
            for entry in range(first, last):
                row = topics[ids[entry]]
                probability = _f(0)
                for k in range(size):
                    probability += now[k] * row[k]
                share = _f(counts[entry]) / (probability + _EPSILON)
                for k in range(size):
                    total[k] += share * row[k]
            change = _f(0)
            weight = _f(0)
            for k in range(size):
                new = alpha[k] + now[k] * total[k]
                change += abs(new - here[k])
                weight += new
                here[k] = new
            norm = _f(1) / _exp_digamma(weight, _f(0))
            for k in range(size):
                now[k] = _exp_digamma(here[k], _f(0)) * norm * scale[k]
            if change < threshold * size:
                break
        for entry in range(first, last):
            row = topics[ids[entry]]
            probability = _f(0)
            for k in range(size):
                probability += now[k] * row[k]
            shares[begins[place] + entry - first] = _f(counts[entry]) / (probability + _EPSILON)


@_compiled
def by_word(
    documents: NDArray[np.int64], offsets: NDArray[np.int64], ids: NDArray[np.int32], begins: NDArray[np.int64],
    starts: NDArray[np.int64], rows: NDArray[np.int32], entries: NDArray[np.int64],
) -> None:  # fmt: skip
    """Where each word is in `documents`: starts int64 (words + 1,); rows and entries (entries of the documents,), filled for
    word w from starts[w] to starts[w + 1] with the places of the documents, in their order, and those of their shares."""
    starts[:] = 0
    for place in range(len(documents)):
        for entry in range(offsets[documents[place]], offsets[documents[place] + 1]):
            starts[ids[entry] + 1] += 1
    for word in range(len(starts) - 1):
        starts[word + 1] += starts[word]
    for place in range(len(documents)):
        first = offsets[documents[place]]
        for entry in range(first, offsets[documents[place] + 1]):
            there = starts[ids[entry]]
            rows[there] = place
            entries[there] = begins[place] + entry - first
            starts[ids[entry]] = there + 1
    for word in range(len(starts) - 1, 0, -1):
        starts[word] = starts[word - 1]
    starts[0] = 0


@_compiled
def update(
    begin: int, end: int, starts: NDArray[np.int64], rows: NDArray[np.int32], entries: NDArray[np.int64], theta: Float32,
    shares: Float32, weights: Float32, keep: np.float32, take: np.float32, eta: np.float32, statistics: Float32,
    topics: Float32, sums: NDArray[np.float64],
) -> None:  # fmt: skip
    """The maximisation step for words begin to end: statistics become keep * statistics + take * those of the documents.

    weights: float32 (documents,), how much each counts; statistics, topics: float32 (words, topics), of which topics
    becomes exp(digamma(eta + statistics)), over a power of e of each word, so that a word keeps its differences between
    topics where all of them are too small for float32; sums: float64 (topics,), to which eta + statistics is added.
    """
    size = topics.shape[1]
    found = np.empty(size, dtype=np.float32)
    for word in range(begin, end):
        for k in range(size):
            found[k] = _f(0)
        for there in range(starts[word], starts[word + 1]):
            row = theta[rows[there]]
            share = shares[entries[there]] * weights[rows[there]]
            for k in range(size):
                found[k] += share * row[k]
        of_word, here = statistics[word], topics[word]
        largest = _f(0)
        for k in range(size):
            new = keep * of_word[k] + take * found[k] * here[k]
            of_word[k] = new
            sums[k] += np.float64(new + eta)
            largest = max(largest, new + eta)
        over = min(_exponent(largest), _f(0))
        for k in range(size):
            here[k] = _exp_digamma(of_word[k] + eta, over)
