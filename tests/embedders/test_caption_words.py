"""CaptionWords: what captions say of a picture's topics, as a loss and as a measure of what is background."""

import math

import numpy as np
import pytest
import torch

from topicidx.embedders.caption_words import BACKGROUND_SHARES, CaptionWords, choose_calibration

#: Two topics over three words.
TOPIC_WORDS = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32)
CPU = torch.device("cpu")


def bag(*entries: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.array(entries, dtype=np.int32).reshape(-1, 2)


def test_the_loss_is_the_mean_surprise_of_a_word_averaged_over_pictures() -> None:
    words = CaptionWords([bag((0, 3), (2, 1)), bag(), bag((1, 2))], TOPIC_WORDS, CPU)
    theta = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    first = -(3 * math.log(0.4) + math.log(0.45)) / 4
    last = -math.log(0.25 * 0.2 + 0.75 * 0.1)
    assert words.loss(theta, np.array([0, 2])).item() == pytest.approx((first + last) / 2, rel=1e-5)
    assert words.loss(theta, np.array([2, 0])).item() != pytest.approx((first + last) / 2, rel=1e-3)


def test_pictures_without_known_words_lose_nothing() -> None:
    words = CaptionWords([bag(), bag()], TOPIC_WORDS, CPU)
    assert words.loss(torch.full((2, 2), 0.5), np.array([0, 1])).item() == 0


def test_the_loss_teaches_topics_that_make_the_words_likely() -> None:
    words = CaptionWords([bag((2, 1))], TOPIC_WORDS, CPU)
    theta = torch.full((1, 2), 0.5, requires_grad=True)
    words.loss(theta, np.array([0])).backward()  # type: ignore[no-untyped-call]
    assert theta.grad is not None
    assert theta.grad[0, 1] < theta.grad[0, 0] < 0


def drawn_pictures() -> tuple[CaptionWords, torch.Tensor]:
    """Pictures of known topics, and captions drawn from them."""
    rng = np.random.default_rng(1)
    topics, pictures = 6, 400
    topic_words = rng.dirichlet(np.full(30, 0.1), topics).astype(np.float32)
    true = rng.dirichlet(np.full(topics, 0.3), pictures).astype(np.float32)
    drawn = [rng.multinomial(60, row / row.sum()) for row in (true.astype(np.float64) @ topic_words)]
    bags = [np.stack([np.flatnonzero(row), row[row > 0]], axis=1).astype(np.int32) for row in drawn]
    return CaptionWords(bags, topic_words, CPU), torch.from_numpy(true)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_the_background_chosen_is_what_was_mixed_in(share: float) -> None:
    words, true = drawn_pictures()
    average = true.mean(dim=0)
    seen = (1 - share) * true + share * average
    background, prior = choose_calibration(seen, seen, words, np.arange(len(true)))
    assert background.sum().item() == pytest.approx(share, abs=BACKGROUND_SHARES[1] + 1e-6)
    assert prior.sum().item() <= 0.1


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_the_prior_chosen_is_how_often_captions_tell_of_something_else(share: float) -> None:
    """A network that sees the wrong picture in a share of the cases, and is sure every time."""
    words, true = drawn_pictures()
    rng = np.random.default_rng(2)
    wrong = rng.random(len(true)) < share
    seen = true.clone()
    seen[torch.from_numpy(wrong)] = true[torch.from_numpy(rng.permutation(len(true))[: wrong.sum()])]
    background, prior = choose_calibration(seen, seen, words, np.arange(len(true)))
    assert prior.sum().item() == pytest.approx(share, abs=0.07)
    assert background.sum().item() <= BACKGROUND_SHARES[2] + 1e-6
