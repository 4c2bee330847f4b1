"""Generations on a server: swapped at once, brought back, cleared away; and what is not ours is never touched."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as q
from qdrant_client import models

from doubles.qdrant import Call, QdrantDouble
from doubles.qdrant_faults import status
from doubles.served import DIMENSIONS, SPACE, Served, point, told, upsert, vectors
from topicidx.errors import StoreDamagedError, StoreError, StoreNotFoundError
from topicidx.indexer.server import collect_garbage, rollback
from topicidx.indexer.server.collection import METADATA
from topicidx.indexer.store import Leftover, PointFilter

DOT = models.VectorParams(size=DIMENSIONS, distance=models.Distance.DOT)


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def served(double: QdrantDouble) -> Served:
    return Served(double)


# What readers see


def test_readers_keep_what_they_opened_and_see_the_new_generation_when_they_open_again(served: Served) -> None:
    served.publish(range(3))
    with served.open() as before:
        with served.writing(space="another space") as writer:
            assert writer.replaces_space
            upsert(writer, range(7, 9))
            assert served.numbers() == [0, 1, 2]
            assert writer.publish() == 2
            assert not writer.replaces_space
            upsert(writer, [9])  # in place from now on
            assert served.numbers() == [7, 8, 9]
            assert writer.publish() == 3
        assert [record.payload["number"] for record in before.scroll()] == [0, 1, 2]
        assert before.info().vector_space == SPACE
        with served.open() as after:
            info = after.info()
        assert (info.vector_space, info.generation, info.previous, info.points) == (
            "another space", "g000002", "g000001", 3,
        )  # fmt: skip


def test_a_generation_that_was_removed_under_a_reader_is_said(served: Served) -> None:
    served.publish(range(3))
    with served.open() as before:
        scrolling = before.scroll()
        assert next(scrolling)
        served.publish([5], space="another space")
        assert before.count() == 3
        served.publish([6], space="a third space")
        for read in (before.count, before.info, lambda: before.retrieve([point(0)]), lambda: list(before.blocks())):
            with pytest.raises(
                StoreNotFoundError, match=r"photos_g000001 .*has been replaced .*open the collection again"
            ):
                read()


def test_readers_are_led_over_by_one_call(served: Served) -> None:
    served.publish(range(3))
    seen: list[list[int]] = []

    def look(call: Call) -> None:
        seen.append(served.numbers())

    served.double.on("*Update*", look, when="before")
    served.double.on("*Update*", look, when="after")
    served.publish([7], space="another space")
    assert seen == [[0, 1, 2]] * (len(seen) - 1) + [[7]]
    _, swap = served.double.calls_of("Collections/UpdateAliases")
    assert isinstance(swap.request, q.ChangeAliases)
    assert len(swap.request.actions) == 2


def test_only_the_live_generation_and_the_one_before_it_are_kept(served: Served) -> None:
    for number in range(4):
        served.publish([number], space=f"space {number}")
    assert served.collections == ["photos_g000003", "photos_g000004"]
    assert served.numbers() == [3]


def test_collections_of_a_server_are_apart(served: Served) -> None:
    served.publish(range(3))
    served.publish(range(5, 7), collection="photos.2")
    served.publish(range(7, 9), collection="photos.2", space="another space")
    assert served.numbers() == [0, 1, 2]
    assert served.numbers("photos.2") == [7, 8]
    assert served.collections == ["photos.2_g000001", "photos.2_g000002", "photos_g000001"]
    with pytest.raises(StoreNotFoundError, match="no collection 'other' on the server"):
        served.open("other")


def test_what_other_spaces_left_unfinished_is_left_to_them(served: Served) -> None:
    served.stop_after(range(3))
    served.stop_after(range(5), space="another space")
    served.publish([9], space="a third space")
    assert served.collections == ["photos_g000001", "photos_g000002", "photos_g000003"]
    for space, left in ((SPACE, 3), ("another space", 5)):
        with served.writing(space=space) as writer:
            assert writer.resumes
            assert len(list(writer.known([]))) == left


# Searching


def test_searches_are_exact_unless_something_else_is_wanted_and_there(double: QdrantDouble) -> None:
    queries = np.array([[3, 0, 100, 0], [0.25, 0.25, 0, 0], [1, -1, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    found = {}
    for quantization, largest, factor in (("none", 0, 0), ("int8", 100 / 128, 8), ("turbo8", 100, 2)):
        served = Served(double, quantization=quantization)
        served.publish(range(8), collection=quantization)
        with served.open(quantization) as store:
            assert store.info().approximate == (None if quantization == "none" else quantization)
            for exact in (True, False):
                double.forget_calls()
                found[quantization, exact] = store.search(queries, 3, exact=exact)
                ((call),) = double.calls_of("Points/QueryBatch")
                asked = list(call.request.query_points)  # type: ignore[attr-defined]
                scanned = [request.params.exact for request in asked]
                if exact or quantization == "none":
                    assert scanned == [True] * 4
                    continue
                # Of int8 the engine would cut off what is larger than the vectors it holds.
                assert scanned == [False, False, True, True]
                assert max(asked[0].query.nearest.dense.data) == largest
                assert all(request.params.quantization.rescore for request in asked[:2])
                assert all(request.params.quantization.oversampling == factor for request in asked[:2])
    exactly = [scored.scores.tolist() for scored in found["none", True]]
    assert exactly[0] == [100, 100, 3]
    for results in found.values():
        assert [scored.scores.tolist() for scored in results] == exactly


def test_many_queries_are_asked_in_several_requests(served: Served) -> None:
    served.publish(range(4))
    with served.open() as store:
        found = store.search(vectors(250), 1)
    assert [scored.ids[0] for scored in found] == [point(row % 4) for row in range(250)]
    assert len(served.double.calls_of("Points/QueryBatch")) == 3


def test_points_come_in_the_order_asked_for_whatever_the_shards_answer(double: QdrantDouble) -> None:
    served = Served(double, shard_number=2)
    served.publish(range(5))
    asked = [point(number) for number in (3, 0, 4, 3)]
    with served.open() as store:
        assert [record.id for record in store.retrieve([*asked, point(77)])] == asked
        assert store.vectors(asked).argmax(axis=1).tolist() == [3, 0, 0, 3]


def test_fields_are_chosen_by_their_names(served: Served) -> None:
    with served.writing() as writer:
        writer.upsert([point(0)], vectors(1), [{"a.b": 1, "a": {"b": 2}, "größe": 3, "none": None}])
        writer.publish()
    with served.open() as store:
        assert [record.payload for record in store.scroll(["a.b", "größe", "none", "missing"])] == [
            {"a.b": 1, "größe": 3, "none": None}
        ]
        assert [record.payload for record in store.scroll(["a"])] == [{"a": {"b": 2}}]
        assert [record.payload for record in store.scroll([])] == [{}]


def test_values_are_counted_where_they_are_indexed_as_keywords(served: Served) -> None:
    served.publish(range(5))
    with served.writing() as writer:
        writer.index_fields({"number": "integer"})
        writer.upsert([point(9)], vectors(1), [{"city": "aarhus", "number": 1}])
        writer.publish()
    with served.open() as store:
        assert list(store.facet("city").items()) == [("oslo", 5), ("aarhus", 1)]
        assert store.facet("city", PointFilter(("aarhus",))) == {"aarhus": 1}
        assert store.count(PointFilter(("aarhus",))) == 1
        assert [record.id for record in store.scroll([], PointFilter(("aarhus",)))] == [point(9)]
        for field in ("number", "sha256", "taken_at"):
            with pytest.raises(StoreError, match=rf"'{field}' cannot be counted.*only city, source"):
                store.facet(field)


# Not ours


def make_foreign(served: Served, name: str, metadata: dict[str, Any] | None = None) -> None:
    served.double.memory.create_collection(name, DOT, metadata=metadata)
    served.double.memory.upsert(name, [models.PointStruct(id=7, vector=[1, 2, 3, 4], payload={"number": 7})])


def lead(served: Served, name: str, collection: str) -> None:
    alias = models.CreateAlias(alias_name=name, collection_name=collection)
    served.double.memory.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])


def test_a_collection_that_is_not_ours_is_never_touched(served: Served) -> None:
    make_foreign(served, "photos")
    make_foreign(served, "theirs", {"owner": "somebody"})
    lead(served, "others", "theirs")
    before = served.collections, served.aliases
    for name, what in (("photos", "has a collection 'photos'"), ("others", "has an alias 'others' of the collection")):
        for reach in (
            lambda name=name: served.open(name),
            lambda name=name: served.publish([1], collection=name),
            lambda name=name: rollback(served.connect(), name),
            lambda name=name: collect_garbage(served.connect(), name),
        ):
            with pytest.raises(StoreError, match=rf"{what}.*topicidx did not make.*--collection"):
                reach()
    assert (served.collections, served.aliases) == before
    assert told(served.double) == []


def test_collections_that_are_only_called_like_ours_are_left_alone(served: Served) -> None:
    make_foreign(served, "photos_g000001")
    make_foreign(served, "photos_g000007")
    for number in range(3):
        served.publish([number], space=f"space {number}")
    assert served.collections == ["photos_g000001", "photos_g000007", "photos_g000009", "photos_g000010"]
    assert collect_garbage(served.connect(), "photos") == []


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        ({"format_version": 2, "new": True}, StoreDamagedError, "has format 2, this topicidx reads up to 1; upgrade topicidx"),
        ({"dimensions": "many"}, StoreDamagedError, "not as topicidx wrote them"),
        ({"kind": "words"}, StoreError, "topicidx did not make"),
        ({"vector_space": None}, StoreDamagedError, "does not say what its vectors are"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_read_is_said(
    served: Served, damage: dict[str, Any], error: type[StoreError], message: str
) -> None:
    served.publish([1])
    damaged = {METADATA: {**served.description("photos_g000001"), **damage}}
    served.double.memory.update_collection("photos_g000001", metadata=damaged)
    with pytest.raises(error, match=message):
        served.open()
    assert served.collections == ["photos_g000001"]


def test_a_point_that_was_not_written_by_us_is_named(served: Served) -> None:
    served.publish([1])
    served.double.memory.upsert("photos", [models.PointStruct(id=7, vector=[1, 2, 3, 4], payload={})])
    with served.open() as store, pytest.raises(StoreDamagedError, match="point 7 was not written by topicidx"):
        list(store.scroll())


# Brought back


def test_the_generation_before_is_brought_back_and_once_more_undoes_it(served: Served) -> None:
    served.publish(range(3))
    with pytest.raises(StoreError, match=r"no generation before g000001 .*nothing was changed"):
        rollback(served.connect(), "photos")
    served.publish([7], space="another space")
    assert rollback(served.connect(), "photos") == ("g000002", "g000001")
    assert served.numbers() == [0, 1, 2]
    with served.open() as store:
        assert (store.info().generation, store.info().previous) == ("g000001", "g000002")
    assert rollback(served.connect(), "photos") == ("g000001", "g000002")
    assert served.numbers() == [7]
    with pytest.raises(StoreNotFoundError, match="no collection 'other'"):
        rollback(served.connect(), "other")


def test_after_a_return_the_next_generation_replaces_the_one_that_was_left(served: Served) -> None:
    for number in range(2):
        served.publish([number], space=f"space {number}")
    rollback(served.connect(), "photos")
    served.publish([2], space="space 2")
    assert served.collections == ["photos_g000001", "photos_g000003"]
    assert rollback(served.connect(), "photos") == ("g000003", "g000001")
    assert served.numbers() == [0]


def test_the_generation_that_was_left_is_gone_on_from(served: Served) -> None:
    for number in range(2):
        served.publish([number], space=f"space {number}")
    rollback(served.connect(), "photos")
    with served.writing(space="space 1") as writer:
        assert writer.resumes
        upsert(writer, [5])
        with pytest.raises(StoreError, match="nothing was changed"):
            rollback(served.connect(), "photos")
        assert writer.publish() == 2
    assert served.numbers() == [1, 5]
    assert served.collections == ["photos_g000001", "photos_g000002"]


# Cleared away


def test_what_stopped_builds_left_is_named_and_removed_on_demand(served: Served) -> None:
    for number in range(2):
        served.publish([number], space=f"space {number}")
    served.stop_after([7])
    assert served.indexing_threshold("photos_g000003") == 0
    left = [("photos_g000003", False, True)]

    def clear(**options: bool) -> list[tuple[str, bool, bool]]:
        found = collect_garbage(served.connect(), "photos", **options)
        return [(leftover.name, leftover.remove, "goes on from it" in leftover.reason) for leftover in found]

    served.double.forget_calls()
    assert clear(dry_run=True) == left
    assert clear(dry_run=True, unfinished=True) == [("photos_g000003", True, True)]
    assert told(served.double) == []
    assert clear() == left
    assert served.indexing_threshold("photos_g000003") == 20_000
    assert len(served.collections) == 3
    assert clear(unfinished=True) == [("photos_g000003", True, True)]
    assert clear() == []
    assert served.collections == ["photos_g000001", "photos_g000002"]
    assert served.numbers() == [1]


def test_generations_that_nobody_can_bring_back_are_removed(served: Served) -> None:
    for number in range(2):
        served.publish([number], space=f"space {number}")
    left = served.double.fail("Collections/Delete", status(grpc.StatusCode.INVALID_ARGUMENT, "no"), times=None)
    with pytest.raises(StoreError):
        served.publish([2], space="space 2")
    served.double.heal()
    assert left.fired == 1
    assert served.numbers() == [2]
    assert collect_garbage(served.connect(), "photos") == [Leftover("photos_g000001", "superseded", remove=True)]
    assert served.collections == ["photos_g000002", "photos_g000003"]


def test_a_collection_of_which_nothing_was_published_is_cleared_too(served: Served) -> None:
    served.stop_after([1])
    (leftover,) = collect_garbage(served.connect(), "photos", unfinished=True)
    assert leftover.remove
    assert served.collections == []
    with pytest.raises(StoreNotFoundError, match="no collection 'photos'"):
        collect_garbage(served.connect(), "photos")
