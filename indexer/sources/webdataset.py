"""WebDataset: tar files in which the files of a picture follow one another and share a name, as img2dataset writes them."""

import json
import logging
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO, Any

from topicidx.embedders.pictures import SUFFIXES
from topicidx.embedders.stored_files import StoredFile, file_system, version_of
from topicidx.indexer.keys import image_key
from topicidx.indexer.sources.places import SourcePlace, Url, path_below, walk
from topicidx.indexer.sources.table import Entry, entry_of
from topicidx.post import Post

logger = logging.getLogger(__name__)

SUFFIX = ".tar"
#: What a picture's files of text may have at most; others are passed over.
MOST_TEXT = 2**20
#: Facts in img2dataset's JSON that its own bookkeeping needs.
_BOOKKEEPING = frozenset({"exif", "error_message", "key", "status", "original_width", "original_height"})

#: What is said of a picture.
_TEXTS = frozenset({".txt", ".json"})
_Member = tuple[str, str, StoredFile]


def shards_in(folder: SourcePlace) -> Iterator[SourcePlace]:
    """The shards in a folder and its sub-folders, in the order of their paths."""
    if isinstance(folder, Url):
        yield from (place for place, _ in walk(folder) if place.suffix.lower() == SUFFIX)
    else:
        yield from sorted(path for path in folder.rglob(f"*{SUFFIX}") if path.is_file())


def read_shard(name: str, root: SourcePlace, shard: SourcePlace, wanted: Callable[[str], bool]) -> Iterator[Post]:
    """The pictures of a shard in its order: captions from `.txt` (one a line) or `caption` in `.json`, whose other entries become
    payload.

    name, root: what their keys begin with, and what it stands for. wanted: whether the pictures of the shard, by its key, are to
    be read at all. A shard that cannot be read, or ends too soon, is one more picture that cannot be read, with the reason.
    """
    key = image_key(name, path_below(shard, root))
    if not wanted(key):
        return
    try:
        for _, files in groupby(_members(shard), key=lambda member: member[0]):
            post = _post(key, list(files))
            if post is not None:
                yield post
    except (tarfile.TarError, OSError, EOFError) as error:
        yield Post(key, StoredFile(str(shard), wrong=f"damaged, and passed over from there on: {error}"))
    except Exception as error:  # those of HTTP and cloud libraries, which have no common root
        yield Post(key, StoredFile(str(shard), wrong=f"cannot be fetched: {error}"))


def _members(shard: SourcePlace) -> Iterator[_Member]:
    """The files of a shard: the name that the files of a picture share, what follows it, and the file.

    Texts are read as they pass, and pictures of a shard that lies elsewhere; those on this machine when they are needed.
    """
    here = isinstance(shard, Path)
    with _opened(shard) as (file, version, size), tarfile.open(fileobj=file, mode="r:" if here else "r|") as tar:
        for member in tar:
            tar.members.clear()  # type: ignore[attr-defined]  # it remembers all otherwise
            path = PurePosixPath(member.name)
            stem, _, suffix = path.name.partition(".")
            if not member.isfile() or not stem:
                continue
            end = member.offset_data + member.size
            part = StoredFile(str(shard), f"bytes={member.offset_data}-{end}", member.size, version)
            suffix = f".{suffix.lower()}"
            text = suffix in _TEXTS and member.size <= MOST_TEXT
            if text or (not here and suffix in SUFFIXES):
                opened = tar.extractfile(member)
                part = replace(part, data=opened.read() if opened else b"")
            yield str(path.with_name(stem)), suffix, part
        if size and tar.offset + tarfile.BLOCKSIZE > size:
            raise tarfile.ReadError("it has no end: was it cut off?")


@contextmanager
def _opened(shard: SourcePlace) -> Iterator[tuple[IO[bytes], int, int]]:
    """A shard's file, its version, and its size in bytes, 0 where that is not known."""
    if isinstance(shard, Path):
        with shard.open("rb") as file:
            status = shard.stat()
            yield file, status.st_mtime_ns, status.st_size
    else:
        system, path = file_system(shard.text)
        with system.open(path, "rb") as file:
            info = system.info(path)
            yield file, version_of(info), info.get("size") or 0


def _post(shard: str, files: list[_Member]) -> Post | None:
    picture = next((member for member in files if member[1] in SUFFIXES), None)
    if picture is None:
        return None
    stem, suffix, file = picture
    facts: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for _, kind, other in files:
        if kind in _TEXTS and other.data is not None:
            texts[kind] = other.data.decode("utf-8-sig", "replace")
    try:
        facts = json.loads(texts.get(".json", "{}"), parse_constant=lambda _: None)
    except ValueError:
        logger.warning("passed over the JSON of %s in %s: it is damaged", stem, shard)
    facts = facts if isinstance(facts, dict) else {}
    entry: Entry = entry_of({name: value for name, value in facts.items() if name not in _BOOKKEEPING})
    lines = [line.strip() for line in texts.get(".txt", "").splitlines() if line.strip()]
    # The key of the shard is escaped already.
    key = f"{shard}/{image_key('', PurePosixPath(stem + suffix)).removeprefix('/')}"
    return Post(key, file, tuple(lines or entry.captions), entry.city, entry.payload)
