"""Training a GoogLeNet to predict the topics of a picture's captions from its pixels, in one process."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from topicidx.embedders.caption_words import CaptionWords
from topicidx.embedders.googlenet_encoder import FeatureExtractor, GoogLeNetImageEncoder
from topicidx.embedders.networks.architectures import ARCHITECTURES, load_initial_weights
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training_inputs import CachedInputs, FeatureInputs, Inputs, PictureInputs, Places, ViewReader
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.training_run import Epoch, Progress, TrainingRun
from topicidx.errors import TrainingError
from topicidx.settings import TrainingSettings

__all__ = ["Epoch", "Example", "Progress", "TrainingResult", "split_by_key", "train_image_encoder"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to learn from: its key, its file, the topic distribution of its captions, float32 (topics,), and their
    words, int32 (n, 2): word id and count."""

    key: str
    path: Path
    topics: NDArray[np.float32]
    words: NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained encoder, the plan and the course of its training, and the pictures left out with their reasons.

    average: the mean of the topic distributions that the encoder gives training pictures, float32 (topics,), where it was
    calibrated.
    """

    encoder: GoogLeNetImageEncoder
    plan: TrainingPlan
    epochs: tuple[Epoch, ...]
    training_pictures: int
    validation_pictures: int
    unreadable: dict[str, str]
    average: NDArray[np.float32] | None = None


def train_image_encoder(
    examples: Sequence[Example],
    settings: TrainingSettings | None = None,
    *,
    seed: int = 0,
    cache_folder: Path,
    progress: Progress | None = None,
    topic_words: NDArray[np.float32] | None = None,
) -> TrainingResult:
    """Train a network on `examples` and keep the weights of the epoch with the lowest validation loss.

    A fixed share of the pictures, chosen by their keys, only validates. The same examples, settings and seed give the
    same weights on the same machine. The loss is the published one, sigmoid cross-entropy, summed over topics, averaged
    over pictures. Where `topic_words`, float32 (topics, words), P(word | topic), and the examples' words are given, the
    words' likelihood is part of it (`training.word_loss`), and the network is calibrated by it (`training.calibrate`).
    Raises TrainingError where the pictures do not suffice or the loss is no longer finite.
    Source: Gomez, "Learning Image Topics from Instagram" (2017).
    """
    settings = settings or TrainingSettings()
    progress = progress or Progress()
    training, validation = split_by_key([example.key for example in examples], settings.validation_share)
    if not len(training) or not len(validation):
        raise TrainingError(f"{len(examples)} pictures with captions are too few to train on; give at least 2")
    plan = TrainingPlan.adapted(settings, len(training))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        architecture = ARCHITECTURES[settings.arch]
        targets = torch.from_numpy(np.stack([example.topics for example in examples]))
        network = TopicNetwork(architecture, targets.shape[1], dropout=plan.dropout, head=plan.head)
        load_initial_weights(architecture, settings.init, network.trunk, network.tail)
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.freeze(plan.layers)
        reader = ViewReader([example.path for example in examples], architecture, plan, seed=seed)
        inputs = _inputs(reader, network, training, validation, cache_folder, device, settings, progress)
        words = None
        if topic_words is not None:
            bags = [np.empty((0, 2), np.int32) if example.words is None else example.words for example in examples]
            words = CaptionWords(bags, topic_words, device)
        run = TrainingRun(network, inputs, targets.to(device), words, plan, device, seed, progress)
        try:
            epochs, average = run.fit(reader.readable(training), reader.readable(validation))
        finally:
            if isinstance(inputs, CachedInputs | FeatureInputs):
                inputs.close()
    return TrainingResult(
        GoogLeNetImageEncoder(network, settings.arch, reader.indexed),
        plan,
        tuple(epochs),
        len(training),
        len(validation),
        {examples[place].key: reason for place, reason in sorted(reader.unreadable.items())},
        average,
    )


def _inputs(
    reader: ViewReader, network: TopicNetwork, training: Places, validation: Places, folder: Path, device: torch.device,
    settings: TrainingSettings, progress: Progress,
) -> Inputs:  # fmt: skip
    allowed = int(settings.cache_gigabytes * 1e9)
    kept: Inputs | None = None
    if network.trained == "head":
        features = FeatureInputs(reader, FeatureExtractor(network, reader.architecture, reader.indexed, device))
        everything = np.concatenate([validation, training])
        if features.keep(everything, folder, bytes_allowed=allowed, done=progress.features):
            return features
        kept = features
    elif network.trained == "tail":
        kept = CachedInputs.compute(
            reader, network, training, validation, folder, device, bytes_allowed=allowed, done=progress.features
        )
        if kept is not None:
            return kept
    else:
        return PictureInputs(reader, network, device)
    logger.warning("no room to keep the frozen layers' outputs in %s: they are computed in every epoch", folder)
    return kept or PictureInputs(reader, network, device)


def split_by_key(keys: Sequence[str], validation_share: float) -> tuple[Places, Places]:
    """Places of the training and of the validation pictures: by a hash of the key, so that a picture keeps its side."""
    hashes = np.array(
        [int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8]) for key in keys]
    )
    order = np.argsort(hashes, kind="stable")
    count = min(max(1, round(len(keys) * validation_share)), len(keys) - 1) if keys else 0
    return np.sort(order[count:]), np.sort(order[:count])
