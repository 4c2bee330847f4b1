"""Upkeep of an embedded collection: bring the generation before back, clear away what builds left behind."""

import shutil
from pathlib import Path

from topicidx.errors import StoreDamagedError, StoreNotFoundError
from topicidx.indexer.embedded.generations import (
    Generation,
    bring_back_previous,
    generation_folders,
    live_or_none,
    named_generations,
    read_generation,
    superseded_generations,
    unfinished_generations,
)
from topicidx.indexer.embedded.journal import last_entry
from topicidx.indexer.embedded.writer import hold, size_of
from topicidx.indexer.store import Leftover

#: What is being made in a generation's folder, and is worth nothing half made.
_HALF_MADE = ("making", "merging")


def rollback(collection: Path) -> tuple[str, str]:
    """Make the generation before the live one live again; once more undoes it.

    Gives the names of the generation that was live and of the one that now is. Raises StoreNotFoundError, StoreBusyError while
    an ingest writes, StoreError where there is none to bring back.
    """
    _must_exist(collection)
    with hold(collection):
        return bring_back_previous(collection)


def collect_garbage(collection: Path, *, unfinished: bool = False, dry_run: bool = False) -> list[Leftover]:
    """Remove what failed and stopped builds left: all that no ingest could go on from.

    What an ingest of the same space would go on from is kept and named, unless `unfinished`. With `dry_run` nothing is
    touched. Raises StoreNotFoundError, and StoreBusyError while an ingest writes.
    """
    _must_exist(collection)
    with hold(collection):
        found = _leftovers(collection, unfinished)
        for leftover in found:
            if leftover.remove and not dry_run:
                path = Path(leftover.name)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return found


def _leftovers(collection: Path, unfinished: bool) -> list[Leftover]:
    live, named = live_or_none(collection), named_generations(collection)
    found = [_leftover(folder, "superseded", remove=True) for folder in superseded_generations(collection)]
    readable = {generation.folder: generation for generation in unfinished_generations(collection)}
    for folder in generation_folders(collection):
        found += [_leftover(folder / name, "half made", remove=True) for name in _HALF_MADE if (folder / name).is_dir()]
        if folder in readable:
            found.append(_stopped(readable[folder], live, unfinished))
        elif folder.name in named:
            found += (
                [_leftover(folder / "changes", "published already", remove=True)]
                if (folder / "changes").is_dir()
                else []
            )
        elif not (folder / "shard").is_dir():
            found.append(_leftover(folder, "an ingest was stopped before it had written anything", remove=True))
        elif not _readable(folder):
            found.append(_leftover(folder, "its description is damaged", remove=True))
    found += [_leftover(path, "half written", remove=True) for path in collection.glob(".*.json.*") if path.is_file()]
    whole = {Path(leftover.name) for leftover in found if leftover.remove}
    return [leftover for leftover in found if not whole & set(Path(leftover.name).parents)]


def _stopped(generation: Generation, live: Generation | None, unfinished: bool) -> Leftover:
    base = generation.description.base
    if base is not None and (live is None or live.name != base):
        return _leftover(generation.folder, f"it changes {base}, which is not live any more", remove=True)
    entry = last_entry(generation.journal)
    safe = f"{entry.points} points acknowledged at {entry.time}" if entry else "nothing acknowledged"
    reason = f"an ingest was stopped in it, {safe}; the same ingest goes on from it"
    return _leftover(generation.folder, reason, remove=unfinished)


def _leftover(path: Path, reason: str, *, remove: bool) -> Leftover:
    size = size_of(path) if path.is_dir() else path.stat().st_size
    return Leftover(str(path), reason, remove, size)


def _readable(folder: Path) -> bool:
    try:
        read_generation(folder)
    except StoreDamagedError:
        return False
    return True


def _must_exist(collection: Path) -> None:
    if not collection.is_dir():
        raise StoreNotFoundError(
            f"there is no collection {collection.name!r} in the store {collection.parent}; --store and --collection name another"
        )
