"""KnownPictures: what a store tells of its pictures, on the disk while an ingest runs, so that its memory stays the same."""

import marshal
import mmap
import sqlite3
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self
from uuid import UUID

import numpy as np

from topicidx.errors import StoreFullError
from topicidx.indexer.store import BLOCK, Record
from topicidx.post import JsonValue

#: Payload fields that say whether a picture has changed since it was indexed.
KNOWN_FIELDS = ("image", "size", "mtime", "post", "sha256", "gps_city")
#: Kilobytes of the table that are kept in memory.
_CACHE = 8_192
#: The largest number of 64 bits.
_LARGEST = 2**64 - 1

_TABLE = """
CREATE TABLE pictures (
    row INTEGER PRIMARY KEY, id BLOB NOT NULL, image TEXT, size INTEGER, mtime INTEGER, post TEXT, sha256 BLOB,
    gps_city TEXT, stored INTEGER NOT NULL
)"""
_COLUMNS = "id, image, size, mtime, post, sha256, gps_city, stored"
_TELL = f"INSERT INTO pictures ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 1)"  # noqa: S608 of the columns above
# What was stored stays so where a picture is written again with the same bytes: its vector is the same.
_PUT = f"""
INSERT INTO pictures ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET image = excluded.image, size = excluded.size, mtime = excluded.mtime, post = excluded.post,
    gps_city = excluded.gps_city, stored = excluded.stored OR (stored AND sha256 IS excluded.sha256), sha256 = excluded.sha256
"""  # noqa: S608 of the columns above


@dataclass(frozen=True, slots=True)
class Known:
    """What a stored point tells of its picture's file. sha256: the raw digest."""

    image: str
    size: int | None = None
    mtime: int | None = None
    post: str | None = None
    sha256: bytes | None = None
    gps_city: str | None = None

    @classmethod
    def of(cls, record: Record) -> "Known":
        """What a payload tells; what is missing or odd counts as not told."""
        told = record.payload.get
        size, mtime, post, digest, city = told("size"), told("mtime"), told("post"), told("sha256"), told("gps_city")
        return cls(
            str(told("image")),
            _whole(size),
            _whole(mtime),
            post if isinstance(post, str) else None,
            _raw(digest) if isinstance(digest, str) else None,
            city if isinstance(city, str) else None,
        )


class KnownPictures:
    """What is known of a store's pictures, by point id; from any thread. To be closed.

    Those that the store told of are numbered, so that which of them were met takes a bit each. All lies in temporary files: what
    the store told, which becomes a table once that is needed, and some numbers of each picture, by which `unchanged` needs none.
    Raises StoreFullError where the disk that these lie on is full.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._lock = Lock()
        self._rows: sqlite3.Connection | None = None
        self._spool = tempfile.TemporaryFile(prefix="topicidx-")  # noqa: SIM115 closed by close
        self._prints = _Prints()
        try:
            self._told = self._note(records)
            self._met = bytearray(self._told // 8 + 1)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """How many pictures are known."""
        return self._told if self._rows is None else int(self._one("SELECT count(*) FROM pictures")[0])

    def __contains__(self, point: UUID) -> bool:
        return self._find(point) is not None

    def get(self, point: UUID) -> Known | None:
        """What is known of a picture, if anything is."""
        found = self._find(point)
        return Known(*found[1:]) if found else None

    def meet(self, point: UUID) -> Known | None:
        """As `get`, and note that the picture is there."""
        found = self._find(point)
        if found is None:
            return None
        self._is_there(found[0])
        return Known(*found[1:])

    def unchanged(self, image: str, size: int, mtime: int, post: str) -> bool:
        """Whether the store told just this of the picture with this key, which then is noted to be there; quicker than `meet`."""
        row = self._prints.find(image, size, mtime, post)
        if row is None:
            return False
        self._is_there(row)
        return True

    def not_met(self) -> Iterator[tuple[UUID, str]]:
        """The pictures that the store told of and that were not met: their points and keys."""
        if int.from_bytes(self._met).bit_count() == self._told:
            return
        for begin in range(1, self._told + 1, BLOCK):
            with self._using() as rows:
                some = rows.execute(
                    "SELECT row, id, image FROM pictures WHERE row BETWEEN ? AND ?",
                    (begin, min(begin + BLOCK - 1, self._told)),
                ).fetchall()
            for row, point, image in some:
                if not self._met[row // 8] >> row % 8 & 1:
                    yield UUID(bytes=point), image

    def put(self, point: UUID, known: Known) -> None:
        """A picture is about to be written."""
        with self._using() as rows:
            told = (known.image, known.size, known.mtime, known.post, known.sha256, known.gps_city)
            rows.execute(_PUT, (point.bytes, *told, False))

    def stored(self, point: UUID) -> None:
        """A picture is in the store: others may be copies of it."""
        with self._using() as rows:
            rows.execute("UPDATE pictures SET stored = 1 WHERE id = ?", (point.bytes,))

    def holder(self, sha256: bytes) -> UUID | None:
        """A stored picture of these bytes."""
        found = self._one("SELECT id FROM pictures WHERE sha256 = ? AND stored ORDER BY row LIMIT 1", sha256)
        return UUID(bytes=found[0]) if found else None

    def has_size(self, size: int) -> bool:
        """Whether some picture has a file of this size."""
        return self._one("SELECT 1 FROM pictures WHERE size = ?", size) is not None

    def index_sizes(self) -> None:
        """Let `has_size` be quick."""
        with self._using() as rows:
            rows.execute("CREATE INDEX IF NOT EXISTS by_size ON pictures (size)")

    def remove(self, points: Iterable[UUID]) -> None:
        """Pictures are removed from the store."""
        with self._using() as rows:
            rows.executemany("DELETE FROM pictures WHERE id = ?", ((point.bytes,) for point in points))

    def duplicates(self) -> int:
        """How many pictures have the bytes of another one."""
        if self._rows is None:
            return self._prints.duplicates()
        (count,) = self._one(
            "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM pictures WHERE sha256 NOT NULL GROUP BY sha256)"
        )
        return int(count)

    def close(self) -> None:
        """Forget everything."""
        if self._rows is not None:
            self._rows.close()
        self._spool.close()
        self._prints.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_there(self, row: int) -> None:
        if row <= self._told:
            self._met[row // 8] |= 1 << row % 8

    def _find(self, point: UUID) -> Any:
        """A picture's number, and what is known of it."""
        return self._one(
            "SELECT row, image, size, mtime, post, sha256, gps_city FROM pictures WHERE id = ?", point.bytes
        )

    def _one(self, query: str, *values: Any) -> Any:
        with self._using() as rows:
            return rows.execute(query, values).fetchone()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._rows is None:
                    self._rows = self._table()
                yield self._rows
            except (OSError, sqlite3.OperationalError) as error:
                raise _full(error) from error

    def _note(self, records: Iterable[Record]) -> int:
        """Keep what the records tell, block by block. -> how many there are"""
        block: list[tuple[Any, ...]] = []
        count = 0
        for record in records:
            known = Known.of(record)
            count += 1
            self._prints.note(known)
            block.append(
                (record.id.bytes, known.image, known.size, known.mtime, known.post, known.sha256, known.gps_city)
            )
            if len(block) == BLOCK:
                self._write(block)
                block = []
        for last in (block, []):  # an empty one is the end
            self._write(last)
        self._prints.finish()
        return count

    def _write(self, block: list[tuple[Any, ...]]) -> None:
        try:
            marshal.dump(block, self._spool)
            self._spool.flush()
            self._prints.write()
        except OSError as error:
            raise _full(error) from error

    def _table(self) -> sqlite3.Connection:
        """What the store told as a table, in a file without a name, which is written where it does not fit the cache."""
        rows = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        try:
            rows.execute(f"PRAGMA cache_size = -{_CACHE}")
            rows.execute("PRAGMA journal_mode = OFF")
            rows.execute("PRAGMA synchronous = OFF")
            rows.execute(_TABLE)
            rows.execute("BEGIN")
            self._spool.seek(0)
            while block := marshal.load(self._spool):  # noqa: S302 what `_write` wrote
                rows.executemany(_TELL, block)
            rows.execute("COMMIT")
            rows.execute("CREATE UNIQUE INDEX by_id ON pictures (id)")
            rows.execute("CREATE INDEX by_bytes ON pictures (sha256)")
        except BaseException:
            rows.close()
            raise
        self._spool.truncate(0)
        return rows


