"""What a second ingest makes of renamed, copied, exchanged and vanished files, and of what it would make of them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.ingest import IngestReport, plan_ingest
from topicidx.indexer.ingest import ingest as ingest_source
from topicidx.indexer.keys import point_id
from topicidx.indexer.known_pictures import KNOWN_FIELDS
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.settings import IngestSettings

Paint = Callable[..., Path]
BLUE, GREY, BROWN = (30, 80, 220), (120, 120, 120), (90, 50, 20)


@pytest.fixture
def photos(tmp_path: Path, paint: Paint) -> Path:
    """A folder of three pictures of different colours."""
    for name, colour in (("a", BLUE), ("b", GREY), ("c", BROWN)):
        paint(tmp_path / "photos" / f"{name}.jpg", colour)
    return tmp_path / "photos"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def ingest(space: TopicSpace, store: Path) -> Callable[..., IngestReport]:
    def ingest(path: Path, *, prune: bool = False, **settings: Any) -> IngestReport:
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            return ingest_source(
                SourceRegistry(store).register(open_source(path)), space, writer,
                IngestSettings(**({"batch_size": 2} | settings)), skipped_file=store / "skipped.jsonl", prune=prune,
            )  # fmt: skip

    return ingest


@pytest.fixture
def plan(space: TopicSpace, store: Path) -> Callable[..., IngestReport]:
    """plan(path): what an ingest would do, by the store as it is."""

    def plan(path: Path, *, prune: bool = False, **settings: Any) -> IngestReport:
        known, fields = [], {}
        if store.exists():
            with EmbeddedStore.open(store) as opened:
                known, fields = list(opened.scroll(KNOWN_FIELDS)), opened.info().fields
        return plan_ingest(
            SourceRegistry(store).resolve(open_source(path)), space, known, fields,
            IngestSettings(**settings), skipped_file=store / "skipped.jsonl", prune=prune,
        )  # fmt: skip

    return plan


def content(store: Path) -> dict[str, tuple[dict[str, Any], NDArray[np.float32]]]:
    """Payload and vector of every picture, by name."""
    with EmbeddedStore.open(store) as opened:
        records = list(opened.scroll())
        vectors = opened.vectors([record.id for record in records])
    for record in records:
        assert record.id == point_id(str(record.payload["image"]))
    return {
        str(record.payload["image"]).partition("/")[2]: (dict(record.payload), vector)
        for record, vector in zip(records, vectors, strict=True)
    }


def did(report: IngestReport) -> dict[str, int]:
    """What an ingest did, without what it did not."""
    names = ("indexed", "reused", "updated", "unchanged", "vanished", "pruned", "duplicates")
    counted = {name: getattr(report, name) for name in names} | {"skipped": len(report.skipped)}
    return {name: count for name, count in counted.items() if count}


def same_vector(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return one.tobytes() == other.tobytes()


def test_a_renamed_file_takes_its_vector_along_and_is_not_decoded(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], decoded: list[str]
) -> None:
    ingest(photos)
    before = content(store)
    decoded.clear()
    (photos / "sub").mkdir()
    (photos / "a.jpg").rename(photos / "sub" / "new name.jpg")
    assert did(ingest(photos, prune=True)) == {"reused": 1, "unchanged": 2, "vanished": 1, "pruned": 1}
    assert decoded == []
    after = content(store)
    assert set(after) == {"sub/new name.jpg", "b.jpg", "c.jpg"}
    payload, vector = after["sub/new name.jpg"]
    assert same_vector(vector, before["a.jpg"][1])
    expected = before["a.jpg"][0] | {
        "image": "photos/sub/new name.jpg",
        "mtime": payload["mtime"],
        "post": payload["post"],
    }
    assert payload == expected


def test_a_copied_file_shares_the_vector_and_is_counted_as_a_duplicate(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], decoded: list[str]
) -> None:
    ingest(photos)
    decoded.clear()
    shutil.copy(photos / "a.jpg", photos / "copy 1.jpg")
    shutil.copy(photos / "a.jpg", photos / "copy 2.jpg")
    assert did(ingest(photos)) == {"reused": 2, "unchanged": 3, "duplicates": 2}
    assert decoded == []
    after = content(store)
    assert same_vector(after["copy 1.jpg"][1], after["a.jpg"][1])
    assert did(ingest(photos)) == {"unchanged": 5, "duplicates": 2}


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_copies_in_one_ingest_are_decoded_once(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], decoded: list[str], batch_size: int
) -> None:
    for number in range(20):
        shutil.copy(photos / f"{'abc'[number % 3]}.jpg", photos / f"{number:02}.jpg")
    assert did(ingest(photos, batch_size=batch_size)) == {"indexed": 3, "reused": 20, "duplicates": 20}
    assert len(decoded) == 3
    after = content(store)
    for number in range(20):
        assert same_vector(after[f"{number:02}.jpg"][1], after[f"{'abc'[number % 3]}.jpg"][1])


def test_copies_of_a_broken_file_are_all_skipped_with_the_same_reason(
    photos: Path, ingest: Callable[..., IngestReport], decoded: list[str]
) -> None:
    for number in range(4):
        (photos / f"broken {number}.jpg").write_text("a letter")
    report = ingest(photos)
    assert did(report) == {"indexed": 3, "skipped": 4}
    assert len({skipped.reason for skipped in report.skipped}) == 1
    assert sum(name.startswith("broken") for name in decoded) == 1


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_files_that_exchange_their_names_exchange_their_vectors(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], batch_size: int
) -> None:
    ingest(photos)
    before = content(store)
    (photos / "a.jpg").rename(photos / "x.jpg")
    (photos / "b.jpg").rename(photos / "a.jpg")
    (photos / "c.jpg").rename(photos / "b.jpg")
    (photos / "x.jpg").rename(photos / "c.jpg")
    report = ingest(photos, batch_size=batch_size)
    assert report.indexed + report.reused == 3
    after = content(store)
    for name, was in (("a.jpg", "b.jpg"), ("b.jpg", "c.jpg"), ("c.jpg", "a.jpg")):
        assert same_vector(after[name][1], before[was][1])
        assert after[name][0]["sha256"] == before[was][0]["sha256"]


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_a_moved_file_whose_old_name_got_another_picture_keeps_its_own_vector(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, batch_size: int
) -> None:
    ingest(photos)
    before = content(store)
    (photos / "a.jpg").rename(photos / "z.jpg")
    paint(photos / "a.jpg", (210, 140, 40))
    ingest(photos, batch_size=batch_size)
    after = content(store)
    np.testing.assert_allclose(after["z.jpg"][1], before["a.jpg"][1], rtol=1e-5)
    assert after["z.jpg"][0]["sha256"] == before["a.jpg"][0]["sha256"]
    assert np.abs(after["a.jpg"][1] - before["a.jpg"][1]).max() > 0.1


def test_vanished_files_are_counted_and_removed_only_when_asked(
    photos: Path, store: Path, ingest: Callable[..., IngestReport]
) -> None:
    ingest(photos)
    (photos / "b.jpg").unlink()
    report = ingest(photos)
    assert did(report) == {"unchanged": 2, "vanished": 1}
    assert report.points == 3
    report = ingest(photos, prune=True)
    assert did(report) == {"unchanged": 2, "vanished": 1, "pruned": 1}
    assert report.points == 2
    assert set(content(store)) == {"a.jpg", "c.jpg"}
    assert did(ingest(photos, prune=True)) == {"unchanged": 2}


def test_pruning_a_part_of_a_source_leaves_the_rest_and_other_sources(
    tmp_path: Path, photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "sub" / "d.jpg", GREY)
    paint(photos / "sub" / "e.jpg", GREY)
    paint(tmp_path / "other" / "f.jpg", GREY)
    ingest(photos)
    ingest(tmp_path / "other")
    for gone in (photos / "a.jpg", photos / "sub" / "d.jpg", tmp_path / "other" / "f.jpg"):
        gone.unlink()
    assert did(ingest(photos / "sub", prune=True))["pruned"] == 1
    assert set(content(store)) == {"a.jpg", "b.jpg", "c.jpg", "sub/e.jpg", "f.jpg"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_not_taken_for_gone(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "sub" / "d.jpg", GREY)
    ingest(photos)
    (photos / "sub").chmod(0)
    try:
        assert did(ingest(photos, prune=True)) == {"unchanged": 3}
    finally:
        (photos / "sub").chmod(0o755)


def test_an_unreachable_file_is_not_taken_for_gone(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(photos)
    (photos / "b.jpg").unlink()
    stat = Path.stat

    def refuse(self: Path, **options: Any) -> os.stat_result:
        if self.name == "b.jpg":
            raise PermissionError(13, "Permission denied")
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    assert did(ingest(photos, prune=True)) == {"unchanged": 2}


def test_names_that_differ_in_their_normal_form_alone_are_said_to_clash(
    tmp_path: Path, ingest: Callable[..., IngestReport], paint: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    paint(tmp_path / "names" / "caf\u00e9.jpg", BLUE)
    paint(tmp_path / "names" / "cafe\u0301.jpg", GREY)
    assert did(ingest(tmp_path / "names")) == {"indexed": 1}
    assert "same name in another Unicode normal form" in caplog.text


def test_a_removed_picture_that_comes_back_is_indexed_again(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    ingest(photos)
    before = content(store)
    picture = (photos / "b.jpg").read_bytes()
    (photos / "b.jpg").unlink()
    ingest(photos, prune=True)
    (photos / "b.jpg").write_bytes(picture)
    assert did(ingest(photos, prune=True)) == {"indexed": 1, "unchanged": 2}
    assert same_vector(content(store)["b.jpg"][1], before["b.jpg"][1])


def test_what_would_be_done_is_what_is_done(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], plan: Callable[..., IngestReport], paint: Paint,
    decoded: list[str],
) -> None:  # fmt: skip
    assert did(plan(photos)) == {"indexed": 3}
    assert not store.exists()
    ingest(photos)
    decoded.clear()
    paint(photos / "new.jpg", BROWN)
    shutil.copy(photos / "new.jpg", photos / "new copy.jpg")
    (photos / "a.jpg").rename(photos / "moved.jpg")
    os.utime(photos / "b.jpg", ns=(1, 1))
    (photos / "captions.csv").write_text("image,caption\nc.jpg,a caption\n")
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    planned = plan(photos, prune=True)
    assert planned.dry_run
    assert decoded == []
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    done = ingest(photos, prune=True)
    expected = {"indexed": 1, "reused": 2, "updated": 2, "vanished": 1, "pruned": 1}
    assert {name: count for name, count in did(planned).items() if name != "duplicates"} == expected
    assert did(done) == expected | {"duplicates": 1}
    assert planned.points == done.points == len(content(store)) == 5


def test_where_nothing_needs_decoding_the_image_encoder_is_not_loaded(
    photos: Path, ingest: Callable[..., IngestReport], space: TopicSpace
) -> None:
    ingest(photos)
    space.__dict__.pop("image_encoder", None)
    shutil.copy(photos / "a.jpg", photos / "copy.jpg")
    os.utime(photos / "b.jpg", ns=(1, 1))
    assert did(ingest(photos)) == {"reused": 1, "updated": 1, "unchanged": 2, "duplicates": 1}
    assert "image_encoder" not in space.__dict__


# Typed columns


def test_columns_are_read_as_the_types_they_are_indexed_as(
    photos: Path, store: Path, ingest: Callable[..., IngestReport]
) -> None:
    (photos / "captions.csv").write_text(
        "image,caption,author,likes,score,flagged,posted\n"
        "a.jpg,x,12,7,0.5,yes,2024\nb.jpg,x,Ann, 1e3 ,2,no,2024-01-01 10:00\nc.jpg,x,,many,inf,maybe,today\n"
    )
    fields = {"author": "keyword", "likes": "integer", "score": "float", "flagged": "bool", "posted": "datetime"}
    report = ingest(photos, index_fields=fields)
    after = {name: {field: payload.get(field) for field in fields} for name, (payload, _) in content(store).items()}
    assert after == {
        "a.jpg": {"author": "12", "likes": 7, "score": 0.5, "flagged": True, "posted": "2024-01-01T00:00:00"},
        "b.jpg": {"author": "Ann", "likes": 1000, "score": 2.0, "flagged": False, "posted": "2024-01-01T10:00:00"},
        "c.jpg": dict.fromkeys(fields),
    }
    assert isinstance(after["b.jpg"]["likes"], int)
    assert report.refused_values == {"likes": 1, "score": 1, "flagged": 1, "posted": 1}
    assert report.refused_examples == {"likes": "many", "score": "inf", "flagged": "maybe", "posted": "today"}
    with EmbeddedStore.open(store) as opened:
        assert opened.info().fields == {"city": "keyword", "source": "keyword", "taken_at": "datetime"} | fields
        assert opened.facet("author") == {"12": 1, "Ann": 1}
    assert did(ingest(photos)) == {"unchanged": 3}  # without being told the types again


def test_a_field_that_is_indexed_later_is_typed_when_the_source_is_ingested_again(
    photos: Path, store: Path, ingest: Callable[..., IngestReport]
) -> None:
    (photos / "captions.csv").write_text("image,caption,likes\na.jpg,x,7\n")
    ingest(photos)
    assert content(store)["a.jpg"][0]["likes"] == "7"
    report = ingest(photos, index_fields={"likes": "integer", "lieks": "integer"})
    assert did(report) == {"updated": 1, "unchanged": 2}
    assert report.unseen_fields == ["lieks"]
    assert content(store)["a.jpg"][0]["likes"] == 7
