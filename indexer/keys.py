"""Image keys and point ids: what a picture is called, and the number it has in every store."""

import hashlib
import os
import re
import unicodedata
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from topicidx.embedders.stored_files import StoredFile, is_url
from topicidx.post import PictureFile

if TYPE_CHECKING:
    from topicidx.indexer.sources.places import SourcePlace

#: UUIDv5 of an image key in this namespace is the picture's point id, in every store and on every machine.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "topicidx:image-key")

_ARCHIVE = re.compile(r"([^/]+/(?:[^/]+/)*?[^/]+\.(?:tar|parquet))/", re.IGNORECASE)
_ESCAPE = re.compile("%(?=[0-9A-Fa-f]{2})")
_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")
_UNDECODABLE = re.compile("[\udc80-\udcff]")


def image_key(source: str, relative: PurePath) -> str:
    """Source name and path below the source's root: POSIX separators, NFC, undecodable bytes as %XX.

    A per cent sign that could be read as such an escape becomes %25, so that different paths never share a key (but for
    their Unicode normal form).
    """
    return written_key(source, relative.as_posix())


def written_key(source: str, written: str) -> str:
    """As `image_key`, of a path in normal form with POSIX separators, or of a URL that the source names a picture by."""
    # The normal form first: in another one, an accent would hide that its letter is a hexadecimal digit.
    plain = unicodedata.normalize("NFC", written)
    return f"{source}/{_without_surrogates(_ESCAPE.sub('%25', plain) if '%' in plain else plain)}"


def source_name(folder: str) -> str:
    """The name of a source in a folder of this name: NFC, undecodable bytes as %XX."""
    return _without_surrogates(unicodedata.normalize("NFC", folder)) or "root"


def source_of(key: str) -> str:
    """The name of the source that an image key begins with."""
    return key.partition("/")[0]


def point_id(key: str) -> uuid.UUID:
    """The point id of an image key."""
    return uuid.uuid5(NAMESPACE, key)


def unit_of(key: str) -> str:
    """What is read as one thing: the archive or table that holds the picture, or else the picture itself."""
    return archive_of(key) or key


def share_of(key: str) -> int:
    """A number below 2**64 by which pictures are split among processes: a hash of `unit_of` the key, on all machines the same."""
    return int.from_bytes(hashlib.sha256(unit_of(key).encode("utf-8", "surrogatepass")).digest()[:8], "big")


def file_of(key: str, root: "SourcePlace", at: object = None) -> PictureFile:
    """The file that a key means below its source's root, in whichever Unicode normal form it lies there.

    at: which part of it, as its payload says, where the picture lies in an archive or a table: they are what the key's path goes
    through.
    """
    relative = os.fsdecode(_unescape(key.partition("/")[2]))
    if is_url(relative):
        return StoredFile(relative)
    if (archive := archive_of(key)) and isinstance(at, str):
        relative = os.fsdecode(_unescape(archive.partition("/")[2]))
        return StoredFile(str(root / relative), at)
    if not isinstance(root, Path):
        return StoredFile(str(root / relative))
    written = os.path.join(root, relative)  # noqa: PTH118 as text: there may be thousands in an answer
    if os.path.exists(written):  # noqa: PTH110 where it cannot be read, Path.exists raises
        return Path(written)
    found = root
    for part in PurePath(relative).parts:
        found = found / next((form for form in _forms(found, part) if os.path.exists(found / form)), part)  # noqa: PTH110
    return found


def archive_of(key: str) -> str | None:
    """The beginning of a key that is an archive or table which holds the picture, if one does."""
    found = _ARCHIVE.match(key)
    return found[1] if found else None


def city_key(label: str) -> str:
    """What cities are compared by: NFC, case folded, single spaces."""
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold()).split())


def _forms(folder: Path, name: str) -> Iterator[str]:
    yield name
    yield unicodedata.normalize("NFD", name)
    try:
        yield from (entry.name for entry in folder.iterdir() if unicodedata.normalize("NFC", entry.name) == name)
    except OSError:
        return


def _without_surrogates(text: str) -> str:
    if text.isascii():
        return text
    text = _UNDECODABLE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)
    return text.encode("utf-8", "replace").decode("utf-8")


def _unescape(path: str) -> bytes:
    if "%" not in path:
        return os.fsencode(path)
    raw = bytearray()
    end = 0
    for match in _ESCAPED.finditer(path):
        raw += os.fsencode(path[end : match.start()])
        raw.append(int(match[1], 16))
        end = match.end()
    return bytes(raw + os.fsencode(path[end:]))
