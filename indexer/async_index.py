"""AsyncIndex: an Index for programs that run an event loop, such as web services in front of a Qdrant server."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypedDict, TypeVar, Unpack

from topicidx.indexer.conditions import Condition
from topicidx.indexer.index import Index
from topicidx.indexer.query_language import Query
from topicidx.indexer.results import GroupedResult, SearchResult
from topicidx.settings import Match, Settings

if TYPE_CHECKING:
    from topicidx.indexer.explanation import Explanation
    from topicidx.indexer.ingest_report import IngestReport

T = TypeVar("T")

#: Searches that are under way at the same time; more wait for their turn.
CONCURRENCY = 16


class Narrowing(TypedDict, total=False):
    """Which pictures count, and how words do: as in `Index.search`."""

    match: Match
    city: str | Sequence[str]
    where: Condition | str | None
    did_you_mean: bool


class ExplainOptions(Narrowing, total=False):
    """The options of `Index.explain`."""

    limit: int
    offset: int
    topics: int


class GroupOptions(Narrowing, total=False):
    """The options of `Index.search_groups`."""

    limit: int
    size: int
    min_score: float | None


class SearchOptions(Narrowing, total=False):
    """The options of `Index.search`."""

    limit: int
    offset: int
    min_score: float | None
    unique: bool
    diverse: bool


class IngestOptions(TypedDict, total=False):
    """The options of `Index.ingest`."""

    name: str | None
    city: str | None
    folder_city: bool
    prune: bool
    rebuild: bool


class AsyncIndex:
    """An `Index` whose methods are awaited: the same arguments, results and errors.

        async with await AsyncIndex.open(store="http://localhost:6333") as index:
            snow, rain = await asyncio.gather(index.search("snow dog"), index.search("rain umbrella"))

    Searches run in threads of their own, up to `concurrency` at a time: they wait for the server, or compute in libraries
    that let go of the interpreter, so that the event loop is never held up. A search whose await is cancelled goes on in
    its thread until it is answered. Meant for a server; an engine in a folder answers one search after the other.
    """

    def __init__(self, index: Index, *, concurrency: int = CONCURRENCY) -> None:
        self.index = index
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="topicidx")

    @classmethod
    async def open(
        cls,
        home: Path | None = None,
        *,
        space: Path | None = None,
        store: str | None = None,
        collection: str | None = None,
        settings: Settings | None = None,
        concurrency: int = CONCURRENCY,
    ) -> "AsyncIndex":
        """As `Index.open`, with the store opened at once."""

        def opened() -> Index:
            index = Index.open(home, space=space, store=store, collection=collection, settings=settings)
            index.warm_up()
            return index

        return cls(await asyncio.to_thread(opened), concurrency=concurrency)

    async def search(self, query: str | Query, **options: Unpack[SearchOptions]) -> SearchResult:
        """As `Index.search`."""
        return await self._run(partial(self.index.search, query, **options))

    async def search_groups(
        self, query: str | Query, by: str = "city", **options: Unpack[GroupOptions]
    ) -> GroupedResult:
        """As `Index.search_groups`."""
        return await self._run(partial(self.index.search_groups, query, by, **options))

    async def explain(self, query: str | Query, **options: Unpack[ExplainOptions]) -> "Explanation":
        """As `Index.explain`."""
        return await self._run(partial(self.index.explain, query, **options))

    async def ingest(self, source: Path | str, **options: Unpack[IngestOptions]) -> "IngestReport":
        """As `Index.ingest`; no search may be under way."""
        return await self._run(partial(self.index.ingest, source, **options))

    async def close(self) -> None:
        """Wait for what is under way, and release the store."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self.index.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
