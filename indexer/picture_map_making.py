"""Making the map of an index: its vectors read once, made comparable, and laid out."""

from datetime import UTC, datetime

import numpy as np

from topicidx.embedders.protocols import LiftTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import StoreError
from topicidx.indexer.index import Index
from topicidx.indexer.picture_map import NONE, PictureMap, content_of
from topicidx.indexer.picture_map_layout import Float16, OnProgress, check_installed, lay_out
from topicidx.indexer.store import Float32


def make_picture_map(
    index: Index, *, seed: int = 0, on_progress: OnProgress = lambda what, done, total: None
) -> PictureMap:
    """Lay out all pictures of an index; what is added while they are read is left out.

    Topic distributions are compared by Hellinger's distance, other vectors by the angle between what they have beyond the
    average. Two bytes of memory are taken for each number of the vectors. Raises MissingExtraError, StoreError where there are
    no pictures.
    """
    check_installed()
    info = index.store.info()
    if not info.points:
        raise StoreError(
            f"there are no pictures in {info.location} to make a map of; `topicidx ingest SOURCE` indexes some"
        )
    vectors: Float16 = np.empty((info.points, info.dimensions), dtype=np.float16)
    ids = np.empty((info.points, 16), dtype=np.uint8)
    contents = np.zeros(info.points, dtype=np.uint64)
    topics = np.full(info.points, NONE, dtype=np.int32)
    named = _names_topics(index.space)
    read = 0
    for block in index.store.blocks():
        count = min(len(block), info.points - read)
        rows = slice(read, read + count)
        vectors[rows] = comparable(index.space, block.vectors[:count])
        ids[rows] = np.frombuffer(b"".join(point.bytes for point in block.ids[:count]), dtype=np.uint8).reshape(
            count, 16
        )
        contents[rows] = [content_of(payload) for payload in block.payloads[:count]]
        if named:
            topics[rows] = block.vectors[:count].argmax(axis=1)
        read += count
        on_progress("reading vectors", read, info.points)
    places = lay_out(vectors[:read], seed=seed, on_progress=on_progress)
    return PictureMap(
        ids=ids[:read],
        places=places,
        contents=contents[:read],
        topics=topics[:read],
        vector_space=info.vector_space,
        generation=info.generation,
        seed=seed,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def comparable(space: TopicSpace, vectors: Float32) -> Float16:
    """Pictures' vectors, float32 (n, dimensions), whose Euclidean distances say how unlike the pictures are: float16."""
    # The Euclidean distance of the roots of two distributions is Hellinger's, but for a factor.
    seen = np.sqrt(vectors) if space.scores == "lift" else space.as_terms(vectors)
    return seen.astype(np.float16)


def _names_topics(space: TopicSpace) -> bool:
    """Whether each dimension of the vectors is a topic."""
    return space.scores == "lift" and isinstance(space.text_encoder, LiftTextEncoder)
