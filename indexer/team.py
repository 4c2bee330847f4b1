"""Team: the processes of one ingest, which succeed together or fail together."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from topicidx.errors import IngestError, TopicidxError
from topicidx.indexer.shards import Shard

if TYPE_CHECKING:
    from topicidx.embedders.distributed import Ranks

T = TypeVar("T")


class Team:
    """The processes that torchrun started, as the one of them that this is.

    What is done with its methods is done in all of them, in the same order: where it fails in one, it fails in every one of
    them, after the others have finished theirs.
    """

    def __init__(self, ranks: "Ranks") -> None:
        self._ranks = ranks

    @property
    def first(self) -> bool:
        """True in the one that publishes, and that tells people."""
        return self._ranks.first

    @property
    def shard(self) -> Shard:
        """The share of the source that this process takes."""
        return Shard(self._ranks.rank + 1, self._ranks.world_size)

    @property
    def on_this_machine(self) -> int:
        """How many of them share this machine."""
        return self._ranks.local_world_size

    def each(self, work: Callable[[], T]) -> T:
        """What `work` gives in this process; it need not be picklable."""
        done: list[T] = []
        self.gathered(lambda: done.append(work()))
        return done[0]

    def gathered(self, work: Callable[[], T]) -> list[T]:
        """What `work` gives in each process, by rank. Raises IngestError where it failed in another process before this one."""
        error: TopicidxError | None = None
        value: T | None = None
        try:
            value = work()
        except TopicidxError as failed:
            error = failed
        try:
            outcomes = self._ranks.gathered((value, None if error is None else str(error)))
        except RuntimeError as lost:
            raise IngestError(
                f"a process that this one ({self.shard}) ingests with has ended, or cannot be reached any more; what is written "
                "is kept: run the same command again to go on from there"
            ) from lost
        failures = [(rank, said) for rank, (_, said) in enumerate(outcomes) if said is not None]
        if not failures:
            return [value for value, _ in outcomes]
        rank, said = failures[0]
        if error is not None and rank == self._ranks.rank:
            raise error
        more = f" ({len(failures) - 1} more of the {self.shard.of} failed)" if len(failures) > 1 else ""
        raise IngestError(f"process {rank + 1} of {self.shard.of}: {said}{more}")

    def of_first(self, work: Callable[[], T]) -> T:
        """What `work`, which the first process alone does, gives."""
        result: T = self.gathered(lambda: work() if self.first else None)[0]  # type: ignore[assignment]
        return result

    def part(self) -> None:
        """Return when every process has come here, or is gone: none that ends is then taken for one that failed first."""
        with suppress(RuntimeError):
            self._ranks.wait()
