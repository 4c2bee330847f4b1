"""Writing to a server: everything arrives exactly once whatever goes wrong, and nobody sees half of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as q

from doubles.qdrant import Call, Fault, QdrantDouble
from doubles.qdrant_faults import drop, rate_limit, refuse, status
from doubles.served import DIMENSIONS, SPACE, Served, point, told, upsert, vectors
from topicidx.errors import InvalidPointError, StoreError, StoreFullError, StoreUnreachableError, TransferError
from topicidx.indexer.server import ServerWriter, rollback
from topicidx.indexer.store import INDEXED_FIELDS, Rewrite
from topicidx.indexer.totals import Totals, totals_of

FAULTS: dict[str, Callable[[], Fault]] = {
    "unavailable": refuse,
    "applied, then the answer was lost": drop,
    "too many requests": lambda: rate_limit(3),
    "aborted": lambda: status(grpc.StatusCode.ABORTED, "try again"),
    "late": lambda: status(grpc.StatusCode.DEADLINE_EXCEEDED, "too late", applied=True),
    "internal": lambda: status(grpc.StatusCode.INTERNAL, "not enough replicas"),
    "cancelled by a server that stops": lambda: status(grpc.StatusCode.CANCELLED),
}


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def served(double: QdrantDouble) -> Served:
    return Served(double)


def write_in_all_ways(writer: ServerWriter) -> None:
    upsert(writer, range(6), "new")
    writer.index_fields({"number": "integer"})
    writer.rewrite([Rewrite(point(0), point(0), {"number": 0, "city": "rome"}, ("tag",))])
    writer.rewrite([Rewrite(point(9), point(1), {"number": 9}, ("city", "tag"))])
    writer.delete([point(1), point(77)])


def check_all_ways(served: Served) -> None:
    with served.open() as store:
        assert [record.payload for record in store.scroll()] == [
            {"number": 0, "city": "rome", "tag": "new"},
            *({"number": number, "city": "oslo", "tag": "new"} for number in range(2, 6)),
            {"number": 9, "city": "oslo", "tag": "new"},
        ]
        wanted = vectors(6)[[0, 2, 3, 4, 5, 1]]
        assert store.vectors([point(n) for n in (0, 2, 3, 4, 5, 9)]).tobytes() == wanted.tobytes()
        assert store.info().fields == {**INDEXED_FIELDS, "number": "integer"}


# What is asked of the server, and in which order


def test_a_new_generation_is_indexed_first_loaded_without_indexing_and_shown_last(served: Served) -> None:
    served.publish(range(3), space="another space")
    served.double.forget_calls()
    served.settings = replace(served.settings, batch_size=2)
    with served.writing() as writer:
        writer.index_fields({"number": "integer"})
        upsert(writer, range(5))
        writer.checkpoint()
        assert writer.publish() == 5
    assert told(served.double) == [
        "create photos_g000002",
        "index city", "index source", "index taken_at",
        "describe photos_g000002 as building",
        "indexing_threshold 0",
        "index number",
        "describe photos_g000002 as building",
        "upsert photos_g000002", "upsert photos_g000002", "upsert photos_g000002",
        "indexing_threshold 20000",
        "describe photos_g000002 as complete",
        "lead photos to photos_g000002",
    ]  # fmt: skip
    assert {call.method for call in served.double.calls if call.code != grpc.StatusCode.OK} == set()


def test_every_write_waits_until_it_is_applied(served: Served) -> None:
    served.publish([1])
    served.double.forget_calls()
    with served.writing() as writer:
        write_in_all_ways(writer)
    writes = [call for call in served.double.calls if isinstance(call.request, q.UpsertPoints | q.DeletePoints)]
    assert len(writes) == 3
    assert all(call.request.wait for call in writes)  # type: ignore[attr-defined]
    assert [entry for entry in told(served.double) if "without waiting" in entry] == []


def test_a_live_generation_is_written_in_place_and_its_settings_are_left_alone(served: Served) -> None:
    served.publish(range(3))
    with served.open() as store:
        served.double.forget_calls()
        with served.writing() as writer:
            assert not writer.resumes
            assert not writer.replaces_space
            upsert(writer, [3])
            assert store.count() == 4
            assert writer.publish() == 4
    assert told(served.double) == ["upsert photos_g000001"]


def test_a_new_generation_is_made_as_the_settings_say(double: QdrantDouble) -> None:
    served = Served(
        double, shard_number=3, replication_factor=2, write_consistency_factor=2, on_disk=True, quantization="int8"
    )
    served.publish([1])
    (created,) = double.calls_of("Collections/Create")
    assert isinstance(created.request, q.CreateCollection)
    request = created.request
    assert (request.shard_number, request.replication_factor, request.write_consistency_factor) == (3, 2, 2)
    assert (request.on_disk_payload, request.vectors_config.params.on_disk) == (True, True)
    assert request.vectors_config.params.size == DIMENSIONS
    assert request.vectors_config.params.distance == q.Distance.Dot
    assert request.quantization_config.scalar.type == q.QuantizationType.Int8
    assert request.quantization_config.scalar.quantile == 1
    assert request.hnsw_config.m == 0
    with served.open() as store:
        assert store.info().approximate


def test_a_writer_that_writes_nothing_tells_the_server_nothing(served: Served) -> None:
    with served.writing() as writer:
        assert list(writer.known(["number"])) == []
        writer.delete([point(1)])
        writer.rewrite([])
        assert writer.publish() == 0
    assert served.collections == []
    served.publish(range(3))
    served.double.forget_calls()
    for options in ({}, {"space": "another space"}, {"rebuild": True}):
        with served.writing(**options) as writer:
            writer.checkpoint()
            assert writer.publish() == 3
    assert told(served.double) == []


def test_a_bad_point_is_refused_before_anything_is_sent(served: Served) -> None:
    with served.writing() as writer:
        for bad in (np.nan, np.inf, -1.0):
            with pytest.raises(InvalidPointError, match=str(point(1))):
                writer.upsert([point(0), point(1)], np.array([[0.0] * 4, [bad] * 4], dtype=np.float32), [{}, {}])
        with pytest.raises(InvalidPointError):
            writer.upsert([point(0)], vectors(1, DIMENSIONS + 1), [{}])
        with pytest.raises(InvalidPointError):
            writer.rewrite([Rewrite(point(0), point(0), {"caption": "cut \ud83d"})])
    assert told(served.double) == []


# Faults


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_any_call_is_survived(served: Served, fault: str) -> None:
    served.publish(range(20, 23), space="another space")
    served.double.forget_calls()
    for method in ("Qdrant/*", "Collections/*", "Points/*"):
        for after in range(0, 24, 2):  # every second call of each service fails once
            served.double.fail(method, FAULTS[fault](), after=after)
    with served.writing() as writer:
        write_in_all_ways(writer)
        assert writer.publish() == 6
    served.double.heal()
    assert len(served.waits) > 10
    if fault == "too many requests":
        assert set(served.waits) == {3}
    check_all_ways(served)
    assert served.aliases == {"photos": "photos_g000002"}


def calls_of_an_ingest(served: Served) -> int:
    before = len(served.double.calls)
    with served.writing() as writer:
        write_in_all_ways(writer)
        writer.publish()
    return len(served.double.calls) - before


@pytest.mark.parametrize("last", [refuse, drop], ids=["before it is applied", "after it was applied"])
def test_a_server_that_dies_at_any_call_leaves_readers_what_they_had_and_is_gone_on_from(
    last: Callable[[], Fault],
) -> None:
    with QdrantDouble() as double:
        served = Served(double)
        served.publish(range(20, 23), space="another space")
        calls = calls_of_an_ingest(served)
    assert calls > 20
    for before in range(1, calls):
        with QdrantDouble() as double:
            served = Served(double, attempts=1)
            served.publish(range(20, 23), space="another space")
            double.fail("*", last(), after=before)
            double.fail("*", refuse(), times=None, after=before)
            with pytest.raises(StoreUnreachableError), served.writing() as writer:
                write_in_all_ways(writer)
                writer.publish()
            double.heal()
            shown = served.aliases["photos"]
            assert shown == "photos_g000002" or served.numbers() == [20, 21, 22]
            assert served.indexing_threshold(shown) == 20_000
            with served.writing() as writer:
                write_in_all_ways(writer)
                assert writer.publish() == 6
            check_all_ways(served)
            assert served.aliases == {"photos": "photos_g000002"}
            assert served.indexing_threshold("photos_g000002") == 20_000
            assert served.collections == ["photos_g000001", "photos_g000002"]


def test_tries_are_bounded(double: QdrantDouble) -> None:
    served = Served(double, attempts=4)
    double.fail("Points/Upsert", refuse(), times=None)
    with pytest.raises(StoreUnreachableError, match="does not answer") as caught:
        served.publish(range(3))
    assert double.url in str(caught.value)
    assert len(double.calls_of("Points/Upsert")) == 4
    assert len(served.waits) == 3
    assert served.aliases == {}


@pytest.mark.parametrize(
    ("details", "error"),
    [("No space left on device: WAL buffer size exceeds available disk space", StoreFullError), ("wrong", StoreError)],
)
def test_what_no_second_try_would_mend_is_said_at_once(served: Served, details: str, error: type[StoreError]) -> None:
    code = grpc.StatusCode.INTERNAL if error is StoreFullError else grpc.StatusCode.INVALID_ARGUMENT
    served.double.fail("Points/Upsert", status(code, details), times=None)
    with pytest.raises(error, match=details[:5]) as caught:
        served.publish(range(3))
    assert type(caught.value) is error
    assert len(served.double.calls_of("Points/Upsert")) == 1
    assert served.waits == []


# Verified before it is shown


def lose(served: Served, number: int) -> Callable[[Call], None]:
    def lose(call: Call) -> None:
        target = call.request.collection_name  # type: ignore[attr-defined]
        served.double.memory.delete(target, [str(point(number))])

    return lose


@pytest.mark.parametrize("space", [SPACE, "another space"], ids=["in place", "in a new generation"])
def test_points_that_were_lost_are_noticed(served: Served, space: str) -> None:
    served.publish(range(20, 23))
    served.double.on("Points/Upsert", lose(served, 2), times=1, after=1)
    served.settings = replace(served.settings, batch_size=3)
    with pytest.raises(TransferError, match="1 of 6 points that were written are not there"):
        served.publish(range(6), space=space)
    assert served.aliases == {"photos": "photos_g000001"}
    assert served.publish(range(6), space=space) == (9 if space == SPACE else 6)


def test_points_that_others_wrote_are_noticed_in_a_new_generation(served: Served) -> None:
    served.publish(range(3))
    with (
        pytest.raises(TransferError, match=r"holds 4 points, 3 were written; readers were not led"),
        served.writing(space="another space") as writer,
    ):
        upsert(writer, range(3))
        with served.writing(space="another space") as other:
            upsert(other, [7])
        writer.publish()
    assert served.numbers() == [0, 1, 2]


@pytest.mark.parametrize("space", [SPACE, "another space"], ids=["in place", "in a new generation"])
def test_what_is_expected_is_compared_point_by_point(served: Served, space: str) -> None:
    served.publish(range(5))
    with served.open() as store:
        expected = totals_of(store.blocks())
    with served.writing(space=space) as writer:
        upsert(writer, range(5))
        assert writer.publish(expected) == 5
    shown = served.aliases
    for wrong in (Totals(5, 7), Totals(4, expected.digest)):
        with (
            pytest.raises(TransferError, match=f"{expected.checksum}, {wrong.points} with"),
            served.writing(space="a third space") as writer,
        ):
            upsert(writer, range(5))
            writer.publish(wrong)
    assert served.aliases == shown
    with pytest.raises(TransferError, match="nothing was written"), served.writing(space="a fourth space") as writer:
        writer.publish(expected)


# Stopped and killed


def test_a_killed_writer_is_gone_on_from_and_its_settings_are_put_back(served: Served) -> None:
    served.publish(range(20, 23), space="another space")
    served.stop_after(range(3))
    assert served.indexing_threshold("photos_g000002") == 0
    assert served.numbers() == [20, 21, 22]
    with served.writing() as writer:
        assert writer.resumes
        assert writer.replaces_space
        assert [record.payload for record in writer.known(["number"])] == [{"number": number} for number in range(3)]
        upsert(writer, [3])
        assert writer.publish() == 4
        assert not writer.resumes
        assert not writer.replaces_space
    assert served.indexing_threshold("photos_g000002") == 20_000
    assert served.numbers() == [0, 1, 2, 3]


def test_a_killed_writer_may_be_published_as_it_is(served: Served) -> None:
    served.stop_after(range(3))
    with served.writing() as writer:
        assert writer.resumes
        assert writer.publish() == 3
    assert served.numbers() == [0, 1, 2]
    assert served.indexing_threshold("photos_g000001") == 20_000


def test_what_a_killed_writer_left_is_verified_too(served: Served) -> None:
    served.stop_after(range(3))
    with pytest.raises(TransferError, match="1 of 4 points"), served.writing() as writer:
        upsert(writer, [3])
        served.double.memory.delete("photos_g000001", [str(point(0))])
        writer.publish()
    assert served.aliases == {}


def test_a_writer_that_fails_puts_the_settings_back(served: Served) -> None:
    served.publish(range(3))
    with pytest.raises(KeyboardInterrupt), served.writing(space="another space") as writer:
        upsert(writer, range(3))
        assert served.indexing_threshold("photos_g000002") == 0
        raise KeyboardInterrupt
    assert served.indexing_threshold("photos_g000002") == 20_000
    assert served.description("photos_g000002")["bulk"] is None
    with served.writing(space="another space") as writer:
        assert writer.resumes
        assert writer.publish() == 3
    assert served.indexing_threshold("photos_g000002") == 20_000


def test_settings_that_cannot_be_put_back_hide_no_error(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt), served.writing() as writer:
        upsert(writer, range(3))
        served.double.fail("*", refuse(), times=None)
        raise KeyboardInterrupt
    assert "settings of photos_g000001 could not be put back" in caplog.text
    assert served.waits == []  # one that ends is not kept waiting


def test_an_ingest_that_was_killed_before_readers_were_led_to_it_is_gone_on_from(served: Served) -> None:
    served.publish(range(20, 23), space="another space")
    served.double.fail("Collections/UpdateAliases", status(grpc.StatusCode.INVALID_ARGUMENT, "no"))
    with pytest.raises(StoreError):
        served.publish(range(3))
    assert served.description("photos_g000002")["state"] == "complete"
    assert served.numbers() == [20, 21, 22]
    with served.writing() as writer:
        assert writer.resumes
        assert writer.publish() == 3
    assert served.numbers() == [0, 1, 2]
    assert served.collections == ["photos_g000001", "photos_g000002"]


def test_rebuilding_starts_from_nothing_and_goes_on_from_a_rebuilding(served: Served) -> None:
    served.publish(range(3), tag="old")
    served.stop_after([7], rebuild=True)
    with served.writing(rebuild=True) as writer:
        assert writer.resumes
        assert not writer.replaces_space
        assert [record.payload for record in writer.known(["number"])] == [{"number": 7}]
        upsert(writer, [8])
        assert writer.publish() == 2
    assert served.numbers() == [7, 8]
    with served.writing(rebuild=True) as writer:
        assert not writer.resumes
        assert list(writer.known(["number"])) == []


# Rewriting


def test_points_may_change_places(served: Served) -> None:
    served.publish(range(3))
    with served.writing() as writer:
        writer.rewrite([Rewrite(point((n + 1) % 3), point(n), {"number": n}) for n in range(3)])
        assert writer.publish() == 3
    with served.open() as store:
        assert [record.payload["number"] for record in store.scroll()] == [2, 0, 1]
        assert store.vectors([point(0), point(1), point(2)]).argmax(axis=1).tolist() == [2, 0, 1]


def test_of_several_changes_of_a_point_the_last_one_counts(served: Served) -> None:
    served.publish(range(3), tag="old")
    with served.writing() as writer:
        writer.rewrite([
            Rewrite(point(0), point(1), {"number": 5}),
            Rewrite(point(0), point(0), {"number": 6}, ("tag",)),
            Rewrite(point(2), point(2), {"number": 7}),
            Rewrite(point(2), point(1), {"number": 8}, ("tag",)),
        ])  # fmt: skip
        writer.publish()
    with served.open() as store:
        assert [record.payload for record in store.retrieve([point(0), point(2)])] == [
            {"number": 6, "tag": "old"}, {"number": 8, "tag": "old"},
        ]  # fmt: skip
        assert store.vectors([point(0), point(2)]).argmax(axis=1).tolist() == [0, 1]


def test_another_ingest_that_published_meanwhile_is_what_can_be_brought_back(served: Served) -> None:
    served.publish([1], space="space 1")
    with served.writing(space="space 2") as writer:
        upsert(writer, [2])
        served.publish([3], space="space 3")
        writer.publish()
    with served.open() as store:
        assert (store.info().generation, store.info().previous) == ("g000002", "g000003")
    assert rollback(served.connect(), "photos") == ("g000002", "g000003")
    assert served.numbers() == [3]


def test_two_ingests_may_go_on_from_the_same_generation(served: Served) -> None:
    served.publish([1], space="another space")
    served.stop_after([2])
    with served.writing() as slow, served.writing() as fast:
        upsert(slow, [3])
        upsert(fast, [4])
        assert fast.publish() == 3
        upsert(slow, [4])
        assert slow.publish() == 3
    assert served.numbers() == [2, 3, 4]
    assert rollback(served.connect(), "photos") == ("g000002", "g000001")


@pytest.mark.parametrize("change", [Rewrite(point(9), point(9), {}), Rewrite(point(0), point(9), {})])
def test_a_point_whose_vector_is_nowhere_is_named_and_nothing_is_written(served: Served, change: Rewrite) -> None:
    served.publish(range(3))
    served.double.forget_calls()
    for options in ({}, {"space": "another space"}):
        with served.writing(**options) as writer, pytest.raises(StoreError, match=str(point(9))):
            writer.rewrite([Rewrite(point(0), point(0), {"number": 5}), change] if not options else [change])
    assert told(served.double) == []


def test_a_field_is_indexed_as_one_type_only(served: Served) -> None:
    served.publish([1])
    with served.writing() as writer:
        writer.index_fields({"number": "integer"})
        writer.index_fields({"number": "integer", "city": "keyword"})
        assert writer.fields == {**INDEXED_FIELDS, "number": "integer"}
    with served.writing() as writer, pytest.raises(StoreError, match="'number' is indexed as integer already"):
        writer.index_fields({"number": "keyword"})
    assert [entry for entry in told(served.double) if entry.startswith("index number")] == ["index number"]


def test_writing_says_how_far_it_is(served: Served) -> None:
    said: list[tuple[str, int, int | None]] = []
    with served.writing(on_progress=lambda *how_far: said.append(how_far)) as writer:
        upsert(writer, range(1_500))
        writer.publish()
    assert said == [("verifying", 0, 1_500), ("verifying", 1_000, 1_500)]
