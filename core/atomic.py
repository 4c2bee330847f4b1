"""Files and folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(destination: Path) -> Iterator[Path]:
    """A temporary folder beside `destination` that takes its place when the block ends without an exception.

    What was there before is kept until the new folder stands, and is then removed. Where the process dies between the
    two renames, `recover_folder` puts the old one back.
    """
    destination = destination.absolute()
    destination.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{destination.name}.new-", dir=destination.parent))
    try:
        building.chmod(0o755)
        yield building
        _sync(building)
        old = _old_name(destination)
        if destination.exists():
            if old.exists():
                shutil.rmtree(old)
            destination.rename(old)
        building.rename(destination)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        recover_folder(destination)
        shutil.rmtree(building, ignore_errors=True)
        raise


def recover_folder(destination: Path) -> None:
    """Put back the old folder where a process died while `new_folder` replaced it."""
    old = _old_name(destination)
    if old.is_dir() and not destination.exists():
        old.rename(destination)


def write_file(path: Path, text: str) -> None:
    """Write `text` (UTF-8) under a temporary name, bring it to the disk, and rename it to `path`."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries (renames, new names) to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def _old_name(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.old")
