"""The words beside the pictures on a server: what they hold, and that they change together with the pictures."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as q
from qdrant_client import models

from doubles.qdrant import QdrantDouble
from doubles.qdrant_faults import refuse, status
from doubles.served import Served, point, told
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SpaceMismatchError, StoreError, StoreUnreachableError, TransferError
from topicidx.indexer.server import collect_garbage, rollback, write_words
from topicidx.indexer.server.words import WORD_NAMESPACE, word_id


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def served(double: QdrantDouble) -> Served:
    return Served(double, batch_size=7)


@pytest.fixture
def better_words(space: TopicSpace) -> TopicSpace:
    """The same pictures and another query side."""
    return with_query_side(space, "better")


def with_query_side(space: TopicSpace, query_side: str) -> TopicSpace:
    return TopicSpace(space.folder, replace(space.manifest, query_side=query_side))


def ingest(served: Served, space: TopicSpace, count: int = 2) -> int:
    """Publish pictures of a space, and its words."""
    vectors = np.full((count, space.dimensions), 1 / space.dimensions, dtype=np.float32)
    with served.writing(space=space.vector_space, dimensions=space.dimensions, words_of=space) as writer:
        if count:
            writer.upsert([point(number) for number in range(count)], vectors, [{}] * count)
        return writer.publish()


def read_words(served: Served) -> dict[str, models.Record]:
    """The words that readers see, by stem."""
    records, _ = served.client.scroll("photos_words", limit=1_000, with_vectors=True)
    return {record.payload["stem"]: record for record in records if record.payload}


def query_side(served: Served, name: str = "photos_words") -> str:
    return str(served.description(served.aliases[name])["query_side"])


# What they hold


def test_every_word_has_its_vectors_its_forms_and_a_lasting_id(served: Served, space: TopicSpace) -> None:
    ingest(served, space)
    found = read_words(served)
    words = space.words.vocabulary.words
    assert len(found) == len(words)
    assert any(len(word.forms) > 1 for word in words)
    assert uuid.uuid5(uuid.NAMESPACE_URL, "topicidx:word") == WORD_NAMESPACE
    for number, word in enumerate(words):
        record = found[word.stem]
        assert record.id == str(uuid.uuid5(WORD_NAMESPACE, word.stem)) == str(word_id(word.stem))
        assert record.payload == {
            "word": word.forms[0][0],
            "forms": [form for form, _ in word.forms],
            "stem": word.stem,
            "count": sum(count for _, count in word.forms),
        }
        assert isinstance(record.vector, dict)
        for name in ("lift", "topics"):
            stored = np.array(record.vector[name], dtype=np.float32)
            assert stored.tobytes() == space.words.vectors(name, [number]).tobytes()  # type: ignore[arg-type]


def test_words_are_found_by_their_forms(served: Served, space: TopicSpace) -> None:
    ingest(served, space)
    schema = served.client.get_collection("photos_words").payload_schema
    assert {name: index.data_type for name, index in schema.items()} == {
        "forms": models.PayloadSchemaType.KEYWORD, "word": models.PayloadSchemaType.KEYWORD,
    }  # fmt: skip
    match = models.FieldCondition(key="forms", match=models.MatchAny(any=["пляж"]))
    records, _ = served.client.scroll("photos_words", models.Filter(must=[match]))
    assert [record.id for record in records] == [str(word_id(space.words.find("пляж")[0][0].stem))]


# When they are written


def test_words_and_pictures_are_shown_by_one_call(served: Served, space: TopicSpace, other_space: TopicSpace) -> None:
    ingest(served, space)
    changed = with_query_side(other_space, "other")
    served.double.forget_calls()
    ingest(served, changed)
    assert [entry for entry in told(served.double) if entry.startswith("lead")] == [
        "lead photos to photos_g000002, photos_words to photos_words_g000002"
    ]
    order = told(served.double)
    assert order.index("create photos_words_g000002") > order.index("upsert photos_g000002")
    assert order.index("index forms") < order.index("upsert photos_words_g000002")
    upserts = [call.request for call in served.double.calls_of("Points/Upsert")]
    assert all(isinstance(request, q.UpsertPoints) and request.wait for request in upserts)
    assert served.indexing_threshold("photos_words") == 20_000


def test_words_that_are_there_are_not_written_again(served: Served, space: TopicSpace, other_space: TopicSpace) -> None:
    ingest(served, space)
    served.double.forget_calls()
    assert ingest(served, space, 0) == 2
    assert told(served.double) == []
    ingest(served, other_space)  # sees the pictures otherwise, and has the same words
    assert [entry for entry in told(served.double) if "words" in entry] == []
    assert served.aliases == {"photos": "photos_g000002", "photos_words": "photos_words_g000001"}
    assert len(read_words(served)) == len(space.words.vocabulary)


def test_better_words_are_shown_although_no_picture_has_changed(
    served: Served, space: TopicSpace, better_words: TopicSpace
) -> None:
    ingest(served, space)
    assert ingest(served, better_words, 0) == 2
    assert query_side(served) == query_side(served, "photos") == "better"
    assert served.aliases == {"photos": "photos_g000001", "photos_words": "photos_words_g000002"}
    assert served.collections == ["photos_g000001", "photos_words_g000002"]


def test_words_alone_can_be_written(
    served: Served, space: TopicSpace, better_words: TopicSpace, other_space: TopicSpace
) -> None:
    ingest(served, space)
    assert write_words(served.connect(), "photos", better_words, served.settings) == len(space.words.vocabulary)
    assert query_side(served) == query_side(served, "photos") == "better"
    served.double.forget_calls()
    write_words(served.connect(), "photos", better_words, served.settings)
    assert told(served.double) == []
    with pytest.raises(SpaceMismatchError, match=r"'photos' on .* are of another topic space than"):
        write_words(served.connect(), "photos", with_query_side(other_space, "other"), served.settings)
    assert query_side(served) == "better"


def test_an_ingest_without_words_leaves_those_there_alone(served: Served, space: TopicSpace) -> None:
    ingest(served, space)
    with served.writing(space=space.vector_space, dimensions=space.dimensions) as writer:
        writer.delete([point(1)])
        assert writer.publish() == 1
    assert query_side(served) == space.query_side


# When something goes wrong


def test_words_that_were_lost_are_noticed_and_readers_see_those_before(
    served: Served, space: TopicSpace, other_space: TopicSpace
) -> None:
    ingest(served, space)
    shown = served.aliases
    lost = str(word_id(space.words.vocabulary.words[0].stem))
    served.double.on(
        "Points/Count",
        lambda call: (
            "words" in call.request.collection_name  # type: ignore[attr-defined]
            and served.double.memory.delete(call.request.collection_name, [lost])
        ),  # type: ignore[attr-defined]
    )
    count = len(space.words.vocabulary)
    with pytest.raises(TransferError, match=rf"{count - 1} of {count} words arrived .*readers still see those before"):
        ingest(served, with_query_side(other_space, "other"))
    assert served.aliases == shown
    served.double.heal()
    assert ingest(served, with_query_side(other_space, "other")) == 2
    assert query_side(served) == "other"


def test_words_half_written_are_gone_on_from(served: Served, space: TopicSpace) -> None:
    served.settings = replace(served.settings, attempts=1)
    served.double.fail("Points/Upsert", refuse(), after=3)
    with pytest.raises(StoreUnreachableError):
        ingest(served, space)
    assert served.aliases == {}
    assert served.indexing_threshold("photos_words_g000001") == 0
    collect_garbage(served.connect(), "photos")
    assert served.indexing_threshold("photos_words_g000001") == 20_000
    ingest(served, space)
    assert served.collections == ["photos_g000001", "photos_words_g000001"]
    assert served.indexing_threshold("photos_words") == 20_000
    assert len(read_words(served)) == len(space.words.vocabulary)


def test_whole_words_that_readers_were_not_led_to_are_not_written_again(served: Served, space: TopicSpace) -> None:
    served.double.fail("Collections/UpdateAliases", status(grpc.StatusCode.INVALID_ARGUMENT, "no"))
    with pytest.raises(StoreError):
        ingest(served, space)
    served.double.forget_calls()
    ingest(served, space, 0)
    assert [entry for entry in told(served.double) if "photos_words" in entry] == [
        "lead photos to photos_g000001, photos_words to photos_words_g000001"
    ]


def test_words_that_are_not_ours_are_never_touched(served: Served, space: TopicSpace) -> None:
    vectors = models.VectorParams(size=2, distance=models.Distance.DOT)
    served.double.memory.create_collection("photos_words", vectors)
    with pytest.raises(StoreError, match="has a collection 'photos_words' that topicidx did not make"):
        ingest(served, space)
    assert "photos" not in served.aliases
    served.publish([1], collection="other_words")
    with pytest.raises(StoreError, match="has an alias 'other_words' of the collection"):
        write_words(served.connect(), "other", space, served.settings)
    with pytest.raises(StoreError, match="topicidx did not make"):
        served.open("photos_words")


# Brought back


def test_pictures_come_back_with_their_words(served: Served, space: TopicSpace, other_space: TopicSpace) -> None:
    ingest(served, space)
    ingest(served, with_query_side(other_space, "other"))
    assert len(served.collections) == 4
    assert query_side(served) == "other"
    rollback(served.connect(), "photos")
    assert query_side(served) == query_side(served, "photos") == space.query_side
    rollback(served.connect(), "photos")
    assert query_side(served) == query_side(served, "photos") == "other"
    assert collect_garbage(served.connect(), "photos") == []


def test_pictures_that_had_no_words_come_back_without_those_of_others(served: Served, space: TopicSpace) -> None:
    served.publish([1])
    ingest(served, space)
    rollback(served.connect(), "photos")
    assert served.aliases == {"photos": "photos_g000001"}
    rollback(served.connect(), "photos")
    assert query_side(served) == space.query_side
