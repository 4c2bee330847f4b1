"""Source: a folder or manifest read as Posts."""

import logging
import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TypeVar

from topicidx.embedders.pictures import SUFFIXES
from topicidx.errors import SourceError
from topicidx.indexer.keys import image_key, source_name
from topicidx.indexer.sources.table import Entry, read_entries, read_manifest, stands_together
from topicidx.post import Post

K = TypeVar("K")

logger = logging.getLogger(__name__)

#: A folder's own captions: ours, and Hugging Face's.
FOLDER_MANIFESTS = ("captions.csv", "metadata.csv")
MANIFEST_SUFFIXES = frozenset({".csv", ".jsonl"})

#: Names that say what a folder holds, not where its pictures were taken.
_NO_CITIES = frozenset({
    "camera", "dcim", "download", "downloads", "image", "images", "img", "imgs", "media", "photo", "photos", "picture",
    "pictures", "test", "train", "val", "validation",
})  # fmt: skip


@dataclass(frozen=True)
class Source:
    """The pictures that `manifest` lists, or without one every picture in `folder`.

    name: the first part of every image key, which goes on with the path below `root`. city: for all pictures, over
    whatever the source says. nested: names and roots of sources below the root, whose pictures keep their keys.
    folder_city: take the city from sub-folder names, where they look like a list of cities.
    """

    name: str
    root: Path
    folder: Path
    manifest: Path | None = None
    city: str | None = None
    folder_city: bool = True
    nested: tuple[tuple[str, Path], ...] = ()

    def keyed(self, name: str, root: Path, nested: Iterable[tuple[str, Path]] = ()) -> "Source":
        """The same pictures with the keys that another name and root give them, or those of sources nested in it."""
        return replace(self, name=name, root=root, nested=tuple(nested))

    def posts(self) -> Iterator[Post]:
        """The pictures, in the order of the manifest or of their paths, each once; files need not exist or be whole.

        Captions come from the manifest, from `captions.csv` or `metadata.csv` in the folder, or from NAME.txt beside
        NAME.jpg (a caption a line). Raises SourceError where there are none.
        """
        found = self._listed() if self.manifest else self._in_folder()
        empty = True
        for post in found:
            empty = False
            yield post
        if empty:
            raise SourceError(
                f"there are no pictures in {self.folder} (looked for {', '.join(sorted(SUFFIXES))}, in sub-folders too)"
            )

    def captions(self) -> Iterator[tuple[str, ...]]:
        """The captions of each picture that has any, in the order of `posts`.

        Of a manifest in which the rows of each picture follow one another nothing is held in memory.
        """
        if self.manifest is not None and stands_together(self.manifest):
            yield from (tuple(entry.captions) for _, entry in read_entries(self.manifest) if entry.captions)
        else:
            yield from (post.captions for post in self.posts() if post.captions)

    def _listed(self) -> Iterator[Post]:
        assert self.manifest is not None
        lookup: _Lookup | None = None
        gathered: dict[str, tuple[Path, Entry]] = {}
        for written, entry in read_manifest(self.manifest).items():
            path = self.folder / written
            if not os.path.exists(path):  # noqa: PTH110 Path.exists raises for names that are too long
                lookup = lookup or _Lookup(self.folder, list(_pictures(self.folder)))
                path = lookup.find(written) or path
            _gather(gathered, self._key(path), path, entry)
        # The same cities as when the folder is read without its manifest.
        within = [path.is_relative_to(self.folder) and path.parent != self.folder for path, _ in gathered.values()]
        cities = self._cities_by_folder(list(_pictures(self.folder))) if any(within) else {}
        for inside, (key, (path, entry)) in zip(within, gathered.items(), strict=True):
            city = cities.get(path.relative_to(self.root).parts[0]) if inside else None
            yield self._post(path, key, entry, city)

    def _in_folder(self) -> Iterator[Post]:
        pictures = list(_pictures(self.folder))
        entries = self._folder_entries(pictures)
        cities = self._cities_by_folder(pictures)
        nested = {
            root: self._nested_posts(name, root) for name, root in self.nested if root.is_relative_to(self.folder)
        }
        seen: set[str] = set()
        for path in pictures:
            key = self._key(path)
            if key in seen:  # two spellings of one name in different Unicode normal forms: the first counts
                logger.warning(
                    "passed over %r: another picture has the same name in another Unicode normal form", str(path)
                )
                continue
            seen.add(key)
            entry = entries.get(path)
            within = [root for root in nested if path.is_relative_to(root)]
            own = nested[max(within, key=lambda root: len(root.parts))].get(path) if within else None
            if own is not None and (entry is None or own.captions or own.payload):  # what its own source says of it
                yield own
            else:
                city = cities.get(path.relative_to(self.root).parts[0])
                yield self._post(path, key, entry or Entry(captions=_beside(path)), city)

    def _cities_by_folder(self, pictures: list[Path]) -> dict[str, str]:
        if not self.folder_city:
            return {}
        # Of the whole source: a part of it would not look like a list of cities any more.
        return _folder_cities(self.root, pictures if self.folder == self.root else list(_pictures(self.root)))

    def _nested_posts(self, name: str, root: Path) -> dict[Path, Post]:
        others = [(other, below) for other, below in self.nested if below != root and below.is_relative_to(root)]
        own = Source(name, root, root, None, self.city, self.folder_city, tuple(others))
        try:
            return {post.path: post for post in own.posts()}
        except SourceError:  # it has no pictures any more
            return {}

    def _folder_entries(self, pictures: list[Path]) -> dict[Path, Entry]:
        inside = [folder for folder in (self.folder, *self.folder.parents) if folder.is_relative_to(self.root)]
        for manifest in (folder / name for folder in inside for name in FOLDER_MANIFESTS):
            if manifest.is_file():
                lookup = _Lookup(manifest.parent, pictures)
                gathered: dict[Path, tuple[Path, Entry]] = {}
                missing: list[str] = []
                for written, entry in read_manifest(manifest).items():
                    path = lookup.find(written)
                    if path is not None:
                        _gather(gathered, path, path, entry)
                    else:
                        missing.append(written)
                if missing and self.folder == manifest.parent:
                    logger.warning(
                        "%s names %d pictures that are not in the folder, such as %r",
                        manifest,
                        len(missing),
                        missing[0],
                    )
                return dict(gathered.values())
        return {}

    def _post(self, path: Path, key: str, entry: Entry, folder_city: str | None) -> Post:
        city = self.city or entry.city or folder_city
        return Post(key, path, tuple(entry.captions), city, entry.payload)

    def _key(self, path: Path) -> str:
        # Links are not resolved: a link inside the root is a place inside the root.
        owners = [(self.name, self.root), *(owner for owner in self.nested if path.is_relative_to(owner[1]))]
        name, root = max(owners, key=lambda owner: len(owner[1].parts))
        return image_key(name, PurePath(os.path.relpath(path, root)))


