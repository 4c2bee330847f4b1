"""A Docker engine for tests: it notes what is asked of it, and its containers answer over HTTP as Qdrant's nodes do."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from testcontainers.core.config import ConnectionMode


class FakeDocker:
    """What testcontainers asks of Docker. unready: how often every node that starts answers that it is not ready yet."""

    def __init__(self, unready: int = 2) -> None:
        self.unready = unready
        self.containers: list[FakeNode] = []
        self.networks: list[FakeNetwork] = []
        #: Nodes that have joined by their names in the network, in their order.
        self.joined: list[str] = []

    def __call__(self, **_: Any) -> Self:
        return self

    @property
    def client(self) -> Self:
        return self

    def close(self) -> None:
        pass

    def client_networks_create(self, name: str, options: dict[str, Any]) -> "FakeNetwork":
        self.networks.append(FakeNetwork(name))
        return self.networks[-1]

    def create(self, image: str, **options: Any) -> "FakeNode":
        self.containers.append(FakeNode(self, image, options))
        return self.containers[-1]

    def start(self, container: "FakeNode") -> None:
        container.start()

    def get_connection_mode(self) -> ConnectionMode:
        return ConnectionMode.docker_host

    def host(self) -> str:
        return "127.0.0.1"

    def port(self, container: str, port: int) -> int:
        (node,) = (node for node in self.containers if node.id == container)
        assert node.server is not None, "it has no ports while it is stopped"
        return node.server.server_port if port == 6333 else node.server.server_port + 1


class FakeNetwork:
    """A network."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.removed = False

    def remove(self) -> None:
        self.removed = True


class FakeNode:
    """A container, and the node in it."""

    def __init__(self, docker: FakeDocker, image: str, options: dict[str, Any]) -> None:
        self.docker = docker
        self.image = image
        self.options = options
        self.id = self.short_id = f"container{len(docker.containers)}"
        self.server: ThreadingHTTPServer | None = None
        self.asked: list[str] = []
        self.killed = 0
        self.removed = False
        self._unready = 0

    @property
    def status(self) -> str:
        return "running" if self.server else "exited"

    def reload(self) -> None:
        pass

    def start(self) -> None:
        node = self
        self._unready = self.docker.unready

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(node.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        if name := self.name:
            self.docker.joined = list(dict.fromkeys([*self.docker.joined, name]))

    def kill(self) -> None:
        self.killed += 1
        self._close()

    def remove(self, **_: Any) -> None:
        self.removed = True
        self._close()

    def logs(self, **_: Any) -> bytes:
        return b"what the node has logged"

    @property
    def name(self) -> str | None:
        """Its name in the network."""
        for endpoint in self.options.get("networking_config", {}).values():
            return str(endpoint["Aliases"][0])
        return None

    def answer(self, path: str) -> dict[str, Any]:
        """What a node answers: not ready means operations that are pending, and shards that are not up to date."""
        self.asked.append(path)
        unready = self._unready > 0
        self._unready -= 1
        raft = {"term": 1, "commit": 1, "pending_operations": int(unready), "is_voter": True}
        peers = {str(number): {"uri": f"http://{name}:6335/"} for number, name in enumerate(self.docker.joined)}
        thread = {"consensus_thread_status": "working", "last_update": "2026-01-01T00:00:00Z"}
        state = "Partial" if unready else "Active"
        result: Any = {
            "/": {},
            "/cluster": {
                "status": "enabled", "peer_id": 1, "peers": peers, "raft_info": raft, "consensus_thread_status": thread,
                "message_send_failures": {},
            },
            "/collections": {"collections": [{"name": "photos"}]},
            "/collections/photos/cluster": {
                "peer_id": 1, "shard_count": 2, "shard_transfers": [],
                "local_shards": [{"shard_id": 0, "points_count": 1, "state": "Active"}],
                "remote_shards": [{"shard_id": 0, "peer_id": 2, "state": state}],
            },
        }[path]  # fmt: skip
        if path == "/":
            return {"title": "qdrant", "version": "1.20.0"}
        return {"result": result, "status": "ok", "time": 0.0}

    def _close(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
