"""The training of a space's text side: captions read as a stream, and what is done kept until the space stands."""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from topicidx.embedders.bundle import fingerprint
from topicidx.embedders.protocols import TextEncoder, TextProgress
from topicidx.errors import SettingsError, TrainingError
from topicidx.indexer.sources import Source
from topicidx.indexer.trainings import LOCK
from topicidx.version import __version__

#: How the folders of text trainings end.
SUFFIX = ".captions"


class Documents:
    """The captions of each captioned picture as one text, read anew each time; nothing is held in memory.

    pictures and captions: how many there were when they were last read to the end.
    """

    def __init__(self, read: Callable[[], Iterable[Sequence[str]]]) -> None:
        """`read` gives the captions of each captioned picture."""
        self._read = read
        self.pictures = self.captions = 0

    def __iter__(self) -> Iterator[str]:
        pictures = captions = 0
        for of_picture in self._read():
            pictures += 1
            captions += len(of_picture)
            yield "\n".join(of_picture)
        self.pictures, self.captions = pictures, captions


def train_text(
    encoder: type[TextEncoder],
    documents: Iterable[str],
    settings: Any,
    *,
    seed: int,
    work: Path,
    progress: TextProgress,
) -> TextEncoder:
    """Learn from `documents` in the folder `work`, which stays where this is stopped.

    Raises TrainingError where another process learns in it.
    """
    with _locked(work):
        return encoder.train(documents, settings, seed=seed, progress=progress, work=work)


def prepare_text(
    encoder: type[TextEncoder],
    documents: Iterable[str],
    settings: Any,
    *,
    seed: int,
    work: Path,
    progress: TextProgress,
) -> None:
    """Leave in `work` what processes need that learn from `documents` together (`topicidx.embedders.train_text`).

    Raises SettingsError for an encoder that learns in one process alone.
    """
    prepare = getattr(encoder, "prepare", None)
    if prepare is None:
        raise SettingsError(
            f"the text encoder {encoder.name!r} learns in one process alone: leave --prepare out, or choose lda"
        )
    with _locked(work):
        prepare(documents, settings, seed=seed, progress=progress, work=work)


def work_folder(trainings: Path, source: Source, encoder: str, settings: Any, seed: int) -> Path:
    """Where the text training of this source with these settings (JSON values) keeps what it has done."""
    place = str(source.manifest or source.folder)
    return trainings / (fingerprint({"text": [place, encoder, settings, seed, __version__]})[:16] + SUFFIX)


def remove_work(work: Path) -> None:
    """Remove the folder: what came of it is elsewhere."""
    shutil.rmtree(work, ignore_errors=True)
    with contextlib.suppress(OSError):  # others are not finished
        work.parent.rmdir()


@contextmanager
def _locked(work: Path) -> Iterator[None]:
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise TrainingError(
            f"the captions are being learned from already, in {work}; wait for its end, or stop it"
        ) from error
