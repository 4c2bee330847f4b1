"""Reading backups: everything in the file is verified before anything is made of it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from pydantic import BaseModel, ValidationError

from topicidx.embedders.stored_files import is_url
from topicidx.errors import InvalidPointError, TransferError
from topicidx.indexer.sources.places import SourcePlace, Url
from topicidx.indexer.store import Float32, Payload, PointBlock, validate_points
from topicidx.indexer.stores import SKIPPED
from topicidx.indexer.totals import Totals
from topicidx.indexer.transfer.archive import Member, damaged, foreign, read_members
from topicidx.indexer.transfer.backup import (
    CHECKSUMS,
    FORMAT_VERSION,
    HEADER,
    POINTS,
    SOURCES,
    SPACE,
    BackupHeader,
    Checksums,
)
from topicidx.indexer.transfer.copying import OnPoints

Model = TypeVar("Model", bound=BaseModel)

_BLOCK_NAME = re.compile(re.escape(POINTS) + r"\d{6,}\.(npy|jsonl)")
_NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9})\), \} *\n",
    re.DOTALL,
)
_SPACE_NAME = re.compile(re.escape(SPACE) + r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was found whole. sources: roots by name; space: the names of the topic space's files."""

    file: Path
    header: BackupHeader
    totals: Totals
    sources: Mapping[str, SourcePlace]
    skipped: bytes | None
    space: tuple[str, ...]
    digests: Mapping[str, str]

    def blocks(self) -> Iterator[PointBlock]:
        """The points, as they were backed up. Raises TransferError where the file has changed since it was verified."""
        vectors: Float32 | None = None
        for member in read_members(self.file):
            if not member.name.startswith(POINTS):
                continue
            content = member.read()
            self._check(member)
            if member.name.endswith(".npy"):
                vectors = _vectors(self.file, member.name, content, self.header.dimensions)
            elif vectors is not None:
                yield _block(self.file, member.name, content, vectors)

    def write_space(self, folder: Path) -> None:
        """Write the topic space's files into an empty folder."""
        for member in read_members(self.file):
            if member.name.startswith(SPACE):
                with (folder / member.name.removeprefix(SPACE)).open("xb") as file:
                    for chunk in member.chunks():
                        file.write(chunk)
                self._check(member)

    def _check(self, member: Member) -> None:
        if self.digests.get(member.name) != member.sha256:
            raise damaged(self.file, f"{member.name} has changed since it was verified")


def read_backup(file: Path, *, on_points: OnPoints | None = None) -> Backup:
    """Verify all of a backup, and give what it holds.

    Raises TransferError that names the file, says what is wrong with it and what to do: it is no backup, of a newer
    topicidx, cut short, or not as it was written.
    """
    return _Verification(file, on_points or (lambda done, total: None)).run()


