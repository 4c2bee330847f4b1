"""Image keys and point ids: what a picture is called, and the number it has in every store."""

import os
import re
import unicodedata
import uuid
from pathlib import Path, PurePath

#: UUIDv5 of an image key in this namespace is the picture's point id, in every store and on every machine.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "topicidx:image-key")

_ESCAPE = re.compile("%(?=[0-9A-Fa-f]{2})")
_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")
_UNDECODABLE = re.compile("[\udc80-\udcff]")


def image_key(source: str, relative: PurePath) -> str:
    """Source name and path below the source's root: POSIX separators, NFC, undecodable bytes as %XX.

    A per cent sign that could be read as such an escape becomes %25, so that different paths never share a key (but for
    their Unicode normal form).
    """
    path = _ESCAPE.sub("%25", relative.as_posix())
    path = _UNDECODABLE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", path)
    return f"{source}/{unicodedata.normalize('NFC', path)}"


def point_id(key: str) -> uuid.UUID:
    """The point id of an image key."""
    return uuid.uuid5(NAMESPACE, key)


def file_of(key: str, root: Path) -> Path:
    """The file that a key means below its source's root, in whichever Unicode normal form it lies there."""
    escaped = key.partition("/")[2]
    paths = [root / os.fsdecode(_unescape(unicodedata.normalize(form, escaped))) for form in ("NFC", "NFD")]
    return next((path for path in paths if path.exists()), paths[0])


def city_key(label: str) -> str:
    """What cities are compared by: NFC, case folded, single spaces."""
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold()).split())


def _unescape(path: str) -> bytes:
    raw = bytearray()
    end = 0
    for match in _ESCAPED.finditer(path):
        raw += os.fsencode(path[end : match.start()])
        raw.append(int(match[1], 16))
        end = match.end()
    return bytes(raw + os.fsencode(path[end:]))
