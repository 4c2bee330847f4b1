"""Pictures inside of other files: WebDataset's tar files and Parquet tables."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from doubles.archives import BLUE, GREY, RED, jpeg, write_tar
from topicidx.cli.app import app
from topicidx.embedders.pictures import open_picture
from topicidx.embedders.stored_files import StoredFile, location_of, picture_file
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import ImageError, SourceError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.ingest import IngestReport
from topicidx.indexer.ingest import ingest as ingest_source
from topicidx.indexer.keys import archive_of, file_of
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.post import Post
from topicidx.settings import IngestSettings


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards as img2dataset writes them."""
    folder = tmp_path / "posts"
    write_tar(folder / "00000.tar", {
        "000000000.jpg": jpeg(RED), "000000000.json": {
            "caption": "a red dog", "url": "https://pics.example/1.jpg", "key": "000000000", "status": "success",
            "width": 24, "height": 24, "exif": "{}", "likes": 3, "city": "London",
        }, "000000000.txt": "a red dog",
        "000000001.json": {"caption": "only JSON has it"}, "000000001.jpg": jpeg(BLUE),
    })  # fmt: skip
    write_tar(folder / "00001.tar", {
        "000010000.jpg": b"no picture", "000010000.txt": "two\n\n captions ",
        "000010001.mp4": b"a film", "000010001.txt": "no picture here",
        "sub.d/000010002.png": jpeg(GREY), "sub.d/000010002.json": "{damaged",
    })  # fmt: skip
    return folder


def posts_of(path: Path) -> dict[str, Post]:
    return {post.image: post for post in open_source(path).posts()}


def test_a_folder_of_tar_files_is_their_pictures_in_order(shards: Path) -> None:
    posts = posts_of(shards)
    assert {key: post.captions for key, post in posts.items()} == {
        "posts/00000.tar/000000000.jpg": ("a red dog",),
        "posts/00000.tar/000000001.jpg": ("only JSON has it",),
        "posts/00001.tar/000010000.jpg": ("two", "captions"),
        "posts/00001.tar/sub.d/000010002.png": (),
    }
    first = posts["posts/00000.tar/000000000.jpg"]
    assert first.city == "London"
    assert first.payload["likes"] == 3
    assert first.payload["url"] == "https://pics.example/1.jpg"
    assert {"exif", "key", "status", "caption"}.isdisjoint(first.payload)
    assert list(open_source(shards).captions()) == [("a red dog",), ("only JSON has it",), ("two", "captions")]


def test_one_tar_file_is_a_source_of_its_folder(shards: Path) -> None:
    assert list(posts_of(shards / "00001.tar")) == [key for key in posts_of(shards) if "00001.tar" in key]


def test_tar_files_beside_pictures_are_no_source(shards: Path) -> None:
    (shards / "a.jpg").write_bytes(jpeg())
    assert list(posts_of(shards)) == ["posts/a.jpg"]


def test_a_picture_is_read_from_its_place_in_the_shard(shards: Path) -> None:
    for key, colour in (("posts/00000.tar/000000001.jpg", BLUE), ("posts/00001.tar/sub.d/000010002.png", GREY)):
        file = posts_of(shards)[key].path
        assert isinstance(file, StoredFile)
        assert file.data is None, "what lies on this machine is read when it is needed"
        again = picture_file(location_of(file))
        for found in (file, again, file_of(key, shards, file.part)):
            pixel = open_picture(found, at_least=1).image.getpixel((0, 0))
            assert all(abs(seen - wanted) < 8 for seen, wanted in zip(pixel, colour, strict=True))  # type: ignore[arg-type]


def test_a_shard_that_ends_too_soon_is_named_and_stops_nothing(shards: Path) -> None:
    whole = (shards / "00000.tar").read_bytes()
    (shards / "00000.tar").write_bytes(whole[:4_000])
    (shards / "00002.tar").write_bytes(b"this is no tar file at all" * 100)
    posts = posts_of(shards)
    broken = [key for key, post in posts.items() if isinstance(post.path, StoredFile) and post.path.wrong]
    assert broken == ["posts/00000.tar", "posts/00002.tar"]
    assert "posts/00001.tar/000010000.jpg" in posts
    with pytest.raises(OSError, match="damaged, and passed over from there on"):
        posts["posts/00002.tar"].path.stat()


def test_whole_shards_are_passed_over_unopened(shards: Path) -> None:
    (shards / "00000.tar").write_bytes(b"would be damaged")
    source = replace(open_source(shards), wanted=lambda key: key == "posts/00001.tar")
    assert {archive_of(post.image) for post in source.posts()} == {"posts/00001.tar"}


