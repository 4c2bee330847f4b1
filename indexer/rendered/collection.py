"""Writes a rendered collection to disk: photos by city, their captions and the exact truth."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from topicidx.indexer.rendered.captions import caption_scene
from topicidx.indexer.rendered.drawing import SMALLEST_SIZE, draw_scene
from topicidx.indexer.rendered.scenes import Scene, sample_scenes

JPEG_QUALITY = 88


@dataclass(frozen=True)
class RenderedPicture:
    """One written picture: its path relative to the collection's folder, what it shows and its captions as written."""

    path: PurePosixPath
    city: str
    concepts: frozenset[str]
    captions: tuple[str, ...]


def render_collection(
    folder: Path, count: int, size: int, seed: int, *, shuffle_captions: bool = False
) -> list[RenderedPicture]:
    """Write `count` pictures of `size` x `size` pixels with their captions and their truth into `folder`.

    Pictures go to `photos/<city>/<city>_<number>.jpg`, captions to `captions.csv` (columns image, caption, city; one
    row per caption) and the truth to `truth.jsonl` (image, city, concepts). With `shuffle_captions` the captioned
    pictures exchange their captions at random and nothing else changes. The same arguments write the same bytes;
    files of an earlier, larger collection are left alone. Raises ValueError for a negative count or seed or a size
    below 32, and OSError when the folder cannot be written.
    """
    if size < SMALLEST_SIZE:
        raise ValueError(f"a picture must be at least {SMALLEST_SIZE} pixels wide, got {size}")
    scenes = sample_scenes(count, seed)
    captions = [tuple(caption_scene(scene, np.random.default_rng([scene.seed, 1]))) for scene in scenes]
    if shuffle_captions:
        captions = _exchanged(captions, seed)
    pictures = [
        RenderedPicture(_path(scene, index), scene.city, scene.concepts, captions[index])
        for index, scene in enumerate(scenes)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for scene, picture in zip(scenes, pictures, strict=True):
        target = folder / picture.path
        target.parent.mkdir(parents=True, exist_ok=True)
        draw_scene(scene, size).save(target, format="JPEG", quality=JPEG_QUALITY)
    _write_captions(folder / "captions.csv", pictures)
    _write_truth(folder / "truth.jsonl", pictures)
    return pictures


def _exchanged(captions: list[tuple[str, ...]], seed: int) -> list[tuple[str, ...]]:
    captioned = [index for index, texts in enumerate(captions) if texts]
    # A single random cycle, so that no picture keeps its own captions.
    cycle = np.random.default_rng([seed, len(captions), 2]).permutation(captioned)
    exchanged = list(captions)
    for receiver, giver in zip(cycle, np.roll(cycle, 1), strict=True):
        exchanged[int(receiver)] = captions[int(giver)]
    return exchanged


def _path(scene: Scene, index: int) -> PurePosixPath:
    return PurePosixPath("photos", scene.city, f"{scene.city}_{index:05d}.jpg")


def _write_captions(path: Path, pictures: list[RenderedPicture]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "caption", "city"])
        for picture in pictures:
            writer.writerows([str(picture.path), caption, picture.city] for caption in picture.captions)


def _write_truth(path: Path, pictures: list[RenderedPicture]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for picture in pictures:
            truth = {"image": str(picture.path), "city": picture.city, "concepts": sorted(picture.concepts)}
            file.write(json.dumps(truth) + "\n")
