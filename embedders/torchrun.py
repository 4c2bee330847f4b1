"""Whether torchrun started this process: told without importing torch."""

import os
from collections.abc import Mapping

#: What torchrun tells each process of the group it belongs to.
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")


def started_by_torchrun(environment: Mapping[str, str] = os.environ) -> bool:
    """True in a process that is told to be one of several."""
    return any(name in environment for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