@pytest.mark.parametrize("column", ["image", "jpg", "hugging face"])
def test_a_table_may_hold_its_pictures(tmp_path: Path, column: str) -> None:
    pictures = [jpeg(RED), jpeg(BLUE), jpeg(GREY)]
    rows: dict[str, Any] = {
        "caption": ["one", ["two", "more"][0], ""],
        "city": ["London", None, None],
        "likes": [1, None, 3],
    }
    if column == "hugging face":
        rows["image"] = [{"bytes": data, "path": f"{n}.jpg"} for n, data in enumerate(pictures)]
    else:
        rows |= {column: pictures, "key": ["0.jpg", "1.jpg", "2.jpg"]}
    path = tmp_path / "posts" / "train.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table(rows), path, row_group_size=2)
    posts = posts_of(path)
    assert list(posts) == [f"posts/train.parquet/{n}.jpg" for n in range(3)]
    first, second, third = posts.values()
    assert (first.captions, first.city, first.payload.get("likes")) == (("one",), "London", 1)
    assert (second.captions, second.city, "likes" in second.payload) == (("two",), None, False)
    for post, data in zip((first, second, third), pictures, strict=True):
        assert post.path.read_bytes() == data
        assert picture_file(location_of(post.path)).read_bytes() == data
        assert isinstance(post.path, StoredFile)
        assert file_of(post.image, path.parent, post.path.part).read_bytes() == data


def test_a_table_may_name_pictures_and_say_more_of_them(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    path = tmp_path / "posts" / "posts.parquet"
    path.parent.mkdir()
    (path.parent / "a.jpg").write_bytes(jpeg())
    pyarrow.parquet.write_table(
        pyarrow.table(
            {
                "file": ["a.jpg", "https://pics.example/b.jpg?size=1"],
                "captions": [["one", "two"], ["three"]],
                "posted": [datetime(2024, 5, 1, tzinfo=UTC), None],
            }
        ),
        path,
    )
    here, there = open_source(path).posts()
    assert (here.image, here.path, here.captions) == ("posts/a.jpg", path.parent / "a.jpg", ("one", "two"))
    assert str(here.payload["posted"]).startswith("2024-05-01T00:00:00")
    assert there.image == "posts/https://pics.example/b.jpg?size=1"
    assert str(there.path) == "https://pics.example/b.jpg?size=1"
    assert str(file_of(there.image, path.parent)) == "https://pics.example/b.jpg?size=1"


def test_a_file_that_is_no_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(SourceError, match=r"a\.parquet is no Parquet table that can be read"):
        list(open_source(tmp_path / "a.parquet").posts())


def test_a_row_without_a_picture_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"jpg": [b"", jpeg()], "caption": ["none", "one"]}), path)
    empty, whole = open_source(path).posts()
    with pytest.raises(OSError, match="holds no picture"):
        empty.path.stat()
    assert open_picture(whole.path, at_least=1).width == 24


def test_a_shard_that_changed_since_is_not_read_past_its_end(shards: Path) -> None:
    file = posts_of(shards)["posts/00000.tar/000000001.jpg"].path
    (shards / "00000.tar").write_bytes(b"short")
    with pytest.raises(ImageError, match=r"ends before byte \d+: was it changed"):
        open_picture(file, at_least=1)


# Ingest


@pytest.fixture
def ingest(space: TopicSpace, tmp_path: Path) -> Callable[..., IngestReport]:
    def ingest(path: Path, **options: Any) -> IngestReport:
        store = tmp_path / "store"
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            source = SourceRegistry(store).register(open_source(path))
            skipped = store / "photos" / "skipped.jsonl"
            return ingest_source(source, space, writer, IngestSettings(batch_size=2), skipped_file=skipped, **options)

    return ingest


def test_shards_are_ingested_found_again_and_pruned(
    shards: Path, ingest: Callable[..., IngestReport], space: TopicSpace, tmp_path: Path
) -> None:
    first = ingest(shards)
    assert (first.indexed, [entry.image for entry in first.skipped]) == (3, ["posts/00001.tar/000010000.jpg"])
    again = ingest(shards)
    assert (again.indexed, again.decoded, again.unchanged, len(again.skipped)) == (0, 0, 3, 1)
    with Index(space, EmbeddedStore.open(tmp_path / "store", "photos"), SourceRegistry(tmp_path / "store")) as index:
        hits = {hit.image: hit for hit in index.search("dog", limit=10)}
        assert set(hits) == {key for key in posts_of(shards) if key != "posts/00001.tar/000010000.jpg"}
        for key, hit in hits.items():
            assert hit.path is not None
            assert hit.path.read_bytes() == posts_of(shards)[key].path.read_bytes()
            assert index.sources is not None
            assert index.sources.file_of_point(hit.payload) == hit.path
        assert hits["posts/00000.tar/000000000.jpg"].city == "London"
    write_tar(shards / "00000.tar", {"000000000.jpg": jpeg(RED), "000000000.txt": "a red dog again"})
    changed = ingest(shards, prune=True)
    assert (changed.indexed, changed.updated, changed.pruned, changed.points) == (0, 1, 1, 2)


def test_pictures_of_a_damaged_shard_are_kept(shards: Path, ingest: Callable[..., IngestReport]) -> None:
    ingest(shards)
    (shards / "00000.tar").write_bytes(b"damaged " * 200)
    report = ingest(shards, prune=True)
    assert (report.pruned, report.points) == (0, 3)
    (shards / "00000.tar").unlink()
    assert ingest(shards, prune=True).points == 1


def test_shards_that_were_moved_are_followed(shards: Path, ingest: Callable[..., IngestReport], tmp_path: Path) -> None:
    ingest(shards)
    moved = shards.rename(tmp_path / "elsewhere")
    done = CliRunner().invoke(app, ["relocate", "posts", str(moved), "--store", str(tmp_path / "store")])
    assert done.exit_code == 0, done.exception
    assert SourceRegistry(tmp_path / "store").roots["posts"] == moved
    assert "not there" not in done.output
