"""What Docker is asked for when servers are started for tests, stopped, started again and removed."""

import re
import socket
from pathlib import Path

import pytest

from doubles import containers, real_servers
from doubles.containers import QdrantCluster, one_node
from doubles.docker import FakeDocker

ROOT = Path(__file__).parents[2]


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    docker = FakeDocker()
    for module in ("container", "network"):
        monkeypatch.setattr(f"testcontainers.core.{module}.DockerClient", docker)
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    monkeypatch.setattr(containers, "LOOK", 0.001)
    return docker


def test_nodes_join_the_first_one_each_when_those_before_it_have(docker: FakeDocker) -> None:
    with QdrantCluster() as cluster:
        first, second, third = docker.containers
        assert first.options["command"] == "./qdrant --uri http://node1:6335"
        assert second.options["command"] == "./qdrant --bootstrap http://node1:6335 --uri http://node2:6335"
        assert third.options["command"] == "./qdrant --bootstrap http://node1:6335 --uri http://node3:6335"
        for number, node in enumerate(docker.containers, start=1):
            assert node.name == f"node{number}"
            assert node.options["network"] == docker.networks[0].name
            assert node.options["environment"]["QDRANT__CLUSTER__ENABLED"] == "true"
            assert set(node.options["ports"]) == {"6333", "6334"}
            assert node.asked.count("/cluster") == docker.unready + 1  # it was waited for
        port = docker.port(first.id, 6333)
        assert cluster.url == f"http://127.0.0.1:{port}#{port + 1}"
    assert all(node.removed for node in docker.containers)
    assert docker.networks[0].removed


def test_a_node_is_killed_and_waited_for_until_its_shards_are_up_to_date(docker: FakeDocker) -> None:
    with QdrantCluster() as cluster:
        third = docker.containers[2]
        cluster.stop_one()
        assert (third.killed, third.status) == (1, "exited")
        with pytest.raises(AssertionError):
            cluster.stop_one(2)
        third.asked.clear()
        docker.unready = 4
        cluster.bring_back()
        assert third.status == "running"
        assert third.asked.count("/collections/photos/cluster") >= 1
        assert len(third.asked) > docker.unready
        cluster.bring_back()  # there is nothing to bring back
        cluster.stop_one(2)
        assert [node.killed for node in docker.containers] == [0, 1, 1]


def test_what_does_not_come_up_is_said_with_its_log_and_removed(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.unready = 10**9
    monkeypatch.setattr(containers, "PATIENCE", 0.05)
    with pytest.raises(TimeoutError, match="what the node has logged"), QdrantCluster():
        pass
    assert [node.removed for node in docker.containers] == [True]
    assert docker.networks[0].removed


def test_a_single_node_is_no_cluster(docker: FakeDocker) -> None:
    with one_node() as url:
        (node,) = docker.containers
        assert node.options["command"] is None
        assert "QDRANT__CLUSTER__ENABLED" not in node.options["environment"]
        assert url.startswith("http://127.0.0.1:")
    assert node.removed


def test_the_image_is_the_one_that_is_deployed() -> None:
    compose = (ROOT / "deploy" / "compose.yaml").read_text()
    (image,) = re.findall(r"QDRANT_IMAGE:-(\S+)\}", compose)
    assert f'"{image}"' in Path(containers.__file__).read_text()


def test_where_there_is_no_docker_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address, reason in (
        (f"unix://{tmp_path}/docker.sock", "No such file"),
        ("tcp://127.0.0.1:1", "refused"),
    ):
        monkeypatch.setenv("DOCKER_HOST", address)
        assert str(real_servers.why_no_docker()).startswith(f"no Docker engine answers at {address}: ")
        assert reason in str(real_servers.why_no_docker())
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        assert real_servers.why_no_docker() is None
        assert set(real_servers.servers()) == {"one node", "three nodes"}
    monkeypatch.setenv("TOPICIDX_TEST_QDRANT_URL", "http://qdrant:6333")
    assert set(real_servers.servers()) == {"one node"}
    monkeypatch.delenv("TOPICIDX_TEST_QDRANT_URL")
    assert real_servers.servers() == {}
    assert "TOPICIDX_TEST_QDRANT_URL" in real_servers.why_none()
