"""KnownPictures: what a store tells of its pictures, on the disk while an ingest runs, so that its memory stays the same."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self
from uuid import UUID

from topicidx.errors import StoreFullError
from topicidx.indexer.store import BLOCK, Record
from topicidx.post import JsonValue

#: Payload fields that say whether a picture has changed since it was indexed.
KNOWN_FIELDS = ("image", "size", "mtime", "post", "sha256", "gps_city")
#: Kilobytes of the table that are kept in memory.
_CACHE = 8_192

_TABLE = """
CREATE TABLE pictures (
    row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, image TEXT, size INTEGER, mtime INTEGER, post TEXT, sha256 BLOB,
    gps_city TEXT, stored INTEGER NOT NULL
)"""
# What was stored stays so where a picture is written again with the same bytes: its vector is the same.
_PUT = """
INSERT INTO pictures (id, image, size, mtime, post, sha256, gps_city, stored) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET image = excluded.image, size = excluded.size, mtime = excluded.mtime, post = excluded.post,
    gps_city = excluded.gps_city, stored = excluded.stored OR (stored AND sha256 IS excluded.sha256), sha256 = excluded.sha256
"""


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
        size, mtime, post, digest, city = (record.payload.get(name) for name in KNOWN_FIELDS[1:])
        return cls(
            str(record.payload.get("image")),
            _whole(size),
            _whole(mtime),
            post if isinstance(post, str) else None,
            _raw(digest),
            city if isinstance(city, str) else None,
        )


class KnownPictures:
    """What is known of a store's pictures, by point id; from any thread. To be closed.

    Those that the store told of are numbered, so that which of them were met takes a bit each. Raises StoreFullError
    where the disk that temporary files lie on is full.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._lock = Lock()
        # A file without a name, which is written where it does not fit the cache and is gone when it is closed.
        self._rows = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        try:
            self._rows.execute(f"PRAGMA cache_size = -{_CACHE}")
            self._rows.execute("PRAGMA journal_mode = OFF")
            self._rows.execute("PRAGMA synchronous = OFF")
            self._rows.execute(_TABLE)
            with self._using() as rows:
                rows.execute("BEGIN")
                rows.executemany(_PUT, (_row(record.id, Known.of(record), stored=True) for record in records))
                rows.execute("COMMIT")
                rows.execute("CREATE INDEX by_bytes ON pictures (sha256)")
            self._told = len(self)
            self._met = bytearray(self._told // 8 + 1)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """How many pictures are known."""
        return int(self._one("SELECT count(*) FROM pictures")[0])

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
        row = found[0]
        if row <= self._told:
            self._met[row // 8] |= 1 << row % 8
        return Known(*found[1:])

    def not_met(self) -> Iterator[tuple[UUID, str]]:
        """The pictures that the store told of and that were not met: their points and keys."""
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
            rows.execute(_PUT, _row(point, known, stored=False))

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
        (count,) = self._one(
            "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM pictures WHERE sha256 NOT NULL GROUP BY sha256)"
        )
        return int(count)

    def close(self) -> None:
        """Forget everything."""
        self._rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
                yield self._rows
            except sqlite3.OperationalError as error:
                raise StoreFullError(
                    f"what is known of the store's pictures cannot be kept in a temporary file: {error}; make room there, or "
                    "name another folder with the variable TMPDIR, then run this again"
                ) from error


def _row(point: UUID, known: Known, *, stored: bool) -> tuple[Any, ...]:
    return (
        point.bytes, known.image, known.size, known.mtime, known.post, known.sha256, known.gps_city, stored,
    )  # fmt: skip


def _whole(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None


def _raw(digest: JsonValue) -> bytes | None:
    try:
        return bytes.fromhex(digest) if isinstance(digest, str) else None
    except ValueError:
        return None
