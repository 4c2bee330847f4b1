"""The compiled LDA: gensim's mathematics, the same result whatever the number of threads and processes."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.special
from gensim.models import LdaModel
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from doubles.gensim_start import ConstantStart
from topicidx.embedders.lda import LdaHyperparameters, inference
from topicidx.embedders.lda_kernels import exp_digamma
from topicidx.embedders.online_lda import DOCUMENTS, INFERRED, WORDS, ListedBags, TopicModel, learn_topics
from topicidx.embedders.vocabulary import BagOfWords
from topicidx.settings import LdaSettings

TOPICS, VOCABULARY = 20, 2 * WORDS + 44
# With a small one gensim forgets words that are not among the first documents, which is tested by itself.
ETA = 0.5
ALPHA = np.full(TOPICS, 0.1, dtype=np.float32)


def random_bags(count: int, seed: int) -> list[BagOfWords]:
    random = np.random.default_rng(seed)
    bags: list[BagOfWords] = []
    for length in random.integers(0, 15, count):
        words, counts = np.unique(random.zipf(1.4, length) % VOCABULARY, return_counts=True)
        bags.append(list(zip(words.tolist(), counts.tolist(), strict=True)))
    return bags


def gensim_model(**changes: object) -> LdaModel:
    given = {
        "id2word": {word: str(word) for word in range(VOCABULARY)}, "num_topics": TOPICS, "alpha": [0.1] * TOPICS,
        "eta": [ETA] * VOCABULARY, "random_state": 7, "eval_every": None, "dtype": np.float64,
    }  # fmt: skip
    model = LdaModel(**(given | changes))
    model.random_state = ConstantStart()
    return model


def compiled_model(threads: int = 1) -> TopicModel:
    return TopicModel.random(VOCABULARY, ALPHA, ETA, seed=7, iterations=50, threshold=0.001, threads=threads)


def test_the_exponential_of_digamma_is_right_from_smallest_to_largest() -> None:
    x = np.concatenate([np.geomspace(0.02, 3e9, 20_000), [1e4, np.nextafter(np.float32(1e4), 2e4)]]).astype(np.float32)
    found = np.empty_like(x)
    exp_digamma(x, found)
    np.testing.assert_allclose(found, np.exp(scipy.special.digamma(x.astype(np.float64))), rtol=2e-5)
    tiny = np.empty(1, dtype=np.float32)
    exp_digamma(np.array([1e-4], dtype=np.float32), tiny)
    assert 0 <= tiny[0] < 1e-30


def test_the_random_beginning_is_gensims() -> None:
    ours, theirs = compiled_model(), gensim_model()
    np.testing.assert_allclose(ours.statistics.T, theirs.state.sstats, rtol=1e-6)
    # Each word's row has a factor of its own, which nothing depends on.
    np.testing.assert_allclose(of_largest((ours._topics * ours._scale).T), of_largest(theirs.expElogbeta), rtol=1e-4)


def of_largest(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return rows / rows.max(axis=0)


def test_inference_is_a_drop_in_for_gensims() -> None:
    # Until nothing moves: a document that is about to converge may take one turn more in one of them.
    model, bags = gensim_model(gamma_threshold=1e-6, iterations=500), random_bags(200, seed=1)
    model.sync_state()
    theirs, their_statistics = model.inference(bags, collect_sstats=True)
    ours, statistics = inference(model, bags, collect_sstats=True)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert statistics is not None
    assert statistics.shape == their_statistics.shape
    np.testing.assert_allclose(statistics, their_statistics, atol=2e-3)
    again, nothing = inference(model, bags)
    assert nothing is None
    assert again.tobytes() == ours.tobytes()
    assert inference(model, [])[0].shape == (0, TOPICS)


def test_a_documents_inference_does_not_depend_on_the_others() -> None:
    bags = random_bags(3 * DOCUMENTS + 5, seed=2)
    model = compiled_model(threads=2)
    together = np.concatenate(list(model.infer(ListedBags(bags))))
    alone = np.concatenate([next(iter(model.infer(ListedBags([bag])))) for bag in bags])
    assert together.tobytes() == alone.tobytes()


def test_more_documents_than_are_inferred_at_once() -> None:
    bags = random_bags(50, seed=3) * (INFERRED // 50 + 2)
    blocks = list(compiled_model().infer(ListedBags(bags)))
    assert [len(block) for block in blocks] == [INFERRED, len(bags) - INFERRED]
    rows = np.concatenate(blocks)
    assert rows[:50].tobytes() == rows[-50:].tobytes()


def test_updates_are_those_of_gensim() -> None:
    bags = random_bags(400, seed=4)
    theirs, ours = gensim_model(), compiled_model()
    theirs.update(bags, chunksize=100, passes=1, decay=0.5, offset=1.0)
    for number in range(4):
        rate = (1 + number) ** -0.5
        ours.learn(
            ListedBags(bags), np.arange(number * 100, number * 100 + 100), np.ones(100, np.float32),
            keep=1 - rate, take=rate * 4,
        )  # fmt: skip
    np.testing.assert_allclose(ours.statistics.T, theirs.state.sstats, rtol=2e-2, atol=2e-2)
    np.testing.assert_allclose(ours.statistics.sum(), theirs.state.sstats.sum(), rtol=1e-5)


def test_words_that_are_not_among_the_first_documents_are_learned_all_the_same() -> None:
    """With eta .01, exp E[log beta] of a word without counts is e^-100; what gensim adds to probabilities drowns it for good."""
    first = [[(word, 1), (word + 1, 1)] for word in range(0, 40, 2)] * 5
    later = [[(word, 1), (word + 1, 1)] for word in range(40, 80, 2)] * 5
    ours = TopicModel.random(80, ALPHA, 0.01, seed=7, iterations=50, threshold=0.001)
    theirs = LdaModel(
        id2word={word: str(word) for word in range(80)}, num_topics=TOPICS, alpha=[0.1] * TOPICS, eta=[0.01] * 80,
        random_state=7, eval_every=None,
    )  # fmt: skip
    theirs.update([*first, *later], chunksize=100, passes=1)
    assert theirs.state.sstats[:, 40:].sum() < 1e-6
    for number in range(2):
        rate = (1 + number) ** -0.5
        ours.learn(
            ListedBags([*first, *later]), np.arange(number * 100, number * 100 + 100), np.ones(100, np.float32),
            keep=1 - rate, take=rate * 2,
        )  # fmt: skip
    assert ours.statistics[40:].sum() == pytest.approx(2**-0.5 * 400, rel=1e-3)


def trained(bags: Sequence[BagOfWords], weights: NDArray[np.float32] | None = None, threads: int = 1) -> TopicModel:
    model = compiled_model(threads)
    weights = np.ones(len(bags), dtype=np.float32) if weights is None else weights
    plan = LdaHyperparameters.adapted(LdaSettings(num_topics=TOPICS, passes=3), int((weights > 0).sum()))
    learn_topics(model, ListedBags(bags), weights, plan, seed=5)
    return model


def test_the_number_of_threads_changes_nothing() -> None:
    bags = random_bags(500, seed=6)
    assert trained(bags, threads=1).statistics.tobytes() == trained(bags, threads=3).statistics.tobytes()


def test_a_document_of_weight_two_counts_as_two() -> None:
    bags = [bag for bag in random_bags(120, seed=7) if bag]
    model, twice = compiled_model(), compiled_model()
    documents = np.arange(len(bags))
    model.learn(ListedBags(bags), documents, np.full(len(bags), 2, np.float32), keep=0, take=1)
    twice.learn(ListedBags(bags * 2), np.arange(2 * len(bags)), np.ones(2 * len(bags), np.float32), keep=0, take=1)
    np.testing.assert_allclose(model.statistics, twice.statistics, rtol=1e-4, atol=1e-6)


def test_documents_of_weight_zero_are_as_if_they_were_not_there() -> None:
    bags = [bag for bag in random_bags(150, seed=8) if bag]
    noise = [[(VOCABULARY - 1, 9)]] * 40
    weights = np.concatenate([np.ones(len(bags)), np.zeros(len(noise))]).astype(np.float32)
    assert trained([*bags, *noise], weights).statistics.tobytes() == trained(bags).statistics.tobytes()


class _Meeting:
    """Processes of a group, played by threads: each fills in what the others have computed."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=60)
        self.arrays: list[NDArray[np.float32] | None] = [None] * size

    def member(self, rank: int) -> "_Member":
        return _Member(self, rank, len(self.arrays))


