"""Totals: how many points there are, and a checksum of them that no order and no engine changes."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topicidx.indexer.store import PointBlock

_MODULUS = 2**128


@dataclass(frozen=True, slots=True)
class Totals:
    """The number of points and the sum of their digests (of id, vector and payload) modulo 2**128."""

    points: int = 0
    digest: int = 0

    @property
    def checksum(self) -> str:
        """The digest as people and files have it: 32 hexadecimal digits."""
        return f"{self.digest:032x}"

    def plus(self, block: "PointBlock") -> "Totals":
        """The totals with the points of a block added."""
        digest = self.digest
        for point, vector, payload in zip(block.ids, block.vectors, block.payloads, strict=True):
            content = json.dumps(payload, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
            whole = hashlib.sha256(point.bytes + vector.astype("<f4").tobytes() + content).digest()
            digest += int.from_bytes(whole[:16], "big")
        return Totals(self.points + len(block), digest % _MODULUS)


def totals_of(blocks: Iterable["PointBlock"]) -> Totals:
    """The totals of all blocks together."""
    totals = Totals()
    for block in blocks:
        totals = totals.plus(block)
    return totals
