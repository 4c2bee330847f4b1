"""The embedded store: Qdrant's own engine in this process, on a folder."""

from typing import TYPE_CHECKING

from topicidx.lazy import lazy_exports

if TYPE_CHECKING:
    from topicidx.indexer.embedded.store import EmbeddedStore
    from topicidx.indexer.embedded.writer import EmbeddedWriter, embedded_writer, hold
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "EmbeddedStore": "topicidx.indexer.embedded.store",
            "EmbeddedWriter": "topicidx.indexer.embedded.writer",
            "embedded_writer": "topicidx.indexer.embedded.writer",
            "hold": "topicidx.indexer.embedded.writer",
        },
    )

__all__ = ["EmbeddedStore", "EmbeddedWriter", "embedded_writer", "hold"]
