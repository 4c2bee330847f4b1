"""One training run of a topic network: its stages, its place in them, and its calibration at the end."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topicidx.embedders.caption_words import CaptionWords, choose_calibration
from topicidx.embedders.checkpoint import load_checkpoint, random_state, restore_random_state, save_checkpoint
from topicidx.embedders.distributed import ALONE, Ranks
from topicidx.embedders.learner import Learner, make_optimizer, normalizes_batches, topic_loss
from topicidx.embedders.picture_cache import chunks_of
from topicidx.embedders.stopping import StopRequest
from topicidx.embedders.topic_network import TopicNetwork, smoothed, topic_distribution, without_background
from topicidx.embedders.training_inputs import Batches, Inputs
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.view_reader import Places
from topicidx.errors import TrainingError

#: Pictures of which statistics are taken: the features' means and deviations, the average picture's topics, the background.
SAMPLE = 2_048
#: Seconds after which a checkpoint is written: at the end of an epoch, and within one.
BETWEEN_EPOCHS, WITHIN_EPOCH = 60.0, 300.0

Stage = Literal["head", "main"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of `training.jsonl`. Losses are sums over topics, means over pictures; head: the new layer learns alone."""

    epoch: int
    stage: Stage
    train_loss: float
    validation_loss: float
    best: bool
    learning_rate: float
    images_per_second: float
    seconds: float

    def __str__(self) -> str:
        stage = "new layer alone" if self.stage == "head" else "all that learns"
        return (
            f"epoch {self.epoch} ({stage}): training loss {self.train_loss:.4f}, validation {self.validation_loss:.4f}"
            f"{' *' if self.best else ''}, {self.images_per_second:.0f} images/s"
        )


@dataclass(frozen=True)
class Progress:
    """Who wants to know: `features(done, all)` while the frozen layers run, `batch(epoch, epochs, done, all, loss)` and
    `epoch(record)` while layers learn, `resumed(epochs, batches)` where a stopped run goes on."""

    features: Callable[[int, int], None] = lambda done, total: None
    batch: Callable[[int, int, int, int, float], None] = lambda epoch, epochs, done, total, loss: None
    epoch: Callable[[Epoch], None] = lambda record: None
    resumed: Callable[[int, int], None] = lambda epochs, batches: None


@dataclass
class Standing:
    """How far a run is: finished stages, finished epochs of the present one, finished batches of the present epoch."""

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    #: Of the present epoch: losses summed over pictures, pictures, seconds.
    loss: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    without_gain: int = 0
    best_loss: float = math.inf
    records: list[Epoch] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """Layers that learn together, for how many epochs, at which rate."""

    name: Stage
    epochs: int
    rate: float
    patience: int


