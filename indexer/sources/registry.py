"""SourceRegistry: the table of a store's sources, from their names to the roots their pictures lie under."""

import json
from pathlib import Path

from filelock import FileLock

from topicidx.atomic import write_file
from topicidx.errors import StoreDamagedError
from topicidx.indexer.keys import file_of
from topicidx.indexer.sources.reader import Source

FILE_NAME = "sources.json"


class SourceRegistry:
    """`sources.json` in a store's folder. Names are given once: keys of pictures begin with them."""

    def __init__(self, store: Path) -> None:
        self._file = store / FILE_NAME
        self.roots = self._read()

    def register(self, source: Source) -> Source:
        """The source under the name that the store knows its root by, after giving it one where it has none.

        A folder below a known root belongs to that source, and a folder above one leaves it its pictures, so that they keep
        their keys; another folder of the same name gets a number.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Ingests into two collections of one store share the table.
        with FileLock(self._file.with_suffix(".lock")):
            self.roots = self._read()
            return self._register(source)

    def _register(self, source: Source) -> Source:
        known = [(name, root) for name, root in self.roots.items() if source.folder.is_relative_to(root)]
        if known:
            name, root = max(known, key=lambda item: len(item[1].parts))
            return source.keyed(name, root, self._below(root))
        name, number = source.name, 1
        while name in self.roots:
            number += 1
            name = f"{source.name}-{number}"
        self.roots[name] = source.root
        write_file(self._file, json.dumps({name: str(root) for name, root in self.roots.items()}, indent=2) + "\n")
        return source.keyed(name, source.root, self._below(source.root))

    def _below(self, root: Path) -> list[tuple[str, Path]]:
        return [(name, other) for name, other in self.roots.items() if other != root and other.is_relative_to(root)]

    def file_of(self, key: str) -> Path | None:
        """The file that an image key means, or None where its source is not known here."""
        root = self.roots.get(key.partition("/")[0])
        return file_of(key, root) if root else None

    def _read(self) -> dict[str, Path]:
        try:
            return {name: Path(root) for name, root in json.loads(self._file.read_text(encoding="utf-8")).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise StoreDamagedError(
                f"{self._file} is damaged ({error}); restore it, or remove it and ingest again"
            ) from error
