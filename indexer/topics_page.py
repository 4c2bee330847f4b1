"""Topics as one self-contained HTML page: a map of them, and for each its words, its nearest topics and pictures that show it."""

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from topicidx.indexer.contact_sheet import page, thumbnail_of
from topicidx.indexer.index import Index
from topicidx.indexer.topic_map import HEIGHT, WIDTH, Circle, TopicDistances, map_topics
from topicidx.indexer.topics import Topic
from topicidx.post import PictureFile

#: Pictures of each topic, of all topics together (but FEWEST of each), and the longer side of their thumbnails in pixels.
PICTURES, MOST_PICTURES, FEWEST, PICTURE_SIZE = 8, 2_000, 3, 120
#: Called with (done, all, what is being done).
OnProgress = Callable[[int, int, str], None]

_QUALITY = 65
#: Topics that are searched for at once.
_BLOCK = 50
#: How probable a word must be to tell what a topic is about, and how many of those a topic goes by.
_TELLING, _NAMED_BY = 0.01, 3
#: The size of the map's labels, how wide a letter is in that, and the most letters of one.
_LABEL, _LETTER, _LONGEST = 15, 0.58, 16


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """A picture with much of a topic: its key, a caption of it, the topic's share in its vector, and where its file is."""

    image: str
    caption: str
    share: float
    path: PictureFile | None


Samples = Mapping[int, Sequence[SamplePicture]]


def sample_pictures(
    index: Index, topics: Sequence[Topic], *, on_progress: OnProgress | None = None
) -> dict[int, list[SamplePicture]]:
    """The pictures with most of each topic, exactly: up to PICTURES, fewer where topics are many, none for unused ones.

    Raises StoreError, SpaceMismatchError for a store that was filled with another space.
    """
    used = [topic.topic for topic in topics if not topic.unused]
    count = min(PICTURES, max(FEWEST, MOST_PICTURES // max(len(used), 1)))
    found: dict[int, list[SamplePicture]] = {}
    for begin in range(0, len(used), _BLOCK):
        block = used[begin : begin + _BLOCK]
        units = np.zeros((len(block), index.space.dimensions), dtype=np.float32)
        units[np.arange(len(block)), block] = 1
        best = index.store.search(units, count, exact=True)
        ids = sorted({point for points in best for point in points.ids})
        payloads = {record.id: record.payload for record in index.store.retrieve(ids)}
        for topic, points in zip(block, best, strict=True):
            scored = zip(points.ids, points.scores.tolist(), strict=True)
            found[topic] = [
                _sample(index, payloads[point], share) for point, share in scored if share > 0 and point in payloads
            ]
        if on_progress:
            on_progress(begin + len(block), len(used), "topics looked for")
    return found


def topics_page(
    topics: Sequence[Topic],
    distances: TopicDistances,
    samples: Samples | None = None,
    *,
    captioned: int | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """The page of `topics`, which is as readable without its script.

    samples: pictures of topics, None where no store has any; captioned: how many captioned pictures were learned from.
    """
    used = [topic for topic in topics if not topic.unused]
    circles = map_topics(distances.among([topic.topic for topic in used]), [topic.share for topic in used])
    hues = dict(zip((topic.topic for topic in used), map(_hue, circles), strict=True))
    telling = {topic.topic: _telling(topic) for topic in used}
    names = {number: ", ".join(words[:_NAMED_BY]) for number, words in telling.items()}
    thumbnails = _thumbnails(samples or {}, on_progress)
    longest = max((topic.words[0][1] for topic in used), default=1.0)
    blocks = [
        {
            "number": topic.topic,
            "name": names[topic.topic],
            "telling": ", ".join(telling[topic.topic]),
            "hue": hues[topic.topic],
            "share": _percent(topic.share, 2),
            "words": [
                (word, f"{weight / longest:.2%}", _percent(weight, 1), word not in telling[topic.topic])
                for word, weight in topic.words
            ],
            "nearest": [
                {"number": other, "name": names.get(other, ""), "distance": f"{distance:.2f}"}
                for other, distance in topic.nearest
            ],
            "pictures": [
                _shown(sample, thumbnails.get(sample.path) if sample.path else None)
                for sample in (samples or {}).get(topic.topic, ())
            ],
        }
        for topic in used
    ]
    return page(
        "topics.html",
        title="Topics of the captions",
        captioned=f"{captioned:,}" if captioned else "",
        width=WIDTH,
        height=HEIGHT,
        label_size=_LABEL,
        circles=[
            {"number": topic.topic, "x": f"{circle.x:.1f}", "y": f"{circle.y:.1f}", "radius": f"{circle.radius:.1f}"}
            for topic, circle in zip(used, circles, strict=True)
        ],
        labels=_labels(used, circles),
        blocks=blocks,
        by_number={block["number"]: block for block in blocks},
        unused=sorted(topic.topic for topic in topics if topic.unused),
        pictures=samples is not None,
    )


def _telling(topic: Topic) -> list[str]:
    return [word for word, weight in topic.words if weight >= _TELLING] or [topic.words[0][0]]


def _sample(index: Index, payload: Mapping[str, Any], share: float) -> SamplePicture:
    image, captions = str(payload.get("image")), payload.get("captions")
    caption = str(captions[0]) if isinstance(captions, list) and captions else ""
    return SamplePicture(image, caption, share, index.sources.file_of_point(payload) if index.sources else None)


def _shown(sample: SamplePicture, thumbnail: str | None) -> dict[str, Any]:
    return {
        "name": sample.image,
        "caption": sample.caption,
        "share": f"{sample.share:.0%}",
        "thumbnail": thumbnail,
    }


def _thumbnails(samples: Samples, on_progress: OnProgress | None) -> dict[PictureFile, str | None]:
    paths = list(dict.fromkeys(sample.path for pictures in samples.values() for sample in pictures if sample.path))
    found = {}
    with ThreadPoolExecutor() as pool:
        thumbnails = pool.map(lambda path: thumbnail_of(path, PICTURE_SIZE, quality=_QUALITY), paths)
        for done, (path, thumbnail) in enumerate(zip(paths, thumbnails, strict=True), start=1):
            found[path] = thumbnail
            if on_progress:
                on_progress(done, len(paths), "thumbnails")
    return found


def _hue(circle: Circle) -> int:
    """A colour by the direction from the map's middle, so that neighbours look alike: degrees of hue."""
    return round(math.degrees(math.atan2(circle.y - HEIGHT / 2, circle.x - WIDTH / 2))) % 360


def _percent(share: float, digits: int) -> str:
    least = 10**-digits
    return f"{100 * share:.{digits}f} %" if 100 * share >= least / 2 or share == 0 else f"< {least} %"


def _labels(topics: Sequence[Topic], circles: Sequence[Circle]) -> list[dict[str, str]]:
    """The first words of the largest topics, as many as fit without touching one another."""
    taken: list[tuple[float, float, float, float]] = []
    labels = []
    for topic, circle in zip(topics, circles, strict=True):
        word = topic.words[0][0]
        text = word if len(word) <= _LONGEST else word[: _LONGEST - 1] + "…"
        half = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text) * _LETTER * _LABEL / 2
        x = min(max(circle.x, half), WIDTH - half)
        box = (x - half - 3, circle.y - _LABEL / 2 - 2, x + half + 3, circle.y + _LABEL / 2 + 2)
        if not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
        ):
            taken.append(box)
            labels.append({"text": text, "x": f"{x:.1f}", "y": f"{circle.y:.1f}"})
    return labels
