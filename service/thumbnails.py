"""Thumbnails: small JPEGs of pictures, the ones asked for last kept in memory up to a number of bytes."""

import io
import threading
from collections import OrderedDict

from topicidx.embedders.pictures import MAX_PIXELS, open_picture
from topicidx.post import PictureFile

#: A picture's file as it is now, and the size of the thumbnail: path, bytes, time, pixels.
Key = tuple[str, int, int, int]

_QUALITY = 82


class Thumbnails:
    """Makes thumbnails, and keeps up to `most_bytes` of them. hits, misses: how many were kept, and how many had to be made."""

    def __init__(self, most_bytes: int, max_pixels: int = MAX_PIXELS) -> None:
        self._most = most_bytes
        self._max_pixels = max_pixels
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._using = threading.Lock()
        self.bytes = self.hits = self.misses = 0

    def of(self, path: PictureFile, size: int) -> bytes:
        """A JPEG of the picture, upright, `size` pixels on its longer side at most. Raises ImageError, OSError."""
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns, size)
        with self._using:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                self.hits += 1
                return kept
            self.misses += 1
        image = open_picture(path, at_least=size, max_pixels=self._max_pixels).image
        image.thumbnail((size, size))
        data = io.BytesIO()
        image.save(data, "JPEG", quality=_QUALITY, optimize=True)
        made = data.getvalue()
        with self._using:
            self._keep(key, made)
        return made

    def _keep(self, key: Key, made: bytes) -> None:
        if len(made) > self._most or key in self._kept:
            return
        self._kept[key] = made
        self.bytes += len(made)
        while self.bytes > self._most:
            _, dropped = self._kept.popitem(last=False)
            self.bytes -= len(dropped)
