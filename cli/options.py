"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from topicidx.errors import WorkspaceNotFoundError
from topicidx.indexer.stores import StoreAddress, store_address
from topicidx.settings import Settings
from topicidx.workspace import FOLDER_NAME, Workspace

Home = Annotated[
    Path | None,
    typer.Option(
        help="The .topicidx folder to use. Default: in this folder or the nearest one above.", show_default=False
    ),
]
Space = Annotated[
    Path | None, typer.Option(help="The topic space. Default: space/ in the .topicidx folder.", show_default=False)
]
Store = Annotated[
    str | None,
    typer.Option(
        help="The store: a folder, or the URL of a Qdrant server. Default: store/ in the .topicidx folder.",
        show_default=False,
    ),
]
Collection = Annotated[
    str | None, typer.Option(help="The collection in the store. Default: photos.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all randomness. Default: 0.", show_default=False)]


def space_folder(settings: Settings) -> Path:
    """Where the topic space is: as set, or in the workspace."""
    return settings.space or Workspace.find(settings.home).space


def store_address_of(settings: Settings) -> StoreAddress:
    """Where the store is: as set, or in the workspace."""
    if settings.store is None:
        return StoreAddress(Workspace.find(settings.home).store)
    return address_of(settings.store, settings)


def address_of(location: str, settings: Settings) -> StoreAddress:
    """The address of a folder, or of a server: what a server does not keep lies in `servers/` of the workspace."""
    try:
        home = Workspace.find(settings.home).home
    except WorkspaceNotFoundError:
        home = settings.home or Path.cwd() / FOLDER_NAME  # made when there is something to keep
    return store_address(location, home / "servers")
