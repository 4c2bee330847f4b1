"""LiveIndex: one index that all requests share, and that follows what ingests and trainings put in its place."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from topicidx.errors import SpaceError, StoreBusyError, StoreError
from topicidx.indexer.index import Index
from topicidx.indexer.locations import space_folder, store_address_of
from topicidx.indexer.picture_map import map_file
from topicidx.indexer.stamps import Stamp, space_stamp, store_stamp
from topicidx.service.lookups import Lookups
from topicidx.settings import Settings

T = TypeVar("T")

#: Seconds until an index that could not be opened is tried again, and until a server is asked for another generation.
RETRY, ASK_SERVER = 5.0, 30.0
#: How often an answer is computed again because the topic space was replaced meanwhile.
_ATTEMPTS = 3


@dataclass(eq=False)
class OpenIndex:
    """An index that is open, and what is looked up in it. space, store: the stamps of what was opened; map_file: where the map
    of its pictures is, if there is one."""

    index: Index
    lookups: Lookups
    space: Stamp
    store: Stamp
    map_file: Path
    users: int = 0
    retired: bool = field(default=False)


class LiveIndex:
    """The index that settings name, opened once, its pictures named by id or key only, never by file or URL.

    Whenever another generation or topic space is there, it is opened beside the old one, which answers what has begun.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = space_folder(settings)
        self._address = store_address_of(settings)
        self._opening = threading.Lock()
        self._counting = threading.Lock()
        self._problem: SpaceError | StoreError | None = None
        self._current = self._opened()
        self._tried = self._current.space, self._current.store
        self._next_try = self._following_try()

    @property
    def problem(self) -> SpaceError | StoreError | None:
        """Why what is there now cannot be opened: answers come from what was there before, or there are none."""
        self._follow()
        return self._problem

    @property
    def useful_threads(self) -> int:
        """How many answers at the same time are faster than one after the other.

        An engine in a folder computes in this process, where two let a quick question pass a slow one, and more are in one
        another's way; a server is waited for.
        """
        return 2 if self._address.url is None else 16

    def answer(self, call: Callable[[OpenIndex], T]) -> T:
        """What `call` makes of the index.

        Raises what it raises, and where the topic space was replaced by one that does not fit the store, SpaceMismatchError.
        """
        for _ in range(_ATTEMPTS):
            self._follow()
            with self._lent() as opened:
                failure: Exception | None = None
                try:
                    answer = call(opened)
                except Exception as error:
                    failure = error
                # Words are read from the folder as they are needed: half an answer may be of another topic space.
                if opened.space != space_stamp(self._folder):
                    continue
                if failure is not None:
                    raise failure
                return answer
        raise StoreBusyError("the topic space is being replaced; ask again in a moment")

    def close(self) -> None:
        """Release the index, once nothing uses it any more."""
        with self._counting:
            self._retire(self._current)

    def _follow(self) -> None:
        """Open what is there now, if it is something else; one thread does, the others go on with what there is."""
        there = space_stamp(self._folder), store_stamp(self._address, self._settings.collection)
        if there == self._tried and time.monotonic() < self._next_try:
            return
        replaced = there[0] != self._current.space
        if not self._opening.acquire(blocking=replaced):
            return
        try:
            if there == self._tried and time.monotonic() < self._next_try:
                return  # another thread has just tried
            self._replace()
        finally:
            self._opening.release()

    def _replace(self) -> None:
        self._tried = space_stamp(self._folder), store_stamp(self._address, self._settings.collection)
        try:
            opened = self._opened()
        except (SpaceError, StoreError) as error:
            self._problem = error
        else:
            self._problem = None
            with self._counting:
                old, self._current = self._current, opened
                self._retire(old)
        self._next_try = self._following_try()

    def _following_try(self) -> float:
        if self._problem is not None:
            return time.monotonic() + RETRY
        return time.monotonic() + ASK_SERVER if self._address.url else float("inf")

    def _opened(self) -> OpenIndex:
        stamps = space_stamp(self._folder), store_stamp(self._address, self._settings.collection)
        index = Index.open(settings=self._settings)
        index.files = False
        try:
            index.warm_up()
            lookups = Lookups(index)
            lookups.warm_up()
        except BaseException:
            index.close()
            raise
        return OpenIndex(index, lookups, *stamps, map_file(self._address, self._settings.collection))

    @contextmanager
    def _lent(self) -> Iterator[OpenIndex]:
        with self._counting:
            opened = self._current
            if self._problem is not None and opened.space != space_stamp(self._folder):
                raise self._problem
            opened.users += 1
        try:
            yield opened
        finally:
            with self._counting:
                opened.users -= 1
                self._close_if_unused(opened)

    def _retire(self, opened: OpenIndex) -> None:
        opened.retired = True
        self._close_if_unused(opened)

    def _close_if_unused(self, opened: OpenIndex) -> None:
        if opened.retired and not opened.users:
            opened.index.close()
