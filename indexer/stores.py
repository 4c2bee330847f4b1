"""Stores by address: a folder, or the URL of a Qdrant server. The one place that knows which engine an address means."""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from topicidx.errors import SettingsError
from topicidx.indexer.store import Leftover, OnProgress, StoreWriter, VectorStore
from topicidx.settings import APPROXIMATE_FROM, ServerSettings

if TYPE_CHECKING:
    from topicidx.embedders.topic_space import TopicSpace
    from topicidx.indexer.server import JointWriter


#: The list of pictures that could not be indexed, in the folder of a collection.
SKIPPED = "skipped.jsonl"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a store is: a folder, or a server's URL and the folder that keeps what the server does not.

    The folder holds the table of sources and the lists of skipped pictures; of an embedded store also the points.
    """

    folder: Path
    url: str | None = None

    def __str__(self) -> str:
        return self.url or str(self.folder)


def store_address(location: str, servers: Path) -> StoreAddress:
    """The address that `location` means: an URL (http, https), or else a folder.

    What a server does not keep lies in a folder of its own below `servers`. Raises SettingsError for another kind of URL, or
    one that holds a password.
    """
    if "://" not in location:
        return StoreAddress(_folder(location))
    try:
        parts = urlsplit(location)
        parts.port  # noqa: B018 read to be checked
    except ValueError as error:
        raise SettingsError(f"--store {location}: not an URL ({error}); http://localhost:6333 is one") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f"--store {location}: a Qdrant server has an URL such as http://localhost:6333")
    if parts.username or parts.password or parts.query:
        raise SettingsError(
            f"--store {parts.scheme}://{parts.hostname}: an URL must not hold a key, for it is shown and logged; set "
            "TOPICIDX_API_KEY, or name a file with api_key_file"
        )
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{parts.netloc}{parts.path}").strip("_").lower()
    return StoreAddress(servers / name, location.rstrip("/"))


def _folder(location: str) -> Path:
    folder = Path(location)
    if not location:
        raise SettingsError("--store is empty; name a folder, or the URL of a Qdrant server")
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"--store {location} is a file; name a folder, or the URL of a Qdrant server")
    if not folder.exists() and re.fullmatch(r"[A-Za-z0-9.-]+:\d{1,5}", location):
        raise SettingsError(
            f"--store {location}: the URL of a server begins with http:// or https://, as in http://{location}"
        )
    return folder


def open_store(address: StoreAddress, collection: str, server: ServerSettings | None = None) -> VectorStore:
    """Open a collection for reading; to be closed, or used in a `with` block.

    Raises StoreNotFoundError where there is none, another StoreError where it cannot be read.
    """
    if address.url is None:
        from topicidx.indexer.embedded import EmbeddedStore

        return EmbeddedStore.open(address.folder, collection)
    from topicidx.indexer.server import ServerStore, connect

    return ServerStore.open(connect(address.url, server or ServerSettings()), collection)


def open_writer(
    address: StoreAddress,
    collection: str,
    vector_space: str,
    dimensions: int,
    *,
    rebuild: bool = False,
    words_of: "TopicSpace | None" = None,
    server: ServerSettings | None = None,
    approximate_from: int = APPROXIMATE_FROM,
    on_progress: OnProgress | None = None,
) -> AbstractContextManager[StoreWriter]:
    """Begin to write a collection.

    rebuild: start from nothing, even where the collection has the vectors of this space already. words_of: the topic space
    whose words a server is to hold beside the pictures. approximate_from: points from which on a folder gets what approximate
    searches need. on_progress: told how far publishing is. Raises StoreBusyError at
    once while another process writes to the folder, another StoreError where it cannot be written.
    """
    if address.url is None:
        from topicidx.indexer.embedded import embedded_writer

        return embedded_writer(
            address.folder / collection,
            vector_space,
            dimensions,
            rebuild=rebuild,
            approximate_from=approximate_from,
            on_progress=on_progress,
        )
    from topicidx.indexer.server import connect, server_writer

    settings = server or ServerSettings()
    return server_writer(
        connect(address.url, settings),
        collection,
        vector_space,
        dimensions,
        settings,
        rebuild=rebuild,
        words_of=words_of,
    )


def open_joint_writer(
    address: StoreAddress,
    collection: str,
    vector_space: str,
    dimensions: int,
    server: ServerSettings | None = None,
    *,
    rebuild: bool = False,
    join: str | None = None,
    words_of: "TopicSpace | None" = None,
) -> AbstractContextManager["JointWriter"]:
    """Begin to write a collection together with other processes, as `open_writer`, which a server alone allows.

    join: the collection that the process which began has told of. Raises SettingsError for a folder.
    """
    from topicidx.indexer.server import connect, joint_writer

    settings = server or ServerSettings()
    connection = connect(server_of(address), settings)
    return joint_writer(
        connection, collection, vector_space, dimensions, settings, rebuild=rebuild, join=join, words_of=words_of
    )


def server_of(address: StoreAddress) -> str:
    """The URL of the server that several processes may write to. Raises SettingsError for a folder."""
    if address.url is None:
        raise SettingsError(
            f"only one process can write to a store in a folder ({address}); several need a Qdrant server, named with "
            "--store http://HOST:6333; for a folder leave --shard and torchrun out"
        )
    return address.url


def rollback(address: StoreAddress, collection: str, server: ServerSettings | None = None) -> tuple[str, str]:
    """Make the generation before the live one live again; once more undoes it.

    Gives the names of the generation that was live and of the one that now is. Raises StoreError where there is none to bring
    back, StoreBusyError while an ingest writes to the folder.
    """
    if address.url is None:
        from topicidx.indexer.embedded import upkeep

        return upkeep.rollback(address.folder / collection)
    from topicidx.indexer import server as served

    with served.connect(address.url, server or ServerSettings()) as connection:
        return served.rollback(connection, collection)


def collect_garbage(
    address: StoreAddress,
    collection: str,
    *,
    unfinished: bool = False,
    dry_run: bool = False,
    server: ServerSettings | None = None,
) -> list[Leftover]:
    """Remove, and with `dry_run` only tell, what failed builds left behind.

    What a stopped ingest could go on from is kept, unless `unfinished`.
    """
    if address.url is None:
        from topicidx.indexer.embedded import upkeep

        return upkeep.collect_garbage(address.folder / collection, unfinished=unfinished, dry_run=dry_run)
    from topicidx.indexer import server as served

    with served.connect(address.url, server or ServerSettings()) as connection:
        return served.collect_garbage(connection, collection, unfinished=unfinished, dry_run=dry_run)
