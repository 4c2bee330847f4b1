"""What a topic space and a store hold, as plain values for people and programs."""

from pathlib import Path
from typing import Any

from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.sources import SourceRegistry


def describe_space(folder: Path) -> dict[str, Any]:
    """Facts of a topic space. Raises SpaceError."""
    manifest = TopicSpace.load(folder).manifest
    return {
        "folder": str(folder),
        "topics": manifest.dimensions,
        "words": manifest.text.words,
        "language": manifest.text.normalizer.get("language"),
        "network": manifest.image.settings.get("arch") if manifest.image else None,
        "vector_space": manifest.vector_space,
        "query_side": manifest.query_side,
        "created": manifest.provenance.get("created"),
        "source": manifest.provenance.get("source"),
        "captioned_pictures": manifest.provenance.get("captioned_pictures"),
        "validation_loss": manifest.metrics.get("validation_loss"),
        "megabytes": round(sum(manifest.files.values()) / 1e6, 1),
    }


def describe_store(folder: Path, collection: str) -> dict[str, Any]:
    """Facts of an embedded store's collection. Raises StoreError."""
    with EmbeddedStore.open(folder, collection) as store:
        info = store.info()
        return {
            "folder": info.location,
            "collection": info.collection,
            "pictures": info.points,
            "dimensions": info.dimensions,
            "vector_space": info.vector_space,
            "generation": info.generation,
            "sources": {name: str(root) for name, root in SourceRegistry(folder).roots.items()},
            "cities": store.facet("city"),
        }
