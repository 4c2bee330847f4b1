"""Post: one picture with its captions and its payload."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: What a payload may hold: the values JSON has.
JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Post:
    """One picture with its captions and its payload.

    image: the image key: the source's name, then the path below the source's root (POSIX separators, NFC).
    path: where the picture's file lies.
    captions: its captions in the source's order; empty when it has none.
    city: the city as the source writes it, or None.
    payload: further columns of the source.
    """

    image: str
    path: Path
    captions: tuple[str, ...] = ()
    city: str | None = None
    payload: Mapping[str, JsonValue] = field(default_factory=dict)
