"""Shards: which pictures of a source one of several processes takes, the same on every machine."""

import re
from dataclasses import dataclass

from topicidx.errors import SettingsError
from topicidx.indexer.keys import share_of

#: More than this many processes is a slip of the pen.
MOST = 65_536

_WRITTEN = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """Share `number` of `of`, counted from 1: every picture is in exactly one of them, by a hash of its key."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, written: str) -> "Shard":
        """What `3/16` means. Raises SettingsError."""
        match = _WRITTEN.fullmatch(written.strip())
        if match is None:
            raise SettingsError(f"--shard {written}: write NUMBER/OF, such as 3/16 for the third of 16")
        number, of = int(match[1]), int(match[2])
        if not 1 <= of <= MOST:
            raise SettingsError(f"--shard {written}: there may be 1 to {MOST} shards")
        if not 1 <= number <= of:
            raise SettingsError(f"--shard {written}: shards are counted from 1/{of} to {of}/{of}")
        return cls(number, of)

    @property
    def first(self) -> bool:
        """True for the one that does what is done once, such as writing the words."""
        return self.number == 1

    @property
    def whole(self) -> bool:
        """True where it is everything."""
        return self.of == 1

    def has(self, key: str) -> bool:
        """Whether the picture with this key is in it."""
        return self.of == 1 or share_of(key) % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


#: All pictures.
WHOLE = Shard()
