"""PictureCache: what frozen layers give for each picture, computed once, in a file that a killed training finds again."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders.distributed import Ranks
from topicidx.embedders.stopping import StopRequest
from topicidx.embedders.view_reader import Pixels, Places, View, ViewReader

#: Called with (pictures done, pictures in all) while a cache is filled.
Done = Callable[[int, int], None]
#: Chunks after which what was computed is brought to the disk and counts as done.
FLUSH_EVERY = 200
WAITING, DONE, UNREADABLE = 0, 1, 2


class PictureCache:
    """Rows by the places of pictures, (pictures, *shape), in a file of `folder`, and which of them are there.

    With a `name` the files stay until their folder is removed, and another process that opens them goes on where the last
    one was; the processes of one machine fill them together. Without one they vanish with the process.
    """

    def __init__(
        self, folder: Path, name: str | None, pictures: int, shape: tuple[int, ...], dtype: Any, ranks: Ranks
    ) -> None:
        self.ranks = ranks
        self._paths = () if name is None else _paths(folder, name, ranks)
        self._files: list[Any] = []
        self.rows = self._map(0, folder, dtype, (pictures, *shape))
        self.state = self._map(1, folder, np.uint8, (pictures,))

    def _map(self, number: int, folder: Path, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if not self._paths:
            file: Any = tempfile.TemporaryFile(dir=folder, prefix="training-")  # noqa: SIM115 lives as long as the array
        else:
            path = self._paths[number]
            path.touch()
            file = path.open("r+b")
        self._files.append(file)
        if file.seek(0, 2) != size:  # of another shape, so of no use
            file.truncate(0)
            file.truncate(size)
        mapped: NDArray[Any] = np.memmap(file, dtype=dtype, mode="r+", shape=shape)
        return mapped

    def fill(
        self, reader: ViewReader, order: Places, views: Sequence[View], compute: Callable[[Pixels], NDArray[Any]],
        chunk: int, stop: StopRequest, done: Done,
    ) -> None:  # fmt: skip
        """Compute the rows of all pictures in `order` that are not there yet.

        compute: uint8 (n x views, side, side, 3) -> rows (n, *shape). Chunks are the same in every process and every run,
        so that what they give does not depend on where a run was stopped. Raises what `stop` asks for; what was computed is
        kept.
        """
        mine = list(chunks_of(order, chunk))[self.ranks.local_rank :: self.ranks.local_world_size]
        waiting = [places for places in mine if (self.state[places] == WAITING).any()]
        unflushed: list[tuple[Places, Places]] = []
        completed = int(np.count_nonzero(self.state[order]))
        try:
            for places, (found, pixels) in zip(waiting, reader.read(waiting, views), strict=True):
                if len(found):
                    self.rows[found] = compute(pixels)
                unflushed.append((places, found))
                completed += len(places) * self.ranks.local_world_size
                done(min(completed, len(order)), len(order))
                if len(unflushed) >= FLUSH_EVERY:
                    self._flush(unflushed)
                stop.check()
        except BaseException:
            self._flush(unflushed)
            self.close()
            raise
        self._flush(unflushed)
        self.ranks.wait()
        done(len(order), len(order))
        unknown = order[self.state[order] == UNREADABLE]
        reader.check(np.array([place for place in unknown.tolist() if place not in reader.unreadable], dtype=np.int64))

    def _flush(self, written: list[tuple[Places, Places]]) -> None:
        if not written:
            return
        self.rows.flush()  # type: ignore[attr-defined]
        for places, found in written:
            self.state[places] = UNREADABLE
            self.state[found] = DONE
        self.state.flush()  # type: ignore[attr-defined]
        written.clear()

    def tensor(self, *index: Any) -> Tensor:
        """Rows, copied."""
        return torch.from_numpy(np.ascontiguousarray(self.rows[index]))

    def close(self) -> None:
        """Let go of the files; those without a name are gone."""
        del self.rows, self.state
        for file in self._files:
            file.close()


def kept_bytes(folder: Path, name: str | None, ranks: Ranks) -> int:
    """The size of the rows that an earlier run keeps under `name`; 0 where there are none."""
    rows = None if name is None else _paths(folder, name, ranks)[0]
    return rows.stat().st_size if rows is not None and rows.is_file() else 0


def _paths(folder: Path, name: str, ranks: Ranks) -> tuple[Path, ...]:
    # Another machine may have another disk, and does not see this one's writes at once where it has the same.
    return tuple(folder / f"{name}-{ranks.node}.{part}" for part in ("rows", "state"))


def room(folder: Path, bytes_allowed: int) -> int:
    """Bytes that may be kept in `folder`: some of the disk is left to others."""
    return min(bytes_allowed, int(0.8 * shutil.disk_usage(folder).free))


def chunks_of(order: Places, size: int) -> Iterator[Places]:
    """`order` in pieces of `size`, the last one shorter."""
    for begin in range(0, len(order), size):
        yield order[begin : begin + size]
