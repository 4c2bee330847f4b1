"""The training of a space's network: prepared in a folder of the workspace, run here or elsewhere, taken up again."""

import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.bundle import fingerprint
from topicidx.embedders.launch import train_in_processes
from topicidx.embedders.protocols import LiftTextEncoder, TextEncoder
from topicidx.embedders.stored_files import location_of
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.embedders.train import locked
from topicidx.embedders.training import Example, Progress, TrainingResult
from topicidx.embedders.training_job import TrainingJob
from topicidx.embedders.training_plot import plot_training
from topicidx.indexer.training_report import training_report
from topicidx.post import Post
from topicidx.settings import TrainingSettings
from topicidx.version import __version__

#: The text side of the space, in the folder of a training.
TEXT = "text"


class NetworkTraining:
    """The training for some posts and settings, in a folder of its own below `trainings`.

    The folder's name is a fingerprint of all that the training depends on: whoever asks for the same training again goes on
    with it, whoever asks for another one gets another folder.
    """

    def __init__(
        self, trainings: Path, posts: Sequence[Post], settings: TrainingSettings, seed: int, text: Any
    ) -> None:
        """`text` says what the text side is learned from: JSON values."""
        self.posts = posts
        self.settings = settings
        self.seed = seed
        pictures = [[post.image, location_of(post.path), list(post.captions)] for post in posts]
        # Settings that keep their defaults say nothing, so that a new one does not make another training of this one.
        chosen = settings.to_json(without_defaults=True)
        asked = {"settings": chosen, "seed": seed, "text": text, "version": __version__}
        self.folder = trainings / fingerprint({"pictures": pictures, "asked": asked})[:16]

    @property
    def prepared(self) -> bool:
        """True where the text side is learned and the pictures' topics are written."""
        return (self.folder / TEXT).is_dir()

    @property
    def text(self) -> TextEncoder:
        """The text side that was learned."""
        return TopicSpace.load(self.folder / TEXT).text_encoder

    def prepare(self, documents: Sequence[str], text: TextEncoder) -> None:
        """Write what the processes that train need; `documents` are the captions of each post in one string."""
        # A caption without a single known word says nothing of its picture.
        telling = [place for place, document in enumerate(documents) if text.knows(document)]
        topics = text.encode([documents[place] for place in telling])
        topic_words: NDArray[np.float32] | None = None
        words: Sequence[NDArray[np.int32] | None] = [None] * len(telling)
        if text.scores == "lift" and isinstance(text, LiftTextEncoder):
            topic_words = text.topic_words
            words = [text.words_of(documents[place]) for place in telling]
        examples = [
            Example(self.posts[place].image, self.posts[place].path, row, bag)
            for place, row, bag in zip(telling, topics, words, strict=True)
        ]
        TrainingJob.write(
            self.folder, examples, self.settings, seed=self.seed, topic_words=topic_words, normalize=text.scores == "lift",
            beside=lambda building: write_topic_space(building / TEXT, text),
        )  # fmt: skip

    def run(self, processes: int, progress: Progress | None) -> TrainingResult:
        """Train in one process or several, from where the training was; what is finished is not trained again."""
        job = TrainingJob.open(self.folder)
        if job.finished:
            return job.result()
        if processes > 1:
            return train_in_processes(job, processes, progress)
        with locked(self.folder):
            return job.train(progress)

    def attachments(self, result: TrainingResult) -> dict[str, bytes]:
        """The files of a topic space that show how its training went."""
        lines = "".join(json.dumps(asdict(epoch)) + "\n" for epoch in result.epochs)
        picture = io.BytesIO()
        plot_training(result.epochs, picture)
        report = training_report(
            result, TopicSpace.load(self.folder / TEXT), list(TrainingJob.open(self.folder).examples()),
            self.settings.validation_share, picture.getvalue(),
        )  # fmt: skip
        return {"training.jsonl": lines.encode(), "training.png": picture.getvalue(), "report.html": report}

    def remove(self) -> None:
        """Remove the folder: what came of it is elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # others are not finished
            self.folder.parent.rmdir()

    def others(self, text: Path) -> int:
        """How many other trainings are not finished; `text` is the folder of its text side."""
        trainings = self.folder.parent
        return sum(folder not in (self.folder, text) for folder in trainings.iterdir()) if trainings.is_dir() else 0


def metrics_of(result: TrainingResult) -> dict[str, Any]:
    """What `space.json` says of a training."""
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
