"""Looking at picture files: which hold bytes whose vector is known, and decoding those that do not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.pictures import Location, open_picture, sha256_of
from topicidx.embedders.stored_files import StoredFile, without_bytes
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import ImageError
from topicidx.indexer.gazetteer import Gazetteer, open_gazetteer
from topicidx.indexer.known_pictures import Known, KnownPictures
from topicidx.post import JsonValue, Post
from topicidx.settings import IngestSettings

if TYPE_CHECKING:
    from topicidx.embedders.protocols import ImageEncoder


@dataclass(frozen=True, slots=True)
class File:
    """A post whose file is there: what identifies the file's content, and what its payload will hold."""

    post: Post
    id: UUID
    size: int
    mtime: int
    columns: Mapping[str, JsonValue]
    digest: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture to be encoded. facts: what decoding told of it. sha256 is empty where nothing was read."""

    file: File
    sha256: bytes
    pixels: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    facts: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Copy:
    """A file with the bytes of a stored picture `of` (itself, where it was only touched), or of one on its way (None)."""

    file: File
    sha256: bytes
    of: UUID | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is no picture. sha256 is None where it could not be read."""

    file: File
    error: ImageError
    sha256: bytes | None


class Looker:
    """Looks at files, from any number of threads; `known` is kept up to date with what is told of the store."""

    def __init__(self, space: TopicSpace, settings: IngestSettings, known: KnownPictures) -> None:
        self.known = known
        self._space = space
        self._settings = settings
        self._lock = Lock()
        self._claimed: set[bytes] = set()
        #: Pictures that know where they were taken, but not in which city, for want of a gazetteer.
        self.without_gazetteer = 0

    def look(self, file: File) -> Decoded | Copy | Refused:
        """Read a file; decode it where no picture with its bytes is stored or on its way."""
        known_by = _without_bytes(file)
        try:
            file = _fetched(file)
            sha256 = bytes.fromhex(sha256_of(file.post.path))
        except ImageError as error:
            return Refused(known_by, error, None)
        own = self.known.get(file.id)
        if own is not None and own.sha256 == sha256:
            return Copy(known_by, sha256, file.id)
        with self._lock:
            holder = self.known.holder(sha256)
            if holder is not None or sha256 in self._claimed:
                return Copy(known_by, sha256, holder)
            self._claimed.add(sha256)
        return self.decode(file, sha256)

    def decode(self, file: File, sha256: bytes) -> Decoded | Refused:
        """Decode a file."""
        encoder = self._encoder
        try:
            file = _fetched(file)  # a second time only where the picture whose copy it was has changed
            picture = open_picture(file.post.path, at_least=encoder.input_size, max_pixels=self._settings.max_pixels)
            pixels = encoder.prepare(picture.image)
        except ImageError as error:
            return Refused(_without_bytes(file), error, sha256)
        location = picture.location
        facts: dict[str, JsonValue] = {
            "sha256": sha256.hex(),
            "width": picture.width,
            "height": picture.height,
            "taken_at": picture.taken_at,
            "location": {"lat": location.latitude, "lon": location.longitude} if location else None,
            "gps_city": self._city_at(location) if location else None,
        }
        return Decoded(_without_bytes(file), sha256, pixels, facts)

    def holds(self, point: UUID, sha256: bytes) -> bool:
        """Whether a stored point has the vector of these bytes, now."""
        known = self.known.get(point)
        return known is not None and known.sha256 == sha256

    def will_hold(self, file: File, sha256: bytes, gps_city: JsonValue) -> None:
        """A point is about to be written: from now on it is no copy of what it held."""
        city = gps_city if isinstance(gps_city, str) else None
        self.known.put(file.id, Known(file.post.image, file.size, file.mtime, file.digest, sha256, city))

    def wrote(self, point: UUID, sha256: bytes) -> None:
        """A decoded picture is in the store: others may be copies of it."""
        with self._lock:
            self.known.stored(point)
            self._claimed.discard(sha256)

    @property
    def _encoder(self) -> "ImageEncoder":
        with self._lock:  # loaded by the first that needs it, and only if one does
            return self._space.image_encoder

    @cached_property
    def _gazetteer(self) -> Gazetteer | None:
        return open_gazetteer()

    def _city_at(self, location: Location) -> str | None:
        with self._lock:
            gazetteer = self._gazetteer
            self.without_gazetteer += gazetteer is None
        return gazetteer.city_at(location) if gazetteer else None


class Planner:
    """Tells copies without decoding, and without reading files whose size no other has."""

    def __init__(self, known: KnownPictures) -> None:
        known.index_sizes()
        self._known = known
        self._digests: set[bytes] = set()
        self._alone: dict[int, File] = {}

    def look(self, file: File) -> Decoded | Copy | Refused:
        """What looking at the file would come to; what would be decoded comes without pixels."""
        if file.size not in self._alone and not self._known.has_size(file.size):
            self._alone[file.size] = file
            return Decoded(file, b"")
        try:
            first = self._alone.get(file.size)
            if first is not None:
                self._digests.add(bytes.fromhex(sha256_of(first.post.path)))
            sha256 = bytes.fromhex(sha256_of(file.post.path))
        except ImageError as error:
            return Refused(file, error, None)
        own = self._known.get(file.id)
        if own is not None and own.sha256 == sha256:
            return Copy(file, sha256, file.id)
        if sha256 in self._digests or self._known.holder(sha256) is not None:
            return Copy(file, sha256, None)
        self._digests.add(sha256)
        return Decoded(file, sha256)


def _fetched(file: File) -> File:
    """The file with its bytes, where they are not on this machine, so that they are fetched once. Raises ImageError."""
    path = file.post.path
    if not isinstance(path, StoredFile):
        return file
    try:
        return replace(file, post=replace(file.post, path=path.loaded()))
    except OSError as error:
        raise ImageError(str(error), lasting=isinstance(error, FileNotFoundError)) from error


def _without_bytes(file: File) -> File:
    path = without_bytes(file.post.path)
    return file if path is file.post.path else replace(file, post=replace(file.post, path=path))
