"""Source: a folder, manifest, WebDataset or export read as Posts."""

import logging
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path, PurePath
from typing import Literal

from topicidx.embedders.pictures import SUFFIXES
from topicidx.embedders.stored_files import StoredFile, file_system, is_url
from topicidx.errors import SourceError
from topicidx.indexer.keys import image_key, source_name, written_key
from topicidx.indexer.sources import instagram, webdataset
from topicidx.indexer.sources.folder import (
    Lookup,
    Spellings,
    captions_beside,
    cities_by_folder,
    folders_in,
    pictures_at,
    pictures_in,
)
from topicidx.indexer.sources.folder_entries import FolderEntries
from topicidx.indexer.sources.places import SourcePlace, Url, is_below, path_below, place_of
from topicidx.indexer.sources.table import Entry, read_entries, read_manifest, stands_together
from topicidx.post import PictureFile, Post

logger = logging.getLogger(__name__)

#: A folder's own captions: ours, and Hugging Face's.
FOLDER_MANIFESTS = ("captions.csv", "metadata.csv")
MANIFEST_SUFFIXES = frozenset({".csv", ".jsonl", ".parquet"})
#: What is said of a picture of which nothing is said.
_NOTHING = Entry()
#: What a source is made of.
Kind = Literal["folder", "manifest", "webdataset", "instagram"]


