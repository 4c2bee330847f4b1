"""`topicidx copy`: a collection from one store to another."""

import shlex
from typing import Annotated

import typer

from topicidx.cli.commands.backup import space_at_hand
from topicidx.cli.console import print_json, progress_bar, status
from topicidx.cli.options import Collection, Home, Json, Space
from topicidx.indexer.locations import address_of, store_address_of
from topicidx.settings import Settings


def copy(
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The store to read: a folder or an URL. Default: the one that is searched.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[str, typer.Option("--to", help="The store to write: a folder or an URL.", show_default=False)],
    home: Home = None,
    space: Space = None,
    collection: Collection = None,
    to_collection: Annotated[
        str | None, typer.Option(help="The collection to write. Default: named as the one read.", show_default=False)
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Send all points again, also those that a stopped copy has left there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy a collection to another store, folders and servers alike, count it and compare checksums.

    It is built anew beside what is there, and readers see it all at once. Stopped, the same command goes on where it was.
    """
    from topicidx.indexer.transfer.copying import copy_collection
    from topicidx.indexer.transfer.places import Place

    settings = Settings.load(home=home, space=space, store=source, collection=collection)
    named = Settings.load(home=home, collection=to_collection or settings.collection)
    origin = Place(store_address_of(settings), settings.collection)
    destination = Place(address_of(to, settings), named.collection)
    topic_space = space_at_hand(settings, named=space is not None) if destination.address.url else None
    try:
        with progress_bar() as show:
            report = copy_collection(
                origin,
                destination,
                settings.server,
                space=topic_space,
                fresh=fresh,
                on_progress=lambda stage, done, total: show(done, total, stage),
            )
    except KeyboardInterrupt:
        status("stopped; run the same command again to go on from here")
        raise
    if report.resumed:
        status(f"{report.resumed:,} pictures had been copied already")
    if destination.address.url and not report.words:
        status(
            "the topic space of these pictures is not at hand: no words were copied to the server; --space names one"
        )
    if report.replaced:
        undo = f"topicidx rollback --store {shlex.quote(to)} --collection {destination.collection}"
        status(f"{report.replaced:,} pictures were there before; `{undo}` brings them back")
    if as_json:
        print_json(report.to_json())
        return
    print(f"copied {report.points:,} pictures to {destination}, checksum {report.checksum}")
