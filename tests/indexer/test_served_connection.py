"""Reaching a server: its key, its version, its absence, and how patiently it is spoken to."""

import http.server
import json
import logging
import socket
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doubles.qdrant import QdrantDouble
from doubles.qdrant_faults import delay, permission_denied, rate_limit, refuse, unauthenticated
from doubles.served import Served
from topicidx.errors import (
    SettingsError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StoreUnreachableError,
    StoreVersionError,
)
from topicidx.indexer.server import Connection, ServerStore, connect, connection
from topicidx.indexer.server.connection import api_key
from topicidx.settings import ServerSettings

KEY = "a-s3cret-key"
MAJOR, MINOR = map(int, version("qdrant-client").split(".")[:2])


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key around, and nothing warned of yet."""
    monkeypatch.delenv("TOPICIDX_API_KEY", raising=False)
    connection._warn_once.cache_clear()


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


def reach(double: QdrantDouble, waits: list[float] | None = None, **settings: Any) -> Connection:
    waits = [] if waits is None else waits
    return connect(double.url, ServerSettings(grpc_port=double.port, **settings), sleep=waits.append)


# gRPC and REST


def test_a_server_is_spoken_to_over_grpc(double: QdrantDouble) -> None:
    Served(double).publish([1])
    with ServerStore.open(reach(double)) as store:
        assert store.search(np.ones((1, 4), dtype=np.float32), 10)[0].ids
        assert store.info().location == double.url
    assert {"Qdrant/HealthCheck", "Collections/ListAliases", "Points/QueryBatch"} <= {c.method for c in double.calls}


class Rest(http.server.ThreadingHTTPServer):
    """A server of REST alone, that answers with what it is told, in order; the last thing again and again."""

    def __init__(self, *answers: tuple[int, Any, dict[str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.answers = list(answers)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        super().__exit__(*error)


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Rest)
        self.server.asked.append(f"{self.path} {self.headers.get('api-key')}")
        code, body, headers = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


ROOT = (200, {"title": "qdrant", "version": version("qdrant-client")}, {})
ALIASES = (200, {"result": {"aliases": []}, "status": "ok", "time": 0.1}, {})


def refusal(code: int, error: str = "no", **headers: str) -> tuple[int, Any, dict[str, str]]:
    return code, {"status": {"error": error}, "time": 0.1}, headers


def test_rest_is_spoken_where_grpc_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPICIDX_API_KEY", KEY)
    with Rest(ROOT, ALIASES) as server:
        reached = connect(f"{server.url}/behind/a/proxy", ServerSettings(grpc=False))
        assert reached.call(reached.client.get_aliases).aliases == []
        reached.close()
    assert server.asked == [f"/behind/a/proxy/ {KEY}", f"/behind/a/proxy/aliases {KEY}"]


@pytest.mark.parametrize(
    ("refused", "waits"),
    [
        (refusal(429, **{"Retry-After": "7"}), [7.0]),
        (refusal(429, **{"Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT"}), None),
        (refusal(429), None),
        (refusal(503), None),
        (refusal(500), None),
        ((502, "<html>Bad Gateway</html>", {}), None),
    ],
)
def test_failures_of_rest_that_pass_are_waited_for(refused: Any, waits: list[float] | None) -> None:
    waited: list[float] = []
    with Rest(ROOT, refused, ALIASES) as server:
        reached = connect(server.url, ServerSettings(grpc=False), sleep=waited.append)
        assert reached.call(reached.client.get_aliases).aliases == []
        reached.close()
    assert len(waited) == 1
    assert waits in (None, waited)


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        (refusal(401, "Must provide an API key"), StoreUnreachableError, "Must provide an API key.*TOPICIDX_API_KEY"),
        (refusal(403, "Forbidden"), StoreUnreachableError, "HTTP 403: Forbidden.*api_key_file"),
        (refusal(404, "Not found: Collection"), StoreNotFoundError, "Not found: Collection"),
        (refusal(400, "Wrong input: limit"), StoreError, "HTTP 400: Wrong input: limit"),
        (refusal(500, "No space left on device"), StoreFullError, "make room"),
        ((200, "<html>Hello</html>", {}), StoreDamagedError, "does not answer as a Qdrant server does"),
        ((200, {"result": {"aliases": 5}}, {}), StoreDamagedError, "does not answer as a Qdrant server does"),
        ((301, "", {"Location": "/elsewhere"}), StoreError, "HTTP 301"),
    ],
)
def test_failures_of_rest_that_stay_are_said_at_once(refused: Any, error: type[StoreError], message: str) -> None:
    waited: list[float] = []
    with Rest(ROOT, refused) as server:
        reached = connect(server.url, ServerSettings(grpc=False), sleep=waited.append)
        with pytest.raises(error, match=message) as caught:
            reached.call(reached.client.get_aliases)
        reached.close()
    assert type(caught.value) is error
    assert server.url in str(caught.value)
    assert waited == []


# No server


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("over_grpc", [True, False])
def test_a_server_that_is_not_there_is_said_soon_with_what_to_do(over_grpc: bool) -> None:
    port = unused_port()
    waits: list[float] = []
    with pytest.raises(StoreUnreachableError, match=r"does not answer .*is it running.*--store.*grpc_port") as caught:
        connect(f"http://127.0.0.1:{port}", ServerSettings(grpc=over_grpc, grpc_port=port), sleep=waits.append)
    assert f"http://127.0.0.1:{port}" in str(caught.value)
    assert len(waits) == 2


def test_waits_grow_to_the_longest(double: QdrantDouble) -> None:
    waits: list[float] = []
    reached = reach(double, waits, attempts=10, longest_wait=8)
    double.fail("*", refuse(), times=None)
    with pytest.raises(StoreUnreachableError):
        reached.call(reached.client.get_aliases)
    assert len(waits) == 9
    assert waits[-1] == 8
    assert waits == sorted(waits)
    assert len(set(waits)) > 4
    reached.close()


def test_a_server_is_left_alone_as_long_as_it_asks_for(double: QdrantDouble) -> None:
    waits: list[float] = []
    reached = reach(double, waits, longest_wait=1)
    double.fail("*", rate_limit(17), times=2)
    double.fail("*", rate_limit(100_000))
    assert reached.call(reached.client.get_aliases).aliases == []
    assert waits == [17, 17, 600]
    reached.close()


def test_a_long_wait_is_said(double: QdrantDouble, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    reached = reach(double)
    double.fail("*", rate_limit(1))
    double.fail("*", rate_limit(30))
    reached.call(reached.client.get_aliases)
    reached.close()
    assert caplog.messages == [
        f"{double.url}: try 2 of 8 failed (ResourceExhaustedResponse), the next one comes in 30.0 s"
    ]


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(double: QdrantDouble) -> None:
    reached = reach(double, timeout=1)
    double.fail("Collections/ListAliases", delay(600))
    assert reached.call(reached.client.get_aliases).aliases == []
    assert [call.method for call in double.calls].count("Collections/ListAliases") == 2
    reached.close()


# Keys


def key_of(settings: ServerSettings) -> str | None:
    key = api_key(settings)
    return key and key.get_secret_value()


def test_the_key_is_of_the_variable_or_else_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(f"\n {KEY}\n")
    assert key_of(ServerSettings()) is None
    assert key_of(ServerSettings(api_key_file=file)) == KEY
    monkeypatch.setenv("TOPICIDX_API_KEY", " ")
    assert key_of(ServerSettings(api_key_file=file)) == KEY
    monkeypatch.setenv("TOPICIDX_API_KEY", " another \n")
    assert key_of(ServerSettings(api_key_file=file)) == "another"
    assert key_of(ServerSettings()) == "another"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b" \n", "is empty"), (b"\xff\xfe", "it is not text"), (b"two\nlines", "no API key has")],
)
def test_a_key_file_of_no_use_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=reason) as caught:
        api_key(ServerSettings(api_key_file=file))
    assert str(file) in str(caught.value)
    assert "two" not in str(caught.value)


def test_a_key_opens_the_server(double: QdrantDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    Served(double).publish([1])
    double.require_api_key(KEY)
    monkeypatch.setenv("TOPICIDX_API_KEY", KEY)
    with ServerStore.open(reach(double)) as store:
        assert store.count() == 1
    assert double.calls[-1].metadata["api-key"] == KEY


@pytest.mark.parametrize("key", [None, "wr0ng"])
def test_a_server_that_refuses_the_key_says_where_it_is_set(
    double: QdrantDouble, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    double.require_api_key(KEY)
    if key:
        monkeypatch.setenv("TOPICIDX_API_KEY", key)
    waits: list[float] = []
    with pytest.raises(StoreUnreachableError, match=r"refuses access .*TOPICIDX_API_KEY.*api_key_file"):
        ServerStore.open(reach(double, waits))
    assert waits == []
    for fault in (unauthenticated(), permission_denied()):
        double.fail("Qdrant/HealthCheck", fault)
        with pytest.raises(StoreUnreachableError, match=r"refuses access"):
            reach(double)


def test_the_key_is_shown_nowhere(
    double: QdrantDouble, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Served(double).publish([1])
    monkeypatch.setenv("TOPICIDX_API_KEY", KEY)
    reached = reach(double, attempts=2)
    shown = [repr(reached), repr(vars(reached)), repr(api_key(ServerSettings()))]
    with ServerStore.open(reached) as store:
        shown += [repr(store.info()), repr(store)]
        for fault in (refuse(), rate_limit(1), unauthenticated()):
            double.fail("Points/Count", fault, times=2)
            with pytest.raises(StoreError) as caught:
                store.count()
            double.heal()
            shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    assert double.calls[-1].metadata["api-key"] == KEY
    assert caplog.text
    assert KEY not in "".join(shown) + caplog.text


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://qdrant.example:6333", True),
        ("http://192.0.2.7", True),
        ("https://qdrant.example:6333", False),
        ("http://127.0.0.1:6333", False),
        ("http://127.8.9.1", False),
        ("http://[::1]:6333", False),
        ("http://localhost", False),
    ],
)
def test_a_key_in_the_open_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str, warned: bool
) -> None:
    monkeypatch.setattr(connection, "_check_version", lambda reached: None)  # these servers are nowhere
    connect(url, ServerSettings()).close()
    assert caplog.messages == []
    monkeypatch.setenv("TOPICIDX_API_KEY", KEY)
    for _ in range(3):
        connect(url, ServerSettings()).close()
    assert [("over plain http" in message, KEY in message) for message in caplog.messages] == [(True, False)] * warned


# Versions


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ("1.15.5", r"Qdrant 1\.15\.5, the client .* qdrant-client .*needs Qdrant 1\.16 or newer: upgrade the server"),
        ("0.9.1", r"Qdrant 0\.9\.1.*upgrade the server"),
        (f"{MAJOR + 1}.0.0", r"do not understand each other: pip install --upgrade"),
    ],
)  # fmt: skip
def test_a_server_of_another_age_is_refused(served: str, message: str) -> None:
    with QdrantDouble(served) as double:
        with pytest.raises(StoreVersionError, match=message) as caught:
            reach(double)
        assert version("qdrant-client") in str(caught.value)


def test_a_server_that_does_not_say_its_version_is_refused() -> None:
    with QdrantDouble("nightly") as double, pytest.raises(StoreError, match="'nightly'"):
        reach(double)


@pytest.mark.parametrize(
    ("minor", "upgrade"),
    [(MINOR - 2, "the server"), (MINOR - 1, None), (MINOR + 1, None), (MINOR + 2, "qdrant-client")],
)
def test_versions_far_apart_are_warned_of_once(
    caplog: pytest.LogCaptureFixture, minor: int, upgrade: str | None
) -> None:
    with QdrantDouble(f"{MAJOR}.{minor}.3-dev") as double:
        for _ in range(2):
            reach(double).close()
    assert [message.rpartition(" upgrade ")[2] for message in caplog.messages] == ([upgrade] if upgrade else [])


# What is not ours to close


def test_a_client_that_was_given_stays_open(double: QdrantDouble) -> None:
    client = double.client()
    Served(double).publish([1])
    with ServerStore.open(Connection(client, "a double")) as store:
        assert store.info().location == "a double"
    with pytest.raises(StoreError, match="has been closed"):
        store.count()
    assert client.get_collections().collections
    client.close()


def test_a_connection_is_closed_where_a_store_cannot_be_opened(double: QdrantDouble) -> None:
    reached = reach(double)
    with pytest.raises(StoreNotFoundError, match=r"no collection 'photos' on the server http.*topicidx ingest"):
        ServerStore.open(reached)
    with pytest.raises(StoreError):
        reached.call(reached.client.get_aliases)
