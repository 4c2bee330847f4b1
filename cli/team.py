"""A command in several processes that torchrun started: the first one alone tells people of it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from topicidx.cli.console import tell_error
from topicidx.errors import TopicidxError

if TYPE_CHECKING:
    from topicidx.indexer.team import Team

#: How long a process waits for the slowest one: a share of a large archive takes days.
_PATIENCE = timedelta(days=7)


@contextmanager
def team_of_torchrun() -> Iterator["Team | None"]:
    """The processes that this one was started with, for as long as the block lasts; None where it is alone.

    What fails in one of them is told by the first, and all end with an exit code that is not 0. Raises SettingsError where the
    variables of torchrun are incomplete or wrong.
    """
    from topicidx.embedders.torchrun import started_by_torchrun

    if not started_by_torchrun():
        yield None
        return
    import torch

    from topicidx.embedders.distributed import process_group, ranks_from
    from topicidx.indexer.team import Team

    ranks = ranks_from()
    if ranks.world_size == 1:
        yield None
        return
    with process_group(ranks, "gloo", _PATIENCE):
        if ranks.device.type == "cuda":
            torch.cuda.set_device(ranks.device)
        team = Team(ranks)
        if not team.first:
            logging.getLogger().setLevel(logging.CRITICAL)
        try:
            yield team
        except TopicidxError as error:
            if team.first:
                tell_error(error)
            team.part()  # the first that ends is what torchrun ends the others for
            raise typer.Exit(error.exit_code) from error
