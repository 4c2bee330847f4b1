"""`topicidx map`: all pictures laid out by their topics, for the page of `serve` or as one picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from topicidx.cli.console import print_json, progress_bar, status
from topicidx.cli.options import Collection, Home, Json, Seed, Space, Store
from topicidx.errors import MapError, MapNotFoundError
from topicidx.indexer.locations import store_address_of
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.indexer.index import Index
    from topicidx.indexer.mosaic_drawing import MosaicReport
    from topicidx.indexer.picture_map import PictureMap, Standing
    from topicidx.indexer.picture_map_layout import OnProgress


def make_map(
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png", help="Also draw the map as one picture: a mosaic of the pictures themselves.", show_default=False
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(help="Pixels on the longer side of the mosaic, at most.", min=64, max=16_384)
    ] = 2_400,
    cell: Annotated[
        int, typer.Option(help="The least pixels of each picture in the mosaic: the fewer, the more of them.", min=8)
    ] = 48,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Lay the pictures out anew, even where the map is up to date.")
    ] = False,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Lay all pictures out on a map by their topics, similar ones near each other.

    It is kept beside the store until the next time; `topicidx serve` shows it at /map. What is up to date is not made anew.
    """
    from topicidx.indexer.index import Index
    from topicidx.indexer.picture_map import map_file, write_picture_map
    from topicidx.indexer.picture_map_making import make_picture_map
    from topicidx.indexer.transfer.files import check_absent

    if png is not None:
        check_absent(png, force=True)
    settings = Settings.load(home=home, space=space, store=store, collection=collection)
    file = map_file(store_address_of(settings), settings.collection)
    mosaic = None
    with Index.open(settings=settings) as index, progress_bar() as show:

        def on_progress(what: str, done: int, total: int | None) -> None:
            show(done, total, what)

        picture_map, standing = _kept(index, file, seed, fresh=fresh)
        made = picture_map is None or standing is None
        if picture_map is None or standing is None:
            picture_map = make_picture_map(index, seed=seed or 0, on_progress=on_progress)
            write_picture_map(file, picture_map)
            standing = _standing(picture_map, index)
        if png is not None:
            mosaic = _draw(png, index, picture_map, standing, size, cell, settings.ingest.max_pixels, on_progress)
    if as_json:
        report = {
            "file": str(file),
            "made": made,
            "pictures": len(standing.rows),
            "missing": standing.missing,
            "cities": len(standing.city_names),
            "seed": picture_map.seed,
            "mosaic": None if mosaic is None else {"file": str(png), **mosaic.to_json()},
        }
        print_json(report)
        return
    _print(made, standing, png, mosaic)


def _kept(
    index: "Index", file: Path, seed: int | None, *, fresh: bool
) -> "tuple[PictureMap, Standing] | tuple[None, None]":
    """The map that there is, where it is up to date; a line says why it is made anew where it is not."""
    from topicidx.indexer.picture_map import read_picture_map

    if fresh:
        return None, None
    try:
        found = read_picture_map(file, index.store.info().vector_space)
    except MapNotFoundError:
        return None, None
    except MapError as error:
        status(str(error).replace("`topicidx map` makes it anew", "it is made anew"))
        return None, None
    standing = _standing(found, index)
    if standing.current and seed in (None, found.seed):
        return found, standing
    changes = [
        f"{count:,} {what}"
        for count, what in (
            (standing.missing, "indexed since"),
            (standing.gone, "removed or changed since"),
        )
        if count
    ]
    if changes:
        status(f"the map is not up to date ({', '.join(changes)}): it is made anew")
    return None, None


def _standing(picture_map: "PictureMap", index: "Index") -> "Standing":
    from topicidx.indexer.picture_map import compare

    return compare(picture_map, index.store)


def _draw(
    png: Path,
    index: "Index",
    picture_map: "PictureMap",
    standing: "Standing",
    size: int,
    cell: int,
    max_pixels: int,
    on_progress: "OnProgress",
) -> "MosaicReport":
    from topicidx.indexer.mosaic_drawing import draw_mosaic
    from topicidx.indexer.transfer.files import new_file

    with new_file(png, force=True) as file:
        return draw_mosaic(
            index, picture_map, standing, file, size=size, cell=cell, max_pixels=max_pixels, on_progress=on_progress
        )


def _print(made: bool, standing: "Standing", png: Path | None, mosaic: "MosaicReport | None") -> None:
    pictures = f"{len(standing.rows):,} {'picture' if len(standing.rows) == 1 else 'pictures'}"
    print(f"mapped {pictures}" if made else f"the map of {pictures} is up to date")
    if standing.missing:
        status(f"{standing.missing:,} pictures were indexed meanwhile; `topicidx map` puts them on it")
    if mosaic is None:
        status("`topicidx serve` shows it at /map; --png FILE draws it")
        return
    print(f"drew {mosaic.shown:,} of them, {mosaic.width} x {mosaic.height} pixels: {png}")
    if mosaic.unreadable:
        empty = f"; {mosaic.empty:,} cells stayed empty" if mosaic.empty else ""
        status(f"{mosaic.unreadable:,} pictures could not be read where they lay when they were indexed{empty}")
