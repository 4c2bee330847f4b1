"""Generations of a served collection: an alias leads to the live one, each says in its metadata what it is.

NAME            alias of the live generation, NAME_g000002; readers see no other
NAME_g000003    what an ingest is building: `state` is "building"
NAME_g000001    the one that was live before, which can be brought back
NAME_words      alias of the words that the pictures are searched with, NAME_words_g000001
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from qdrant_client import models

from topicidx.errors import StoreDamagedError, StoreError, StoreUnreachableError
from topicidx.indexer.engine_filters import json_path
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.store import FieldType, Quantized
from topicidx.settings import ServerSettings

FORMAT_VERSION = 1
#: The key of a collection's metadata under which its description lies.
METADATA = "topicidx"

Kind = Literal["pictures", "words"]
Vectors = models.VectorParams | Mapping[str, models.VectorParams]

_SCHEMA: Mapping[FieldType, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
    "datetime": models.PayloadSchemaType.DATETIME,
}
#: Of topic vectors, the small numbers are many and the large ones decide: none is cut off.
_QUANTILE = 1.0
#: What a server does where its settings say nothing, in kilobytes of a segment.
_INDEXING_THRESHOLD = 10_000


class Description(BaseModel):
    """What a collection's metadata say of it.

    vector_space: what the pictures are vectors of; query_side: which words it holds, or goes with. bulk: settings that are
    to be put back when loading has ended. previous: the collection that was live before this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    kind: Kind
    vector_space: str | None = None
    query_side: str | None = None
    dimensions: int
    fields: dict[str, FieldType] = Field(default_factory=dict)
    state: Literal["building", "complete"] = "building"
    bulk: dict[str, int] | None = None
    previous: str | None = None
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat())


@dataclass(frozen=True, slots=True)
class Generation:
    """A collection of ours. quantized: how it keeps its vectors a second time, if it does."""

    collection: str
    description: Description
    quantized: Quantized | None = None

    @property
    def name(self) -> str:
        """Its name apart from that of the alias: g000001."""
        return self.collection.rpartition("_")[2]

    @property
    def number(self) -> int:
        return int(self.name[1:])


def words_name(name: str) -> str:
    """The alias of the words beside the pictures that the alias `name` leads to."""
    return f"{name}_words"


def live_generation(connection: Connection, name: str, kind: Kind = "pictures") -> Generation | None:
    """The generation that readers see, or None. Raises StoreError where `name` is something that is not ours."""
    collection = aliases(connection).get(name)
    if collection is None and connection.call(connection.client.collection_exists, name):
        collection = aliases(connection).get(name)  # another process may have led readers to its own just now
        if collection is None:
            raise _foreign(connection, f"has a collection {name!r}", name)
    if collection is None:
        return None
    found = read_generation(connection, collection)
    if found is None or found.description.kind != kind:
        raise _foreign(connection, f"has an alias {name!r} of the collection {collection!r}", name)
    return found


def all_generations(connection: Connection, name: str, kind: Kind = "pictures") -> list[Generation]:
    """Every generation of ours, live or not, oldest first."""
    found = [_readable(connection, collection) for _, collection in sorted(_numbered(connection, name))]
    return [generation for generation in found if generation is not None and generation.description.kind == kind]


def superseded_generations(connection: Connection, name: str) -> list[Generation]:
    """Complete pictures that are neither live, nor what was live before, nor still to be published."""
    live = live_generation(connection, name)
    if live is None:
        return []
    return [
        found
        for found in all_generations(connection, name)
        if found.description.state == "complete"
        and found.number < live.number
        and found.collection != live.description.previous
    ]


