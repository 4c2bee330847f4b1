"""`topicidx rollback`, `gc` and `duplicates`: the upkeep of a store."""

from collections import defaultdict
from typing import Annotated

import typer

from topicidx.cli.console import print_json, printable, status
from topicidx.cli.options import Collection, Home, Json, Store
from topicidx.errors import StoreNotFoundError
from topicidx.indexer.locations import store_address_of
from topicidx.settings import Settings


def rollback(home: Home = None, store: Store = None, collection: Collection = None, as_json: Json = False) -> None:
    """Bring the generation of the index before the live one back; once more undoes it."""
    from topicidx.indexer.stores import open_store
    from topicidx.indexer.stores import rollback as bring_back

    settings = Settings.load(home=home, store=store, collection=collection)
    address = store_address_of(settings)
    before, now = bring_back(address, settings.collection, settings.server)
    with open_store(address, settings.collection, settings.server) as opened:
        points = opened.count()
    if as_json:
        print_json({"from": before, "to": now, "pictures": points})
        return
    print(f"{now} is live again, with {points} pictures; {before} is kept: the same command brings it back")


def gc(
    home: Home = None,
    store: Store = None,
    collection: Collection = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also what a stopped ingest or training could go on from.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what failed builds of the index and stopped trainings left behind."""
    from topicidx.indexer.store import Leftover
    from topicidx.indexer.stores import collect_garbage
    from topicidx.indexer.trainings import clear_trainings

    settings = Settings.load(home=home, store=store, collection=collection)
    address = store_address_of(settings)
    trainings = clear_trainings(settings.home, remove=unfinished, dry_run=dry_run)
    found: list[Leftover] = []
    try:
        found = collect_garbage(
            address, settings.collection, unfinished=unfinished, dry_run=dry_run, server=settings.server
        )
    except StoreNotFoundError:  # a training may be stopped before there is a store
        if not trainings:
            raise
    found += trainings
    removed = [leftover for leftover in found if leftover.remove]
    if as_json:
        entries = [
            {"name": leftover.name, "reason": leftover.reason, "removed": leftover.remove, "bytes": leftover.bytes}
            for leftover in found
        ]
        print_json({"dry_run": dry_run, "leftovers": entries})
        return
    for leftover in found:
        size = "" if leftover.bytes is None else f" ({leftover.bytes / 2**20:.1f} MiB)"
        word = "kept" if not leftover.remove else "would be removed" if dry_run else "removed"
        print(f"{word}: {printable(leftover.name)}{size}: {leftover.reason}")
    if not removed:
        print("nothing to remove")
    if len(removed) < len(found):
        status("`topicidx gc --unfinished` removes what is kept, too: what was done there must then be done again")


def duplicates(home: Home = None, store: Store = None, collection: Collection = None, as_json: Json = False) -> None:
    """List pictures of the store that are exact copies of each other, a set a paragraph."""
    from topicidx.indexer.stores import open_store

    settings = Settings.load(home=home, store=store, collection=collection)
    sets: dict[str, list[str]] = defaultdict(list)
    with open_store(store_address_of(settings), settings.collection, settings.server) as opened:
        for record in opened.scroll(["image", "sha256"]):
            if record.payload.get("sha256"):
                sets[str(record.payload["sha256"])].append(str(record.payload["image"]))
    found = sorted(sorted(images) for images in sets.values() if len(images) > 1)
    if as_json:
        print_json(found)
        return
    print(
        "\n\n".join("\n".join(map(printable, images)) for images in found) if found else "no two pictures are the same"
    )
