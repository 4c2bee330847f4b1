"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from topicidx.errors import SettingsError
from topicidx.settings import Settings
from topicidx.workspace import Workspace

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
    typer.Option(help="The folder of the store. Default: store/ in the .topicidx folder.", show_default=False),
]
Collection = Annotated[
    str | None, typer.Option(help="The collection in the store. Default: photos.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all randomness. Default: 0.", show_default=False)]


def space_folder(settings: Settings) -> Path:
    """Where the topic space is: as set, or in the workspace."""
    return settings.space or Workspace.find(settings.home).space


def store_folder(settings: Settings) -> Path:
    """Where the embedded store is: as set, or in the workspace. Raises SettingsError for a URL."""
    if settings.store is None:
        return Workspace.find(settings.home).store
    if "://" in settings.store:
        raise SettingsError(f"--store {settings.store}: served stores are not supported yet; name a folder")
    return Path(settings.store)
