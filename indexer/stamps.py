"""Stamps: what tells, by a look at a few files, that a topic space or a store was replaced."""

from pathlib import Path

from topicidx.atomic import standing_folder
from topicidx.embedders.bundle import MANIFEST
from topicidx.indexer.sources.registry import FILE_NAME as SOURCES
from topicidx.indexer.stores import StoreAddress

#: Facts of files, which are others once a file was written anew; equal stamps mean the same content.
Stamp = tuple[tuple[int, ...] | None, ...]


def space_stamp(folder: Path) -> Stamp:
    """That of the topic space in `folder`."""
    return (_facts(standing_folder(folder) / MANIFEST),)


def store_stamp(address: StoreAddress, collection: str) -> Stamp:
    """That of a collection as readers see it, and of the table of sources; of a server only the latter."""
    sources = _facts(address.folder / SOURCES)
    if address.url is not None:
        return (sources,)
    from topicidx.indexer.embedded.generations import POINTER

    return sources, _facts(address.folder / collection / POINTER)


def file_stamp(file: Path) -> Stamp:
    """That of a single file."""
    return (_facts(file),)


def _facts(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