class _Prints:
    """Of pictures that are numbered from 1: a hash of the key, one of it with size, time of change and post, one of the digest of
    the bytes (0 for none), and the number, by the first of these in order."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="topicidx-")  # noqa: SIM115 closed by close
        self._mapped: mmap.mmap | None = None
        self._views: tuple[memoryview, memoryview, memoryview, memoryview] | None = None
        self._unwritten = array("Q")
        self._count = 0

    def note(self, known: Known) -> None:
        """The next picture."""
        self._count += 1
        digest = 0 if known.sha256 is None else hash(known.sha256) & _LARGEST or 1
        told = _print(known.image, known.size, known.mtime, known.post)
        self._unwritten.extend((hash(known.image) & _LARGEST, told, digest, self._count))

    def write(self) -> None:
        """Bring what was noted to the file."""
        self._file.write(self._unwritten)
        self._file.flush()
        self._unwritten = array("Q")

    def finish(self) -> None:
        """All is noted and written."""
        if not self._count:
            return
        self._mapped = mmap.mmap(self._file.fileno(), 0)
        noted = np.frombuffer(self._mapped, dtype=np.uint64).reshape(self._count, 4)
        order = np.argsort(noted[:, 0])
        for column in noted.T:  # one after the other, for the memory
            column[:] = column[order]
        del noted, column
        with memoryview(self._mapped) as whole, whole.cast("Q") as numbers:
            self._views = numbers[::4], numbers[1::4], numbers[2::4], numbers[3::4]

    def duplicates(self) -> int:
        """How many pictures have bytes that another one has."""
        if self._views is None:
            return 0
        digests = np.sort(np.asarray(self._views[2]))
        return int(np.count_nonzero((digests[1:] == digests[:-1]) & (digests[1:] != 0)))

    def find(self, image: str, size: int, mtime: int, post: str) -> int | None:
        """The number of the picture of which just this was noted."""
        if self._views is None:
            return None
        keys, prints, _, rows = self._views
        key = hash(image) & _LARGEST
        place = bisect_left(keys, key)
        if place == len(keys) or keys[place] != key or prints[place] != _print(image, size, mtime, post):
            return None
        return int(rows[place])

    def close(self) -> None:
        for view in self._views or ():
            view.release()
        self._views = None
        if self._mapped is not None:
            self._mapped.close()
        self._file.close()


def _full(error: Exception) -> StoreFullError:
    return StoreFullError(
        f"what is known of the store's pictures cannot be kept in a temporary file: {error}; make room there, or name another "
        "folder with the variable TMPDIR, then run this again"
    )


def _print(image: str, size: int | None, mtime: int | None, post: str | None) -> int:
    return hash((image, size, mtime, post)) & _LARGEST


def _whole(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None


def _raw(digest: str) -> bytes | None:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return None
