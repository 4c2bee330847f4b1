"""Servers of which a part goes away and comes back, as clients of the rest see it: a double, or a real cluster."""

from typing import Protocol

import grpc

from doubles.qdrant import QdrantDouble
from doubles.qdrant_faults import drop, refuse, status


class Nodes(Protocol):
    """A server of several nodes, of which one may be away."""

    @property
    def url(self) -> str:
        """Where it is asked, with the port of gRPC after a #; this node stays."""

    def stop_one(self, number: int = 3) -> None:
        """Let a node, 2 or 3, go away at once."""

    def bring_back(self) -> None:
        """Let it come back, and return when all is as if it had never been away."""


class NodesInOne:
    """A double that answers as the first node of a cluster does when another goes away.

    Connections break; then two requests to read and two to write are answered with an error before the node counts as lost, and
    one that was applied gets no answer.
    """

    def __init__(self, double: QdrantDouble) -> None:
        self.double = double
        self.stopped = 0
        self.failed = 0

    @property
    def url(self) -> str:
        return f"{self.double.url}#{self.double.port}"

    def stop_one(self, number: int = 3) -> None:
        del number
        self.stopped += 1
        self.double.fail(
            "Points/Upsert", status(grpc.StatusCode.INTERNAL, "1 out of 2 shards failed to apply"), times=2
        )
        self.double.fail("Points/Upsert", drop())
        self.double.fail(
            "Points/Query*", status(grpc.StatusCode.INTERNAL, "the operation failed on a replica"), times=2
        )
        self.double.fail("Points/Query*", refuse())
        self.double.stop_listening()
        self.double.listen()

    def bring_back(self) -> None:
        self.failed += len([call for call in self.double.calls if call.code not in (None, grpc.StatusCode.OK)])
        self.double.forget_calls()
        self.double.heal()
