"""Pictures that a query names: their topic vectors, from the store where it has them, or else from their pixels."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import ImageError, UnknownPictureError
from topicidx.indexer.keys import image_key, point_id
from topicidx.indexer.sources import SourceRegistry
from topicidx.indexer.sources.places import is_below, path_below
from topicidx.indexer.store import Float32, VectorStore

#: Bytes of a picture that are fetched from an URL, and seconds that it may take.
MOST_BYTES, TIMEOUT = 50_000_000, 30.0

_URL = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AskedPictures:
    """Finds the pictures that queries name; `files` says whether they may be files and URLs, or indexed pictures only."""

    space: TopicSpace
    store: VectorStore
    sources: SourceRegistry | None
    files: bool = True

    def vector(self, target: str) -> Float32:
        """The topic vector, float32 (dimensions,), of an indexed picture by id or key, of a file, or of what lies at an URL.

        An indexed file that has not changed is not read; others take the image model. Raises UnknownPictureError where
        there is no such picture, or none that can be read.
        """
        for point in self._points(target):
            if self.store.retrieve([point]):
                vector: Float32 = self.store.vectors([point])[0]
                return vector
        if not self.files:
            raise UnknownPictureError(
                f"there is no picture {target!r} in the store; give an id or a key that a result shows"
            )
        if _URL.match(target):
            with _fetched(target) as path:
                return self._encoded(path, target)
        path = Path(target).expanduser()
        if (known := self._indexed(path)) is not None:
            indexed: Float32 = self.store.vectors([known])[0]
            return indexed
        return self._encoded(path, target)

    def _points(self, target: str) -> list[UUID]:
        points = [point_id(target)]
        try:
            return [UUID(target), *points]
        except ValueError:
            return points

    def _indexed(self, path: Path) -> UUID | None:
        """The point of a file that is indexed as it is now."""
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        path = path.absolute()
        roots = self.sources.roots if self.sources else {}
        for name, root in roots.items():
            if is_below(path, root):
                point = point_id(image_key(name, path_below(path, root)))
                for record in self.store.retrieve([point]):
                    if (record.payload.get("size"), record.payload.get("mtime")) == (
                        status.st_size,
                        status.st_mtime_ns,
                    ):
                        return record.id
        return None

    def _encoded(self, path: Path, target: str) -> Float32:
        try:
            vector: Float32 = self.space.encode_images([path])[0]
        except ImageError as error:
            hint = (
                ""
                if path.exists()
                else (
                    "; give the id or key of an indexed picture, a file, or an http(s) URL, with spaces in it in quotes "
                    '(like:"a b.jpg")'
                )
            )
            raise UnknownPictureError(f"the picture {target!r} cannot be used: {error}{hint}") from error
        return vector


@contextmanager
def _fetched(url: str) -> Iterator[Path]:
    """The file that lies at an URL, for as long as the block lasts."""
    import httpx

    try:
        with tempfile.NamedTemporaryFile(prefix="topicidx-") as file:
            with httpx.stream("GET", url, follow_redirects=True, timeout=TIMEOUT) as response:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    file.write(chunk)
                    if file.tell() > MOST_BYTES:
                        raise UnknownPictureError(
                            f"what lies at {url} has more than {MOST_BYTES // 1_000_000} MB: no picture to search by"
                        )
            file.flush()
            yield Path(file.name)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise UnknownPictureError(
            f"the picture {url} could not be fetched: {str(error) or type(error).__name__}"
        ) from error
