"""Generations of a collection: complete indexes side by side, of which a pointer file names the live one.

FOLDER/COLLECTION/current.json          the names of the live generation and of the one before it
FOLDER/COLLECTION/g000002/shard/        its points, with generation.json beside it
FOLDER/COLLECTION/g000003/changes/      what an ingest has written so far; a generation without it is finished
FOLDER/COLLECTION/g000003/journal.jsonl what of that is acknowledged
FOLDER/COLLECTION/writer.lock           held while an ingest writes
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from topicidx.atomic import sync_folder, write_file
from topicidx.checked import Checked
from topicidx.errors import StoreDamagedError, StoreError, StoreNotFoundError
from topicidx.indexer.embedded.journal import JOURNAL

#: 2: the pointer names the generation before the live one too.
FORMAT_VERSION = 2
POINTER = "current.json"
DESCRIPTION = "generation.json"


@dataclass(frozen=True, kw_only=True)
class Description(Checked):
    """`generation.json`: what the vectors of a generation are. `base` is the generation that its changes apply to."""

    format_version: int = FORMAT_VERSION
    vector_space: str
    dimensions: int
    base: str | None = None
    #: How many there are, once the generation is finished: the engine opens a shard that lost its segments as an empty one.
    points: int | None = None
    #: Whether it has what approximate searches need.
    approximate: bool = False

    def begins_as(self, other: "Description") -> bool:
        """Whether both hold vectors of the same space and change the same generation."""
        return (self.vector_space, self.dimensions, self.base) == (other.vector_space, other.dimensions, other.base)


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation's folder and description."""

    folder: Path
    description: Description

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def shard(self) -> Path:
        """The points that readers see once the generation is live."""
        return self.folder / "shard"

    @property
    def changes(self) -> Path:
        """The points written since its base, while it is not finished."""
        return self.folder / "changes"

    @property
    def journal(self) -> Path:
        """What of the changes is acknowledged."""
        return self.folder / JOURNAL


def live_generation(collection: Path) -> Generation:
    """The generation that readers see. Raises StoreNotFoundError or StoreDamagedError."""
    return read_generation(collection / str(_pointer(collection)["generation"]))


def live_or_none(collection: Path) -> Generation | None:
    """The generation that readers see, or None where nothing was published yet. Raises StoreDamagedError."""
    try:
        return live_generation(collection)
    except StoreNotFoundError:
        return None


def previous_generation(collection: Path) -> Generation | None:
    """The generation that was live before and is kept, or None."""
    pointer = _pointer(collection)
    if "previous" in pointer:
        name = pointer["previous"]
    else:  # written by an earlier version, which kept the one before by its number
        older = [folder.name for folder in _finished(collection) if folder.name < str(pointer["generation"])]
        name = older[-1] if older else None
    return read_generation(collection / name) if name and (collection / name / "shard").is_dir() else None


def named_generations(collection: Path) -> set[str]:
    """The names of the live generation and of the one before it."""
    try:
        return {name for name in _pointer(collection).values() if name}
    except (StoreNotFoundError, StoreDamagedError):
        return set()


def read_generation(folder: Path) -> Generation:
    """The generation in `folder`. Raises StoreDamagedError."""
    path = folder / DESCRIPTION
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        version = written["format_version"]
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise StoreDamagedError(
                f"the store {folder.parent.parent} has format {version}, this topicidx reads up to {FORMAT_VERSION}; "
                "upgrade topicidx"
            )
        return Generation(folder, Description.read(written))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not as it was written"
        raise damaged(folder.parent, path, reason) from error


def generation_folders(collection: Path) -> list[Path]:
    """The folders of all generations, finished or not, oldest first."""
    return sorted(folder for folder in collection.glob("g[0-9]*") if folder.name[1:].isdigit())


def unfinished_generations(collection: Path) -> Iterator[Generation]:
    """The generations that an ingest was stopped in and that can be read, newest first."""
    named = named_generations(collection)
    for folder in reversed(generation_folders(collection)):
        # One that was killed right after it published may still have its changes.
        if _has_changes(folder) and folder.name not in named:
            try:
                yield read_generation(folder)
            except StoreDamagedError:
                continue


