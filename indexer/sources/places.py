"""Places that sources lie in: folders of this machine, and those that fsspec reaches by URL."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import IO

from topicidx.embedders.stored_files import StoredFile, file_system, is_url, version_of
from topicidx.errors import SourceError


@dataclass(frozen=True, slots=True, order=True)
class Url:
    """A folder or file at a URL, such as s3://bucket/photos, with as much of `pathlib.Path` as sources need."""

    text: str

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, name: str | PurePath) -> "Url":
        written = name if isinstance(name, str) else name.as_posix()
        if is_url(written):
            return Url(written)
        return Url(f"{self.text.rstrip('/')}/{written.removeprefix('./').lstrip('/')}")

    @property
    def parts(self) -> tuple[str, ...]:
        """The scheme with the host or bucket, then the names below it."""
        scheme, _, rest = self.text.partition("://")
        host, *names = rest.rstrip("/").split("/")
        return (f"{scheme}://{host}", *names)

    @property
    def name(self) -> str:
        return self.parts[-1].rpartition("://")[2]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "Url":
        return Url(self.text.rstrip("/").rpartition("/")[0]) if len(self.parts) > 1 else self

    def is_relative_to(self, other: "SourcePlace") -> bool:
        """Whether it is `other` or lies below it."""
        return isinstance(other, Url) and self.parts[: len(other.parts)] == other.parts

    def relative_to(self, other: "SourcePlace") -> PurePosixPath:
        """The path below `other`. Raises ValueError where it is not below it."""
        if not self.is_relative_to(other):
            raise ValueError(f"{self} is not below {other}")
        return PurePosixPath(*self.parts[len(other.parts) :])

    def is_dir(self) -> bool:
        """Whether there is something below it, as far as its file system tells."""
        system, path = file_system(self.text)
        try:
            return bool(system.isdir(path))
        except Exception:  # those of HTTP and cloud libraries, which have no common root
            return False


#: Where a source or its root lies.
SourcePlace = Path | Url


def place_of(written: str | Path) -> SourcePlace:
    """The place that people mean: a URL, or a path, made absolute with its links, for they are how people name their folders."""
    if isinstance(written, str) and is_url(written):
        return Url(written.rstrip("/"))
    return Path(os.path.abspath(written))  # noqa: PTH100


def is_below(place: Path | Url, root: SourcePlace) -> bool:
    """Whether `place` is `root` or lies below it."""
    if isinstance(place, Url) or isinstance(root, Url):
        return isinstance(place, Url) and place.is_relative_to(root)
    return place.is_relative_to(root)


def path_below(place: SourcePlace, root: SourcePlace) -> PurePath:
    """The path of `place` below `root`."""
    if isinstance(place, Url):
        return place.relative_to(root)
    return PurePath(os.path.relpath(place, str(root)))


def open_text(place: SourcePlace, *, newline: str | None = None) -> IO[str]:
    """Open a text file in UTF-8, with or without a byte order mark. Raises OSError."""
    if isinstance(place, Path):
        return place.open(encoding="utf-8-sig", newline=newline)
    system, path = file_system(place.text)
    try:
        opened: IO[str] = system.open(path, "rt", encoding="utf-8-sig", newline=newline)
    except OSError:
        raise
    except Exception as error:  # those of HTTP and cloud libraries, which have no common root
        raise OSError(0, f"cannot be fetched: {error}") from error
    return opened


def walk(root: Url) -> Iterator[tuple[Url, StoredFile]]:
    """Every file below a URL, folder by folder in the order of names, with what its listing tells of size and version.

    Raises SourceError where it cannot be listed.
    """
    system, path = file_system(root.text)
    try:
        for folder, folders, files in system.walk(path, detail=True):
            for name in [name for name in folders if name.startswith(".")]:
                del folders[name]
            below = folder.rstrip("/")[len(path.rstrip("/")) :].strip("/")
            for name in sorted(files):
                if not name.startswith("."):
                    place = root / below / name if below else root / name
                    yield place, stored(place, files[name])
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"cannot list {root}: {str(error) or type(error).__name__}") from error


def stored(place: Url, info: dict[str, object]) -> StoredFile:
    """The file at a URL, with what its file system told of it."""
    size = info.get("size")
    return StoredFile(place.text, size=size if isinstance(size, int) else 0, version=version_of(info))
