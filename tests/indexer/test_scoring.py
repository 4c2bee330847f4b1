"""The algebra of scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from topicidx.indexer.scoring import LIFT_FLOOR, Scoring, geometric_mean

Float64 = NDArray[np.float64]

lifts = st.lists(st.floats(LIFT_FLOOR, 1_000), min_size=1, max_size=5)


@st.composite
def lifts_and_weights(draw: st.DrawFn) -> tuple[Float64, Float64]:
    values = draw(lifts)
    signs = st.sampled_from([-1.0, 1.0])
    weights = [draw(st.floats(0.01, 100)) * draw(signs) for _ in values]
    return np.array(values), np.array(weights)


@given(st.floats(LIFT_FLOOR, 1_000), st.floats(0.01, 100))
def test_one_words_score_is_its_lift(lift: float, weight: float) -> None:
    assert float(geometric_mean(np.array([lift]), np.array([weight]))) == pytest.approx(lift)
    assert float(geometric_mean(np.array([lift]), np.array([-weight]))) == pytest.approx(1 / lift)


@given(lifts_and_weights(), st.floats(0.01, 100))
def test_only_the_ratios_of_weights_count(terms: tuple[Float64, Float64], factor: float) -> None:
    values, weights = terms
    assert float(geometric_mean(values, weights * factor)) == pytest.approx(float(geometric_mean(values, weights)))


@given(lifts_and_weights(), st.randoms(use_true_random=False))
def test_the_order_of_words_does_not_count(terms: tuple[Float64, Float64], chance: object) -> None:
    values, weights = terms
    order = np.arange(len(values))[::-1]
    assert float(geometric_mean(values[order], weights[order])) == pytest.approx(float(geometric_mean(values, weights)))


@given(lifts_and_weights())
def test_a_score_is_the_weighted_product_of_lifts(terms: tuple[Float64, Float64]) -> None:
    values, weights = terms
    if (weights > 0).any():  # what is pushed down counts where there is more than average of it
        values = np.where(weights < 0, np.maximum(values, 1), values)
    product = np.prod(values ** (weights / np.abs(weights).sum()))
    assert float(geometric_mean(terms[0], weights)) == pytest.approx(float(product))


@given(lifts, st.floats(0.01, 100))
def test_turning_every_sign_inverts_the_score(values: list[float], weight: float) -> None:
    weights = np.full(len(values), weight)
    assert float(geometric_mean(np.array(values), -weights)) == pytest.approx(
        1 / float(geometric_mean(np.array(values), weights))
    )


@given(st.floats(LIFT_FLOOR, 1_000), st.floats(0, 1), st.floats(1.001, 1_000), st.floats(0.01, 100))
def test_a_picture_with_less_than_average_of_what_is_pushed_down_is_not_lifted(
    lift: float, less: float, more: float, weight: float
) -> None:
    weights = np.array([1.0, -weight])
    without = geometric_mean(np.array([lift, 0.0]), weights)
    assert geometric_mean(np.array([lift, less]), weights) == pytest.approx(without)
    assert geometric_mean(np.array([lift, more]), weights) < without


@given(lifts, st.floats(0.01, 100))
def test_a_score_lies_between_the_lifts_and_average_stays_average(values: list[float], weight: float) -> None:
    score = float(geometric_mean(np.array(values), np.full(len(values), weight)))
    assert min(values) * (1 - 1e-9) <= score <= max(values) * (1 + 1e-9)
    assert float(geometric_mean(np.ones(len(values)), np.full(len(values), weight))) == pytest.approx(1)


def test_a_negative_word_divides() -> None:
    assert float(geometric_mean(np.array([8.0, 2.0]), np.array([1.0, -1.0]))) == pytest.approx(2)  # sqrt(8 / 2)


@pytest.mark.parametrize("lift", [0.0, -0.0, -1e-9, LIFT_FLOOR / 2, LIFT_FLOOR])
def test_lifts_are_floored(lift: float) -> None:
    assert float(geometric_mean(np.array([lift]), np.array([1.0]))) == pytest.approx(LIFT_FLOOR)
    assert float(geometric_mean(np.array([lift]), np.array([-1.0]))) == pytest.approx(1 / LIFT_FLOOR)


def test_many_points_are_scored_at_once() -> None:
    values = np.array([[1.0, 4.0], [9.0, 1.0], [0.0, 0.0]])
    assert geometric_mean(values, np.array([1.0, 1.0])).tolist() == pytest.approx([2, 3, LIFT_FLOOR])


def test_a_points_score_does_not_depend_on_how_many_are_scored_with_it() -> None:
    chance = np.random.default_rng(2)
    points = chance.dirichlet(np.full(50, 0.1), 400).astype(np.float32)
    scoring = Scoring(chance.gamma(0.1, 10, (3, 50)).astype(np.float32), np.array([1.0, 2.0, -1.0]), "product")
    together = scoring.score(points)
    assert [float(scoring.score(point[None])[0]) for point in points] == pytest.approx(together.tolist(), rel=1e-12)
    assert scoring.combine(scoring.lifts(points)).tolist() == together.tolist()


def test_the_dot_rule_is_one_dot_product_with_the_weighted_mean() -> None:
    chance = np.random.default_rng(3)
    points = chance.dirichlet(np.full(20, 0.1), 10).astype(np.float32)
    scoring = Scoring(chance.random((2, 20)).astype(np.float32), np.array([3.0, -1.0]), "dot")
    np.testing.assert_allclose(scoring.score(points), points @ scoring.mean_vector, rtol=1e-5)
    np.testing.assert_allclose(scoring.mean_vector, (3 * scoring.vectors[0] - scoring.vectors[1]) / 4, rtol=1e-6)
