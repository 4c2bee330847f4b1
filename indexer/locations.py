"""Where a workspace's topic space and store are, as settings say."""

from pathlib import Path

from topicidx.errors import WorkspaceNotFoundError
from topicidx.indexer.stores import StoreAddress, store_address
from topicidx.settings import Settings
from topicidx.workspace import FOLDER_NAME, Workspace


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