class _Member:
    def __init__(self, meeting: _Meeting, rank: int, world_size: int) -> None:
        self.meeting, self.rank, self.world_size = meeting, rank, world_size

    def completed(self, array: NDArray[np.float32], ends: Sequence[int]) -> None:
        self.meeting.arrays[self.rank] = array
        self.meeting.barrier.wait()
        for rank, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
            other = self.meeting.arrays[rank]
            assert other is not None
            if rank != self.rank:
                array[begin:end] = other[begin:end]
        self.meeting.barrier.wait()


@pytest.mark.parametrize("size", [2, 3, 7])
def test_several_processes_learn_what_one_learns_to_the_bit(size: int) -> None:
    bags = random_bags(151, seed=9)
    plan = LdaHyperparameters.adapted(LdaSettings(num_topics=TOPICS, chunksize=40, passes=2), len(bags))
    weights = np.ones(len(bags), dtype=np.float32)
    models = [compiled_model() for _ in range(size)]
    meeting = _Meeting(size)

    def take_part(rank: int) -> None:
        learn_topics(models[rank], ListedBags(bags), weights, plan, seed=5, group=meeting.member(rank))

    threads = [threading.Thread(target=take_part, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = compiled_model()
    learn_topics(alone, ListedBags(bags), weights, plan, seed=5)
    assert {model.statistics.tobytes() for model in models} == {alone.statistics.tobytes()}


@given(st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=30), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_gamma_shares_out_the_prior_and_the_words(documents: list[list[int]]) -> None:
    bags = [[(word, row.count(word)) for word in sorted(set(row))] for row in documents]
    gamma = next(iter(compiled_model().infer(ListedBags(bags))))
    assert (gamma >= ALPHA).all()
    # What gensim adds to probabilities takes a little away from words that are unlikely everywhere.
    expected = ALPHA.sum() + np.array([len(row) for row in documents])
    assert (gamma.sum(axis=1) <= expected + 1e-3).all()
    np.testing.assert_allclose(gamma.sum(axis=1), expected, rtol=1e-2)
