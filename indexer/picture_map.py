"""PictureMap: all pictures laid out by their topic vectors, as it is kept beside a store."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.atomic import write_bytes
from topicidx.errors import MapError, MapNotFoundError
from topicidx.indexer.store import Payload, Record, VectorStore
from topicidx.indexer.stores import StoreAddress

Float32 = NDArray[np.float32]

#: The map's file, in the folder of a collection.
FILE_NAME = "map.safetensors"
#: The format of the file; a newer one is refused.
VERSION = 1
#: Payload fields that tell whether a picture is on the map, and how it is coloured.
FIELDS = ("city", "city_label", "sha256")
#: In place of a city or a topic, where a picture has none.
NONE = -1

_RAW_ID = np.dtype("V16")
_TENSORS = {"ids": ("|u1", (16,)), "places": ("<f4", (2,)), "contents": ("<u8", ()), "topics": ("<i4", ())}


@dataclass(frozen=True, slots=True)
class PictureMap:
    """The places of pictures, in the order of their ids.

    ids: uint8 (n, 16), the bytes of UUIDs; places: float32 (n, 2), see `lay_out`; contents: uint64 (n,), what a picture's file
    held (see `content_of`); topics: int32 (n,), the leading topic of each, NONE where the text encoder has no topics.
    vector_space, generation: of the store that they were read from; made: when, in UTC.
    """

    ids: NDArray[np.uint8]
    places: Float32
    contents: NDArray[np.uint64]
    topics: NDArray[np.int32]
    vector_space: str
    generation: str
    seed: int
    made: str

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a map still holds for a store.

    rows: the map's pictures that are indexed, with the same content, intp (n,); cities: the place in `city_names` of the city of
    each, or NONE, int32 (n,), those with most pictures first. missing: indexed pictures that are not on the map; gone: pictures
    on the map that are not indexed any more, or are others now.
    """

    rows: NDArray[np.intp]
    cities: NDArray[np.int32]
    city_names: tuple[str, ...]
    missing: int
    gone: int

    @property
    def current(self) -> bool:
        """Whether the map shows all pictures that are indexed, and no other."""
        return not self.missing and not self.gone


def map_file(address: StoreAddress, collection: str) -> Path:
    """Where the map of a collection is kept: beside the points, or for a server with what else it does not keep."""
    return address.folder / collection / FILE_NAME


def write_picture_map(file: Path, picture_map: PictureMap) -> None:
    """Put a map in the place of the one there is, all at once. Raises MapError where it cannot be written."""
    from safetensors.numpy import save

    tensors = {
        name: np.ascontiguousarray(getattr(picture_map, name), dtype=kind) for name, (kind, _) in _TENSORS.items()
    }
    facts = {
        "version": VERSION,
        "vector_space": picture_map.vector_space,
        "generation": picture_map.generation,
        "seed": picture_map.seed,
        "made": picture_map.made,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, save(tensors, {"map": json.dumps(facts)}))
    except OSError as error:
        raise MapError(
            f"cannot write the map {file}: {error.strerror or error}; what was there before is kept"
        ) from error


def read_picture_map(file: Path, vector_space: str) -> PictureMap:
    """The map in `file`. Raises MapNotFoundError where there is none, MapError for one that is damaged, newer than this
    topicidx, or of another vector space."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise MapNotFoundError("there is no map of the pictures yet; `topicidx map` makes one") from None
    except OSError as error:
        raise MapError(f"cannot read the map {file}: {error.strerror or error}") from error
    try:
        facts = _facts(content)
        if facts["version"] > VERSION:
            raise MapError(f"the map {file} was made by a newer topicidx; `topicidx map` makes one anew")
        tensors = load(content)
        found = PictureMap(
            ids=_checked(tensors, "ids"),
            places=_checked(tensors, "places"),
            contents=_checked(tensors, "contents"),
            topics=_checked(tensors, "topics"),
            vector_space=str(facts["vector_space"]),
            generation=str(facts["generation"]),
            seed=int(facts["seed"]),
            made=str(facts["made"]),
        )
        if len({len(getattr(found, name)) for name in _TENSORS}) != 1 or not np.isfinite(found.places).all():
            raise ValueError("its parts do not fit together")
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise MapError(f"the map {file} is damaged ({error}); `topicidx map` makes it anew") from error
    if found.vector_space != vector_space:
        raise MapError(
            f"the map {file} was made from another topic space ({found.vector_space[:12]}) than the pictures are indexed with "
            f"({vector_space[:12]}); `topicidx map` makes it anew"
        )
    return found


def compare(picture_map: PictureMap, store: VectorStore) -> Standing:
    """What of a map still holds for a store."""
    keys = picture_map.ids.view(_RAW_ID).ravel().tolist()
    at = {key: row for row, key in enumerate(keys)}
    rows: list[int] = []
    cities: list[str | None] = []
    labels: dict[str, str] = {}
    missing = 0
    contents = picture_map.contents.tolist()
    for record in store.scroll(FIELDS):
        row = at.get(record.id.bytes)
        if row is None or contents[row] != content_of(record.payload):
            missing += 1
            continue
        rows.append(row)
        cities.append(_city_of(record, labels))
    numbers, names = _numbered(cities, labels)
    order = np.argsort(np.array(rows, dtype=np.intp))
    return Standing(np.array(rows, dtype=np.intp)[order], numbers[order], names, missing, len(picture_map) - len(rows))


def content_of(payload: Payload) -> int:
    """What tells one content of a picture's file from another: the first 64 bits of its SHA-256; 0 where it is not known."""
    digest = payload.get("sha256")
    try:
        return int(digest[:16], 16) if isinstance(digest, str) else 0
    except ValueError:
        return 0


def id_of(picture_map: PictureMap, row: int) -> UUID:
    """The id of the picture in a row."""
    return UUID(bytes=picture_map.ids[row].tobytes())


def _city_of(record: Record, labels: dict[str, str]) -> str | None:
    key, label = record.payload.get("city"), record.payload.get("city_label")
    if not isinstance(key, str) or not key:
        return None
    if key not in labels:
        labels[key] = label if isinstance(label, str) else key
    return key


def _numbered(cities: list[str | None], labels: dict[str, str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    counts: dict[str, int] = dict.fromkeys(labels, 0)
    for city in cities:
        if city is not None:
            counts[city] += 1
    keys = sorted(counts, key=lambda key: (-counts[key], key))
    number = {key: place for place, key in enumerate(keys)}
    numbers = np.array([NONE if city is None else number[city] for city in cities], dtype=np.int32)
    return numbers, tuple(labels[key] for key in keys)


def _facts(content: bytes) -> dict[str, Any]:
    """What the header of a safetensors file says of the map in it."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    facts = json.loads(header["__metadata__"]["map"])
    if not isinstance(facts, dict) or not isinstance(facts.get("version"), int):
        raise ValueError("it does not say of which format it is")
    return facts


def _checked(tensors: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    kind, shape = _TENSORS[name]
    tensor = tensors[name]
    if tensor.dtype != np.dtype(kind) or tensor.shape[1:] != shape:
        raise ValueError(f"{name!r} is {tensor.dtype} {tensor.shape}")
    return tensor
