"""Rows of Parquet tables, with the pictures that they may hold."""

from collections.abc import Iterator
from typing import Any

from topicidx.embedders.stored_files import (
    StoredFile,
    file_system,
    open_parquet,
    picture_column,
    picture_in,
    version_of,
)
from topicidx.errors import SourceError
from topicidx.indexer.sources.places import SourcePlace, Url

#: Rows that are read at a time, and those with pictures in them.
ROWS, PICTURES = 4_096, 64
#: Columns that may name the picture of a row that holds it.
_NAMES = ("file_name", "filename", "key", "path", "id")


def read_rows(path: SourcePlace, *, pictures: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a table with their numbers from 1, as JSON values but for times, which become text.

    Where the table holds its pictures the row's `image` is a name for it, below the table's, and the picture itself comes
    under FILE; without `pictures` it is not read. Raises SourceError where it cannot be read.
    """
    from pyarrow import ArrowException

    from topicidx.indexer.sources.table import FILE, IMAGE_COLUMNS

    with open_parquet(str(path)) as table:
        column = picture_column(table.schema_arrow)
        names = list(table.schema_arrow.names)
        wanted = names if pictures or column is None else _names_of(names, column, table.schema_arrow)
        version = _version(path) if column else 0
        number = 0
        try:
            for batch in table.iter_batches(batch_size=PICTURES if column and pictures else ROWS, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    if column is not None:
                        value = row.pop(column, None)
                        named = value.get("path") if isinstance(value, dict) else None
                        named = named or next((row[name] for name in _NAMES if isinstance(row.get(name), str)), None)
                        row = {name: value for name, value in row.items() if name not in IMAGE_COLUMNS}
                        row["image"] = f"{path.name}/{named or f'{number - 1:09d}'}"
                        if pictures:
                            row[FILE] = _file(path, number - 1, value, version)
                    yield number, {name: _plain(value) for name, value in row.items()}
        except ArrowException as error:
            raise SourceError(f"{path} is damaged after row {number}: {error}") from error


def _names_of(names: list[str], column: str, schema: Any) -> list[str]:
    """What is read of a table to name its pictures: nothing of the pictures themselves."""
    from pyarrow import types

    kind = schema.field(column).type
    path = [f"{column}.path"] if types.is_struct(kind) and kind.get_field_index("path") >= 0 else []
    return [name for name in names if name != column] + path


def _file(path: SourcePlace, row: int, value: Any, version: int) -> StoredFile:
    try:
        data = picture_in(value)
    except OSError as error:
        return StoredFile(str(path), f"row={row}", wrong=str(error))
    return StoredFile(str(path), f"row={row}", len(data), version, data)


def _version(path: SourcePlace) -> int:
    if isinstance(path, Url):
        system, within = file_system(path.text)
        return version_of(system.info(within))
    return path.stat().st_mtime_ns


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool | StoredFile):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
