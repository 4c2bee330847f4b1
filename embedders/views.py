"""Views of a picture: the squares of pixels that a network sees.

Resampled by PyTorch, which does it five times as fast as Pillow and to the same numbers, but for one or two of 255 here and
there.
"""

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from topicidx.embedders.pictures import Pixels

#: Pictures that are so many times as large as what is wanted are averaged first, which Pillow does.
FAR = 4


def whole_view(image: Image.Image, size: int) -> Pixels:
    """The whole picture, squashed to uint8 (size, size, 3)."""
    if image.size == (size, size):
        return np.asarray(image)
    if max(image.size) >= FAR * size:
        return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=FAR / 2))
    # Channels last, as they lie; an axis added by NumPy has no stride that says so, and takes twice as long.
    planes = torch.from_numpy(np.array(image)).unsqueeze(0).permute(0, 3, 1, 2)
    resized = interpolate(planes, (size, size), mode="bicubic", antialias=True)
    view: Pixels = resized.permute(0, 2, 3, 1)[0].numpy()
    return view


def center_view(image: Image.Image, resize: int, crop: int) -> Pixels:
    """The middle of the picture: squashed to resize x resize, of which uint8 (crop, crop, 3) is left."""
    offset = (resize - crop) // 2
    return whole_view(image, resize)[offset : offset + crop, offset : offset + crop]


def random_view(image: Image.Image, resize: int, crop: int, rng: np.random.Generator) -> Pixels:
    """A random crop, mirrored half the time: squashed to resize x resize, of which uint8 (crop, crop, 3) is left."""
    top, left, mirrored = random_cut(resize, crop, rng)
    view = whole_view(image, resize)[top : top + crop, left : left + crop]
    return view[:, ::-1] if mirrored else view


def random_cut(resize: int, crop: int, rng: np.random.Generator) -> tuple[int, int, bool]:
    """Where a random crop lies in resize x resize, its top and left, and whether it is mirrored."""
    top, left = rng.integers(resize - crop + 1, size=2)
    return int(top), int(left), bool(rng.integers(2))
