"""The journal of an unfinished generation: what of it is acknowledged, a line for each checkpoint."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint: when it was made (UTC), and how many points, removals counted too, were safe on the disk by then."""

    time: str
    points: int


def acknowledge(journal: Path, points: int) -> None:
    """Note, on the disk when this returns, that `points` changed points are safe."""
    line = json.dumps(asdict(Entry(datetime.now(UTC).isoformat(timespec="seconds"), points))) + "\n"
    with journal.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def last_entry(journal: Path) -> Entry | None:
    """The last checkpoint, or None where there was none. A line that a crash cut off does not count."""
    try:
        lines = journal.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        try:
            return Entry(**json.loads(line))
        except (ValueError, TypeError):
            continue
    return None
