"""An ingest in several processes, on any machines: each takes a share of the source, and all write to one server."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topicidx.embedders.prefetch import default_threads
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SourceError
from topicidx.indexer.conditions import Equals
from topicidx.indexer.ingest import ingest, is_gone
from topicidx.indexer.ingest_report import IngestReport, OnPicture, combined
from topicidx.indexer.ingest_run import IngestRun, plan_run, sources_in
from topicidx.indexer.keys import file_of, source_of, unit_of
from topicidx.indexer.shards import WHOLE, Shard
from topicidx.indexer.skipped import SkippedList
from topicidx.indexer.sources import Source, SourceRegistry
from topicidx.indexer.store import Payload, PointFilter
from topicidx.indexer.stores import SKIPPED, StoreAddress, open_joint_writer, open_store, server_of
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.indexer.server import JointWriter
    from topicidx.indexer.team import Team

logger = logging.getLogger(__name__)

#: Pictures of the server that are looked for here, to tell whether they are the same source.
_LOOKED_FOR = 64


@dataclass(frozen=True, slots=True)
class JointIngest:
    """What every process of an ingest is told: the options of `run_ingest`."""

    source: Source
    space: TopicSpace
    address: StoreAddress
    settings: Settings
    name: str | None = None
    prune: bool = False
    dry_run: bool = False
    on_picture: OnPicture | None = None
    on_status: Callable[[str], None] = logger.info

    def take_shard(self, shard: Shard) -> IngestRun:
        """Index one share, by itself: any scheduler may start the others, at any time and in any order.

        Raises SettingsError for a store in a folder, SourceError or StoreError; what was indexed before is kept.
        """
        server_of(self.address)
        named = self._named()
        if self.dry_run:
            return IngestRun(self._planned(named, shard), self._skipped(shard).file)
        with self._writer(words_of=self.space if shard.first else None) as writer:
            report = self._ingest(named, writer, shard, writer.publish)
            return IngestRun(
                report, self._skipped(shard).file, replaced_space=writer.replaces_space, hidden=writer.hidden
            )

    def take_part(self, team: "Team", *, rebuild: bool = False) -> IngestRun:
        """Index the share of this process, and publish when all are done and the server holds what they wrote together.

        Every process gets the report of all. Raises IngestError where another process failed; SourceError, StoreError.
        """
        server_of(self.address)
        # Which keys pictures have is told by one process: the tables of sources of several machines may differ.
        named = self.source.keyed(*team.of_first(lambda: _keys_of(self._named())))
        if self.dry_run:
            planned = team.gathered(lambda: self._planned(named, team.shard))
            return IngestRun(combined(planned), self._skipped().file)
        lost = team.of_first(lambda: self._lost(named) if rebuild else {})
        with ExitStack() as stack:
            writers: list[JointWriter] = []

            def begin() -> tuple[str, bool]:
                writer = stack.enter_context(self._writer(rebuild=rebuild, words_of=self.space))
                writers.append(writer)
                return writer.begin(), writer.replaces_space

            def take_share() -> IngestReport:
                if not team.first:
                    writers.append(stack.enter_context(self._writer(join=collection)))
                return self._ingest(named, writers[0], team.shard, writers[0].settle, team.on_this_machine)

            collection, replaces_space = team.of_first(begin)
            report = combined(team.gathered(take_share))
            report.points = team.of_first(lambda: writers[0].publish_all(report.by_source, named.name))
        whole = self._skipped()
        if team.first:
            others = [entry for entry in whole.read().values() if source_of(entry.image) != named.name]
            whole.write(others + report.skipped)
        return IngestRun(report, whole.file, lost, replaces_space)

    def _named(self) -> Source:
        """The source with its name, of which processes that were faster may have written pictures.

        Raises SourceError where the server's pictures of this name are others.
        """
        registry = SourceRegistry(self.address.folder)
        found = registry.resolve(self.source, self.name)
        if self.name is None and found.name not in registry.roots and not self._is_on_server(found):
            return registry.resolve(self.source, taken=[found.name])  # says so
        return found

    def _is_on_server(self, source: Source) -> bool:
        """Whether most of the server's pictures of this name lie here too, in the same sizes; true where it has none."""
        if source.name not in sources_in(self.address, self.settings):
            return True
        where = PointFilter(where=Equals("source", (source.name,)))
        with open_store(self.address, self.settings.collection, self.settings.server) as store:
            some = list(islice(store.scroll(("image", "size"), where), _LOOKED_FOR))
        return 2 * sum(_lies_here(record.payload, source) for record in some) >= len(some)

    def _lost(self, source: Source) -> dict[str, int]:
        found = sources_in(self.address, self.settings)
        return {other: count for other, count in found.items() if other != source.name}

    def _ingest(
        self, named: Source, writer: "JointWriter", shard: Shard, end: Callable[[], int], on_this_machine: int = 1
    ) -> IngestReport:
        if shard.first and named.root != self.source.root:
            self.on_status(f"{self.source.folder} is a part of the source {named.name!r} ({named.root})")
        threads = self.settings.ingest.decode_threads or max(1, default_threads() // on_this_machine)
        with self._registered(named):
            return ingest(
                named,
                self.space,
                writer,
                replace(self.settings.ingest, decode_threads=threads),
                skipped_file=self._skipped().file,
                prune=self.prune,
                on_picture=self.on_picture,
                shard=shard,
                end=end,
            )

    @contextmanager
    def _registered(self, named: Source) -> Iterator[None]:
        """Note the source's name and root here. Raises SourceError where the table here means others by them."""
        registry = SourceRegistry(self.address.folder)
        new = registry.add({named.name: named.root})
        root = registry.roots[named.name]
        if root != named.root:
            raise SourceError(
                f"the source {named.name!r} lies at {root} here, and at {named.root} where this ingest began; pictures need the "
                f"same place on all machines: say where it is with `topicidx relocate {named.name} {named.root}`"
            )
        try:
            yield
        except SourceError:  # it has no pictures
            for name in new:
                registry.remove(name)
            raise

    def _planned(self, named: Source, shard: Shard) -> IngestReport:
        skipped_file = self._skipped().file
        return plan_run(
            named,
            self.space,
            self.address,
            self.settings,
            skipped_file,
            self.prune,
            on_picture=self.on_picture,
            shard=shard,
        )

    def _writer(self, **options: Any) -> "AbstractContextManager[JointWriter]":
        collection, space, server = self.settings.collection, self.space, self.settings.server
        return open_joint_writer(self.address, collection, space.vector_space, space.dimensions, server, **options)

    def _skipped(self, shard: Shard = WHOLE) -> SkippedList:
        return SkippedList(self.address.folder / self.settings.collection / SKIPPED, shard)


def _keys_of(source: Source) -> tuple[Any, ...]:
    """What the keys of a source's pictures depend on: the arguments of `keyed`."""
    return source.name, source.root, source.nested


def _lies_here(payload: Payload, source: Source) -> bool:
    key = str(payload.get("image"))
    unit = unit_of(key)
    file = file_of(unit, source.root)
    try:
        return not is_gone(file) and (
            unit != key or not isinstance(file, Path) or file.stat().st_size == payload.get("size")
        )
    except (OSError, ValueError):
        return False
