"""Train: a source's captions and pictures to a topic space."""

import importlib.metadata
import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.protocols import LiftTextEncoder, TextEncoder, text_encoder_class
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.errors import SpaceError, SpaceNotFoundError, TrainingError
from topicidx.indexer.sources import Source
from topicidx.post import Post
from topicidx.settings import TrainingSettings
from topicidx.version import __version__

if TYPE_CHECKING:
    from topicidx.embedders.training import Epoch, Progress, TrainingResult

logger = logging.getLogger(__name__)

#: With fewer captioned pictures than this, people are told to expect little.
FEW_PICTURES = 500


@dataclass
class TrainReport:
    """What a training did. unreadable: pictures left out, by key, with the reason."""

    space: TopicSpace
    captioned: int
    words: int
    training_pictures: int = 0
    validation_pictures: int = 0
    epochs: Sequence["Epoch"] = ()
    unreadable: dict[str, str] = field(default_factory=dict)


def train(
    source: Source,
    folder: Path,
    *,
    text_encoder: str = "lda",
    text_settings: Any = None,
    training: TrainingSettings | None = None,
    only: Literal["text", "image"] | None = None,
    seed: int = 0,
    cache_folder: Path,
    on_step: Callable[[str], None] = lambda text: None,
    on_pass: Callable[[int, int], None] | None = None,
    progress: "Progress | None" = None,
) -> TrainReport:
    """Learn topics from the captions of `source`, then a network that predicts them, and write the topic space `folder`.

    text_encoder is the registered name of what learns from captions, text_settings are for its `train`, None for defaults.
    only="text" stops after the captions; only="image" keeps the text side of the space that is there. A picture's
    captions are one document. Raises SourceError, SettingsError, TrainingError or SpaceError; the space that was there
    stays until the new one is whole.
    """
    existing = _existing(folder)
    if only == "text" and existing is not None and existing.manifest.image is not None:
        raise SpaceError(
            f"{folder} has an image model that would be lost; train captions alone into another place with --space DIR, "
            "or captions and pictures together without --only"
        )
    if only == "image" and existing is None:
        raise SpaceNotFoundError(
            f"there is no topic space at {folder} to add an image model to; train without --only image"
        )
    encoder_class = text_encoder_class(text_encoder) if only != "image" else None
    posts = [post for post in source.posts() if post.captions]
    if not posts:
        raise TrainingError(
            f"no picture of {source.manifest or source.folder} has a caption; captions come from captions.csv "
            "(columns image,caption), metadata.csv, or NAME.txt beside NAME.jpg"
        )
    if len(posts) < FEW_PICTURES:
        logger.warning(
            "only %d pictures have captions: what is learned from so few will be poor; some thousands are wanted",
            len(posts),
        )
    if only != "text":
        _check_weights(training or TrainingSettings())
    documents = [_document(post) for post in posts]
    text: TextEncoder
    if encoder_class is None and existing is not None:
        text = existing.text_encoder
    else:
        assert encoder_class is not None
        on_step(f"learning from the captions of {len(posts):,} pictures ({text_encoder})")
        text = encoder_class.train(documents, text_settings, seed=seed, on_pass=on_pass)
    provenance: dict[str, Any] = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "topicidx": __version__,
        "source": source.name,
        "captioned_pictures": len(posts),
        "captions": sum(len(post.captions) for post in posts),
        "seed": seed,
        "libraries": {name: importlib.metadata.version(name) for name in ("gensim", "torch", "torchvision", "spacy")},
    }
    if only == "text":
        return TrainReport(write_topic_space(folder, text, provenance=provenance), len(posts), len(text.vocabulary))

    seen = "topics" if text.scores == "lift" else "dimensions"
    on_step(f"teaching a network to see {text.dimensions} {seen} in pictures")
    result = _train_image(posts, documents, text, training, seed, cache_folder, progress)
    for key, reason in result.unreadable.items():
        logger.warning("left out of training: %s: %s", key, reason)
    space = write_topic_space(
        folder,
        text,
        result.encoder,
        provenance=provenance | {"training": asdict(result.plan)},
        metrics=_metrics(result),
        attachments=_attachments(result),
        average_picture=result.average,
    )
    return TrainReport(
        space, len(posts), len(text.vocabulary), result.training_pictures, result.validation_pictures, result.epochs,
        result.unreadable,
    )  # fmt: skip


def _existing(folder: Path) -> TopicSpace | None:
    try:
        return TopicSpace.load(folder)
    except SpaceError:
        return None


def _check_weights(training: TrainingSettings) -> None:
    from topicidx.embedders.networks.architectures import ARCHITECTURES, read_initial_weights

    read_initial_weights(ARCHITECTURES[training.arch], training.init)


def _document(post: Post) -> str:
    return "\n".join(post.captions)


def _train_image(
    posts: Sequence[Post], documents: Sequence[str], text: TextEncoder, training: TrainingSettings | None, seed: int,
    cache_folder: Path, progress: "Progress | None",
) -> "TrainingResult":  # fmt: skip
    from topicidx.embedders.training import Example, train_image_encoder

    # A caption without a single known word says nothing of its picture.
    telling = [place for place, document in enumerate(documents) if text.knows(document)]
    topics = text.encode([documents[place] for place in telling])
    topic_words: NDArray[np.float32] | None = None
    words: Sequence[NDArray[np.int32] | None] = [None] * len(telling)
    if text.scores == "lift" and isinstance(text, LiftTextEncoder):
        topic_words = text.topic_words
        words = [text.words_of(documents[place]) for place in telling]
    examples = [
        Example(posts[place].image, posts[place].path, row, bag)
        for place, row, bag in zip(telling, topics, words, strict=True)
    ]
    return train_image_encoder(
        examples, training, seed=seed, cache_folder=cache_folder, progress=progress, topic_words=topic_words
    )


def _metrics(result: "TrainingResult") -> dict[str, Any]:
    best = min(result.epochs, key=lambda epoch: epoch.validation_loss)
    tensors = result.encoder.tensors()
    shares = {name: round(float(tensors[f"head.{name}"].sum()), 4) for name in ("background", "prior")}
    return {
        "training_pictures": result.training_pictures,
        "validation_pictures": result.validation_pictures,
        "unreadable_pictures": len(result.unreadable),
        "best_epoch": best.epoch,
        "validation_loss": best.validation_loss,
    } | ({} if result.average is None else shares)


def _attachments(result: "TrainingResult") -> dict[str, bytes]:
    from topicidx.embedders.training_plot import plot_training

    lines = "".join(json.dumps(asdict(epoch)) + "\n" for epoch in result.epochs)
    picture = io.BytesIO()
    plot_training(result.epochs, picture)
    return {"training.jsonl": lines.encode(), "training.png": picture.getvalue()}