def read_generation(connection: Connection, collection: str) -> Generation | None:
    """The collection and what it says of itself, or None where topicidx did not make it. Raises StoreDamagedError."""
    config = connection.call(connection.client.get_collection, collection).config
    written = (config.metadata or {}).get(METADATA)
    if written is None:
        return None
    version = written.get("format_version") if isinstance(written, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise StoreDamagedError(
            f"the collection {collection!r} of {connection.location} has format {version}, this topicidx reads up to "
            f"{FORMAT_VERSION}; upgrade topicidx"
        )
    try:
        return Generation(collection, Description.model_validate(written), _quantized(config.quantization_config))
    except ValidationError as error:
        raise StoreDamagedError(
            f"the metadata of the collection {collection!r} of {connection.location} are not as topicidx wrote them; "
            "name another collection with --collection, or remove that one and ingest again"
        ) from error


def next_number(connection: Connection, name: str) -> int:
    """The number of the next generation."""
    return max((number for number, _ in _numbered(connection, name)), default=0) + 1


def create_generation(
    connection: Connection,
    name: str,
    description: Description,
    vectors: Vectors,
    settings: ServerSettings,
    number: int | None = None,
) -> Generation:
    """An empty collection that no reader sees. Raises StoreError where another process has made one with this `number`."""
    collection = f"{name}_g{number or next_number(connection, name):06d}"
    client = connection.client
    try:
        connection.call(
            client.create_collection,
            collection,
            vectors_config=vectors,
            shard_number=settings.shard_number,
            replication_factor=settings.replication_factor,
            write_consistency_factor=settings.write_consistency_factor,
            on_disk_payload=settings.on_disk,
            # Word queries are answered by scans, exact or of quantized vectors, so no graph is built: it would answer them worse.
            hnsw_config=models.HnswConfigDiff(m=0),
            quantization_config=_quantization(settings) if description.kind == "pictures" else None,
            metadata=_metadata(description),
        )
    except StoreUnreachableError:
        raise
    except StoreError:  # perhaps it is there already, because the answer to a first try was lost
        made = _readable(connection, collection)
        if made is None or made.description != description:
            raise
    created = read_generation(connection, collection)
    assert created is not None
    return created


def prepare_loading(connection: Connection, generation: Generation) -> Generation:
    """Index the payload fields first, then leave everything else that the server does to points for later."""
    index_fields(connection, generation, generation.description.fields)
    client, bulk = connection.client, generation.description.bulk
    if bulk is None:
        now = connection.call(client.get_collection, generation.collection).config.optimizer_config
        threshold = now.indexing_threshold
        bulk = {"indexing_threshold": _INDEXING_THRESHOLD if threshold is None else threshold}
    # What is to be put back is noted first, so that it is known whatever happens next.
    noted = describe(connection, generation, bulk=bulk, state="building")
    _set_indexing(connection, generation, 0)
    return noted


def end_loading(connection: Connection, generation: Generation, **changes: Any) -> Generation:
    """Put back what `prepare_loading` changed, and note `changes` in the description."""
    if generation.description.bulk is not None:
        _set_indexing(connection, generation, generation.description.bulk["indexing_threshold"])
    return describe(connection, generation, bulk=None, **changes)


def index_fields(connection: Connection, generation: Generation, fields: Mapping[str, FieldType]) -> Generation:
    """Index payload fields of a collection and note it in its description."""
    for name, kind in sorted(fields.items()):
        connection.call(
            connection.client.create_payload_index,
            generation.collection,
            json_path(name),
            field_schema=_SCHEMA[kind],
            wait=True,
        )
    known = generation.description.fields
    return (
        generation if fields.items() <= known.items() else describe(connection, generation, fields={**known, **fields})
    )


def describe(connection: Connection, generation: Generation, **changes: Any) -> Generation:
    """Change a generation's description."""
    description = generation.description.model_copy(update=changes)
    if description != generation.description:
        connection.call(connection.client.update_collection, generation.collection, metadata=_metadata(description))
    return Generation(generation.collection, description, generation.quantized)


def point_aliases(connection: Connection, targets: Mapping[str, Generation | None]) -> None:
    """Lead readers to other generations, from all these aliases at once; None removes an alias."""
    known = aliases(connection)
    operations: list[models.AliasOperations] = []
    for name, target in targets.items():
        if name in known:
            operations.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)))
        if target is not None:
            create = models.CreateAlias(collection_name=target.collection, alias_name=name)
            operations.append(models.CreateAliasOperation(create_alias=create))
    if operations:
        connection.call(connection.client.update_collection_aliases, operations)


def aliases(connection: Connection) -> dict[str, str]:
    """The collection of each alias of the server."""
    found = connection.call(connection.client.get_aliases).aliases
    return {alias.alias_name: alias.collection_name for alias in found}


def drop(connection: Connection, generations: Sequence[Generation]) -> None:
    """Remove collections."""
    for generation in generations:
        connection.call(connection.client.delete_collection, generation.collection)


def _numbered(connection: Connection, name: str) -> list[tuple[int, str]]:
    """Numbers and names of the collections that are called as generations of `name` are."""
    pattern = re.compile(rf"{re.escape(name)}_g(\d{{6,}})")
    names = [collection.name for collection in connection.call(connection.client.get_collections).collections]
    return [(int(match[1]), match[0]) for match in map(pattern.fullmatch, names) if match]


def _readable(connection: Connection, collection: str) -> Generation | None:
    try:
        return read_generation(connection, collection)
    except StoreUnreachableError:
        raise
    except StoreError:  # it is gone, or nothing that we could use
        return None


def _set_indexing(connection: Connection, generation: Generation, threshold: int) -> None:
    connection.call(
        connection.client.update_collection,
        generation.collection,
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=threshold),
    )


def _metadata(description: Description) -> dict[str, Any]:
    return {METADATA: description.model_dump(mode="json")}


def _quantization(settings: ServerSettings) -> models.QuantizationConfig | None:
    if settings.quantization == "int8":
        int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=_QUANTILE, always_ram=True)
        return models.ScalarQuantization(scalar=int8)
    if settings.quantization == "turbo8":
        turbo = models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize.BITS8, always_ram=True)
        return models.TurboQuantization(turbo=turbo)
    return None


def _quantized(config: models.QuantizationConfig | None) -> Quantized | None:
    if isinstance(config, models.ScalarQuantization):
        return "int8"
    return "turbo8" if isinstance(config, models.TurboQuantization) else None


def _foreign(connection: Connection, what: str, name: str) -> StoreError:
    return StoreError(
        f"the server {connection.location} {what} that topicidx did not make, and that it will not touch; "
        f"name another collection than {name!r} with --collection"
    )
