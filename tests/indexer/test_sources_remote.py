"""Sources at URLs: what fsspec reaches, by its memory, a web server and a store of objects that speaks S3."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from doubles.archives import BLUE, RED, jpeg, write_tar
from doubles.web import Handler, serving_folder
from topicidx.embedders import stored_files
from topicidx.embedders.pictures import open_picture
from topicidx.embedders.stored_files import StoredFile
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import ImageError, SourceError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.ingest import ingest
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.settings import IngestSettings


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with pictures of two cities, a table, a text beside a picture, and a shard in a folder of its own."""
    folder = tmp_path / "photos"
    for name, data in (("london/1.jpg", jpeg(RED)), ("paris/2.jpg", jpeg(BLUE)), ("paris/bad.jpg", b"no picture")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "captions.csv").write_text("image,caption,city\nlondon/1.jpg,a red dog,\nlondon/1.jpg,twice,\n")
    (folder / "paris" / "2.txt").write_text("the sea")
    write_tar(tmp_path / "shards" / "0.tar", {"a.jpg": jpeg(RED), "a.txt": "in a shard", "b.jpg": jpeg(BLUE)})
    return folder


@pytest.fixture
def memory(photos: Path) -> Iterator[str]:
    """The folder and the shards in fsspec's memory. -> the URL they lie below"""
    files = fsspec.filesystem("memory")
    for path in photos.parent.rglob("*.*"):
        files.pipe(f"/bucket/{path.relative_to(photos.parent).as_posix()}", path.read_bytes())
    yield "memory://bucket"
    files.rm("/bucket", recursive=True)


@pytest.fixture
def web(photos: Path) -> Iterator[str]:
    """The same from a web server on this machine. -> its URL"""

    class Flaky(Handler):
        failures = 2

        def do_GET(self) -> None:  # noqa: N802
            if self.path.endswith("flaky.jpg") and type(self).failures:
                type(self).failures -= 1
                self.send_error(503)
            else:
                super().do_GET()

    with serving_folder(photos.parent, Flaky) as url:
        yield url


@pytest.fixture(scope="module")
def object_store() -> Iterator[str]:
    """The URL of moto's server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(object_store: str, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same in a bucket of its own. -> the URL they lie below"""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", object_store),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    bucket = f"pictures-{uuid.uuid4()}"
    files = fsspec.filesystem("s3")
    files.mkdir(bucket)
    for path in photos.parent.rglob("*.*"):
        files.pipe(f"{bucket}/{path.relative_to(photos.parent).as_posix()}", path.read_bytes())
    yield f"s3://{bucket}"
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture(params=["memory", "web", "s3"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


def test_a_folder_at_a_url_is_what_it_is_on_this_machine(url: str, photos: Path) -> None:
    here = {post.image: (post.captions, post.city) for post in open_source(photos).posts()}
    there = {post.image: (post.captions, post.city) for post in open_source(f"{url}/photos").posts()}
    assert there == here
    assert here["photos/london/1.jpg"] == (("a red dog", "twice"), "london")
    file = next(iter(open_source(f"{url}/photos").posts())).path
    assert open_picture(file, at_least=1).width == 24


def test_a_manifest_at_a_url_names_pictures_beside_it(url: str) -> None:
    (post,) = open_source(f"{url}/photos/captions.csv").posts()
    assert (post.image, post.captions) == ("photos/london/1.jpg", ("a red dog", "twice"))
    assert str(post.path) == f"{url}/photos/london/1.jpg"
    assert open_picture(post.path, at_least=1).width == 24


def test_shards_at_a_url_are_read_as_they_pass_and_once_more_by_their_place(url: str) -> None:
    first, second = open_source(f"{url}/shards/0.tar").posts()
    assert (first.image, first.captions, second.image) == ("shards/0.tar/a.jpg", ("in a shard",), "shards/0.tar/b.jpg")
    assert isinstance(first.path, StoredFile)
    assert first.path.data is not None
    again = stored_files.picture_file(str(first.path))
    assert again.read_bytes() == first.path.data
    assert [post.image for post in open_source(f"{url}/shards").posts()] == [first.image, second.image]


def test_pictures_at_urls_are_ingested_once(url: str, space: TopicSpace, tmp_path: Path) -> None:
    store = tmp_path / "store"

    def run() -> Any:
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            source = SourceRegistry(store).register(open_source(f"{url}/photos"))
            return ingest(
                source, space, writer, IngestSettings(batch_size=2), skipped_file=store / "photos" / "skipped.jsonl"
            )

    report = run()
    assert (report.indexed, [entry.image for entry in report.skipped]) == (2, ["photos/paris/bad.jpg"])
    again = run()
    assert (again.indexed, again.decoded, again.unchanged, len(again.skipped)) == (0, 0, 2, 1)
    assert SourceRegistry(store).roots["photos"] == open_source(f"{url}/photos").root
    file = SourceRegistry(store).file_of("photos/london/1.jpg")
    assert file is not None
    assert open_picture(file, at_least=1).width == 24


def test_a_server_that_fails_for_a_moment_is_asked_again(
    web: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_files, "LONGEST_WAIT", 0.01)
    (photos / "flaky.jpg").write_bytes(jpeg())
    assert open_picture(StoredFile(f"{web}/photos/flaky.jpg"), at_least=1).width == 24


def test_what_is_not_there_or_too_large_is_said_so(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError):
        open_picture(StoredFile(f"{web}/photos/gone.jpg"), at_least=1)
    monkeypatch.setattr(stored_files, "MOST_BYTES", 100)
    with pytest.raises(ImageError, match="more than"):
        open_picture(StoredFile(f"{web}/photos/london/1.jpg"), at_least=1)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("nothing://bucket/photos", "nothing://bucket/photos: Protocol not known"),
        ("memory://nowhere/photos", "there are no pictures in memory://nowhere/photos"),
        ("memory://nowhere/posts.csv", "cannot read memory://nowhere/posts.csv"),
    ],
)
def test_a_url_that_is_no_source_says_why(written: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        list(open_source(written).posts())
    assert said in str(caught.value)
