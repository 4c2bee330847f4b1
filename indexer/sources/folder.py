"""Folders of pictures: what is in them, which cities their sub-folders name, and which picture a written name means."""

import logging
import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from topicidx.embedders.pictures import SUFFIXES
from topicidx.embedders.stored_files import StoredFile
from topicidx.errors import SourceError
from topicidx.indexer.sources.places import SourcePlace, Url, path_below, walk
from topicidx.post import PictureFile

logger = logging.getLogger(__name__)

#: Names that say what a folder holds, not where its pictures were taken.
_NO_CITIES = frozenset({
    "camera", "dcim", "download", "downloads", "image", "images", "img", "imgs", "media", "photo", "photos", "picture",
    "pictures", "test", "train", "val", "validation",
})  # fmt: skip


def pictures_in(root: Path) -> Iterator[Path]:
    """Every picture in a folder and its sub-folders, in the order of their paths; hidden ones are left out.

    Raises SourceError where the folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        if Path(error.filename) == root:
            raise SourceError(f"cannot read the folder {root}: {error.strerror}") from error
        logger.warning("passed over the folder %s: %s", error.filename, error.strerror)

    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if PurePath(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder, name)


def pictures_at(root: Url) -> Iterator[tuple[Url, StoredFile, StoredFile | None]]:
    """Every picture below a URL, as `pictures_in`, with its file, and the text of the same name beside it."""
    folder: Url | None = None
    texts: dict[str, StoredFile] = {}
    waiting: list[tuple[Url, StoredFile]] = []
    for place, file in walk(root):
        if place.parent != folder:
            yield from _with_texts(waiting, texts)
            folder, waiting, texts = place.parent, [], {}
        if place.suffix.lower() in SUFFIXES:
            waiting.append((place, file))
        elif place.suffix.lower() == ".txt":
            texts[place.name.rpartition(".")[0]] = file
    yield from _with_texts(waiting, texts)


def _with_texts(
    pictures: list[tuple[Url, StoredFile]], texts: dict[str, StoredFile]
) -> Iterator[tuple[Url, StoredFile, StoredFile | None]]:
    for place, file in pictures:
        yield place, file, texts.get(place.name.rpartition(".")[0])


def captions_beside(text: PictureFile) -> list[str]:
    """The captions in a text file, a line each; none where there is no such file."""
    try:
        written = text.read_bytes().decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return []
    return [line.strip() for line in written.splitlines() if line.strip()]


def cities_by_folder(root: SourcePlace, pictures: Iterable[Path] | None = None) -> dict[str, str]:
    """City by first sub-folder: where all pictures lie in at least two sub-folders that could be names of places.

    pictures: all pictures in the root, where they are known already.
    """
    below: Iterator[PurePath]
    if isinstance(root, Url):
        below = (path_below(place, root) for place, _, _ in pictures_at(root))
    else:
        below = (path.relative_to(root) for path in (pictures_in(root) if pictures is None else pictures))
    first: set[str] = set()
    flat, example = 0, ""
    for path in below:
        if len(path.parts) > 1:
            first.add(path.parts[0])
        else:
            flat, example = flat + 1, min(example or path.name, path.name)
    names = {name: os.fsencode(name).decode("utf-8", "replace").replace("_", " ").strip() for name in first}
    if len(first) < 2 or any(
        name.casefold() in _NO_CITIES or any(char.isdigit() for char in name) for name in names.values()
    ):
        return {}
    if flat:
        logger.warning(
            "the names of the sub-folders of %s, such as %r, are not taken for cities, because %d pictures, such as %r, lie "
            "beside them; move these into a sub-folder of their own, or name cities in a column `city`",
            root,
            min(names.values()),
            flat,
            example,
        )
        return {}
    return names


class Lookup:
    """Finds the picture a manifest means, by path or by name, where case or Unicode normal form differ too.

    In a database that lies on the disk where it is large.
    """

    def __init__(self, root: Path, pictures: Iterable[Path]) -> None:
        self._root = root
        self._names = sqlite3.connect("", check_same_thread=False)
        self._names.execute("CREATE TABLE pictures (path BLOB PRIMARY KEY, plain BLOB, name BLOB) WITHOUT ROWID")
        self._names.executemany(
            "INSERT OR IGNORE INTO pictures VALUES (?, ?, ?)",
            (
                (os.fsencode(relative), os.fsencode(_plain(relative)), os.fsencode(_plain(path.name)))
                for path in pictures
                for relative in (path.relative_to(root).as_posix(),)
            ),
        )
        self._empty = self._names.execute("SELECT 1 FROM pictures LIMIT 1").fetchone() is None
        self._names.execute("CREATE INDEX plain ON pictures (plain)")
        self._names.execute("CREATE INDEX name ON pictures (name)")

    def find(self, written: str) -> Path | None:
        """The picture that is written so, or None; a name that two pictures share means neither of them."""
        if self._empty:
            return None
        written = written.strip().removeprefix("./")
        try:
            exact, plain = os.fsencode(written), os.fsencode(_plain(written))
        except UnicodeEncodeError:  # half characters, which no file's name has
            return None
        for column, value in (("path", exact), ("plain", plain), ("name", plain)):
            query = f"SELECT path FROM pictures WHERE {column} = ? LIMIT 2"  # noqa: S608 of the three names above
            found = self._names.execute(query, (value,)).fetchall()
            if len(found) == 1:
                return self._root / os.fsdecode(found[0][0])
        return None

    def same(self, written: str) -> str:
        """What is the same for all ways to write one picture."""
        return str(self.find(written) or written)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
