"""Places: a collection and the store that it is in, as the commands that move points name them."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from topicidx.errors import StoreNotFoundError
from topicidx.indexer.stores import SKIPPED, StoreAddress, open_store
from topicidx.indexer.transfer.files import new_file
from topicidx.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class Place:
    """A collection and the store that it is in."""

    address: StoreAddress
    collection: str

    def __str__(self) -> str:
        return f"{self.address} (collection {self.collection!r})"

    def points(self, server: ServerSettings | None = None) -> int:
        """How many points readers see there now: 0 where there is no collection. Raises another StoreError."""
        try:
            with open_store(self.address, self.collection, server) as store:
                return store.count()
        except StoreNotFoundError:
            return 0

    def is_same_as(self, other: "Place") -> bool:
        """Whether both are one collection, as far as their addresses tell."""
        return (_where(self.address), self.collection) == (_where(other.address), other.collection)

    def skipped_list(self) -> bytes | None:
        """The list of pictures that could not be indexed, where there is one."""
        try:
            return self._skipped.read_bytes()
        except OSError:
            return None  # it only saves work

    def put_skipped(self, content: bytes) -> None:
        """Replace the list of pictures that could not be indexed."""
        self._skipped.parent.mkdir(parents=True, exist_ok=True)
        with new_file(self._skipped, force=True) as file:
            file.write(content)

    @property
    def _skipped(self) -> Path:
        return self.address.folder / self.collection / SKIPPED


def _where(address: StoreAddress) -> tuple[object, ...]:
    if address.url is None:
        return (os.path.realpath(address.folder),)
    parts = urlsplit(address.url)
    return parts.hostname, parts.port or 6333, parts.path.rstrip("/")
