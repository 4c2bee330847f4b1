"""Pictures over HTTP: what is known of them, their files, small ones, and others like them."""

import io
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from doubles.services import Serving
from doubles.spaces import THEMES, Paint
from topicidx.indexer.keys import point_id

KEY = "photos/07.jpg"
ID = point_id(KEY)


def test_a_picture_tells_all_that_is_known_of_it(client: httpx.Client) -> None:
    picture = client.get(f"/api/pictures/{ID}").json()
    assert (picture["id"], picture["image"], picture["captions"]) == (str(ID), KEY, ["nr 7"])
    assert picture["taken_at"].startswith("2017-06-15")
    assert picture["payload"]["likes"] == "2"
    weights = [topic["weight"] for topic in picture["topics"]]
    assert 0 < len(weights) <= 8
    assert weights == sorted(weights, reverse=True)
    assert any(topic["words"] for topic in picture["topics"])


@pytest.mark.parametrize("part", ["", "/similar", "/thumbnail", "/file"])
def test_a_picture_that_is_not_there_is_not_found(client: httpx.Client, part: str) -> None:
    answer = client.get(f"/api/pictures/{uuid4()}{part}")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "UnknownPictureError"
    assert client.get(f"/api/pictures/1{part}").status_code == 422


@pytest.mark.parametrize("size", [160, 320, 640])
def test_a_thumbnail_is_a_small_jpeg_that_is_sent_once(client: httpx.Client, size: int) -> None:
    address = f"/api/pictures/{ID}/thumbnail?size={size}"
    answer = client.get(address)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "max-age" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, max(image.size)) == ("JPEG", min(size, 400))
    again = client.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"/api/pictures/{ID}/thumbnail?size=100").status_code == 422


def test_a_file_is_sent_as_it_is(client: httpx.Client, home: Path) -> None:
    answer = client.get(f"/api/pictures/{ID}/file")
    assert answer.content == (home / KEY).read_bytes()
    assert answer.headers["content-type"] == "image/jpeg"
    assert client.get(f"/api/pictures/{ID}/file", headers={"Range": "bytes=0-9"}).content == answer.content[:10]
    again = client.get(f"/api/pictures/{ID}/file", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_that_has_gone_or_changed_is_told(own_home: Path, serving: Serving, paint: Paint) -> None:
    # The table of sources still leads to the first workspace.
    sources = own_home / ".topicidx" / "store" / "sources.json"
    sources.write_text(f'{{"photos": "{own_home / "photos"}"}}')
    with serving(own_home) as client:
        before = client.get(f"/api/pictures/{ID}/thumbnail")
        paint(own_home / KEY, (255, 255, 255), size=(90, 60))
        after = client.get(f"/api/pictures/{ID}/thumbnail", headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert after.content != before.content
        (own_home / KEY).write_bytes(b"no picture")
        assert client.get(f"/api/pictures/{ID}/thumbnail").status_code == 404
        (own_home / KEY).unlink()
        assert client.get(f"/api/pictures/{ID}/file").status_code == 404
        assert client.get(f"/api/pictures/{ID}").status_code == 200


def test_similar_pictures_are_those_of_a_query_like_it_without_itself(client: httpx.Client) -> None:
    similar = client.get(f"/api/pictures/{ID}/similar", params={"limit": 10}).json()
    queried = client.get("/api/search", params={"q": f"like:{ID}", "limit": 11}).json()
    others = [picture["id"] for picture in queried["results"] if picture["id"] != str(ID)]
    assert [picture["id"] for picture in similar["results"]] == others[:10]
    assert [picture["rank"] for picture in similar["results"]] == list(range(1, 11))
    second = client.get(f"/api/pictures/{ID}/similar", params={"limit": 5, "offset": 5}).json()
    assert second["results"] == similar["results"][5:]
    last = client.get(f"/api/pictures/{ID}/similar", params={"limit": 50, "offset": 50}).json()
    assert (len(last["results"]), last["more"]) == (9, False)
    there = client.get(f"/api/pictures/{ID}/similar", params={"city": "london"}).json()
    assert {picture["city"] for picture in there["results"]} == {"London"}


def test_an_uploaded_picture_finds_what_it_would_find_indexed(client: httpx.Client, home: Path) -> None:
    with (home / KEY).open("rb") as file:
        uploaded = client.post("/api/similar", files={"file": ("my.jpg", file)}, data={"limit": "5"}).json()
    queried = client.get("/api/search", params={"q": f"like:{ID}", "limit": 5}).json()
    assert [picture["id"] for picture in uploaded["results"]] == [picture["id"] for picture in queried["results"]]
    assert uploaded["terms"] == [{"text": "my.jpg", "kind": "picture", "weight": 1.0, "known": True, "used": None}]
    assert uploaded["more"]


def test_an_uploaded_picture_need_not_be_a_jpeg(client: httpx.Client, tmp_path: Path, paint: Paint) -> None:
    file = paint(tmp_path / "dog.png", THEMES["pets"][1])
    answer = client.post("/api/similar", files={"file": ("dog.png", file.read_bytes())}, data={"city": "london"})
    assert answer.status_code == 200
    assert {picture["city"] for picture in answer.json()["results"]} == {"London"}
