"""One training run of a topic network: its stages, losses and optimisers, and its calibration at the end."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topicidx.embedders.caption_words import CaptionWords, choose_calibration
from topicidx.embedders.precision import mixed_precision
from topicidx.embedders.topic_network import TopicNetwork, smoothed, topic_distribution, without_background
from topicidx.embedders.training_inputs import Inputs, Places
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.errors import TrainingError

#: Iterations over which the published recipe's learning rate falls: so many that it stays nearly constant.
PUBLISHED_ITERATIONS = 10_000_000
#: Pictures of which statistics are taken: the features' means and deviations, the average picture's topics, the background.
SAMPLE = 2_048


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


@dataclass(frozen=True)
class Progress:
    """Who wants to know: `features(done, all)` while the frozen layers run, `batch(epoch, epochs, done, all, loss)` and
    `epoch(record)` while layers learn."""

    features: Callable[[int, int], None] = lambda done, total: None
    batch: Callable[[int, int, int, int, float], None] = lambda epoch, epochs, done, total, loss: None
    epoch: Callable[[Epoch], None] = lambda record: None


class TrainingRun:
    """The state of one training run."""

    def __init__(
        self,
        network: TopicNetwork,
        inputs: Inputs,
        targets: Tensor,
        words: CaptionWords | None,
        plan: TrainingPlan,
        device: torch.device,
        seed: int,
        progress: Progress,
    ) -> None:
        self.network = network
        self.inputs = inputs
        self.targets = targets
        self.words = words
        self.plan = plan
        self.device = device
        self.seed = seed
        self.progress = progress
        self.records: list[Epoch] = []
        self._epochs = plan.epochs + (plan.head_epochs if plan.layers != "head" else 0)
        self.best_loss = math.inf
        self.best_weights: dict[str, Tensor] = {}

    def fit(self, training: Places, validation: Places) -> tuple[list[Epoch], NDArray[np.float32] | None]:
        """Train; the course of it, and the average picture's topics where the network was calibrated."""
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
        return self.records, self._calibrate(training, validation)

    @torch.no_grad()
    def _start_head(self, training: Places) -> None:
        # With biases at the topics' mean log odds the first loss is that of predicting the average picture.
        mean = self.targets[torch.from_numpy(training)].mean(dim=0)
        head = self.network.head
        for layer in head.last_layers:
            layer.bias.copy_(torch.logit(mean.clamp(1e-6, 1 - 1e-6)))
        if not self.plan.standardize:
            return
        self.network.eval()
        sample = self._sample(training)
        seen = [head.spread(self._features(maps)) for _, maps in self.inputs.evaluation_batches(sample, 64)]
        if not seen:
            raise TrainingError("none of the training pictures could be read; is the path to the pictures right?")
        features = torch.cat(seen)
        head.mean.copy_(features.mean(dim=0))
        head.deviation.copy_(features.std(dim=0, correction=0) + 1e-3)

    def _sample(self, order: Places) -> Places:
        return np.random.default_rng(self.seed).permutation(order)[:SAMPLE]

    @torch.no_grad()
    def _calibrate(self, training: Places, validation: Places) -> NDArray[np.float32] | None:
        if self.words is None or not self.plan.calibrate:
            return None
        _, learned_from = self._distributions(self._sample(training))
        places, others = self._distributions(self._sample(validation))
        background, prior = choose_calibration(learned_from, others, self.words, places)
        self.network.head.background.copy_(background)
        self.network.head.prior.copy_(prior)
        calibrated = smoothed(without_background(learned_from, background), prior)
        average: NDArray[np.float32] = calibrated.mean(dim=0).cpu().numpy()
        return average

    def _distributions(self, order: Places) -> tuple[Places, Tensor]:
        self.network.eval()
        seen = [
            (places, topic_distribution(self.network.head(self._features(maps))))
            for places, maps in self.inputs.evaluation_batches(order, self.plan.batch_size)
        ]
        return np.concatenate([places for places, _ in seen]), torch.cat([theta for _, theta in seen])

    def _features(self, inputs: Tensor) -> Tensor:
        if self.inputs.pooled:
            return inputs
        with mixed_precision(self.device):
            maps = self.network.tail(inputs)
        return self.network.pool(maps)

    def _loss(self, member_logits: Tensor, places: Places) -> Tensor:
        """The mean over heads, from logits (members, n, topics)."""
        targets = self.targets[torch.from_numpy(places)]
        losses = []
        for logits in member_logits:
            loss = topic_loss(logits, targets)
            if self.words is not None and self.plan.word_loss:
                loss = loss + self.plan.word_loss * self.words.loss(topic_distribution(logits), places)
            losses.append(loss)
        return losses[0] if len(losses) == 1 else torch.stack(losses).mean()

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
            loss = self._loss(self.network.head.member_logits(features), places)
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
            loss = self._loss(self.network.head(self._features(maps))[None], places)
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
