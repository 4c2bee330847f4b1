"""The table of sources on the move: pictures that go to another store take along where their files lie."""

import json
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from topicidx.atomic import write_file
from topicidx.errors import TransferError
from topicidx.indexer.sources.registry import FILE_NAME, SourceRegistry
from topicidx.indexer.store import VectorStore


def sources_of(store: VectorStore, folder: Path) -> dict[str, Path]:
    """The roots of the sources that the store's points are of, by name, from the table in `folder`."""
    used = store.facet("source")
    return {name: root for name, root in SourceRegistry(folder).roots.items() if name in used}


def check_sources(folder: Path, roots: Mapping[str, Path]) -> None:
    """Raise TransferError where the table in `folder` has one of the names for another root."""
    for name, other in conflicting_sources(folder, roots).items():
        raise TransferError(
            f"the source {name!r} is {roots[name]} for the points that are to come, and {other} in {folder / FILE_NAME}: one "
            "name cannot mean both; choose another store, or make the two one with `topicidx relocate`"
        )


def conflicting_sources(folder: Path, roots: Mapping[str, Path]) -> dict[str, Path]:
    """Those of the table in `folder` that have another root than in `roots`."""
    known = SourceRegistry(folder).roots
    return {name: known[name] for name, root in roots.items() if known.get(name, root) != root}


def add_sources(folder: Path, roots: Mapping[str, Path]) -> dict[str, Path]:
    """Put those into the table in `folder` whose names it does not have, and give them."""
    if not roots:
        return {}
    file = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            known = SourceRegistry(folder).roots
            new = {name: root for name, root in roots.items() if name not in known}
            if new:
                merged = {name: str(root) for name, root in (known | new).items()}
                write_file(file, json.dumps(merged, indent=2) + "\n")
    except OSError as error:
        raise TransferError(
            f"cannot write {file}: {error.strerror or error}; the points themselves have arrived"
        ) from error
    return new
