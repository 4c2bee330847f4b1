"""Parquet: a row for each point, a column for each field that programs ask for, and the vector."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topicidx.errors import MissingExtraError
from topicidx.indexer.store import BLOCK, FieldType, PointBlock, StoreInfo, VectorStore
from topicidx.indexer.transfer.copying import OnPoints
from topicidx.indexer.transfer.export import ExportReport, check_complete
from topicidx.indexer.transfer.files import check_room, new_file
from topicidx.post import JsonValue
from topicidx.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa

#: Points in a row group.
ROW_GROUP = 10 * BLOCK
#: What every export has a column for, whatever is indexed.
COLUMNS: Mapping[str, FieldType | str] = {
    "image": "keyword",
    "source": "keyword",
    "city": "keyword",
    "city_label": "keyword",
    "captions": "keywords",
    "sha256": "keyword",
    "size": "integer",
    "mtime": "integer",
    "width": "integer",
    "height": "integer",
    "taken_at": "datetime",
}
#: Columns that are no payload fields.
_OWN = ("id", "vector", "payload")


def export_parquet(
    store: VectorStore, file: Path, *, force: bool = False, on_points: OnPoints | None = None
) -> ExportReport:
    """Write a row for each point to `file`.

    Columns: id, those of COLUMNS, one for each further indexed field, vector (a list of fixed length) and payload: JSON of
    all that has no column, or does not fit the type of its column. Times are UTC where they name no zone. Raises
    MissingExtraError where pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingExtraError("Parquet needs pyarrow: pip install 'topicidx[parquet]', or export to a .npy file")
    import pyarrow as pa
    import pyarrow.parquet as pq

    info = store.info()
    further = sorted(set(info.fields).difference(COLUMNS, _OWN))
    kinds = {**COLUMNS, **{name: info.fields[name] for name in further}}
    schema = _schema(info, kinds)
    check_room(file, info.points * info.dimensions * 4)
    with new_file(file, force=force) as opened:
        options: dict[str, Any] = {"compression": "zstd", "use_dictionary": ["source", "city", "city_label"]}
        with pq.ParquetWriter(opened, schema, **options) as writer:
            waiting: list[pa.RecordBatch] = []
            written = 0
            for block in store.blocks():
                waiting.append(_batch(block, kinds, schema))
                written += len(block)
                if sum(batch.num_rows for batch in waiting) >= ROW_GROUP:
                    writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=2 * ROW_GROUP)
                    waiting.clear()
                if on_points is not None:
                    on_points(written, info.points)
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=2 * ROW_GROUP)
            check_complete(written, info.points, file)
    return ExportReport((str(file),), written, info.dimensions, info.vector_space)


def _schema(info: StoreInfo, kinds: Mapping[str, FieldType | str]) -> "pa.Schema":
    import pyarrow as pa

    types = {
        "keyword": pa.string(),
        "keywords": pa.list_(pa.string()),
        "integer": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "datetime": pa.timestamp("us", tz="UTC"),
    }
    columns = [pa.field("id", pa.string(), nullable=False)]
    columns += [pa.field(name, types[kind]) for name, kind in kinds.items()]
    columns += [
        pa.field("vector", pa.list_(pa.float32(), info.dimensions), nullable=False),
        pa.field("payload", pa.string(), nullable=False),
    ]
    about = {"vector_space": info.vector_space, "collection": info.collection, "topicidx": __version__}
    return pa.schema(columns, metadata=about)


def _batch(block: PointBlock, kinds: Mapping[str, FieldType | str], schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in kinds}
    rest: list[str] = []
    for payload in block.payloads:
        left = dict(payload)
        for name, kind in kinds.items():
            value = _fitting(payload.get(name), kind)
            columns[name].append(value)
            if value is not None or payload.get(name) is None:
                left.pop(name, None)
        rest.append(json.dumps(left, ensure_ascii=False, sort_keys=True))
    flat = pa.array(np.ascontiguousarray(block.vectors, dtype=np.float32).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("vector").type)
    arrays: Sequence[Any] = [
        pa.array([str(point) for point in block.ids], pa.string()),
        *(pa.array(values, schema.field(name).type) for name, values in columns.items()),
        vectors,
        pa.array(rest, pa.string()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _fitting(value: JsonValue, kind: FieldType | str) -> Any:
    """The value of a column of this kind, or None where it is no such value."""
    match kind, value:
        case "bool", bool():
            return value
        case _, bool():
            return None
        case "keyword", str():
            return value
        case "keywords", list() if all(isinstance(item, str) for item in value):
            return value
        case "integer", int() if -(2**63) <= value < 2**63:
            return value
        case "float", int() | float():
            return float(value)
        case "datetime", str():
            return _time(value)
    return None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
