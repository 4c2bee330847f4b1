"""The embedded store: Qdrant's own engine in this process, on a folder."""

from topicidx.indexer.embedded.store import EmbeddedStore
from topicidx.indexer.embedded.writer import EmbeddedWriter, embedded_writer, hold

__all__ = ["EmbeddedStore", "EmbeddedWriter", "embedded_writer", "hold"]
