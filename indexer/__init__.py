"""Sources, stores, ingest and search."""

from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Hit, Index, SearchResult

__all__ = ["EmbeddedStore", "Hit", "Index", "SearchResult"]
