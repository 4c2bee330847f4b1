"""Drawing mosaics: the pictures of a map, cut square, on the cells of a grid."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO
from uuid import UUID

from PIL import Image, ImageOps

from topicidx.embedders.pictures import MAX_PIXELS, open_picture
from topicidx.embedders.prefetch import default_threads, map_ahead
from topicidx.errors import ImageError, MapError
from topicidx.indexer.index import Index
from topicidx.indexer.mosaic import Cell, Grid, assign, grid_for
from topicidx.indexer.picture_map import PictureMap, Standing, id_of
from topicidx.indexer.picture_map_layout import OnProgress
from topicidx.indexer.store import BLOCK
from topicidx.post import PictureFile

#: What shows where there is no picture.
_GROUND = (22, 22, 24)
#: Pictures that are tried for a cell before it is left empty.
_TRIES = 20

#: Gives the files of pictures, rows of the map; None where it is not known where they lie.
FilesOf = Callable[[Sequence[int]], list[PictureFile | None]]


@dataclass(frozen=True, slots=True)
class MosaicReport:
    """What was drawn: width, height and cell, the side of a picture, in pixels; how many pictures are shown; how many of those
    that were to be could not be read; how many cells stayed empty for it."""

    width: int
    height: int
    columns: int
    rows: int
    cell: int
    shown: int
    unreadable: int
    empty: int

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


def draw_mosaic(
    index: Index,
    picture_map: PictureMap,
    standing: Standing,
    file: BinaryIO,
    *,
    size: int,
    cell: int,
    max_pixels: int = MAX_PIXELS,
    on_progress: OnProgress = lambda what, done, total: None,
) -> MosaicReport:
    """Write a mosaic of the pictures that stand on a map as PNG into `file`.

    size: pixels on its longer side, at most; cell: the least pixels of a picture's side, which says how many are shown.
    Pictures that cannot be read are replaced by their neighbours on the map where it has more of them than cells. Besides the
    mosaic itself no more than a few pictures are in memory. Raises MapError where no picture is left on the map.
    """
    rows = standing.rows
    if not len(rows):
        raise MapError("none of the pictures on the map is indexed any more; `topicidx map` makes it anew")
    grid = grid_for(len(rows), max(1, size // cell))
    side = size // max(grid.columns, grid.rows)
    on_progress("arranging pictures", 0, None)
    cells = assign(picture_map.places[rows], grid)

    def files_of(some: Sequence[int]) -> list[PictureFile | None]:
        return _files_of(index, [id_of(picture_map, int(rows[row])) for row in some])

    mosaic = Image.new("RGB", (side * grid.columns, side * grid.rows), _GROUND)
    threads = default_threads()
    tried = map_ahead(
        lambda job: _open(*job, files_of, side, max_pixels),
        _with_files(cells, files_of),
        threads=threads,
        ahead=2 * threads,
    )
    shown = unreadable = 0
    for done, (place, (picture, failures)) in enumerate(zip(cells, tried, strict=True), start=1):
        unreadable += failures
        if picture is not None:
            mosaic.paste(picture, (place.column * side, place.row * side))
            shown += 1
        on_progress("reading pictures", done, len(cells))
    on_progress("writing the mosaic", 0, None)
    mosaic.save(file, "PNG")
    return MosaicReport(*mosaic.size, *_sides(grid), side, shown, unreadable, len(cells) - shown)


def _sides(grid: Grid) -> tuple[int, int]:
    return grid.columns, grid.rows


def _with_files(cells: Sequence[Cell], files_of: FilesOf) -> Iterator[tuple[Cell, PictureFile | None]]:
    """Each cell with the file of the picture that is assigned to it."""
    for begin in range(0, len(cells), BLOCK):
        some = cells[begin : begin + BLOCK]
        yield from zip(some, files_of([cell.pictures[0] for cell in some]), strict=True)


def _open(
    cell: Cell, first: PictureFile | None, files_of: FilesOf, side: int, max_pixels: int
) -> tuple[Image.Image | None, int]:
    """The picture for a cell, square, and how many could not be read before it."""
    failures = 0
    for file in _candidates(cell, first, files_of):
        if file is not None:
            try:
                picture = open_picture(file, at_least=side, max_pixels=max_pixels).image
                return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS), failures
            except ImageError:
                pass  # counted
        failures += 1
    return None, failures


def _candidates(cell: Cell, first: PictureFile | None, files_of: FilesOf) -> Iterable[PictureFile | None]:
    yield first
    for row in cell.pictures[1:_TRIES]:
        yield from files_of([row])


def _files_of(index: Index, ids: Sequence[UUID]) -> list[PictureFile | None]:
    if index.sources is None:
        return [None] * len(ids)
    payloads = {record.id: record.payload for record in index.store.retrieve(ids)}
    return [index.sources.file_of_point(payloads[point]) if point in payloads else None for point in ids]
