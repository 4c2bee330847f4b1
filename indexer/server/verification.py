"""Whether a collection holds what was written to it, before readers are led there."""

from collections.abc import Collection, Mapping
from uuid import UUID

from topicidx.errors import TransferError
from topicidx.indexer.conditions import Equals
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.server.filters import served_filter
from topicidx.indexer.server.reading import count_ids, count_points, scroll_blocks
from topicidx.indexer.store import BLOCK, OnProgress, PointFilter
from topicidx.indexer.totals import Totals, totals_of


def verify_points(
    connection: Connection,
    collection: str,
    written: Collection[UUID],
    expected: Totals | None,
    on_progress: OnProgress,
    *,
    nothing_else: bool,
) -> int:
    """How many points there are, once it is sure that all that were written are among them.

    nothing_else: it must hold no others. expected: it must hold these, bit for bit. Raises TransferError.
    """
    points, ids = count_points(connection, collection), list(written)
    for begin in range(0, len(ids), BLOCK):
        on_progress("verifying", begin, len(ids))
        some = ids[begin : begin + BLOCK]
        lost = len(some) - count_ids(connection, collection, some)
        if lost:
            raise _differs(connection, collection, f"{lost} of {len(some)} points that were written are not there")
    if nothing_else and points != len(ids):
        raise _differs(connection, collection, f"it holds {points} points, {len(ids)} were written")
    if expected is not None:
        totals = totals_of(scroll_blocks(connection, collection))
        if totals != expected:
            raise _differs(
                connection,
                collection,
                f"it holds {totals.points} points with the checksum {totals.checksum}, {expected.points} with "
                f"{expected.checksum} were expected",
            )
    return points


def verify_sources(connection: Connection, collection: str, wanted: Mapping[str, int], *, nothing_else: bool) -> int:
    """How many points there are, once it is sure that there are as many of each source as `wanted`.

    nothing_else: it must hold no others. Raises TransferError.
    """
    for source, expected in wanted.items():
        found = count_points(connection, collection, served_filter(PointFilter(where=Equals("source", (source,)))))
        if found != expected:
            raise _differs(
                connection,
                collection,
                f"it holds {found} pictures of the source {source!r}, {expected} were written or left as they were",
            )
    points = count_points(connection, collection)
    if nothing_else and points != sum(wanted.values()):
        raise _differs(connection, collection, f"it holds {points} points, {sum(wanted.values())} are known of")
    return points


def _differs(connection: Connection, collection: str, how: str) -> TransferError:
    return TransferError(
        f"the collection {collection} of {connection.location} is not as it should be: {how}; readers were not led to anything "
        "new. Is another process writing to it? Run the same command again"
    )
