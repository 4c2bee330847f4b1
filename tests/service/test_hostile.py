"""Requests that mean harm: files from elsewhere, bodies too large, pictures that are bombs, clients that never end."""

import json
import shutil
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from doubles.services import Serving
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.keys import point_id
from topicidx.service import server

UPLOAD = 100_000


@pytest.fixture(scope="module")
def strict(home: Path, serving: Serving) -> Iterator[httpx.Client]:
    """A service with small limits, whose clients must be quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "HEAD_SECONDS", 0.5)
        patch.setattr(server, "IDLE_SECONDS", 1)
        with serving(home, upload_bytes=UPLOAD, body_seconds=0.5) as client:
            yield client


def raw(client: httpx.Client, request: bytes) -> bytes:
    """What the service answers to these bytes until it hangs up."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


def error(answer: httpx.Response) -> str:
    kind: str = answer.json()["error"]["type"]
    return kind


# Files


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "file:///etc/passwd", "../../../../etc/passwd", "http://127.0.0.1:1/x.jpg", "photos/../photos/07.jpg",
     "photos//etc/passwd", "\\\\host\\share", "~/x.jpg", "/dev/zero"],
)  # fmt: skip
def test_queries_reach_indexed_pictures_only(client: httpx.Client, target: str) -> None:
    answer = client.get("/api/search", params={"q": f'sunrise like:"{target}"'})
    assert (answer.status_code, error(answer)) == (422, "UnknownPictureError")


def test_not_even_files_that_are_pictures_are_reached_by_their_paths(client: httpx.Client, home: Path) -> None:
    picture = home / "photos" / "07.jpg"
    for target in (picture, f"file://{picture}"):
        answer = client.get("/api/search", params={"q": f'sunrise like:"{target}"'})
        assert (answer.status_code, error(answer)) == (422, "UnknownPictureError")
        assert "there is no picture" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/....//app.py", "/static//etc/passwd",
     "/static/%00", "/static/index.html%00.js", "/api/pictures/../../etc/passwd/file", "/..%5c..%5cetc%5cpasswd",
     "/api/pictures/..%2f..%2f..%2fetc%2fpasswd/file", "//etc/passwd", "/static/", "/api/%2e%2e/metrics/x"],
)  # fmt: skip
def test_paths_lead_nowhere_else(client: httpx.Client, path: str) -> None:
    answer = raw(client, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in {b"404", b"422"}
    assert b"root:" not in answer
    assert b"import" not in answer


def test_keys_that_a_strangers_backup_brought_lead_nowhere_else(own_home: Path, serving: Serving) -> None:
    space = TopicSpace.load(own_home / ".topicidx" / "space")
    store = own_home / ".topicidx" / "store"
    secret = own_home / "secret.jpg"
    shutil.copy(own_home / "photos" / "00.jpg", secret)
    (own_home / "photos" / "notes.txt").write_text("private")
    (store / "sources.json").write_text(json.dumps({"photos": str(own_home / "photos")}))
    keys = ["photos/../secret.jpg", f"photos/{secret}", f"photos/x/../../{secret.name}", "photos/notes.txt",
            "nowhere/x.jpg", "photos/%2e%2e/secret.jpg", "photos/"]  # fmt: skip
    vectors = np.full((len(keys), space.dimensions), 1 / space.dimensions, dtype=np.float32)
    with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions, rebuild=True) as writer:
        writer.upsert([point_id(key) for key in keys], vectors, [{"image": key} for key in keys])
        writer.publish()
    with serving(own_home) as client:
        assert client.get("/api/facets").json()["pictures"] == len(keys)
        for key in keys:
            for part in ("file", "thumbnail"):
                answer = client.get(f"/api/pictures/{point_id(key)}/{part}")
                assert (answer.status_code, error(answer)) == (404, "UnknownPictureError"), key


# Bodies


