"""TensorBoard events of a training: losses, rate and speed by epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from topicidx.embedders.training_run import Epoch, Progress
from topicidx.errors import SettingsError


@contextmanager
def written_to_tensorboard(progress: Progress, folder: Path | None) -> Iterator[Progress]:
    """`progress`, which for as long as the block lasts also writes events to `folder`; None: only `progress`.

    Raises SettingsError where TensorBoard is not installed.
    """
    if folder is None:
        yield progress
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SettingsError("--tensorboard takes `pip install 'topicidx[tensorboard]'`") from error
    with SummaryWriter(str(folder)) as writer:

        def epoch(record: Epoch) -> None:
            for name, value in (
                ("loss/training", record.train_loss), ("loss/validation", record.validation_loss),
                ("learning rate", record.learning_rate), ("images per second", record.images_per_second),
            ):  # fmt: skip
                writer.add_scalar(name, value, record.epoch)
            writer.flush()
            progress.epoch(record)

        yield replace(progress, epoch=epoch)
