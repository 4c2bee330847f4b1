"""Checkpoints of a training run: a file that appears whole or not at all, and is read without running code from it."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from topicidx.atomic import write_bytes
from topicidx.errors import TrainingError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state`, tensors and plain values, in place of what `path` holds."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What was saved, on the CPU; None where there is no such file. Raises TrainingError where it cannot be read."""
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load documents no common root
        raise TrainingError(
            f"the checkpoint {path} cannot be read: {error}; remove its folder to train from the beginning"
        ) from error
    return state


def random_state(device: torch.device) -> list[Tensor]:
    """The states of the generators that dropout draws from."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def restore_random_state(states: list[Tensor], device: torch.device) -> None:
    """Let dropout go on from `states`."""
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)
