"""Trainings that are not finished: what they keep, and how it is cleared away."""

import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from topicidx.errors import WorkspaceNotFoundError
from topicidx.indexer.store import Leftover
from topicidx.workspace import Workspace

#: The file in a training's folder that whoever trains holds (topicidx.embedders.training_job, which imports torch).
LOCK = "lock"


def clear_trainings(home: Path | None, *, remove: bool = False, dry_run: bool = False) -> list[Leftover]:
    """The unfinished trainings of the workspace that `home` names, removed with `remove` unless `dry_run`; none that runs."""
    try:
        workspace = Workspace.find(home)
    except WorkspaceNotFoundError:
        return []
    found = [_leftover(folder, remove=remove) for folder in workspace.unfinished_trainings()]
    if remove and not dry_run:
        for leftover in found:
            if leftover.remove:
                shutil.rmtree(leftover.name, ignore_errors=True)
        if not workspace.unfinished_trainings() and workspace.trainings.is_dir():
            workspace.trainings.rmdir()
    return found


def _leftover(folder: Path, *, remove: bool) -> Leftover:
    size = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    try:
        with FileLock(folder / LOCK, timeout=0):
            pass
    except Timeout:
        return Leftover(str(folder), "a training that is running", remove=False, bytes=size)
    return Leftover(str(folder), "a training that was stopped; the same `topicidx train` goes on with it", remove, size)
