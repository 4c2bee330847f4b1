"""Real Qdrant servers in containers: one node, or three that keep two copies of everything, of which one may be stopped."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from types import TracebackType
from typing import Any, Self

from qdrant_client import QdrantClient, models
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

IMAGE = os.environ.get("TOPICIDX_TEST_QDRANT_IMAGE", "qdrant/qdrant:v1.20.0")
REST, GRPC, PEERS = 6333, 6334, 6335
NODES = 3
#: What a node is told: new collections have a shard for each node, two copies of it, and count as written with one.
SETTINGS = {
    "QDRANT__CLUSTER__ENABLED": "true",
    "QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR": "2",
    "QDRANT__STORAGE__COLLECTION__WRITE_CONSISTENCY_FACTOR": "1",
}
#: Seconds that nodes are waited for, and between two looks at them.
PATIENCE, LOOK = 120.0, 0.5


class Node(DockerContainer):
    """A container with a Qdrant, alone or one of a cluster's nodes."""

    def __init__(self, command: str | None = None, settings: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(IMAGE, command=command, env=dict(settings or {}), ports=[REST, GRPC], **options)

    @property
    def url(self) -> str:
        """Its URL, with the port of gRPC after a #. A container that was stopped may get other ports when it starts again."""
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(REST)}#{self.get_exposed_port(GRPC)}"

    def client(self) -> QdrantClient:
        """A client of it that speaks REST."""
        return QdrantClient(url=self.url.partition("#")[0], check_compatibility=False, timeout=10)


@contextmanager
def one_node() -> Iterator[str]:
    """The URL of a single server, with the port of gRPC after a #."""
    with Node() as node:
        _wait(node, lambda client: client.info())
        yield node.url


class QdrantCluster:
    """Three nodes. The first is the one to be asked; the others can be stopped and started again."""

    def __init__(self) -> None:
        self._network = Network()
        self.nodes: list[Node] = []
        self._stopped: Node | None = None
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """The URL of the first node, with the port of gRPC after a #."""
        return self.nodes[0].url

    def stop_one(self, number: int = NODES) -> None:
        """Kill the node with this number, 2 or 3, as a machine that loses power. Only one may be away."""
        assert number > 1
        assert self._stopped is None
        self._stopped = self.nodes[number - 1]
        self._stopped.get_wrapped_container().kill()

    def bring_back(self) -> None:
        """Start the node that was stopped, and return when it holds what it missed."""
        if self._stopped is None:
            return
        back, self._stopped = self._stopped, None
        back.get_wrapped_container().start()
        _wait(back, _in_agreement)
        _wait(self.nodes[0], _in_agreement)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._network)
            for number in range(1, NODES + 1):
                own = f"--uri http://node{number}:{PEERS}"
                command = f"./qdrant {own}" if number == 1 else f"./qdrant --bootstrap http://node1:{PEERS} {own}"
                node = Node(command, SETTINGS, network=self._network, network_aliases=[f"node{number}"])
                self.nodes.append(stack.enter_context(node))
                _wait(node, lambda client: _has_peers(client, len(self.nodes)))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _wait(node: Node, look: Any) -> None:
    """Return when `look(client)` no longer raises. Raises TimeoutError with the last reason and the node's log."""
    with closing(node.client()) as client:
        try:
            for attempt in Retrying(
                stop=stop_after_delay(PATIENCE), wait=wait_fixed(LOOK), retry=retry_if_exception_type(Exception)
            ):
                with attempt:
                    look(client)
        except RetryError as error:
            reason = error.last_attempt.exception()
            log = b"".join(node.get_logs()).decode(errors="replace")[-2_000:]
            raise TimeoutError(f"{IMAGE} is not as it should be after {PATIENCE} s: {reason!r}\n{log}") from reason


def _has_peers(client: QdrantClient, wanted: int) -> None:
    status = client.cluster_status()
    if not isinstance(status, models.ClusterStatusOneOf1):
        raise RuntimeError(f"it is no cluster: {status}")
    if len(status.peers) != wanted or status.raft_info.pending_operations:
        raise RuntimeError(f"{len(status.peers)} of {wanted} nodes, {status.raft_info}")


def _in_agreement(client: QdrantClient) -> None:
    """Every node knows of every other, and all copies of all shards are up to date."""
    _has_peers(client, NODES)
    for collection in client.get_collections().collections:
        info = client.collection_cluster_info(collection.name)
        states = {shard.state for shard in [*info.local_shards, *info.remote_shards]}
        if states != {models.ReplicaState.ACTIVE} or info.shard_transfers:
            raise RuntimeError(f"copies of {collection.name} are {states}, {len(info.shard_transfers)} under way")
