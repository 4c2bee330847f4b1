"""The words of captions, as a network learns from them and is calibrated by them: their likelihood under its topics."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders.topic_network import without_background

#: What is tried as the background's share of an average picture's topics.
BACKGROUND_SHARES = tuple(step / 20 for step in range(13))
#: Lifts that count as low, and the largest share of the average picture that is given for their sake.
LOW_LIFT, MOST_PRIOR = 0.25, 0.3
#: Pictures whose words are compared at once.
ROWS = 64


class CaptionWords:
    """Which words each picture's captions hold, and how likely topics make them.

    words: for each picture int (n, 2), word id and count; topic_words: float32 (topics, words), P(word | topic).
    """

    def __init__(
        self, words: Sequence[NDArray[np.int32]], topic_words: NDArray[np.float32], device: torch.device
    ) -> None:
        sizes = [len(bag) for bag in words]
        self._begins = np.concatenate([[0], np.cumsum(sizes)])
        entries = np.concatenate([*words, np.empty((0, 2), dtype=np.int32)])
        totals = [max(1, int(bag[:, 1].sum())) for bag in words]
        self._ids = torch.from_numpy(entries[:, 0].astype(np.int64)).to(device)
        self._shares = torch.from_numpy((entries[:, 1] / np.repeat(totals, sizes)).astype(np.float32)).to(device)
        self._topics_of_words = torch.from_numpy(np.ascontiguousarray(topic_words.T)).to(device)

    def loss(self, theta: Tensor, places: NDArray[np.int64]) -> Tensor:
        """Minus the mean log-likelihood of a word of the captions of the pictures at `places`, mean over pictures.

        theta: float (n, topics). The likelihood of word w is sum over k of theta_k P(w | k).
        """
        rows, entries = self._entries(places)
        likelihood = (theta[rows] * self._topics_of_words[self._ids[entries]]).sum(dim=1)
        return -(self._shares[entries] * torch.log(likelihood.clamp(min=1e-9))).sum() / len(places)

    def low_lifts(self, theta: Tensor, average: Tensor, places: NDArray[np.int64]) -> tuple[float, float, float]:
        """Of pairs of a picture and a word whose lift is below `LOW_LIFT`: the words that captions hold, that the lifts
        promise, and that captions of the average picture would hold, as shares of a picture's words, summed.

        theta: float (n, topics) of the pictures at `places`; average: float (topics,).
        """
        usual = self._topics_of_words @ average
        held = lifted = expected = 0.0
        for begin in range(0, len(places), ROWS):
            rows, entries = self._entries(places[begin : begin + ROWS])
            likelihood = theta[begin : begin + ROWS] @ self._topics_of_words.T
            low = likelihood < LOW_LIFT * usual
            held += float((self._shares[entries] * low[rows, self._ids[entries]]).sum())
            lifted += float((likelihood * low).sum())
            expected += float((usual * low).sum())
        return held, lifted, expected

    def _entries(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Which of `places` each of their words belongs to, and where it stands."""
        spans = [
            np.arange(begin, end) for begin, end in zip(self._begins[places], self._begins[places + 1], strict=True)
        ]
        rows = torch.from_numpy(np.repeat(np.arange(len(places)), [len(span) for span in spans]))
        return rows.to(self._ids.device), torch.from_numpy(np.concatenate(spans)).to(self._ids.device)


def choose_calibration(
    learned_from: Tensor, theta: Tensor, words: CaptionWords, places: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """The background to take away and the prior to give, float (topics,) each: shares of the average picture's topics.

    The background is what makes captions likeliest; the prior then brings low lifts to what captions hold. learned_from:
    theta (n, topics) of pictures, of which the average is taken; theta: float (m, topics) of the pictures at `places`,
    which the network did not learn from.
    """
    mean = learned_from.mean(dim=0)
    candidates = [share * mean for share in BACKGROUND_SHARES]
    losses = [words.loss(without_background(theta, background), places).item() for background in candidates]
    background = candidates[int(np.argmin(losses))]
    average = without_background(learned_from, background).mean(dim=0)
    held, lifted, expected = words.low_lifts(without_background(theta, background), average, places)
    # (1 - prior) lifted + prior expected is what captions hold.
    share = (held - lifted) / max(expected - lifted, 1e-9)
    return background, min(max(share, 0.0), MOST_PRIOR) * average
