"""Several processes that write to one collection of a server: made once, whoever is first; published once, when all is there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from doubles.qdrant import Call, QdrantDouble
from doubles.qdrant_faults import drop, status
from doubles.served import DIMENSIONS, SPACE, Served, point, told, upsert
from topicidx.errors import StoreError, StoreNotFoundError, TransferError
from topicidx.indexer.server import JointWriter, joint_writer
from topicidx.indexer.store import INDEXED_FIELDS, Rewrite


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def served(double: QdrantDouble) -> Served:
    return Served(double)


@contextmanager
def joining(served: Served, *, space: str = SPACE, **options: Any) -> Iterator[JointWriter]:
    with joint_writer(served.connect(), "photos", space, DIMENSIONS, served.settings, **options) as writer:
        yield writer


def write(writer: JointWriter, numbers: range, source: str = "photos") -> None:
    upsert(writer, numbers)
    writer.rewrite([Rewrite(point(n), point(n), {"number": n, "city": "oslo", "source": source}) for n in numbers])


# Where readers see nothing yet


def test_readers_are_led_to_an_empty_collection_at_once_and_all_write_in_place(served: Served) -> None:
    with joining(served) as one, joining(served) as two:
        assert one.begin() == "photos_g000001"
        assert served.numbers() == []
        upsert(two, range(2))
        assert served.numbers() == [0, 1]
        upsert(one, range(2, 4))
        assert (one.publish(), two.publish(), one.hidden, two.hidden) == (4, 4, False, False)
    assert told(served.double)[:5] == [
        "create photos_g000001", "index city", "index source", "index taken_at", "lead photos to photos_g000001",
    ]  # fmt: skip
    assert served.collections == ["photos_g000001"]
    assert served.description("photos_g000001")["state"] == "complete"
    with served.open() as store:
        assert store.info().fields == INDEXED_FIELDS


def test_a_process_without_pictures_makes_nothing(served: Served) -> None:
    with joining(served) as writer:
        assert list(writer.known(["number"])) == []
        assert writer.publish() == 0
    assert served.collections == []


@pytest.mark.parametrize("before", [None, "another space"])
def test_of_processes_that_begin_at_the_same_moment_one_makes_the_collection(
    served: Served, before: str | None
) -> None:
    if before:
        served.publish(range(50, 53), space=before)
    expected = "photos_g000002" if before else "photos_g000001"
    for writers in range(2, 5):
        together = threading.Barrier(writers)
        waiting = served.double.on("Collections/Create", lambda call, b=together: b.wait(30), times=writers)
        names: list[str] = []

        def begin(number: int, names: list[str] = names) -> None:
            with joining(served) as writer:
                upsert(writer, range(number, number + 1))
                names.append(writer.begin())

        run_all([threading.Thread(target=begin, args=(number,)) for number in range(writers)])
        assert waiting.fired in (0, writers)
        assert set(names) == {expected}
    assert served.collections == [*(["photos_g000001"] if before else []), expected]
    assert served.aliases == {"photos": "photos_g000001"}
    with joining(served) as writer:
        assert len(list(writer.known([]))) == 4


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_the_loser_goes_on_with_what_the_winner_made_whenever_it_asks(served: Served) -> None:
    """Between any two requests of one process another one makes the collection."""
    calls = 0
    for after in range(0, 40, 2):
        with QdrantDouble() as double:
            other = Served(double)

            def win(call: Call, other: Served = other) -> None:
                with joining(other) as writer:
                    upsert(writer, range(2))

            won = double.on("*", win, times=1, after=after)
            with joining(other) as writer:
                upsert(writer, range(2, 4))
                writer.publish()
            if not won.fired:
                break
            assert other.collections == ["photos_g000001"]
            assert other.numbers() == [0, 1, 2, 3]
            calls += 1
    assert calls > 4


def test_what_cannot_be_made_is_said(served: Served) -> None:
    served.double.fail("Collections/Create", status(grpc.StatusCode.INVALID_ARGUMENT, "wrong shard number"), times=None)
    with joining(served) as writer, pytest.raises(StoreError, match="wrong shard number"):
        upsert(writer, range(2))


def test_a_lost_answer_makes_no_second_collection(served: Served) -> None:
    served.double.fail("Collections/Create", drop())
    with joining(served) as writer:
        upsert(writer, range(2))
    assert served.collections == ["photos_g000001"]


def test_what_a_single_process_left_unfinished_is_taken_over(served: Served) -> None:
    served.stop_after(range(3))
    assert served.indexing_threshold("photos_g000001") == 0
    with joining(served) as writer:
        assert len(list(writer.known([]))) == 3
        upsert(writer, range(3, 5))
        assert writer.publish() == 5
    assert served.numbers() == [0, 1, 2, 3, 4]
    assert served.indexing_threshold("photos_g000001") == 20_000
    assert served.description("photos_g000001")["bulk"] is None


# Where readers see another space


def test_all_join_one_generation_that_a_single_process_publishes(served: Served) -> None:
    served.publish(range(50, 53), space="another space")
    with joining(served) as one, joining(served) as two:
        upsert(one, range(2))
        upsert(two, range(2, 4))
        assert (one.publish(), two.publish()) == (4, 4)
        assert one.hidden
        assert one.replaces_space
    assert served.numbers() == [50, 51, 52]
    with joining(served) as again:  # one that died is run again
        assert len(list(again.known([]))) == 4
        upsert(again, range(4, 5))
        again.publish()
    with served.writing() as writer:
        assert writer.resumes
        assert len(list(writer.known([]))) == 5
        assert writer.publish() == 5
    assert served.numbers() == [0, 1, 2, 3, 4]
    assert served.collections == ["photos_g000001", "photos_g000002"]
    assert served.indexing_threshold("photos_g000002") == 20_000


def test_the_first_publishes_when_the_server_holds_what_all_wrote(served: Served) -> None:
    served.publish(range(50, 53), space="another space")
    with joining(served) as first:
        with joining(served, join=first.begin()) as other:
            assert other.hidden
            write(other, range(2, 4), "trip")
            assert other.settle() == 2
        write(first, range(2))
        for wrong in ({"photos": 3, "trip": 2}, {"photos": 2, "trip": 1}, {"photos": 2}):
            with pytest.raises(
                TransferError, match=r"is not as it should be: it holds \d .*Run the same command again"
            ):
                first.publish_all(wrong, "photos")
        assert served.numbers() == [50, 51, 52]
        assert first.publish_all({"photos": 2, "trip": 2}, "photos") == 4
    assert served.numbers() == [0, 1, 2, 3]
    assert served.description("photos_g000002")["previous"] == "photos_g000001"


def test_a_new_index_of_the_same_space_is_begun_by_one_and_joined_by_name(served: Served) -> None:
    served.publish(range(3))
    with joining(served, rebuild=True) as first, joining(served, join=first.begin()) as other:
        write(other, range(7, 9))
        assert first.begin() == other.begin() == "photos_g000002"
        assert served.numbers() == [0, 1, 2]
        assert first.publish_all({"photos": 2}, "photos") == 2
    assert served.numbers() == [7, 8]


def test_in_place_only_pictures_of_the_source_are_counted(served: Served) -> None:
    with joining(served) as first, joining(served, join=first.begin()) as other:
        write(first, range(2))
        write(other, range(2, 4))
        with joining(served) as somebody_else:
            write(somebody_else, range(10, 15), "trip")
        assert first.publish_all({"photos": 4}, "photos") == 9
        with pytest.raises(TransferError, match=r"holds 4 pictures of the source 'photos', 5 were written"):
            first.publish_all({"photos": 5}, "photos")


def test_points_that_got_lost_are_said_by_the_process_that_wrote_them(served: Served) -> None:
    with joining(served) as writer:
        upsert(writer, range(3))
        served.double.memory.delete("photos_g000001", [str(point(1))])
        with pytest.raises(TransferError, match="1 of 3 points"):
            writer.publish()


def test_fields_that_several_processes_index_are_noted_once(served: Served) -> None:
    with joining(served) as one, joining(served) as two:
        for writer in (one, two):
            writer.index_fields({"number": "integer"})
            writer.index_fields({"likes": "integer"})
            assert writer.fields == {**INDEXED_FIELDS, "number": "integer", "likes": "integer"}
        with pytest.raises(StoreError, match="indexed as integer already"):
            one.index_fields({"likes": "float"})
    with served.open() as store:
        assert store.info().fields == {**INDEXED_FIELDS, "number": "integer", "likes": "integer"}


def test_a_collection_that_other_nodes_do_not_know_of_yet_is_waited_for(served: Served) -> None:
    with joining(served) as first:
        name = first.begin()
        late = served.double.fail("Collections/Get", status(grpc.StatusCode.NOT_FOUND, "not here"), times=3, after=1)
        with joining(served, join=name) as other:
            upsert(other, range(2))
        assert late.fired == 3
    with pytest.raises(StoreNotFoundError), joining(served, join="photos_g000009"):
        pass
