"""`python -m topicidx.embedders.train JOB`: one of the processes that train a network together, as torchrun starts them.

JOB is the folder that `topicidx train SOURCE --prepare JOB` wrote; `topicidx train SOURCE --nproc N` does all of it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch.distributed.elastic.multiprocessing.errors import record

from topicidx.embedders.distributed import ALONE, Ranks, process_group, ranks_from
from topicidx.embedders.training import Progress
from topicidx.embedders.training_job import LOCK, PROGRESS, TrainingJob
from topicidx.errors import TopicidxError, TrainingError


def main(arguments: list[str] | None = None) -> None:
    """Take part in a training; exit code 1 with a message where it fails, 143 where it was asked to stop (SIGTERM)."""
    parser = argparse.ArgumentParser(prog="python -m topicidx.embedders.train", description=__doc__)
    parser.add_argument("job", type=Path, help="the folder of a prepared training")
    parser.add_argument("--quiet", action="store_true", help="tell of progress only in the job's folder")
    chosen = parser.parse_args(arguments)
    try:
        record(take_part)(chosen.job, quiet=chosen.quiet)
    except TopicidxError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


def take_part(folder: Path, *, quiet: bool = False) -> None:
    """Train the job in `folder` as the process that the environment says this is."""
    ranks = ranks_from()
    with process_group(ranks):
        job = TrainingJob.open(folder)
        with locked(folder, ranks), (folder / PROGRESS).open("a", encoding="utf-8") as file:
            job.train(_told(file, quiet=quiet) if ranks.first else None, ranks)


@contextmanager
def locked(folder: Path, ranks: Ranks = ALONE) -> Iterator[None]:
    """The lock of a job, which the first process holds: two trainings of it would overwrite each other's checkpoints."""
    if not ranks.first:
        yield
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(f"the training in {folder} is running already; wait for its end, or stop it") from error
    try:
        yield
    finally:
        lock.release()


def _told(file: Any, *, quiet: bool) -> Progress:
    def tell(*event: Any) -> None:
        file.write(json.dumps(event) + "\n")
        file.flush()

    def epoch(line: Any) -> None:
        tell("epoch", asdict(line))
        if not quiet:
            sys.stderr.write(f"{line}\n")

    def told(name: str) -> Callable[..., None]:
        return lambda *values: tell(name, *values)

    return Progress(features=told("features"), batch=told("batch"), epoch=epoch, resumed=told("resumed"))


if __name__ == "__main__":
    main()
