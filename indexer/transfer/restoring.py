"""Restoring: a verified backup becomes a collection again, and brings its sources and its topic space."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from topicidx.atomic import new_folder, standing_folder
from topicidx.embedders.bundle import MANIFEST, read_manifest
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SpaceError, StoreDamagedError, TransferError
from topicidx.indexer.store import OnProgress
from topicidx.indexer.stores import open_writer
from topicidx.indexer.transfer.archive import damaged
from topicidx.indexer.transfer.copying import send_points
from topicidx.indexer.transfer.files import cannot_write
from topicidx.indexer.transfer.places import Place
from topicidx.indexer.transfer.reading import Backup
from topicidx.indexer.transfer.source_tables import add_sources, check_sources, conflicting_sources
from topicidx.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did. checksum: of all points, the same in every store; replaced: how many points readers saw before;
    space: whether a topic space was put in its place; sources: those that were added to the store's table; other_roots: those
    that the table has under another root, which stays."""

    collection: str
    points: int
    checksum: str
    vector_space: str
    replaced: int = 0
    space: bool = False
    sources: dict[str, str] = field(default_factory=dict)
    other_roots: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


def restore(
    backup: Backup,
    destination: Place,
    server: ServerSettings | None = None,
    *,
    space_folder: Path | None = None,
    force: bool = False,
    on_progress: OnProgress = lambda stage, done, total: None,
) -> RestoreReport:
    """Build the collection `destination` anew from a backup, verify it and make it the live one.

    The backup's topic space goes to `space_folder`, where there is none or one of other vectors and `force`; a space of the
    same vectors stays. Sources are added to the store's table under names that it does not have. Raises TransferError where
    the collection has points, or another topic space or root is in the way, unless `force`; nothing was changed then.
    """
    replaced = _check_collection(destination, server, force=force)
    folder = destination.address.folder
    conflicting_sources(folder, backup.sources)  # the table can be read
    if not force:
        check_sources(folder, backup.sources)
    brings_space = space_folder is not None and _brings_space(backup, space_folder, force=force)
    with ExitStack() as stack:
        words_of = None
        if space_folder is not None and brings_space:
            words_of = TopicSpace.load(stack.enter_context(_new_space(backup, space_folder)))
        elif space_folder is not None:
            words_of = _space_of(backup, space_folder)
        header = backup.header
        writer = stack.enter_context(
            open_writer(
                destination.address,
                destination.collection,
                header.vector_space,
                header.dimensions,
                rebuild=True,
                words_of=words_of,
                server=server,
                on_progress=on_progress,
            )
        )
        # What a stopped ingest or restore may have left is written over: the backup alone says what there is to be.
        report = send_points(
            backup.blocks(),
            header,
            writer,
            fresh=True,
            on_points=lambda done, total: on_progress("restoring points", done, total),
        )
    added = add_sources(folder, backup.sources)
    if backup.skipped is not None:
        destination.put_skipped(backup.skipped)
    return RestoreReport(
        destination.collection,
        report.points,
        report.checksum,
        header.vector_space,
        replaced,
        brings_space,
        {name: str(root) for name, root in added.items()},
        {name: str(root) for name, root in conflicting_sources(folder, backup.sources).items()},
    )


def _check_collection(destination: Place, server: ServerSettings | None, *, force: bool) -> int:
    try:
        points = destination.points(server)
    except StoreDamagedError as error:
        if force:
            return 0
        raise TransferError(f"{destination} is there but cannot be opened ({error}); --force replaces it") from error
    if points and not force:
        raise TransferError(
            f"{destination} has {points:,} points; restore into another --collection or --store, or replace them with --force"
        )
    return points


def _brings_space(backup: Backup, folder: Path, *, force: bool) -> bool:
    standing = standing_folder(folder)
    if not backup.space:
        return False
    if not standing.exists() or (standing.is_dir() and not any(standing.iterdir())):
        return True
    if not (standing / MANIFEST).is_file():
        raise TransferError(
            f"{folder} exists and is no topic space; name another place with --space, or use --no-space"
        )
    if _space_of(backup, folder) is not None:
        return False
    if not force:
        raise TransferError(
            f"the backup {backup.file} brings its topic space, and there is another one in {folder}; name another place with "
            "--space, leave it out with --no-space, or replace it with --force"
        )
    return True


def _space_of(backup: Backup, folder: Path) -> TopicSpace | None:
    """The topic space in `folder`, where it is the one of the backup's points."""
    try:
        space = TopicSpace.load(folder)
    except SpaceError:
        return None
    return space if space.manifest.vector_space == backup.header.vector_space else None


@contextmanager
def _new_space(backup: Backup, folder: Path) -> Iterator[Path]:
    """The backup's topic space, verified, in a folder that becomes `folder` when the block ends."""
    try:
        with new_folder(folder) as building:
            backup.write_space(building)
            try:
                found = read_manifest(building).vector_space
            except SpaceError as error:
                raise damaged(backup.file, f"its topic space cannot be used ({error})") from error
            if found != backup.header.vector_space:
                raise damaged(backup.file, "its topic space is not the one of its points")
            yield building
    except OSError as error:
        raise cannot_write(folder, error) from error
