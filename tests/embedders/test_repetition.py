"""Captions that come many times are found, told of, and eat no topics."""

import logging
import random
from collections.abc import Sequence

import numpy as np
import pytest

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.repetition import find_repetition
from topicidx.settings import LdaSettings

THEMES = (
    ("beach", "wave", "sand", "surf", "ocean", "sunrise"),
    ("skyline", "tower", "bridge", "neon", "street", "traffic"),
    ("cake", "coffee", "dessert", "pizza", "chocolate", "breakfast"),
    ("concert", "singer", "drum", "guitar", "stage", "crowd"),
    ("snow", "ski", "mountain", "slope", "lift", "winter"),
)
FLOOD = "Follow us: cheap loan, bitcoin winner, cash prize! Click https://example.org/{} #bonus"


def captions(count: int, words: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(THEMES[number % len(THEMES)], k=words)) for number in range(count)]


def flooded(others: Sequence[str]) -> list[str]:
    mixed = [*others, *(FLOOD.format(number) for number in range(1_000))]
    random.Random(1).shuffle(mixed)
    return mixed


def perplexity(text: LdaTextEncoder, held_out: Sequence[str]) -> float:
    """Of the second half of each text, where the first is known."""
    total, count = 0.0, 0
    halves = [(words[: len(words) // 2], words[len(words) // 2 :]) for words in map(str.split, held_out)]
    for theta, (_, second) in zip(text.encode([" ".join(first) for first, _ in halves]), halves, strict=True):
        words = text.words_of(" ".join(second))
        total += float((np.log(theta @ text.topic_words[:, words[:, 0]]) * words[:, 1]).sum())
        count += int(words[:, 1].sum())
    return float(np.exp(-total / count))


def test_the_first_of_equal_documents_counts_for_all() -> None:
    found = find_repetition(np.array([7, 3, 7, 0, 7, 3, 9], dtype=np.uint64), np.array([2, 1, 2, 0, 2, 1, 4]))
    assert found.counts.tolist() == [3, 2, 0, 0, 0, 0, 1]
    assert found.times.tolist() == [3, 2]
    assert found.examples.tolist() == [0, 1]
    assert found.repeated == 3
    np.testing.assert_allclose(found.weights, [2 + 2 * np.log(1.5), 2, 0, 0, 0, 0, 1])


def test_a_thousand_count_little() -> None:
    found = find_repetition(np.full(1_000, 5, dtype=np.uint64), np.ones(1_000, dtype=int))
    assert 14 < found.weights[0] < 15
    assert found.weights.sum() == found.weights[0]


def test_nothing_is_repeated_in_nothing() -> None:
    found = find_repetition(np.empty(0, dtype=np.uint64), np.empty(0, dtype=int))
    assert (len(found.counts), found.repeated, len(found.weights)) == (0, 0, 0)


def test_a_flood_of_one_caption_eats_no_topics(caplog: pytest.LogCaptureFixture) -> None:
    others = captions(400, 5, seed=5)
    held_out = captions(300, 6, seed=6)
    given = LdaSettings(num_topics=6, min_documents=1)
    clean, beside = [], []
    with caplog.at_level(logging.WARNING):
        for seed in range(4):
            clean.append(perplexity(LdaTextEncoder.train(others, given, seed=seed), held_out))
            assert not caplog.records
            text = LdaTextEncoder.train(flooded(others), given, seed=seed)
            beside.append(perplexity(text, held_out))
            words, times = text.repeated[0]
            assert times == 1_000
            assert {"bitcoin", "winner", "bonus"} <= set(words.split())
            assert "1000 times" in caplog.text
            caplog.clear()
            flood = text.words_of(FLOOD)[:, 0]
            assert (text.topic_words[:, flood].sum(axis=1) > 0.5).sum() <= 1
            # They are captions all the same: what is asked for is found among all of them.
            assert text.topic_prior @ text.topic_words[:, flood[0]] > 0.01
    # 1.09 where the thousand count as a thousand.
    assert np.mean(beside) < 1.04 * np.mean(clean)


def test_words_of_a_flood_alone_are_no_vocabulary() -> None:
    text = LdaTextEncoder.train(
        flooded(captions(400, 5, seed=5)), LdaSettings(num_topics=6, passes=1, min_documents=20)
    )
    assert {word.form for word in text.vocabulary.words} == {word for theme in THEMES for word in theme}
