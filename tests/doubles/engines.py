"""The engines that keep the contract of a store: a folder, and a server in three guises."""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from qdrant_client import QdrantClient

from doubles.qdrant import QdrantDouble
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.server import Connection, ServerStore, connect, server_writer
from topicidx.indexer.store import StoreWriter, VectorStore
from topicidx.settings import ServerSettings

SPACE = "a space"
#: Where nothing else is said: an engine in a folder, qdrant-client's own in memory, the same behind gRPC, a real server.
ENGINES = ("embedded", "memory", "wire", "server")


class Engine(Protocol):
    """A collection of one engine: how it is written and opened."""

    def writer(
        self, dimensions: int, *, space: str = SPACE, rebuild: bool = False
    ) -> AbstractContextManager[StoreWriter]: ...

    def open(self) -> AbstractContextManager[VectorStore]: ...


class Embedded:
    """A store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def writer(
        self, dimensions: int, *, space: str = SPACE, rebuild: bool = False
    ) -> AbstractContextManager[StoreWriter]:
        return EmbeddedStore.writer(self.folder, "photos", space, dimensions, rebuild=rebuild)

    def open(self) -> AbstractContextManager[VectorStore]:
        return EmbeddedStore.open(self.folder)


class Served:
    """A collection of any client, or of a server at a URL, with a name of its own."""

    def __init__(self, client: QdrantClient | None = None, url: str = "memory", grpc_port: int = 6334) -> None:
        self.client = client
        self.url = url
        self.settings = ServerSettings(grpc_port=grpc_port)
        self.collection = f"topicidx-test-{uuid.uuid4()}"

    def connect(self) -> Connection:
        return Connection(self.client, self.url) if self.client else connect(self.url, self.settings)

    def writer(
        self, dimensions: int, *, space: str = SPACE, rebuild: bool = False
    ) -> AbstractContextManager[StoreWriter]:
        return server_writer(self.connect(), self.collection, space, dimensions, self.settings, rebuild=rebuild)

    def open(self) -> AbstractContextManager[VectorStore]:
        return ServerStore.open(self.connect(), self.collection)

    def clear(self) -> None:
        with self.connect() as connection:
            for found in connection.client.get_collections().collections:
                if found.name.startswith(self.collection):
                    connection.client.delete_collection(found.name)


@contextmanager
def engine_of(name: str, folder: Path, server: str | None) -> Iterator[Engine]:
    """An engine with a collection that is not there yet. server: the URL of a real one, #PORT being that of gRPC."""
    if name == "embedded":
        yield Embedded(folder / "store")
    elif name == "memory":
        yield Served(QdrantClient(":memory:"))
    elif name == "wire":
        with QdrantDouble() as double:
            yield Served(double.client(), double.url)
    else:
        assert server is not None
        parts = urlsplit(server)
        engine = Served(None, parts._replace(fragment="").geturl(), int(parts.fragment or 6334))
        try:
            yield engine
        finally:
            engine.clear()
