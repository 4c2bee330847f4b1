"""Copies between stores: everything arrives, once and whole, and is checked before anybody sees it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from doubles.collections import SPACE, assert_same, fill_folder, made_up_points, write_points
from topicidx.errors import SettingsError, StoreNotFoundError, TransferError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.store import PointBlock
from topicidx.indexer.stores import StoreAddress
from topicidx.indexer.totals import totals_of
from topicidx.indexer.transfer.copying import CopyReport, copy_collection, copy_points
from topicidx.indexer.transfer.places import Place

POINTS = 6_500


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A collection of some blocks and a bit. Read it, do not write to it."""
    folder = tmp_path_factory.mktemp("source") / "store"
    fill_folder(folder, made_up_points(POINTS))
    return Place(StoreAddress(folder), "photos")


@pytest.fixture
def destination(tmp_path: Path) -> Place:
    return Place(StoreAddress(tmp_path / "destination"), "photos")


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 30 points. Copy it, do not write to it."""
    folder = tmp_path_factory.mktemp("thirty") / "store"
    fill_folder(folder, made_up_points(30))
    return folder


@pytest.fixture
def small(thirty: Path, tmp_path: Path) -> Place:
    """A collection of 30 points that a test may do with as it likes."""
    return Place(StoreAddress(shutil.copytree(thirty, tmp_path / "small")), "photos")


def opened(place: Place) -> EmbeddedStore:
    return EmbeddedStore.open(place.address.folder, place.collection)


def stop_after(points: int) -> Any:
    def on_progress(stage: str, done: int, total: int | None) -> None:
        if stage == "copying points" and done > points:
            raise KeyboardInterrupt

    return on_progress


def test_a_copy_holds_the_same_points_bit_for_bit(source: Place, destination: Place) -> None:
    report = copy_collection(source, destination)
    with opened(source) as one, opened(destination) as other:
        assert_same(one, other)
        assert report == CopyReport(POINTS, totals_of(one.blocks()).checksum)


def test_a_copy_reports_how_far_it_is(source: Place, destination: Place) -> None:
    shown: list[tuple[str, int, int | None]] = []
    copy_collection(source, destination, on_progress=lambda *far: shown.append(far))
    copied = [(done, total) for stage, done, total in shown if stage == "copying points"]
    assert copied == [(min(done, POINTS), POINTS) for done in range(1_000, POINTS + 1_000, 1_000)]


def test_a_stopped_copy_is_seen_by_nobody_and_goes_on_where_it_was(source: Place, destination: Place) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy_collection(source, destination, on_progress=stop_after(4_000))
    with pytest.raises(StoreNotFoundError):
        opened(destination)
    report = copy_collection(source, destination)
    assert report.resumed == 5_000
    with opened(source) as one, opened(destination) as other:
        assert_same(one, other)


def test_what_a_stopped_copy_left_is_sent_again_when_fresh(source: Place, destination: Place) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy_collection(source, destination, on_progress=stop_after(2_000))
    assert copy_collection(source, destination, fresh=True).resumed == 0
    with opened(source) as one, opened(destination) as other:
        assert_same(one, other)


def leave_unfinished(place: Place, block: PointBlock) -> None:
    with EmbeddedStore.writer(
        place.address.folder, place.collection, SPACE, block.vectors.shape[1], rebuild=True
    ) as writer:
        write_points(writer, block)
        writer.checkpoint()


def test_leftovers_that_are_not_as_in_the_source_are_found_out_and_fresh_mends_it(
    small: Place, destination: Place
) -> None:
    old = made_up_points(30)
    changed = [{**payload, "captions": ["an older caption"]} for payload in old.payloads]
    leave_unfinished(destination, PointBlock(old.ids, old.vectors, changed))
    with pytest.raises(TransferError, match=r"30 of the points were left by a stopped copy.*--fresh"):
        copy_collection(small, destination)
    with pytest.raises(StoreNotFoundError):
        opened(destination)
    copy_collection(small, destination, fresh=True)
    with opened(small) as one, opened(destination) as other:
        assert_same(one, other)


@pytest.mark.parametrize("fresh", [False, True])
def test_leftover_points_that_the_source_does_not_have_are_removed(
    small: Place, destination: Place, fresh: bool
) -> None:
    leave_unfinished(destination, made_up_points(50))
    copy_collection(small, destination, fresh=fresh)
    with opened(small) as one, opened(destination) as other:
        assert_same(one, other)


def test_a_copy_replaces_what_is_there_and_leaves_it_as_the_generation_before(small: Place, destination: Place) -> None:
    fill_folder(destination.address.folder, made_up_points(7, dimensions=3), space="another space")
    assert copy_collection(small, destination).replaced == 7
    with opened(small) as one, opened(destination) as other:
        assert_same(one, other)
        assert other.info().previous == "g000001"


def test_an_empty_collection_is_copied_too(tmp_path: Path, destination: Place) -> None:
    fill_folder(destination.address.folder, made_up_points(7))
    empty = Place(StoreAddress(tmp_path / "empty"), "photos")
    with EmbeddedStore.writer(empty.address.folder, "photos", SPACE, 16) as writer:
        writer.index_fields({"likes": "integer"})
        writer.publish()
    report = copy_collection(empty, destination)
    assert (report.points, report.replaced) == (0, 7)
    with opened(empty) as one, opened(destination) as other:
        assert_same(one, other)


def test_a_point_that_changes_on_the_way_is_found_out_before_anybody_sees_it(small: Place, destination: Place) -> None:
    fill_folder(destination.address.folder, made_up_points(7))

    class Careless:
        """A writer that loses a bit of one vector."""

        def __init__(self, writer: Any) -> None:
            self._writer = writer

        def __getattr__(self, name: str) -> Any:
            return getattr(self._writer, name)

        def upsert(self, ids: list[UUID], vectors: Any, payloads: Any) -> None:
            self._writer.upsert(ids, np.where(vectors == vectors[3, 3], vectors * 1.001, vectors), payloads)

    with (
        opened(small) as store,
        EmbeddedStore.writer(destination.address.folder, "photos", SPACE, 16, rebuild=True) as writer,
        pytest.raises(TransferError, match="30 points with the checksum"),
    ):
        copy_points(store, Careless(writer))
    assert destination.points() == 7


@pytest.mark.parametrize("announced", [29, 31])
def test_a_source_that_changes_meanwhile_is_found_out(small: Place, destination: Place, announced: int) -> None:
    with opened(small) as store, EmbeddedStore.writer(destination.address.folder, "photos", SPACE, 16) as writer:

        class Changing:
            def info(self) -> Any:
                from dataclasses import replace

                return replace(store.info(), points=announced)

            def blocks(self) -> Any:
                return store.blocks()

        with pytest.raises(TransferError, match=rf"30 points were read where {announced} were announced"):
            copy_points(Changing(), writer)  # type: ignore[arg-type]
    assert destination.points() == 0


def test_a_collection_is_not_copied_to_itself(small: Place, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(small.address.folder)
    relative = os.path.relpath(small.address.folder)
    for folder in (small.address.folder, tmp_path / "link", Path(relative), tmp_path / "x" / ".." / "small"):
        with pytest.raises(SettingsError, match="cannot be copied to itself"):
            copy_collection(small, Place(StoreAddress(folder), "photos"))
    copy_collection(small, Place(small.address, "others"))
    with opened(small) as one, EmbeddedStore.open(small.address.folder, "others") as other:
        assert_same(one, other)


@pytest.mark.parametrize("url", ["http://host", "http://host:6333", "http://HOST:6333/"])
def test_a_server_is_known_by_its_host_and_port(url: str) -> None:
    place = Place(StoreAddress(Path("servers/host"), "http://host:6333"), "photos")
    assert Place(StoreAddress(Path("elsewhere"), url), "photos").is_same_as(place)
    assert not Place(StoreAddress(Path("servers/host"), "http://host:6334"), "photos").is_same_as(place)
    assert not Place(StoreAddress(Path("servers/host")), "photos").is_same_as(place)


def put_sources(folder: Path, **roots: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "sources.json").write_text(json.dumps(roots))


def sources_in(folder: Path) -> Any:
    return json.loads((folder / "sources.json").read_text())


def test_the_sources_of_the_points_go_along_with_the_list_of_skipped_pictures(small: Place, destination: Place) -> None:
    put_sources(small.address.folder, photos="/here/photos", unused="/here/unused")
    put_sources(destination.address.folder, cats="/there/cats", unused="/there/unused")
    (small.address.folder / "photos" / "skipped.jsonl").write_text('{"image": "photos/broken.jpg"}\n')
    copy_collection(small, destination)
    wanted = {"cats": "/there/cats", "unused": "/there/unused", "photos": "/here/photos"}
    assert sources_in(destination.address.folder) == wanted
    assert (destination.address.folder / "photos" / "skipped.jsonl").read_text() == '{"image": "photos/broken.jpg"}\n'


def test_one_name_for_two_roots_is_refused_before_anything_is_copied(small: Place, destination: Place) -> None:
    put_sources(small.address.folder, photos="/here/photos")
    put_sources(destination.address.folder, photos="/there/photos")
    with pytest.raises(TransferError, match=r"'photos' is /here/photos .* and /there/photos in .*relocate"):
        copy_collection(small, destination)
    assert not (destination.address.folder / "photos").exists()
    assert sources_in(destination.address.folder) == {"photos": "/there/photos"}
