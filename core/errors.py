"""The errors of topicidx, one tree.

    TopicidxError
    ├── SettingsError              a setting or option has a wrong value
    ├── WorkspaceNotFoundError     no `.topicidx` folder here or above
    ├── MissingExtraError          an optional dependency is not installed
    ├── SourceError                a folder or manifest of pictures cannot be used
    ├── ImageError                 one picture cannot be read
    ├── IngestError                one of the processes that ingest together failed
    ├── TrainingError              the captions or pictures do not suffice, or training diverged
    ├── SpaceError                 a topic space cannot be used
    │   ├── SpaceNotFoundError         there is none in that place
    │   ├── SpaceDamagedError          a file of it is missing, cut short or inconsistent
    │   ├── SpaceVersionError          it was written by a newer topicidx
    │   └── SpaceMismatchError         it is not the space the store was filled with
    ├── QueryError                 a query cannot be answered
    │   ├── QuerySyntaxError           it is empty, or not in the query language
    │   ├── UnknownWordError           none of its words is in the vocabulary
    │   ├── UnknownCityError           no picture is of a city it asks for
    │   ├── UnknownPictureError        a picture it is to be like is not there, or cannot be read
    │   └── FilterSyntaxError          a condition is not in the language of conditions
    ├── MapError                   the map of the pictures cannot be read or written
    │   └── MapNotFoundError           none was made yet
    └── StoreError                 a store cannot be read or written
        ├── StoreNotFoundError         there is none in that place
        ├── StoreBusyError             another process is writing to it
        ├── StoreDamagedError          it cannot be opened
        ├── StoreFullError             no disk space is left for it
        ├── StoreUnreachableError      the server does not answer, or refuses the key
        ├── StoreVersionError          the server is too old for this topicidx, or too new
        ├── TransferError              points did not arrive as they were sent, or a backup is damaged
        └── InvalidPointError          a vector or payload that a store must never hold

Every message says what happened, to which file or point, and what to do next. `exit_code` is what the command line ends
with: 1 for "could not be done", 2 for "asked for wrongly".
"""

from typing import ClassVar


class TopicidxError(Exception):
    """Root of all errors that topicidx raises on purpose."""

    exit_code: ClassVar[int] = 1


class SettingsError(TopicidxError):
    """A setting or option has a wrong value."""

    exit_code: ClassVar[int] = 2


class WorkspaceNotFoundError(TopicidxError):
    """No `.topicidx` folder in the working directory or any of its parents."""


class MissingExtraError(TopicidxError):
    """An optional dependency is not installed; the message holds the install line."""


class SourceError(TopicidxError):
    """A folder or manifest of pictures cannot be used."""


class ImageError(TopicidxError):
    """One picture cannot be read; `str(error)` is the reason, without the file name.

    lasting: False where the file itself could not be got at, so that a later try may succeed.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting


class IngestError(TopicidxError):
    """One of the processes that ingest together failed, or is gone; what is written is kept."""


class TrainingError(TopicidxError):
    """The captions or pictures do not suffice to train, or training diverged."""


class SpaceError(TopicidxError):
    """A topic space cannot be used."""


class SpaceNotFoundError(SpaceError):
    """There is no topic space in that place."""


class SpaceDamagedError(SpaceError):
    """A file of the topic space is missing, cut short or inconsistent with the others."""


class SpaceVersionError(SpaceError):
    """The topic space was written in a format newer than this topicidx reads."""


class SpaceMismatchError(SpaceError):
    """The store was filled with the vectors of another topic space."""


class QueryError(TopicidxError):
    """A query cannot be answered."""


class QuerySyntaxError(QueryError):
    """The query is empty, or not in the query language."""

    exit_code: ClassVar[int] = 2


class UnknownWordError(QueryError):
    """None of the query's words is in the vocabulary."""


class UnknownCityError(QueryError):
    """No picture in the store is of a city that the query asks for."""


class UnknownPictureError(QueryError):
    """A picture that results are to be like is not there, or cannot be read."""


class FilterSyntaxError(QueryError):
    """A condition on the payload is not in the language of conditions."""

    exit_code: ClassVar[int] = 2


class MapError(TopicidxError):
    """The map of the pictures is damaged, of another topic space, or cannot be written."""


class MapNotFoundError(MapError):
    """No map of the pictures was made yet."""


class StoreError(TopicidxError):
    """A store cannot be read or written."""


class StoreNotFoundError(StoreError):
    """There is no store in that place."""


class StoreBusyError(StoreError):
    """Another process is writing to the store."""


class StoreDamagedError(StoreError):
    """The store cannot be opened."""


class StoreFullError(StoreError):
    """No disk space is left for the store."""


class StoreUnreachableError(StoreError):
    """The server does not answer, or refuses the API key."""


class StoreVersionError(StoreError):
    """The server's version does not go with that of the client library."""


class TransferError(StoreError):
    """Points did not arrive as they were sent, or a backup is damaged."""


class InvalidPointError(StoreError):
    """A vector or payload that a store must never hold: wrong dimension, NaN, infinite or negative values."""
