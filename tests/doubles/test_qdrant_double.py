"""The Qdrant double answers a real client as a server does, records what it is asked, and fails as it is told to."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as q
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

from doubles.qdrant import QdrantDouble
from doubles.qdrant_faults import delay, drop, permission_denied, rate_limit, refuse, status, unauthenticated

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
DOT2 = models.VectorParams(size=2, distance=models.Distance.DOT)


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def client(double: QdrantDouble) -> Iterator[QdrantClient]:
    client = double.client(timeout=60)
    yield client
    client.close()


@pytest.fixture
def photos(client: QdrantClient) -> QdrantClient:
    """A client of a double with a collection `photos`: four points, an index on city."""
    client.create_collection("photos", DOT2)
    client.create_payload_index("photos", "city", models.PayloadSchemaType.KEYWORD)
    cities = ["zürich", "oslo", "zürich", "東京"]
    client.upsert("photos", [_point(n, [n, 4 - n], {"city": city, "n": n}) for n, city in enumerate(cities)])
    return client


def _point(number: int, vector: Any, payload: dict[str, Any] | None = None) -> models.PointStruct:
    return models.PointStruct(id=number, vector=vector, payload=payload or {})


def _stored(double: QdrantDouble, name: str = "photos") -> dict[Any, dict[str, Any] | None]:
    return {record.id: record.payload for record in double.memory.scroll(name, limit=1000)[0]}


def _code(error: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    return error.value.code()


def test_a_collection_keeps_the_settings_it_was_made_with(client: QdrantClient) -> None:
    client.create_collection(
        "photos",
        models.VectorParams(size=3, distance=models.Distance.DOT, on_disk=True, hnsw_config=models.HnswConfigDiff(m=4)),
        shard_number=3,
        replication_factor=2,
        write_consistency_factor=2,
        on_disk_payload=False,
        hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=7),
        quantization_config=models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.5, always_ram=True)
        ),
    )
    config = client.get_collection("photos").config
    assert isinstance(config.params.vectors, models.VectorParams)
    assert (config.params.vectors.size, config.params.vectors.on_disk) == (3, True)
    assert config.params.vectors.hnsw_config == models.HnswConfigDiff(m=4)
    assert (config.params.shard_number, config.params.replication_factor) == (3, 2)
    assert (config.params.write_consistency_factor, config.params.on_disk_payload) == (2, False)
    assert (config.hnsw_config.m, config.hnsw_config.payload_m, config.hnsw_config.ef_construct) == (0, 16, 100)
    assert (config.optimizer_config.indexing_threshold, config.optimizer_config.flush_interval_sec) == (7, 5)
    assert isinstance(config.quantization_config, models.ScalarQuantization)
    assert config.quantization_config.scalar.quantile == 0.5


def test_a_collection_keeps_what_it_is_updated_to(client: QdrantClient) -> None:
    client.create_collection("words", {"lift": DOT2, "topics": DOT2}, metadata={"space": "abc", "made": {"by": "ü"}})
    int8 = models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8))
    client.update_collection(
        "words",
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0, max_optimization_threads=2),
        hnsw_config=models.HnswConfigDiff(m=32),
        collection_params=models.CollectionParamsDiff(replication_factor=3, on_disk_payload=False),
        vectors_config={"lift": models.VectorParamsDiff(on_disk=True)},
        quantization_config=int8,
        metadata={"state": "complete"},
    )
    config = client.get_collection("words").config
    assert (config.optimizer_config.indexing_threshold, config.optimizer_config.max_optimization_threads) == (0, 2)
    assert (config.hnsw_config.m, config.params.replication_factor, config.params.on_disk_payload) == (32, 3, False)
    assert isinstance(config.params.vectors, dict)
    assert (config.params.vectors["lift"].on_disk, config.params.vectors["topics"].on_disk) == (True, None)
    assert config.quantization_config == int8
    assert config.metadata == {"space": "abc", "made": {"by": "ü"}, "state": "complete"}

    client.update_collection("words", quantization_config=models.Disabled.DISABLED)
    assert client.get_collection("words").config.quantization_config is None


def test_collections_are_listed_found_and_deleted(client: QdrantClient, double: QdrantDouble) -> None:
    client.create_collection("a", DOT2)
    client.create_collection("b", DOT2)
    assert {each.name for each in client.get_collections().collections} == {"a", "b"}
    assert client.delete_collection("a")
    assert not client.delete_collection("a")
    assert [client.collection_exists(name) for name in "ab"] == [False, True]
    double.memory.create_collection("direct", DOT2)
    assert client.get_collection("direct").config.params.shard_number == 1


def test_aliases_are_swapped_in_one_step_and_used_as_names(photos: QdrantClient, double: QdrantDouble) -> None:
    photos.create_collection("photos_2", DOT2)

    def point_to(collection: str) -> list[models.AliasOperations]:
        alias = models.CreateAlias(collection_name=collection, alias_name="live")
        return [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="live")),
            models.CreateAliasOperation(create_alias=alias),
        ]

    photos.update_collection_aliases(point_to("photos"))
    assert photos.collection_exists("live")
    assert photos.count("live").count == 4
    photos.upsert("live", [_point(9, [0, 0])])
    assert photos.count("photos").count == 5
    photos.update_collection("live", metadata={"through": "alias"})
    assert photos.get_collection("photos").config.metadata == {"through": "alias"}

    photos.update_collection_aliases(point_to("photos_2"))
    assert photos.count("live").count == 0
    assert [(each.alias_name, each.collection_name) for each in photos.get_aliases().aliases] == [("live", "photos_2")]
    assert photos.get_collection_aliases("photos").aliases == []
    assert len(photos.get_collection_aliases("photos_2").aliases) == 1

    with pytest.raises(grpc.RpcError) as error:
        photos.update_collection_aliases(point_to("nowhere"))
    assert _code(error) == grpc.StatusCode.NOT_FOUND
    assert photos.count("live").count == 0, "the alias is still there"
    photos.delete_collection("photos_2")
    assert photos.get_aliases().aliases == []


def test_float32_vectors_come_back_bit_for_bit(client: QdrantClient) -> None:
    tiny = np.finfo(np.float32).smallest_subnormal
    vectors = np.array([[0.1, -0.0, tiny], [1 / 3, np.finfo(np.float32).max, 1e-38]], dtype=np.float32)
    client.create_collection("one", models.VectorParams(size=3, distance=models.Distance.DOT))
    client.create_collection("two", {"lift": models.VectorParams(size=3, distance=models.Distance.DOT), "topics": DOT2})
    client.upsert("one", models.Batch(ids=[0, 1], vectors=vectors.tolist()))
    client.upsert("two", models.Batch(ids=[0, 1], vectors={"lift": vectors.tolist()}))

    one = [record.vector for record in client.retrieve("one", [0, 1], with_vectors=True)]
    two = [record.vector for record in client.scroll("two", with_vectors=["lift"])[0]]
    assert np.array(one, dtype=np.float32).tobytes() == vectors.tobytes()
    assert np.array([each["lift"] for each in two], dtype=np.float32).tobytes() == vectors.tobytes()  # type: ignore[call-overload, index]


def test_payloads_come_back_as_they_were(client: QdrantClient) -> None:
    payload = {
        "Größe": "東京 🌅 e\u0301", "empty": "", "list": ["a", 1, 1.0, None, True], "nested": {"ü": {"deep": [{}]}},
        "big": 2**62, "real": 0.1, "whole": 2.0, "none": None, "no": False,
    }  # fmt: skip
    client.create_collection("photos", DOT2)
    client.upsert("photos", [_point(1, [0, 1], payload)])
    (record,) = client.retrieve("photos", [1])
    assert record.payload == payload
    assert record.payload is not None
    assert (type(record.payload["whole"]), type(record.payload["list"][4])) == (float, bool)
    assert client.retrieve("photos", [1], with_payload=["real"])[0].payload == {"real": 0.1}
    assert client.retrieve("photos", [1], with_payload=False)[0].payload == {}


def test_points_are_overwritten_and_deleted(photos: QdrantClient, double: QdrantDouble) -> None:
    photos.upsert("photos", [_point(0, [9, 9], {"new": True})])
    photos.delete("photos", [1, 77])
    photos.delete("photos", models.Filter(must=[_is("n", 2)]))
    assert _stored(double) == {0: {"new": True}, 3: {"city": "東京", "n": 3}}
    mode = models.UpdateMode.INSERT_ONLY
    photos.upsert("photos", [_point(0, [1, 1], {}), _point(8, [1, 1], {"n": 8})], update_mode=mode)
    assert _stored(double)[0] == {"new": True}
    assert _stored(double)[8] == {"n": 8}


def test_payloads_are_set_overwritten_deleted_and_cleared(photos: QdrantClient, double: QdrantDouble) -> None:
    photos.set_payload("photos", {"extra": 1}, [0])
    photos.set_payload("photos", {"x": 1}, [0], key="box")
    photos.overwrite_payload("photos", {"only": 1}, [1])
    photos.delete_payload("photos", ["city"], models.Filter(must=[_is("n", 2)]))
    photos.clear_payload("photos", [3])
    assert _stored(double) == {
        0: {"city": "zürich", "n": 0, "extra": 1, "box": {"x": 1}}, 1: {"only": 1}, 2: {"n": 2}, 3: {}
    }  # fmt: skip


def test_a_batch_of_updates_is_applied_in_order(photos: QdrantClient, double: QdrantDouble) -> None:
    results = photos.batch_update_points(
        "photos",
        [
            models.UpsertOperation(upsert=models.PointsList(points=[_point(5, [5, 5], {"n": 5})])),
            models.SetPayloadOperation(set_payload=models.SetPayload(payload={"m": 1}, points=[5])),
            models.DeleteOperation(delete=models.PointIdsList(points=[0, 1, 2, 3])),
            models.UpdateVectorsOperation(
                update_vectors=models.UpdateVectors(points=[models.PointVectors(id=5, vector=[6, 6])])
            ),
        ],
    )
    assert [result.status for result in results] == [models.UpdateStatus.COMPLETED] * 4
    assert _stored(double) == {5: {"n": 5, "m": 1}}
    photos.update_vectors("photos", [models.PointVectors(id=5, vector=[7, 8])])
    assert photos.retrieve("photos", [5], with_vectors=True)[0].vector == [7, 8]
    assert photos.upsert("photos", [_point(5, [5, 5])], wait=False).status == models.UpdateStatus.ACKNOWLEDGED


def test_points_are_scrolled_in_pages_filtered_and_counted(client: QdrantClient) -> None:
    client.create_collection("photos", DOT2)
    client.create_payload_index("photos", "n", models.PayloadSchemaType.INTEGER)
    days = [f"2024-01-{day:02}T12:00:00+01:00" for day in range(1, 11)]
    client.upsert("photos", [_point(n, [n, n], {"n": -n, "taken_at": day}) for n, day in enumerate(days)])
    seen, offset = [], None
    while True:
        page, offset = client.scroll("photos", limit=3, offset=offset, with_payload=False)
        seen.append([record.id for record in page])
        if offset is None:
            break
    assert seen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    ordered, _ = client.scroll("photos", limit=2, order_by="n")
    assert [record.id for record in ordered] == [9, 8]

    during = models.FieldCondition(
        key="taken_at", range=models.DatetimeRange(gte="2024-01-03T11:00:00Z", lt="2024-01-05T11:00:00Z")
    )
    assert client.count("photos", models.Filter(must=[during])).count == 2
    below = models.FieldCondition(key="n", range=models.Range(lt=-7))
    missing = models.IsEmptyCondition(is_empty=models.PayloadField(key="city"))
    either = models.Filter(
        should=[models.Filter(must=[during, missing]), below], must_not=[models.HasIdCondition(has_id=[9])]
    )
    assert [record.id for record in client.scroll("photos", either)[0]] == [2, 3, 8]


def test_a_payload_index_is_visible_and_needed_to_count_values(photos: QdrantClient) -> None:
    schema = photos.get_collection("photos").payload_schema
    assert {name: info.data_type for name, info in schema.items()} == {"city": models.PayloadSchemaType.KEYWORD}
    counts = {hit.value: hit.count for hit in photos.facet("photos", "city", exact=True).hits}
    assert counts == {"zürich": 2, "oslo": 1, "東京": 1}
    few = photos.facet("photos", "city", models.Filter(must=[_is("n", 3)]), limit=1).hits
    assert [(hit.value, hit.count) for hit in few] == [("東京", 1)]

    with pytest.raises(grpc.RpcError) as error:
        photos.facet("photos", "n")
    assert _code(error) == grpc.StatusCode.INVALID_ARGUMENT
    photos.create_payload_index(
        "photos", "n", models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True)
    )
    assert len(photos.facet("photos", "n").hits) == 4
    photos.delete_payload_index("photos", "city")
    assert list(photos.get_collection("photos").payload_schema) == ["n"]
    with pytest.raises(grpc.RpcError) as error:
        photos.facet("photos", "city")
    assert _code(error) == grpc.StatusCode.INVALID_ARGUMENT


def test_points_are_found_by_vector_and_filter(photos: QdrantClient) -> None:
    exact = models.SearchParams(exact=True)
    points = photos.query_points("photos", [1.0, 0.0], limit=2, offset=1, search_params=exact, with_vectors=True).points
    assert [(point.id, point.score, point.vector) for point in points] == [(2, 2, [2, 2]), (1, 1, [1, 3])]
    city = models.Filter(must=[models.FieldCondition(key="city", match=models.MatchAny(any=["zürich", "nowhere"]))])
    points = photos.query_points("photos", [1.0, 0.0], query_filter=city, score_threshold=1).points
    assert [(point.id, point.payload) for point in points] == [(2, {"city": "zürich", "n": 2})]

    requests = [
        models.QueryRequest(query=[0.0, 1.0], limit=1, with_payload=["n"]),
        models.QueryRequest(query=models.SampleQuery(sample=models.Sample.RANDOM), limit=9),
    ]
    best, sample = photos.query_batch_points("photos", requests)
    assert [(point.id, point.payload) for point in best.points] == [(0, {"n": 0})]
    assert {point.id for point in sample.points} == {0, 1, 2, 3}

    groups = photos.query_points_groups("photos", group_by="city", query=[1.0, 0.0], limit=2, group_size=1).groups
    assert [(group.id, [hit.id for hit in group.hits]) for group in groups] == [("東京", [3]), ("zürich", [2])]


def test_word_vectors_of_another_collection_are_combined_by_a_formula(photos: QdrantClient) -> None:
    photos.create_collection("words", {"lift": DOT2, "topics": DOT2})
    lifts = {1: [1.0, 0.0], 2: [0.0, 1.0]}
    photos.upsert("words", [_point(n, {"lift": lift, "topics": lift}) for n, lift in lifts.items()])
    words = models.LookupLocation(collection="words", vector="lift")
    product = models.FormulaQuery(formula=models.MultExpression(mult=["$score[0]", "$score[1]"]))
    prefetch = [models.Prefetch(query=word, lookup_from=words, limit=10) for word in lifts]
    points = photos.query_points("photos", product, prefetch=prefetch).points
    assert {point.id: point.score for point in points} == {0: 0, 1: 3, 2: 4, 3: 3}

    mean = models.RecommendQuery(
        recommend=models.RecommendInput(positive=[1, 2], strategy=models.RecommendStrategy.AVERAGE_VECTOR)
    )
    topics = models.LookupLocation(collection="words", vector="topics")
    points = photos.query_points("photos", mean, lookup_from=topics, limit=4).points
    assert [point.score for point in points] == [2, 2, 2, 2]


def test_shards_answer_in_no_order(client: QdrantClient) -> None:
    client.create_collection("photos", DOT2, shard_number=2)
    client.upsert("photos", [_point(n, [n, n]) for n in range(3)])
    assert [record.id for record in client.retrieve("photos", [0, 1, 7, 2])] == [2, 1, 0]


def test_errors_are_those_of_a_server(photos: QdrantClient) -> None:
    def code_of(method: str, *arguments: Any, **options: Any) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as error:
            getattr(photos, method)(*arguments, **options)
        return _code(error)

    missing, invalid = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT
    assert code_of("get_collection", "nowhere") == missing
    assert code_of("update_collection", "nowhere", metadata={"a": 1}) == missing
    assert code_of("upsert", "nowhere", [_point(0, [0, 0])]) == missing
    assert code_of("scroll", "nowhere") == missing
    assert code_of("count", "nowhere") == missing
    assert code_of("facet", "nowhere", "city") == missing
    assert code_of("query_points", "nowhere", [0.0, 0.0]) == missing
    assert code_of("query_points", "photos", 77) == missing
    nowhere = models.LookupLocation(collection="nowhere")
    assert code_of("query_points", "photos", 1, lookup_from=nowhere) == missing
    assert code_of("create_collection", "photos", DOT2) == grpc.StatusCode.ALREADY_EXISTS
    assert code_of("create_collection", "a/b", DOT2) == invalid
    assert code_of("upsert", "photos", [_point(9, [0, 0]), _point(10, [0, 0, 0])]) == invalid
    assert code_of("scroll", "photos", order_by="n") == invalid
    assert code_of("scroll", "photos", order_by="city") == invalid, "its index knows no order"
    assert code_of("query_points", "photos", [0.0, 0.0], using="lift") == invalid
    assert code_of("search_matrix_pairs", "photos") == grpc.StatusCode.UNIMPLEMENTED
    assert photos.count("photos").count == 4


def test_filters_on_fields_without_an_index_can_be_forbidden(photos: QdrantClient, double: QdrantDouble) -> None:
    def check(name: str, condition: models.Condition) -> None:
        photos.count(name, models.Filter(should=[models.Filter(must_not=[condition])]))

    def check_refused(name: str) -> None:
        with pytest.raises(grpc.RpcError) as error:
            check(name, _is("n", 1))
        assert _code(error) == grpc.StatusCode.INVALID_ARGUMENT

    check("photos", _is("n", 1))
    double.require_indexes()
    check_refused("photos")
    check("photos", models.FieldCondition(key="city", match=models.MatchValue(value="oslo")))
    double.require_indexes(False)
    strict = models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False)
    photos.create_collection("strict", DOT2, strict_mode_config=strict)
    check_refused("strict")


def test_every_call_is_recorded(photos: QdrantClient, double: QdrantDouble) -> None:
    double.forget_calls()
    client = double.client(headers={"trace": "abc"})
    client.upsert("photos", [_point(7, [0, 1], {"city": "oslo"})], wait=True)
    with pytest.raises(grpc.RpcError):
        client.count("nowhere")
    upsert, count = double.calls
    assert (upsert.method, upsert.applied, upsert.code) == ("Points/Upsert", True, grpc.StatusCode.OK)
    assert isinstance(upsert.request, q.UpsertPoints)
    assert upsert.request.wait
    assert upsert.request.points[0].payload["city"].string_value == "oslo"
    assert upsert.metadata["trace"] == "abc"
    assert (count.method, count.applied, count.code) == ("Points/Count", False, grpc.StatusCode.NOT_FOUND)
    assert "nowhere" in count.details
    assert double.calls_of("Points/*") == [upsert, count]
    assert double.calls_of("Points/Count") == [count]
    client.close()


def test_a_refused_call_is_not_applied(photos: QdrantClient, double: QdrantDouble) -> None:
    rule = double.fail("Points/Upsert", refuse(), times=2, after=1)
    outcomes: list[grpc.StatusCode | None] = []
    for number in range(10, 14):
        try:
            photos.upsert("photos", [_point(number, [0, 0])])
            outcomes.append(None)
        except grpc.RpcError as error:
            outcomes.append(error.code())
    assert outcomes == [None, UNAVAILABLE, UNAVAILABLE, None]
    assert rule.fired == 2
    assert sorted(set(_stored(double)) - {0, 1, 2, 3}) == [10, 13]
    assert [call.applied for call in double.calls_of("Points/Upsert")][-4:] == [True, False, False, True]


def test_a_dropped_call_is_applied_all_the_same(photos: QdrantClient, double: QdrantDouble) -> None:
    double.fail("Points/*", drop())
    with pytest.raises(grpc.RpcError) as error:
        photos.upsert("photos", [_point(10, [0, 0])])
    assert _code(error) == UNAVAILABLE
    assert 10 in _stored(double)
    assert (double.calls[-1].applied, double.calls[-1].code) == (True, UNAVAILABLE)


def test_faults_are_taken_in_the_order_in_which_they_were_asked_for(photos: QdrantClient, double: QdrantDouble) -> None:
    double.fail("Points/Count", unauthenticated())
    double.fail("Points/Count", permission_denied())
    double.fail("*", status(grpc.StatusCode.INTERNAL, "disk full"), times=None)
    codes = []
    for _ in range(4):
        with pytest.raises(grpc.RpcError) as error:
            photos.count("photos")
        codes.append(_code(error))
    assert [code.name for code in codes] == ["UNAUTHENTICATED", "PERMISSION_DENIED", "INTERNAL", "INTERNAL"]
    assert error.value.details() == "disk full"
    double.heal()
    assert photos.count("photos").count == 4


def test_a_rate_limit_says_when_to_come_back(photos: QdrantClient, double: QdrantDouble) -> None:
    double.fail("Points/Upsert", rate_limit(3))
    with pytest.raises(ResourceExhaustedResponse) as limited:
        photos.upsert("photos", [_point(10, [0, 0])])
    assert limited.value.retry_after_s == 3
    assert 10 not in _stored(double)


@pytest.mark.parametrize("applied", [False, True])
def test_a_delayed_call_outlasts_the_deadline(photos: QdrantClient, double: QdrantDouble, applied: bool) -> None:
    arrived, done = threading.Event(), threading.Event()
    double.on("Points/Delete", lambda call: arrived.set())
    double.on("Points/Delete", lambda call: done.set(), when="after")
    double.fail("Points/Delete", delay(600, applied=applied))
    ids = q.PointsSelector(points=q.PointsIdsList(ids=[q.PointId(num=3)]))
    with pytest.raises(grpc.RpcError) as error:
        photos.grpc_points.Delete(q.DeletePoints(collection_name="photos", points=ids), timeout=0.3)
    assert _code(error) == grpc.StatusCode.DEADLINE_EXCEEDED
    assert arrived.wait(60)
    double.settle()
    assert done.is_set() == applied
    assert double.calls[-1].applied == applied
    assert (3 in _stored(double)) == (not applied)


def test_a_short_delay_changes_nothing(photos: QdrantClient, double: QdrantDouble) -> None:
    double.fail("Points/Count", delay(0.01))
    assert photos.count("photos").count == 4


def test_api_keys_are_asked_for(double: QdrantDouble) -> None:
    double.require_api_key("secret")
    none, wrong, right = (
        double.client(headers=headers) for headers in (None, {"api-key": "no"}, {"api-key": "secret"})
    )
    for client in (none, wrong):
        with pytest.raises(grpc.RpcError) as error:
            client.get_collections()
        assert _code(error) == grpc.StatusCode.UNAUTHENTICATED
        assert client.info().version
    assert right.get_collections().collections == []
    assert double.calls[-1].metadata["api-key"] == "secret"
    for client in (none, wrong, right):
        client.close()


def test_the_version_is_what_it_is_set_to(client: QdrantClient, double: QdrantDouble) -> None:
    assert client.info().version == double.version
    double.version = "1.10.0"
    assert client.info().version == "1.10.0"
    with QdrantDouble("0.9.1") as old:
        other = old.client()
        assert other.info().version == "0.9.1"
        other.close()


def test_optimizing_takes_as_long_as_it_is_told_to(photos: QdrantClient, double: QdrantDouble) -> None:
    double.stay_yellow(2)
    colours = [photos.get_collection("photos").status for _ in range(3)]
    assert colours == [models.CollectionStatus.YELLOW, models.CollectionStatus.YELLOW, models.CollectionStatus.GREEN]


def test_a_hook_runs_before_or_after_a_call_is_applied(photos: QdrantClient, double: QdrantDouble) -> None:
    other = double.client()
    counts = []

    def count(call: object) -> None:
        counts.append(other.count("photos").count)

    double.on("Points/Upsert", count)
    rule = double.on("Points/Upsert", count, times=1, after=1, when="after")
    for number in range(10, 13):
        photos.upsert("photos", [_point(number, [0, 0])])
    assert counts == [4, 5, 6, 6]
    assert rule.fired == 1
    other.close()


def test_a_hook_that_fails_is_the_answer(photos: QdrantClient, double: QdrantDouble) -> None:
    def fail(call: object) -> None:
        raise AssertionError("not what was expected")

    double.on("Points/Upsert", fail)
    with pytest.raises(grpc.RpcError, match="not what was expected"):
        photos.upsert("photos", [_point(10, [0, 0])])
    assert 10 not in _stored(double)


def test_another_client_can_get_in_between(photos: QdrantClient, double: QdrantDouble) -> None:
    pause = double.pause("Points/Upsert")
    slow = threading.Thread(target=photos.upsert, args=("photos", [_point(0, [0, 0], {"from": "slow"})]))
    slow.start()
    pause.wait()
    other = double.client()
    assert other.count("photos").count == 4
    other.upsert("photos", [_point(0, [0, 0], {"from": "fast"})])
    assert _stored(double)[0] == {"from": "fast"}
    pause.release()
    slow.join()
    assert _stored(double)[0] == {"from": "slow"}
    other.close()


def test_a_server_that_dies_comes_back_with_what_it_had(photos: QdrantClient, double: QdrantDouble) -> None:
    port = double.port
    double.on("Points/Upsert", lambda call: double.stop_listening())
    with pytest.raises(grpc.RpcError) as error:
        photos.upsert("photos", [_point(10, [0, 0])])
    assert _code(error) == UNAVAILABLE
    with pytest.raises(grpc.RpcError) as error:
        photos.count("photos")
    assert _code(error) == UNAVAILABLE
    double.heal()
    double.listen()
    assert double.port == port
    again = double.client()
    assert again.count("photos").count == 4
    assert list(again.get_collection("photos").payload_schema) == ["city"]
    again.close()


def test_closing_ends_what_is_paused_or_delayed() -> None:
    outcomes = []
    with QdrantDouble() as double:
        client = double.client()
        pause = double.pause("Collections/List")
        arrived = threading.Event()
        double.on("Collections/ListAliases", lambda call: arrived.set())
        double.fail("Collections/ListAliases", delay(600))

        def call(method: str) -> None:
            try:
                getattr(client, method)()
            except grpc.RpcError as error:
                outcomes.append(error.code())

        threads = [threading.Thread(target=call, args=(method,)) for method in ("get_collections", "get_aliases")]
        for thread in threads:
            thread.start()
        pause.wait()
        assert arrived.wait(60)
    for thread in threads:
        thread.join()
    client.close()
    assert len(outcomes) == 2
    assert not any(call.applied for call in double.calls)


def test_another_process_can_speak_to_it(photos: QdrantClient, double: QdrantDouble) -> None:
    program = (
        "import sys; from qdrant_client import QdrantClient, models\n"
        "client = QdrantClient(url=sys.argv[1], grpc_port=int(sys.argv[2]), prefer_grpc=True, check_compatibility=False)\n"
        "client.upsert('photos', [models.PointStruct(id=42, vector=[1, 2], payload={'from': 'far'})])\n"
        "print(client.count('photos').count)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, double.url, str(double.port)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "5"), ran.stderr
    assert _stored(double)[42] == {"from": "far"}


def test_a_client_can_be_killed_in_the_middle(photos: QdrantClient, double: QdrantDouble) -> None:
    program = (
        "import sys; from qdrant_client import QdrantClient, models\n"
        "client = QdrantClient(url=sys.argv[1], grpc_port=int(sys.argv[2]), prefer_grpc=True, check_compatibility=False)\n"
        "for id in range(10, 20):\n"
        "    client.upsert('photos', [models.PointStruct(id=id, vector=[1, 2])])"
    )
    double.on("Points/Upsert", lambda call: process.kill(), times=1, after=2)
    double.fail("Points/Upsert", refuse(), after=2)
    process = subprocess.Popen([sys.executable, "-c", program, double.url, str(double.port)])
    assert process.wait() == -signal.SIGKILL
    double.settle()
    assert set(_stored(double)) == {0, 1, 2, 3, 10, 11}


def test_many_points_raise_no_warning(client: QdrantClient) -> None:
    client.create_collection("many", models.VectorParams(size=1, distance=models.Distance.DOT))
    for start in range(0, 20_002, 6_667):
        ids = list(range(start, min(start + 6_667, 20_002)))
        client.upsert("many", models.Batch(ids=ids, vectors=[[number] for number in ids]))
    assert client.count("many").count == 20_002


def _is(key: str, value: int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))
