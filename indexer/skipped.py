"""The list of pictures that could not be indexed: one of a collection, and one of each shard until the next whole ingest."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from topicidx.atomic import write_file
from topicidx.indexer.ingest_report import Skipped
from topicidx.indexer.shards import WHOLE, Shard


class SkippedList:
    """The pictures of one share, or of all, that could not be indexed; JSON lines. It only saves work.

    file: `skipped.jsonl` of the collection. A share is written beside it, as skipped.3-of-16.jsonl, so that processes which
    share a folder do not overwrite each other's lists, and is read with it; a whole list takes the place of all.
    """

    def __init__(self, file: Path, shard: Shard = WHOLE) -> None:
        own = file if shard == WHOLE else file.with_name(f"{file.stem}.{shard.number}-of-{shard.of}{file.suffix}")
        #: What `write` writes.
        self.file = own
        self._whole = file
        self._shard = shard

    def read(self) -> dict[str, Skipped]:
        """By image key; empty where nothing can be read."""
        found: dict[str, Skipped] = {}
        for file in (self._whole, *self._shares()):
            found |= {key: entry for key, entry in _entries(file).items() if self._shard.has(key)}
        return found

    def write(self, skipped: Iterable[Skipped]) -> None:
        """Put these in place of what there was."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        shares = self._shares()
        write_file(self.file, "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in skipped))
        if self._shard == WHOLE:
            for share in shares:
                share.unlink(missing_ok=True)

    def _shares(self) -> list[Path]:
        return sorted(self._whole.parent.glob(f"{self._whole.stem}.*-of-*{self._whole.suffix}"))


def _entries(file: Path) -> dict[str, Skipped]:
    try:
        with file.open(encoding="utf-8") as lines:
            return {entry["image"]: Skipped(**entry) for entry in map(json.loads, lines)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
