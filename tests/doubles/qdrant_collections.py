# ruff: noqa: N802 -- methods have the names of the service
"""The collections of a Qdrant double: an in-memory client, and beside it the settings that local mode forgets."""

import re
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import grpc
from google.protobuf.message import Message
from qdrant_client import QdrantClient
from qdrant_client import grpc as q
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.local.local_collection import LocalCollection
from qdrant_client.local.qdrant_local import QdrantLocal


class RefusedError(Exception):
    """What a server answers in place of a result."""

    def __init__(self, code: grpc.StatusCode, details: str, trailing: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.trailing = trailing


def refused(error: ValueError) -> RefusedError:
    """The answer of a server where local mode raises `error`."""
    text = str(error)
    if re.match(r"(Collection|Point|Alias) .*(not found|does not exist)", text):
        return RefusedError(grpc.StatusCode.NOT_FOUND, f"Not found: {text}")
    if text.endswith("already exists"):
        return RefusedError(grpc.StatusCode.ALREADY_EXISTS, f"Wrong input: {text}")
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"Wrong input: {text.removeprefix('Wrong input: ')}")


@dataclass(slots=True)
class Kept:
    """What a collection was made with, and the payload indexes it was given."""

    config: q.CollectionConfig
    indexes: dict[str, q.PayloadSchemaInfo] = field(default_factory=dict)


class State:
    """Everything a double holds. Local mode is not thread safe: hold `lock` while it is used.

    strict: whether filters on payload fields without an index are refused; yellow: how many more times a collection is said to
    be optimizing.
    """

    def __init__(self) -> None:
        self.memory = QdrantClient(":memory:")
        self.lock = threading.RLock()
        self.strict = False
        self.yellow = 0
        self._kept: WeakKeyDictionary[LocalCollection, Kept] = WeakKeyDictionary()

    @property
    def local(self) -> QdrantLocal:
        """The engine itself: QdrantClient would search each point for texts to embed."""
        local = self.memory._client
        assert isinstance(local, QdrantLocal)
        return local

    def collection(self, name: str) -> LocalCollection:
        """The collection with this name or alias. Raises RefusedError where there is none."""
        collection = self.local.collections.get(self.local.aliases.get(name, name))
        if collection is None:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")
        # an attribute of the class elsewhere: above it, local mode warns that it is slow
        collection.LARGE_DATA_THRESHOLD = sys.maxsize
        return collection

    def kept(self, name: str) -> Kept:
        """What is kept of a collection, whether it was made over the wire or directly."""
        collection = self.collection(name)
        if collection not in self._kept:
            config = RestToGrpc.convert_collection_config(collection.info().config)
            config.params.MergeFrom(
                q.CollectionParams(
                    shard_number=1, replication_factor=1, write_consistency_factor=1, on_disk_payload=True
                )
            )
            self._kept[collection] = Kept(config)
        return self._kept[collection]

    def check_filters(self, name: str, filters: Iterable[q.Filter]) -> None:
        """Refuse filters on fields without an index, where that is not allowed."""
        kept = self.kept(name)
        mode = kept.config.strict_mode_config
        forbidden = (
            mode.enabled and mode.HasField("unindexed_filtering_retrieve") and not mode.unindexed_filtering_retrieve
        )
        if not (self.strict or forbidden):
            return
        for key in (key for each in filters for key in _keys(each)):
            if key not in kept.indexes:
                raise RefusedError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f'Bad request: Index required but not found for "{key}". '
                    "Help: Create an index for this key or use a different filter.",
                )


class Root(q.QdrantServicer):
    """The service that says which version the server has."""

    def __init__(self, version: str) -> None:
        self.version = version

    def HealthCheck(self, request: q.HealthCheckRequest, context: grpc.ServicerContext) -> q.HealthCheckReply:
        return q.HealthCheckReply(title="qdrant - vector search engine", version=self.version)


