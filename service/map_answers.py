"""The map of pictures as the API gives it, worked out once for each map and each state of the store."""

import base64
import threading
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from topicidx.indexer.picture_map import NONE, PictureMap, Standing, compare, read_picture_map
from topicidx.indexer.stamps import Stamp, file_stamp
from topicidx.service.live_index import OpenIndex
from topicidx.service.map_models import MapAnswer, MapCity, MapPoints, MapTopic

#: In place of the number of a city or a topic, where a picture has none; also where there are more than can be numbered.
_NONE = 0xFFFF
#: Words told of each topic.
_WORDS = 6


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer in JSON, and what it was made of: the map's file, and how many pictures were indexed."""

    file: Stamp
    pictures: int
    content: bytes


class MapAnswers:
    """The answers of indexes that are open."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[OpenIndex, _Kept] = WeakKeyDictionary()
        self._working = threading.Lock()

    def of(self, opened: OpenIndex) -> bytes:
        """The map of an index: a `MapAnswer` in JSON. Raises MapError, MapNotFoundError where there is none."""
        with self._working:  # one works it out, the others take it
            file, pictures = file_stamp(opened.map_file), opened.index.store.count()
            kept = self._kept.get(opened)
            if kept is None or (kept.file, kept.pictures) != (file, pictures):
                found = read_picture_map(opened.map_file, opened.index.store.info().vector_space)
                answer = _answer(opened, found, compare(found, opened.index.store))
                kept = self._kept[opened] = _Kept(file, pictures, answer.model_dump_json().encode())
            return kept.content


def _answer(opened: OpenIndex, found: PictureMap, standing: Standing) -> MapAnswer:
    rows = standing.rows
    topic_numbers, topics = _topics(opened, found.topics[rows])
    counts = np.bincount(standing.cities[standing.cities != NONE], minlength=len(standing.city_names)).tolist()
    return MapAnswer(
        pictures=len(rows),
        missing=standing.missing,
        made=found.made,
        cities=[MapCity(city=name, count=count) for name, count in zip(standing.city_names, counts, strict=True)][
            :_NONE
        ],
        topics=topics,
        points=MapPoints(
            ids=_packed(found.ids[rows]),
            places=_packed(found.places[rows].astype("<f4")),
            cities=_packed(_in_16_bits(standing.cities)),
            topics=_packed(_in_16_bits(topic_numbers)),
        ),
    )


def _topics(opened: OpenIndex, leading: NDArray[np.int32]) -> tuple[NDArray[np.int32], list[MapTopic]]:
    """The place of each picture's leading topic among those that are one, and these, most frequent first."""
    numbers = np.full(len(leading), NONE, dtype=np.int32)
    some = leading != NONE
    topics, places, counts = np.unique(leading[some], return_inverse=True, return_counts=True)
    order = np.lexsort((topics, -counts))
    place_of = np.empty(len(topics), dtype=np.int32)
    place_of[order] = np.arange(len(topics), dtype=np.int32)
    numbers[some] = place_of[places]
    described = opened.lookups.topic_by_number
    told = [
        MapTopic(
            topic=topic,
            words=[word for word, _ in described[topic].words[:_WORDS]] if topic in described else [],
            count=count,
        )
        for topic, count in zip(topics[order].tolist(), counts[order].tolist(), strict=True)
    ]
    return numbers, told[:_NONE]


def _in_16_bits(numbers: NDArray[np.int32]) -> NDArray[np.uint16]:
    return np.where((numbers < 0) | (numbers >= _NONE), _NONE, numbers).astype("<u2")


def _packed(numbers: NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.uint16]) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode("ascii")
