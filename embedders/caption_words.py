"""The words of captions, as a network learns from them and is calibrated by them: their likelihood under its topics."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders.topic_network import smoothed, without_background

#: What is tried as the background's share of an average picture's topics, and as that of the average picture in each.
BACKGROUND_SHARES = tuple(step / 20 for step in range(13))
PRIOR_SHARES = tuple(step / 50 for step in range(16))


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
        spans = [
            np.arange(begin, end) for begin, end in zip(self._begins[places], self._begins[places + 1], strict=True)
        ]
        rows = torch.from_numpy(np.repeat(np.arange(len(places)), [len(span) for span in spans])).to(theta.device)
        entries = torch.from_numpy(np.concatenate(spans)).to(theta.device)
        likelihood = (theta[rows] * self._topics_of_words[self._ids[entries]]).sum(dim=1)
        return -(self._shares[entries] * torch.log(likelihood.clamp(min=1e-9))).sum() / len(places)


def choose_calibration(
    learned_from: Tensor, theta: Tensor, words: CaptionWords, places: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """The background to take away and the prior to give that explain captions best, float (topics,) each.

    Both are shares of the average picture's topics; the prior is chosen behind the background, for together they would
    grow beyond what low lifts bear. learned_from: theta (n, topics) of pictures, of which the average is taken; theta:
    float (m, topics) of the pictures at `places`, which the network did not learn from.
    """
    mean = learned_from.mean(dim=0)
    background = _best(
        [taken * mean for taken in BACKGROUND_SHARES],
        lambda taken: words.loss(without_background(theta, taken), places).item(),
    )
    left = without_background(theta, background)
    average = without_background(learned_from, background).mean(dim=0)
    prior = _best(
        [given * average for given in PRIOR_SHARES], lambda given: words.loss(smoothed(left, given), places).item()
    )
    return background, prior


def _best(candidates: Sequence[Tensor], loss: Callable[[Tensor], float]) -> Tensor:
    return candidates[int(np.argmin([loss(candidate) for candidate in candidates]))]
