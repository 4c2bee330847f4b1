"""A node of a cluster goes away in the middle of an ingest, and of searches: nothing is lost, and answers stay the same."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qdrant_client import QdrantClient

from doubles.outages import Nodes, NodesInOne
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.index import Index
from topicidx.indexer.totals import Totals, totals_of
from topicidx.settings import Settings

Paint = Callable[..., Path]
FILES, BATCH = 120, 8
QUERIES = ("beach", "sunrise dog", "coffee^2 -beach", "concert city:miami")


@pytest.fixture(scope="module")
def photos(paint: Paint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures of as many colours, from two cities."""
    folder = tmp_path_factory.mktemp("nodes") / "photos"
    for number in range(FILES):
        colour = (number * 2, 80 + number % 90, 250 - number * 2)
        paint(folder / ("miami", "london")[number % 2] / f"{number:03}.jpg", colour)
    return folder


@pytest.fixture
def index(nodes: Nodes, space: TopicSpace, tmp_path: Path) -> Iterator[Index]:
    """An index on the nodes, with a collection of its own; two copies of each point, of which one must be written."""
    url, _, port = nodes.url.partition("#")
    server = {
        "grpc_port": int(port), "shard_number": 3, "replication_factor": 2, "write_consistency_factor": 1,
        "attempts": 20, "longest_wait": 0.3 if isinstance(nodes, NodesInOne) else 5.0,
    }  # fmt: skip
    name = f"topicidx-test-{uuid.uuid4()}"
    with Index.open(settings=settings(tmp_path / "home", space, url, collection=name, server=server)) as index:
        yield index
    if not isinstance(nodes, NodesInOne):
        nodes.bring_back()
        client = QdrantClient(url)
        for collection in client.get_collections().collections:
            if collection.name.startswith(name):
                client.delete_collection(collection.name)
        client.close()


def settings(home: Path, space: TopicSpace, store: Path | str, **options: Any) -> Settings:
    return Settings.load(home=home, space=space.folder, store=str(store), ingest={"batch_size": BATCH}, **options)


def totals(index: Index) -> Totals:
    """What readers see, asked for anew."""
    index.close()
    return totals_of(index.store.blocks())


@pytest.fixture
def expected(photos: Path, space: TopicSpace, tmp_path: Path) -> Totals:
    """What the ingest makes of the pictures in a folder, where nothing goes away."""
    with Index.open(settings=settings(tmp_path / "here", space, tmp_path / "store")) as index:
        index.ingest(photos)
        return totals(index)


def test_an_ingest_goes_on_when_a_node_goes_away_in_the_middle_of_it(
    nodes: Nodes, index: Index, photos: Path, expected: Totals, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = stop_in_the_middle(nodes, index.space, monkeypatch)
    report = index.ingest(photos)
    assert len(batches) == FILES // BATCH
    assert (report.indexed, report.points, report.skipped) == (FILES, FILES, [])
    assert totals(index) == expected
    nodes.bring_back()
    assert totals(index) == expected
    nodes.stop_one(2)  # what the first one that was away has missed must have come to it
    assert totals(index) == expected
    again = index.ingest(photos)
    assert (again.indexed, again.unchanged, again.points) == (0, FILES, FILES)
    nodes.bring_back()
    if isinstance(nodes, NodesInOne):
        assert nodes.failed >= 3  # the writes that were made again


def test_searches_find_the_same_when_a_node_goes_away_in_the_middle_of_them(
    nodes: Nodes, index: Index, photos: Path
) -> None:
    index.ingest(photos)
    before = {query: answer(index, query) for query in QUERIES}
    assert all(len(found) == 20 for found in before.values())
    for number in (3, 2):
        with ThreadPoolExecutor(8) as pool:
            asked = [(query, pool.submit(answer, index, query)) for query in 4 * QUERIES]
            asked[0][1].result()
            nodes.stop_one(number)
            asked += [(query, pool.submit(answer, index, query)) for query in 4 * QUERIES]
            for query, found in asked:
                assert found.result() == before[query]
        nodes.bring_back()
        assert {query: answer(index, query) for query in QUERIES} == before
    if isinstance(nodes, NodesInOne):
        assert nodes.failed >= 6


def answer(index: Index, query: str) -> list[tuple[str, float]]:
    return [(hit.id, pytest.approx(hit.score, rel=1e-5)) for hit in index.search(query, limit=20)]


def stop_in_the_middle(nodes: Nodes, space: TopicSpace, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a node go away while the fifth batch is encoded; grows by a number for each batch."""
    encoder = space.image_encoder
    encode = encoder.encode
    batches: list[int] = []

    def encoding(prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        batches.append(len(prepared))
        if len(batches) == 5:
            nodes.stop_one()
        vectors: NDArray[np.float32] = encode(prepared)
        return vectors

    monkeypatch.setattr(encoder, "encode", encoding)
    return batches
