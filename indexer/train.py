"""Train: a source's captions and pictures to a topic space."""

import collections
import importlib.metadata
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from topicidx.embedders.protocols import NO_PROGRESS, TextEncoder, TextProgress, text_encoder_class
from topicidx.embedders.stored_files import without_bytes
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.errors import SettingsError, SpaceError, SpaceNotFoundError, TrainingError
from topicidx.indexer.sources import Source
from topicidx.indexer.text_training import Documents, prepare_text, remove_work, train_text, work_folder
from topicidx.settings import CaptionSettings, TrainingSettings
from topicidx.version import __version__

if TYPE_CHECKING:
    from topicidx.embedders.training import Epoch, Progress
    from topicidx.indexer.network_training import NetworkTraining

logger = logging.getLogger(__name__)

#: With fewer captioned pictures than this, people are told to expect little.
FEW_PICTURES = 500


@dataclass
class TrainReport:
    """What a training did. space: what it made, None where it was only prepared, in the folder `prepared`; unreadable:
    pictures left out, by key, with the reason."""

    space: TopicSpace | None
    captioned: int
    words: int
    training_pictures: int = 0
    validation_pictures: int = 0
    epochs: Sequence["Epoch"] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    prepared: Path | None = None


def train(
    source: Source,
    folder: Path,
    *,
    text_encoder: str = "lda",
    text_settings: Any = None,
    training: TrainingSettings | None = None,
    only: Literal["text", "image"] | None = None,
    seed: int = 0,
    trainings: Path,
    processes: int = 1,
    prepare: bool = False,
    on_step: Callable[[str], None] = lambda text: None,
    text_progress: TextProgress = NO_PROGRESS,
    progress: "Progress | None" = None,
) -> TrainReport:
    """Learn topics from the captions of `source`, then a network that predicts them, and write the topic space `folder`.

    text_encoder is the registered name of what learns from captions, text_settings are for its `train`, None for defaults.
    only="text" stops after the captions; only="image" keeps the text side of the space that is there. A picture's
    captions are one document.

    The network learns in `processes` processes of this machine. What a training needs and leaves is kept in a folder below
    `trainings` until the space stands: stopped or killed, the same call goes on where it was, to the same space. With
    `prepare` it ends when that folder holds all that processes started elsewhere need (`python -m topicidx.embedders.train
    FOLDER`, or train_text for captions alone); the same call without it then takes their result.
    Raises SourceError, SettingsError, TrainingError or SpaceError; the space that was there stays until the new one is
    whole.
    """
    _refuse_torchrun()
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
    wanted = training or TrainingSettings()
    described = text_settings.decisive() if isinstance(text_settings, CaptionSettings) else text_settings
    work = work_folder(trainings, source, text_encoder, described, seed)
    network, documents = None, Documents(source.captions)
    if only != "text":
        from topicidx.indexer.network_training import NetworkTraining

        posts = [replace(post, path=without_bytes(post.path)) for post in source.posts() if post.captions]
        documents = Documents(lambda: (post.captions for post in posts))
        learned_from = existing.query_side if only == "image" and existing else [text_encoder, described]
        network = NetworkTraining(trainings, posts, wanted, seed, learned_from)
        if others := network.others(work):
            logger.warning(
                "%d other trainings in %s are not finished and take disk space; `topicidx gc --unfinished` removes them",
                others,
                trainings,
            )
    if next(iter(documents), None) is None:
        raise TrainingError(
            f"no picture of {source.manifest or source.folder} has a caption; captions come from captions.csv "
            "(columns image,caption), metadata.csv, or NAME.txt beside NAME.jpg"
        )
    if only != "text":
        _check_weights(wanted)
    text: TextEncoder
    if network is not None and network.prepared:
        on_step(f"going on with the training in {network.folder}")
        text = network.text
    elif encoder_class is None and existing is not None:
        text = existing.text_encoder
    else:
        assert encoder_class is not None
        on_step(f"learning from the captions ({text_encoder})")
        if network is None and prepare:
            prepare_text(encoder_class, documents, text_settings, seed=seed, work=work, progress=text_progress)
            return TrainReport(None, documents.pictures, 0, prepared=work)
        text = train_text(encoder_class, documents, text_settings, seed=seed, work=work, progress=text_progress)
    if not documents.pictures:  # they were not needed
        collections.deque(documents, maxlen=0)
    if documents.pictures < FEW_PICTURES:
        logger.warning(
            "only %d pictures have captions: what is learned from so few will be poor; some thousands are wanted",
            documents.pictures,
        )
    provenance: dict[str, Any] = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "topicidx": __version__,
        "source": source.name,
        "captioned_pictures": documents.pictures,
        "captions": documents.captions,
        "seed": seed,
        "libraries": {name: importlib.metadata.version(name) for name in ("gensim", "torch", "torchvision", "spacy")},
    }
    report = TrainReport(None, documents.pictures, len(text.vocabulary))
    if network is None:
        report.space = write_topic_space(folder, text, provenance=provenance)
        remove_work(work)
        return report
    if not network.prepared:
        network.prepare(list(documents), text)
        remove_work(work)
    if prepare:
        report.prepared = network.folder
        return report
    seen = "topics" if text.scores == "lift" else "dimensions"
    on_step(f"teaching a network to see {text.dimensions} {seen} in pictures")
    return _with_network(network, text, folder, report, provenance, processes, progress)


def _with_network(
    network: "NetworkTraining", text: TextEncoder, folder: Path, report: TrainReport, provenance: dict[str, Any],
    processes: int, progress: "Progress | None",
) -> TrainReport:  # fmt: skip
    from topicidx.indexer.network_training import metrics_of

    result = network.run(processes, progress)
    for key, reason in result.unreadable.items():
        logger.warning("left out of training: %s: %s", key, reason)
    report.space = write_topic_space(
        folder,
        text,
        result.encoder,
        provenance=provenance | {"training": asdict(result.plan)},
        metrics=metrics_of(result),
        attachments=network.attachments(result),
        average_picture=result.average,
    )
    network.remove()
    report.training_pictures, report.validation_pictures = result.training_pictures, result.validation_pictures
    report.epochs, report.unreadable = result.epochs, result.unreadable
    return report


def _refuse_torchrun() -> None:
    if int(os.environ.get("WORLD_SIZE", "1") or 1) > 1:
        raise SettingsError(
            "this is one of several processes that torchrun started, and each would learn from the captions anew: `topicidx "
            "train SOURCE --nproc N` starts the processes itself; for several machines `topicidx train SOURCE --prepare` "
            "says what to start with torchrun"
        )


def _existing(folder: Path) -> TopicSpace | None:
    try:
        return TopicSpace.load(folder)
    except SpaceError:
        return None


def _check_weights(training: TrainingSettings) -> None:
    from topicidx.embedders.networks.architectures import ARCHITECTURES, read_initial_weights

    read_initial_weights(ARCHITECTURES[training.arch], training.init)
