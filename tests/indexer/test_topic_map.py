"""Distances between topics, and their map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from topicidx.indexer import topic_map
from topicidx.indexer.topic_map import HEIGHT, WIDTH, TopicDistances, jensen_shannon, map_topics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def distributions(count: int, words: int, seed: int = 0, concentration: float = 0.1) -> Float32:
    drawn = np.random.default_rng(seed).dirichlet(np.full(words, concentration), count)
    return drawn.astype(np.float32)


def by_scipy(rows: Float32) -> Float64:
    exact = rows.astype(np.float64)
    with np.errstate(invalid="ignore"):  # of equal ones scipy may take the root of less than 0
        return np.nan_to_num([[jensenshannon(one, other, 2) for other in exact] for one in exact])


@given(st.integers(1, 9), st.integers(2, 40), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_distances_are_those_of_scipy(count: int, words: int, seed: int) -> None:
    rows = distributions(count, words, seed, 0.3)
    assert jensen_shannon(rows) == pytest.approx(by_scipy(rows), abs=2e-3)


def test_topics_without_a_common_word_are_one_apart_and_the_same_none() -> None:
    rows = np.array([[1, 0, 0], [0, 0.5, 0.5], [1, 0, 0]], dtype=np.float32)
    assert jensen_shannon(rows) == pytest.approx(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), abs=1e-3)


def test_words_that_are_rare_everywhere_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    leading = distributions(6, 12, concentration=0.5) * np.float32(0.8)
    rows = np.hstack([leading, np.full((6, 40), 0.2 / 40, dtype=np.float32)])
    whole = by_scipy(rows)
    monkeypatch.setattr(topic_map, "_WORDS", 12)
    # Nothing is lost: all topics have as much of each of these words.
    assert jensen_shannon(rows) == pytest.approx(whole, abs=2e-3)
    monkeypatch.setattr(topic_map, "_WORDS", 5)
    assert (jensen_shannon(rows) <= whole + 2e-3).all()


def test_blocks_of_topics_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = distributions(23, 30)
    whole = jensen_shannon(rows)
    monkeypatch.setattr(topic_map, "_STEP", 100)
    assert jensen_shannon(rows) == pytest.approx(whole, abs=1e-6)


def test_the_nearest_topics_are_told_by_their_numbers() -> None:
    rows = np.array([[0.5, 0.5, 0, 0], [0, 0, 0, 1], [0.6, 0.4, 0, 0], [0.2, 0.3, 0.5, 0]], dtype=np.float32)
    distances = TopicDistances.between([3, 0, 2], rows)
    assert [topic for topic, _ in distances.nearest(0, 5)] == [2, 3]
    assert distances.nearest(0, 1)[0][1] == pytest.approx(jensenshannon(rows[0], rows[2], 2), abs=1e-3)
    assert distances.nearest(1, 5) == ()
    assert distances.among([0, 2]) == pytest.approx(by_scipy(rows[[0, 2]]), abs=2e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 11, 12, 13, 90])
def test_circles_lie_on_the_map_without_overlapping(count: int) -> None:
    shares = np.random.default_rng(1).dirichlet(np.full(count, 2.0)).tolist()
    circles = map_topics(jensen_shannon(distributions(count, 50)), shares)
    assert len(circles) == count
    for place, circle in enumerate(circles):
        assert circle.radius <= circle.x <= WIDTH - circle.radius
        assert circle.radius <= circle.y <= HEIGHT - circle.radius
        assert circle.radius**2 / circles[0].radius ** 2 == pytest.approx(shares[place] / shares[0])
        for other in circles[:place]:
            apart = np.hypot(circle.x - other.x, circle.y - other.y)
            assert apart > (circle.radius + other.radius) * 0.9


def test_similar_topics_are_neighbours_on_the_map() -> None:
    chance = np.random.default_rng(2)
    rows = np.full((60, 60), 0.002, dtype=np.float32)
    for topic in range(60):
        theme = topic % 6
        rows[topic, theme * 10 : theme * 10 + 10] += chance.dirichlet(np.ones(10)).astype(np.float32)
    rows /= rows.sum(axis=1, keepdims=True)
    circles = map_topics(jensen_shannon(rows), [1.0] * 60)
    places = np.array([(circle.x, circle.y) for circle in circles])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(60) * 1e6
    same = [neighbour % 6 == topic % 6 for topic, neighbour in enumerate(apart.argmin(axis=1).tolist())]
    assert np.mean(same) > 0.9


@pytest.mark.parametrize("count", [4, 20])
def test_topics_of_the_same_words_part(count: int) -> None:
    circles = map_topics(np.zeros((count, count), dtype=np.float32), [1.0] * count)
    assert len({(round(circle.x), round(circle.y)) for circle in circles}) == count


def test_the_same_topics_give_the_same_map() -> None:
    distances = jensen_shannon(distributions(40, 30))
    shares = [1 + number % 4 for number in range(40)]
    assert map_topics(distances, shares) == map_topics(distances, shares)


def test_no_topics_give_an_empty_map() -> None:
    assert map_topics(np.empty((0, 0), dtype=np.float32), []) == []
