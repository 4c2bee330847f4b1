"""Online variational Bayes for LDA over a corpus on disk: gensim's training, with a compiled expectation step."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.vocabulary import BagOfWords

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Documents and words that a thread takes at once. Sums over words are taken block by block: changing this changes results.
DOCUMENTS, WORDS = 64, 256
#: Documents whose topics are inferred at once.
INFERRED = 4_096


class Bags(Protocol):
    """Documents as bags of words (`topicidx.embedders.corpus.DiskCorpus`).

    offsets: int64 (documents + 1,); document i is places offsets[i] to offsets[i + 1] of ids and counts, int32.
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int32]
    counts: NDArray[np.int32]


class ListedBags:
    """Bags of words from lists of (word id, count)."""

    def __init__(self, bags: Iterable[BagOfWords]) -> None:
        listed = list(bags)
        self.offsets = np.concatenate([[0], np.cumsum([len(bag) for bag in listed], dtype=np.int64)]).astype(np.int64)
        entries = np.array([entry for bag in listed for entry in bag], dtype=np.int32).reshape(-1, 2)
        self.ids, self.counts = np.ascontiguousarray(entries[:, 0]), np.ascontiguousarray(entries[:, 1])


class Schedule(Protocol):
    """How many documents an update takes, how often all are read, and how fast what was learned before is forgotten."""

    @property
    def chunksize(self) -> int: ...

    @property
    def passes(self) -> int: ...

    @property
    def decay(self) -> float: ...

    @property
    def offset(self) -> float: ...


class Group(Protocol):
    """Processes that train together (`topicidx.embedders.distributed.Ranks`)."""

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    def completed(self, array: Float32, ends: Sequence[int]) -> None:
        """Fill `array`, of which process r has computed rows ends[r - 1] to ends[r], with what the others have."""


@dataclass(frozen=True, slots=True)
class Alone:
    """One process."""

    rank: int = 0
    world_size: int = 1

    def completed(self, array: Float32, ends: Sequence[int]) -> None:
        """There is nobody to wait for."""


ALONE = Alone()


def learn_topics(
    model: "TopicModel", bags: Bags, weights: Float32, schedule: Schedule, *, seed: int, group: Group = ALONE,
    on_learned: Callable[[int, int], None] = lambda done, total: None,
) -> None:  # fmt: skip
    """Train `model` on the documents, of which document i counts `weights[i]` times; those of weight 0 are left out.

    gensim's updates and learning rates; each pass takes the documents in another random order, so that a collection in the
    order of its places or days is learned like any other. on_learned is called with the documents done and those to do.
    """
    telling = np.flatnonzero(weights > 0)
    total = float(weights.sum(dtype=np.float64))
    random, learned = np.random.default_rng(seed), 0
    for passed in range(schedule.passes):
        order = random.permutation(telling)
        for begin in range(0, len(order), schedule.chunksize):
            chunk = np.sort(order[begin : begin + schedule.chunksize])
            rate = (schedule.offset + passed + learned / schedule.chunksize) ** -schedule.decay
            share = float(weights[chunk].sum(dtype=np.float64)) / total
            model.learn(bags, chunk, weights[chunk], keep=1 - rate, take=rate / share, group=group)
            if passed == 0:
                learned += len(chunk)
            on_learned(passed * len(order) + begin + len(chunk), schedule.passes * len(order))


