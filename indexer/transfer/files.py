"""Files for people, written under a temporary name and never over another without leave."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from topicidx.atomic import sync_folder
from topicidx.errors import SettingsError, StoreFullError, TransferError

#: Room that is left on a disk, whatever is written to it.
MARGIN_BYTES = 64 * 2**20


@contextmanager
def new_file(destination: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """A file under a temporary name that becomes `destination` when the block ends without an exception.

    Raises SettingsError where there is no such folder, TransferError where the file is there already (unless `force`) or
    cannot be written, StoreFullError where the disk is full.
    """
    check_absent(destination, force=force)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{destination.name}.", dir=destination.parent)
    except OSError as error:
        raise cannot_write(destination, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        check_absent(destination, force=force)
        temporary.replace(destination)
        sync_folder(destination.parent)
    except OSError as error:
        raise cannot_write(destination, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_absent(destination: Path, *, force: bool = False) -> None:
    """Raise where `destination` cannot become a new file: see `new_file`."""
    if destination.is_dir():
        raise SettingsError(f"{destination} is a folder; name a file")
    if not destination.parent.is_dir():
        raise _no_folder(destination)
    if destination.exists() and not force:
        raise TransferError(f"{destination} exists; name another file, or replace it with --force")


def check_room(destination: Path, needed: int) -> None:
    """Raise StoreFullError where the disk of `destination` has no room for `needed` bytes more, SettingsError where its folder
    is not there."""
    if not destination.parent.is_dir():
        raise _no_folder(destination)
    free = shutil.disk_usage(destination.parent).free
    if free < needed + MARGIN_BYTES:
        raise StoreFullError(
            f"{destination} needs about {needed // 2**20 + 1:,} MiB more, and its disk has {free // 2**20:,} MiB free; "
            "make room, or name a file on another disk"
        )


def cannot_write(destination: Path, error: OSError) -> TransferError | StoreFullError:
    """The error for a file or folder that the system refuses to write."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFullError(
            f"the disk of {destination} is full; nothing was kept: make room, or name a file on another disk"
        )
    return TransferError(f"cannot write {destination}: {error.strerror or error}; nothing was kept")


def _no_folder(destination: Path) -> SettingsError:
    return SettingsError(f"there is no folder {destination.parent} to write {destination.name} into; make it first")
