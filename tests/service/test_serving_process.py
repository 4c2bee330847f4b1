"""`topicidx serve` as people and supervisors use it: a process of its own, its output, and how it ends."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from doubles.environment import without_settings
from topicidx.errors import SettingsError
from topicidx.indexer.keys import point_id
from topicidx.service.server import address_of, listening

Run = Callable[..., subprocess.CompletedProcess[str]]
TOKEN = "a-token-of-quite-some-length"


class Process:
    """A process that serves, and the address that it said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.process = process
        self.address = process.stdout.readline().strip()

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Exit code, rest of stdout, stderr, after a signal."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=120)
        return self.process.returncode, out, errors


Start = Callable[..., AbstractContextManager[Process]]


@pytest.fixture
def start(home: Path) -> Start:
    @contextmanager
    def start(*arguments: str, **env: str) -> Iterator[Process]:
        with subprocess.Popen(
            [sys.executable, "-m", "topicidx", "serve", "--home", str(home), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=without_settings() | env,
        ) as process:
            try:
                yield Process(process)
            finally:
                process.kill()

    return start


def test_it_says_where_it_is_and_logs_each_request_without_what_was_asked(start: Start) -> None:
    with start() as served:
        assert served.address.startswith("http://127.0.0.1:")
        assert httpx.get(f"{served.address}api/search", params={"q": "sunrise"}).status_code == 200
        code, out, errors = served.end(signal.SIGTERM)
    assert (code, out) == (143, "")
    first, *lines = errors.splitlines()
    assert first == "serving 60 pictures; Ctrl-C ends it"
    [line] = map(json.loads, lines)
    assert (line["method"], line["path"], line["status"], line["client"]) == ("GET", "/api/search", 200, "127.0.0.1")
    assert line["ms"] > 0
    assert "sunrise" not in errors


def test_queries_are_logged_where_that_is_asked_for(start: Start) -> None:
    with start("--log-queries") as served:
        httpx.get(f"{served.address}api/search", params={"q": "sunrise"})
        _, _, errors = served.end(signal.SIGTERM)
    assert json.loads(errors.splitlines()[-1])["query"] == "q=sunrise"


def test_a_browser_is_opened_where_that_is_asked_for(start: Start, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    os.mkfifo(opened)
    told = os.open(opened, os.O_RDONLY | os.O_NONBLOCK)
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    with start("--open", BROWSER=f"{browser} %s") as served:
        ready, _, _ = select.select([told], [], [], 60)
        assert ready
        assert os.read(told, 1_000).decode().strip() == served.address
        assert httpx.get(f"{served.address}healthz").status_code == 200
        served.end(signal.SIGTERM)
    os.close(told)


def test_ctrl_c_ends_it_without_a_word(start: Start) -> None:
    with start() as served:
        assert httpx.get(f"{served.address}healthz").status_code == 200
        code, _, errors = served.end(signal.SIGINT)
    assert code == 130
    assert len(errors.splitlines()) == 2


def test_what_has_begun_is_answered_before_it_ends(start: Start) -> None:
    body = b'{"texts": ["sunrise"]}'
    with start() as served:
        url = httpx.URL(served.address)
        with socket.create_connection((url.host, url.port or 80), timeout=60) as connection:
            connection.sendall(
                b"POST /api/encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            assert connection.recv(1_000).startswith(b"HTTP/1.1 100")
            served.process.send_signal(signal.SIGTERM)
            connection.sendall(body)
            answer = b""
            while piece := connection.recv(65_536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200")
        served.process.communicate(timeout=120)
    assert served.process.returncode == 143


def test_searching_loads_no_learning_library(start: Start) -> None:
    with start() as served:
        maps = Path(f"/proc/{served.process.pid}/maps")
        if not maps.exists():
            pytest.skip("no /proc on this system")
        with httpx.Client(base_url=served.address) as client:
            for path in ("api/search?q=sunrise&explain=true", "api/suggest?prefix=s", "api/topics", "api/facets",
                         f"api/pictures/{point_id('photos/07.jpg')}/thumbnail"):  # fmt: skip
                assert client.get(path).status_code == 200
            assert client.post("api/similar", files={"file": b"no picture"}).status_code == 422
        loaded = maps.read_text()
        assert "numpy" in loaded
        assert not any(f"/{name}/" in loaded for name in ("torch", "torchvision", "spacy", "gensim"))
        served.end(signal.SIGTERM)


def test_the_token_is_taken_from_a_variable(start: Start) -> None:
    with start(TOPICIDX_TOKEN=TOKEN) as served:
        address = f"{served.address}api/facets"
        assert httpx.get(address).status_code == 401
        assert httpx.get(address, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        _, _, errors = served.end(signal.SIGTERM)
    assert TOKEN not in errors
    assert "no setting" not in errors


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_answers_are_not_held_back_until_the_last_one_is_acknowledged(host: str) -> None:
    try:
        listener = listening(host, 0)
    except SettingsError:
        pytest.skip(f"this machine has no {host}")
    with listener, socket.create_connection(listener.getsockname()[:2]), listener.accept()[0] as accepted:
        # By which asyncio knows that it may turn Nagle's algorithm off.
        assert accepted.proto == socket.IPPROTO_TCP
        name = f"[{host}]" if ":" in host else host
        assert address_of(listener, host) == f"http://{name}:{listener.getsockname()[1]}/"


def test_what_cannot_be_served_is_said_at_once(home: Path, topicidx: Run, tmp_path: Path) -> None:
    open_to_all = topicidx("serve", "--home", home, "--host", "0.0.0.0")
    assert (open_to_all.returncode, open_to_all.stdout) == (2, "")
    assert "takes a token" in open_to_all.stderr
    nowhere = topicidx("serve", "--home", tmp_path / "nowhere", cwd=tmp_path)
    assert nowhere.returncode == 1
    assert "there is no workspace" in nowhere.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = topicidx("serve", "--home", home, "--port", port)
    assert (busy.returncode, busy.stdout) == (2, "")
    assert f"cannot listen on 127.0.0.1, port {port}" in busy.stderr
    assert "Traceback" not in open_to_all.stderr + nowhere.stderr + busy.stderr
