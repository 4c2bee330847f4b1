"""One run of an ingest: a source's name, the writer, the report; what the command line and `Index.ingest` share."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SourceError, StoreDamagedError, StoreNotFoundError
from topicidx.indexer.ingest import ingest, plan_ingest
from topicidx.indexer.ingest_report import IngestReport, OnPicture
from topicidx.indexer.known_pictures import KNOWN_FIELDS
from topicidx.indexer.shards import WHOLE, Shard
from topicidx.indexer.sources import Source, SourceRegistry
from topicidx.indexer.store import FieldType, OnProgress, Record
from topicidx.indexer.stores import SKIPPED, StoreAddress, open_store, open_writer
from topicidx.settings import Settings

logger = logging.getLogger(__name__)


@dataclass
class IngestRun:
    """What an ingest did, and to whom. lost: pictures of other sources that a rebuilt index is without, by source;
    skipped_file: the list of what could not be indexed; replaced_space: the store had the vectors of another space
    before; hidden: it still has, until what the processes of an ingest wrote is published."""

    report: IngestReport
    skipped_file: Path
    lost: dict[str, int] = field(default_factory=dict)
    replaced_space: bool = False
    hidden: bool = False


def run_ingest(
    source: Source,
    space: TopicSpace,
    address: StoreAddress,
    settings: Settings,
    *,
    name: str | None = None,
    prune: bool = False,
    rebuild: bool = False,
    dry_run: bool = False,
    on_picture: OnPicture | None = None,
    on_progress: OnProgress | None = None,
    on_status: Callable[[str], None] = logger.info,
) -> IngestRun:
    """Index the pictures of `source` in the collection that `settings` name, or with `dry_run` only tell what would be done.

    on_status is told what people should know while it runs. Raises SourceError or StoreError; what was indexed before is
    kept.
    """
    skipped_file = address.folder / settings.collection / SKIPPED
    registry = SourceRegistry(address.folder)
    # Others may have put pictures on a server; a folder's sources are all in its own table.
    asks_who_is_there = address.url is not None and name is None
    in_store = sources_in(address, settings) if rebuild or asks_who_is_there else {}
    taken = tuple(in_store) if asks_who_is_there else ()
    known_as = registry.resolve(source, name, taken=taken)
    lost = {other: count for other, count in in_store.items() if other != known_as.name} if rebuild else {}
    if dry_run:
        report = plan_run(
            known_as, space, address, settings, skipped_file, prune, rebuild=rebuild, on_picture=on_picture
        )
        return IngestRun(report, skipped_file, lost)
    with open_writer(
        address,
        settings.collection,
        space.vector_space,
        space.dimensions,
        rebuild=rebuild,
        words_of=space,
        server=settings.server,
        approximate_from=settings.ingest.approximate_from,
        on_progress=on_progress,
    ) as writer:
        if writer.resumes:
            on_status("going on from an ingest that was stopped; what it had indexed is published with this one")
        before = set(registry.roots)
        named = registry.register(source, name, taken=taken)
        if named.root != source.root:
            on_status(f"{source.folder} is a part of the source {named.name!r} ({named.root})")
        try:
            report = ingest(
                named, space, writer, settings.ingest, skipped_file=skipped_file, prune=prune, on_picture=on_picture
            )
        except SourceError:
            if named.name not in before:
                registry.remove(named.name)
            raise
        if not report.of_source and named.name not in before:
            registry.remove(named.name)  # all its pictures are those of sources below it
        return IngestRun(report, skipped_file, lost, writer.replaces_space)


def sources_in(address: StoreAddress, settings: Settings) -> dict[str, int]:
    """How many pictures of each source the store has; none where there is no store, or one too damaged to tell."""
    try:
        with open_store(address, settings.collection, settings.server) as store:
            return store.facet("source")
    except (StoreNotFoundError, StoreDamagedError):
        return {}


def plan_run(
    source: Source, space: TopicSpace, address: StoreAddress, settings: Settings, skipped_file: Path, prune: bool, *,
    rebuild: bool = False, on_picture: OnPicture | None = None, shard: Shard = WHOLE,
) -> IngestReport:  # fmt: skip
    """What an ingest would do with what the store has."""

    def plan(known: Iterable[Record], fields: Mapping[str, FieldType]) -> IngestReport:
        return plan_ingest(
            source, space, known, fields, settings.ingest,
            skipped_file=skipped_file, prune=prune, on_picture=on_picture, shard=shard,
        )  # fmt: skip

    try:
        with open_store(address, settings.collection, settings.server) as store:
            info = store.info()
            same = info.vector_space == space.vector_space and not rebuild
            return plan(store.scroll(KNOWN_FIELDS) if same else (), info.fields)
    except StoreNotFoundError:
        return plan((), {})
