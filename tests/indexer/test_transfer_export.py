"""Exports: what other programs read is what the store holds."""

import importlib.util
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from doubles.collections import FIELDS, SPACE, fill_folder, made_up_points
from topicidx.errors import MissingExtraError, SettingsError, TransferError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.store import PointBlock, StoreInfo, VectorStore
from topicidx.indexer.transfer import parquet
from topicidx.indexer.transfer.export import export
from topicidx.indexer.transfer.parquet import COLUMNS

POINTS = 2_300


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorStore]:
    folder = tmp_path_factory.mktemp("export") / "store"
    fill_folder(folder, made_up_points(POINTS))
    with EmbeddedStore.open(folder) as opened:
        yield opened


class InMemory:
    """As much of a store as an export asks for."""

    def __init__(self, payloads: list[dict[str, Any]], **fields: Any) -> None:
        block = made_up_points(len(payloads), dimensions=3)
        self._block = PointBlock(block.ids, block.vectors, list(payloads))
        self._fields = fields

    def info(self) -> StoreInfo:
        return StoreInfo("", "photos", len(self._block), 3, "a space", "g000001", fields=self._fields)

    def blocks(self) -> Iterator[PointBlock]:
        if len(self._block):
            yield self._block


def rows_of(tmp_path: Path, payloads: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    export(InMemory(payloads, **fields), tmp_path / "few.parquet")  # type: ignore[arg-type]
    rows: list[dict[str, Any]] = pq.read_table(tmp_path / "few.parquet").to_pylist()
    return rows


def test_a_npy_file_holds_the_vectors_and_its_lines_the_points_in_the_same_order(
    store: VectorStore, tmp_path: Path
) -> None:
    report = export(store, tmp_path / "photos.npy")
    assert report.files == (str(tmp_path / "photos.npy"), str(tmp_path / "photos.jsonl"))
    assert (report.points, report.dimensions, report.vector_space) == (POINTS, 16, SPACE)
    blocks = list(store.blocks())
    vectors = np.load(tmp_path / "photos.npy", mmap_mode="r", allow_pickle=False)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.concatenate([block.vectors for block in blocks]))
    lines = [json.loads(line) for line in (tmp_path / "photos.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    assert [line["id"] for line in lines] == [str(point) for block in blocks for point in block.ids]
    assert [line["payload"] for line in lines] == [payload for block in blocks for payload in block.payloads]


def test_a_parquet_file_has_a_column_for_each_field_that_is_asked_for(store: VectorStore, tmp_path: Path) -> None:
    report = export(store, tmp_path / "photos.parquet")
    assert (report.files, report.points) == ((str(tmp_path / "photos.parquet"),), POINTS)
    table = pq.read_table(tmp_path / "photos.parquet")
    time = pa.timestamp("us", tz="UTC")
    assert table.schema.names[-6:] == ["author", "indoor", "likes", "sharpness", "vector", "payload"]
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "id": pa.string(), "image": pa.string(), "source": pa.string(), "city": pa.string(), "city_label": pa.string(),
        "captions": pa.list_(pa.string()), "sha256": pa.string(), "size": pa.int64(), "mtime": pa.int64(),
        "width": pa.int64(), "height": pa.int64(), "taken_at": time, "author": pa.string(), "indoor": pa.bool_(),
        "likes": pa.int64(), "sharpness": pa.float64(), "vector": pa.list_(pa.float32(), 16), "payload": pa.string(),
    }  # fmt: skip
    assert table.schema.metadata[b"vector_space"] == SPACE.encode()
    blocks = list(store.blocks())
    assert table["id"].to_pylist() == [str(point) for block in blocks for point in block.ids]
    flat = table["vector"].combine_chunks().flatten().to_numpy()
    np.testing.assert_array_equal(flat.reshape(-1, 16), np.concatenate([block.vectors for block in blocks]))
    payloads = [payload for block in blocks for payload in block.payloads]
    columns = table.select([*COLUMNS, *FIELDS]).to_pylist()
    for payload, row, rest in zip(payloads, columns, table["payload"].to_pylist(), strict=True):
        taken_at, expected = row.pop("taken_at"), dict(payload)
        text = expected.pop("taken_at")
        assert taken_at == (text and datetime.fromisoformat(text).replace(tzinfo=UTC))
        assert {**row, **json.loads(rest)} == expected


def test_a_large_collection_gets_row_groups_of_bounded_size(
    store: VectorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 1_000)
    export(store, tmp_path / "photos.parquet")
    metadata = pq.ParquetFile(tmp_path / "photos.parquet").metadata
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [1_000, 1_000, 300]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", "large"), ("size", True), ("size", 2**63), ("size", 1.5), ("captions", "one"), ("captions", ["a", 1]),
        ("image", 7), ("image", ["a"]), ("taken_at", "last summer"), ("taken_at", 2020), ("indoor", 1), ("likes", "many"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_its_column_stays_in_the_payload(tmp_path: Path, field: str, value: Any) -> None:
    (row,) = rows_of(tmp_path, [{field: value}], indoor="bool", likes="integer")
    assert row[field] is None
    assert json.loads(row["payload"]) == {field: value}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-05-06T07:08:09", datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2020-05-06T07:08:09+02:00", datetime(2020, 5, 6, 5, 8, 9, tzinfo=UTC)),
        ("2020-05-06T07:08:09.123456Z", datetime(2020, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)),
        ("2020-05-06", datetime(2020, 5, 6, tzinfo=UTC)),
    ],
)
def test_times_are_moments(tmp_path: Path, text: str, moment: datetime) -> None:
    (row,) = rows_of(tmp_path, [{"taken_at": text}])
    assert (row["taken_at"], json.loads(row["payload"])) == (moment, {})


