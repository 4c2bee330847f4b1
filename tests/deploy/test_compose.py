"""compose.yaml as Docker Compose itself reads it: complete, limited, closed to the network, and told what must be set."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from doubles.deployed import DEPLOY, Tool

SECRETS = {"TOPICIDX_TOKEN": "0123456789abcdef" * 4, "QDRANT_API_KEY": "a key"}
#: What ends by itself, and is not asked how it is.
ONCE = {"ingest", "train"}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """example.env, its secrets filled in."""
    text = (DEPLOY / "example.env").read_text()
    for name, secret in SECRETS.items():
        assert f"\n{name}=\n" in text
        text = text.replace(f"\n{name}=\n", f"\n{name}={secret}\n")
    file = tmp_path_factory.mktemp("compose") / "example.env"
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def composed(tool: Tool, example: Path) -> dict[str, Any]:
    """All of it, of every profile, as Compose understands it."""
    files = ("--file", DEPLOY / "compose.yaml", "--file", DEPLOY / "compose.cuda.yaml")
    read = tool(
        "docker-compose", "--env-file", example, *files, "--profile", "*", "config", "--format", "json",
        env=_environment(),
    )  # fmt: skip
    assert (read.returncode, read.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(read.stdout)
    return answer


def test_one_command_starts_qdrant_then_the_ingest_then_the_service(tool: Tool, example: Path) -> None:
    listed = tool(
        "docker-compose", "--env-file", example, "--file", DEPLOY / "compose.yaml", "config", "--services",
        env=_environment(),
    )  # fmt: skip
    assert sorted(listed.stdout.split()) == ["ingest", "qdrant", "service"]


def test_the_service_waits_for_the_ingest(composed: dict[str, Any]) -> None:
    services = composed["services"]
    assert services["ingest"]["depends_on"]["qdrant"]["condition"] == "service_healthy"
    assert services["service"]["depends_on"]["ingest"]["condition"] == "service_completed_successfully"
    assert "healthcheck" in services["qdrant"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_that_is_not_set_is_asked_for(tool: Tool, example: Path, tmp_path: Path, secret: str) -> None:
    without = tmp_path / "without.env"
    without.write_text(example.read_text().replace(f"{secret}={SECRETS[secret]}", f"{secret}="))
    told = tool(
        "docker-compose",
        "--env-file",
        without,
        "--file",
        DEPLOY / "compose.yaml",
        "config",
        "--quiet",
        env=_environment(),
    )
    assert told.returncode != 0
    assert secret in told.stderr
    assert "deploy/example.env" in told.stderr


def test_every_service_has_a_limit_of_memory(composed: dict[str, Any]) -> None:
    limits = {
        name: int(service["deploy"]["resources"]["limits"]["memory"]) for name, service in composed["services"].items()
    }
    assert min(limits.values()) >= 512 * 2**20


def test_nothing_is_reached_from_other_machines(composed: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in composed["services"].items()}
    assert {port["host_ip"] for listed in ports.values() for port in listed} == {"127.0.0.1"}
    assert ports["qdrant"] == []
    assert len(ports["service"]) == 1


def test_containers_of_topicidx_can_write_to_their_workspace_alone(composed: dict[str, Any]) -> None:
    own = {name: service for name, service in composed["services"].items() if "build" in service}
    assert set(own) == {"service", *ONCE}
    for service in own.values():
        assert service["read_only"]
        assert service["user"] == "1000:1000"
        assert service["cap_drop"] == ["ALL"]
        mounts = {mount["target"]: mount for mount in service["volumes"]}
        assert mounts["/photos"]["read_only"]
        # A folder that is not there is an error, not a new one that belongs to root.
        assert not mounts["/data/.topicidx"]["bind"].get("create_host_path", False)


def test_builds_name_stages_of_the_dockerfile(composed: dict[str, Any]) -> None:
    stages = set(re.findall(r"^FROM .* AS (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    arguments = set(re.findall(r"^ARG (\w+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    builds = [service["build"] for service in composed["services"].values() if "build" in service]
    assert {build["target"] for build in builds} == {"full", "query"}
    for build in builds:
        assert build["target"] in stages
        assert set(build["args"]) <= arguments
        assert Path(build["context"], build["dockerfile"]) == DEPLOY / "Dockerfile"


def test_files_that_are_mounted_are_there(composed: dict[str, Any]) -> None:
    mounted = [
        Path(mount["source"])
        for name in ("prometheus", "grafana")
        for mount in composed["services"][name]["volumes"]
        if mount["type"] == "bind"
    ]
    assert len(mounted) == 5
    assert all(path.is_file() for path in mounted)


def test_gpus_are_for_what_sees_pictures(composed: dict[str, Any]) -> None:
    with_gpus = {
        name
        for name, service in composed["services"].items()
        if "devices" in service["deploy"]["resources"].get("reservations", {})
    }
    assert with_gpus == ONCE


def test_variables_of_the_example_are_those_that_are_read() -> None:
    named = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))
    read = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    assert named <= read


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
