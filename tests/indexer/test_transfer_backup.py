"""Backups: one file, from which the same collection comes back, in any store."""

import errno
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doubles.collections import FIELDS, MANY_POINTS, assert_same, fill_folder, made_up_points
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SettingsError, StoreBusyError, StoreFullError, TransferError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.store import VectorStore
from topicidx.indexer.stores import StoreAddress
from topicidx.indexer.totals import totals_of
from topicidx.indexer.transfer import files
from topicidx.indexer.transfer.backup import back_up, write_backup
from topicidx.indexer.transfer.places import Place
from topicidx.indexer.transfer.reading import read_backup
from topicidx.indexer.transfer.restoring import restore
from topicidx.version import __version__


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 30 points. Read it, do not write to it."""
    folder = tmp_path_factory.mktemp("thirty") / "store"
    fill_folder(folder, made_up_points(30))
    return folder


@pytest.fixture
def store(thirty: Path) -> Any:
    with EmbeddedStore.open(thirty) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "photos.tar"


@pytest.fixture
def destination(tmp_path: Path) -> Place:
    return Place(StoreAddress(tmp_path / "restored"), "photos")


def opened(place: Place) -> EmbeddedStore:
    return EmbeddedStore.open(place.address.folder, place.collection)


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_thousands_of_points_come_back_bit_for_bit(tmp_path: Path, file: Path, destination: Place) -> None:
    fill_folder(tmp_path / "store", made_up_points(MANY_POINTS))
    source = Place(StoreAddress(tmp_path / "store"), "photos")
    written = back_up(source, file)
    backup = read_backup(file)
    restored = restore(backup, destination)
    assert (written.points, written.bytes) == (MANY_POINTS, file.stat().st_size)
    with opened(source) as one, opened(destination) as other:
        assert_same(one, other)
        totals = totals_of(one.blocks())
        assert written.checksum == restored.checksum == backup.totals.checksum == totals.checksum


def test_the_file_is_a_plain_tar_that_any_program_can_read(store: VectorStore, file: Path) -> None:
    write_backup(store, file, roots={"photos": Path("/here/photos")}, skipped=b'{"image": "photos/broken.jpg"}\n')
    found = members(file)
    assert list(found) == [
        "backup.json", "sources.json", "skipped.jsonl", "points/000000.npy", "points/000000.jsonl", "checksums.json",
    ]  # fmt: skip
    header = json.loads(found["backup.json"])
    assert header.pop("created").startswith("20")
    assert header == {
        "kind": "topicidx backup", "format_version": 1, "topicidx": __version__, "collection": "photos",
        "vector_space": "f" * 64, "dimensions": 16, "points": 30, "fields": dict(store.info().fields),
    }  # fmt: skip
    assert header["fields"].items() >= FIELDS.items()
    vectors = np.load(io.BytesIO(found["points/000000.npy"]), allow_pickle=False)
    lines = [json.loads(line) for line in found["points/000000.jsonl"].decode().split("\n")[:-1]]
    (block,) = store.blocks()
    np.testing.assert_array_equal(vectors, block.vectors)
    assert [line["id"] for line in lines] == [str(point) for point in block.ids]
    assert [line["payload"] for line in lines] == block.payloads
    assert json.loads(found["sources.json"]) == {"photos": "/here/photos"}


def test_an_empty_collection_comes_back_empty(tmp_path: Path, file: Path, destination: Place) -> None:
    with EmbeddedStore.writer(tmp_path / "store", "photos", "a space", 4) as writer:
        writer.index_fields({"likes": "integer"})
        writer.publish()
    source = Place(StoreAddress(tmp_path / "store"), "photos")
    assert back_up(source, file).points == 0
    assert restore(read_backup(file), destination).points == 0
    with opened(source) as one, opened(destination) as other:
        assert_same(one, other)


# Writing the file


def test_a_file_that_is_there_is_replaced_only_by_force(store: VectorStore, file: Path) -> None:
    file.write_bytes(b"something dear")
    with pytest.raises(TransferError, match=r"photos\.tar exists; .*--force"):
        write_backup(store, file)
    assert file.read_bytes() == b"something dear"
    write_backup(store, file, force=True)
    assert read_backup(file).header.points == 30


@pytest.mark.parametrize("wrong", ["", "missing/photos.tar"])
def test_a_place_where_no_file_can_be_is_named(store: VectorStore, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"is a folder; name a file|there is no folder .*missing"):
        write_backup(store, tmp_path / wrong)


def test_an_interrupted_backup_leaves_nothing(store: VectorStore, file: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_backup(store, file, on_points=stop)
    assert list(file.parent.iterdir()) == []


def test_a_disk_without_room_is_noticed_before_it_is_full(
    store: VectorStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = files.MARGIN_BYTES + 1_000
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(free, 0, free))
    with pytest.raises(StoreFullError, match=r"photos\.tar needs about 1 MiB more, and its disk has 64 MiB free"):
        write_backup(store, file)
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (errno.ENOSPC, StoreFullError, "the disk of .* is full; nothing was kept"),
        (errno.EIO, TransferError, "cannot write .*Input/output error; nothing was kept"),
    ],
)
def test_a_disk_that_fails_is_named(
    store: VectorStore, file: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], says: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, __import__("os").strerror(code))

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(error, match=says):
        write_backup(store, file)
    assert list(file.parent.iterdir()) == []


def test_a_collection_that_changes_meanwhile_is_not_backed_up(store: VectorStore, file: Path) -> None:
    class Changing:
        info = staticmethod(store.info)

        def blocks(self) -> Any:
            yield from store.blocks()
            yield from store.blocks()

    with pytest.raises(TransferError, match="60 points were read where 30 were announced"):
        write_backup(Changing(), file)  # type: ignore[arg-type]
    assert list(file.parent.iterdir()) == []


# Restoring


def test_a_collection_that_has_points_is_replaced_only_by_force(
    store: VectorStore, file: Path, destination: Place
) -> None:
    write_backup(store, file)
    fill_folder(destination.address.folder, made_up_points(7, dimensions=3), space="another space")
    with pytest.raises(TransferError, match=r"restored \(collection 'photos'\) has 7 points; .*--force"):
        restore(read_backup(file), destination)
    assert destination.points() == 7
    assert restore(read_backup(file), destination, force=True).replaced == 7
    with opened(destination) as other:
        assert_same(store, other)
        assert other.info().previous == "g000001"


def test_a_collection_that_cannot_be_opened_is_replaced_only_by_force(
    store: VectorStore, file: Path, destination: Place
) -> None:
    write_backup(store, file)
    fill_folder(destination.address.folder, made_up_points(7))
    shutil.rmtree(destination.address.folder / "photos" / "g000001" / "shard" / "segments")
    with pytest.raises(TransferError, match=r"is there but cannot be opened \(.*\); --force replaces it"):
        restore(read_backup(file), destination)
    restore(read_backup(file), destination, force=True)
    with opened(destination) as other:
        assert_same(store, other)


def test_another_collection_of_the_store_is_left_alone(store: VectorStore, file: Path, destination: Place) -> None:
    write_backup(store, file)
    fill_folder(destination.address.folder, made_up_points(7), collection="cats")
    restore(read_backup(file), destination)
    with EmbeddedStore.open(destination.address.folder, "cats") as cats:
        assert cats.count() == 7


def test_what_a_stopped_restore_left_does_no_harm(store: VectorStore, file: Path, destination: Place) -> None:
    write_backup(store, file)
    other = made_up_points(50)
    with EmbeddedStore.writer(destination.address.folder, "photos", "f" * 64, 16, rebuild=True) as writer:
        writer.upsert(other.ids, other.vectors, [{"image": "something else"}] * 50)
        writer.checkpoint()
    restore(read_backup(file), destination)
    with opened(destination) as restored:
        assert_same(store, restored)


def test_a_store_that_is_being_written_is_not_touched(store: VectorStore, file: Path, destination: Place) -> None:
    write_backup(store, file)
    with (
        EmbeddedStore.writer(destination.address.folder, "photos", "f" * 64, 16),
        pytest.raises(StoreBusyError),
    ):
        restore(read_backup(file), destination)


def test_sources_come_back_under_names_that_are_free(store: VectorStore, file: Path, destination: Place) -> None:
    table = destination.address.folder / "sources.json"
    table.parent.mkdir()
    table.write_text('{"cats": "/there/cats"}')
    write_backup(store, file, roots={"photos": Path("/here/photos")}, skipped=b'{"image": "photos/broken.jpg"}\n')
    assert restore(read_backup(file), destination).sources == {"photos": "/here/photos"}
    assert json.loads(table.read_text()) == {"cats": "/there/cats", "photos": "/here/photos"}
    skipped = destination.address.folder / "photos" / "skipped.jsonl"
    assert skipped.read_text() == '{"image": "photos/broken.jpg"}\n'


def test_a_source_that_means_another_root_is_refused_and_by_force_stays_as_it_is(
    store: VectorStore, file: Path, destination: Place
) -> None:
    table = destination.address.folder / "sources.json"
    table.parent.mkdir()
    table.write_text('{"photos": "/there/photos"}')
    write_backup(store, file, roots={"photos": Path("/here/photos")})
    with pytest.raises(TransferError, match=r"'photos' is /here/photos .* and /there/photos in"):
        restore(read_backup(file), destination)
    assert not (destination.address.folder / "photos").exists()
    report = restore(read_backup(file), destination, force=True)
    assert (report.sources, report.other_roots) == ({}, {"photos": "/there/photos"})
    assert json.loads(table.read_text()) == {"photos": "/there/photos"}


# The topic space


@pytest.fixture
def with_space(space: TopicSpace, tmp_path: Path, file: Path) -> Path:
    """A backup that holds a topic space."""
    points = made_up_points(5, dimensions=space.dimensions)
    fill_folder(tmp_path / "store", points, space=space.vector_space)
    assert back_up(Place(StoreAddress(tmp_path / "store"), "photos"), file, space=space).space
    return file


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_topic_space_comes_back_where_there_is_none(
    with_space: Path, space: TopicSpace, destination: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "space"
    assert restore(read_backup(with_space), destination, space_folder=folder).space
    assert files_in(folder) == files_in(space.folder)
    assert TopicSpace.load(folder).vector_space == space.vector_space


def test_the_topic_space_may_be_left_out(
    with_space: Path, space: TopicSpace, store: VectorStore, tmp_path: Path
) -> None:
    assert not restore(read_backup(with_space), Place(StoreAddress(tmp_path / "restored"), "photos")).space
    assert [path.name for path in tmp_path.iterdir() if "space" in path.name] == []
    report = write_backup(store, tmp_path / "other.tar", space=space)  # not the space of these points
    assert not report.space
    assert read_backup(tmp_path / "other.tar").space == ()


def test_the_same_topic_space_stays_as_it_is(
    with_space: Path, space: TopicSpace, destination: Place, tmp_path: Path
) -> None:
    folder = shutil.copytree(space.folder, tmp_path / "space")
    (folder / "note.txt").write_text("mine")
    assert not restore(read_backup(with_space), destination, space_folder=folder, force=True).space
    assert (folder / "note.txt").read_text() == "mine"


def test_another_topic_space_is_replaced_only_by_force(
    with_space: Path, space: TopicSpace, other_space: TopicSpace, destination: Place
) -> None:
    with pytest.raises(TransferError, match=r"there is another one in .*--no-space"):
        restore(read_backup(with_space), destination, space_folder=other_space.folder)
    assert TopicSpace.load(other_space.folder).vector_space == other_space.vector_space
    assert destination.points() == 0
    assert restore(read_backup(with_space), destination, space_folder=other_space.folder, force=True).space
    assert TopicSpace.load(other_space.folder).vector_space == space.vector_space


def test_a_folder_that_is_no_topic_space_is_never_replaced(
    with_space: Path, destination: Place, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("dear")
    with pytest.raises(TransferError, match="is no topic space"):
        restore(read_backup(with_space), destination, space_folder=tmp_path / "thesis", force=True)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "dear"
    assert destination.points() == 0


def test_a_space_whose_file_is_missing_stops_the_backup(
    space: TopicSpace, tmp_path: Path, store: VectorStore, file: Path
) -> None:
    folder = shutil.copytree(space.folder, tmp_path / "space")
    broken = TopicSpace.load(folder)
    fill_folder(tmp_path / "store", made_up_points(5, dimensions=space.dimensions), space=space.vector_space)
    (folder / "words.safetensors").unlink()
    with pytest.raises(TransferError, match=r"cannot read .*words\.safetensors"):
        back_up(Place(StoreAddress(tmp_path / "store"), "photos"), file, space=broken)
    assert not file.exists()


def test_a_restore_that_fails_leaves_the_topic_space_as_it_was(
    with_space: Path, other_space: TopicSpace, destination: Place
) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    before = files_in(other_space.folder)
    with pytest.raises(KeyboardInterrupt):
        restore(read_backup(with_space), destination, space_folder=other_space.folder, force=True, on_progress=stop)
    assert files_in(other_space.folder) == before
    assert [path.name for path in other_space.folder.parent.iterdir() if path.name.startswith(".")] == []
    assert destination.points() == 0
