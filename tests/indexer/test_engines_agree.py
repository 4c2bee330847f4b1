"""Every engine finds the same pictures with the same scores, whatever is asked of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from doubles.engines import ENGINES, Engine, engine_of
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SpaceMismatchError
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id
from topicidx.indexer.where_language import parse_where

POINTS = 600
CITIES = ("miami", "london", "são paulo")

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]


def fill(engine: Engine, space: TopicSpace) -> None:
    keys = [f"photos/{number}.jpg" for number in range(POINTS)]
    vectors = np.random.default_rng(5).dirichlet(np.full(space.dimensions, 0.1), size=POINTS).astype(np.float32)
    payloads = [
        {"image": key, "source": "photos", "city": CITIES[place % 3], "captions": [f"nr. {place} 🏖️"], "sha256": f"{place // 2:x}",
         "taken_at": f"20{place % 30:02}-05-06T07:08:09" if place % 4 else None}
        for place, key in enumerate(keys)
    ]  # fmt: skip
    with engine.writer(space.dimensions, space=space.vector_space) as writer:
        writer.upsert([point_id(key) for key in keys], vectors, payloads)
        writer.publish()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, space_folder: Path) -> Iterator[Engine]:
    with engine_of("embedded", tmp_path_factory.mktemp("agree"), None) as engine:
        fill(engine, TopicSpace.load(space_folder))
        yield engine


@pytest.fixture(scope="module", params=[name for name in ENGINES if name != "embedded"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, space_folder: Path
) -> Iterator[Engine]:
    url = request.getfixturevalue("qdrant_server") if request.param == "server" else None
    with engine_of(request.param, tmp_path_factory.mktemp("agree"), url) as engine:
        fill(engine, TopicSpace.load(space_folder))
        yield engine


QUESTIONS = {
    "one word": ("beach", {}),
    "two words": ("sunrise dog", {}),
    "weights": ("coffee^3 beach", {}),
    "pushed down": ("dog -beach", {}),
    "only pushed down": ("-dog -beach", {}),
    "published": ("sunrise dog", {"match": "mean"}),
    "a city": ("beach dog", {"city": ["São Paulo"]}),
    "cities": ("beach", {"city": ["miami", "london"]}),
    "a condition": ("beach dog", {"where": parse_where("taken_at >= 2010-01 and not city = miami")}),
    "missing": ("guitar", {"where": parse_where("taken_at is missing")}),
    "copies once": ("beach concert", {"unique": True}),
    "at least": ("beach", {"min_score": 1.0}),
    "all": ("beach skyline", {"limit": 2 * POINTS}),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_folder_and_a_server_give_the_same_answer(
    folder: Engine, served: Engine, space: TopicSpace, question: str
) -> None:
    query, options = QUESTIONS[question]
    with folder.open() as one, served.open() as other:
        expected = Index(space, one).search(query, **{"limit": 25} | options)  # type: ignore[arg-type]
        found = Index(space, other).search(query, **{"limit": 25} | options)  # type: ignore[arg-type]
    assert expected
    np.testing.assert_allclose([hit.score for hit in found], [hit.score for hit in expected], rtol=1e-5)
    assert [hit.payload for hit in found] == [hit.payload for hit in expected]


def test_a_store_of_another_space_is_refused_by_both(folder: Engine, served: Engine, other_space: TopicSpace) -> None:
    for engine in (folder, served):
        with engine.open() as store, pytest.raises(SpaceMismatchError, match="ingest the pictures again"):
            Index(other_space, store)
