"""Manifests: tables (.csv, .jsonl) with one row for a picture or for a caption, gathered by picture."""

import csv
import json
import logging
import math
import posixpath
import unicodedata
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from topicidx.errors import SourceError
from topicidx.post import JsonValue

logger = logging.getLogger(__name__)

IMAGE_COLUMNS = ("image", "file_name", "filename", "file", "path")
CAPTION_COLUMNS = ("caption", "captions", "text")
CITY_COLUMN = "city"


@dataclass
class Entry:
    """What a manifest says of one picture: its captions in order, the city and the other columns of its first row."""

    captions: list[str] = field(default_factory=list)
    city: str | None = None
    payload: dict[str, JsonValue] = field(default_factory=dict)


def read_manifest(path: Path) -> dict[str, Entry]:
    """The entries of a manifest by the image as written in it, in the order of their first rows.

    The image column is one of image, file_name, filename, file, path; captions are in caption, captions or text (in
    .jsonl also a list); city is optional; other columns become payload. Raises SourceError that names the line.
    """
    entries: dict[str, Entry] = {}
    for image, entry in read_entries(path):
        known = entries.setdefault(image, entry)
        if known is not entry:
            known.captions += entry.captions
    return entries


def read_entries(path: Path) -> Iterator[tuple[str, Entry]]:
    """As `read_manifest`, without holding them: a picture whose rows do not stand together comes several times."""
    found: tuple[str, Entry] | None = None
    for image, row, caption_column, image_column in _checked_rows(path):
        if found is None or found[0] != image:
            if found is not None:
                yield found
            found = image, Entry(city=_city(row), payload=_payload(row, image_column, caption_column))
        if caption_column is not None:
            found[1].captions += _captions(row.get(caption_column))
    if found is None:
        raise SourceError(f"{path} lists no pictures")
    yield found


def stands_together(path: Path) -> bool:
    """True where the rows of each picture follow one another, so that `read_entries` gives each picture once.

    Memory: 8 bytes a picture. Raises SourceError as `read_manifest` does.
    """
    digests, before = array("q"), None
    for image, *_ in _checked_rows(path):
        if image != before:
            digests.append(hash(posixpath.normpath(unicodedata.normalize("NFC", image).strip())))
            before = image
    return len(np.unique(np.array(digests, dtype=np.int64))) == len(digests)


def _checked_rows(path: Path) -> Iterator[tuple[str, Mapping[str, JsonValue], str | None, str]]:
    """Each row with the image that it names, and the columns of captions and images."""
    same = path.suffix.lower() != ".jsonl"  # the columns, in all rows
    columns: tuple[str, str | None] | None = None
    try:
        for line, row in _rows(path):
            image_column, caption_column = columns = (same and columns) or _columns(path, row)
            image = row.get(image_column)
            if not isinstance(image, str) or not image.strip():
                wrong = "is empty" if image in (None, "") or isinstance(image, str) else f"is no text: {image!r}"
                raise SourceError(
                    f"{path}, line {line}: the column {image_column!r} {wrong}; every row needs a picture"
                )
            yield image, row, caption_column, image_column
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not UTF-8 text ({error.reason} at byte {_undecodable_byte(path)}); save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise SourceError(f"{path} is no CSV file that can be read: {error}") from error


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, JsonValue]]]:
    if path.suffix.lower() == ".jsonl":
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    try:
                        row = json.loads(text, parse_constant=lambda _: None)
                    except ValueError as error:
                        raise SourceError(f"{path}, line {line}: not JSON ({error})") from error
                    if not isinstance(row, dict):
                        raise SourceError(f"{path}, line {line}: not a JSON object")
                    yield line, {_column(name): value for name, value in row.items()}
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, restkey="", delimiter=_delimiter(header))
            reader.fieldnames = [_column(name) for name in reader.fieldnames or ()]
            unnamed = "" in reader.fieldnames
            for row in reader:
                if row.pop("", None) is not None and not unnamed:
                    raise SourceError(
                        f"{path}, line {reader.line_num}: more values than columns; is a caption with a comma not in quotes?"
                    )
                yield reader.line_num, row


def _columns(path: Path, row: Mapping[str, JsonValue]) -> tuple[str, str | None]:
    image = next((name for name in IMAGE_COLUMNS if name in row), None)
    if image is None:
        raise SourceError(
            f"{path} has no column for the picture: one of {', '.join(IMAGE_COLUMNS)} is needed, "
            f"it has {', '.join(map(repr, row)) or 'none'}"
        )
    return image, next((name for name in CAPTION_COLUMNS if name in row), None)


def _delimiter(header: str) -> str:
    """A comma, or the semicolon or tab that some spreadsheets write instead."""
    return next((sign for sign in ";\t" if sign in header and "," not in header), ",")


def _column(name: str) -> str:
    """Column names are known in any case and with spaces round them; others stay as they are."""
    known = name.strip().casefold()
    return known if known in {*IMAGE_COLUMNS, *CAPTION_COLUMNS, CITY_COLUMN} else name


def _captions(value: JsonValue) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_storable(text) for text in values if isinstance(text, str) and text.strip()]


def _storable(value: Any) -> Any:
    """The value as stores can hold it: half characters (lone surrogates, as cut-off JSON has them) replaced, infinity and
    huge numbers gone, numbers of more than 64 bits as text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value) if abs(value) < 10**100 else None
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value


def _undecodable_byte(path: Path) -> int:
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _city(row: Mapping[str, JsonValue]) -> str | None:
    city = row.get(CITY_COLUMN)
    return _storable(city.strip()) or None if isinstance(city, str) else None


def _payload(row: Mapping[str, JsonValue], image_column: str, caption_column: str | None) -> dict[str, JsonValue]:
    taken = {image_column, caption_column, CITY_COLUMN}
    return {
        _storable(name): _storable(value)
        for name, value in row.items()
        if name not in taken and value not in (None, "")
    }
