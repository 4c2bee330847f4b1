"""Forgetting a source: its pictures leave the store, and its name the table of sources."""

from topicidx.errors import SourceError, StoreNotFoundError
from topicidx.indexer.keys import source_of
from topicidx.indexer.sources import SourceRegistry
from topicidx.indexer.store import BLOCK
from topicidx.indexer.stores import StoreAddress, open_store, open_writer
from topicidx.settings import ServerSettings


def forget(
    address: StoreAddress, collection: str, name: str, server: ServerSettings | None = None, *, dry_run: bool = False
) -> tuple[int, int]:
    """Remove all pictures of the source `name` from the store; the files themselves are not touched.

    Gives how many were, or with `dry_run` would be, removed, and how many the store holds then. Raises SourceError where
    neither the store nor its table knows the name.
    """
    registry = SourceRegistry(address.folder)
    try:
        with open_store(address, collection, server) as store:
            info, of_source = store.info(), store.facet("source").get(name, 0)
    except StoreNotFoundError:
        info, of_source = None, 0
    if not of_source and name not in registry.roots:
        raise SourceError(f"there is no source {name!r}; `topicidx sources` lists them")
    points = info.points if info else 0
    if dry_run:
        return of_source, points - of_source
    if info is not None and of_source:
        with open_writer(address, collection, info.vector_space, info.dimensions, server=server) as writer:
            gone = [r.id for r in writer.known(["image"]) if source_of(str(r.payload.get("image"))) == name]
            for begin in range(0, len(gone), BLOCK):
                writer.delete(gone[begin : begin + BLOCK])
            points = writer.publish()
        of_source = len(gone)
    registry.remove(name)
    return of_source, points
