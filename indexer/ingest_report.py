"""IngestReport: what an ingest did, or what the processes of one did together."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from topicidx.post import JsonValue


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that could not be indexed, and why. size and mtime (ns) are None where the file could not be read."""

    image: str
    path: str
    reason: str
    size: int | None = None
    mtime: int | None = None


@dataclass
class IngestReport:
    """What an ingest did, or with `dry_run` would do.

    indexed: pictures decoded and encoded; reused: those whose vector was taken over from a picture of the same bytes; updated:
    those of which only the payload was written; points: how many the collection holds now; images_per_second: of those indexed.
    """

    dry_run: bool = False
    #: The share of the source that this process took, such as 3/16; everything else but `points` is of this share.
    shard: str | None = None
    #: Into how many shares the source was split, for as many processes.
    shares: int = 1
    indexed: int = 0
    reused: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    points: int = 0
    decoded: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    #: Pictures that were met in the source and are not those of a source nested in it.
    of_source: int = 0
    #: Pictures of the store that are not of this source, by source name.
    other_sources: dict[str, int] = field(default_factory=dict)
    #: How many pictures the store now has to hold, by source name.
    by_source: dict[str, int] = field(default_factory=dict)
    #: Pictures of what was ingested that the store held but whose files are gone, and how many of them were removed from it.
    vanished: int = 0
    pruned: int = 0
    #: Pictures in the store that have the same bytes as another one of it.
    duplicates: int = 0
    #: Pictures with a GPS position whose city was not looked up, because the gazetteer is not installed.
    without_gazetteer: int = 0
    #: Values that are not of their field's type, by field, and such a value of each.
    refused_values: dict[str, int] = field(default_factory=dict)
    refused_examples: dict[str, JsonValue] = field(default_factory=dict)
    #: Fields to be indexed that no picture of this source has.
    unseen_fields: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report in JSON values."""
        return asdict(self)


#: Called after each picture with the report so far.
OnPicture = Callable[[IngestReport], None]


def combined(shares: Sequence[IngestReport]) -> IngestReport:
    """What processes that took a share each did together, all skipped pictures in the order of their keys.

    points: the most that one of them saw, with `dry_run` their sum; seconds: of the slowest; duplicates: of each share by
    itself, so that there may be more.
    """
    seconds = max(share.seconds for share in shares)
    indexed = sum(share.indexed for share in shares)
    dry_run = shares[0].dry_run
    return IngestReport(
        dry_run=dry_run,
        shares=len(shares),
        indexed=indexed,
        reused=sum(share.reused for share in shares),
        updated=sum(share.updated for share in shares),
        unchanged=sum(share.unchanged for share in shares),
        skipped=sorted((entry for share in shares for entry in share.skipped), key=lambda entry: entry.image),
        points=(sum if dry_run else max)(share.points for share in shares),
        decoded=sum(share.decoded for share in shares),
        seconds=seconds,
        images_per_second=0.0 if dry_run else indexed / max(seconds, 1e-9),
        of_source=sum(share.of_source for share in shares),
        other_sources=_added(share.other_sources for share in shares),
        by_source=_added(share.by_source for share in shares),
        vanished=sum(share.vanished for share in shares),
        pruned=sum(share.pruned for share in shares),
        duplicates=sum(share.duplicates for share in shares),
        without_gazetteer=sum(share.without_gazetteer for share in shares),
        refused_values=_added(share.refused_values for share in shares),
        refused_examples={name: value for share in shares for name, value in share.refused_examples.items()},
        unseen_fields=sorted(set.intersection(*(set(share.unseen_fields) for share in shares))),
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return dict(total)
