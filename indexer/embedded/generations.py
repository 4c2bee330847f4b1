"""Generations of a collection: complete indexes side by side, of which a pointer file names the live one.

FOLDER/COLLECTION/current.json        the name of the live generation
FOLDER/COLLECTION/g000002/            a sealed generation: shard/ and generation.json
FOLDER/COLLECTION/g000003.building/   the one an ingest writes, or left behind when it was stopped
FOLDER/COLLECTION/writer.lock         held while an ingest writes
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from topicidx.atomic import sync_folder, write_file
from topicidx.errors import StoreDamagedError, StoreNotFoundError

FORMAT_VERSION = 1
BUILDING_SUFFIX = ".building"
POINTER = "current.json"
DESCRIPTION = "generation.json"
SHARD = "shard"


class Description(BaseModel):
    """`generation.json`: what the vectors of a generation are. `base` is the generation it began as a copy of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    vector_space: str
    dimensions: int
    base: str | None = None


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
        return self.folder / SHARD


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
        raise StoreDamagedError(f"{pointer} is damaged ({error}); ingest again to build the store anew") from error
    return read_generation(collection / str(name))


def read_generation(folder: Path) -> Generation:
    """The generation in `folder`. Raises StoreDamagedError."""
    path = folder / DESCRIPTION
    try:
        description = Description.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not as it was written"
        raise StoreDamagedError(f"{path} is damaged ({reason}); ingest again to build the store anew") from error
    if description.format_version > FORMAT_VERSION:
        raise StoreDamagedError(
            f"the store {folder.parent.parent} has format {description.format_version}, this topicidx reads up to "
            f"{FORMAT_VERSION}; upgrade topicidx"
        )
    return Generation(folder, description)


def building_generation(collection: Path) -> Path | None:
    """The folder of a generation that an ingest left unfinished."""
    return next(iter(sorted(collection.glob(f"g*{BUILDING_SUFFIX}"))), None)


def begin_generation(collection: Path, description: Description) -> Generation:
    """An empty folder for a new generation."""
    folder = collection / f"g{_highest_number(collection) + 1:06d}{BUILDING_SUFFIX}"
    folder.mkdir(parents=True)
    (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Generation(folder, description)


def publish_generation(building: Generation) -> Generation:
    """Give a sealed generation its final name and point readers to it; only it and the one before it are kept."""
    collection = building.folder.parent
    sealed = building.folder.with_name(building.name.removesuffix(BUILDING_SUFFIX))
    building.folder.rename(sealed)
    sync_folder(collection)
    try:
        previous = json.loads((collection / POINTER).read_text(encoding="utf-8"))["generation"]
    except (OSError, ValueError, KeyError, TypeError):
        previous = None
    write_file(collection / POINTER, json.dumps({"generation": sealed.name}) + "\n")
    for folder in collection.glob("g[0-9]*"):
        if folder.name not in {sealed.name, previous}:
            shutil.rmtree(folder, ignore_errors=True)
    return Generation(sealed, building.description)


def _highest_number(collection: Path) -> int:
    numbers = (folder.name.removeprefix("g").removesuffix(BUILDING_SUFFIX) for folder in collection.glob("g*"))
    return max((int(number) for number in numbers if number.isdigit()), default=0)
