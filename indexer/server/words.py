"""The words of a topic space beside its pictures, so that a server answers word queries in any language.

A point for each stem, its id the UUIDv5 of the stem in WORD_NAMESPACE. Vectors: `lift` and `topics`. Payload: `word` (the
form seen most often), `forms`, `stem`, `count`.
"""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qdrant_client import models

from topicidx.errors import SpaceMismatchError, TransferError
from topicidx.indexer.server.collection import (
    Description,
    Generation,
    all_generations,
    create_generation,
    describe,
    drop,
    end_loading,
    live_generation,
    point_aliases,
    prepare_loading,
    words_name,
)
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.server.reading import count_points
from topicidx.indexer.store import BLOCK, FieldType
from topicidx.settings import ServerSettings

if TYPE_CHECKING:
    from topicidx.embedders.topic_space import TopicSpace

#: UUIDv5 of a stem in this namespace is the word's point id, on every server.
WORD_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "topicidx:word")
_FIELDS: Mapping[str, FieldType] = {"word": "keyword", "forms": "keyword"}


def word_id(stem: str) -> uuid.UUID:
    """The point id of a stem."""
    return uuid.uuid5(WORD_NAMESPACE, stem)


def write_words(connection: Connection, collection: str, space: "TopicSpace", settings: ServerSettings) -> int:
    """Put the words of `space` beside the pictures of `collection`, in place of those there; gives the number of words.

    Where they are there already, nothing is written. Raises SpaceMismatchError where the pictures are of another space.
    """
    pictures = live_generation(connection, collection)
    if pictures is not None and pictures.description.vector_space != space.manifest.vector_space:
        raise SpaceMismatchError(
            f"the pictures of {collection!r} on {connection.location} are of another topic space than {space.folder}; "
            "ingest them again, or name the right space with --space"
        )
    words = load_words(connection, collection, space, settings)
    if words is not None:
        point_aliases(connection, {words_name(collection): words})
    if pictures is not None:
        describe(connection, pictures, query_side=space.query_side)
    drop_unused_words(connection, collection)
    return len(space.words.vocabulary)


def load_words(
    connection: Connection, collection: str, space: "TopicSpace", settings: ServerSettings
) -> Generation | None:
    """A complete generation of the words of `space` that no reader sees yet, or None where readers see them already."""
    name = words_name(collection)
    live = live_generation(connection, name, "words")
    wanted = (space.query_side, space.dimensions)
    if live is not None and _of(live) == wanted:
        return None
    kept = [found for found in all_generations(connection, name, "words") if _of(found) == wanted]
    whole = [found for found in kept if found.description.state == "complete"]
    if whole:
        return whole[-1]
    words = prepare_loading(connection, kept[-1] if kept else _create(connection, name, space, settings))
    _upsert(connection, words, space, settings.batch_size)
    found, wanted_words = count_points(connection, words.collection), len(space.words.vocabulary)
    words = end_loading(connection, words)
    if found != wanted_words:
        raise TransferError(
            f"{found} of {wanted_words} words arrived in {words.collection} of {connection.location}; readers still see those "
            "before: run the same command again"
        )
    return describe(connection, words, state="complete")


def words_of(connection: Connection, collection: str, query_side: str | None) -> Generation | None:
    """The complete words with this fingerprint that the server keeps, live or not."""
    found = all_generations(connection, words_name(collection), "words")
    fitting = [w for w in found if w.description.state == "complete" and w.description.query_side == query_side]
    return fitting[-1] if fitting else None


def unused_words(connection: Connection, collection: str) -> list[Generation]:
    """Complete words that are neither live nor go with pictures that are, or that can be brought back."""
    name = words_name(collection)
    live = live_generation(connection, name, "words")
    pictures = live_generation(connection, collection)
    kept = {pictures.collection, pictures.description.previous} if pictures else set()
    needed = {p.description.query_side for p in all_generations(connection, collection) if p.collection in kept}
    return [
        words
        for words in all_generations(connection, name, "words")
        if words.description.state == "complete"
        and words.description.query_side not in needed
        and (live is None or words.collection != live.collection)
    ]


def drop_unused_words(connection: Connection, collection: str) -> None:
    """Remove what `unused_words` finds."""
    drop(connection, unused_words(connection, collection))


def _of(words: Generation) -> tuple[str | None, int]:
    return words.description.query_side, words.description.dimensions


def _create(connection: Connection, name: str, space: "TopicSpace", settings: ServerSettings) -> Generation:
    description = Description(
        kind="words", query_side=space.query_side, dimensions=space.dimensions, fields=dict(_FIELDS)
    )
    vector = models.VectorParams(size=space.dimensions, distance=models.Distance.DOT, on_disk=settings.on_disk)
    return create_generation(connection, name, description, {"lift": vector, "topics": vector}, settings)


def _upsert(connection: Connection, words: Generation, space: "TopicSpace", batch_size: int) -> None:
    vocabulary = space.words.vocabulary.words
    for begin in range(0, len(vocabulary), BLOCK):
        numbers = list(range(begin, min(begin + BLOCK, len(vocabulary))))
        lifts, topics = (space.words.vectors(name, numbers).tolist() for name in ("lift", "topics"))
        points = [
            models.PointStruct(
                id=str(word_id(vocabulary[number].stem)),
                vector={"lift": lift, "topics": topic},
                payload={
                    "word": vocabulary[number].form,
                    "forms": [form for form, _ in vocabulary[number].forms],
                    "stem": vocabulary[number].stem,
                    "count": vocabulary[number].count,
                },
            )
            for number, lift, topic in zip(numbers, lifts, topics, strict=True)
        ]
        for first in range(0, len(points), batch_size):
            some = points[first : first + batch_size]
            connection.call(connection.client.upsert, words.collection, some, wait=True)
