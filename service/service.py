"""Service: what the endpoints share: the index, the threads that answer, thumbnails and metrics."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from topicidx.embedders.pictures import open_picture
from topicidx.errors import TopicidxError
from topicidx.indexer.store import Float32
from topicidx.service.access import Metrics
from topicidx.service.live_index import LiveIndex, OpenIndex
from topicidx.service.map_answers import MapAnswers
from topicidx.service.models import Readiness
from topicidx.service.options import ServiceOptions
from topicidx.service.thumbnails import Thumbnails
from topicidx.service.work import Workers
from topicidx.settings import Settings

T = TypeVar("T")

#: Pictures that are decoded at the same time, for thumbnails and for files.
DECODING = 2
#: Uploaded pictures that may wait for the network, which looks at one after the other.
WAITING_UPLOADS = 8


class Service:
    """An index to be served. Opened at once, so that what is wrong is said before anything is served."""

    def __init__(self, settings: Settings, options: ServiceOptions) -> None:
        self.options = options
        self.match = settings.match
        self.live = LiveIndex(settings)
        self.metrics = Metrics()
        self.thumbnails = Thumbnails(options.thumbnail_bytes, settings.ingest.max_pixels)
        self.maps = MapAnswers()
        self._max_pixels = settings.ingest.max_pixels
        self._answering = Workers("answers", options.threads or self.live.useful_threads, options.waiting)
        self._decoding = Workers("pictures", DECODING, options.waiting)
        self._encoding = Workers("encoding", 1, WAITING_UPLOADS)

    @property
    def pictures(self) -> int:
        """How many pictures are indexed."""
        return self.live.answer(lambda opened: opened.index.store.count())

    async def answer(self, call: Callable[[OpenIndex], T]) -> T:
        """What `call` makes of the index, in a thread."""
        return await self._answering.run(lambda: self.live.answer(call), self.options.timeout)

    async def decode(self, call: Callable[[], T]) -> T:
        """What `call` makes of a picture, in a thread."""
        return await self._decoding.run(call, self.options.timeout)

    async def encode_and_answer(self, upload: BinaryIO, call: Callable[[OpenIndex, Float32], T]) -> T:
        """What `call` makes of the index and the topic vector of an uploaded picture. Raises ImageError."""

        def encoded(opened: OpenIndex) -> T:
            with tempfile.NamedTemporaryFile(prefix="topicidx-") as file:
                upload.seek(0)
                shutil.copyfileobj(upload, file)
                file.flush()
                path = Path(file.name)
                # What is no picture is refused before the network is read for it.
                open_picture(path, at_least=1, max_pixels=self._max_pixels)
                encoder = opened.index.space.image_encoder
                picture = open_picture(path, at_least=encoder.input_size, max_pixels=self._max_pixels)
            vector: Float32 = encoder.encode([encoder.prepare(picture.image)])[0]
            return call(opened, vector)

        return await self._encoding.run(lambda: self.live.answer(encoded), self.options.encoding_timeout)

    async def readiness(self) -> Readiness:
        """Whether answers come from what is there now."""

        def look(opened: OpenIndex) -> tuple[int, str]:
            info = opened.index.store.info()
            return info.points, info.generation

        def found() -> Readiness:
            try:
                pictures, generation = self.live.answer(look)
            except TopicidxError as error:
                return Readiness(ready=False, problem=str(error))
            problem = self.live.problem
            return Readiness(
                ready=problem is None,
                pictures=pictures,
                generation=generation,
                problem=None if problem is None else str(problem),
            )

        return await self._answering.run(found, self.options.timeout)

    def stop(self) -> None:
        """Wait for what has begun, and begin no more."""
        for workers in (self._answering, self._decoding, self._encoding):
            workers.close()

    def close(self) -> None:
        """Stop, and release the index."""
        self.stop()
        self.live.close()
