"""Pictures that are no files of their own on this machine: at URLs, in WebDataset shards, in Parquet tables."""

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from topicidx.errors import SourceError
from topicidx.post import PictureFile

#: Bytes that a picture may have where it is not a file on this machine.
MOST_BYTES = 256 * 2**20
#: Columns of a Parquet table that pictures may lie in.
BYTES_COLUMNS = ("image", "jpg", "png", "webp", "bytes", "image_bytes")
#: Tries of one request, and the longest wait between two of them in seconds.
ATTEMPTS, LONGEST_WAIT = 4, 10.0

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_PART = re.compile(r"#(bytes=\d+-\d+|row=\d+)$")
#: What `pip install` takes for the schemes that fsspec needs a further library for.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "http": "http", "https": "http"}
#: Where file systems tell the version of a file.
_VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")
_rows = threading.local()


@dataclass(frozen=True, slots=True)
class Status:
    """The size and version of a `StoredFile`; both are 0 where only fetching it would tell."""

    st_size: int
    st_mtime_ns: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file at a URL, or a part of a file that lies anywhere.

    place: the URL or path of the file. part: which part of it, "" for all: `bytes=1536-20480` (the first byte, and the one
    after the last) or `row=12` of a Parquet table. size, version: what changes when the
    picture does, as far as is known without fetching it. data: its bytes, where they were read on the way. wrong: why there is
    nothing to be read.
    """

    place: str
    part: str = ""
    size: int = 0
    version: int = 0
    data: bytes | None = field(default=None, repr=False, compare=False)
    wrong: str = ""

    def __str__(self) -> str:
        return f"{self.place}#{self.part}" if self.part else self.place

    @property
    def name(self) -> str:
        return re.split(r"[/\\]", self.place.rstrip("/"))[-1]

    def stat(self) -> Status:
        if self.wrong:
            raise OSError(self.wrong)
        return Status(self.size, self.version)

    def read_bytes(self) -> bytes:
        if self.wrong:
            raise OSError(self.wrong)
        if self.data is not None:
            return self.data
        kind, _, where = self.part.partition("=")
        if kind == "row":
            return _row(self.place, int(where))
        begin, end = map(int, where.split("-")) if kind else (0, None)
        return _bytes(self.place, begin, end)

    def loaded(self) -> "StoredFile":
        """The same with its bytes."""
        return self if self.data is not None else replace(self, data=self.read_bytes())


def without_bytes(file: PictureFile) -> PictureFile:
    """The same file without bytes that were read on the way, for lists of many."""
    return replace(file, data=None) if isinstance(file, StoredFile) and file.data is not None else file


def picture_file(text: str) -> PictureFile:
    """The file that `str` of a `Path` or `StoredFile` names."""
    part = _PART.search(text)
    if part:
        return StoredFile(text[: part.start()], part[1])
    return StoredFile(text) if is_url(text) else Path(text)


def location_of(file: PictureFile) -> str:
    """What `picture_file` makes the file of, in any working directory."""
    return str(file.absolute() if isinstance(file, Path) else file)


def is_url(text: str) -> bool:
    """Whether `text` is a URL with a scheme, such as s3://bucket/photos."""
    return _URL.match(text) is not None


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it. Raises SourceError where a library for it is missing."""
    import fsspec

    scheme = url.partition("://")[0].lower()
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        hint = f"pip install 'topicidx[{extra}]'" if extra else str(error)
        raise SourceError(f"{scheme}:// needs a further library: {hint}") from error
    except ValueError as error:
        raise SourceError(f"{url}: {error}; s3://, gs://, http:// and the other schemes of fsspec are known") from error
    return found


def version_of(info: Mapping[str, Any]) -> int:
    """A number for the version of a file that fsspec told `info` of: of its ETag or time of change, 0 where it has none."""
    import hashlib

    told = next(
        (
            info[name]
            for name in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")
            if info.get(name)
        ),
        None,
    )
    return int.from_bytes(hashlib.sha256(str(told).encode()).digest()[:7], "big") if told is not None else 0


def _bytes(place: str, begin: int, end: int | None) -> bytes:
    if not is_url(place):
        with Path(place).open("rb") as file:
            file.seek(begin)
            data = file.read() if end is None else file.read(end - begin)
    else:
        data = _fetched(place, begin, end)
    if end is not None and len(data) < end - begin:
        raise OSError(f"{place} ends before byte {end}: was it changed?")
    return data


def _fetched(url: str, begin: int, end: int | None) -> bytes:
    from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

    lasting = (FileNotFoundError, PermissionError, SourceError, ValueError, _TooLargeError)
    tries = Retrying(
        retry=retry_if_not_exception_type(lasting), stop=stop_after_attempt(ATTEMPTS), reraise=True,
        wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT),
    )  # fmt: skip
    try:
        return tries(_fetch, url, begin, end)
    except OSError:
        raise
    except SourceError as error:
        raise OSError(str(error)) from error
    except Exception as error:  # those of HTTP and cloud libraries, which have no common root
        raise OSError(f"cannot be fetched: {str(error) or type(error).__name__}") from error


def _fetch(url: str, begin: int, end: int | None) -> bytes:
    system, path = file_system(url)
    if end is not None:
        data: bytes = system.cat_file(path, start=begin, end=end)
        # A web server that knows no ranges answers with all of it.
        return data[begin:end] if len(data) > end - begin else data
    # Of a web server no size is known before; without a block size its answer is read as it comes.
    streamed = {"block_size": 0} if url.lower().startswith("http") else {}
    with system.open(path, "rb", **streamed) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise _TooLargeError(f"more than {MOST_BYTES // 2**20} MB")
    return data


def _row(place: str, row: int) -> bytes:
    """The picture in a row of a Parquet table. The row group read last is kept, for rows that are read in order."""
    group = getattr(_rows, "group", None)
    if group is None or group[0] != place or not group[1] <= row < group[1] + len(group[2]):
        group = _rows.group = (place, *_row_group(place, row))
    return picture_in(group[2][row - group[1]].as_py())


def _row_group(place: str, row: int) -> tuple[int, Any]:
    with open_parquet(place) as table:
        begin, column = 0, picture_column(table.schema_arrow)
        for number in range(table.num_row_groups if column else 0):
            rows = table.metadata.row_group(number).num_rows
            if row < begin + rows:
                return begin, table.read_row_group(number, columns=[column]).column(0)
            begin += rows
    raise OSError(f"{place} has no picture in row {row}: was it changed?")


def picture_in(value: Any) -> bytes:
    """The bytes of a value of a column of pictures. Raises OSError where there are none."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes) or not data:
        raise OSError("the row holds no picture")
    return data


def picture_column(schema: Any) -> str | None:
    """The column of a Parquet schema that holds pictures: bytes, or Hugging Face's {bytes, path}. None where there is none."""
    from pyarrow import types

    for name in BYTES_COLUMNS:
        kind = schema.field(name).type if name in schema.names else None
        if kind is not None and types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return name
        if kind is not None and (types.is_binary(kind) or types.is_large_binary(kind)):
            return name
    return None


def open_parquet(place: str) -> Any:
    """The `pyarrow.parquet.ParquetFile` at a path or URL, to be used in a `with` block. Raises SourceError."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise SourceError(f"{place}: reading Parquet needs pip install 'topicidx[parquet]'") from error
    try:
        if not is_url(place):
            return ParquetFile(place, memory_map=True)
        system, path = file_system(place)
        return ParquetFile(system.open(path, "rb"))
    except ArrowException as error:
        raise SourceError(f"{place} is no Parquet table that can be read: {error}") from error
    except OSError as error:
        raise SourceError(f"cannot read {place}: {os.strerror(error.errno) if error.errno else error}") from error


class _TooLargeError(OSError):
    pass
