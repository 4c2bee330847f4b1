"""Manifests: tables (.csv, .jsonl, .parquet) with one row for a picture or for a caption, gathered by picture.

Whatever their size they are read in constant memory."""

import csv
import json
import logging
import math
import posixpath
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from topicidx.embedders.stored_files import StoredFile, picture_file
from topicidx.errors import SourceError
from topicidx.indexer.sources.distinct import Distinct
from topicidx.indexer.sources.places import SourcePlace, open_text
from topicidx.post import JsonValue

logger = logging.getLogger(__name__)

IMAGE_COLUMNS = ("image", "file_name", "filename", "file", "path", "url")
CAPTION_COLUMNS = ("caption", "captions", "text")
CITY_COLUMN = "city"
#: What a row of a table that holds its pictures has its picture under: no name that a column can have.
FILE = "\0file"


@dataclass
class Entry:
    """What a manifest says of one picture: its captions in order, the city and the other columns of its first row.

    file: the picture itself, where the manifest holds it.
    """

    captions: list[str] = field(default_factory=list)
    city: str | None = None
    payload: dict[str, JsonValue] = field(default_factory=dict)
    file: StoredFile | None = None


def read_manifest(path: SourcePlace, same: Callable[[str], str] | None = None) -> Iterator[tuple[str, Entry]]:
    """The entries of a manifest with the image as written in it, in the order of their first rows, each picture once.

    The image column is one of image, file_name, filename, file, path, url; captions are in caption, captions or text (in
    .jsonl and .parquet also a list); city is optional; other columns become payload. What does not fit the memory because the
    rows of pictures lie apart is put in order on the disk. same: what is the same for all ways to write one picture; by default
    its path in normal form. Raises SourceError that names the line.
    """
    same = same or _normal
    return read_entries(path) if stands_together(path, same) else _gathered(path, same)


def read_entries(path: SourcePlace) -> Iterator[tuple[str, Entry]]:
    """As `read_manifest`, without holding them: a picture whose rows do not stand together comes several times."""
    found: tuple[str, Entry] | None = None
    for image, row, caption_column, image_column in _checked_rows(path):
        if found is None or found[0] != image:
            if found is not None:
                yield found
            file = row.get(FILE)
            found = image, Entry(
                city=_city(row), payload=_payload(row, image_column, caption_column),
                file=file if isinstance(file, StoredFile) else None,
            )  # fmt: skip
        if caption_column is not None:
            found[1].captions += _captions(row.get(caption_column))
    if found is None:
        raise SourceError(f"{path} lists no pictures")
    yield found


def stands_together(path: SourcePlace, same: Callable[[str], str] | None = None) -> bool:
    """True where the rows of each picture follow one another, so that `read_entries` gives each picture once.

    Raises SourceError as `read_manifest` does.
    """
    before = None
    with closing(Distinct()) as images:
        for image, *_ in _checked_rows(path, pictures=False):
            if image != before:
                images.add((same or _normal)(image))
                before = image
        return images.distinct()


def _gathered(path: SourcePlace, same: Callable[[str], str]) -> Iterator[tuple[str, Entry]]:
    """The entries of all rows of each picture, by a database that lies on the disk where it is large."""
    with closing(sqlite3.connect("", check_same_thread=False)) as rows:
        rows.execute("CREATE TABLE pictures (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        rows.execute("CREATE TABLE rows (picture INTEGER, image TEXT, entry TEXT)")
        for image, entry in read_entries(path):
            name = json.dumps(same(image))  # in ASCII: half characters are no text to a database
            rows.execute("INSERT OR IGNORE INTO pictures (name) VALUES (?)", (name,))
            said = json.dumps([entry.captions, entry.city, entry.payload])
            rows.execute(
                "INSERT INTO rows SELECT id, ?, ? FROM pictures WHERE name = ?", (json.dumps(image), said, name)
            )
        found = rows.execute("SELECT picture, image, entry FROM rows ORDER BY picture, rowid")
        for _, rows_of_one in groupby(found, key=lambda row: row[0]):
            first, *others = ((json.loads(image), json.loads(said)) for _, image, said in rows_of_one)
            image, (captions, city, payload) = first
            yield image, Entry(captions + [text for _, said in others for text in said[0]], city, payload)


def _normal(image: str) -> str:
    return posixpath.normpath(unicodedata.normalize("NFC", image).strip())


def _checked_rows(
    path: SourcePlace, *, pictures: bool = True
) -> Iterator[tuple[str, Mapping[str, Any], str | None, str]]:
    """Each row with the image that it names, and the columns of captions and images. pictures: with those that it holds."""
    same = path.suffix.lower() != ".jsonl"  # the columns, in all rows
    columns: tuple[str, str | None] | None = None
    try:
        for line, row in _rows(path, pictures):
            image_column, caption_column = columns = (same and columns) or _columns(path, row)
            image = row.get(image_column)
            if not isinstance(image, str) or not image.strip():
                wrong = "is empty" if image in (None, "") or isinstance(image, str) else f"is no text: {image!r}"
                raise SourceError(
                    f"{path}, line {line}: the column {image_column!r} {wrong}; every row needs a picture"
                )
            yield image, row, caption_column, image_column
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not UTF-8 text ({error.reason} at byte {_undecodable_byte(path)}); save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise SourceError(f"{path} is no CSV file that can be read: {error}") from error


def _rows(path: SourcePlace, pictures: bool) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if path.suffix.lower() == ".parquet":
        from topicidx.indexer.sources.parquet import read_rows

        for number, row in read_rows(path, pictures=pictures):
            yield number, {_column(name): value for name, value in row.items()}
    elif path.suffix.lower() == ".jsonl":
        with open_text(path) as file:
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
        with open_text(path, newline="") as file:
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


def _columns(path: SourcePlace, row: Mapping[str, Any]) -> tuple[str, str | None]:
    image = next((name for name in IMAGE_COLUMNS if name in row), None)
    if image is None:
        raise SourceError(
            f"{path} has no column for the picture: one of {', '.join(IMAGE_COLUMNS)} is needed, "
            f"it has {', '.join(repr(name) for name in row if name != FILE) or 'none'}"
        )
    return image, next((name for name in CAPTION_COLUMNS if name in row), None)


def _delimiter(header: str) -> str:
    """A comma, or the semicolon or tab that some spreadsheets write instead."""
    return next((sign for sign in ";\t" if sign in header and "," not in header), ",")


def _column(name: str) -> str:
    """Column names are known in any case and with spaces round them; others stay as they are."""
    if name == FILE:
        return name
    known = name.strip().casefold()
    return known if known in {*IMAGE_COLUMNS, *CAPTION_COLUMNS, CITY_COLUMN} else name


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry of a picture that is told of by names and JSON values, as a row of a manifest tells of it."""
    named = {_column(name): value for name, value in row.items()}
    column = next((name for name in CAPTION_COLUMNS if name in named), None)
    return Entry(_captions(named.get(column)) if column else [], _city(named), _payload(named, "", column))


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


def _undecodable_byte(path: SourcePlace) -> int:
    try:
        picture_file(str(path)).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _city(row: Mapping[str, Any]) -> str | None:
    city = row.get(CITY_COLUMN)
    return _storable(city.strip()) or None if isinstance(city, str) else None


def _payload(row: Mapping[str, Any], image_column: str, caption_column: str | None) -> dict[str, JsonValue]:
    taken = {image_column, caption_column, CITY_COLUMN, FILE}
    return {
        _storable(name): _storable(value)
        for name, value in row.items()
        if name not in taken and value not in (None, "")
    }