def test_fields_that_are_called_as_the_columns_of_an_export_stay_in_the_payload(tmp_path: Path) -> None:
    payload = {"id": "mine", "vector": "mine", "payload": "mine"}
    (row,) = rows_of(tmp_path, [payload], id="keyword", vector="keyword", payload="keyword")
    assert json.loads(row["payload"]) == payload


@pytest.mark.parametrize("ending", [".npy", ".parquet"])
def test_an_empty_collection_makes_an_empty_file(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"photos{ending}"
    assert export(InMemory([]), file).points == 0  # type: ignore[arg-type]
    if ending == ".npy":
        assert np.load(file).shape == (0, 3)
        assert file.with_suffix(".jsonl").read_bytes() == b""
    else:
        assert pq.read_table(file).num_rows == 0


@pytest.mark.parametrize("name", ["photos", "photos.csv", "photos.npz", ".npy", "photos.parquet.gz"])
def test_another_ending_names_the_two(store: VectorStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"exports are \.parquet or \.npy files"):
        export(store, tmp_path / name)


@pytest.mark.parametrize(("file", "there"), [("a.npy", "a.npy"), ("a.npy", "a.jsonl"), ("a.parquet", "a.parquet")])
def test_a_file_that_is_there_is_replaced_only_by_force(
    store: VectorStore, tmp_path: Path, file: str, there: str
) -> None:
    (tmp_path / there).write_bytes(b"something dear")
    with pytest.raises(TransferError, match=rf"{there} exists; .*--force"):
        export(store, tmp_path / file)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_bytes() == b"something dear"
    export(store, tmp_path / file, force=True)
    assert (tmp_path / there).stat().st_size > 1_000


@pytest.mark.parametrize("ending", [".npy", ".parquet"])
def test_an_interrupted_export_leaves_nothing(store: VectorStore, tmp_path: Path, ending: str) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(store, tmp_path / f"photos{ending}", on_points=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".npy", ".parquet"])
def test_a_collection_that_changes_meanwhile_is_not_exported(tmp_path: Path, ending: str) -> None:
    class Growing(InMemory):
        def blocks(self) -> Iterator[PointBlock]:
            yield from super().blocks()
            yield from super().blocks()

    with pytest.raises(TransferError, match="4 points were read where 2 were announced"):
        export(Growing([{}, {}]), tmp_path / f"photos{ending}")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_the_way_to_have_it_is_named(
    store: VectorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(parquet, "find_spec", lambda name: None if name == "pyarrow" else find_spec(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'topicidx\[parquet\]'"):
        export(store, tmp_path / "photos.parquet")
