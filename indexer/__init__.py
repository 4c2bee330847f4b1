"""Sources, stores, ingest and search."""

from typing import TYPE_CHECKING

from topicidx.lazy import lazy_exports

if TYPE_CHECKING:
    from topicidx.indexer.async_index import AsyncIndex
    from topicidx.indexer.embedded import EmbeddedStore
    from topicidx.indexer.index import Index
    from topicidx.indexer.query_language import Query, parse_query
    from topicidx.indexer.results import GroupedResult, Hit, HitGroup, SearchResult
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "AsyncIndex": "topicidx.indexer.async_index",
            "EmbeddedStore": "topicidx.indexer.embedded.store",
            "GroupedResult": "topicidx.indexer.results",
            "Hit": "topicidx.indexer.results",
            "HitGroup": "topicidx.indexer.results",
            "Index": "topicidx.indexer.index",
            "Query": "topicidx.indexer.query_language",
            "SearchResult": "topicidx.indexer.results",
            "parse_query": "topicidx.indexer.query_language",
        },
    )

__all__ = [
    "AsyncIndex",
    "EmbeddedStore",
    "GroupedResult",
    "Hit",
    "HitGroup",
    "Index",
    "Query",
    "SearchResult",
    "parse_query",
]
