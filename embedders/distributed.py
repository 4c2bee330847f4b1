"""Processes that work together: which of them this one is, and what they agree on."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from topicidx.embedders.torchrun import VARIABLES, started_by_torchrun
from topicidx.errors import SettingsError

#: How long processes wait for one another: rank 0 may be writing a checkpoint of gigabytes to a network disk.
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process among `world_size` that work together; the default is one that works alone.

    rank: among all of them; local_rank: among the local_world_size of its machine, and the number of its GPU; node: the
    number of its machine.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    node: int = 0

    @property
    def first(self) -> bool:
        """True in the one process that writes files and tells of progress."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """This process's GPU, or the CPU where there is none."""
        return torch.device("cuda", self.local_rank) if torch.cuda.is_available() else torch.device("cpu")

    def share(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """What of `places` (n,) this process takes: every `world_size`-th, from its rank on."""
        return places[self.rank :: self.world_size]

    def total(self, *values: float) -> list[float]:
        """The sums of `values` over all processes."""
        if self.world_size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self._device_of_collectives)
        dist.all_reduce(sums)
        return [float(value) for value in sums.cpu()]

    def gathered(self, value: Any) -> list[Any]:
        """`value` of every process, by rank. What is gathered must be picklable."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def of_first(self, value: Any) -> Any:
        """What rank 0 gives as `value`, in every process."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self._device_of_collectives)
        return values[0]

    def completed(self, array: NDArray[np.float32], ends: Sequence[int]) -> None:
        """Fill `array`, of which process r has computed rows ends[r - 1] to ends[r], with what the others have."""
        if self.world_size > 1:
            begin = 0
            for rank, end in enumerate(ends):
                if end > begin:
                    dist.broadcast(torch.from_numpy(array[begin:end]), src=rank)
                begin = end

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.world_size > 1:
            self.total(0.0)

    def replicated(self, module: nn.Module) -> nn.Module:
        """`module` as all processes train it: gradients are means over them. Alone, the module itself."""
        if self.world_size == 1:
            return module
        if self.device.type == "cuda":
            return DistributedDataParallel(module, device_ids=[self.local_rank])
        return DistributedDataParallel(module)

    @property
    def _device_of_collectives(self) -> torch.device:
        return self.device if dist.get_backend() == "nccl" else torch.device("cpu")


ALONE = Ranks()


def ranks_from(environment: Mapping[str, str] = os.environ) -> Ranks:
    """Which process this is, by the variables that torchrun sets; alone where there are none.

    Raises SettingsError that names the variable where one is missing, no number, or does not fit the others or the machine.
    """
    if not started_by_torchrun(environment):
        return ALONE
    missing = [name for name in VARIABLES if not environment.get(name)]
    if missing:
        given = [name for name in VARIABLES if name not in missing]
        raise SettingsError(
            f"{', '.join(given)} of a group of processes {'is' if len(given) == 1 else 'are'} set, but not "
            f"{', '.join(missing)}; start them with torchrun, which sets all, or unset them to work in one process"
        )
    rank, world_size, local_rank, local_world_size, node = (_number(environment, name) for name in VARIABLES[:5])
    if not 0 <= rank < world_size:
        raise SettingsError(f"RANK is {rank} and WORLD_SIZE is {world_size}: ranks go from 0 to {world_size - 1}")
    if not 0 <= local_rank < local_world_size <= world_size:
        raise SettingsError(
            f"LOCAL_RANK is {local_rank}, LOCAL_WORLD_SIZE {local_world_size} and WORLD_SIZE {world_size}: each is smaller "
            "than the next, or the last two the same"
        )
    if node < 0:
        raise SettingsError(f"GROUP_RANK is {node}: machines are counted from 0")
    if not 0 < _number(environment, "MASTER_PORT") < 65_536:
        raise SettingsError(f"MASTER_PORT is {environment['MASTER_PORT']}: ports go from 1 to 65535")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus and local_rank >= gpus:
        raise SettingsError(
            f"LOCAL_RANK is {local_rank}, and this machine has {gpus} GPU{'s' if gpus > 1 else ''}: start at most one "
            "process for each (--nproc, or torchrun's --nproc-per-node)"
        )
    return Ranks(rank, world_size, local_rank, local_world_size, node)


@contextmanager
def process_group(ranks: Ranks, backend: str | None = None, patience: timedelta = PATIENCE) -> Iterator[Ranks]:
    """Join the processes of `ranks` for as long as the block lasts: NCCL between GPUs, gloo between CPUs, or `backend`.

    patience: how long they wait for one another. The group is destroyed however the block ends. Raises SettingsError where
    the others cannot be reached.
    """
    if ranks.world_size == 1:
        yield ranks
        return
    cuda = ranks.device.type == "cuda" and backend != "gloo"
    if cuda:
        torch.cuda.set_device(ranks.device)
    try:
        dist.init_process_group(
            backend or ("nccl" if cuda else "gloo"), rank=ranks.rank, world_size=ranks.world_size, timeout=patience
        )
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise SettingsError(f"process {ranks.rank} cannot join the others at {address}: {error}") from error
    try:
        yield ranks
    finally:
        dist.destroy_process_group()


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise SettingsError(f"{name} is {environment[name]!r}, which is no whole number; torchrun sets it") from None
