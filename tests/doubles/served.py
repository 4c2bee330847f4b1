"""A collection on a Qdrant double: written, opened and looked at, without ever waiting."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import grpc as q

from doubles.qdrant import QdrantDouble
from topicidx.indexer.server import Connection, ServerStore, ServerWriter, server_writer
from topicidx.indexer.server.collection import METADATA
from topicidx.settings import ServerSettings

DIMENSIONS = 4
SPACE = "a space"


class Served:
    """A double, the settings it is spoken to with, and the waits, in seconds, that would have been made."""

    def __init__(self, double: QdrantDouble, **settings: Any) -> None:
        self.double = double
        self.settings = ServerSettings(grpc_port=double.port, **settings)
        self.waits: list[float] = []
        self.client = double.client()

    def connect(self) -> Connection:
        return Connection(self.client, self.double.url, self.settings, sleep=self.waits.append)

    def open(self, collection: str = "photos") -> ServerStore:
        return ServerStore.open(self.connect(), collection)

    @contextmanager
    def writing(self, *, space: str = SPACE, collection: str = "photos", **options: Any) -> Iterator[ServerWriter]:
        with server_writer(
            self.connect(), collection, space, options.pop("dimensions", DIMENSIONS), self.settings, **options
        ) as writer:
            yield writer

    def publish(self, numbers: Sequence[int], *, tag: str | None = None, **options: Any) -> int:
        with self.writing(**options) as writer:
            upsert(writer, numbers, tag)
            return writer.publish()

    def stop_after(self, numbers: Sequence[int], **options: Any) -> None:
        """An ingest that ends, without any goodbye, after it has written points."""
        space, collection = options.pop("space", SPACE), options.pop("collection", "photos")
        writer = ServerWriter(self.connect(), collection, space, DIMENSIONS, self.settings, **options)
        upsert(writer, numbers)

    def numbers(self, collection: str = "photos") -> list[int]:
        """The points that readers see."""
        with self.open(collection) as store:
            return sorted(int(str(record.payload["number"])) for record in store.scroll())

    @property
    def collections(self) -> list[str]:
        return sorted(collection.name for collection in self.double.memory.get_collections().collections)

    @property
    def aliases(self) -> dict[str, str]:
        return {alias.alias_name: alias.collection_name for alias in self.double.memory.get_aliases().aliases}

    def description(self, collection: str) -> dict[str, Any]:
        metadata = self.double.memory.get_collection(collection).config.metadata
        assert metadata is not None
        found: dict[str, Any] = metadata[METADATA]
        return found

    def indexing_threshold(self, collection: str) -> int | None:
        """The setting that loading changes, as the server has it."""
        return self.client.get_collection(collection).config.optimizer_config.indexing_threshold


def point(number: int) -> UUID:
    return UUID(int=number + 1)


def vectors(count: int, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    return np.eye(dimensions, dtype=np.float32)[np.arange(count) % dimensions]


def upsert(writer: ServerWriter, numbers: Sequence[int], tag: str | None = None) -> None:
    payloads = [{"number": number, "city": "oslo", **({"tag": tag} if tag else {})} for number in numbers]
    writer.upsert([point(number) for number in numbers], vectors(len(numbers)), payloads)


def told(double: QdrantDouble) -> list[str]:
    """What the server was told to do, in order: the methods that change something, and what is worth knowing of each."""
    return [told_of for call in double.calls if (told_of := _told(call.request))]


def _told(request: Any) -> str | None:
    match request:
        case q.CreateCollection():
            return f"create {request.collection_name}"
        case q.CreateFieldIndexCollection():
            return f"index {request.field_name}"
        case q.UpdateCollection() if request.HasField("optimizers_config"):
            return f"indexing_threshold {request.optimizers_config.indexing_threshold}"
        case q.UpdateCollection():
            state = request.metadata[METADATA].struct_value.fields["state"].string_value
            return f"describe {request.collection_name} as {state}"
        case q.UpsertPoints() | q.DeletePoints() | q.UpdateBatchPoints():
            kind = type(request).__name__.removesuffix("Points").lower()
            return f"{kind} {request.collection_name}{'' if request.wait else ' without waiting'}"
        case q.ChangeAliases():
            actions = [(a.create_alias.alias_name, a.create_alias.collection_name) for a in request.actions]
            return "lead " + ", ".join(f"{name} to {target}" for name, target in actions if name)
        case q.DeleteCollection():
            return f"remove {request.collection_name}"
    return None
