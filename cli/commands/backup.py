"""`topicidx backup`: a collection to one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from topicidx.cli.console import print_json, progress_bar, status
from topicidx.cli.options import Collection, Home, Json, Space, Store
from topicidx.errors import SpaceError, WorkspaceNotFoundError
from topicidx.indexer.locations import space_folder, store_address_of
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.embedders.topic_space import TopicSpace


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as photos.tar.", show_default=False)],
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    with_space: Annotated[
        bool, typer.Option("--with-space/--no-space", help="Put the topic space of the pictures into the file too.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a collection to one file: points, sources and topic space, from a folder or a server, for either.

    `topicidx restore FILE` brings it back. The file is a tar of .npy and JSON files, each with its checksum.
    """
    from topicidx.indexer.transfer.backup import back_up
    from topicidx.indexer.transfer.places import Place

    settings = Settings.load(home=home, space=space, store=store, collection=collection)
    source = Place(store_address_of(settings), settings.collection)
    topic_space = space_at_hand(settings, named=space is not None) if with_space else None
    with progress_bar() as show:
        report = back_up(
            source,
            file,
            settings.server,
            space=topic_space,
            force=force,
            on_points=lambda done, total: show(done, total, "backing up points"),
        )
    if with_space and not report.space:
        status("the topic space of these pictures is not at hand: the backup holds none; --space names one")
    if as_json:
        print_json(report.to_json())
        return
    print(f"backed up {report.points:,} pictures to {file}: {report.bytes / 1e6:,.1f} MB, checksum {report.checksum}")


def space_at_hand(settings: Settings, *, named: bool) -> "TopicSpace | None":
    """The topic space, or None where there is none that can be opened, unless it was `named` on the command line."""
    from topicidx.embedders.topic_space import TopicSpace

    try:
        return TopicSpace.load(space_folder(settings))
    except (SpaceError, WorkspaceNotFoundError):
        if named:
            raise
        return None
