"""`python -m topicidx.embedders.train_text FOLDER`: one of the processes that learn topics together, as torchrun starts them.

FOLDER is what `topicidx train SOURCE --only text --prepare` wrote, under the same name on every machine; the same command
without --prepare then takes the result. Two processes learn what one learns, to the bit.
"""

import argparse
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from topicidx.embedders.distributed import process_group, ranks_from
from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.lda_job import LdaJob
from topicidx.embedders.protocols import NO_PROGRESS, TextProgress
from topicidx.embedders.train import locked
from topicidx.errors import TopicidxError


def main(arguments: list[str] | None = None) -> None:
    """Take part in a training; exit code 1 with a message where it fails."""
    parser = argparse.ArgumentParser(prog="python -m topicidx.embedders.train_text", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of a prepared training of topics")
    chosen = parser.parse_args(arguments)
    try:
        record(take_part)(chosen.folder)
    except TopicidxError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


def take_part(folder: Path) -> None:
    """Learn the topics of the job in `folder` as the process that the environment says this is."""
    ranks = ranks_from()
    with process_group(ranks, backend="gloo"):
        job = LdaJob.open(folder)
        with locked(folder, ranks):
            if ranks.of_first(job.learned() is not None):
                return
            text = LdaTextEncoder.learn(job, _told() if ranks.first else NO_PROGRESS, ranks)
            if ranks.first:
                job.keep(text.tensors())
            ranks.wait()


def _told() -> TextProgress:
    tenths: list[int] = []

    def learned(done: int, total: int) -> None:
        if (tenth := done * 10 // total) not in tenths:
            tenths.append(tenth)
            sys.stderr.write(f"learned from {done:,} of {total:,} captions\n")

    return TextProgress(learned=learned)


if __name__ == "__main__":
    main()
