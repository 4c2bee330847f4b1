"""How a training went, as one self-contained HTML page: losses, topics, and pictures as captions and as the network see them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.topic_space import TopicSpace
from topicidx.embedders.training import Example, TrainingResult, split_by_key
from topicidx.errors import ImageError, SpaceError
from topicidx.indexer.contact_sheet import page, thumbnail_of
from topicidx.indexer.topics import describe_topics, leading_words

Float32 = NDArray[np.float32]
#: Topics that are listed, words of each, pictures that are shown, topics of each.
TOPICS, WORDS, PICTURES, LEADING = 60, 10, 24, 3


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture that only validated: what its captions speak of, and what the network sees in it."""

    name: str
    thumbnail: str
    captions: list[str]
    vector: list[str]


def training_report(
    result: TrainingResult, text: TopicSpace, examples: Sequence[Example], validation_share: float, plot: bytes
) -> bytes:
    """The page, UTF-8. text: the text side of the space; plot: the losses as PNG."""
    best = min(result.epochs, key=lambda epoch: epoch.validation_loss)
    summary = {
        "pictures learned from": f"{result.training_pictures:,}",
        "pictures that only validate": f"{result.validation_pictures:,}",
        "pictures left out, unreadable": f"{len(result.unreadable):,}",
        "epochs": f"{len(result.epochs)}, the best one {best.epoch}",
        "loss": f"training {best.train_loss:.4f}, validation {best.validation_loss:.4f}",
        "minutes in epochs": f"{sum(epoch.seconds for epoch in result.epochs) / 60:.1f}",
        "layers that learned": result.plan.layers,
    }
    html = page(
        "training_report.html",
        title="How the training went",
        summary=summary,
        plot="data:image/png;base64," + base64.b64encode(plot).decode("ascii"),
        topics=_topics(text),
        pictures=_pictures(result, text, examples, validation_share),
    )
    return html.encode("utf-8")


def _topics(text: TopicSpace) -> list[Mapping[str, Any]]:
    try:
        described = describe_topics(text, words=WORDS)[:TOPICS]
    except SpaceError:  # its dimensions are not made of words
        return []
    return [
        {"number": topic.topic, "share": f"{topic.share:.2%}", "words": ", ".join(word for word, _ in topic.words)}
        for topic in described
    ]


def _pictures(
    result: TrainingResult, text: TopicSpace, examples: Sequence[Example], validation_share: float
) -> list[_Seen]:
    from topicidx.embedders.pictures import open_picture

    _, validation = split_by_key([example.key for example in examples], validation_share)
    encoder, seen = result.encoder, []
    for place in np.random.default_rng(0).permutation(validation).tolist():
        example = examples[place]
        try:
            picture = open_picture(example.path, at_least=encoder.input_size).image
        except ImageError:
            continue
        vector = encoder.encode([encoder.prepare(picture)])[0]
        thumbnail = thumbnail_of(example.path)
        if thumbnail is not None:
            seen.append(_Seen(example.key, thumbnail, _leading(text, example.topics), _leading(text, vector)))
        if len(seen) == PICTURES:
            break
    return seen


def _leading(text: TopicSpace, vector: Float32) -> list[str]:
    chosen = [int(topic) for topic in np.argsort(-vector, kind="stable")[:LEADING]]
    words = leading_words(text, chosen, 4)
    return [f"{vector[topic]:.0%} {', '.join(words[topic]) if topic in words else topic}" for topic in chosen]
