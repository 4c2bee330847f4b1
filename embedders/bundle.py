"""The files of a topic space bundle: its manifest, its tensors, their fingerprints, and what can be wrong with them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from topicidx.checked import Checked, CheckError
from topicidx.embedders.protocols import Scores
from topicidx.errors import SpaceDamagedError, SpaceNotFoundError, SpaceVersionError

#: 2 knows heads with hidden layers, several sizes of a picture, and backgrounds; what 1 wrote is read as well.
FORMAT_VERSION = 2
MANIFEST = "space.json"

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class EncoderEntry(Checked):
    """An encoder in a manifest: its registered name and all of it that is no tensor."""

    encoder: str
    settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TextEntry(EncoderEntry):
    """The text encoder: also what its scores mean, and its normaliser."""

    scores: Scores
    normalizer: dict[str, Any]
    words: int


@dataclass(frozen=True, kw_only=True)
class Manifest(Checked):
    """`space.json`; what later versions of a format add to it is passed over."""

    unknown = "ignore"

    format_version: int
    dimensions: int
    text: TextEntry
    image: EncoderEntry | None = None
    #: Guards points: the same image model, views and topics.
    vector_space: str | None = None
    #: Guards words: the same word vectors, surface forms and normaliser.
    query_side: str
    #: Bytes of every component file.
    files: dict[str, int]
    #: Where it comes from and how good it was: no part of any fingerprint.
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`, its component files checked to be there with their full size.

    Raises SpaceNotFoundError, SpaceVersionError or SpaceDamagedError.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise SpaceNotFoundError(
            f"there is no topic space at {folder}; `topicidx train SOURCE` makes one, --space names one"
        )
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        version = written["format_version"]
    except FileNotFoundError as error:
        raise SpaceDamagedError(
            f"{folder} has no {MANIFEST}, so it is no topic space; train one, or name another with --space"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if not isinstance(version, int) or version < 1:
        raise _damaged(path, f"format_version: {version!r} is no version")
    if version > FORMAT_VERSION:
        raise SpaceVersionError(
            f"the topic space {folder} has format {version}, this topicidx reads up to {FORMAT_VERSION}; upgrade topicidx"
        )
    try:
        manifest = Manifest.read(written)
    except CheckError as error:
        raise _damaged(path, error) from error
    for name, size in manifest.files.items():
        _check_size(folder, name, size)
    return manifest


def read_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, NDArray[Any]]:
    """The tensors of one component file; `shapes` are those it must have. Raises SpaceDamagedError."""
    try:
        tensors: dict[str, NDArray[Any]] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error
    for name, shape in (shapes or {}).items():
        if name not in tensors:
            raise _damaged(path, f"it has no tensor {name!r}")
        if tensors[name].shape != shape:
            raise _damaged(path, f"{name!r} is {tensors[name].shape}, not {shape}")
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise _damaged(path, f"{name!r} holds values that are not finite")
    return tensors


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write tensors by name, the same bytes for the same tensors."""
    save_file({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}, path)
    path.chmod(0o644)  # the library lets nobody else read it


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `space.json`."""
    text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def fingerprint(parts: Mapping[str, Any]) -> str:
    """SHA-256 over named parts, tensors (dtype, shape, little-endian bytes) and JSON values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        part = parts[name]
        if isinstance(part, np.ndarray):
            little = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<"))
            digest.update(json.dumps([name, little.dtype.str, little.shape]).encode())
            digest.update(little.data if little.size else b"")
        else:
            digest.update(json.dumps([name, part], sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode())
    return digest.hexdigest()


def _check_size(folder: Path, name: str, size: int) -> None:
    if Path(name).name != name or name in {"", ".."} or "\0" in name:
        raise _damaged(folder / MANIFEST, f"it lists a file outside the bundle: {name!r}")
    try:
        found = (folder / name).stat().st_size
    except OSError as error:
        raise SpaceDamagedError(
            f"the topic space {folder} lacks its file {name}; copy it again from where it came, or train it again"
        ) from error
    if found != size:
        raise _damaged(folder / name, f"it has {found:,} bytes, space.json says {size:,}")


def _damaged(path: Path, reason: object) -> SpaceDamagedError:
    return SpaceDamagedError(
        f"{path} is damaged: {reason}; copy the topic space again from where it came, or train it again"
    )
