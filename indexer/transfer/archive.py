"""The file of a backup: an uncompressed tar of plain members, read without trust in a single byte of it."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from topicidx.errors import TransferError

#: Bytes read at once.
_CHUNK = 2**20
#: Bytes of a tar file's end: it is filled up with zeros to a multiple of this.
_RECORD = tarfile.RECORDSIZE
_BLOCK = tarfile.BLOCKSIZE
#: Names longer than this, or not ASCII, need headers that this module does not read.
_LONGEST_NAME = 99


class ArchiveWriter:
    """Writes members one after another to an open file. digests: SHA-256 of each by name; sizes: their bytes."""

    def __init__(self, file: BinaryIO, modified: int) -> None:
        self._file = file
        self._modified = modified
        self.digests: dict[str, str] = {}
        self.sizes: dict[str, int] = {}

    def add(self, name: str, content: bytes) -> None:
        """Add a member that is at hand."""
        self._add(name, io.BytesIO(content), len(content))

    def add_file(self, name: str, path: Path) -> None:
        """Add a file's content. Raises TransferError where it cannot be read."""
        try:
            content = path.open("rb")
        except OSError as error:
            raise TransferError(f"cannot read {path}: {error.strerror or error}") from error
        with content:
            self._add(name, content, os.fstat(content.fileno()).st_size)

    def finish(self) -> None:
        """Write the end of the archive."""
        end = self._file.tell() + 2 * _BLOCK
        self._file.write(bytes(2 * _BLOCK + -end % _RECORD))

    def _add(self, name: str, content: BinaryIO, size: int) -> None:
        if not name.isascii() or len(name) > _LONGEST_NAME or name in self.digests:
            raise TransferError(f"{name!r} cannot be put into a backup: its name must be plain, short and the only one")
        digest = hashlib.sha256()
        self._file.write(_header(name, size, self._modified))
        written = 0
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            self._file.write(chunk)
            written += len(chunk)
        if written != size:
            raise TransferError(f"{name} changed while it was backed up; run the same command again")
        self._file.write(bytes(-size % _BLOCK))
        self.digests[name] = digest.hexdigest()
        self.sizes[name] = size


class Member:
    """A member of an archive that is being read: to be used before the next one is asked for."""

    def __init__(self, archive: Path, file: BinaryIO, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._archive = archive
        self._file = file
        self._left = size
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of what was read."""
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """What is left of the content. Raises TransferError where the file ends before it."""
        while self._left:
            chunk = self._file.read(min(self._left, _CHUNK))
            if not chunk:
                raise cut_short(self._archive)
            self._left -= len(chunk)
            self._digest.update(chunk)
            yield chunk

    def read(self) -> bytes:
        """All of the content."""
        return b"".join(self.chunks())

    def skip(self) -> None:
        """Pass over what is left."""
        self._file.seek(self._left, os.SEEK_CUR)
        self._left = 0


def read_members(archive: Path) -> Iterator[Member]:
    """The members of an archive that `ArchiveWriter` wrote, in their order; content that is not read is passed over.

    Only plain files are taken: links, folders, devices and the headers that change what follows them are refused, and so is
    anything between members or behind the last. Raises TransferError.
    """
    try:
        with archive.open("rb") as file:
            yield from _members(archive, file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError as error:
        raise TransferError(f"there is no file {archive}; name one that `topicidx backup` wrote") from error
    except OSError as error:
        raise TransferError(f"cannot read {archive}: {error.strerror or error}") from error


def foreign(archive: Path, reason: str) -> TransferError:
    """The error for a file that is something else."""
    return TransferError(f"{archive} is no backup of topicidx ({reason}); name a file that `topicidx backup` wrote")


def damaged(archive: Path, reason: str) -> TransferError:
    """The error for a file that is not as it was written."""
    return TransferError(
        f"the backup {archive} is damaged: {reason}; nothing of it was restored: copy it again from where it came, or use "
        "another backup"
    )


def cut_short(archive: Path) -> TransferError:
    """The error for a file that ends too early."""
    return damaged(archive, "it is cut short")


def _members(archive: Path, file: BinaryIO, length: int) -> Iterator[Member]:
    first = True
    while True:
        header = file.read(_BLOCK)
        if not any(header) and not first:
            return _check_end(archive, file, length)
        name, size = _parse(archive, header, first=first)
        if file.tell() + size > length:
            raise cut_short(archive)
        member = Member(archive, file, name, size)
        yield member
        member.skip()
        if any(file.read(-size % _BLOCK)):
            raise damaged(archive, f"what follows {name} is not as it was written")
        first = False


def _parse(archive: Path, header: bytes, *, first: bool) -> tuple[str, int]:
    try:
        parsed = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        plain = parsed.type == tarfile.REGTYPE and parsed.size >= 0 and not parsed.linkname
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        if first:
            raise foreign(archive, "it is no tar file") from error
        if len(header) < _BLOCK:
            raise cut_short(archive) from error
        raise damaged(archive, f"a member has no proper header ({error})") from error
    if not plain:
        reason = f"it holds {parsed.name!r}, which is no plain file as backups have them"
        raise foreign(archive, reason) if first else damaged(archive, reason)
    return parsed.name, parsed.size


def _check_end(archive: Path, file: BinaryIO, length: int) -> None:
    if length % _RECORD or length - file.tell() < _BLOCK:
        raise cut_short(archive)
    while chunk := file.read(_CHUNK):
        if any(chunk):
            raise damaged(archive, "something was added to its end")


def _header(name: str, size: int, modified: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = modified
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")
