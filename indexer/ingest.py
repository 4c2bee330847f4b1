"""Ingest: pictures to topic vectors to a store, nothing twice."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.atomic import write_file
from topicidx.embedders.pictures import open_picture, sha256_of
from topicidx.embedders.prefetch import default_threads, map_ahead
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import ImageError
from topicidx.indexer.keys import city_key, file_of, point_id
from topicidx.indexer.sources import Source
from topicidx.indexer.store import Rewrite, StoreWriter
from topicidx.post import JsonValue, Post
from topicidx.settings import IngestSettings

#: Payload fields that say whether a picture has changed since it was indexed.
KNOWN_FIELDS = ("image", "size", "mtime", "post")
#: Payload fields that a source's own columns never replace.
OWN_FIELDS = frozenset({
    "image", "source", "city", "city_label", "captions", "sha256", "size", "mtime", "width", "height", "taken_at", "topics",
    "space", "post",
})  # fmt: skip
#: Payload fields that only decoding and encoding a picture can tell.
DECODED_FIELDS = ("sha256", "width", "height", "taken_at", "topics")
#: How many of a picture's leading topics its payload names.
TOP_TOPICS = 5
#: Points between two checkpoints, and seconds that may pass without one.
CHECKPOINT_POINTS, CHECKPOINT_SECONDS = 5_000, 60.0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that could not be indexed, and why. size and mtime (ns) are None where the file could not be read."""

    image: str
    path: str
    reason: str
    size: int | None = None
    mtime: int | None = None


@dataclass
class IngestReport:
    """What an ingest did. points: how many the collection holds now; images_per_second: of those decoded."""

    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    points: int = 0
    decoded: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    #: Pictures of the store that are not of this source, by source name.
    other_sources: dict[str, int] = field(default_factory=dict)
    #: Pictures of this source that the store holds but whose files are gone.
    vanished: int = 0

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


#: Called after each picture with the report so far.
OnPicture = Callable[[IngestReport], None]


@dataclass(frozen=True, slots=True)
class _File:
    """A post whose file is there: what identifies the file's content, and what its payload will hold."""

    post: Post
    id: UUID
    size: int
    mtime: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Decoded:
    file: _File
    pixels: NDArray[np.uint8] | None = None
    facts: dict[str, JsonValue] = field(default_factory=dict)
    error: ImageError | None = None


def ingest(
    source: Source,
    space: TopicSpace,
    writer: StoreWriter,
    settings: IngestSettings | None = None,
    *,
    skipped_file: Path,
    on_picture: OnPicture | None = None,
) -> IngestReport:
    """Bring every picture of `source` into the store that `writer` holds, and publish.

    Files whose size and time of change are those of their point are not decoded; where only captions, city or other
    columns changed, only the payload is written. Pictures that cannot be read are listed in `skipped_file` (JSON lines)
    and not tried again until they change. Interrupted, the same call goes on from the last checkpoint.
    """
    return _Ingest(
        source, space, writer, settings or IngestSettings(), skipped_file, on_picture or (lambda report: None)
    ).run()


