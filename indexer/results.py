"""What a search gives: pictures that were found, in groups or not, and the words that were not known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from topicidx.indexer.store import Payload
from topicidx.post import PictureFile


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture that was found. path is where its file lies, as a rule a `pathlib.Path`, or None where
    its source is not known here."""

    rank: int
    score: float
    id: str
    image: str
    city: str | None
    captions: tuple[str, ...]
    path: PictureFile | None
    payload: Payload

    def to_json(self) -> dict[str, Any]:
        """One entry of a JSON result."""
        return {
            "rank": self.rank,
            "score": self.score,
            "image": self.image,
            "city": self.city,
            "caption": self.captions[0] if self.captions else None,
            "id": self.id,
            "path": str(self.path) if self.path else None,
        }


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word that the vocabulary does not have, the known words nearest to it in spelling, and the one that was used for it."""

    word: str
    nearest: tuple[str, ...]
    used: str | None = None

    def __str__(self) -> str:
        hint = f" (did you mean {' or '.join(self.nearest)}?)" if self.nearest and not self.used else ""
        return f"the captions never used the word {self.word!r}{hint}"

    def to_json(self) -> dict[str, Any]:
        """The word in a JSON result."""
        found = {"word": self.word, "nearest": list(self.nearest)}
        return found | ({"used": self.used} if self.used else {})


class SearchResult(list[Hit]):
    """The pictures that a query found, best first: a list of `Hit`.

    query is how it was asked; unknown, the words that it was answered without, or with others in their place.
    """

    def __init__(self, query: str, hits: Iterable[Hit], unknown: tuple[Unknown, ...] = ()) -> None:
        super().__init__(hits)
        self.query = query
        self.unknown = unknown

    def to_json(self) -> dict[str, Any]:
        """The JSON result."""
        return {"query": self.query, "results": [hit.to_json() for hit in self]} | unknown_json(self.unknown)


@dataclass(frozen=True, slots=True)
class HitGroup:
    """The best pictures that share a value of a payload field, best first; ranks are within the group."""

    value: str
    hits: tuple[Hit, ...]

    def to_json(self) -> dict[str, Any]:
        """The group in a JSON result."""
        return {"value": self.value, "results": [hit.to_json() for hit in self.hits]}


class GroupedResult(list[HitGroup]):
    """Groups of pictures that a query found, those with the best pictures first: a list of `HitGroup`. by is the field."""

    def __init__(self, query: str, by: str, groups: Iterable[HitGroup], unknown: tuple[Unknown, ...] = ()) -> None:
        super().__init__(groups)
        self.query = query
        self.by = by
        self.unknown = unknown

    def to_json(self) -> dict[str, Any]:
        """The JSON result."""
        groups = [group.to_json() for group in self]
        return {"query": self.query, "by": self.by, "groups": groups} | unknown_json(self.unknown)


def unknown_json(unknown: tuple[Unknown, ...]) -> dict[str, Any]:
    """The part of a JSON result that names unknown words, where there are any."""
    return {"unknown": [word.to_json() for word in unknown]} if unknown else {}
