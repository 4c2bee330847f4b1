"""Writes a rendered collection to disk: photos by city, their captions and the exact truth."""

import csv
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from topicidx.indexer.rendered.captions import caption_scene
from topicidx.indexer.rendered.drawing import SMALLEST_SIZE, draw_scene
from topicidx.indexer.rendered.scenes import Scene, sample_city_scenes, sample_scenes
from topicidx.processes import child_context

JPEG_QUALITY = 88
CITY_SHOWN_SHARE = 0.3


@dataclass(frozen=True)
class RenderedPicture:
    """One written picture: its path relative to the collection's folder, what it shows and its captions as written.

    `cues` are the hints at the city that it shows; a picture without any may as well be of another city.
    """

    path: PurePosixPath
    city: str
    concepts: frozenset[str]
    captions: tuple[str, ...]
    cues: frozenset[str]


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
    scenes = sample_scenes(count, seed)
    captions = _captions(scenes)
    return _write(folder, scenes, _exchanged(captions, seed) if shuffle_captions else captions, size)


def render_cities(
    folder: Path, count: int, size: int, seed: int, *, shown: float = CITY_SHOWN_SHARE, processes: int = 1
) -> list[RenderedPicture]:
    """Write a collection like InstaCities1M, to evaluate queries by the names of its ten cities.

    A share of `shown` of the pictures show their city's landmark close and its kind of lamp post, with a banner in its
    colours; all others show what they would show anywhere. Captions tag the city by some of its names or not at all,
    whatever the picture shows. So the first pictures found can be right while most of a city's pictures cannot be told from
    those of others: the published shape, where the precision of the first hundred (TOP100) is far above the average
    precision (AP). TOP100 can be high only where `count * shown / 10` is about a hundred, and AP is low only where `shown` is.

    Every city has the same number of pictures, give or take one. Files are as `render_collection` writes them, and the same
    in whatever number of `processes`; a script that asks for more than one needs `if __name__ == "__main__"`. From so few
    pictures a city is learned where most of them show it:

        render_cities(Path("learned"), 1_800, 80, seed=1, shown=0.9)
        render_cities(Path("found"), 4_500, 80, seed=2, shown=0.17)

        topicidx train learned/captions.csv --topics 40
        topicidx ingest found/photos
        topicidx evaluate found/photos --by city

    Raises as `render_collection` does, and ValueError where `shown` is no share.
    """
    scenes = sample_city_scenes(count, seed, shown)
    return _write(folder, scenes, _captions(scenes, many_city_tags=True), size, processes)


def _captions(scenes: Sequence[Scene], *, many_city_tags: bool = False) -> list[tuple[str, ...]]:
    return [
        tuple(caption_scene(scene, np.random.default_rng([scene.seed, 1]), many_city_tags=many_city_tags))
        for scene in scenes
    ]


def _exchanged(captions: list[tuple[str, ...]], seed: int) -> list[tuple[str, ...]]:
    captioned = [index for index, texts in enumerate(captions) if texts]
    # A single random cycle, so that no picture keeps its own captions.
    cycle = np.random.default_rng([seed, len(captions), 2]).permutation(captioned)
    exchanged = list(captions)
    for receiver, giver in zip(cycle, np.roll(cycle, 1), strict=True):
        exchanged[int(receiver)] = captions[int(giver)]
    return exchanged


def _write(
    folder: Path, scenes: Sequence[Scene], captions: Sequence[tuple[str, ...]], size: int, processes: int = 1
) -> list[RenderedPicture]:
    if size < SMALLEST_SIZE:
        raise ValueError(f"a picture must be at least {SMALLEST_SIZE} pixels wide, got {size}")
    pictures = [
        RenderedPicture(_path(scene, index), scene.city, scene.concepts, captions[index], scene.cues)
        for index, scene in enumerate(scenes)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for parent in {folder / picture.path.parent for picture in pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    targets = [folder / picture.path for picture in pictures]
    draw = partial(_draw, size=size)
    if processes == 1:
        for scene, target in zip(scenes, targets, strict=True):
            draw(scene, target)
    else:
        with ProcessPoolExecutor(processes, mp_context=child_context()) as pool:
            list(pool.map(draw, scenes, targets, chunksize=32))
    _write_captions(folder / "captions.csv", pictures)
    _write_truth(folder / "truth.jsonl", pictures)
    return pictures


def _draw(scene: Scene, target: Path, size: int) -> None:
    draw_scene(scene, size).save(target, format="JPEG", quality=JPEG_QUALITY)


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
