"""`topicidx sources` and `topicidx relocate`: where the pictures of a store lie."""

import contextlib
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from topicidx.cli.console import print_json, printable, results, status
from topicidx.cli.options import Collection, Home, Json, Store
from topicidx.errors import SourceError, StoreNotFoundError
from topicidx.indexer.locations import store_address_of
from topicidx.post import PictureFile
from topicidx.settings import Settings

#: Pictures that are looked for below a source's new root.
_SAMPLE = 1_000


def sources(home: Home = None, store: Store = None, collection: Collection = None, as_json: Json = False) -> None:
    """List the sources of the store's pictures: their names, where they lie, how many pictures are indexed."""
    from topicidx.indexer.sources import SourceRegistry
    from topicidx.indexer.stores import open_store

    settings = Settings.load(home=home, store=store, collection=collection)
    address = store_address_of(settings)
    with open_store(address, settings.collection, settings.server) as opened:
        pictures = opened.facet("source")
    roots = SourceRegistry(address.folder).roots
    listed = [
        {
            "source": name,
            "root": str(roots[name]) if name in roots else None,
            "there": roots[name].is_dir() if name in roots else None,
            "pictures": pictures.get(name, 0),
        }
        for name in sorted({*roots, *pictures})
    ]
    if as_json:
        print_json(listed)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("source")
    table.add_column("pictures", justify="right")
    table.add_column("root", overflow="fold")
    for entry in listed:
        root = printable(str(entry["root"])) if entry["root"] else "not known here"
        table.add_row(
            printable(str(entry["source"])),
            str(entry["pictures"]),
            root + (" (gone)" if entry["there"] is False else ""),
        )
    results().print(table)


def relocate(
    name: Annotated[str, typer.Argument(help="The source, as `topicidx sources` names it.", show_default=False)],
    root: Annotated[str, typer.Argument(help="The folder or URL that its pictures lie in now.", show_default=False)],
    home: Home = None,
    store: Store = None,
    collection: Collection = None,
    force: Annotated[bool, typer.Option("--force", help="Even where none of its pictures is there.")] = False,
    as_json: Json = False,
) -> None:
    """Say that a source's pictures were moved to another folder. Nothing is read again: their keys stay."""
    from topicidx.indexer.conditions import Equals
    from topicidx.indexer.keys import file_of, unit_of
    from topicidx.indexer.sources import SourceRegistry
    from topicidx.indexer.sources.places import place_of
    from topicidx.indexer.store import PointFilter
    from topicidx.indexer.stores import open_store

    settings = Settings.load(home=home, store=store, collection=collection)
    address = store_address_of(settings)
    registry = SourceRegistry(address.folder)
    keys: list[str] = []
    in_store: tuple[str, ...] = ()
    # The table of sources may be older than the index.
    with contextlib.suppress(StoreNotFoundError), open_store(address, settings.collection, settings.server) as opened:
        in_store = tuple(opened.facet("source"))
        of_source = PointFilter(where=Equals("source", (name,)))
        records = opened.scroll(["image"], of_source) if name in in_store else iter(())
        keys = [str(record.payload["image"]) for record in islice(records, _SAMPLE)]
    place = place_of(root)
    found = sum(_is_there(file_of(unit_of(key), place)) for key in keys) if isinstance(place, Path) else len(keys)
    if keys and not found and not force and place.is_dir():
        raise SourceError(
            f"none of {len(keys)} pictures of {name!r} is below {place}, such as {printable(keys[0])}; name the folder that "
            "takes the place of the old root, or use --force"
        )
    old = registry.relocate(name, root, in_store=in_store)
    if as_json:
        report = {"source": name, "from": str(old) if old else None, "to": str(registry.roots[name])}
        print_json(report | {"looked_for": len(keys), "found": found})
        return
    print(f"{name}: now {registry.roots[name]}" + (f", before {old}" if old else ""))
    if found < len(keys):
        status(f"{len(keys) - found} of {len(keys)} pictures looked for are not there")


def forget(
    name: Annotated[str, typer.Argument(help="The source, as `topicidx sources` names it.", show_default=False)],
    home: Home = None,
    store: Store = None,
    collection: Collection = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many pictures would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a source with all its pictures from the store. The picture files are not touched."""
    from topicidx.indexer.forgetting import forget as forget_source

    settings = Settings.load(home=home, store=store, collection=collection)
    removed, points = forget_source(
        store_address_of(settings), settings.collection, name, settings.server, dry_run=dry_run
    )
    if as_json:
        print_json({"source": name, "dry_run": dry_run, "removed": removed, "pictures": points})
    elif dry_run:
        print(f"{name}: {removed} pictures would be removed; the store would hold {points}")
    else:
        print(f"{name}: {removed} pictures removed; the store holds {points} (`topicidx rollback` brings them back)")


def _is_there(file: PictureFile) -> bool:
    return isinstance(file, Path) and file.is_file()
