"""Copies, backups and exports from and to a server: every engine holds the same points."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from doubles.collections import MANY_POINTS, assert_same, fill_folder, made_up_points
from doubles.qdrant import QdrantDouble
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import StoreNotFoundError, StoreUnreachableError
from topicidx.indexer.store import VectorStore
from topicidx.indexer.stores import StoreAddress, open_store
from topicidx.indexer.transfer.backup import back_up
from topicidx.indexer.transfer.copying import copy_collection
from topicidx.indexer.transfer.export import export
from topicidx.indexer.transfer.places import Place
from topicidx.indexer.transfer.reading import read_backup
from topicidx.indexer.transfer.restoring import restore
from topicidx.settings import ServerSettings

POINTS = 2_300


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def settings(double: QdrantDouble) -> ServerSettings:
    return ServerSettings(grpc_port=double.port, attempts=1, longest_wait=0)


@pytest.fixture
def server(double: QdrantDouble, tmp_path: Path) -> Place:
    return Place(StoreAddress(tmp_path / "servers" / "double", double.url), "photos")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A collection in a folder. Read it, do not write to it."""
    folder = tmp_path_factory.mktemp("folder") / "store"
    fill_folder(folder, made_up_points(POINTS))
    (folder / "sources.json").write_text('{"photos": "/here/photos"}')
    return Place(StoreAddress(folder), "photos")


def opened(place: Place, settings: ServerSettings | None = None) -> VectorStore:
    return open_store(place.address, place.collection, settings)


def test_a_copy_to_a_server_and_back_holds_the_same_points(
    folder: Place, server: Place, settings: ServerSettings, tmp_path: Path
) -> None:
    back = Place(StoreAddress(tmp_path / "back"), "photos")
    there = copy_collection(folder, server, settings)
    again = copy_collection(server, back, settings)
    assert there.checksum == again.checksum
    with opened(folder) as one, opened(server, settings) as two, opened(back) as three:
        assert_same(one, two)
        assert_same(one, three)
    for place in (server, back):
        assert (place.address.folder / "sources.json").is_file()


def test_thousands_of_points_go_to_a_server_and_come_back_bit_for_bit(
    server: Place, settings: ServerSettings, tmp_path: Path
) -> None:
    here, back = (Place(StoreAddress(tmp_path / name), "photos") for name in ("here", "back"))
    fill_folder(here.address.folder, made_up_points(MANY_POINTS))
    there = copy_collection(here, server, settings)
    again = copy_collection(server, back, settings)
    assert (there.points, there.checksum) == (again.points, again.checksum)
    assert there.points == MANY_POINTS
    with opened(here) as one, opened(server, settings) as two, opened(back) as three:
        assert_same(one, two)
        assert_same(one, three)


def test_a_copy_that_loses_its_server_goes_on_where_it_was(
    folder: Place, server: Place, settings: ServerSettings, double: QdrantDouble
) -> None:
    def lose(stage: str, done: int, total: int | None) -> None:
        if done == 1_000:
            double.stop_listening()

    with pytest.raises(StoreUnreachableError):
        copy_collection(folder, server, settings, on_progress=lose)
    double.listen()
    with pytest.raises(StoreNotFoundError):
        opened(server, settings)
    report = copy_collection(folder, server, settings)
    assert 1_000 <= report.resumed < POINTS
    with opened(folder) as one, opened(server, settings) as other:
        assert_same(one, other)


def test_an_empty_collection_replaces_what_is_on_a_server(
    tmp_path: Path, folder: Place, server: Place, settings: ServerSettings
) -> None:
    fill_folder(tmp_path / "empty", made_up_points(0))
    empty = Place(StoreAddress(tmp_path / "empty"), "photos")
    copy_collection(folder, server, settings)
    assert copy_collection(empty, server, settings).replaced == POINTS
    with opened(empty) as one, opened(server, settings) as other:
        assert_same(one, other)


def test_a_backup_of_a_server_is_restored_into_a_folder_and_that_of_a_folder_into_a_server(
    folder: Place, server: Place, settings: ServerSettings, tmp_path: Path
) -> None:
    there = back_up(folder, tmp_path / "folder.tar")
    restore(read_backup(tmp_path / "folder.tar"), server, settings)
    again = back_up(server, tmp_path / "server.tar", settings)
    back = Place(StoreAddress(tmp_path / "back"), "photos")
    restore(read_backup(tmp_path / "server.tar"), back)
    assert there.checksum == again.checksum
    with opened(folder) as one, opened(back) as other:
        assert_same(one, other)


def test_an_export_of_a_server_is_that_of_a_folder(
    folder: Place, server: Place, settings: ServerSettings, tmp_path: Path
) -> None:
    copy_collection(folder, server, settings)
    with opened(folder) as one, opened(server, settings) as other:
        export(one, tmp_path / "folder.parquet")
        export(other, tmp_path / "server.parquet")
    assert pq.read_table(tmp_path / "folder.parquet").equals(pq.read_table(tmp_path / "server.parquet"))


def test_words_go_along_to_a_server_where_the_space_is_that_of_the_points(
    tmp_path: Path,
    space: TopicSpace,
    other_space: TopicSpace,
    server: Place,
    settings: ServerSettings,
    double: QdrantDouble,
) -> None:
    fill_folder(tmp_path / "store", made_up_points(9, dimensions=space.dimensions), space=space.vector_space)
    source = Place(StoreAddress(tmp_path / "store"), "photos")
    assert not copy_collection(source, server, settings).words
    assert not copy_collection(source, server, settings, space=other_space).words
    assert copy_collection(source, server, settings, space=space).words
    assert words_on(double) == space.manifest.text.words
    assert not copy_collection(source, Place(StoreAddress(tmp_path / "other"), "photos"), space=space).words


def test_a_restored_space_brings_its_words_to_a_server(
    tmp_path: Path, space: TopicSpace, server: Place, settings: ServerSettings, double: QdrantDouble
) -> None:
    fill_folder(tmp_path / "store", made_up_points(9, dimensions=space.dimensions), space=space.vector_space)
    back_up(Place(StoreAddress(tmp_path / "store"), "photos"), tmp_path / "photos.tar", space=space)
    restore(read_backup(tmp_path / "photos.tar"), server, settings, space_folder=tmp_path / "home" / "space")
    assert words_on(double) == space.manifest.text.words
    assert TopicSpace.load(tmp_path / "home" / "space").vector_space == space.vector_space


def words_on(double: QdrantDouble) -> Any:
    return double.memory.count("photos_words").count
