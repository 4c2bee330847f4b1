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
    bins = len(edges) + 1
    pairs, lifted, observed, expected = (np.zeros(bins) for _ in range(4))
    written = int(captions.sum())
    for row, found in zip(lifts, held, strict=True):
        holding = int(found.sum())
        if not holding:
            continue
        # A caption in `written / holding` has the word: that is lift 1.
        average = captions * (holding / written)
        places = np.searchsorted(edges, row, side="right")
        pairs += np.bincount(places, minlength=bins)
        lifted += np.bincount(places, weights=row * average, minlength=bins)
        observed += np.bincount(places, weights=found, minlength=bins)
        expected += np.bincount(places, weights=average, minlength=bins)
    bounds = [0.0, *edges, None]
    return tuple(
        _bin(float(bounds[place] or 0.0), bounds[place + 1], int(pairs[place]), *sums)
        for place, sums in enumerate(zip(lifted.tolist(), observed.tolist(), expected.tolist(), strict=True))
    )


def _bin(low: float, high: float | None, pairs: int, lifted: float, observed: float, expected: float) -> CalibrationBin:
    if not expected:
        return CalibrationBin(low, high, pairs, None, None, None)
    return CalibrationBin(
        low, high, pairs, lifted / expected, observed / expected, observed / lifted if lifted else None
    )
