"""Fifty clients at once get what one alone gets, and their number is bounded."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from doubles.services import Serving
from topicidx.indexer.keys import point_id
from topicidx.service.work import BusyError, TooSlowError, Workers

CLIENTS, ROUNDS = 50, 2
PATHS = (
    "/api/search?q=sunrise&limit=24",
    "/api/search?q=sunrise dog&limit=24&explain=true",
    "/api/search?q=coffee -dog city:london&limit=24",
    "/api/suggest?prefix=s",
    "/api/facets",
    f"/api/pictures/{point_id('photos/07.jpg')}",
    f"/api/pictures/{point_id('photos/08.jpg')}/similar",
    f"/api/pictures/{point_id('photos/09.jpg')}/thumbnail",
)


def test_fifty_clients_at_once_get_what_one_alone_gets(
    client: httpx.Client, record_property: Callable[[str, object], None]
) -> None:
    alone = {path: client.get(path).content for path in PATHS}
    seconds: list[float] = []

    async def use(number: int) -> None:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=60) as own:
            for turn in range(ROUNDS * len(PATHS)):
                path = PATHS[(number + turn) % len(PATHS)]
                begin = time.perf_counter()
                answer = await own.get(path)
                seconds.append(time.perf_counter() - begin)
                assert answer.status_code == 200, answer.text
                assert answer.content == alone[path], path

    async def use_all() -> None:
        await asyncio.gather(*(use(number) for number in range(CLIENTS)))

    asyncio.run(use_all())
    assert len(seconds) == CLIENTS * ROUNDS * len(PATHS)
    p95 = float(np.quantile(seconds, 0.95))
    record_property("p95_seconds", p95)
    print(f"{len(seconds)} requests of {CLIENTS} clients: p95 {p95 * 1_000:.0f} ms")


def test_more_than_may_wait_are_asked_to_come_again(home: Path, serving: Serving) -> None:
    with serving(home, threads=1, waiting=0) as client:

        async def ask() -> list[httpx.Response]:
            async with httpx.AsyncClient(base_url=client.base_url, timeout=60) as many:
                return await asyncio.gather(*(many.get("/api/search?q=sunrise dog coffee") for _ in range(20)))

        answers = asyncio.run(ask())
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
        assert client.get("/api/search?q=sunrise").status_code == 200


def test_work_is_bounded_in_number_and_time() -> None:
    workers = Workers("test", 1, 1)
    go_on = threading.Event()

    async def fill() -> None:
        first = asyncio.ensure_future(workers.run(go_on.wait, 60))
        second = asyncio.ensure_future(workers.run(lambda: 2, 60))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await workers.run(lambda: 3, 60)
        go_on.set()
        assert [await first, await second] == [True, 2]
        assert await workers.run(lambda: 4, 60) == 4
        go_on.clear()
        with pytest.raises(TooSlowError):
            await workers.run(go_on.wait, 0.01)
        go_on.set()

    asyncio.run(fill())
    workers.close()


def test_an_answer_that_takes_too_long_is_given_up(home: Path, serving: Serving) -> None:
    with serving(home, timeout=0.000_001) as client:
        answer = client.get("/api/search?q=sunrise")
        assert (answer.status_code, answer.json()["error"]["type"]) == (504, "TooSlowError")