def test_uploads_that_are_too_large_are_not_read_to_their_end(strict: httpx.Client) -> None:
    announced = strict.post("/api/similar", files={"file": b"x" * (UPLOAD + 100_000)})
    assert (announced.status_code, error(announced)) == (413, "TooLargeError")
    # A body without an announced length: it never ends, so that only a limit while reading stops it.
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\n\r\n'
        while True:
            sent += 10_000
            yield b"x" * 10_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        answer = strict.post("/api/similar", content=endless(), headers=headers)
        assert (answer.status_code, error(answer)) == (413, "TooLargeError")
    except (httpx.WriteError, httpx.ReadError):
        pass  # it hung up while we were still sending
    assert sent < 100 * UPLOAD
    assert strict.get("/healthz").status_code == 200


def test_other_bodies_are_smaller(strict: httpx.Client) -> None:
    answer = strict.post("/api/encode", json={"texts": ["x" * 1_100_000]})
    assert (answer.status_code, error(answer)) == (413, "TooLargeError")
    assert strict.post("/api/encode", json={"texts": ["x" * 2_001]}).status_code == 422
    assert strict.post("/api/encode", content=b"{" * 900_000).status_code == 422
    assert strict.post("/api/encode", content=b"[" * 900_000).status_code == 422


def test_queries_of_ten_megabytes_are_refused(strict: httpx.Client) -> None:
    query = b"GET /api/search?q=" + b"a" * 10_000_000
    try:
        answer = raw(strict, query + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.split()[1:2] in ([b"400"], [])
    except (ConnectionResetError, BrokenPipeError):
        pass  # it hung up while we were still sending
    assert strict.get("/api/search", params={"q": "a " * 1_001}).status_code == 422
    assert strict.get("/healthz").status_code == 200


# Pictures


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png(50_000, 50_000, bytes(1_000)), "pixels"),
        (png(60_000, 2_900, bytes(1_000)), "damaged"),
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(50), ""),
        (bytes(50_000), "not a picture"),
    ],
)
def test_uploads_that_are_no_pictures_are_refused_by_name(strict: httpx.Client, content: bytes, reason: str) -> None:
    answer = strict.post("/api/similar", files={"file": ("../../etc/passwd", content)})
    assert (answer.status_code, error(answer)) == (422, "ImageError")
    assert reason in answer.json()["error"]["message"]


def test_a_picture_beyond_the_limit_of_pixels_is_refused(
    home: Path, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPICIDX_INGEST__MAX_PIXELS", "1000")
    with serving(home) as client:
        content = png(100, 100, bytes(30_100))
        assert "1,000 allowed" in client.post("/api/similar", files={"file": content}).json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--",
        b"--c--\r\n",
        b"\x00" * 100,
    ],
)
def test_broken_forms_are_refused(strict: httpx.Client, body: bytes) -> None:
    answer = strict.post("/api/similar", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code in {400, 422}
    assert strict.post("/api/similar", content=body).status_code == 422


def test_forms_of_very_many_fields_are_refused(strict: httpx.Client) -> None:
    fields: Any = [("city", (None, "x"))] * 1_200
    assert strict.post("/api/similar", files=[*fields, ("file", ("x", b"x"))]).status_code in {400, 413}


# Clients that are slow, or speak another language


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET /api/facets HTTP/1.1\r\nHost: loc", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /h"],
)
def test_who_never_ends_the_head_of_a_request_is_sent_away(strict: httpx.Client, beginning: bytes) -> None:
    answer = raw(strict, beginning)
    assert answer.count(b"200 OK") == beginning.count(b"\r\n\r\n")


def test_who_never_ends_a_body_is_told_and_sent_away(strict: httpx.Client) -> None:
    head = (
        b"POST /api/encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    answer = raw(strict, head + b'{"texts":')
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"SlowError" in answer


def test_who_hangs_up_at_once_leaves_no_trace(strict: httpx.Client) -> None:
    for _ in range(20):
        with socket.create_connection((strict.base_url.host, strict.base_url.port or 80)) as connection:
            connection.sendall(b"GET /api/search?q=sunrise HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert strict.get("/api/search?q=sunrise").status_code == 200


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"GET\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"SSH-2.0-x\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_refused(strict: httpx.Client, request_: bytes) -> None:
    assert raw(strict, request_).startswith((b"HTTP/1.1 400", b""))
    assert strict.get("/healthz").status_code == 200
