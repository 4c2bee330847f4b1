"""The embedded store: Qdrant's own engine in this process, on a folder."""

from topicidx.indexer.embedded.store import EmbeddedStore

__all__ = ["EmbeddedStore"]
