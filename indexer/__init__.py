"""Sources, stores, ingest and search."""

from topicidx.indexer.async_index import AsyncIndex
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.query_language import Query, parse_query
from topicidx.indexer.results import GroupedResult, Hit, HitGroup, SearchResult

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
