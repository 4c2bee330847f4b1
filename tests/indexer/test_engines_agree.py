"""The embedded engine and Qdrant as a client speaks to it give the same ranking and scores for the same data."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.store import PointFilter

POINTS, DIMENSIONS = 600, 40
CITIES = ("miami", "london", "são paulo")
IDS = sorted(uuid.uuid5(uuid.NAMESPACE_URL, str(number)) for number in range(POINTS))


@pytest.fixture(scope="module")
def thetas() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return np.random.default_rng(5).dirichlet(np.full(DIMENSIONS, 0.1), size=POINTS).astype(np.float32)


@pytest.fixture(scope="module")
def embedded(
    thetas: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedStore]:
    folder: Path = tmp_path_factory.mktemp("agree")
    payloads = [{"city": CITIES[place % 3], "source": "a"} for place in range(POINTS)]
    with EmbeddedStore.writer(folder, "photos", "space", DIMENSIONS) as writer:
        writer.upsert(IDS, thetas, payloads)
        writer.publish()
    with EmbeddedStore.open(folder) as store:
        yield store


@pytest.fixture(scope="module", params=["memory", "server"])
def client(
    request: pytest.FixtureRequest, thetas: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"
) -> Iterator[QdrantClient]:
    if request.param == "memory":
        opened = QdrantClient(":memory:")
    elif url := os.environ.get("TOPICIDX_TEST_QDRANT_URL"):
        opened = QdrantClient(url)
    else:
        opened = request.getfixturevalue("container_client")
    name = f"topicidx-test-{uuid.uuid4()}"
    opened.create_collection(name, models.VectorParams(size=DIMENSIONS, distance=models.Distance.DOT))
    rows = zip(IDS, thetas.tolist(), strict=True)
    points = [
        models.PointStruct(id=str(point), vector=row, payload={"city": CITIES[place % 3]})
        for place, (point, row) in enumerate(rows)
    ]
    opened.upsert(name, points, wait=True)
    opened.topicidx_collection = name  # type: ignore[attr-defined]
    yield opened
    opened.delete_collection(name)


@pytest.fixture(scope="module")
def container_client() -> Iterator[QdrantClient]:
    from testcontainers.community.qdrant import QdrantContainer

    engine = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
    if engine.is_absolute() and not engine.exists():
        pytest.skip("no Qdrant server: no Docker engine here, and TOPICIDX_TEST_QDRANT_URL names none")
    with QdrantContainer() as container:
        yield container.get_client()


@pytest.mark.filterwarnings("ignore:Local mode performs exact")
@pytest.mark.parametrize("cities", [(), ("miami",), ("london", "são paulo")])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_same_points_come_back_with_the_same_scores(
    embedded: EmbeddedStore, client: QdrantClient, cities: tuple[str, ...], sign: int
) -> None:
    queries = (sign * np.random.default_rng(6).random((4, DIMENSIONS))).astype(np.float32)
    chosen = models.Filter(must=[models.FieldCondition(key="city", match=models.MatchAny(any=list(cities)))])
    for query, found in zip(queries, embedded.search(queries, 25, PointFilter(cities)), strict=True):
        points = client.query_points(
            client.topicidx_collection,  # type: ignore[attr-defined]
            query=query.tolist(),
            limit=25,
            query_filter=chosen if cities else None,
            search_params=models.SearchParams(exact=True),
        ).points
        np.testing.assert_allclose(found.scores, [point.score for point in points], rtol=1e-5)
        assert [str(point) for point in found.ids] == [point.id for point in points]
