"""Small trainings: pictures of three colours, and a process that trains on them and may be killed on the way.

`python trainings.py JOB [--kill-at BATCH]` is `python -m topicidx.embedders.train JOB` in float32, on one thread, with a
checkpoint after every batch.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))


def coloured_pictures(folder: Path, count: int) -> list[Any]:
    """Examples of noisy red, green and blue pictures in turn, each nearly all of its colour's topic; a fourth is no one's."""
    from topicidx.embedders.training import Example

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    examples = []
    for number in range(count):
        path = folder / f"{number}.png"
        pixels = np.clip(rng.normal(COLOURS[number % 3], 25, (40, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        topics = np.full(4, 0.02, dtype=np.float32)
        topics[number % 3] = 0.94
        examples.append(Example(f"colours/{number}.png", path, topics))
    return examples


def in_float32() -> None:
    """Let everything be computed in float32, so that results do not depend on how pictures are put together."""
    import torch

    from topicidx.embedders import googlenet_encoder, precision, training_inputs

    torch.set_num_threads(1)
    for module in (precision, googlenet_encoder, training_inputs):
        module.inference_dtype = lambda device: torch.float32  # type: ignore[attr-defined]


def main(arguments: list[str]) -> None:
    """Train as the module's docstring says."""
    from topicidx.embedders import train, training_run

    in_float32()
    training_run.BETWEEN_EPOCHS = training_run.WITHIN_EPOCH = -1.0
    if "--kill-at" in arguments:
        last = int(arguments.pop(arguments.index("--kill-at") + 1))
        arguments.remove("--kill-at")
        heed, count = training_run.TrainingRun._heed, 0

        def killing(run: Any, stop: bool, save: bool) -> None:
            nonlocal count
            heed(run, stop, save)
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

        training_run.TrainingRun._heed = killing  # type: ignore[method-assign]
    train.main(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
