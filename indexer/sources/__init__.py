"""Where pictures and captions come from: folders and manifests."""

from typing import TYPE_CHECKING

from topicidx.lazy import lazy_exports

if TYPE_CHECKING:
    from topicidx.indexer.sources.reader import Source, open_source
    from topicidx.indexer.sources.registry import SourceRegistry
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Source": "topicidx.indexer.sources.reader",
            "SourceRegistry": "topicidx.indexer.sources.registry",
            "open_source": "topicidx.indexer.sources.reader",
        },
    )

__all__ = ["Source", "SourceRegistry", "open_source"]
