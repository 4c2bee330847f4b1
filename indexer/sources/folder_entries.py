"""FolderEntries: what the manifest of a folder says of the pictures in it, on the disk where it is much."""

import json
import os
import sqlite3
from pathlib import Path

from topicidx.indexer.sources.table import Entry


class FolderEntries:
    """What a folder's manifest says of pictures, by path; in a database that lies on the disk where it is large."""

    def __init__(self) -> None:
        self._rows: sqlite3.Connection | None = None

    def put(self, path: Path, entry: Entry) -> None:
        """Keep what is said of a picture."""
        if self._rows is None:
            self._rows = sqlite3.connect("", check_same_thread=False)
            self._rows.execute("CREATE TABLE entries (path BLOB PRIMARY KEY, said TEXT) WITHOUT ROWID")
        said = json.dumps([entry.captions, entry.city, entry.payload])
        self._rows.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (os.fsencode(path), said))

    def get(self, path: Path) -> Entry | None:
        """What is said of a picture, if anything is."""
        if self._rows is None:
            return None
        found = self._rows.execute("SELECT said FROM entries WHERE path = ?", (os.fsencode(path),)).fetchone()
        return Entry(*json.loads(found[0])) if found else None