@dataclass(frozen=True)
class Source:
    """Pictures with what is said of them, of one of four kinds, on this machine or at a URL.

    A folder is every picture in it, a manifest what its rows name or hold, a WebDataset what its tar files hold, an export of
    Instagram the pictures of its posts.

    name: the first part of every image key, which goes on with the path below `root`. folder: what is read, all of the root or
    a part of it. manifest: the table, or one tar file. city: for all pictures, over whatever the source says. nested: names and
    roots of sources below the root, whose pictures keep their keys. folder_city: take the city from sub-folder names, where they
    look like a list of cities. wanted: which archives (tar files) are read at all, by their keys.
    """

    name: str
    root: SourcePlace
    folder: SourcePlace
    manifest: SourcePlace | None = None
    city: str | None = None
    folder_city: bool = True
    nested: tuple[tuple[str, SourcePlace], ...] = ()
    kind: Kind = "folder"
    wanted: Callable[[str], bool] = field(default=lambda key: True, compare=False)

    def keyed(self, name: str, root: SourcePlace, nested: Iterable[tuple[str, SourcePlace]] = ()) -> "Source":
        """The same pictures with the keys that another name and root give them, or those of sources nested in it."""
        return replace(self, name=name, root=root, nested=tuple(nested))

    def posts(self) -> Iterator[Post]:
        """The pictures, in the order of the manifest or of their paths, each once; files need not exist or be whole.

        Captions come from the manifest, from `captions.csv` or `metadata.csv` in the folder, or from NAME.txt beside
        NAME.jpg (a caption a line). Of manifests and WebDatasets nothing is held in memory. Raises SourceError where there are
        none.
        """
        empty = True
        for post in self._read():
            empty = False
            yield post
        if empty and not self._passed_over():
            raise SourceError(
                f"there are no pictures in {self.folder} (looked for {', '.join(sorted(SUFFIXES))}, in sub-folders too)"
            )

    def captions(self) -> Iterator[tuple[str, ...]]:
        """The captions of each picture that has any, in the order of `posts`."""
        if self.kind == "manifest" and self.manifest is not None and stands_together(self.manifest):
            yield from (tuple(entry.captions) for _, entry in read_entries(self.manifest) if entry.captions)
        else:
            yield from (post.captions for post in self.posts() if post.captions)

    def _read(self) -> Iterator[Post]:
        if self.kind == "webdataset":
            return self._in_shards()
        if self.kind == "instagram":
            assert isinstance(self.folder, Path)
            assert isinstance(self.root, Path)
            return self._listed(_once(instagram.read_export(self.folder)), _Names(self.folder, self.root))
        if self.manifest is not None:
            names = (
                _Names(self.folder, self.root)
                if isinstance(self.folder, Path) and isinstance(self.root, Path)
                else None
            )
            return self._listed(read_manifest(self.manifest, names.same if names else None), names)
        return self._in_url() if isinstance(self.folder, Url) else self._in_folder(self.folder)

    def _in_shards(self) -> Iterator[Post]:
        for shard in self._shards():
            for post in webdataset.read_shard(self.name, self.root, shard, self.wanted):
                yield replace(post, city=self.city or post.city)

    def _shards(self) -> Iterable[SourcePlace]:
        return [self.manifest] if self.manifest else webdataset.shards_in(self.folder)

    def _passed_over(self) -> bool:
        """Whether there are archives that are not wanted."""
        if self.kind != "webdataset":
            return False
        return not all(self.wanted(image_key(self.name, path_below(shard, self.root))) for shard in self._shards())

    def _listed(self, entries: Iterator[tuple[str, Entry]], names: "_Names | None") -> Iterator[Post]:
        cities: dict[str, str] | None = None
        for written, entry in entries:
            if entry.file is not None:
                base = self.manifest.parent if self.manifest is not None else self.folder
                yield self._post(entry.file, self._key(base / written), entry, None)
            elif is_url(written):
                yield self._post(StoredFile(written), written_key(self.name, written), entry, None)
            elif names is None:
                place = self.folder / written
                yield self._post(StoredFile(str(place)), self._key(place), entry, None)
            else:
                path = names.path(written)
                below = names.below(path)
                key = written_key(self.name, below) if below and not self.nested else self._key(Path(path))
                city = None
                if below and self.kind == "manifest" and os.path.dirname(path) != str(self.folder):  # noqa: PTH120 millions of them
                    if cities is None:  # the same as when the folder is read without its manifest
                        cities = self._cities_by_folder()
                    city = cities.get(below.partition("/")[0])
                yield self._post(Path(path), key, entry, city)

    def _in_url(self) -> Iterator[Post]:
        """As `_in_folder`, by what the folder's listing tells."""
        assert isinstance(self.folder, Url)
        entries: dict[str, Entry] = {}
        for manifest in (self.folder / name for name in FOLDER_MANIFESTS):
            system, path = file_system(str(manifest))
            if system.exists(path):
                entries = {(self.folder / written).text: entry for written, entry in read_manifest(manifest)}
                break
        cities = self._cities_by_folder()
        for place, file, beside in pictures_at(self.folder):
            entry = entries.get(place.text) or Entry(captions=captions_beside(beside) if beside else [])
            yield self._post(file, self._key(place), entry, cities.get(path_below(place, self.root).parts[0]))

    def _in_folder(self, folder: Path) -> Iterator[Post]:
        entries = self._folder_entries(folder)
        cities = self._cities_by_folder()
        nested = {root: self._nested_posts(name, root) for name, root in self.nested if is_below(root, folder)}
        spellings = Spellings()
        for path, names, texts in folders_in(folder):
            within = Path(path)
            below = path_below(within, self.root)
            city = cities.get(below.parts[0]) if below.parts else None
            source, root = self._source_of(within)
            within_root = path_below(within, root)
            prefix = f"{within_root.as_posix()}/" if within_root.parts else ""
            own = nested.get(root)
            for name in spellings.first(path, names):
                picture = within / name
                entry = entries.get(picture)
                said = own.get(picture) if own else None  # by the source that it belongs to
                if said is not None and (entry is None or said.captions or said.payload):
                    yield said
                    continue
                if entry is None:
                    text = texts.get(name.rpartition(".")[0])
                    entry = Entry(captions=captions_beside(within / text)) if text is not None else _NOTHING
                yield self._post(picture, written_key(source, prefix + name), entry, city)

    def _cities_by_folder(self) -> dict[str, str]:
        # Of the whole source: a part of it would not look like a list of cities any more.
        return cities_by_folder(self.root) if self.folder_city else {}

    def _nested_posts(self, name: str, root: SourcePlace) -> dict[PictureFile, Post]:
        others = [(other, below) for other, below in self.nested if below != root and is_below(below, root)]
        own = Source(name, root, root, None, self.city, self.folder_city, tuple(others))
        try:
            return {post.path: post for post in own.posts()}
        except SourceError:  # it has no pictures any more
            return {}

    def _folder_entries(self, folder: Path) -> FolderEntries:
        """What the manifest of the folder, or of the nearest one above it in the root, says of its pictures."""
        entries = FolderEntries()
        inside = [above for above in (folder, *folder.parents) if is_below(above, self.root)]
        for manifest in (above / name for above in inside for name in FOLDER_MANIFESTS):
            if manifest.is_file():
                lookup = Lookup(manifest.parent, pictures_in(folder))
                missing, example = 0, ""
                for written, entry in read_manifest(manifest, lookup.same):
                    path = lookup.find(written)
                    if path is None:
                        missing, example = missing + 1, example or written
                    else:
                        entries.put(path, entry)
                if missing and folder == manifest.parent:
                    logger.warning(
                        "%s names %d pictures that are not in the folder, such as %r", manifest, missing, example
                    )
                break
        return entries

    def _post(self, file: PictureFile, key: str, entry: Entry, folder_city: str | None) -> Post:
        city = self.city or entry.city or folder_city
        return Post(key, file, tuple(entry.captions), city, entry.payload)

    def _key(self, place: SourcePlace) -> str:
        # Links are not resolved: a link inside the root is a place inside the root.
        name, root = self._source_of(place)
        return image_key(name, path_below(place, root))

    def _source_of(self, place: SourcePlace) -> tuple[str, SourcePlace]:
        """The name and the root of the source that a place belongs to: of those it lies in, the innermost."""
        owners = [(self.name, self.root), *(owner for owner in self.nested if is_below(place, owner[1]))]
        return max(owners, key=lambda owner: len(owner[1].parts))