def open_source(path: Path, *, city: str | None = None, folder_city: bool = True) -> Source:
    """The source at `path`, named after its root: a folder, or a manifest (.csv, .jsonl) and the folder it lies in.

    Raises SourceError where `path` is neither.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 links in it are kept: they are how people name their folders
    if path.is_dir():
        return Source(source_name(path.name), path, path, None, city, folder_city)
    if not path.exists():
        raise SourceError(f"there is nothing at {path}; give a folder of pictures, or a manifest (.csv, .jsonl)")
    if path.suffix.lower() not in MANIFEST_SUFFIXES:
        raise SourceError(
            f"{path} is neither a folder nor a manifest; give a folder of pictures, or a .csv or .jsonl file"
        )
    return Source(source_name(path.parent.name), path.parent, path.parent, path, city, folder_city)


def _gather(gathered: dict[K, tuple[Path, Entry]], key: K, path: Path, entry: Entry) -> None:
    """Rows that spell one picture in several ways are one entry."""
    known = gathered.setdefault(key, (path, entry))[1]
    if known is not entry:
        known.captions += entry.captions


class _Lookup:
    """Finds the picture a manifest means, by path or by name, where case or Unicode normal form differ too."""

    def __init__(self, root: Path, pictures: list[Path]) -> None:
        self._paths: dict[str, Path | None] = {}
        self._names: dict[str, Path | None] = {}
        self._exact: dict[str, Path] = {}
        for path in pictures:
            relative = path.relative_to(root).as_posix()
            self._exact[relative] = path
            # A name that two pictures share means neither of them.
            for found, name in ((self._paths, _plain(relative)), (self._names, _plain(path.name))):
                found[name] = path if name not in found else None

    def find(self, written: str) -> Path | None:
        written = written.strip().removeprefix("./")
        plain = _plain(written)
        return self._exact.get(written) or self._paths.get(plain) or self._names.get(plain)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _pictures(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        if Path(error.filename) == root:
            raise SourceError(f"cannot read the folder {root}: {error.strerror}") from error
        logger.warning("passed over the folder %s: %s", error.filename, error.strerror)

    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if PurePath(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder, name)


def _beside(path: Path) -> list[str]:
    try:
        text = path.with_suffix(".txt").read_text(encoding="utf-8-sig", errors="replace")
    except (OSError, ValueError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def _folder_cities(root: Path, pictures: list[Path]) -> dict[str, str]:
    """City by first sub-folder: where all pictures lie in at least two sub-folders that could be names of places."""
    first = {path.relative_to(root).parts[0] for path in pictures if len(path.relative_to(root).parts) > 1}
    flat = [path for path in pictures if path.parent == root]
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
            len(flat),
            min(path.name for path in flat),
        )
        return {}
    return names