def unfinished_generation(collection: Path, wanted: Description) -> Generation | None:
    """The generation of this description that an ingest was stopped in, if there is one."""
    return next((found for found in unfinished_generations(collection) if found.description.begins_as(wanted)), None)


def begin_generation(collection: Path, description: Description) -> Generation:
    """An empty folder for a new generation."""
    numbers = [int(folder.name[1:]) for folder in generation_folders(collection)]
    folder = collection / f"g{max(numbers, default=0) + 1:06d}"
    folder.mkdir(parents=True)
    write_file(folder / DESCRIPTION, json.dumps(description.to_json(), indent=2) + "\n")
    return Generation(folder, description)


def publish_generation(finished: Generation, points: int, *, approximate: bool = False) -> None:
    """Point readers to a generation whose shard is complete; of the finished ones only it and the one before it are kept."""
    description = replace(finished.description, points=points, approximate=approximate, format_version=FORMAT_VERSION)
    write_file(finished.folder / DESCRIPTION, json.dumps(description.to_json(), indent=2) + "\n")
    collection = finished.folder.parent
    try:
        previous = live_or_none(collection)
    except StoreDamagedError:
        previous = None
    sync_folder(finished.folder)
    _point(collection, finished.name, previous.name if previous else None)
    for kept in (finished, previous):
        if kept is not None:
            shutil.rmtree(kept.changes, ignore_errors=True)
            kept.journal.unlink(missing_ok=True)
    for folder in superseded_generations(collection):
        shutil.rmtree(folder, ignore_errors=True)


def superseded_generations(collection: Path) -> list[Path]:
    """The folders of finished generations that are neither live nor the one before."""
    named = named_generations(collection)
    return [folder for folder in _finished(collection) if named and folder.name not in named]


def bring_back_previous(collection: Path) -> tuple[str, str]:
    """Point readers to the generation before the live one, which is kept in its place: doing it again undoes it.

    Gives the names of the one that was live and of the one that is now. The writer's lock must be held. Raises StoreError
    where there is none to bring back.
    """
    try:
        live = str(_pointer(collection)["generation"])
        previous = previous_generation(collection)
    except StoreDamagedError:  # the pointer is: the newest whole generation is what it led to, or should have
        live, finished = "nothing", _finished(collection)
        previous = read_generation(finished[-1]) if finished else None
    if previous is None:
        raise StoreError(
            f"the collection {collection} has no generation before {live} that could be brought back; nothing was changed"
        )
    _point(collection, previous.name, live if (collection / live).is_dir() else None)
    return live, previous.name


def damaged(collection: Path, path: Path, reason: object) -> StoreDamagedError:
    """The error for a collection that cannot be opened, with what to do."""
    if any(sign in str(reason) for sign in ("Permission denied", "Read-only file system")):
        return StoreDamagedError(
            f"the store {collection.parent} must be writable, for queries too ({path}: {reason}); "
            "copy it to a folder of your own, or ask for permission"
        )
    return StoreDamagedError(
        f"the collection {collection} cannot be opened ({path}: {reason}); is the folder writable? "
        "If it is damaged, `topicidx rollback` brings a whole generation back; or restore it from a copy, or remove "
        "that folder and ingest again"
    )


def _finished(collection: Path) -> list[Path]:
    return [f for f in generation_folders(collection) if (f / "shard").is_dir() and not _has_changes(f)]


def _has_changes(folder: Path) -> bool:
    return (folder / "changes").is_dir()


def _pointer(collection: Path) -> dict[str, str | None]:
    pointer = collection / POINTER
    try:
        written = json.loads(pointer.read_text(encoding="utf-8"))
        return {"generation": str(written["generation"])} | (
            {"previous": written["previous"]} if "previous" in written else {}
        )
    except FileNotFoundError as error:
        if _finished(collection):
            raise damaged(collection, pointer, "it is missing") from error
        raise StoreNotFoundError(
            f"there is no collection {collection.name!r} in the store {collection.parent}; "
            "`topicidx ingest SOURCE` fills one, --store and --collection name another"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(collection, pointer, error) from error


def _point(collection: Path, generation: str, previous: str | None) -> None:
    write_file(collection / POINTER, json.dumps({"generation": generation, "previous": previous}) + "\n")