class _Ingest:
    def __init__(
        self, source: Source, space: TopicSpace, writer: StoreWriter, settings: IngestSettings, skipped_file: Path,
        on_picture: OnPicture,
    ) -> None:  # fmt: skip
        self.source = source
        self.space = space
        self.writer = writer
        self.settings = settings
        self.skipped_file = skipped_file
        self.on_picture = on_picture
        self.report = IngestReport()
        self.not_seen: dict[UUID, str] = {}
        self.known = self._read_known()
        self.broken = _read_skipped(skipped_file)
        self.since_checkpoint = 0
        self.last_checkpoint = time.monotonic()

    def run(self) -> IngestReport:
        began = time.perf_counter()
        batch: list[_Decoded] = []
        threads = self.settings.decode_threads or default_threads()
        # Twice the batch, so that decoding goes on while the network runs.
        for decoded in map_ahead(self._decode, self._changed(), threads=threads, ahead=2 * self.settings.batch_size):
            self.report.decoded += 1
            if decoded.error is not None:
                self._skip(decoded.file, decoded.error)
                continue
            batch.append(decoded)
            if len(batch) == self.settings.batch_size:
                self._write(batch)
                batch = []
        if batch:
            self._write(batch)
        self.report.vanished = sum(not file_of(key, self.source.root).exists() for key in self.not_seen.values())
        self.report.points = self.writer.publish()
        others = [entry for entry in self.broken.values() if entry.image.partition("/")[0] != self.source.name]
        _write_skipped(self.skipped_file, others + self.report.skipped)
        self.report.seconds = time.perf_counter() - began
        self.report.images_per_second = self.report.indexed / max(self.report.seconds, 1e-9)
        return self.report

    def _read_known(self) -> dict[UUID, tuple[object, object, object]]:
        known: dict[UUID, tuple[object, object, object]] = {}
        for record in self.writer.known(KNOWN_FIELDS):
            payload = record.payload
            known[record.id] = (payload.get("size"), payload.get("mtime"), payload.get("post"))
            key = str(payload.get("image"))
            name = key.partition("/")[0]
            if name == self.source.name:
                self.not_seen[record.id] = key
            else:
                self.report.other_sources[name] = self.report.other_sources.get(name, 0) + 1
        return known

    def _changed(self) -> Iterator[_File]:
        """The pictures that must be decoded; all others are dealt with here."""
        for post in self.source.posts():
            try:
                status = post.path.stat()
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self._done(Skipped(post.image, _printable(post.path), reason))
                continue
            file = _File(post, point_id(post.image), status.st_size, status.st_mtime_ns, _digest(post))
            self.not_seen.pop(file.id, None)
            size, mtime, digest = self.known.get(file.id, (None, None, None))
            broken = self.broken.get(post.image)
            if (size, mtime) == (file.size, file.mtime):
                if digest == file.digest:
                    self.report.unchanged += 1
                    self.on_picture(self.report)
                else:
                    self._update_payload(file)
            elif broken is not None and (broken.size, broken.mtime) == (file.size, file.mtime):
                self._done(broken)
            else:
                self.space.image_encoder  # noqa: B018 loaded here, in one thread, and only if there is work for it
                yield file

    def _decode(self, file: _File) -> _Decoded:
        encoder = self.space.image_encoder
        try:
            picture = open_picture(file.post.path, at_least=encoder.input_size, max_pixels=self.settings.max_pixels)
            facts: dict[str, JsonValue] = {
                "sha256": sha256_of(file.post.path), "width": picture.width, "height": picture.height,
                "taken_at": picture.taken_at,
            }  # fmt: skip
            return _Decoded(file, encoder.prepare(picture.image), facts)
        except ImageError as error:
            return _Decoded(file, error=error)

    def _write(self, batch: list[_Decoded]) -> None:
        vectors = self.space.image_encoder.encode([decoded.pixels for decoded in batch if decoded.pixels is not None])
        payloads = [
            _payload(decoded.file, self.space.vector_space, decoded.facts | {"topics": _top_topics(vector)})
            for decoded, vector in zip(batch, vectors, strict=True)
        ]
        self.writer.upsert([decoded.file.id for decoded in batch], vectors, payloads)
        self.report.indexed += len(batch)
        self.on_picture(self.report)
        self.since_checkpoint += len(batch)
        if self.since_checkpoint >= CHECKPOINT_POINTS or time.monotonic() - self.last_checkpoint > CHECKPOINT_SECONDS:
            self.writer.checkpoint()
            self.since_checkpoint = 0
            self.last_checkpoint = time.monotonic()

    def _update_payload(self, file: _File) -> None:
        self.writer.rewrite([Rewrite(file.id, file.id, _payload(file, self.space.vector_space, {}), DECODED_FIELDS)])
        self.report.updated += 1
        self.on_picture(self.report)

    def _skip(self, file: _File, error: ImageError) -> None:
        # What may pass, such as a missing permission, is tried again next time.
        size, mtime = (file.size, file.mtime) if error.lasting else (None, None)
        self._done(Skipped(file.post.image, _printable(file.post.path), str(error), size, mtime))

    def _done(self, skipped: Skipped) -> None:
        self.report.skipped.append(skipped)
        self.on_picture(self.report)


def _payload(file: _File, space: str, facts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    post = file.post
    return {
        **{name: value for name, value in post.payload.items() if name not in OWN_FIELDS},
        "image": post.image,
        "source": post.image.partition("/")[0],
        "city": city_key(post.city) if post.city else None,
        "city_label": post.city,
        "captions": list(post.captions),
        "size": file.size,
        "mtime": file.mtime,
        "post": file.digest,
        "space": space,
        **facts,
    }


def _digest(post: Post) -> str:
    """Changes when anything changes that a source says of a picture."""
    said = json.dumps([post.captions, post.city, dict(post.payload)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _top_topics(vector: NDArray[np.float32]) -> list[JsonValue]:
    leading = np.argsort(-vector, kind="stable")[:TOP_TOPICS]
    return [{"topic": int(topic), "weight": round(float(vector[topic]), 6)} for topic in leading]


def _printable(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _read_skipped(file: Path) -> dict[str, Skipped]:
    try:
        with file.open(encoding="utf-8") as lines:
            return {entry["image"]: Skipped(**entry) for entry in map(json.loads, lines)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # it only saves work


def _write_skipped(file: Path, skipped: list[Skipped]) -> None:
    write_file(file, "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in skipped))