class TrainingRun:
    """The state of one training run, in one of the processes that train together.

    With a `checkpoint` file, a run that was stopped goes on from there, to the same weights. A batch is that of all
    processes: each takes every `world_size`-th of its pictures, in pieces of `plan.micro_batch` at most, and the gradient
    is the mean over all of them.
    """

    def __init__(
        self,
        network: TopicNetwork,
        inputs: Inputs,
        targets: NDArray[np.float32],
        words: CaptionWords | None,
        plan: TrainingPlan,
        device: torch.device,
        seed: int,
        progress: Progress,
        *,
        ranks: Ranks = ALONE,
        stop: StopRequest | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.network = network
        self.inputs = inputs
        self.targets = targets
        self.words = words
        self.plan = plan
        self.device = device
        self.seed = seed
        self.progress = progress
        self.ranks = ranks
        self.stop = stop or StopRequest()
        self.at = Standing()
        self.best_weights: dict[str, Tensor] = {}
        self._learner = Learner(network, inputs.kind, device)
        self._checkpoint = checkpoint
        self._saved = time.monotonic()
        self._optimizer: torch.optim.Optimizer
        self._schedule: torch.optim.lr_scheduler.LRScheduler
        main = StagePlan("main", plan.epochs, plan.learning_rate, plan.patience)
        alone = StagePlan("head", plan.head_epochs, plan.head_learning_rate, plan.head_epochs)
        self._stages = [alone, main] if plan.head_epochs and plan.layers != "head" else [main]

    def fit(self, training: Places, validation: Places) -> tuple[list[Epoch], NDArray[np.float32] | None]:
        """Train; the course of it, and the average picture's topics where the network was calibrated.

        Asked to stop, it writes a checkpoint and raises KeyboardInterrupt or SystemExit.
        """
        if not len(training) or not len(validation):
            raise TrainingError("none of the pictures could be read; is the path to the pictures right?")
        stopped = load_checkpoint(self._checkpoint) if self._checkpoint else None
        if stopped is None:
            self._start_head(training)
        for number, stage in enumerate(self._stages):
            if stopped is not None and number < stopped["at"]["stage"]:
                continue
            self._begin(number, stage, len(training), stopped)
            stopped = None
            self._run(stage, training, validation)
        self.network.load_state_dict(self.best_weights)
        return self.at.records, self._calibrate(training, validation)

    def _begin(self, number: int, stage: StagePlan, pictures: int, stopped: dict[str, Any] | None) -> None:
        self.network.freeze("head" if stage.name == "head" else self.plan.layers)
        if number and stopped is None:
            self.network.load_state_dict(self.best_weights)
        steps = stage.epochs * -(-pictures // self.plan.batch_size)
        self._optimizer, self._schedule = make_optimizer(self.network, self.plan, stage.rate, steps)
        if stopped is None:
            records, best = self.at.records, self.at.best_loss
            self.at = Standing(stage=number, records=records, best_loss=best)
        else:
            self._resume(stopped)
        learner: nn.Module = torch.compile(self._learner) if self.plan.compile_layers else self._learner  # type: ignore[assignment]
        self._replicated = self.ranks.replicated(learner)

    def _run(self, stage: StagePlan, training: Places, validation: Places) -> None:
        while self.at.epoch < stage.epochs and self.at.without_gain < stage.patience:
            self._train_epoch(training)
            self._end_epoch(stage, self._validate(validation))

    def _end_epoch(self, stage: StagePlan, validation_loss: float) -> None:
        at = self.at
        best = validation_loss < at.best_loss
        if best:
            at.best_loss = validation_loss
            self.best_weights = deepcopy(self.network.state_dict())
        record = Epoch(
            len(at.records) + 1,
            stage.name,
            at.loss / at.seen,
            validation_loss,
            best,
            stage.rate,
            at.seen / max(at.seconds, 1e-9),
            at.seconds,
        )
        at.records.append(record)
        self.progress.epoch(record)
        at.without_gain = 0 if best else at.without_gain + 1
        at.epoch, at.batch, at.loss, at.seen, at.seconds = at.epoch + 1, 0, 0.0, 0, 0.0
        due = time.monotonic() - self._saved > BETWEEN_EPOCHS
        stop, save = self.ranks.total(self.stop.wanted, self.ranks.first and due)
        self._heed(bool(stop), bool(save))

    @torch.no_grad()
    def _start_head(self, training: Places) -> None:
        # With biases at the topics' mean log odds the first loss is that of predicting the average picture.
        mean = torch.from_numpy(self.targets[training].mean(axis=0))
        head = self.network.head
        for layer in head.last_layers:
            layer.bias.copy_(torch.logit(mean.clamp(1e-6, 1 - 1e-6)))
        if not self.plan.standardize:
            return
        self.network.eval()
        sample = list(chunks_of(self._sample(training), 64))
        seen = [
            head.spread(self._learner.features(maps))
            for places, maps in self.inputs.evaluation_batches(sample)
            if len(places)
        ]
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
        wanted = list(chunks_of(order, self.plan.batch_size))
        seen = [
            (places, topic_distribution(self.network.head(self._learner.features(maps))))
            for places, maps in self.inputs.evaluation_batches(wanted)
            if len(places)
        ]
        return np.concatenate([places for places, _ in seen]), torch.cat([theta for _, theta in seen])

    def _loss(self, member_logits: Tensor, places: Places) -> Tensor:
        """The sum over pictures of the mean over heads, from logits (members, n, topics)."""
        targets = torch.from_numpy(self.targets[places]).to(self.device)
        losses = []
        for logits in member_logits:
            loss = topic_loss(logits, targets)
            if self.words is not None and self.plan.word_loss:
                loss = loss + self.plan.word_loss * self.words.loss(topic_distribution(logits), places)
            losses.append(loss)
        return len(places) * (losses[0] if len(losses) == 1 else torch.stack(losses).mean())

    def _micro_batches(self, batch: Places) -> list[Places]:
        """This process's part of a batch, in as many pieces as every other process's."""
        largest = -(-len(batch) // self.ranks.world_size)
        pieces = -(-largest // self.plan.micro_batch)
        mine: Places = self.ranks.share(batch)
        return [mine[piece::pieces] for piece in range(pieces)]

    def _train_epoch(self, training: Places) -> None:
        at, began = self.at, time.perf_counter()
        before, epoch = at.seconds, len(at.records) + 1
        self.network.train()
        least = 2 if normalizes_batches(self.network) else 1
        order = np.random.default_rng((self.seed, epoch)).permutation(training)
        batches = [self._micro_batches(batch) for batch in chunks_of(order, self.plan.batch_size)]
        todo = batches[at.batch :]
        stream = self.inputs.batches([piece for pieces in todo for piece in pieces], epoch)
        for pieces in todo:
            self._step(islice(stream, len(pieces)), len(pieces), least)
            at.batch += 1
            at.seconds = before + time.perf_counter() - began
            self.progress.batch(epoch, self._epochs, at.seen, len(training), at.loss / max(1, at.seen))
            due = time.monotonic() - self._saved > WITHIN_EPOCH
            stop, save = self.ranks.total(self.stop.wanted, self.ranks.first and due)
            self._heed(bool(stop), bool(save))
        if not at.seen:
            raise TrainingError(
                "no batch of two training pictures that can be read, which batch normalisation needs; give more pictures, "
                "a larger training.batch_size, or --arch bvlc; is the path to the pictures right?"
            )

    def _step(self, pieces: Batches, count: int, least: int) -> None:
        """One step of the optimiser, from `count` pieces of a batch; fewer pictures than `least` are no piece."""
        self._optimizer.zero_grad()
        loss, seen = 0.0, 0
        for number, (places, inputs) in enumerate(pieces, start=1):
            usable = len(places) >= least
            if not usable and self.ranks.world_size == 1:
                continue
            with self._synchronised(number == count):
                if usable:
                    lost = self._loss(self._replicated(inputs), places)
                else:  # the others wait for this process's part of the gradients
                    lost = 0.0 * self._replicated(self.inputs.blank(least)).sum()
                lost.backward()  # type: ignore[no-untyped-call]
            loss += lost.item()
            seen += len(places) if usable else 0
        loss, total = self.ranks.total(loss, seen)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss / max(1, total)} in epoch {len(self.at.records) + 1}; "
                "train again with a lower learning rate"
            )
        if total:
            for group in self._optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.grad.mul_(self.ranks.world_size / total)
            self._optimizer.step()
            self._schedule.step()
        self.at.loss += loss
        self.at.seen += int(total)

    def _synchronised(self, last: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged with the last piece of a batch alone."""
        if last or self.ranks.world_size == 1:
            return nullcontext()
        assert isinstance(self._replicated, nn.parallel.DistributedDataParallel)
        return self._replicated.no_sync()

    @torch.no_grad()
    def _validate(self, validation: Places) -> float:
        self.network.eval()
        loss, seen = 0.0, 0
        mine = self.ranks.share(validation)
        for places, maps in self.inputs.evaluation_batches(list(chunks_of(mine, self.plan.batch_size))):
            if len(places):
                loss += self._loss(self.network.head(self._learner.features(maps))[None], places).item()
                seen += len(places)
        loss, total = self.ranks.total(loss, seen)
        if not total:
            raise TrainingError("none of the validation pictures could be read; is the path to the pictures right?")
        if not math.isfinite(loss):
            raise TrainingError(
                f"the validation loss became {loss / total} in epoch {len(self.at.records) + 1}; "
                "train again with a lower learning rate"
            )
        return loss / total

    @property
    def _epochs(self) -> int:
        """Epochs of this run: those of finished stages, and all of the present one and those to come."""
        finished = len(self.at.records) - self.at.epoch
        return finished + sum(stage.epochs for stage in self._stages[self.at.stage :])

    def _heed(self, stop: bool, save: bool) -> None:
        if (stop or save) and self._checkpoint is not None:
            self._save(self._checkpoint)
        if stop:
            self.ranks.wait()
            self.stop.check()
            raise KeyboardInterrupt  # another process was asked to stop

    def _save(self, path: Path) -> None:
        states = self.ranks.gathered(random_state(self.device))
        if self.ranks.first:
            save_checkpoint(
                path,
                {
                    "at": asdict(self.at),
                    "network": self.network.state_dict(),
                    "best": self.best_weights,
                    "optimizer": self._optimizer.state_dict(),
                    "schedule": self._schedule.state_dict(),
                    "random": states,
                },
            )
        self._saved = time.monotonic()

    def _resume(self, stopped: dict[str, Any]) -> None:
        at = stopped["at"]
        self.at = Standing(**at | {"records": [Epoch(**record) for record in at["records"]]})
        self.network.load_state_dict(stopped["network"])
        self.best_weights = stopped["best"]
        self._optimizer.load_state_dict(stopped["optimizer"])
        self._schedule.load_state_dict(stopped["schedule"])
        states: Sequence[Any] = stopped["random"]
        if self.ranks.rank < len(states):  # more processes than before draw their own
            restore_random_state(states[self.ranks.rank], self.device)
        self.progress.resumed(len(self.at.records), self.at.batch)
