# ruff: noqa: N802 -- methods have the names of the service
"""The points of a Qdrant double: requests in, the in-memory client's answers out."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from qdrant_client import grpc as q
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc, grpc_field_type_to_payload_schema

from doubles.qdrant_collections import RefusedError, State

#: What can be counted by value, and what points can be put in order by.
FACETED = {q.PayloadSchemaType.Keyword, q.PayloadSchemaType.Integer, q.PayloadSchemaType.Bool, q.PayloadSchemaType.Uuid}
ORDERED = {
    q.PayloadSchemaType.Integer,
    q.PayloadSchemaType.Float,
    q.PayloadSchemaType.Datetime,
    q.PayloadSchemaType.Uuid,
}


class Points(q.PointsServicer):
    """The service that writes, reads and searches points."""

    def __init__(self, state: State) -> None:
        self._state = state

    def Upsert(self, request: q.UpsertPoints, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        self._state.collection(request.collection_name).upsert(
            [_point(point) for point in request.points],
            _filter(request, "update_filter"),
            _given(request, "update_mode", GrpcToRest.convert_update_mode),
        )
        return _done(request)

    def Delete(self, request: q.DeletePoints, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        selector = self._selected(request, request.points)
        self._state.collection(request.collection_name).delete(selector)
        return _done(request)

    def UpdateVectors(self, request: q.UpdatePointVectors, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        points = [GrpcToRest.convert_point_vectors(point) for point in request.points]
        self._state.collection(request.collection_name).update_vectors(points, _filter(request, "update_filter"))
        return _done(request)

    def DeleteVectors(self, request: q.DeletePointVectors, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        selector = self._selected(request, request.points_selector)
        self._state.collection(request.collection_name).delete_vectors(list(request.vectors.names), selector)
        return _done(request)

    def SetPayload(self, request: q.SetPayloadPoints, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        selector = self._selected(request, request.points_selector)
        key = _given(request, "key")
        payload = GrpcToRest.convert_payload(request.payload)
        self._state.collection(request.collection_name).set_payload(payload, selector, key)
        return _done(request)

    def OverwritePayload(self, request: q.SetPayloadPoints, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        selector = self._selected(request, request.points_selector)
        payload = GrpcToRest.convert_payload(request.payload)
        self._state.collection(request.collection_name).overwrite_payload(payload, selector)
        return _done(request)

    def DeletePayload(self, request: q.DeletePayloadPoints, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        selector = self._selected(request, request.points_selector)
        self._state.collection(request.collection_name).delete_payload(list(request.keys), selector)
        return _done(request)

    def ClearPayload(self, request: q.ClearPayloadPoints, context: grpc.ServicerContext) -> q.PointsOperationResponse:
        selector = self._selected(request, request.points)
        self._state.collection(request.collection_name).clear_payload(selector)
        return _done(request)

    def UpdateBatch(self, request: q.UpdateBatchPoints, context: grpc.ServicerContext) -> q.UpdateBatchResponse:
        operations = [GrpcToRest.convert_points_update_operation(operation) for operation in request.operations]
        self._state.collection(request.collection_name).batch_update_points(operations)
        return q.UpdateBatchResponse(result=[_done(request).result for _ in operations])

    def CreateFieldIndex(
        self, request: q.CreateFieldIndexCollection, context: grpc.ServicerContext
    ) -> q.PointsOperationResponse:
        index = q.PayloadSchemaInfo(data_type=grpc_field_type_to_payload_schema(request.field_type))
        if request.HasField("field_index_params"):
            index.params.CopyFrom(request.field_index_params)
        self._state.kept(request.collection_name).indexes[request.field_name] = index
        return _done(request)

    def DeleteFieldIndex(
        self, request: q.DeleteFieldIndexCollection, context: grpc.ServicerContext
    ) -> q.PointsOperationResponse:
        self._state.kept(request.collection_name).indexes.pop(request.field_name, None)
        return _done(request)

    def Get(self, request: q.GetPoints, context: grpc.ServicerContext) -> q.GetResponse:
        records = self._state.collection(request.collection_name).retrieve(
            [GrpcToRest.convert_point_id(point) for point in request.ids],
            **_wanted(request, payload=True),
        )
        if self._state.kept(request.collection_name).config.params.shard_number > 1:
            records.reverse()  # shards answer in no order
        return q.GetResponse(result=map(_record, records))

    def Scroll(self, request: q.ScrollPoints, context: grpc.ServicerContext) -> q.ScrollResponse:
        name = request.collection_name
        self._state.check_filters(name, [request.filter])
        order = _given(request, "order_by", GrpcToRest.convert_order_by)
        if order is not None:
            self._require_index(name, order.key, ORDERED, "No range index for `order_by` key")
        records, following = self._state.collection(name).scroll(
            scroll_filter=_filter(request),
            limit=_given(request, "limit", default=10),
            order_by=order,
            offset=_given(request, "offset", GrpcToRest.convert_point_id),
            **_wanted(request, payload=True),
        )
        return q.ScrollResponse(
            result=map(_record, records),
            next_page_offset=None if following is None else RestToGrpc.convert_extended_point_id(following),
        )

    def Count(self, request: q.CountPoints, context: grpc.ServicerContext) -> q.CountResponse:
        self._state.check_filters(request.collection_name, [request.filter])
        result = self._state.collection(request.collection_name).count(_filter(request))
        return q.CountResponse(result=RestToGrpc.convert_count_result(result))

    def Facet(self, request: q.FacetCounts, context: grpc.ServicerContext) -> q.FacetResponse:
        name = request.collection_name
        self._state.check_filters(name, [request.filter])
        self._require_index(name, request.key, FACETED, "No appropriate index for faceting")
        limit = _given(request, "limit", default=10)
        hits = self._state.collection(name).facet(request.key, _filter(request), limit).hits
        return q.FacetResponse(hits=[RestToGrpc.convert_facet_value_hit(hit) for hit in hits])

    def Query(self, request: q.QueryPoints, context: grpc.ServicerContext) -> q.QueryResponse:
        return q.QueryResponse(
            result=map(RestToGrpc.convert_scored_point, self._query(request.collection_name, request))
        )

    def QueryBatch(self, request: q.QueryBatchPoints, context: grpc.ServicerContext) -> q.QueryBatchResponse:
        answers = [self._query(request.collection_name, query) for query in request.query_points]
        return q.QueryBatchResponse(
            result=[q.BatchResult(result=map(RestToGrpc.convert_scored_point, points)) for points in answers]
        )

    def QueryGroups(self, request: q.QueryPointGroups, context: grpc.ServicerContext) -> q.QueryGroupsResponse:
        result = self._state.local.query_points_groups(
            request.collection_name,
            request.group_by,
            limit=_given(request, "limit", default=10),
            group_size=_given(request, "group_size", default=3),
            with_lookup=_given(request, "with_lookup", GrpcToRest.convert_with_lookup),
            **self._search(request.collection_name, request),
        )
        for group in result.groups:
            if group.lookup is not None:
                group.lookup.payload = group.lookup.payload or {}
        return q.QueryGroupsResponse(result=RestToGrpc.convert_groups_result(result))

    def _query(self, name: str, request: q.QueryPoints) -> Sequence[models.ScoredPoint]:
        return self._state.local.query_points(
            name,
            limit=_given(request, "limit", default=10),
            offset=_given(request, "offset"),
            **self._search(name, request),
        ).points

    def _search(self, name: str, request: q.QueryPoints | q.QueryPointGroups) -> dict[str, Any]:
        """What plain and grouped queries have in common."""
        self._state.check_filters(name, [request.filter, *_prefetch_filters(request.prefetch)])
        if request.query.HasField("order_by"):
            self._require_index(name, request.query.order_by.key, ORDERED, "No range index for `order_by` key")
        # of what else the params hold, local mode says in a warning that it has no use for it
        idf = _given(request.params, "idf", GrpcToRest.convert_idf_params)
        return {
            "query": _given(request, "query", GrpcToRest.convert_query),
            "using": _given(request, "using"),
            "prefetch": [GrpcToRest.convert_prefetch_query(each) for each in request.prefetch] or None,
            "query_filter": _filter(request),
            "search_params": idf and models.SearchParams(idf=idf),
            **_wanted(request, payload=False),
            "score_threshold": _given(request, "score_threshold"),
            "lookup_from": _given(request, "lookup_from", GrpcToRest.convert_lookup_location),
        }

    def _selected(self, request: Any, selector: q.PointsSelector) -> models.PointsSelector:
        self._state.check_filters(request.collection_name, [selector.filter])
        return GrpcToRest.convert_points_selector(selector)

    def _require_index(self, name: str, key: str, kinds: Collection[object], otherwise: str) -> None:
        index = self._state.kept(name).indexes.get(key)
        if index is None or index.data_type not in kinds:
            details = f"Wrong input: {otherwise}: `{key}`. Please create one."
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, details)


def _point(point: q.PointStruct) -> models.PointStruct:
    """A point, unchecked: pydantic would look at every number, and local mode checks points itself."""
    return models.PointStruct.model_construct(
        id=GrpcToRest.convert_point_id(point.id),
        payload=GrpcToRest.convert_payload(point.payload),
        vector=GrpcToRest.convert_vectors(point.vectors) if point.HasField("vectors") else {},
    )


def _record(record: models.Record) -> q.RetrievedPoint:
    record.payload = record.payload or {}
    return RestToGrpc.convert_record(record)


def _filter(request: Message, name: str = "filter") -> models.Filter | None:
    given: models.Filter | None = _given(request, name, GrpcToRest.convert_filter)
    return given


def _wanted(request: Message, *, payload: bool) -> dict[str, Any]:
    """Which parts of points a request asks for; `payload` is what holds where it does not say."""
    return {
        "with_payload": _given(request, "with_payload", GrpcToRest.convert_with_payload_selector, payload),
        "with_vectors": _given(request, "with_vectors", GrpcToRest.convert_with_vectors_selector, False),
    }


def _given(
    request: Message, name: str, convert: Callable[[Any], Any] = lambda value: value, default: Any = None
) -> Any:
    """What is in a field of a request that may be absent."""
    return convert(getattr(request, name)) if request.HasField(name) else default


def _prefetch_filters(prefetch: Iterable[q.PrefetchQuery]) -> Iterator[q.Filter]:
    for each in prefetch:
        yield each.filter
        yield from _prefetch_filters(each.prefetch)


def _done(request: Any) -> q.PointsOperationResponse:
    status = q.UpdateStatus.Completed if request.wait else q.UpdateStatus.Acknowledged
    return q.PointsOperationResponse(result=q.UpdateResult(operation_id=0, status=status))
