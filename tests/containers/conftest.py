"""A cluster of three nodes as the tests of other folders take a server, and nodes that go away."""

from collections.abc import Iterator
from typing import Any

import pytest

from doubles.outages import Nodes, NodesInOne
from doubles.qdrant import QdrantDouble


@pytest.fixture(scope="session")
def three_nodes(qdrant_cluster: Any) -> str:
    """The URL of a cluster's first node, with the port of gRPC after a #."""
    return str(qdrant_cluster.url)


@pytest.fixture(params=["double", "cluster"])
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """A server of which a node may go away."""
    if request.param == "cluster":
        cluster = request.getfixturevalue("qdrant_cluster")
        yield cluster
        cluster.bring_back()
        return
    with QdrantDouble() as double:
        yield NodesInOne(double)
