"""What vectors of captions or pictures have beyond the average one: how a query sees them where scores are similarities."""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def leaning(vectors: NDArray[np.floating], average: Float32) -> Float32:
    """`vectors` (..., dimensions) less what they share with `average` (dimensions,), of unit length: float32.

    Vectors in [0, 1] all point much the same way, so that plain dot products say how large a vector is and little else.
    These are orthogonal to the average: the average picture scores 0 whatever it is multiplied by, and a score says how
    far a picture leans towards what is asked for (above 0), or away from it. A vector that does not lean is 0.
    """
    centre = average.astype(np.float64)
    away = np.asarray(vectors, dtype=np.float64) - centre
    away -= (away @ centre)[..., None] * centre / max(float(centre @ centre), 1e-12)
    length = np.linalg.norm(away, axis=-1, keepdims=True)
    leaning: Float32 = np.where(length > 1e-9, away / np.maximum(length, 1e-9), 0.0).astype(np.float32)
    return leaning
