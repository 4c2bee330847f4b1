"""TrainingJob: all that a training of a network needs, and all that it leaves, in a folder that several processes share."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.atomic import new_folder, write_file
from topicidx.embedders.bundle import write_tensors
from topicidx.embedders.distributed import ALONE, Ranks
from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder
from topicidx.embedders.stored_files import location_of, picture_file
from topicidx.embedders.training import Epoch, Example, Progress, TrainingResult, train_image_encoder
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.errors import TrainingError
from topicidx.settings import TrainingSettings

JOB, EXAMPLES, TOPICS, WORDS, TOPIC_WORDS = "job.json", "examples.jsonl", "topics.npy", "words.npz", "topic_words.npy"
RESULT, WEIGHTS, AVERAGE = "result.json", "image.safetensors", "average.npy"
STATE = "state"
#: The file that whoever trains holds.
LOCK = "lock"
#: Where the first process of several tells how far they are, a JSON list a line.
PROGRESS = "progress.jsonl"


class TrainingJob:
    """A training in a folder: pictures, topics and settings, then checkpoints in `state/`, then the result.

    No file in it needs code to be read. Every process that trains reads it, on as many machines as see the folder under
    the same name; the first one writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def write(
        cls, folder: Path, examples: Sequence[Example], settings: TrainingSettings, *, seed: int,
        topic_words: NDArray[np.float32] | None = None, normalize: bool = True,
        beside: Callable[[Path], object] = lambda building: None,
    ) -> "TrainingJob":  # fmt: skip
        """Put a job into the new folder `folder`; the arguments are those of `train_image_encoder`.

        `beside` is called with the folder before it takes its name, to put more into it.
        """
        bags = [np.empty((0, 2), np.int32) if example.words is None else example.words for example in examples]
        description = {"settings": settings.to_json(), "seed": seed, "normalize": normalize}
        with new_folder(folder) as building:
            lines = (json.dumps([example.key, location_of(example.path)]) + "\n" for example in examples)
            (building / EXAMPLES).write_text("".join(lines), encoding="ascii")
            np.save(building / TOPICS, np.stack([example.topics for example in examples]).astype(np.float32))
            sizes = np.array([len(bag) for bag in bags], dtype=np.int64)
            np.savez(building / WORDS, sizes=sizes, entries=np.concatenate([*bags, np.empty((0, 2), np.int32)]))
            if topic_words is not None:
                np.save(building / TOPIC_WORDS, topic_words)
            beside(building)
            (building / JOB).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> "TrainingJob":
        """The job in `folder`. Raises TrainingError where there is none."""
        if not (folder / JOB).is_file():
            raise TrainingError(
                f"{folder} is no training: it has no {JOB}; `topicidx train SOURCE --prepare FOLDER` makes one"
            )
        return cls(folder)

    @property
    def state(self) -> Path:
        """The folder of checkpoints and of what the frozen layers gave."""
        return self.folder / STATE

    @property
    def finished(self) -> bool:
        """True when there is a result."""
        return (self.folder / RESULT).is_file()

    def train(self, progress: Progress | None = None, ranks: Ranks = ALONE) -> TrainingResult:
        """Train, or go on where a stopped training was, and write the result. Raises what `train_image_encoder` raises."""
        description = self._description()
        topic_words = self.folder / TOPIC_WORDS
        self.state.mkdir(exist_ok=True)
        result = train_image_encoder(
            list(self.examples()),
            TrainingSettings(**description["settings"]),
            seed=description["seed"],
            cache_folder=self.state,
            progress=progress,
            topic_words=np.load(topic_words) if topic_words.is_file() else None,
            normalize=description["normalize"],
            resumable=True,
            ranks=ranks,
        )
        if ranks.first:
            self._write_result(result)
        ranks.wait()
        return result

    def result(self) -> TrainingResult:
        """What a finished training left. Raises TrainingError where it is not finished or cannot be read."""
        if not self.finished:
            raise TrainingError(
                f"the training in {self.folder} is not finished; the command that began it goes on with it"
            )
        from safetensors.numpy import load_file

        written = json.loads((self.folder / RESULT).read_text(encoding="utf-8"))
        average = self.folder / AVERAGE
        plan = written["plan"] | {"sizes": tuple(written["plan"]["sizes"])}
        return TrainingResult(
            GoogLeNetImageEncoder.restore(load_file(self.folder / WEIGHTS), written["encoder"]),
            TrainingPlan(**plan),
            tuple(Epoch(**epoch) for epoch in written["epochs"]),
            written["training_pictures"],
            written["validation_pictures"],
            written["unreadable"],
            np.load(average) if average.is_file() else None,
        )

    def _write_result(self, result: TrainingResult) -> None:
        write_tensors(self.folder / WEIGHTS, result.encoder.tensors())
        if result.average is not None:
            np.save(self.folder / AVERAGE, result.average)
        written = {
            "encoder": result.encoder.settings_json(),
            "plan": asdict(result.plan),
            "epochs": [asdict(epoch) for epoch in result.epochs],
            "training_pictures": result.training_pictures,
            "validation_pictures": result.validation_pictures,
            "unreadable": result.unreadable,
        }
        write_file(self.folder / RESULT, json.dumps(written))

    def _description(self) -> dict[str, Any]:
        try:
            description: dict[str, Any] = json.loads((self.folder / JOB).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self.folder / JOB} cannot be read: {error}; prepare the training again") from error
        return description

    def examples(self) -> Iterator[Example]:
        """The pictures to learn from, with the topics and words of their captions."""
        topics = np.load(self.folder / TOPICS, mmap_mode="r")
        with np.load(self.folder / WORDS) as words:
            ends, entries = np.cumsum(words["sizes"]), words["entries"]
        begins = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        with (self.folder / EXAMPLES).open(encoding="ascii") as lines:
            for place, line in enumerate(lines):
                key, path = json.loads(line)
                yield Example(key, picture_file(path), topics[place], entries[begins[place] : ends[place]])
