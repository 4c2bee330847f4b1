"""Folders of pictures: what is in them, which cities their sub-folders name, and which picture a written name means."""

import logging
import os
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

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


class PictureFolder(NamedTuple):
    """A folder of this machine that holds pictures.

    names: those of its pictures, in order; texts: the text file beside a picture, by the picture's name without its suffix.
    """

    path: str
    names: list[str]
    texts: dict[str, str]


def folders_in(root: Path) -> Iterator[PictureFolder]:
    """The folders in `root` and itself that hold pictures, in the order of their paths; what is hidden is left out.

    As text, for there may be millions of pictures. Raises SourceError where `root` cannot be read.
    """

    def refuse(error: OSError) -> None:
        if Path(error.filename) == root:
            raise SourceError(f"cannot read the folder {root}: {error.strerror}") from error
        logger.warning("passed over the folder %s: %s", error.filename, error.strerror)

    return _walk(str(root), refuse)


def pictures_in(root: Path) -> Iterator[Path]:
    """Every picture in a folder and its sub-folders, as `folders_in` finds them."""
    for folder, names, _ in folders_in(root):
        within = Path(folder)
        for name in names:
            yield within / name


def _walk(root: str, refuse: Callable[[OSError], None] | None = None) -> Iterator[PictureFolder]:
    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names, texts = _pictures_of(files)
        if names:
            yield PictureFolder(folder, names, texts)


def _pictures_of(files: list[str]) -> tuple[list[str], dict[str, str]]:
    """The pictures among the files of a folder, and their texts, as in a PictureFolder."""
    names: list[str] = []
    texts: dict[str, str] = {}
    for name in sorted(files):
        stem, _, suffix = name.rpartition(".")
        if not stem or name.startswith("."):
            continue
        suffix = f".{suffix.lower()}"
        if suffix in SUFFIXES:
            names.append(name)
        elif suffix == ".txt":
            texts[stem] = name  # the last in order, which is .txt in small letters
    return names, texts


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


def cities_by_folder(root: SourcePlace) -> dict[str, str]:
    """City by first sub-folder: where all pictures lie in at least two sub-folders that could be names of places."""
    first, flat, example = _first_at(root) if isinstance(root, Url) else _first_in(root)
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


def _first_at(root: Url) -> tuple[set[str], int, str]:
    """The sub-folders of a URL that hold pictures somewhere; how many pictures lie beside them, and the first of these."""
    first: set[str] = set()
    flat, example = 0, ""
    for place, _, _ in pictures_at(root):
        name, *below = path_below(place, root).parts
        if below:
            first.add(name)
        else:
            flat, example = flat + 1, min(example or name, name)
    return first, flat, example


def _first_in(root: Path) -> tuple[set[str], int, str]:
    """As `_first_at`, of a folder of this machine; no more is looked at than tells it."""
    # What cannot be read is told of when the pictures are listed.
    top, folders, files = next(os.walk(root), ("", [], []))
    first = {
        name
        for name in folders
        if not name.startswith(".") and not Path(top, name).is_symlink() and any(_walk(os.path.join(top, name)))  # noqa: PTH118
    }
    flat = _pictures_of(files)[0]
    return first, len(flat), flat[0] if flat else ""


class Spellings:
    """Tells names that are the same in Unicode's normal form, of which keys are made, apart from the first of them."""

    def __init__(self) -> None:
        #: Folders by their paths in normal form.
        self._folders: dict[str, list[str]] = {}

    def first(self, folder: str, names: list[str]) -> Iterator[str]:
        """The names in a folder without those that were met in another spelling, there or in another spelling of the folder."""
        seen: set[str] = set()
        same = self._folders.setdefault(unicodedata.normalize("NFC", folder), [])
        for other in same:
            seen.update(unicodedata.normalize("NFC", name) for name in os.listdir(other))  # noqa: PTH208
        same.append(folder)
        for name in names:
            plain = unicodedata.normalize("NFC", name)
            if plain in seen:
                logger.warning(
                    "passed over %r: another picture has the same name in another Unicode normal form",
                    os.path.join(folder, name),  # noqa: PTH118
                )
                continue
            seen.add(plain)
            yield name


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
