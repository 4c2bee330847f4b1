"""Exports: vectors and payloads for other programs, as Parquet or as NumPy's .npy with JSON lines beside it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topicidx.errors import SettingsError, TransferError
from topicidx.indexer.store import VectorStore
from topicidx.indexer.transfer.backup import points_to_lines
from topicidx.indexer.transfer.copying import OnPoints
from topicidx.indexer.transfer.files import check_absent, check_room, new_file


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    files: tuple[str, ...]
    points: int
    dimensions: int
    vector_space: str

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


def export(store: VectorStore, file: Path, *, force: bool = False, on_points: OnPoints | None = None) -> ExportReport:
    """Write every point of a collection to `file`, whose name's ending tells the format: .parquet or .npy.

    Raises SettingsError for another ending, MissingExtraError where Parquet needs a library that is not installed,
    TransferError where a file is there already (unless `force`).
    """
    if check_ending(file) == ".npy":
        return export_npy(store, file, force=force, on_points=on_points)
    from topicidx.indexer.transfer.parquet import export_parquet

    return export_parquet(store, file, force=force, on_points=on_points)


def check_ending(file: Path) -> str:
    """The ending of an export's name, in lower case. Raises SettingsError for one that names no format."""
    ending = file.suffix.lower()
    if ending not in {".parquet", ".npy"}:
        raise SettingsError(f"{file}: exports are .parquet or .npy files; give it one of these endings")
    return ending


def export_npy(
    store: VectorStore, file: Path, *, force: bool = False, on_points: OnPoints | None = None
) -> ExportReport:
    """Write vectors, float32 (n, dimensions), to `file`, and beside it, in the same order, a JSON line with id and payload of
    each."""
    lines_file = file.with_suffix(".jsonl")
    info = store.info()
    check_absent(lines_file, force=force)
    check_absent(file, force=force)
    check_room(file, info.points * info.dimensions * 4)
    # Ordinary writes, no memory map: where a disk fills up under one, the process is killed without a word.
    with new_file(file, force=force) as vectors, new_file(lines_file, force=force) as lines:
        shape = (info.points, info.dimensions)
        np.lib.format.write_array_header_1_0(vectors, {"descr": "<f4", "fortran_order": False, "shape": shape})
        written = 0
        for block in store.blocks():
            vectors.write(np.ascontiguousarray(block.vectors, dtype="<f4").tobytes())
            lines.write(points_to_lines(block))
            written += len(block)
            if on_points is not None:
                on_points(written, info.points)
        check_complete(written, info.points, file)
    return ExportReport((str(file), str(lines_file)), written, info.dimensions, info.vector_space)


def check_complete(written: int, announced: int, file: Path) -> None:
    """Raise TransferError where a collection changed while it was exported."""
    if written != announced:
        raise TransferError(
            f"{written:,} points were read where {announced:,} were announced: the collection changed meanwhile, and {file} was "
            "not written; run the same command again when nothing writes to it"
        )
