"""Distinct: whether all of very many texts differ, in constant memory."""

import tempfile
from array import array
from pathlib import Path

import numpy as np

#: Digests that are held in memory before they go to the disk, and files that they go to.
HELD, FILES = 1_000_000, 64


class Distinct:
    """Whether all texts differ that were added, by 64-bit digests. To be closed.

    Memory: 8 bytes a text for a million of them; further ones lie on the disk. That two different texts have one digest
    happens in one of 350,000 sets of ten million texts; they then count as the same.
    """

    def __init__(self) -> None:
        self._held = array("q")
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, text: str) -> None:
        """Add a text."""
        self._held.append(hash(text))
        if len(self._held) >= HELD:
            self._write()

    def distinct(self) -> bool:
        """Whether no text was added twice."""
        if self._folder is None:
            return _differ(np.array(self._held, dtype=np.int64))
        self._write()
        return all(_differ(np.fromfile(file, dtype=np.int64)) for file in Path(self._folder.name).iterdir())

    def close(self) -> None:
        """Remove what lies on the disk."""
        if self._folder is not None:
            self._folder.cleanup()

    def _write(self) -> None:
        """Into files by their lowest bits, so that the same digests lie in the same file."""
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="topicidx-")
        digests = np.array(self._held, dtype=np.int64)
        self._held = array("q")
        for number in range(FILES):
            with Path(self._folder.name, str(number)).open("ab") as file:
                file.write(digests[digests % FILES == number].tobytes())


def _differ(digests: "np.typing.NDArray[np.int64]") -> bool:
    return len(np.unique(digests)) == len(digests)
