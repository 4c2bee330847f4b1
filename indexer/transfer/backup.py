"""Backups: one collection in one file that any engine can be filled from, whatever it was made from.

The file is an uncompressed tar; nothing in it is a pickle:

    backup.json                 what it is: BackupHeader
    sources.json                the roots of the points' sources, by name
    skipped.jsonl               the pictures that could not be indexed, where there are any
    points/000000.npy, .jsonl   a block of points: vectors float32 (n, dimensions); id and payload, a line each
    space/...                   the topic space, where it was at hand
    checksums.json              SHA-256 and size of every other member, and the totals of the points
"""

import io
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from topicidx.embedders.bundle import MANIFEST
from topicidx.errors import TransferError
from topicidx.indexer.sources.places import SourcePlace
from topicidx.indexer.store import FieldType, PointBlock, VectorStore
from topicidx.indexer.stores import SKIPPED, open_store
from topicidx.indexer.totals import Totals
from topicidx.indexer.transfer.archive import ArchiveWriter
from topicidx.indexer.transfer.copying import OnPoints
from topicidx.indexer.transfer.files import check_room, new_file
from topicidx.indexer.transfer.places import Place
from topicidx.indexer.transfer.source_tables import sources_of
from topicidx.settings import ServerSettings
from topicidx.version import __version__

if TYPE_CHECKING:
    from topicidx.embedders.topic_space import TopicSpace

FORMAT_VERSION = 1
HEADER, SOURCES, CHECKSUMS = "backup.json", "sources.json", "checksums.json"
POINTS, SPACE = "points/", "space/"


class BackupHeader(BaseModel):
    """`backup.json`: what a backup holds. created: ISO 8601; fields: what the payload indexes are of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Other programs tell the file by it.
    kind: Literal["topicidx backup"] = "topicidx backup"
    format_version: int = FORMAT_VERSION
    topicidx: str
    created: str
    collection: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    vector_space: str
    dimensions: Annotated[int, Field(ge=1, le=65_536)]
    points: Annotated[int, Field(ge=0)]
    fields: dict[str, FieldType]


class MemberSum(BaseModel):
    """What `checksums.json` says of a member."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class Checksums(BaseModel):
    """`checksums.json`: every other member in the order of the file, and the totals of the points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: dict[str, MemberSum]
    points: int
    checksum: str


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds. checksum: of all points, the same in every store; space: whether the topic space is in it."""

    file: str
    points: int
    checksum: str
    bytes: int
    space: bool

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


def back_up(
    source: Place,
    file: Path,
    server: ServerSettings | None = None,
    *,
    space: "TopicSpace | None" = None,
    force: bool = False,
    on_points: OnPoints | None = None,
) -> BackupReport:
    """Write a collection and what is known of its sources to a file: see `write_backup`."""
    with open_store(source.address, source.collection, server) as store:
        roots = sources_of(store, source.address.folder)
        skipped = source.skipped_list()
        return write_backup(
            store, file, roots=roots, skipped=skipped, space=space, force=force, on_points=on_points
        )  # fmt: skip


def write_backup(
    store: VectorStore,
    file: Path,
    *,
    roots: dict[str, SourcePlace] | None = None,
    skipped: bytes | None = None,
    space: "TopicSpace | None" = None,
    force: bool = False,
    on_points: OnPoints | None = None,
) -> BackupReport:
    """Write all of a collection to one file, whole or not at all.

    roots: the table of its sources; skipped: the list of pictures that could not be indexed; space: the topic space, which
    is left out where it is not the one of the points. Raises TransferError where the file is there already (unless `force`)
    or the collection changes meanwhile, StoreFullError where the disk has no room for it.
    """
    info = store.info()
    header = BackupHeader(
        topicidx=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        collection=info.collection,
        vector_space=info.vector_space,
        dimensions=info.dimensions,
        points=info.points,
        fields=dict(info.fields),
    )
    brought = space if space is not None and space.manifest.vector_space == info.vector_space else None
    with new_file(file, force=force) as opened:
        archive = ArchiveWriter(opened, int(datetime.now(UTC).timestamp()))
        archive.add(HEADER, _json_bytes(header.model_dump(mode="json")))
        archive.add(SOURCES, _json_bytes({name: str(root) for name, root in (roots or {}).items()}))
        if skipped:
            archive.add(SKIPPED, skipped)
        totals = Totals()
        for number, block in enumerate(store.blocks()):
            vectors, lines = vectors_to_npy(block), points_to_lines(block)
            if number == 0:
                check_room(file, _bytes_expected(info.points, len(vectors) + len(lines), len(block), brought))
            archive.add(f"{POINTS}{number:06d}.npy", vectors)
            archive.add(f"{POINTS}{number:06d}.jsonl", lines)
            totals = totals.plus(block)
            if on_points is not None:
                on_points(totals.points, info.points)
        if totals.points != info.points:
            raise TransferError(
                f"{totals.points:,} points were read where {info.points:,} were announced: the collection {info.collection!r} "
                "changed meanwhile, or is damaged; run the same command again when nothing writes to it"
            )
        if brought is not None:
            for name in (MANIFEST, *brought.manifest.files):
                archive.add_file(SPACE + name, brought.folder / name)
        sums = {name: MemberSum(size=archive.sizes[name], sha256=digest) for name, digest in archive.digests.items()}
        checksums = Checksums(members=sums, points=totals.points, checksum=totals.checksum)
        archive.add(CHECKSUMS, _json_bytes(checksums.model_dump(mode="json")))
        archive.finish()
        size = opened.tell()
    return BackupReport(str(file), totals.points, totals.checksum, size, brought is not None)


def vectors_to_npy(block: PointBlock) -> bytes:
    """The vectors of a block as a .npy file: float32, little-endian."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(block.vectors, dtype="<f4"), allow_pickle=False)
    return file.getvalue()


def points_to_lines(block: PointBlock) -> bytes:
    """Ids and payloads of a block as JSON lines."""
    lines = (
        json.dumps({"id": str(point), "payload": payload}, ensure_ascii=False, allow_nan=False)
        for point, payload in zip(block.ids, block.payloads, strict=True)
    )
    return "".join(line + "\n" for line in lines).encode()


def _bytes_expected(points: int, first: int, in_first: int, space: "TopicSpace | None") -> int:
    """How large the file will be, by its first block's bytes."""
    return first * points // in_first + (sum(space.manifest.files.values()) if space else 0)


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