def open_source(written: Path | str, *, city: str | None = None, folder_city: bool = True) -> Source:
    """The source at a path or URL, named after its root.

    A folder of pictures, a manifest (.csv, .jsonl, .parquet) and the folder it lies in, a tar file or a folder of tar files
    (WebDataset), or Instagram's export of one's own data. Raises SourceError where there is none of these.
    """
    place = place_of(written)
    folder, kind, manifest = _what_is_at(place)
    name = source_name(folder.name) if isinstance(folder, Path) else _name_of(folder)
    return Source(name, folder, folder, manifest, city, folder_city, (), kind)


def _what_is_at(place: SourcePlace) -> tuple[SourcePlace, Kind, SourcePlace | None]:
    """The folder of a source, what it is made of, and its table or tar file."""
    suffix = place.suffix.lower()
    if isinstance(place, Url):
        if suffix in MANIFEST_SUFFIXES:
            return place.parent, "manifest", place
        if suffix == webdataset.SUFFIX:
            return place.parent, "webdataset", place
    elif not place.is_dir():
        if not place.exists():
            raise SourceError(
                f"there is nothing at {place}; give a folder of pictures, a manifest (.csv, .jsonl, .parquet), a .tar, or a URL"
            )
        if suffix == webdataset.SUFFIX:
            return place.parent, "webdataset", place
        if suffix not in MANIFEST_SUFFIXES:
            raise SourceError(
                f"{place} is neither a folder nor a manifest; give a folder of pictures, or a .csv, .jsonl, .parquet or .tar file"
            )
        return place.parent, "manifest", place
    elif instagram.posts_files(place):
        return place, "instagram", None
    if _is_shards(place):
        return place, "webdataset", None
    return place, "folder", None


def _is_shards(folder: SourcePlace) -> bool:
    """Whether there are tar files in the folder and no pictures beside them."""
    if isinstance(folder, Path):
        names = [path.suffix.lower() for path in folder.iterdir()] if os.access(folder, os.R_OK | os.X_OK) else []
        return webdataset.SUFFIX in names and next(chain(pictures_in(folder)), None) is None
    system, path = file_system(folder.text)
    try:
        names = [PurePath(str(name)).suffix.lower() for name in system.ls(path, detail=False)]
    except Exception:  # a folder that cannot be listed says so when it is read
        return False
    return webdataset.SUFFIX in names and not SUFFIXES & set(names)


class _Names:
    """The files that a manifest of this machine means by what is written in it; as text, for there may be millions."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = os.path.join(root, "")  # noqa: PTH118
        self._lookup: Lookup | None = None
        self._last: tuple[str, str] | None = None

    def path(self, written: str) -> str:
        """The file's path in normal form, found by case and Unicode normal form too where there is none of exactly this name."""
        if self._last is not None and self._last[0] == written:
            return self._last[1]
        path = os.path.join(self._folder, written)  # noqa: PTH118
        if not os.path.exists(path):  # noqa: PTH110 Path.exists raises for names that are too long
            self._lookup = self._lookup or Lookup(self._folder, pictures_in(self._folder))
            path = str(self._lookup.find(written) or path)
        self._last = written, os.path.normpath(path)
        return self._last[1]

    def below(self, path: str) -> str | None:
        """The path below the source's root, or None where it does not lie below it."""
        return path.removeprefix(self._root) if path.startswith(self._root) else None

    def same(self, written: str) -> str:
        """What is the same for all ways to write one file."""
        return written if is_url(written) else unicodedata.normalize("NFC", self.path(written))


def _name_of(folder: Url) -> str:
    return source_name(folder.name.replace(":", "-"))


def _once(entries: Iterator[tuple[str, Entry]]) -> Iterator[tuple[str, Entry]]:
    """The entries of pictures that were not met before."""
    seen: set[str] = set()
    for written, entry in entries:
        if written not in seen:
            seen.add(written)
            yield written, entry
