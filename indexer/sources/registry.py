"""SourceRegistry: the table of a store's sources, from their names to the roots their pictures lie under."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from topicidx.atomic import write_file
from topicidx.embedders.stored_files import StoredFile, is_url
from topicidx.errors import SourceError, StoreDamagedError
from topicidx.indexer.keys import file_of, source_of
from topicidx.indexer.sources.places import SourcePlace, Url, is_below, place_of
from topicidx.indexer.store import Payload
from topicidx.post import PictureFile

if TYPE_CHECKING:
    from filelock import FileLock

    from topicidx.indexer.sources.reader import Source

FILE_NAME = "sources.json"


class SourceRegistry:
    """`sources.json` in a store's folder. Names are given once: keys of pictures begin with them."""

    def __init__(self, store: Path) -> None:
        self._file = store / FILE_NAME
        self.roots = self._read()

    def register(self, source: "Source", name: str | None = None, *, taken: Iterable[str] = ()) -> "Source":
        """As `resolve`, and writes the name down."""
        # Ingests into two collections of one store share the table.
        with self._locked():
            self.roots = self._read()
            found = self.resolve(source, name, taken=taken)
            if found.name not in self.roots:
                self._write({**self.roots, found.name: found.root})
        return found

    def resolve(self, source: "Source", name: str | None = None, *, taken: Iterable[str] = ()) -> "Source":
        """The source under the name that the store knows its root by, or would give it.

        A folder below a known root belongs to that source, and a folder above one leaves it its pictures, so that they keep
        their keys; another folder of the same name gets a number, unless `name` names it. taken: names that the store has
        pictures of. Raises SourceError where the name means other pictures, or may do so.
        """
        known = [(known, root) for known, root in self.roots.items() if is_below(source.folder, root)]
        if known:
            found, root = max(known, key=lambda item: len(item[1].parts))
            if name not in (None, found):
                raise SourceError(
                    f"{source.folder} belongs to the source {found!r} ({root}) already and cannot be called {name!r} too; "
                    "leave --name out"
                )
            return source.keyed(found, root, self._below(root))
        if name is not None:
            _check_name(name)
            if name in self.roots:
                raise SourceError(
                    f"the source {name!r} lies at {self.roots[name]}, not at {source.root}; if it was moved, say so with "
                    f"`topicidx relocate {name} {source.root}`, or choose another --name"
                )
            return source.keyed(name, source.root, self._below(source.root))
        found, number = source.name, 1
        while found in self.roots:
            number += 1
            found = f"{source.name}-{number}"
        if found in set(taken):
            raise SourceError(
                f"the store has pictures of a source {found!r} already, and where they lie is not known here; if these are the "
                f"same pictures, run this again with --name {found}, otherwise choose another --name for them"
            )
        return source.keyed(found, source.root, self._below(source.root))

    def relocate(self, name: str, root: str | Path, *, in_store: Iterable[str] = ()) -> SourcePlace | None:
        """Note that a source's pictures lie below `root` now, and give the root they had.

        in_store: names that the store has pictures of, though their roots are not known here. Raises SourceError for an unknown
        name, a root that is no folder or that is another source's.
        """
        place = place_of(root)
        if isinstance(place, Path) and not place.is_dir():
            raise SourceError(f"there is no folder {place}; name the one that the pictures of {name!r} lie in now")
        with self._locked():
            self.roots = self._read()
            if name not in self.roots and name not in set(in_store):
                known = ", ".join(sorted({*self.roots, *in_store})) or "none"
                raise SourceError(f"there is no source {name!r}; the store knows {known}")
            other = next((other for other, known in self.roots.items() if known == place and other != name), None)
            if other is not None:
                raise SourceError(f"{place} is where the source {other!r} lies; two sources cannot share a root")
            old = self.roots.get(name)
            self._write({**self.roots, name: place})
        return old

    def remove(self, name: str) -> None:
        """Strike a name out of the table, if it is there."""
        with self._locked():
            self.roots = self._read()
            if name in self.roots:
                self._write({known: root for known, root in self.roots.items() if known != name})

    def add(self, roots: Mapping[str, SourcePlace]) -> dict[str, SourcePlace]:
        """Note those of these roots whose names the table does not have, and give them."""
        with self._locked():
            self.roots = self._read()
            new = {name: root for name, root in roots.items() if name not in self.roots}
            if new:
                self._write({**self.roots, **new})
        return new

    def file_of(self, key: str) -> PictureFile | None:
        """The file that an image key means, or None where its source is not known here."""
        return self.file_of_point({"image": key})

    def file_of_point(self, payload: Payload) -> PictureFile | None:
        """The file of an indexed picture, as it was when it was indexed, or None where its source is not known here."""
        key = str(payload.get("image"))
        root = self.roots.get(source_of(key))
        file = file_of(key, root, payload.get("at")) if root else None
        if isinstance(file, StoredFile):
            size, version = payload.get("size"), payload.get("mtime")
            return replace(
                file, size=size if isinstance(size, int) else 0, version=version if isinstance(version, int) else 0
            )
        return file

    def _below(self, root: SourcePlace) -> list[tuple[str, SourcePlace]]:
        return [(name, other) for name, other in self.roots.items() if other != root and is_below(other, root)]

    def _locked(self) -> "FileLock":
        from filelock import FileLock

        self._file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._file.with_suffix(".lock"))

    def _write(self, roots: Mapping[str, SourcePlace]) -> None:
        write_file(self._file, json.dumps({name: str(root) for name, root in roots.items()}, indent=2) + "\n")
        self.roots = dict(roots)

    def _read(self) -> dict[str, SourcePlace]:
        try:
            return {
                name: Url(root) if is_url(root) else Path(root)
                for name, root in json.loads(self._file.read_text(encoding="utf-8")).items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise StoreDamagedError(
                f"{self._file} is damaged ({error}); restore it, or remove it and ingest again"
            ) from error


def _check_name(name: str) -> None:
    if not name or "/" in name or not name.isprintable():
        raise SourceError(f"{name!r} cannot be a source's name: it is printable text without /, such as holiday-2019")
