"""An ingest into a server that is killed with -9 goes on where it was, and ends as if it had never been stopped.

TOPICIDX_TEST_KILLS says how many times it is killed; over the double once.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient

from doubles.environment import without_settings
from doubles.qdrant import QdrantDouble
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.index import Index
from topicidx.indexer.totals import Totals, totals_of
from topicidx.settings import Settings

Paint = Callable[..., Path]
KILLS = int(os.environ.get("TOPICIDX_TEST_KILLS", "4"))
FILES = 240
SERVERS = {"one node": "qdrant_server", "three nodes": "three_nodes"}


@pytest.fixture(scope="module", params=["double", *SERVERS])
def asked(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A server's URL, with the port of gRPC after a #, and how many times an ingest into it is killed."""
    if request.param != "double":
        yield str(request.getfixturevalue(SERVERS[request.param])), KILLS
        return
    with QdrantDouble() as double:
        yield f"{double.url}#{double.port}", 1


@pytest.fixture
def archive(space_folder: Path, paint: Paint, tmp_path: Path) -> Path:
    for number in range(FILES):
        paint(tmp_path / "photos" / f"{number:03}.jpg", (number, 80 + number % 90, 250 - number))
    shutil.copytree(space_folder, tmp_path / ".topicidx" / "space")
    return tmp_path


def test_killed_while_it_writes_it_ends_as_if_it_had_never_been_stopped(
    asked: tuple[str, int], archive: Path, space: TopicSpace
) -> None:
    url, kills = asked
    address, _, port = url.partition("#")
    collection = f"topicidx-test-{uuid.uuid4()}"
    client = QdrantClient(url=address, grpc_port=int(port), prefer_grpc=True, check_compatibility=False)
    ingest: subprocess.Popen[str] | None = None
    try:
        for kill in range(kills):
            ingest = start(archive, address, port, collection)
            while written(client, collection) <= kill * FILES // (kills + 1):
                assert ingest.poll() is None, ingest.communicate()
                time.sleep(0.005)
            ingest.kill()
            ingest.communicate()
        ingest = start(archive, address, port, collection)
        out, errors = ingest.communicate()
        assert ingest.returncode == 0, errors
        report: dict[str, Any] = json.loads(out)
        assert (report["points"], report["skipped"]) == (FILES, [])
        assert 0 < report["unchanged"] < FILES
        server = {"grpc_port": int(port)}
        assert totals(archive / "there", space, address, collection=collection, server=server) == totals(
            archive / "here", space, str(archive / "store"), photos=archive / "photos"
        )
    finally:
        if ingest is not None:
            ingest.kill()
        for found in client.get_collections().collections:
            if found.name.startswith(collection):
                client.delete_collection(found.name)
        client.close()


def start(archive: Path, address: str, port: str, collection: str) -> subprocess.Popen[str]:
    command = ["-m", "doubles.colour", "ingest", "photos", "--store", address, "--collection", collection, "--json"]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=archive,
        env=without_settings()
        | {"PYTHONPATH": str(Path(__file__).parents[1]), "TOPICIDX_SERVER__GRPC_PORT": port}
        | {"TOPICIDX_INGEST__BATCH_SIZE": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def written(client: QdrantClient, collection: str) -> int:
    """How many pictures there are in what an ingest is filling."""
    name = f"{collection}_g000001"
    return client.count(name).count if client.collection_exists(name) else 0


def totals(home: Path, space: TopicSpace, store: str, *, photos: Path | None = None, **options: Any) -> Totals:
    """What a store holds, after an ingest of the photos."""
    with Index.open(settings=Settings.load(home=home, space=space.folder, store=store, **options)) as index:
        if photos:
            index.ingest(photos)
        return totals_of(index.store.blocks())