class _Verification:
    """One pass over a backup."""

    def __init__(self, file: Path, on_points: OnPoints) -> None:
        self.file = file
        self.on_points = on_points
        self.header: BackupHeader | None = None
        self.sources: dict[str, SourcePlace] = {}
        self.skipped: bytes | None = None
        self.checksums: Checksums | None = None
        self.vectors: Float32 | None = None
        self.blocks = 0
        self.totals = Totals()
        self.digests: dict[str, str] = {}
        self.sizes: dict[str, int] = {}

    def run(self) -> Backup:
        for member in read_members(self.file):
            if self.checksums is not None or member.name in self.digests:
                raise damaged(self.file, f"it has a member too many, {member.name!r}")
            if self.header is None:
                self.header = self._read_header(member)
            else:
                self._read(member, self.header)
            self.digests[member.name] = member.sha256
            self.sizes[member.name] = member.size
        if self.header is None or self.checksums is None or SOURCES not in self.digests or self.vectors is not None:
            raise damaged(self.file, "parts of it are missing")
        self._compare(self.header, self.checksums)
        space = tuple(name.removeprefix(SPACE) for name in self.digests if name.startswith(SPACE))
        return Backup(self.file, self.header, self.totals, self.sources, self.skipped, space, self.digests)

    def _read_header(self, member: Member) -> BackupHeader:
        if member.name != HEADER:
            raise foreign(self.file, f"it begins with {member.name!r}")
        written = _json(self.file, HEADER, member.read())
        if not isinstance(written, dict) or written.get("kind") != "topicidx backup":
            raise foreign(self.file, f"its {HEADER} is not one of topicidx")
        version = written.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise TransferError(
                f"the backup {self.file} has format {version} (topicidx {written.get('topicidx')}), this topicidx reads up to "
                f"{FORMAT_VERSION}; upgrade topicidx"
            )
        return _model(self.file, HEADER, BackupHeader, written)

    def _read(self, member: Member, header: BackupHeader) -> None:
        name = member.name
        if name == SOURCES:
            self.sources = _sources(self.file, member.read())
        elif name == SKIPPED:
            self.skipped = member.read()
        elif name == CHECKSUMS:
            self.checksums = _model(self.file, CHECKSUMS, Checksums, _json(self.file, CHECKSUMS, member.read()))
        elif _SPACE_NAME.fullmatch(name):
            for _ in member.chunks():
                pass
        elif _BLOCK_NAME.fullmatch(name):
            self._read_points(member, header)
        else:
            raise damaged(self.file, f"it holds {name!r}, which no backup has")

    def _read_points(self, member: Member, header: BackupHeader) -> None:
        ending = "npy" if self.vectors is None else "jsonl"
        if member.name != f"{POINTS}{self.blocks:06d}.{ending}":
            raise damaged(self.file, f"it holds {member.name} where {self.blocks:06d}.{ending} was expected")
        content = member.read()
        if self.vectors is None:
            self.vectors = _vectors(self.file, member.name, content, header.dimensions)
            return
        block = _block(self.file, member.name, content, self.vectors)
        try:
            validate_points(block.ids, block.vectors, block.payloads, header.dimensions)
        except InvalidPointError as error:
            raise damaged(self.file, str(error)) from error
        self.totals = self.totals.plus(block)
        self.vectors = None
        self.blocks += 1
        self.on_points(self.totals.points, header.points)

    def _compare(self, header: BackupHeader, checksums: Checksums) -> None:
        written = {name: (sum_.size, sum_.sha256) for name, sum_ in checksums.members.items()}
        for name, digest in self.digests.items():
            if name != CHECKSUMS and written.pop(name, None) != (self.sizes[name], digest):
                raise damaged(self.file, f"{name} is not as it was written")
        if written:
            raise damaged(self.file, f"{next(iter(written))} is missing")
        if not header.points == checksums.points == self.totals.points or checksums.checksum != self.totals.checksum:
            raise damaged(
                self.file,
                f"it holds {self.totals.points:,} points with the checksum {self.totals.checksum}, and says "
                f"{header.points:,} with {checksums.checksum}",
            )


def _vectors(file: Path, name: str, content: bytes, dimensions: int) -> Float32:
    # NumPy's own reader of headers evaluates what they say, and takes memory for it before it looks for the numbers.
    header = _NPY_HEADER.match(content)
    rows = content[header.end() :] if header else b""
    if header is None or (len(rows), int(header[2])) != (4 * int(header[1]) * dimensions, dimensions):
        raise damaged(file, f"{name} does not hold float32 vectors of {dimensions} dimensions")
    return np.frombuffer(rows, dtype="<f4").reshape(-1, dimensions).astype(np.float32, copy=False)


def _block(file: Path, name: str, content: bytes, vectors: Float32) -> PointBlock:
    ids: list[UUID] = []
    payloads: list[Payload] = []
    for line in content.splitlines():
        entry = _json(file, name, line)
        try:
            ids.append(UUID(entry["id"]))
            payloads.append(dict(entry["payload"]))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise damaged(file, f"line {len(ids) + 1} of {name} is no point") from error
    if len(ids) != len(vectors):
        raise damaged(file, f"{name} holds {len(ids)} points for {len(vectors)} vectors")
    return PointBlock(ids, vectors, payloads)


def _sources(file: Path, content: bytes) -> dict[str, SourcePlace]:
    written = _json(file, SOURCES, content)
    if not isinstance(written, dict) or not all(
        isinstance(root, str) and name and "/" not in name and "\0" not in root for name, root in written.items()
    ):
        raise damaged(file, f"{SOURCES} is no table of sources")
    return {name: Url(root) if is_url(root) else Path(root) for name, root in written.items()}


def _model(file: Path, name: str, model: type[Model], written: object) -> Model:
    try:
        return model.model_validate(written)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise damaged(file, f"{name} is not as it was written ({where}: {problem['msg']})") from error


def _json(file: Path, name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(file, f"{name} is not as it was written ({error})") from error
