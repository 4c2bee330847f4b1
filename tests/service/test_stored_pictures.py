"""Pictures that are no files of their own: in tar files they are shown, at URLs only where that is wanted, elsewhere never."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from doubles.archives import BLUE, RED, jpeg, write_tar
from doubles.services import Serving
from doubles.web import serving_folder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id

SECRET = jpeg()
#: All of it, as the payload of a picture in a tar file tells where that lies.
PART = f"bytes=0-{len(SECRET)}"


@pytest.fixture
def stored_home(space_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A workspace with a picture in a tar file and one at a URL."""
    home, web = tmp_path / "home", tmp_path / "web"
    shutil.copytree(space_folder, home / ".topicidx" / "space")
    write_tar(home / "photos" / "00000.tar", {"a.jpg": jpeg(RED, 40), "a.txt": "dog"})
    web.mkdir()
    (web / "b.jpg").write_bytes(jpeg(BLUE, 30))
    with serving_folder(web) as address:
        (home / "links").mkdir()
        (home / "links" / "posts.csv").write_text(f"url,caption\n{address}/b.jpg,sea\n", encoding="utf-8")
        with Index.open(home) as index:
            index.ingest(home / "photos")
            index.ingest(home / "links" / "posts.csv")
        yield home


def id_at_url(home: Path) -> str:
    url = (home / "links" / "posts.csv").read_text(encoding="utf-8").splitlines()[1].partition(",")[0]
    return str(point_id(f"links/{url}"))


def test_a_picture_in_a_tar_file_is_shown(stored_home: Path, serving: Serving) -> None:
    picture = point_id("photos/00000.tar/a.jpg")
    with serving(stored_home) as client:
        file = client.get(f"/api/pictures/{picture}/file")
        assert (file.status_code, file.headers["content-type"], file.content) == (200, "image/jpeg", jpeg(RED, 40))
        small = client.get(f"/api/pictures/{picture}/thumbnail?size=160")
        assert Image.open(io.BytesIO(small.content)).size == (40, 40)
        again = client.get(f"/api/pictures/{picture}/file", headers={"If-None-Match": file.headers["etag"]})
        assert again.status_code == 304


def test_a_picture_at_a_url_is_fetched_only_where_that_is_wanted(stored_home: Path, serving: Serving) -> None:
    picture = id_at_url(stored_home)
    with serving(stored_home) as client:
        for what in ("file", "thumbnail"):
            refused = client.get(f"/api/pictures/{picture}/{what}")
            assert refused.status_code == 404
            assert "topicidx serve --fetch" in refused.json()["error"]["message"]
    with serving(stored_home, fetch=True) as client:
        assert client.get(f"/api/pictures/{picture}/file").content == jpeg(BLUE, 30)


@pytest.mark.parametrize(
    ("key", "at"),
    [
        ("photos/../secret.tar/a.jpg", PART),
        ("photos//{home}/secret.tar/a.jpg", PART),
        ("photos/%2e%2e/secret.tar/a.jpg", PART),
        ("photos/file://{home}/secret.jpg", None),
        ("photos/file://{home}/secret.tar/a.jpg", PART),
    ],
)
def test_keys_of_a_strangers_store_lead_nowhere_else(
    stored_home: Path, space: TopicSpace, serving: Serving, key: str, at: str | None
) -> None:
    for name in ("secret.tar", "secret.jpg"):
        (stored_home / name).write_bytes(SECRET)
    key = key.format(home=stored_home)
    with EmbeddedStore.writer(
        stored_home / ".topicidx" / "store", "photos", space.vector_space, space.dimensions
    ) as writer:
        vector = space.encode_text(["dog"])
        writer.upsert([point_id(key)], vector, [{"image": key, "source": "photos", "captions": [], "at": at}])
        writer.publish()
    for fetch in (False, True):
        with serving(stored_home, fetch=fetch) as client:
            for what in ("file", "thumbnail"):
                answer = client.get(f"/api/pictures/{point_id(key)}/{what}")
                assert answer.status_code == 404, answer.content
