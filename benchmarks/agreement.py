"""Number formats and engines: how far their vectors and rankings of the same photos differ from float32 by PyTorch.

    python benchmarks/agreement.py SPACE PHOTOS [--pictures 400] [--words 200]

SPACE: a topic space that was trained (`.topicidx/space`). Rankings are of the photos for the vocabulary's words that most
captions hold. bfloat16 is computed wherever it can be, slowly where the processor has none.
"""

import argparse
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from machine import machine, table
from numpy.typing import NDArray

from topicidx.embedders import googlenet_encoder
from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder
from topicidx.embedders.pictures import open_picture
from topicidx.embedders.topic_space import TopicSpace

BATCH, BEST = 32, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--words", type=int, default=200)
    arguments = parser.parse_args()
    space = TopicSpace.load(arguments.space)
    paths = sorted(arguments.photos.rglob("*.jpg"))[-arguments.pictures :]
    print(f"{machine()}; {len(paths)} photos, {arguments.words} words\n")
    known = space.words.vocabulary.words
    chosen = sorted(range(len(known)), key=lambda word: -known[word].documents)[: arguments.words]
    words = space.words.vectors("lift", chosen)
    whole = vectors(space, paths, torch.float32)
    best = leading(whole, words)
    rows = []
    for name, other in {
        "bfloat16": vectors(space, paths, torch.bfloat16),
        "OpenVINO, float32": vectors(space, paths, torch.float32, hasten=True),
    }.items():
        share = [len(set(one) & set(two)) / BEST for one, two in zip(best, leading(other, words), strict=True)]
        apart = np.abs(other - whole).sum(axis=1)
        lowest = np.sort(share)[: max(len(share) // 10, 1)]
        rows.append(
            [name, f"{np.median(apart):.1e}", f"{apart.max():.1e}", f"{np.mean(share):.3f}", f"{lowest.mean():.3f}"]
        )
    columns = [
        "beside float32",
        "sum of a vector's differences, median",
        "largest",
        "first ten in common",
        "worst tenth of words",
    ]
    print(table(columns, rows), flush=True)


def vectors(space: TopicSpace, paths: list[Path], dtype: torch.dtype, *, hasten: bool = False) -> NDArray[np.float32]:
    """The photos' vectors, computed in a number format: float32 (n, dimensions)."""
    encoder = space.image_encoder
    assert isinstance(encoder, GoogLeNetImageEncoder)
    with patch.object(googlenet_encoder, "inference_dtype", lambda device: dtype):
        encoder = GoogLeNetImageEncoder.restore(encoder.tensors(), encoder.settings_json())
    if hasten:
        encoder.hasten()
    found = []
    for begin in range(0, len(paths), BATCH):
        pictures = [open_picture(path, at_least=encoder.input_size).image for path in paths[begin : begin + BATCH]]
        found.append(encoder.encode([encoder.prepare(picture) for picture in pictures]))
    return np.concatenate(found)


def leading(points: NDArray[np.float32], words: NDArray[np.float32]) -> list[list[int]]:
    """The best photos for each word."""
    order = np.argsort(-(words.astype(np.float64) @ points.T.astype(np.float64)), axis=1, kind="stable")
    best: list[list[int]] = order[:, :BEST].tolist()
    return best


if __name__ == "__main__":
    main()
