"""Training a GoogLeNet to predict the topics of a picture's captions from its pixels, in one process."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder, ViewSettings
from topicidx.embedders.networks.architectures import ARCHITECTURES, load_initial_weights
from topicidx.embedders.precision import mixed_precision
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training_inputs import CachedInputs, Inputs, PictureInputs, Places, ViewReader
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.errors import TrainingError
from topicidx.settings import TrainingSettings

logger = logging.getLogger(__name__)

#: Iterations over which the published recipe's learning rate falls: so many that it stays nearly constant.
PUBLISHED_ITERATIONS = 10_000_000


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to learn from: its key, its file and the topic distribution of its captions, float32 (topics,)."""

    key: str
    path: Path
    topics: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of `training.jsonl`. Losses are sums over topics, means over pictures; head: the new layer learns alone."""

    epoch: int
    stage: Literal["head", "main"]
    train_loss: float
    validation_loss: float
    best: bool
    learning_rate: float
    images_per_second: float
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained encoder, the plan and the course of its training, and the pictures left out with their reasons."""

    encoder: GoogLeNetImageEncoder
    plan: TrainingPlan
    epochs: tuple[Epoch, ...]
    training_pictures: int
    validation_pictures: int
    unreadable: dict[str, str]


@dataclass(frozen=True)
class Progress:
    """Who wants to know: `features(done, all)` while the frozen trunk runs, `batch(epoch, epochs, done, all, loss)` and
    `epoch(record)` while layers learn."""

    features: Callable[[int, int], None] = lambda done, total: None
    batch: Callable[[int, int, int, int, float], None] = lambda epoch, epochs, done, total, loss: None
    epoch: Callable[[Epoch], None] = lambda record: None


def train_image_encoder(
    examples: Sequence[Example],
    settings: TrainingSettings | None = None,
    *,
    seed: int = 0,
    cache_folder: Path,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a network on `examples` and keep the weights of the epoch with the lowest validation loss.

    A fixed share of the pictures, chosen by their keys, only validates. The same examples, settings and seed give the
    same weights on the same machine. The loss is the published one: sigmoid cross-entropy, summed over topics, averaged
    over pictures. Raises TrainingError where the pictures do not suffice or the loss is no longer finite.
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
        network = TopicNetwork(architecture, targets.shape[1], dropout=settings.dropout)
        load_initial_weights(architecture, settings.init, network.trunk, network.tail)
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.freeze(plan.layers)
        reader = ViewReader([example.path for example in examples], architecture, plan, seed=seed)
        inputs: Inputs | None = None
        if plan.layers != "all":
            inputs = CachedInputs.compute(
                reader, network, training, validation, cache_folder, device,
                bytes_allowed=int(settings.cache_gigabytes * 1e9), done=progress.features,
            )  # fmt: skip
            if inputs is None:
                logger.warning(
                    "no room to keep the frozen layers' outputs in %s: they are computed in every epoch", cache_folder
                )
        run = _Run(
            network, inputs or PictureInputs(reader, network, device), targets.to(device), plan, device, seed, progress
        )
        try:
            epochs = run.fit(reader, training, validation)
        finally:
            if isinstance(inputs, CachedInputs):
                inputs.close()
    return TrainingResult(
        GoogLeNetImageEncoder(network, settings.arch, ViewSettings(plan.view, plan.resize, plan.crop)),
        plan,
        tuple(epochs),
        len(training),
        len(validation),
        {examples[place].key: reason for place, reason in sorted(reader.unreadable.items())},
    )


def split_by_key(keys: Sequence[str], validation_share: float) -> tuple[Places, Places]:
    """Places of the training and of the validation pictures: by a hash of the key, so that a picture keeps its side."""
    hashes = np.array(
        [int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8]) for key in keys]
    )
    order = np.argsort(hashes, kind="stable")
    count = min(max(1, round(len(keys) * validation_share)), len(keys) - 1) if keys else 0
    return np.sort(order[count:]), np.sort(order[:count])


