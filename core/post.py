"""Post: one picture with its captions and its payload."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

#: What a payload may hold: the values JSON has.
JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


class FileStatus(Protocol):
    """What tells whether a file has changed: its size in bytes, and the time of its last change in ns or what stands for it."""

    @property
    def st_size(self) -> int: ...

    @property
    def st_mtime_ns(self) -> int: ...


class PictureFile(Protocol):
    """Where a picture lies: a `pathlib.Path`, or a `topicidx.embedders.stored_files.StoredFile`."""

    @property
    def name(self) -> str: ...

    def stat(self) -> FileStatus:
        """Its size and version. Raises OSError where there is none."""

    def read_bytes(self) -> bytes:
        """All of it. Raises OSError where it cannot be got at."""


@dataclass(frozen=True, slots=True)
class Post:
    """One picture with its captions and its payload.

    image: the image key: the source's name, then the path below the source's root (POSIX separators, NFC).
    path: where the picture's file lies, as a rule a `pathlib.Path`.
    captions: its captions in the source's order; empty when it has none.
    city: the city as the source writes it, or None.
    payload: further columns of the source.
    """

    image: str
    path: PictureFile
    captions: tuple[str, ...] = ()
    city: str | None = None
    payload: Mapping[str, JsonValue] = field(default_factory=dict)
