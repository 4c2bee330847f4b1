"""The table of sources on the move: pictures that go to another store take along where their files lie."""

from collections.abc import Mapping
from pathlib import Path

from topicidx.errors import TransferError
from topicidx.indexer.sources.places import SourcePlace
from topicidx.indexer.sources.registry import FILE_NAME, SourceRegistry
from topicidx.indexer.store import VectorStore


def sources_of(store: VectorStore, folder: Path) -> dict[str, SourcePlace]:
    """The roots of the sources that the store's points are of, by name, from the table in `folder`."""
    used = store.facet("source")
    return {name: root for name, root in SourceRegistry(folder).roots.items() if name in used}


def check_sources(folder: Path, roots: Mapping[str, SourcePlace]) -> None:
    """Raise TransferError where the table in `folder` has one of the names for another root."""
    for name, other in conflicting_sources(folder, roots).items():
        raise TransferError(
            f"the source {name!r} is {roots[name]} for the points that are to come, and {other} in {folder / FILE_NAME}: one "
            "name cannot mean both; choose another store, or make the two one with `topicidx relocate`"
        )


def conflicting_sources(folder: Path, roots: Mapping[str, SourcePlace]) -> dict[str, SourcePlace]:
    """Those of the table in `folder` that have another root than in `roots`."""
    known = SourceRegistry(folder).roots
    return {name: known[name] for name, root in roots.items() if known.get(name, root) != root}


def add_sources(folder: Path, roots: Mapping[str, SourcePlace]) -> dict[str, SourcePlace]:
    """Put those into the table in `folder` whose names it does not have, and give them."""
    if not roots:
        return {}
    try:
        return SourceRegistry(folder).add(roots)
    except OSError as error:
        raise TransferError(
            f"cannot write {folder / FILE_NAME}: {error.strerror or error}; the points themselves have arrived"
        ) from error
