"""Ingest: pictures to topic vectors to a store, nothing twice."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from topicidx.embedders.prefetch import default_threads, map_ahead
from topicidx.embedders.protocols import HasteningEncoder
from topicidx.embedders.stored_files import file_system
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import ImageError
from topicidx.indexer.ingest_report import IngestReport, OnPicture, Skipped
from topicidx.indexer.keys import archive_of, file_of, point_id, source_of
from topicidx.indexer.known_pictures import KNOWN_FIELDS, KnownPictures
from topicidx.indexer.looking import Copy, Decoded, File, Looker, Planner, Refused
from topicidx.indexer.payload import DECODED_FIELDS, Columns, digest_of, payload_of, top_topics
from topicidx.indexer.shards import WHOLE, Shard
from topicidx.indexer.skipped import SkippedList
from topicidx.indexer.sources import Source
from topicidx.indexer.sources.places import is_below, place_of
from topicidx.indexer.store import FieldType, Record, Rewrite, StoreWriter
from topicidx.post import JsonValue, PictureFile
from topicidx.settings import IngestSettings

#: Points between two checkpoints, and seconds that may pass without one.
CHECKPOINT_POINTS, CHECKPOINT_SECONDS = 5_000, 60.0
#: Pictures after which a faster engine is made ready: that takes as long as it spares on so many (benchmarks/engines.py).
MANY = 600
#: Payloads that are rewritten in one go.
REWRITES = 256


def ingest(
    source: Source,
    space: TopicSpace,
    writer: StoreWriter,
    settings: IngestSettings | None = None,
    *,
    skipped_file: Path,
    prune: bool = False,
    on_picture: OnPicture | None = None,
    shard: Shard = WHOLE,
    end: Callable[[], int] | None = None,
) -> IngestReport:
    """Bring every picture of `source` into the store that `writer` holds, and publish.

    Files whose size and time of change are those of their point are not read; those that have the bytes of a stored picture
    (renamed, copied, touched) are not decoded; where only captions, city or other columns changed, only the payload is
    written. Pictures that cannot be read are listed in `skipped_file` (JSON lines) and not tried again until they change.
    With `prune`, pictures of the source whose files are gone are removed from the store. Interrupted, the same call goes on
    from the last checkpoint. shard: what of the source is taken, in reading, writing and pruning. end: what is done in place
    of publishing; it gives the number of points there are.
    """
    settings = settings or IngestSettings()
    if settings.index_fields:
        writer.index_fields(settings.index_fields)
    skipped = SkippedList(skipped_file, shard)
    with closing(
        _Ingest(source, space, settings, skipped, on_picture, writer.fields, writer.known(KNOWN_FIELDS), shard)
    ) as run:
        return run.write_to(writer, prune=prune, end=end or writer.publish)


def plan_ingest(
    source: Source,
    space: TopicSpace,
    known: Iterable[Record],
    fields: Mapping[str, FieldType],
    settings: IngestSettings | None = None,
    *,
    skipped_file: Path,
    prune: bool = False,
    on_picture: OnPicture | None = None,
    shard: Shard = WHOLE,
) -> IngestReport:
    """What `ingest` would do, given the `known` records (with KNOWN_FIELDS) of a store and the `fields` that it indexes.

    Nothing is decoded or written, so that broken pictures not met before count as indexed.
    """
    settings = settings or IngestSettings()
    skipped = SkippedList(skipped_file, shard)
    with closing(
        _Ingest(source, space, settings, skipped, on_picture, {**fields, **settings.index_fields}, known, shard)
    ) as run:
        return run.plan(prune=prune)


class _Ingest:
    def __init__(
        self, source: Source, space: TopicSpace, settings: IngestSettings, skipped: SkippedList,
        on_picture: OnPicture | None, fields: Mapping[str, FieldType], known: Iterable[Record], shard: Shard,
    ) -> None:  # fmt: skip
        self.source = replace(source, wanted=shard.has)  # archives of other shards are not even opened
        self.space = space
        self.settings = settings
        self.skipped = skipped
        self.shard = shard
        self.on_picture = on_picture or (lambda report: None)
        self.columns = Columns(fields)
        self.report = IngestReport(shard=None if shard == WHOLE else str(shard), shares=shard.of)
        self.by_source: Counter[str] = Counter()
        self.broken = skipped.read()
        self.known = KnownPictures(self._of_shard(known))
        self.looker = Looker(space, settings, self.known)

    def close(self) -> None:
        """Forget what is known of the store."""
        self.known.close()

    def plan(self, *, prune: bool) -> IngestReport:
        """Say what would be done."""
        self.report.dry_run = True
        planner, new = Planner(self.known), 0
        for file in self._changed(lambda file: None):
            looked = planner.look(file)
            if isinstance(looked, Refused):
                self.skip(looked)
                continue
            new += file.id not in self.known
            if isinstance(looked, Copy):
                self.count_copy(looked)
            else:
                self.report.indexed += 1
            self.on_picture(self.report)
        self.report.vanished = len(self._gone())
        self.report.pruned = self.report.vanished if prune else 0
        self.report.points = len(self.known) + new - self.report.pruned
        self._finish()
        return self.report

    def write_to(self, writer: StoreWriter, *, prune: bool, end: Callable[[], int]) -> IngestReport:
        """Do it."""
        began = time.perf_counter()
        out = _Output(self, writer)
        threads = self.settings.decode_threads or default_threads()
        # Twice the batch, so that decoding goes on while the network runs.
        ahead = 2 * self.settings.batch_size
        for looked in map_ahead(self.looker.look, self._changed(out.rewrite), threads=threads, ahead=ahead):
            out.take(looked)
        out.finish()
        gone = self._gone()
        self.report.vanished = len(gone)
        if prune and gone:
            writer.delete(gone)
            self.known.remove(gone)
            self.report.pruned = len(gone)
            self.by_source[self.source.name] -= len(gone)
        self.report.points = end()
        others = [entry for entry in self.broken.values() if source_of(entry.image) != self.source.name]
        self.skipped.write(others + self.report.skipped)
        self._finish()
        self.report.seconds = time.perf_counter() - began
        self.report.images_per_second = self.report.indexed / max(self.report.seconds, 1e-9)
        return self.report

    def payload(self, file: File, gps_city: JsonValue) -> dict[str, JsonValue]:
        """The payload of a picture but for what decoding tells."""
        return payload_of(
            file.post, file.columns, file.digest, size=file.size, mtime=file.mtime, space=self.space.vector_space,
            gps_city=gps_city if isinstance(gps_city, str) else None,
        )  # fmt: skip

    def will_hold(self, file: File, sha256: bytes, gps_city: JsonValue) -> None:
        """A picture is about to be written."""
        if file.id not in self.known:
            self.by_source[source_of(file.post.image)] += 1
        self.looker.will_hold(file, sha256, gps_city)

    def gps_city_of(self, point: UUID) -> str | None:
        """The city that the GPS position of a known picture lies in."""
        known = self.known.get(point)
        return known.gps_city if known else None

    def count_copy(self, copy: Copy) -> None:
        if copy.of == copy.file.id:
            self.report.updated += 1
        else:
            self.report.reused += 1

    def skip(self, refused: Refused) -> None:
        # What may pass, such as a missing permission, is tried again next time.
        file = refused.file
        size, mtime = (file.size, file.mtime) if refused.error.lasting else (None, None)
        self._done(Skipped(file.post.image, _printable(file.post.path), str(refused.error), size, mtime))

    def _of_shard(self, records: Iterable[Record]) -> Iterator[Record]:
        """Those of the records that this process takes care of, counted by source."""
        for record in records:
            key = str(record.payload.get("image"))
            if not self.shard.has(key):
                continue
            name = source_of(key)
            self.by_source[name] += 1
            if name != self.source.name:
                self.report.other_sources[name] = self.report.other_sources.get(name, 0) + 1
            yield record

    def _changed(self, rewrite: Callable[[File], None]) -> Iterator[File]:
        """The pictures that must be looked at; all others are dealt with here."""
        for post in self.source.posts():
            if not self.shard.has(post.image):
                continue
            self.report.of_source += source_of(post.image) == self.source.name
            try:
                status = post.path.stat()
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self._done(Skipped(post.image, _printable(post.path), reason))
                continue
            columns = self.columns.read(post)
            digest = digest_of(post, columns)
            if self.known.unchanged(post.image, status.st_size, status.st_mtime_ns, digest):
                self.report.unchanged += 1
                self.on_picture(self.report)
                continue
            point = point_id(post.image)
            file = File(post, point, status.st_size, status.st_mtime_ns, columns, digest)
            known = self.known.meet(point)
            broken = self.broken.get(post.image)
            if known is not None and (known.size, known.mtime) == (file.size, file.mtime):
                if known.post == file.digest:
                    self.report.unchanged += 1
                else:
                    rewrite(file)
                    self.report.updated += 1
                self.on_picture(self.report)
            elif broken is not None and (broken.size, broken.mtime) == (file.size, file.mtime):
                self._done(broken)
            else:
                yield file

    def _gone(self) -> list[UUID]:
        """The points of what was ingested whose files are not there any more."""
        gone = []
        damaged = {skipped.image for skipped in self.report.skipped}
        for point, key in self.known.not_met():
            if source_of(key) != self.source.name:
                continue
            path = file_of(key, self.source.root)
            place = path if isinstance(path, Path) else place_of(str(path))
            archive = archive_of(key)
            if archive is not None:  # all that are in it were met, but where it is damaged
                if is_below(place, self.source.folder) and archive not in damaged:
                    gone.append(point)
            elif is_below(place, self.source.folder) and is_gone(path):
                gone.append(point)
        return gone

    def _done(self, skipped: Skipped) -> None:
        self.report.skipped.append(skipped)
        self.on_picture(self.report)

    def _finish(self) -> None:
        self.report.without_gazetteer = self.looker.without_gazetteer
        self.report.duplicates = self.known.duplicates()
        self.report.by_source = dict(self.by_source)
        self.report.refused_values = dict(self.columns.refused)
        self.report.refused_examples = self.columns.examples
        self.report.unseen_fields = sorted(set(self.settings.index_fields) - self.columns.seen)


class _Output:
    """What is on its way to the writer: pictures to be encoded in batches, payloads to be rewritten, copies that wait for the
    picture that they are copies of."""

    def __init__(self, run: _Ingest, writer: StoreWriter) -> None:
        self.run = run
        self.looker = run.looker
        self.writer = writer
        self.batch: list[Decoded] = []
        self.rewrites: list[Rewrite] = []
        self.waiting: dict[bytes, list[Copy]] = {}
        self.refused: dict[bytes, ImageError] = {}
        self.since_checkpoint = 0
        self.last_checkpoint = time.monotonic()

    def rewrite(self, file: File, of: UUID | None = None) -> None:
        """Write a point with a vector that the store has: its own, or that of another one."""
        origin = of or file.id
        payload = self.run.payload(file, self.run.gps_city_of(origin))
        self.rewrites.append(Rewrite(file.id, origin, payload, DECODED_FIELDS))
        if len(self.rewrites) >= REWRITES:
            self._write_rewrites()

    def take(self, looked: Decoded | Copy | Refused) -> None:
        """Deal with a picture that was looked at."""
        if isinstance(looked, Copy):
            if looked.of is None or self.looker.holds(looked.of, looked.sha256):
                self._take_copy(looked)
                return
            # The picture that had these bytes has got others in the meantime.
            looked = self.looker.decode(looked.file, looked.sha256)
        self.run.report.decoded += 1
        if isinstance(looked, Refused):
            self._refuse(looked)
            return
        self.run.will_hold(looked.file, looked.sha256, looked.facts["gps_city"])
        self.batch.append(looked)
        if len(self.batch) >= self.run.settings.batch_size:
            self._write_batch()

    def finish(self) -> None:
        """Write what is left."""
        if self.batch:
            self._write_batch()
        self._write_rewrites()
        assert not self.waiting, "a copy waits for a picture that never came"

    def _take_copy(self, copy: Copy) -> None:
        of = copy.of or self.run.known.holder(copy.sha256)
        if of is not None:
            self.run.count_copy(replace(copy, of=of))
            self.rewrite(copy.file, of)
            self.run.will_hold(copy.file, copy.sha256, self.run.gps_city_of(of))
            self.run.on_picture(self.run.report)
        elif copy.sha256 in self.refused:
            self.run.skip(Refused(copy.file, self.refused[copy.sha256], copy.sha256))
        else:
            self.waiting.setdefault(copy.sha256, []).append(copy)

    def _refuse(self, refused: Refused) -> None:
        self.run.skip(refused)
        if refused.sha256 is not None:
            self.refused[refused.sha256] = refused.error
            for copy in self.waiting.pop(refused.sha256, []):
                self._take_copy(copy)

    def _write_batch(self) -> None:
        self._write_rewrites()  # they may take over what is overwritten now
        batch, self.batch = self.batch, []
        run = self.run
        encoder = run.space.image_encoder
        if run.report.indexed < MANY <= run.report.indexed + len(batch) and isinstance(encoder, HasteningEncoder):
            encoder.hasten()
        vectors = encoder.encode([decoded.pixels for decoded in batch])
        payloads = [
            run.payload(decoded.file, decoded.facts["gps_city"]) | decoded.facts | {"topics": top_topics(vector)}
            for decoded, vector in zip(batch, vectors, strict=True)
        ]
        self.writer.upsert([decoded.file.id for decoded in batch], vectors, payloads)
        run.report.indexed += len(batch)
        for decoded in batch:
            self.looker.wrote(decoded.file.id, decoded.sha256)
            for copy in self.waiting.pop(decoded.sha256, []):
                self._take_copy(replace(copy, of=decoded.file.id))
        run.on_picture(run.report)
        self._written(len(batch))

    def _write_rewrites(self) -> None:
        if self.rewrites:
            rewrites, self.rewrites = self.rewrites, []
            self.writer.rewrite(rewrites)
            self._written(len(rewrites))

    def _written(self, points: int) -> None:
        self.since_checkpoint += points
        if self.since_checkpoint >= CHECKPOINT_POINTS or time.monotonic() - self.last_checkpoint > CHECKPOINT_SECONDS:
            self.writer.checkpoint()
            self.since_checkpoint = 0
            self.last_checkpoint = time.monotonic()


def is_gone(path: PictureFile) -> bool:
    """Whether there is no such file; one that cannot be got at may be there."""
    if not isinstance(path, Path):
        system, within = file_system(str(path))
        try:
            return not system.exists(within)
        except Exception:  # those of HTTP and cloud libraries, which have no common root
            return False
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _printable(path: PictureFile) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
