"""JointWriter: one of several processes, on any machines, that write to one collection of a server together."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from topicidx.errors import StoreBusyError, StoreError, StoreNotFoundError, StoreUnreachableError
from topicidx.indexer.server.collection import (
    Generation,
    end_loading,
    index_fields,
    live_generation,
    next_number,
    point_aliases,
    read_generation,
)
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.server.reading import count_points
from topicidx.indexer.server.verification import verify_points, verify_sources
from topicidx.indexer.server.writer import ServerWriter
from topicidx.indexer.store import FieldType, OnProgress, check_fields
from topicidx.indexer.totals import Totals
from topicidx.settings import ServerSettings

if TYPE_CHECKING:
    from topicidx.embedders.topic_space import TopicSpace

#: How often a collection that others are just making is looked for, and the seconds in between.
_LOOKS, _BETWEEN = 20, 0.5


@contextmanager
def joint_writer(
    connection: Connection,
    collection: str,
    vector_space: str,
    dimensions: int,
    settings: ServerSettings,
    *,
    rebuild: bool = False,
    join: str | None = None,
    words_of: "TopicSpace | None" = None,
    on_progress: OnProgress | None = None,
) -> Iterator["JointWriter"]:
    """Begin to write a collection together with others; the connection is closed at the end.

    As `server_writer`; join: the collection that the process which began has told of (`JointWriter.begin`).
    """
    with connection:
        yield JointWriter(
            connection, collection, vector_space, dimensions, settings,
            rebuild=rebuild, join=join, words_of=words_of, on_progress=on_progress,
        )  # fmt: skip


class JointWriter(ServerWriter):
    """Writes to a collection that others write to at the same time, other points than they.

    Where readers see nothing yet, they are led to an empty collection at once, so that all write in place; any number of
    processes may make it at the same time, and go on with the one that was made first. Where readers see the vectors of another
    space, all join one generation beside them, which `publish_all` or an ingest of a single process publishes. Its settings are
    left alone while it is loaded, for nobody can tell when the last one is done.
    """

    def __init__(
        self,
        connection: Connection,
        collection: str,
        vector_space: str,
        dimensions: int,
        settings: ServerSettings,
        *,
        rebuild: bool = False,
        join: str | None = None,
        words_of: "TopicSpace | None" = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        super().__init__(
            connection, collection, vector_space, dimensions, settings,
            rebuild=rebuild, words_of=words_of, on_progress=on_progress,
        )  # fmt: skip
        self._rebuild = rebuild
        self._ready = self._in_place
        self.resumes = False
        if join is not None:
            self._target = self._made_elsewhere(join)
            self._in_place = self._live is not None and self._live.collection == join
            self._ready = True

    @property
    def hidden(self) -> bool:
        """True where readers do not see what is written before somebody publishes it."""
        return self._target is not None and not self._in_place

    def begin(self) -> str:
        """Make sure that there is a collection to write to, and give its name, for others to join."""
        return self._open().collection

    def index_fields(self, fields: Mapping[str, FieldType]) -> None:
        if check_fields(self.fields, fields):
            target = self._read_again(self._open())
            self._target = index_fields(self._connection, target, check_fields(target.description.fields, fields))

    def settle(self) -> int:
        """The number of points of all, once it is sure that what this process wrote is among them. Raises StoreError."""
        if self._target is None and not self._written:
            return count_points(self._connection, self._live.collection) if self._live else 0
        collection = self._open().collection
        return verify_points(self._connection, collection, self._written, None, self._on_progress, nothing_else=False)

    def publish(self, expected: Totals | None = None) -> int:
        """As `settle`; the words are written too, where readers see the pictures and this process was given them."""
        assert expected is None, "the totals of several processes are verified by publish_all"
        if self._words_of is not None:
            self._open()
        points = self.settle()
        if self._words_of is not None and self._in_place:
            self._show(self._read_again(self._open()))
        return points

    def publish_all(self, by_source: Mapping[str, int], source: str) -> int:
        """Publish what all processes have written, once they are done, and give the number of points.

        by_source: how many pictures of each source they have written or left as they were. Where others may write in place at
        the same time, those of `source` alone are counted. Raises TransferError, and leaves readers what they had, where there
        are others.
        """
        target = self._read_again(self._open())
        wanted = {source: by_source.get(source, 0)} if self._in_place else by_source
        points = verify_sources(self._connection, target.collection, wanted, nothing_else=not self._in_place)
        self._show(target)
        return points

    def _open(self) -> Generation:
        """What is written to, ready for it."""
        looks = 0
        while not self._ready:
            looks += 1
            if looks > _LOOKS:
                raise StoreBusyError(
                    f"other processes are making and removing collections of {self._collection!r} on "
                    f"{self._connection.location}; wait for their end, and run the same command again"
                )
            self._target = self._find_or_create()
            self._ready = self._target is not None and self._prepare(self._target)
        assert self._target is not None
        return self._target

    def _find_or_create(self) -> Generation | None:
        """The collection that all write to; None where another process is just making it."""
        connection = self._connection
        # Asked for first: whatever is made after this has this number or a higher one, and of those with this one there is one.
        number = next_number(connection, self._collection)
        self._live = live = live_generation(connection, self._collection)
        if live is not None and self._is_of_wanted_space(live) and not self._rebuild:
            return live
        found = self._unpublished(self._rebuild)
        if found is not None:
            return found
        try:
            # What readers are led to at once is no build that is going on.
            return self._create(number, state="complete" if live is None else "building")
        except StoreUnreachableError:
            raise
        except StoreError:
            connection.wait(_BETWEEN)
            if next_number(connection, self._collection) == number:
                raise
            return None

    def _prepare(self, target: Generation) -> bool:
        """Index its fields, and lead readers to it where they see nothing; False where they see another one by now."""
        connection, live = self._connection, self._live
        self._in_place = live is not None and live.collection == target.collection
        if self._in_place:
            return True
        self._target = index_fields(connection, target, target.description.fields)
        if live is not None:
            return True
        self._target = end_loading(connection, self._target, state="complete")
        if live_generation(connection, self._collection) is None:
            point_aliases(connection, {self._collection: self._target})
        self._live = live_generation(connection, self._collection)
        self._in_place = self._live is not None and self._live.collection == target.collection
        return self._in_place

    def _made_elsewhere(self, collection: str) -> Generation:
        """A collection that another process has made; not all nodes of a cluster know of it at once."""
        for look in range(1, _LOOKS + 1):
            try:
                found = read_generation(self._connection, collection)
                if found is not None:
                    return found
            except StoreNotFoundError:
                if look == _LOOKS:
                    raise
            self._connection.wait(_BETWEEN)
        raise StoreError(f"the collection {collection} of {self._connection.location} is not one of topicidx any more")

    def _read_again(self, target: Generation) -> Generation:
        """The generation with its description as others have left it."""
        return read_generation(self._connection, target.collection) or target
