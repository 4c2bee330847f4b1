"""The numbers of an evaluation: measures of a ranking, chance, intervals, comparisons, calibration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.indexer.evaluation.calibration import EDGES, calibration
from topicidx.indexer.evaluation.measures import MEASURES, Judge, chance
from topicidx.indexer.evaluation.statistics import compare, estimate


def test_measures_are_those_computed_by_hand() -> None:
    # Relevant at ranks 1, 3 and 6; a fourth one is not in the collection.
    values = Judge(8).measure(np.array([4, 0, 2, 7, 1, 6, 3, 5]), {4: 1, 2: 3, 6: 1}, missed=(2,))
    ideal = 3 + 2 / math.log2(3) + 1 / 2 + 1 / math.log2(5)
    assert values == pytest.approx(
        {
            "AP": (1 / 1 + 2 / 3 + 3 / 6) / 4,
            "P@5": 2 / 5,
            "P@10": 3 / 10,
            "P@100": 3 / 100,
            "nDCG@10": (1 + 3 / 2 + 1 / math.log2(7)) / ideal,
        }
    )


def test_a_ranking_without_pictures_measures_nothing() -> None:
    assert set(Judge(3).measure(np.array([], dtype=np.intp), {}, missed=(1,)).values()) == {0.0}


@given(
    data=st.data(),
    candidates=st.integers(1, 5),
    missed=st.lists(st.integers(1, 3), max_size=2).map(tuple),
)
@settings(max_examples=20, deadline=None)
def test_chance_is_the_mean_over_every_order(data: st.DataObject, candidates: int, missed: tuple[int, ...]) -> None:
    gains = data.draw(st.dictionaries(st.integers(0, candidates - 1), st.integers(1, 3)))
    judge = Judge(candidates)
    every = [judge.measure(np.array(order), gains, missed) for order in itertools.permutations(range(candidates))]
    expected = {measure: float(np.mean([values[measure] for values in every])) for measure in MEASURES}
    assert chance(candidates, list(gains.values()), missed) == pytest.approx(expected)


def test_an_interval_holds_the_mean_and_is_the_same_for_the_same_seed() -> None:
    values = np.random.default_rng(1).beta(1, 3, 60).tolist()
    found = estimate(values, seed=4)
    assert found == estimate(values, seed=4)
    assert found != estimate(values, seed=5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.mean < found.high
    # Some 1.96 standard errors to each side.
    error = np.std(values) / math.sqrt(len(values))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_intervals_of_few_or_equal_values() -> None:
    assert (estimate([0.25]).mean, estimate([0.25]).low, estimate([0.25]).high) == (0.25, None, None)
    same = estimate([0.5] * 4)
    assert (same.low, same.high) == (0.5, 0.5)


def test_different_ways_to_score_are_told_from_equal_ones() -> None:
    rng = np.random.default_rng(2)
    first = rng.random(80)
    better = first + 0.05 + rng.normal(0, 0.02, 80)
    noise = first + rng.normal(0, 0.02, 80)
    found = compare(first.tolist(), better.tolist())
    assert found.p < 0.001
    assert found.ratio == pytest.approx(better.mean() / first.mean())
    assert found.difference.low is not None
    assert found.difference.low > 0
    assert compare(first.tolist(), (noise - noise.mean() + first.mean()).tolist()).p > 0.5
    assert compare(first.tolist(), first.tolist()).p == 1.0


def test_the_comparison_of_few_queries_is_exact() -> None:
    # Of the 2^5 ways to exchange, two are as extreme.
    assert compare([0.1, 0.2, 0.3, 0.1, 0.0], [0.2, 0.4, 0.6, 0.5, 0.5]).p == pytest.approx(2 / 32)
    assert compare([0.1], [0.9]).p == 1.0
    nothing = compare([0.0, 0.0], [0.5, 0.0])
    assert nothing.ratio is None
    assert nothing.difference.mean == 0.25


@given(seed=st.integers(0, 2**32 - 1), words=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_calibrated_lifts_are_observed_as_often_as_they_say(seed: int, words: int) -> None:
    rng = np.random.default_rng(seed)
    captions = rng.integers(1_000, 4_000, 3_000)
    shares = rng.uniform(0.002, 0.02, words)[:, None]
    lifts = 2.0 ** rng.uniform(-3, 5, (words, 3_000))
    # 1 is the average caption, as it is in a trained space.
    lifts /= (lifts * captions).sum(axis=1, keepdims=True) / captions.sum()
    held = rng.poisson(captions * shares * lifts)
    found = calibration(lifts, held, captions)
    assert sum(one.pairs for one in found) == words * 3_000
    for one in found:
        if one.pairs > 100:
            assert one.ratio == pytest.approx(1, abs=0.1), one


def test_lifts_are_binned_by_what_they_say_and_counted_by_caption() -> None:
    lifts = np.array([[0.1, 0.5, 1.0, 20.0]])
    # 2 of 8 captions hold the word: lift 1 is a quarter of a picture's captions.
    found = calibration(lifts, np.array([[0, 0, 1, 1]]), np.array([4, 2, 1, 1]))
    assert [(one.low, one.high) for one in found] == list(itertools.pairwise([0.0, *EDGES, None]))
    by_low = {one.low: one for one in found}
    assert (by_low[0.0].pairs, by_low[0.0].lift, by_low[0.0].observed) == (1, pytest.approx(0.1), 0.0)
    assert (by_low[0.5].pairs, by_low[0.5].observed) == (1, 0.0)
    assert (by_low[1.0].pairs, by_low[1.0].observed, by_low[1.0].ratio) == (1, 4.0, 4.0)
    assert (by_low[16.0].pairs, by_low[16.0].observed, by_low[16.0].ratio) == (1, 4.0, pytest.approx(0.2))
    assert (by_low[2.0].pairs, by_low[2.0].lift, by_low[2.0].observed, by_low[2.0].ratio) == (0, None, None, None)


def test_words_that_no_caption_holds_say_nothing_of_calibration() -> None:
    found = calibration(np.ones((1, 3)), np.zeros((1, 3), dtype=np.int64), np.array([1, 1, 1]))
    assert sum(one.pairs for one in found) == 0
