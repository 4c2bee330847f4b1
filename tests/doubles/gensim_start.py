"""What gensim draws at random, without chance."""

import numpy as np
from numpy.typing import NDArray


class ConstantStart:
    """Stands in for gensim's random state: every document's inference starts from the same gamma."""

    def gamma(self, shape: float, scale: float, size: tuple[int, ...]) -> NDArray[np.float64]:
        return np.full(size, shape * scale)

    def rand(self, size: int) -> NDArray[np.float64]:
        return np.zeros(size)
