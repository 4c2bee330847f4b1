"""The pictures that are ranked: those of a source that are in the store, with their vectors, captions and cities."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from topicidx.errors import StoreError
from topicidx.indexer.keys import point_id
from topicidx.indexer.sources import Source
from topicidx.indexer.store import BLOCK, Float32, Record, VectorStore

#: Called with (done, all or None, what is being done).
OnProgress = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class Picture:
    """A picture: its point id, image key, captions, and its city as key and as the source writes it."""

    id: UUID
    image: str
    captions: tuple[str, ...] = ()
    city: str | None = None
    city_label: str | None = None


@dataclass(frozen=True)
class Pictures:
    """Pictures in the order of their ids, so that a stable sort of scores breaks ties as search does.

    vectors: float32 (n, dimensions), a row for each. missing: pictures of the source that the store does not have. folder: the
    source's, None where it is the whole store.
    """

    pictures: tuple[Picture, ...]
    vectors: Float32
    missing: int = 0
    folder: str | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def chosen(self, rows: Sequence[int]) -> "Pictures":
        """Some of the pictures, by ascending rows."""
        return replace(self, pictures=tuple(self.pictures[row] for row in rows), vectors=self.vectors[list(rows)])


def gather_pictures(
    store: VectorStore, source: Source | None = None, *, on_progress: OnProgress | None = None
) -> Pictures:
    """The pictures of `source` that the store has, or without one all that it has.

    Captions are the source's own where one is given, and else those that the store keeps; cities are the store's: those that
    the ingest decided on. Raises SourceError where the source has no pictures, StoreError where the store has none of them.
    """
    tell = on_progress or (lambda done, total, text: None)
    captions = {point_id(post.image): post.captions for post in source.posts()} if source else None
    records = _records(store, sorted(captions)) if captions is not None else store.scroll(_FIELDS)
    found = sorted(
        (_picture(record, captions[record.id] if captions is not None else None) for record in records),
        key=lambda picture: picture.id,
    )
    if not found:
        where = store.info().location
        raise StoreError(
            f"the store {where} has none of the {len(captions)} pictures of {source.folder}; "
            f"`topicidx ingest {source.manifest or source.folder}` brings them there"
            if source and captions
            else f"the store {where} has no pictures; ingest some first"
        )
    vectors = np.empty((len(found), store.info().dimensions), dtype=np.float32)
    for begin in range(0, len(found), BLOCK):
        block = found[begin : begin + BLOCK]
        vectors[begin : begin + len(block)] = store.vectors([picture.id for picture in block])
        tell(begin + len(block), len(found), "reading vectors")
    missing = len(captions) - len(found) if captions is not None else 0
    return Pictures(tuple(found), vectors, missing, str(source.folder) if source else None)


#: What is read of a payload.
_FIELDS = ("image", "captions", "city", "city_label")


def _records(store: VectorStore, ids: Sequence[UUID]) -> Iterator[Record]:
    for begin in range(0, len(ids), BLOCK):
        yield from store.retrieve(ids[begin : begin + BLOCK])


def _picture(record: Record, captions: tuple[str, ...] | None) -> Picture:
    image, kept, city, label = (record.payload.get(name) for name in _FIELDS)
    if captions is None:
        captions = tuple(map(str, kept)) if isinstance(kept, list) else ()
    key = city if isinstance(city, str) and city else None
    return Picture(record.id, str(image), captions, key, label if isinstance(label, str) and label else key)
