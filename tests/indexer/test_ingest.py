"""Ingest: every picture once, nothing twice, whatever a folder may hold and whenever it is stopped."""

import json
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import InvalidPointError, StoreNotFoundError
from topicidx.indexer import ingest as ingest_module
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.embedded.writer import EmbeddedWriter
from topicidx.indexer.ingest import IngestReport, OnPicture
from topicidx.indexer.ingest import ingest as ingest_source
from topicidx.indexer.keys import point_id
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.indexer.store import PointFilter
from topicidx.settings import IngestSettings

Paint = Callable[..., Path]
Payloads = dict[str, dict[str, Any]]
BLUE, GREY = (30, 80, 220), (120, 120, 120)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The folder that is ingested; not there yet."""
    return tmp_path / "photos"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of the store; not there yet."""
    return tmp_path / "store"


@pytest.fixture
def ingest(space: TopicSpace, store: Path) -> Callable[..., IngestReport]:
    """ingest(path): as the command line does it, into one store."""

    def ingest(
        path: Path, *, city: str | None = None, space: TopicSpace = space, on_picture: OnPicture | None = None, **settings: Any
    ) -> IngestReport:  # fmt: skip
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            return ingest_source(
                SourceRegistry(store).register(open_source(path, city=city)),
                space,
                writer,
                IngestSettings(**({"batch_size": 2} | settings)),
                skipped_file=store / "photos" / "skipped.jsonl",
                on_picture=on_picture,
            )

    return ingest


def payloads_in(store: Path) -> Payloads:
    with EmbeddedStore.open(store) as opened:
        return {str(record.payload["image"]): dict(record.payload) for record in opened.scroll()}


def vector_of(store: Path, image: str) -> NDArray[np.float32]:
    with EmbeddedStore.open(store) as opened:
        return opened.vectors([point_id(image)])[0]


