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
    two renames, `standing_folder` tells where the old one is, and the next call puts it back.
    """
    destination = destination.resolve()  # a link stays; what it leads to is replaced
    destination.parent.mkdir(parents=True, exist_ok=True)
    _put_back(destination)
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
        sync_folder(destination.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        _put_back(destination)
        shutil.rmtree(building, ignore_errors=True)
        raise


def standing_folder(destination: Path) -> Path:
    """Where the content of `destination` is to be read: there, or beside it while or since it was being replaced."""
    old = _old_name(destination.resolve())
    return old if old.is_dir() and not destination.exists() else destination


def write_file(path: Path, text: str) -> None:
    """Write `text` (UTF-8) under a temporary name, bring it to the disk, and rename it to `path`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write `content` under a temporary name, bring it to the disk, and rename it to `path`."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
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


def _put_back(destination: Path) -> None:
    old = _old_name(destination)
    if old.is_dir() and not destination.exists():
        old.rename(destination)


def _old_name(destination: Path) -> Path:
    return destination.parent / f".{destination.name}.old"
