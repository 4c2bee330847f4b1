"""Generations of a collection: complete indexes side by side, of which a pointer file names the live one.

FOLDER/COLLECTION/current.json       the name of the live generation
FOLDER/COLLECTION/g000002/shard/     its points, with generation.json beside it
FOLDER/COLLECTION/g000003/changes/   what an ingest has written so far; a generation without it is finished
FOLDER/COLLECTION/writer.lock        held while an ingest writes
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from topicidx.atomic import sync_folder, write_file
from topicidx.errors import StoreDamagedError, StoreNotFoundError

FORMAT_VERSION = 1
POINTER = "current.json"
DESCRIPTION = "generation.json"


class Description(BaseModel):
    """`generation.json`: what the vectors of a generation are. `base` is the generation that its changes apply to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    vector_space: str
    dimensions: int
    base: str | None = None
    #: How many there are, once the generation is finished: the engine opens a shard that lost its segments as an empty one.
    points: int | None = None


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


def live_generation(collection: Path) -> Generation:
    """The generation that readers see. Raises StoreNotFoundError or StoreDamagedError."""
    pointer = collection / POINTER
    try:
        name = json.loads(pointer.read_text(encoding="utf-8"))["generation"]
    except FileNotFoundError as error:
        raise StoreNotFoundError(
            f"there is no collection {collection.name!r} in the store {collection.parent}; "
            "`topicidx ingest SOURCE` fills one, --store and --collection name another"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(collection, pointer, error) from error
    return read_generation(collection / str(name))


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
        return Generation(folder, Description.model_validate(written))
    except (OSError, ValidationError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not as it was written"
        raise damaged(folder.parent, path, reason) from error


def unfinished_generation(collection: Path, wanted: Description) -> Generation | None:
    """The generation of this description that an ingest was stopped in, if there is one."""
    for folder in sorted(collection.glob("g[0-9]*"), reverse=True):
        if (folder / "changes").is_dir():
            try:
                found = read_generation(folder)
            except StoreDamagedError:
                continue
            if found.description.model_copy(update={"points": None}) == wanted:
                return found
    return None


def begin_generation(collection: Path, description: Description) -> Generation:
    """An empty folder for a new generation."""
    numbers = [int(folder.name[1:]) for folder in collection.glob("g[0-9]*") if folder.name[1:].isdigit()]
    folder = collection / f"g{max(numbers, default=0) + 1:06d}"
    folder.mkdir(parents=True)
    write_file(folder / DESCRIPTION, description.model_dump_json(indent=2) + "\n")
    return Generation(folder, description)


def publish_generation(finished: Generation, points: int) -> None:
    """Point readers to a generation whose shard is complete; only it and the one before it are kept."""
    description = finished.description.model_copy(update={"points": points})
    write_file(finished.folder / DESCRIPTION, description.model_dump_json(indent=2) + "\n")
    collection = finished.folder.parent
    try:
        previous = live_generation(collection).name
    except (StoreNotFoundError, StoreDamagedError):
        previous = None
    sync_folder(finished.folder)
    write_file(collection / POINTER, json.dumps({"generation": finished.name}) + "\n")
    shutil.rmtree(finished.changes)
    for folder in collection.glob("g[0-9]*"):
        if folder.name not in {finished.name, previous}:
            shutil.rmtree(folder, ignore_errors=True)


def damaged(collection: Path, path: Path, reason: object) -> StoreDamagedError:
    """The error for a collection that cannot be opened, with what to do."""
    if any(sign in str(reason) for sign in ("Permission denied", "Read-only file system")):
        return StoreDamagedError(
            f"the store {collection.parent} must be writable, for queries too ({path}: {reason}); "
            "copy it to a folder of your own, or ask for permission"
        )
    return StoreDamagedError(
        f"the collection {collection} cannot be opened ({path}: {reason}); is the folder writable? "
        "If it is damaged, restore it from a copy, or remove that folder and ingest again"
    )