class TopicModel:
    """The topics of an LDA while they are learned, and inference with them.

    statistics: float32 (words, topics), the expected counts of each word in each topic, gensim's `state.sstats` transposed.
    alpha: float32 (topics,), the document-topic prior; eta: the topic-word prior of every word.
    Results do not depend on the number of threads, nor, to the bit, on that of processes.
    """

    def __init__(
        self, statistics: Float32, alpha: Float32, eta: float, *, iterations: int, threshold: float,
        threads: int | None = None,
    ) -> None:  # fmt: skip
        self.statistics = statistics
        self.alpha = np.ascontiguousarray(alpha, dtype=np.float32)
        self.eta = np.float32(eta)
        self.iterations = iterations
        self.threshold = np.float32(threshold)
        self.threads = threads or len(os.sched_getaffinity(0))
        self._topics = np.zeros_like(statistics)
        self._scale = np.empty(statistics.shape[1], dtype=np.float32)
        self._maximise(_Chunk.none(len(statistics), statistics.shape[1]), 1.0, 0.0, self.eta)

    @classmethod
    def random(
        cls, words: int, alpha: Float32, eta: float, *, seed: int, iterations: int, threshold: float,
        threads: int | None = None,
    ) -> "TopicModel":  # fmt: skip
        """gensim's random beginning: the same for the same seed, and, as there, without eta until the first update."""
        state = np.random.RandomState(seed)
        start = state.gamma(100.0, 0.01, (len(alpha), words)).astype(np.float32)
        model = cls(
            np.ascontiguousarray(start.T), alpha, 0.0, iterations=iterations, threshold=threshold, threads=threads
        )
        model.eta = np.float32(eta)
        return model

    @property
    def topics(self) -> int:
        return int(self.statistics.shape[1])

    def learn(
        self,
        bags: Bags,
        documents: NDArray[np.int64],
        weights: Float32,
        *,
        keep: float,
        take: float,
        group: Group = ALONE,
    ) -> Float32:
        """One update by the documents of these numbers, int64 (n,), of which document i counts `weights[i]` times.

        The statistics become keep times themselves and take times those of the documents. Returns gamma, float32 (n,
        topics): the parameters of the documents' topic distributions, of the whole group where there is one.
        """
        chunk = _Chunk.of(bags, documents, len(self.statistics), self.topics, weights)
        share = -(-len(documents) // group.world_size)
        ends = [min(len(documents), (rank + 1) * share) for rank in range(group.world_size)]
        self._infer(chunk, bags, min(len(documents), group.rank * share), ends[group.rank])
        for array in (chunk.gamma, chunk.theta):
            group.completed(array, ends)
        group.completed(chunk.shares, [int(chunk.begins[end]) for end in ends])
        self._maximise(chunk, keep, take, self.eta)
        return chunk.gamma

    def infer(self, bags: Bags, documents: NDArray[np.int64] | None = None) -> Iterator[Float32]:
        """gamma of the documents of these numbers, or of all, in blocks: float32 (block, topics), one row a document.

        Every document starts from the same gamma, so that its own depends on its words alone, to the bit.
        """
        documents = np.arange(len(bags.offsets) - 1) if documents is None else documents
        for begin in range(0, len(documents), INFERRED):
            chunk = _Chunk.of(bags, documents[begin : begin + INFERRED], 0, self.topics)
            self._infer(chunk, bags, 0, len(chunk.documents))
            yield chunk.gamma

    def statistics_of(self, bags: Bags) -> tuple[Float32, Float32]:
        """(gamma, statistics) of all documents: float32 (documents, topics) and, expected counts, (words, topics)."""
        chunk = _Chunk.of(bags, np.arange(len(bags.offsets) - 1), len(self.statistics), self.topics)
        self._infer(chunk, bags, 0, len(chunk.documents))
        statistics, topics = np.zeros_like(self.statistics), self._topics.copy()
        self._update(chunk, 0.0, 1.0, self.eta, statistics, topics)
        return chunk.gamma, statistics

    def _infer(self, chunk: "_Chunk", bags: Bags, begin: int, end: int) -> None:
        from topicidx.embedders.lda_kernels import infer

        start = np.ones(self.topics, dtype=np.float32)

        def block(first: int) -> None:
            infer(
                chunk.documents, first, min(first + DOCUMENTS, end), bags.offsets, bags.ids, bags.counts, self._topics,
                self._scale, self.alpha, start, self.iterations, self.threshold, chunk.gamma, chunk.theta, chunk.begins,
                chunk.shares,
            )  # fmt: skip

        self._in_threads(block, range(begin, end, DOCUMENTS))

    def _maximise(self, chunk: "_Chunk", keep: float, take: float, eta: np.float32) -> None:
        from topicidx.embedders.lda_kernels import exp_digamma

        sums = self._update(chunk, keep, take, eta, self.statistics, self._topics)
        exp_digamma(sums.astype(np.float32), self._scale)
        np.divide(np.float32(1), self._scale, out=self._scale)

    def _update(
        self, chunk: "_Chunk", keep: float, take: float, eta: np.float32, statistics: Float32, topics: Float32
    ) -> Float64:
        from topicidx.embedders.lda_kernels import update

        words = len(statistics)
        sums = np.zeros((-(-words // WORDS), self.topics))

        def block(first: int) -> None:
            update(
                first, min(first + WORDS, words), chunk.starts, chunk.rows, chunk.entries, chunk.theta, chunk.shares,
                chunk.weights, np.float32(keep), np.float32(take), eta, statistics, topics, sums[first // WORDS],
            )  # fmt: skip

        self._in_threads(block, range(0, words, WORDS))
        total: Float64 = sums.sum(axis=0)
        return total

    def _in_threads(self, work: Callable[[int], None], parts: Iterable[int]) -> None:
        if self.threads == 1:
            for part in parts:
                work(part)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(work, parts))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Documents that are inferred together, what is found of them, and where each word is in them (`lda_kernels`)."""

    documents: NDArray[np.int64]
    weights: Float32
    gamma: Float32
    theta: Float32
    begins: NDArray[np.int64]
    shares: Float32
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    entries: NDArray[np.int64]

    @classmethod
    def of(
        cls, bags: Bags, documents: NDArray[np.int64], words: int, topics: int, weights: Float32 | None = None
    ) -> "_Chunk":
        """With `words` 0 it is not noted where each word is, which only statistics need."""
        from topicidx.embedders.lda_kernels import by_word

        begins = np.concatenate([[0], np.cumsum(bags.offsets[documents + 1] - bags.offsets[documents])])
        shape = len(documents), topics
        entries = int(begins[-1])
        chunk = cls(
            documents,
            np.ones(len(documents), dtype=np.float32) if weights is None else weights,
            np.empty(shape, dtype=np.float32),
            np.empty(shape, dtype=np.float32),
            begins,
            np.empty(entries, dtype=np.float32),
            np.zeros(words + 1, dtype=np.int64),
            np.empty(entries if words else 0, dtype=np.int32),
            np.empty(entries if words else 0, dtype=np.int64),
        )
        if words:
            by_word(documents, bags.offsets, bags.ids, begins, chunk.starts, chunk.rows, chunk.entries)
        return chunk

    @classmethod
    def none(cls, words: int, topics: int) -> "_Chunk":
        """No documents."""
        return cls(
            np.empty(0, dtype=np.int64),
            np.empty(0, dtype=np.float32),
            np.empty((0, topics), dtype=np.float32),
            np.empty((0, topics), dtype=np.float32),
            np.zeros(1, dtype=np.int64),
            np.empty(0, dtype=np.float32),
            np.zeros(words + 1, dtype=np.int64),
            np.empty(0, dtype=np.int32),
            np.empty(0, dtype=np.int64),
        )
