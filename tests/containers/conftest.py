"""Servers with one node, and with three, that tests of other folders are run over too."""

from collections.abc import Iterator
from typing import Any

import pytest

from doubles.outages import Nodes, NodesInOne
from doubles.qdrant import QdrantDouble

SERVERS = {"one node": "qdrant_server", "three nodes": "three_nodes"}


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
