"""Which real Qdrant servers tests can have here: a server that is named, and those that Docker runs."""

import os
import socket
from urllib.parse import urlsplit

URL = "TOPICIDX_TEST_QDRANT_URL"


def servers() -> dict[str, str]:
    """The fixture that gives the URL of each server that can be had, by what it is."""
    no_docker = why_no_docker()
    found = {} if no_docker and not os.environ.get(URL) else {"one node": "qdrant_server"}
    return found if no_docker else found | {"three nodes": "three_nodes"}


def why_none() -> str:
    """Why there is no server at all."""
    return f"{why_no_docker()}, and {URL} names no server"


def why_no_docker() -> str | None:
    """Why no container can be started here; None where Docker answers."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    engine = urlsplit(address)
    try:
        if engine.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(engine.path)
        elif engine.scheme == "tcp" and engine.hostname:
            socket.create_connection((engine.hostname, engine.port or 2375), timeout=10).close()
    except OSError as error:
        return f"no Docker engine answers at {address}: {error.strerror or error}"
    return None
