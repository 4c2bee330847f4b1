"""Where pictures and captions come from: folders and manifests."""

from topicidx.indexer.sources.reader import Source, open_source
from topicidx.indexer.sources.registry import SourceRegistry

__all__ = ["Source", "SourceRegistry", "open_source"]
