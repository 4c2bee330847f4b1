"""Training a GoogLeNet to predict the topics of a picture's captions from its pixels, in one process or in several."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from topicidx.embedders.allocator import keep_freed_memory
from topicidx.embedders.caption_words import CaptionWords
from topicidx.embedders.distributed import ALONE, Ranks
from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder
from topicidx.embedders.learner import normalizes_batches
from topicidx.embedders.networks.architectures import ARCHITECTURES, load_initial_weights
from topicidx.embedders.stopping import StopRequest, stop_requests
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training_inputs import CachedInputs, FeatureInputs, Kept, make_inputs
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.training_run import Epoch, Progress, TrainingRun
from topicidx.embedders.view_reader import Places, ViewReader
from topicidx.errors import SettingsError, TrainingError
from topicidx.post import PictureFile
from topicidx.settings import TrainingSettings

__all__ = ["Epoch", "Example", "Progress", "TrainingResult", "split_by_key", "train_image_encoder"]

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to learn from: its key, its file, the topic distribution of its captions, float32 (topics,), and their
    words, int32 (n, 2): word id and count."""

    key: str
    path: PictureFile
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
    normalize: bool = True,
    resumable: bool = False,
    ranks: Ranks = ALONE,
) -> TrainingResult:
    """Train a network on `examples` and keep the weights of the epoch with the lowest validation loss.

    A fixed share of the pictures, chosen by their keys, only validates. The same examples, settings and seed give the
    same weights on the same machine. The loss is the published one, sigmoid cross-entropy, summed over topics, averaged
    over pictures. Where `topic_words`, float32 (topics, words), P(word | topic), and the examples' words are given, the
    words' likelihood is part of it (`training.word_loss`), and the network is calibrated by it (`training.calibrate`).
    normalize: examples' topics and the encoder's vectors are distributions; otherwise each number is one from 0 to 1.

    resumable: `cache_folder` is this training's own, and keeps checkpoints and what the frozen layers gave: a run that was
    killed, or stopped by SIGTERM or Ctrl-C, goes on there, to the same weights. ranks: this process among those that call
    this together, with the same arguments; all of them get the result.
    Raises TrainingError where the pictures do not suffice or the loss is no longer finite, KeyboardInterrupt or
    SystemExit(143) where it was stopped.
    Source: Gomez, "Learning Image Topics from Instagram" (2017).
    """
    settings = settings or TrainingSettings()
    progress = progress if progress is not None and ranks.first else Progress()
    training, validation = split_by_key([example.key for example in examples], settings.validation_share)
    if not len(training) or not len(validation):
        raise TrainingError(f"{len(examples)} pictures with captions are too few to train on; give at least 2")
    plan = TrainingPlan.adapted(settings, len(training))
    with torch.random.fork_rng(devices=[]), stop_requests() as stop:
        return _train(
            examples, settings, plan, training, validation, seed, cache_folder, progress, topic_words, normalize, resumable,
            ranks, stop,
        )  # fmt: skip


def _train(
    examples: Sequence[Example], settings: TrainingSettings, plan: TrainingPlan, training: Places, validation: Places,
    seed: int, folder: Path, progress: Progress, topic_words: NDArray[np.float32] | None, normalize: bool,
    resumable: bool, ranks: Ranks, stop: StopRequest,
) -> TrainingResult:  # fmt: skip
    torch.manual_seed(seed)
    device = ranks.device
    if device.type == "cpu":
        keep_freed_memory()
    architecture = ARCHITECTURES[settings.arch]
    targets = np.stack([example.topics for example in examples])
    head = replace(plan.head, normalize=normalize)
    network = TopicNetwork(architecture, targets.shape[1], dropout=plan.dropout, head=head)
    load_initial_weights(architecture, settings.init, network.trunk, network.tail)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.freeze(plan.layers)
    _check_batches(network, plan, ranks)
    if ranks.rank:  # the first process draws as one that trains alone
        torch.manual_seed(int(np.random.default_rng((seed, ranks.rank)).integers(2**31)))
    reader = ViewReader([example.path for example in examples], plan, seed=seed)
    kept = Kept(folder, int(settings.cache_gigabytes * 1e9), resumable, ranks, stop, progress.features)
    inputs = make_inputs(reader, network, architecture, training, validation, kept, device)
    words = None
    if topic_words is not None:
        bags = [np.empty((0, 2), np.int32) if example.words is None else example.words for example in examples]
        words = CaptionWords(bags, topic_words, device)
    run = TrainingRun(
        network, inputs, targets, words, plan, device, seed, progress,
        ranks=ranks, stop=stop, checkpoint=folder / CHECKPOINT if resumable else None,
    )  # fmt: skip
    try:
        epochs, average = run.fit(reader.readable(training), reader.readable(validation))
    finally:
        if isinstance(inputs, CachedInputs | FeatureInputs):
            inputs.close()
    unreadable = {place: reason for found in ranks.gathered(reader.unreadable) for place, reason in found.items()}
    return TrainingResult(
        GoogLeNetImageEncoder(network, settings.arch, reader.indexed),
        plan,
        tuple(epochs),
        len(training),
        len(validation),
        {examples[place].key: unreadable[place] for place in sorted(unreadable)},
        average,
    )


def _check_batches(network: TopicNetwork, plan: TrainingPlan, ranks: Ranks) -> None:
    """Raises SettingsError where a full batch leaves a process fewer pictures than it needs."""
    least = 2 if normalizes_batches(network.train()) else 1
    largest = -(-plan.batch_size // ranks.world_size)
    pieces = -(-largest // plan.micro_batch)
    smallest = plan.batch_size // (ranks.world_size * pieces)
    if smallest < least and (ranks.world_size > 1 or pieces > 1):
        raise SettingsError(
            f"training.batch_size ({plan.batch_size}) gives {ranks.world_size} processes, in {pieces} pieces each, fewer than "
            f"{least} pictures at once{', which batch normalisation needs' if least > 1 else ''}; give larger batches, or "
            "fewer processes"
        )


def split_by_key(keys: Sequence[str], validation_share: float) -> tuple[Places, Places]:
    """Places of the training and of the validation pictures: by a hash of the key, so that a picture keeps its side."""
    hashes = np.array(
        [int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8]) for key in keys]
    )
    order = np.argsort(hashes, kind="stable")
    count = min(max(1, round(len(keys) * validation_share)), len(keys) - 1) if keys else 0
    return np.sort(order[count:]), np.sort(order[:count])
