"""Calibration: how often captions hold a word, against how often its lifts say that they do."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Where one bin of lifts ends and the next begins.
EDGES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The pairs of a word and a picture whose lift is at least `low` and below `high` (None: no bound).

    lift: their mean lift; observed: how many times as often as the average caption the captions of such pictures hold the word;
    ratio: observed / lift, 1 where scores are calibrated. None where there are no pairs. In both a pair counts as much as
    it has captions that would hold the word at lift 1.
    """

    low: float
    high: float | None
    pairs: int
    lift: float | None
    observed: float | None
    ratio: float | None

    def to_json(self) -> dict[str, Any]:
        """The bin in JSON values."""
        return asdict(self)


class Calibrator:
    """Adds up what `calibration` tells, a word at a time.

    captions: how many captions each picture has, int (pictures,). edges: ascending.
    """

    def __init__(self, captions: NDArray[np.int64], edges: Sequence[float] = EDGES) -> None:
        self.captions = captions
        self.edges = tuple(edges)
        self._pairs, self._lifted, self._observed, self._expected = (np.zeros(len(edges) + 1) for _ in range(4))

    def add(self, lifts: NDArray[np.float64], held: NDArray[np.int64]) -> None:
        """A word: its lift for each picture, float64 (pictures,), and how many captions of each hold it, int (pictures,).

        One that no caption holds is passed over.
        """
        holding = int(held.sum())
        if not holding:
            return
        # A caption in `written / holding` has the word: that is lift 1.
        average = self.captions * (holding / int(self.captions.sum()))
        places, bins = np.searchsorted(self.edges, lifts, side="right"), len(self.edges) + 1
        self._pairs += np.bincount(places, minlength=bins)
        self._lifted += np.bincount(places, weights=lifts * average, minlength=bins)
        self._observed += np.bincount(places, weights=held, minlength=bins)
        self._expected += np.bincount(places, weights=average, minlength=bins)

    def bins(self) -> tuple[CalibrationBin, ...]:
        """What was added up so far."""
        lows, highs = (0.0, *self.edges), (*self.edges, None)
        sums = zip(
            self._pairs.tolist(), self._lifted.tolist(), self._observed.tolist(), self._expected.tolist(), strict=True
        )
        return tuple(_bin(low, high, *each) for low, high, each in zip(lows, highs, sums, strict=True))


def calibration(
    lifts: Iterable[NDArray[np.float64]],
    held: Iterable[NDArray[np.int64]],
    captions: NDArray[np.int64],
    edges: Sequence[float] = EDGES,
) -> tuple[CalibrationBin, ...]:
    """Lifts against what captions hold, by bins of lift.

    lifts: for each word its lift for each picture, float64 (words, pictures). held: for each word how many captions of each
    picture hold it, int (words, pictures). Both may be generators of rows. captions: how many captions each picture has,
    int (pictures,). edges: ascending. Words that no caption holds are passed over.
    """
    calibrator = Calibrator(captions, edges)
    for row, found in zip(lifts, held, strict=True):
        calibrator.add(row, found)
    return calibrator.bins()


def _bin(
    low: float, high: float | None, pairs: float, lifted: float, observed: float, expected: float
) -> CalibrationBin:
    if not expected:
        return CalibrationBin(low, high, int(pairs), None, None, None)
    return CalibrationBin(
        low, high, int(pairs), lifted / expected, observed / expected, observed / lifted if lifted else None
    )
