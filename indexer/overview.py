"""What a topic space and a store hold, as plain values for people and programs."""

from pathlib import Path
from typing import Any

from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.sources import SourceRegistry
from topicidx.indexer.stores import StoreAddress, open_store
from topicidx.settings import ServerSettings


def describe_space(folder: Path) -> dict[str, Any]:
    """Facts of a topic space. Raises SpaceError."""
    manifest = TopicSpace.load(folder).manifest
    return {
        "folder": str(folder),
        "text_encoder": manifest.text.encoder,
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


def describe_store(address: StoreAddress, collection: str, server: ServerSettings | None = None) -> dict[str, Any]:
    """Facts of a store's collection. Raises StoreError."""
    with open_store(address, collection, server) as store:
        info = store.info()
        return {
            "location": str(address),
            "collection": info.collection,
            "pictures": info.points,
            "dimensions": info.dimensions,
            "vector_space": info.vector_space,
            "generation": info.generation,
            "previous_generation": info.previous,
            "indexed_fields": dict(info.fields),
            "quantized": info.approximate,
            "sources": {name: str(root) for name, root in SourceRegistry(address.folder).roots.items()},
            "cities": store.facet("city"),
        }
