"""Payloads: what a point says of its picture, and which columns of a source are read as which type."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from topicidx.errors import SettingsError
from topicidx.indexer.keys import city_key, source_of
from topicidx.indexer.store import FieldType
from topicidx.post import JsonValue, Post

#: Payload fields that a source's own columns never replace.
OWN_FIELDS = frozenset({
    "image", "source", "city", "city_label", "captions", "sha256", "size", "mtime", "width", "height", "taken_at", "location",
    "gps_city", "topics", "space", "post", "at",
})  # fmt: skip
#: Payload fields that only decoding and encoding a picture can tell.
DECODED_FIELDS = ("sha256", "width", "height", "taken_at", "location", "gps_city", "topics")
#: How many of a picture's leading topics its payload names.
TOP_TOPICS = 5

_SORTED = json.JSONEncoder(sort_keys=True)
_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


@dataclass
class Columns:
    """A source's further columns, read as the types that they are indexed as.

    refused: how many values of each field are not of its type, with one of them; seen: the typed fields that some picture has.
    """

    fields: Mapping[str, FieldType]
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, JsonValue] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def read(self, post: Post) -> dict[str, JsonValue]:
        """The columns of a picture; a value that is not of its field's type is left out."""
        read: dict[str, JsonValue] = {}
        if not post.payload:
            return read
        for name, value in post.payload.items():
            kind = self.fields.get(name)
            if name in OWN_FIELDS:
                continue
            if kind is None:
                read[name] = value
                continue
            self.seen.add(name)
            try:
                read[name] = [_typed(item, kind) for item in value] if isinstance(value, list) else _typed(value, kind)
            except ValueError:
                self.refused[name] += 1
                self.examples.setdefault(name, value)
        return read


def payload_of(
    post: Post,
    columns: Mapping[str, JsonValue],
    digest: str,
    *,
    size: int,
    mtime: int,
    space: str,
    gps_city: str | None,
) -> dict[str, JsonValue]:
    """A picture's payload but for what decoding tells.

    The city is that of the post (--city, over the manifest's column, over the folder's name), or else the one that the
    picture's GPS position lies in.
    """
    label = post.city or gps_city
    part = getattr(post.path, "part", "")
    return {
        **columns,
        **({"at": part} if part else {}),
        "image": post.image,
        "source": source_of(post.image),
        "city": city_key(label) if label else None,
        "city_label": label,
        "captions": list(post.captions),
        "size": size,
        "mtime": mtime,
        "post": digest,
        "space": space,
    }


def digest_of(post: Post, columns: Mapping[str, JsonValue]) -> str:
    """Changes when anything changes that a source says of a picture."""
    said = _SORTED.encode([post.captions, post.city, columns])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def top_topics(vector: NDArray[np.float32]) -> list[JsonValue]:
    """The leading topics of a topic distribution, float32 (dimensions,), with their weights."""
    leading = np.argsort(-vector, kind="stable")[:TOP_TOPICS]
    return [{"topic": int(topic), "weight": round(float(vector[topic]), 6)} for topic in leading]


def parse_index_fields(written: list[str]) -> dict[str, FieldType]:
    """`author:keyword` and the like as types by field. Raises SettingsError."""
    kinds: dict[str, FieldType] = {
        "keyword": "keyword", "integer": "integer", "float": "float", "bool": "bool", "datetime": "datetime",
    }  # fmt: skip
    fields = {}
    for text in written:
        name, colon, kind = text.rpartition(":")
        if not colon or kind not in kinds:
            raise SettingsError(f"--index-field {text}: write FIELD:TYPE, where TYPE is one of {', '.join(kinds)}")
        if not name.replace("-", "_").isidentifier():
            raise SettingsError(
                f"--index-field {text}: a field's name is of letters, digits, - and _; rename the column {name!r} to index it"
            )
        fields[name] = kinds[kind]
    return fields


def _typed(value: JsonValue, kind: FieldType) -> JsonValue:
    """The value as `kind`, None as it is. Raises ValueError where it is no such value."""
    if value is None:
        return None
    if isinstance(value, list | dict):
        raise ValueError(f"not a single value: {value}")
    text = str(value).strip()
    if kind == "keyword":
        return text if not isinstance(value, bool) else text.lower()
    if kind == "bool":
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError(f"neither true nor false: {text}")
        return text.lower() in _TRUE
    if kind == "datetime":
        span = _YEAR_OR_MONTH.fullmatch(text)
        return datetime.fromisoformat(f"{span[1]}-{span[2] or '01'}-01" if span else text).isoformat()
    if isinstance(value, bool):
        raise ValueError(f"no number: {text}")
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(f"not finite: {text}")
    if kind == "float":
        return number
    if number != int(number) or abs(number) >= 2**63:
        raise ValueError(f"no whole number of 64 bits: {text}")
    return int(text) if text.lstrip("+-").isdecimal() else int(number)
