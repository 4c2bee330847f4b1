"""What all tests share: real data where it is, a small rendered collection, and a workspace trained and filled with it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles import children
from doubles.environment import without_settings
from doubles.forked import ForkServer
from doubles.real_servers import why_no_docker, why_none

pytest_plugins = ("doubles.spaces",)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _children_start_at_once() -> None:
    children.start()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real photos and weights that TOPICIDX_TEST_DATA names."""
    folder = Path(os.environ.get("TOPICIDX_TEST_DATA", ""))
    if not (folder / "data" / "flickr8k").is_dir():
        pytest.skip("no real photos: TOPICIDX_TEST_DATA names no folder with data/flickr8k and weights")
    return folder


@pytest.fixture(scope="session")
def qdrant_server() -> Iterator[str]:
    """The URL of a real Qdrant server, with the port of its gRPC interface after a #.

    TOPICIDX_TEST_QDRANT_URL names one (http://host:6333, or http://host:6333#6334); otherwise Docker runs one.
    """
    if url := os.environ.get("TOPICIDX_TEST_QDRANT_URL"):
        yield url
        return
    if why_no_docker():
        pytest.skip(f"no Qdrant server: {why_none()}")
    from doubles.containers import one_node

    with one_node() as started:
        yield started


@pytest.fixture(scope="session")
def qdrant_cluster() -> Iterator[Any]:
    """Three real nodes that Docker runs, of which one may be stopped: `doubles.containers.QdrantCluster`."""
    if reason := why_no_docker():
        pytest.skip(f"no Qdrant cluster: {reason}")
    from doubles.containers import QdrantCluster

    with QdrantCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """What runs the command line in processes that fork from one which has imported all they need."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def topicidx(fork_server: ForkServer) -> Run:
    """Runs the command line in a process that forks from one that has imported all it needs, or with variables that Python reads,
    or `alone`, in one that starts from nothing as people's does."""

    def run(
        *arguments: object, cwd: Path | None = None, stdin: str | None = None, alone: bool = False, **env: str
    ) -> subprocess.CompletedProcess[str]:
        written = [*map(str, arguments)]
        variables = without_settings() | env
        folder = cwd or Path(__file__).parent
        if not alone and not any(name.startswith(("PYTHON", "OMP_", "LC_", "LANG")) for name in env):
            return fork_server.run(written, folder, variables, stdin)
        return subprocess.run(
            [sys.executable, "-m", "topicidx", *written],
            cwd=folder, env=variables, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered collection of 160 pictures: captions.csv, truth.jsonl, photos/CITY/NAME.jpg."""
    from topicidx.indexer.rendered import render_collection

    folder = tmp_path_factory.mktemp("collection")
    render_collection(folder, 160, 96, seed=3)
    return folder


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, photos: Path, topicidx: Run) -> Path:
    """A folder whose .topicidx was trained on the rendered collection and filled with it. Read it, do not write to it."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "topicidx.toml").write_text(
        "[lda]\nnum_topics = 40\n\n[training]\ncrop = 64\nresize = 72\nbatch_size = 16\n", encoding="utf-8"
    )
    trained = topicidx("train", photos / "captions.csv", "--init", "random", "--epochs", 3, "--json", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    ingested = topicidx("ingest", photos, "--json", cwd=folder)
    assert ingested.returncode == 0, ingested.stderr
    report: dict[str, Any] = json.loads(ingested.stdout)
    assert report["skipped"] == []
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first: one that began last would be waited for by all other processes."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