def listed_in(store: Path) -> dict[str, str]:
    lines = (store / "photos" / "skipped.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["image"]: entry["reason"] for entry in map(json.loads, lines)}


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    """(indexed, updated, unchanged, skipped)"""
    return report.indexed, report.updated, report.unchanged, len(report.skipped)


def touch_later(path: Path) -> None:
    """Give a file a later time of change, which on a coarse clock it might not get by being written."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def png_of_30000_pixels_a_side() -> bytes:
    """A small file that claims to be a picture of 900 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(90_001) * 20, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# What is written


def test_a_payload_holds_what_is_known_of_a_picture(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, space: TopicSpace
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2016:05:04 03:02:01"
    exif[0x0112] = 6  # lies on its side
    path = paint(photos / "s\u00e3o paulo" / "a.jpg", BLUE, (40, 20), exif=exif)
    paint(photos / "london" / "b.jpg", GREY)
    (photos / "captions.csv").write_text(
        "image,caption,city,place,image_id,topics\na.jpg,one,S\u00e3o  PAULO,Ibirapuera,7,mine\na.jpg,two,,,,\n",
        encoding="utf-8",
    )
    report = ingest(photos)
    assert counts(report) == (2, 0, 0, 0)
    assert (report.points, report.decoded, report.other_sources) == (2, 2, {})
    payload = payloads_in(store)["photos/s\u00e3o paulo/a.jpg"]
    topics = payload.pop("topics")
    assert payload == {
        "image": "photos/s\u00e3o paulo/a.jpg",
        "source": "photos",
        "city": "s\u00e3o paulo",
        "city_label": "S\u00e3o  PAULO",
        "captions": ["one", "two"],
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "size": path.stat().st_size,
        "mtime": path.stat().st_mtime_ns,
        "width": 20,
        "height": 40,
        "taken_at": "2016-05-04T03:02:01",
        "location": None,
        "gps_city": None,
        "space": space.vector_space,
        "post": payload["post"],
        "place": "Ibirapuera",
        "image_id": "7",
    }
    vector = vector_of(store, "photos/s\u00e3o paulo/a.jpg")
    leading = np.argsort(-vector, kind="stable")[:5]
    assert [entry["topic"] for entry in topics] == leading.tolist()
    assert [entry["weight"] for entry in topics] == pytest.approx(vector[leading].tolist(), abs=1e-6)
    other = payloads_in(store)["photos/london/b.jpg"]
    assert (other["city"], other["city_label"], other["captions"], other["taken_at"]) == ("london", "london", [], None)
    with EmbeddedStore.open(store) as opened:
        assert opened.facet("city") == {"london": 1, "s\u00e3o paulo": 1}
        assert opened.facet("source") == {"photos": 2}
        assert opened.count(PointFilter(("s\u00e3o paulo",))) == 1


def test_vectors_are_those_of_the_topic_space(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, space: TopicSpace
) -> None:
    paths = [paint(photos / f"{number}.png", (number * 40, 255 - number * 40, 90)) for number in range(5)]
    report = ingest(photos)
    assert (report.indexed, report.images_per_second > 0, report.seconds > 0) == (5, True, True)
    expected = space.encode_images(paths)
    for path, vector in zip(paths, expected, strict=True):
        np.testing.assert_array_equal(vector_of(store, f"photos/{path.name}"), vector)
    json.dumps(report.to_json())


def test_names_of_every_kind_are_indexed_and_found_again(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    names = [
        'it\'s "a".jpg',
        "two\nlines.jpg",
        "\N{SUNRISE}.jpg",
        "cafe\u0301.jpg",
        "caf\udce9.jpg",
        "100%41.jpg",
        "a.b.jpg",
    ]
    for name in names:
        paint(photos / name)
    assert counts(ingest(photos)) == (len(names), 0, 0, 0)
    registry = SourceRegistry(store)
    files = {registry.file_of(image) for image in payloads_in(store)}
    assert files == {photos / name for name in names}
    decoded.clear()
    assert counts(ingest(photos)) == (0, 0, len(names), 0)
    assert decoded == []


# Again


def test_a_second_ingest_decodes_nothing_and_changes_nothing(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    for number in range(5):
        paint(photos / f"{number}.jpg")
    assert ingest(photos).points == 5
    before = payloads_in(store)
    assert sorted(decoded) == [f"{number}.jpg" for number in range(5)]
    decoded.clear()
    again = ingest(photos)
    assert counts(again) == (0, 0, 5, 0)
    assert (again.points, again.decoded, decoded) == (5, 0, [])
    assert payloads_in(store) == before
    with EmbeddedStore.open(store) as opened:
        assert opened.info().generation == "g000001"


def test_new_and_changed_files_alone_are_decoded(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    for name in ("a", "b", "c"):
        paint(photos / f"{name}.jpg", GREY)
    ingest(photos)
    before, vector = payloads_in(store), vector_of(store, "photos/b.jpg")
    decoded.clear()
    touch_later(paint(photos / "b.jpg", BLUE, (50, 40)))
    paint(photos / "d.jpg", BLUE)
    report = ingest(photos)
    assert counts(report) == (2, 0, 2, 0)
    assert report.points == 4
    assert sorted(decoded) == ["b.jpg", "d.jpg"]
    after = payloads_in(store)
    assert {image: payload for image, payload in after.items() if image in ("photos/a.jpg", "photos/c.jpg")} == {
        image: payload for image, payload in before.items() if image != "photos/b.jpg"
    }
    assert (after["photos/b.jpg"]["width"], after["photos/b.jpg"]["height"]) == (50, 40)
    assert after["photos/b.jpg"]["sha256"] != before["photos/b.jpg"]["sha256"]
    assert np.abs(vector_of(store, "photos/b.jpg") - vector).max() > 0.1
    decoded.clear()
    assert counts(ingest(photos)) == (0, 0, 4, 0)
    assert decoded == []


def test_a_file_with_another_time_but_the_same_bytes_is_not_decoded(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    path = paint(photos / "a.jpg")
    ingest(photos)
    vector = vector_of(store, "photos/a.jpg")
    touch_later(path)
    decoded.clear()
    assert counts(ingest(photos)) == (0, 1, 0, 0)
    assert decoded == []
    assert payloads_in(store)["photos/a.jpg"]["mtime"] == path.stat().st_mtime_ns
    np.testing.assert_array_equal(vector_of(store, "photos/a.jpg"), vector)
    assert counts(ingest(photos)) == (0, 0, 1, 0)


def test_a_file_of_the_same_size_with_another_time_and_other_bytes_is_decoded(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    path = paint(photos / "a.jpg", BLUE)
    ingest(photos)
    vector, size = vector_of(store, "photos/a.jpg"), path.stat().st_size
    touch_later(paint(path, GREY))
    with path.open("ab") as file:
        file.write(bytes(max(0, size - path.stat().st_size)))
    os.truncate(path, size) if path.stat().st_size > size else None
    touch_later(path)
    decoded.clear()
    assert path.stat().st_size == size
    assert counts(ingest(photos)) == (1, 0, 0, 0)
    assert decoded == ["a.jpg"]
    assert np.abs(vector_of(store, "photos/a.jpg") - vector).max() > 0.1


def test_where_only_the_table_changed_only_payloads_are_written(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    for name in ("a", "b"):
        paint(photos / f"{name}.jpg")
    table = photos / "captions.csv"
    table.write_text("image,caption,city,place,stars\na.jpg,one,London,Kew,5\nb.jpg,other,Rome,Forum,4\n")
    ingest(photos)
    before, vector = payloads_in(store), vector_of(store, "photos/a.jpg")
    decoded.clear()
    table.write_text("image,caption,city,place\na.jpg,one,PARIS,Louvre\na.jpg,two,,\nb.jpg,other,Rome,Forum\n")
    report = ingest(photos)
    assert counts(report) == (0, 2, 0, 0)
    assert (report.points, report.decoded, decoded) == (2, 0, [])
    after = payloads_in(store)
    changed = {"captions": ["one", "two"], "city": "paris", "city_label": "PARIS", "place": "Louvre"}
    expected = {
        name: value for name, value in before["photos/a.jpg"].items() if name not in ("stars", "post")
    } | changed
    assert {name: value for name, value in after["photos/a.jpg"].items() if name != "post"} == expected
    np.testing.assert_array_equal(vector_of(store, "photos/a.jpg"), vector)
    with EmbeddedStore.open(store) as opened:
        assert opened.facet("city") == {"paris": 1, "rome": 1}
    assert counts(ingest(photos)) == (0, 0, 2, 0)
    assert counts(ingest(photos, city="Oslo")) == (0, 2, 0, 0)
    assert {payload["city"] for payload in payloads_in(store).values()} == {"oslo"}
    assert decoded == []


def test_a_manifest_and_its_folder_are_the_same_pictures(
    photos: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    paint(photos / "sub" / "a.jpg")
    paint(photos / "b.jpg")
    (photos / "captions.csv").write_text("image,caption\nsub/a.jpg,x\nb.jpg,y\n")
    assert ingest(photos).points == 2
    decoded.clear()
    assert counts(ingest(photos / "captions.csv")) == (0, 0, 2, 0)
    assert decoded == []


def test_a_part_of_a_source_is_the_same_pictures(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "london" / "a.jpg")
    paint(photos / "paris" / "b.jpg")
    ingest(photos)
    before = payloads_in(store)
    report = ingest(photos / "london")
    assert counts(report) == (0, 0, 1, 0)
    assert report.points == 2
    assert payloads_in(store) == before


def test_a_second_source_leaves_the_first_and_counts_it(
    tmp_path: Path, photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "a.jpg")
    paint(tmp_path / "more" / "photos" / "a.jpg", GREY)
    paint(tmp_path / "more" / "photos" / "b.jpg", GREY)
    ingest(photos)
    report = ingest(tmp_path / "more" / "photos")
    assert (counts(report), report.points, report.other_sources) == ((2, 0, 0, 0), 3, {"photos": 1})
    assert set(payloads_in(store)) == {"photos/a.jpg", "photos-2/a.jpg", "photos-2/b.jpg"}
    assert ingest(photos).other_sources == {"photos-2": 2}


def test_another_space_encodes_everything_again(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, other_space: TopicSpace
) -> None:
    for number in range(3):
        paint(photos / f"{number}.jpg")
    ingest(photos)
    report = ingest(photos, space=other_space)
    assert (counts(report), report.points, report.other_sources) == ((3, 0, 0, 0), 3, {})
    assert {payload["space"] for payload in payloads_in(store).values()} == {other_space.vector_space}


# What cannot be read


def make_broken(photos: Path, paint: Paint) -> dict[str, str]:
    """Files that are no pictures, in one folder, with the reasons to be given."""
    photos.mkdir(parents=True, exist_ok=True)
    whole = paint(photos / "whole.jpg", size=(300, 300), quality=95).read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "te\"xt'\n\N{SUNRISE}.jpg").write_text("a letter")
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "bomb.png").write_bytes(png_of_30000_pixels_a_side())
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    (photos / "dangling.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "folder.jpg").mkdir()
    return {
        "photos/cut.jpg": "damaged",
        "photos/te\"xt'\n\N{SUNRISE}.jpg": "not a picture",
        "photos/empty.jpg": "empty",
        "photos/bomb.png": "pixels",
        "photos/loop.jpg": "symbolic links",
        "photos/dangling.jpg": "No such file",
    }


def test_broken_files_are_skipped_with_reasons_and_not_tried_again(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    reasons = make_broken(photos, paint)
    report = ingest(photos)
    assert counts(report) == (1, 0, 0, len(reasons))
    assert report.points == 1
    assert {skipped.image for skipped in report.skipped} == set(reasons)
    for skipped in report.skipped:
        assert reasons[skipped.image] in skipped.reason
        assert skipped.path == str(photos / skipped.image.removeprefix("photos/"))
    assert listed_in(store) == {skipped.image: skipped.reason for skipped in report.skipped}
    assert set(payloads_in(store)) == {"photos/whole.jpg"}
    decoded.clear()
    again = ingest(photos)
    assert counts(again) == (0, 0, 1, len(reasons))
    assert set(decoded) <= {"bomb.png"}  # the limit might have been raised, which its first bytes tell
    assert listed_in(store) == {skipped.image: skipped.reason for skipped in report.skipped}


def test_a_manifests_missing_pictures_folders_and_odd_names_are_skipped(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "a.jpg")
    (photos / "folder.jpg").mkdir()
    names = ["a.jpg", "gone.jpg", "folder.jpg", "nul\x00.jpg", f"{300 * 'x'}.jpg", "half \ud83d.jpg"]
    (photos / "list.jsonl").write_text("".join(json.dumps({"image": name, "caption": "x"}) + "\n" for name in names))
    report = ingest(photos / "list.jsonl")
    assert counts(report) == (1, 0, 0, len(names) - 1)
    reasons = {skipped.path.removeprefix(f"{photos}/"): skipped.reason for skipped in report.skipped}
    assert reasons["gone.jpg"] == "No such file or directory"
    assert reasons["folder.jpg"] == "not a file"
    assert all(reasons.values())
    assert len(listed_in(store)) == len(names) - 1


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('"caption": "cut \\ud83d"', {}),
        ('"caption": "cut x", "likes": NaN', {}),
        ('"caption": "cut x", "likes": 1e999', {}),
        ('"caption": "cut x", "deep": [{"likes": -1e999}]', {}),
        (f'"caption": "cut x", "number": {10**400}', {}),
        (f'"caption": "cut x", "number": {2**63 - 1}', {"number": 2**63 - 1}),
    ],
    ids=["half a character", "NaN", "too large", "too large inside", "too long", "large"],
)
def test_values_that_no_store_holds_do_not_stop_a_run(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, written: str, kept: dict[str, Any]
) -> None:
    paint(photos / "a.jpg")
    paint(photos / "b.jpg")
    (photos / "list.jsonl").write_text(f'{{"image": "a.jpg", {written}}}\n{{"image": "b.jpg", "caption": "whole"}}\n')
    assert ingest(photos / "list.jsonl").indexed == 2
    payloads = payloads_in(store)
    assert payloads["photos/b.jpg"]["captions"] == ["whole"]
    assert payloads["photos/a.jpg"]["captions"][0].startswith("cut ")
    assert kept.items() <= payloads["photos/a.jpg"].items()
    assert counts(ingest(photos / "list.jsonl")) == (0, 0, 2, 0)


def test_folder_names_that_are_not_utf8_do_not_stop_a_run(
    photos: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "london" / "a.jpg")
    paint(photos / "m\udcfcnchen" / "b.jpg")
    assert counts(ingest(photos)) == (2, 0, 0, 0)


def test_a_file_that_was_repaired_is_indexed(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "whole.jpg")
    (photos / "broken.jpg").write_text("a letter")
    assert counts(ingest(photos)) == (1, 0, 0, 1)
    touch_later(paint(photos / "broken.jpg"))
    report = ingest(photos)
    assert (counts(report), report.points) == ((1, 0, 1, 0), 2)
    assert listed_in(store) == {}


def test_a_higher_limit_of_pixels_is_tried_on_what_was_too_large(
    photos: Path, ingest: Callable[..., IngestReport], paint: Paint
) -> None:
    paint(photos / "large.jpg", size=(100, 100))
    paint(photos / "small.jpg", size=(10, 10))
    assert counts(ingest(photos, max_pixels=1_000)) == (1, 0, 0, 1)
    assert counts(ingest(photos, max_pixels=10_000)) == (1, 0, 1, 0)


def test_another_source_leaves_the_list_of_what_was_skipped(
    tmp_path: Path, photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    for folder in (photos, tmp_path / "other"):
        paint(folder / "whole.jpg")
        (folder / "broken.jpg").write_text("a letter")
        ingest(folder)
    assert set(listed_in(store)) == {"photos/broken.jpg", "other/broken.jpg"}
    decoded.clear()
    assert counts(ingest(photos)) == (0, 0, 1, 1)
    assert decoded == []


def test_a_damaged_list_of_what_was_skipped_only_costs_work(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, decoded: list[str]
) -> None:
    paint(photos / "whole.jpg")
    (photos / "broken.jpg").write_text("a letter")
    ingest(photos)
    (store / "photos" / "skipped.jsonl").write_bytes(b'{"image"\n\xff')
    decoded.clear()
    assert counts(ingest(photos)) == (0, 0, 1, 1)
    assert decoded == ["broken.jpg"]
    assert set(listed_in(store)) == {"photos/broken.jpg"}


# Stopped


class BrokenEncoder:
    """An image encoder whose vectors are not finite."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def encode(self, prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self.encoder.encode(prepared)
        vectors[-1, 0] = np.nan
        return vectors


def test_vectors_that_are_not_finite_are_never_published(
    photos: Path, store: Path, ingest: Callable[..., IngestReport], paint: Paint, space: TopicSpace
) -> None:
    paint(photos / "a.jpg")
    encoder = space.image_encoder
    space.__dict__["image_encoder"] = BrokenEncoder(encoder)
    with pytest.raises(InvalidPointError, match=str(point_id("photos/a.jpg"))):
        ingest(photos)
    with pytest.raises(StoreNotFoundError):
        EmbeddedStore.open(store)
    space.__dict__["image_encoder"] = encoder
    assert ingest(photos).points == 1


def test_an_interrupted_ingest_goes_on_with_the_rest(
    photos: Path,
    store: Path,
    ingest: Callable[..., IngestReport],
    paint: Paint,
    decoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest_module, "CHECKPOINT_POINTS", 2)
    checkpoint, checkpoints = EmbeddedWriter.checkpoint, []

    def count_checkpoint(writer: EmbeddedWriter) -> None:
        checkpoint(writer)
        checkpoints.append(writer)

    monkeypatch.setattr(EmbeddedWriter, "checkpoint", count_checkpoint)
    for number in range(20):
        paint(photos / f"{number:02}.jpg")
    (photos / "broken.jpg").write_text("a letter")

    def interrupt(report: IngestReport) -> None:
        if report.indexed == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(photos, on_picture=interrupt)
    assert len(checkpoints) == 2
    with pytest.raises(StoreNotFoundError):
        EmbeddedStore.open(store)
    decoded.clear()
    report = ingest(photos)
    assert counts(report) == (14, 0, 6, 1)
    assert report.points == 20
    assert sorted(decoded) == [*(f"{number:02}.jpg" for number in range(6, 20)), "broken.jpg"]
    assert len(payloads_in(store)) == 20


def test_progress_is_told_picture_by_picture(photos: Path, ingest: Callable[..., IngestReport], paint: Paint) -> None:
    for number in range(3):
        paint(photos / f"{number}.jpg")
    (photos / "broken.jpg").write_text("a letter")
    done: list[int] = []

    def note(report: IngestReport) -> None:
        done.append(sum(counts(report)))

    ingest(photos, on_picture=note)
    ingest(photos, on_picture=note)
    assert done[-1] == 4
    assert done.count(4) >= 2
    assert done[: done.index(4)] == sorted(done[: done.index(4)])


def test_pictures_that_need_no_decoding_need_no_image_encoder(
    photos: Path, ingest: Callable[..., IngestReport], paint: Paint, space: TopicSpace
) -> None:
    paint(photos / "a.jpg")
    (photos / "broken.jpg").write_text("a letter")
    ingest(photos)
    (photos / "a.txt").write_text("a new caption")
    opened = TopicSpace.load(space.folder)
    assert counts(ingest(photos, space=opened)) == (0, 1, 0, 1)
    assert "image_encoder" not in opened.__dict__
