"""Mosaics: full grids on which neighbours of the map are neighbours, drawn from the pictures that are there."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doubles.spaces import Colour, Paint
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import MapError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id
from topicidx.indexer.mosaic import Grid, assign, grid_for
from topicidx.indexer.mosaic_drawing import draw_mosaic
from topicidx.indexer.picture_map import PictureMap, compare
from topicidx.indexer.sources import SourceRegistry


@pytest.mark.parametrize(
    ("pictures", "grid"),
    [
        (1, Grid(1, 1)), (2, Grid(2, 1)), (3, Grid(3, 1)), (10, Grid(5, 2)), (160, Grid(16, 10)), (1_650, Grid(50, 33)),
        (200_000, Grid(50, 33)),
    ],
)  # fmt: skip
def test_grids_are_wide_and_full(pictures: int, grid: Grid) -> None:
    assert grid_for(pictures, 50) == grid


@pytest.mark.parametrize("pictures", [*range(1, 40), 97, 100, 101, 157, 1_649])
def test_grids_leave_little_out_and_little_empty(pictures: int) -> None:
    grid = grid_for(pictures, 50)
    cells = grid.columns * grid.rows
    assert 0.8 <= grid.columns / grid.rows <= 3 or pictures < 4
    assert abs(cells - pictures) <= max(2, pictures // 10)
    assert cells - pictures < grid.columns


def test_narrow_mosaics_have_a_picture_at_least() -> None:
    assert grid_for(100, 1) == Grid(1, 1)
    assert grid_for(2, 1) == Grid(1, 1)


@pytest.mark.parametrize("pictures", [1, 2, 7, 10, 160, 3_000])
def test_every_cell_has_a_picture_and_no_picture_two(pictures: int) -> None:
    places = np.random.default_rng(0).normal(0.5, 0.15, (pictures, 2)).astype(np.float32)
    grid = grid_for(pictures, 30)
    cells = assign(places, grid)
    assert len(cells) == min(pictures, grid.columns * grid.rows)
    assert len({(cell.column, cell.row) for cell in cells}) == len(cells)
    assert all(0 <= cell.column < grid.columns and 0 <= cell.row < grid.rows for cell in cells)
    used = [picture for cell in cells for picture in cell.pictures]
    assert sorted(used) == list(range(pictures))
    assert assign(places, grid) == cells


@pytest.mark.parametrize("pictures", [384, 5_000])
def test_neighbours_stay_neighbours(pictures: int) -> None:
    chance = np.random.default_rng(2)
    places = np.concatenate([chance.normal(middle, 0.05, (pictures // 4, 2)) for middle in chance.random((4, 2))])
    places = places.astype(np.float32)
    cells = assign(places, grid_for(len(places), 24))
    at = {(cell.column, cell.row): places[cell.pictures[0]] for cell in cells}
    beside = [np.linalg.norm(at[x, y] - at[x + 1, y]) for x, y in at if (x + 1, y) in at]
    first = np.array(list(at.values()))
    anywhere = np.linalg.norm(first - chance.permutation(first), axis=1)
    assert np.mean(beside) < 0.25 * anywhere.mean()


def test_pictures_in_one_place_or_line_are_spread_too() -> None:
    assert len(assign(np.full((9, 2), 0.5, dtype=np.float32), Grid(3, 3))) == 9
    line = np.stack([np.linspace(0, 1, 12), np.full(12, 0.5)], axis=1).astype(np.float32)
    cells = assign(line, Grid(4, 3))
    columns = [cell.column for cell in sorted(cells, key=lambda cell: cell.pictures[0])]
    assert columns == sorted(columns)


RED, BLUE = (200, 20, 20), (20, 40, 210)


def drawn(
    space: TopicSpace, folder: Path, paint: Paint, count: int, broken: set[int], **options: int
) -> tuple[Image.Image, dict[str, int]]:
    """A mosaic of pictures in a row, the left half red and the right half blue, of which some are not there any more."""
    photos = folder / "photos"
    keys = [f"photos/{number}.jpg" for number in range(count)]
    for number in range(count):
        colour: Colour = RED if number < count / 2 else BLUE
        if number not in broken:
            paint(photos / f"{number}.jpg", colour, size=(90, 60))
    photos.mkdir(parents=True, exist_ok=True)
    (folder / "sources.json").write_text(f'{{"photos": "{photos}"}}', encoding="utf-8")
    ids = [point_id(key) for key in keys]
    vectors = np.full((count, space.dimensions), 1 / space.dimensions, dtype=np.float32)
    with EmbeddedStore.writer(folder, "photos", space.vector_space, space.dimensions) as writer:
        writer.upsert(ids, vectors, [{"image": key} for key in keys])
        writer.publish()
    order = np.argsort([point.bytes for point in ids])
    picture_map = PictureMap(
        ids=np.frombuffer(b"".join(sorted(point.bytes for point in ids)), dtype=np.uint8).reshape(count, 16),
        places=np.stack([order / max(count - 1, 1), np.full(count, 0.5)], axis=1).astype(np.float32),
        contents=np.zeros(count, dtype=np.uint64), topics=np.zeros(count, dtype=np.int32),
        vector_space=space.vector_space, generation="1", seed=0, made="",
    )  # fmt: skip
    registry = SourceRegistry(folder)
    with EmbeddedStore.open(folder) as store:
        file = io.BytesIO()
        report = draw_mosaic(Index(space, store, registry), picture_map, compare(picture_map, store), file, **options)
    image = Image.open(file)
    assert image.format == "PNG"
    assert image.size == (report.width, report.height)
    return image.convert("RGB"), report.to_json()


def test_pictures_are_drawn_where_they_lie_on_the_map(space: TopicSpace, tmp_path: Path, paint: Paint) -> None:
    image, report = drawn(space, tmp_path, paint, 10, set(), size=200, cell=20)
    assert report | {"cell": 40} == {
        "width": 200, "height": 80, "columns": 5, "rows": 2, "cell": 40, "shown": 10, "unreadable": 0, "empty": 0,
    }  # fmt: skip
    left, right = image.getpixel((10, 20)), image.getpixel((190, 60))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > left[2]
    assert right[2] > right[0]


def test_missing_pictures_are_counted_and_replaced_where_there_are_others(
    space: TopicSpace, tmp_path: Path, paint: Paint
) -> None:
    _, report = drawn(space, tmp_path / "few", paint, 4, {1}, size=80, cell=40)
    assert report["shown"] == report["columns"] * report["rows"] == 2
    assert report["unreadable"] <= 1
    _, none = drawn(space, tmp_path / "none", paint, 4, {0, 1, 2, 3}, size=80, cell=20)
    assert (none["shown"], none["unreadable"], none["empty"]) == (0, 4, 4)


def test_a_map_without_pictures_is_not_drawn(space: TopicSpace, tmp_path: Path, paint: Paint) -> None:
    drawn(space, tmp_path, paint, 2, set(), size=80, cell=40)
    nothing = PictureMap(
        ids=np.zeros((1, 16), dtype=np.uint8), places=np.zeros((1, 2), dtype=np.float32),
        contents=np.zeros(1, dtype=np.uint64), topics=np.zeros(1, dtype=np.int32),
        vector_space=space.vector_space, generation="1", seed=0, made="",
    )  # fmt: skip
    with EmbeddedStore.open(tmp_path) as store, pytest.raises(MapError, match="topicidx map"):
        draw_mosaic(Index(space, store), nothing, compare(nothing, store), io.BytesIO(), size=80, cell=40)
