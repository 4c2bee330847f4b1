"""The access log: one line of JSON for each request, whatever its path holds."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from topicidx.service.access import Access, Metrics


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"four"})


async def _fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a bug")


def logged(caplog: pytest.LogCaptureFixture, app: Any, path: str, **options: Any) -> str:
    """The line for a request of `path`."""

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"q=secret", "client": ("10.0.0.1", 5)}
    with caplog.at_level("INFO", logger="topicidx.access"):
        caplog.clear()
        asyncio.run(Access(app, Metrics(), **options)(scope, receive, send))
    [record] = caplog.records
    return record.getMessage()


@pytest.mark.parametrize("path", ["/api/search", '/\n{"status": 200}\u2028\x1b[2J', "/\udcff", "/é"])
def test_a_request_is_one_line(caplog: pytest.LogCaptureFixture, path: str) -> None:
    line = logged(caplog, _answer, path)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    written = json.loads(line)
    assert (written["path"], written["status"], written["bytes"]) == (path, 404, 4)
    assert (written["client"], written["method"]) == ("10.0.0.1", "GET")
    assert "secret" not in line


def test_what_was_asked_is_written_where_that_was_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    assert json.loads(logged(caplog, _answer, "/", log_queries=True))["query"] == "q=secret"


def test_a_request_that_fails_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError):
        logged(caplog, _fail, "/")
    assert json.loads(caplog.records[0].getMessage())["status"] == 0