class Collections(q.CollectionsServicer):
    """The service that makes, changes and describes collections and aliases."""

    def __init__(self, state: State) -> None:
        self._state = state

    def Create(self, request: q.CreateCollection, context: grpc.ServicerContext) -> q.CollectionOperationResponse:
        name = request.collection_name
        vectors = (
            GrpcToRest.convert_vectors_config(request.vectors_config) if request.HasField("vectors_config") else None
        )
        sparse = (
            GrpcToRest.convert_sparse_vector_config(request.sparse_vectors_config)
            if request.HasField("sparse_vectors_config")
            else None
        )
        metadata = GrpcToRest.convert_payload(request.metadata) or None
        self._state.local.create_collection(name, vectors, sparse, metadata)
        config = self._state.kept(name).config
        config.params.ClearField("vectors_config")  # over the wire, vectors have settings that local mode forgets
        config.params.ClearField("sparse_vectors_config")
        _take(config.params, request)
        _take(config, request)
        config.optimizer_config.MergeFrom(request.optimizers_config)
        return q.CollectionOperationResponse(result=True)

    def Update(self, request: q.UpdateCollection, context: grpc.ServicerContext) -> q.CollectionOperationResponse:
        config = self._state.kept(request.collection_name).config
        changes = GrpcToRest.convert_update_collection(request)
        self._state.local.update_collection(
            request.collection_name, changes.sparse_vectors, changes.metadata, changes.vectors
        )
        config.optimizer_config.MergeFrom(request.optimizers_config)
        _take(config.params, request.params)
        _take(config, request, but={"quantization_config", "params"})
        _take_quantization(config, request)
        for vector, change in _vector_changes(config.params.vectors_config, request.vectors_config):
            _take(vector, change, but={"quantization_config"})
            _take_quantization(vector, change)
        for vector_name, change in request.sparse_vectors_config.map.items():
            config.params.sparse_vectors_config.map[vector_name].MergeFrom(change)
        return q.CollectionOperationResponse(result=True)

    def Delete(self, request: q.DeleteCollection, context: grpc.ServicerContext) -> q.CollectionOperationResponse:
        return q.CollectionOperationResponse(result=self._state.local.delete_collection(request.collection_name))

    def Get(self, request: q.GetCollectionInfoRequest, context: grpc.ServicerContext) -> q.GetCollectionInfoResponse:
        kept = self._state.kept(request.collection_name)
        info = RestToGrpc.convert_collection_info(self._state.collection(request.collection_name).info())
        metadata = q.CollectionConfig(metadata=info.config.metadata)
        info.config.CopyFrom(kept.config)
        info.config.ClearField("metadata")
        info.config.MergeFrom(metadata)
        for name, index in kept.indexes.items():
            info.payload_schema[name].CopyFrom(index)
            info.payload_schema[name].points = info.points_count
        if self._state.yellow:
            self._state.yellow -= 1
            info.status = q.CollectionStatus.Yellow
        return q.GetCollectionInfoResponse(result=info)

    def List(self, request: q.ListCollectionsRequest, context: grpc.ServicerContext) -> q.ListCollectionsResponse:
        names = self._state.local.collections
        return q.ListCollectionsResponse(collections=[q.CollectionDescription(name=name) for name in names])

    def CollectionExists(
        self, request: q.CollectionExistsRequest, context: grpc.ServicerContext
    ) -> q.CollectionExistsResponse:
        exists = self._state.local.collection_exists(request.collection_name)
        return q.CollectionExistsResponse(result=q.CollectionExists(exists=exists))

    def UpdateAliases(self, request: q.ChangeAliases, context: grpc.ServicerContext) -> q.CollectionOperationResponse:
        actions = [GrpcToRest.convert_alias_operations(action) for action in request.actions]
        return q.CollectionOperationResponse(result=self._state.local.update_collection_aliases(actions))

    def ListAliases(self, request: q.ListAliasesRequest, context: grpc.ServicerContext) -> q.ListAliasesResponse:
        return self._aliases()

    def ListCollectionAliases(
        self, request: q.ListCollectionAliasesRequest, context: grpc.ServicerContext
    ) -> q.ListAliasesResponse:
        return self._aliases(request.collection_name)

    def _aliases(self, collection: str | None = None) -> q.ListAliasesResponse:
        return q.ListAliasesResponse(
            aliases=[
                q.AliasDescription(alias_name=alias, collection_name=name)
                for alias, name in self._state.local.aliases.items()
                if collection in (None, name)
            ]
        )


def _take(target: Message, source: Message, but: Iterable[str] = ()) -> None:
    """Merge the fields of `source` that are set into those of `target` with the same names."""
    names = set(target.DESCRIPTOR.fields_by_name).difference(but, {"metadata"})
    for descriptor, value in source.ListFields():
        if descriptor.name not in names:
            continue
        if isinstance(value, Message):
            getattr(target, descriptor.name).MergeFrom(value)
        else:
            setattr(target, descriptor.name, value)


def _take_quantization(target: Message, source: Message) -> None:
    change: q.QuantizationConfigDiff = source.quantization_config
    kind = change.WhichOneof("quantization")
    if kind is None:
        return
    target.ClearField("quantization_config")
    if kind != "disabled":
        getattr(target.quantization_config, kind).CopyFrom(getattr(change, kind))


def _vector_changes(
    config: q.VectorsConfig, changes: q.VectorsConfigDiff
) -> Iterator[tuple[q.VectorParams, q.VectorParamsDiff]]:
    if changes.HasField("params"):
        yield config.params, changes.params
    for name, change in changes.params_map.map.items():
        yield (config.params_map.map[name] if config.HasField("params_map") else config.params), change


def _keys(condition: q.Filter) -> Iterator[str]:
    for each in (*condition.must, *condition.should, *condition.must_not, *condition.min_should.conditions):
        kind = each.WhichOneof("condition_one_of")
        if kind in {"field", "is_empty", "is_null"}:
            yield getattr(each, kind).key
        elif kind == "filter":
            yield from _keys(each.filter)
        elif kind == "nested":
            yield from (f"{each.nested.key}[].{key}" for key in _keys(each.nested.filter))