class _Run:
    """The state of one training run."""

    def __init__(
        self,
        network: TopicNetwork,
        inputs: Inputs,
        targets: Tensor,
        plan: TrainingPlan,
        device: torch.device,
        seed: int,
        progress: Progress,
    ) -> None:
        self.network = network
        self.inputs = inputs
        self.targets = targets
        self.plan = plan
        self.device = device
        self.seed = seed
        self.progress = progress
        self.records: list[Epoch] = []
        self._epochs = plan.epochs + (plan.head_epochs if plan.layers != "head" else 0)
        self.best_loss = math.inf
        self.best_weights: dict[str, Tensor] = {}

    def fit(self, reader: ViewReader, training: Places, validation: Places) -> list[Epoch]:
        training, validation = self._readable(reader, training), self._readable(reader, validation)
        if not len(training) or not len(validation):
            raise TrainingError("none of the pictures could be read; is the path to the pictures right?")
        self._start_head(training)
        plan = self.plan
        if plan.head_epochs and plan.layers != "head":
            self.network.freeze("head")
            self._stage(
                "head", plan.head_epochs, plan.head_learning_rate, training, validation, patience=plan.head_epochs
            )
            self.network.freeze(plan.layers)
            self.network.load_state_dict(self.best_weights)
        self._epochs = len(self.records) + plan.epochs
        self._stage("main", plan.epochs, plan.learning_rate, training, validation, patience=plan.patience)
        self.network.load_state_dict(self.best_weights)
        return self.records

    def _readable(self, reader: ViewReader, order: Places) -> Places:
        return order[~np.isin(order, list(reader.unreadable))]

    @torch.no_grad()
    def _start_head(self, training: Places) -> None:
        # With biases at the topics' mean log odds the first loss is that of predicting the average picture.
        mean = self.targets[torch.from_numpy(training)].mean(dim=0)
        head = self.network.head
        head.linear.bias.copy_(torch.logit(mean.clamp(1e-6, 1 - 1e-6)))
        if not self.plan.standardize:
            return
        self.network.eval()
        sample = np.random.default_rng(self.seed).permutation(training)[:2_048]
        seen = [self._features(maps) for _, maps in self.inputs.evaluation_batches(sample, 64)]
        if not seen:
            raise TrainingError("none of the training pictures could be read; is the path to the pictures right?")
        features = torch.cat(seen)
        head.mean.copy_(features.mean(dim=0))
        head.deviation.copy_(features.std(dim=0, correction=0) + 1e-3)

    def _features(self, maps: Tensor) -> Tensor:
        with mixed_precision(self.device):
            outputs = self.network.tail(maps)
        return self.network.pool(outputs)

    def _stage(
        self,
        stage: Literal["head", "main"],
        epochs: int,
        rate: float,
        training: Places,
        validation: Places,
        patience: int,
    ) -> None:
        steps = epochs * -(-len(training) // self.plan.batch_size)
        optimizer, schedule = make_optimizer(self.network, self.plan, rate, steps)
        without_gain = 0
        for _ in range(epochs):
            began = time.perf_counter()
            train_loss, seen = self._train_epoch(training, optimizer, schedule)
            seconds = time.perf_counter() - began
            validation_loss = self._validate(validation)
            best = validation_loss < self.best_loss
            if best:
                self.best_loss = validation_loss
                self.best_weights = deepcopy(self.network.state_dict())
            record = Epoch(
                len(self.records) + 1,
                stage,
                train_loss,
                validation_loss,
                best,
                rate,
                seen / max(seconds, 1e-9),
                seconds,
            )
            self.records.append(record)
            self.progress.epoch(record)
            without_gain = 0 if best else without_gain + 1
            if without_gain >= patience:
                break

    def _train_epoch(
        self,
        training: Places,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
    ) -> tuple[float, int]:
        epoch = len(self.records) + 1
        self.network.train()
        order = np.random.default_rng((self.seed, epoch)).permutation(training)
        total, seen = 0.0, 0
        for places, maps in self.inputs.batches(order, epoch, self.plan.batch_size):
            if len(places) == 1 and _normalizes_batches(self.network):
                continue  # batch normalisation needs two pictures
            with torch.set_grad_enabled(self.network.trained != "head"):
                features = self._features(maps)
            loss = topic_loss(self.network.head(features), self.targets[torch.from_numpy(places)])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            value = loss.item()
            if not math.isfinite(value):
                raise TrainingError(f"the loss became {value} in epoch {epoch}; train again with a lower learning rate")
            total += value * len(places)
            seen += len(places)
            self.progress.batch(epoch, self._epochs, seen, len(training), total / seen)
        if not seen:
            raise TrainingError(
                "no batch of two training pictures that can be read, which batch normalisation needs; give more pictures, "
                "a larger training.batch_size, or --arch bvlc; is the path to the pictures right?"
            )
        return total / seen, seen

    @torch.no_grad()
    def _validate(self, validation: Places) -> float:
        self.network.eval()
        total, seen = 0.0, 0
        for places, maps in self.inputs.evaluation_batches(validation, self.plan.batch_size):
            loss = topic_loss(self.network.head(self._features(maps)), self.targets[torch.from_numpy(places)])
            total += loss.item() * len(places)
            seen += len(places)
        if not seen:
            raise TrainingError("none of the validation pictures could be read; is the path to the pictures right?")
        if not math.isfinite(total):
            raise TrainingError(
                f"the validation loss became {total / seen} in epoch {len(self.records) + 1}; "
                "train again with a lower learning rate"
            )
        return total / seen


def _normalizes_batches(network: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) and module.training for module in network.modules())


def topic_loss(logits: Tensor, topics: Tensor) -> Tensor:
    """Sigmoid cross-entropy of logits (n, topics) and distributions (n, topics): summed over topics, averaged over n.

    The published learning rates belong to this scale; averaging over topics too would make them 500 times too small.
    """
    return nn.functional.binary_cross_entropy_with_logits(logits.float(), topics, reduction="sum") / len(logits)


def make_optimizer(
    network: TopicNetwork, plan: TrainingPlan, rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimiser and its schedule over `steps` batches for the layers that learn.

    adamw: cosine decay to zero, a lower rate for pretrained layers. sgd: the published recipe, with momentum 0.9, twice
    the rate and no weight decay for biases, and polynomial decay of power 0.5 over 10M iterations.
    """
    groups = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        bias = name.endswith(".bias")
        base = rate if name.startswith("head.") else plan.pretrained_learning_rate
        groups.append(
            {
                "params": [parameter],
                "lr": base * (2 if bias and plan.optimizer == "sgd" else 1),
                "weight_decay": 0.0 if bias else plan.weight_decay,
            }
        )
    if plan.optimizer == "sgd":
        sgd = torch.optim.SGD(groups, momentum=0.9)
        return sgd, torch.optim.lr_scheduler.PolynomialLR(sgd, PUBLISHED_ITERATIONS, power=0.5)
    adamw = torch.optim.AdamW(groups)
    return adamw, torch.optim.lr_scheduler.CosineAnnealingLR(adamw, max(1, steps))
