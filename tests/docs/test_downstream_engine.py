"""Qdrant's own engine answers the nested requests of docs/downstream.md as the client's local mode does, which is a rewrite."""

from collections.abc import Iterator
from typing import Any

import pytest
import qdrant_edge as edge
from qdrant_client import QdrantClient

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")

EXACT = edge.SearchParams(exact=True)
#: Operators of a formula in JSON.
OPERATORS = {"mult": edge.Expression.Mult, "sum": edge.Expression.Sum, "abs": edge.Expression.Abs}


@pytest.fixture(scope="module")
def engine(library: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[edge.EdgeShard]:
    vectors = edge.EdgeVectorParams(size=library.space.dimensions, distance=edge.Distance.Dot)
    folder = tmp_path_factory.mktemp("engine")
    shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=vectors))
    points = zip(library.ids, library.vectors.tolist(), strict=True)
    shard.update(edge.UpdateOperation.upsert_points([edge.Point(point, vector, {}) for point, vector in points]))
    yield shard
    shard.close()


@pytest.mark.parametrize("depth", [10, 60, 400])
@pytest.mark.parametrize(
    "weights", [{"sunrise": 1, "tower": 1}, {"cake": 2, "fur": -1}, {"dog": 1, "taxi": 0.5, "sand": -2}]
)
def test_the_engine_answers_as_the_local_mode(
    names: dict[str, Any], memory: QdrantClient, engine: edge.EdgeShard, weights: dict[str, float], depth: int
) -> None:
    ids = names["find_words"](" ".join(weights))
    request = names["all_of"]({ids[word]: weight for word, weight in weights.items()}, depth)
    records = memory.retrieve("photos_words", list(ids.values()), with_vectors=["lift"])
    lifts = {record.id: record.vector["lift"] for record in records}
    answer = engine.query(
        edge.QueryRequest(
            limit=request["limit"],
            prefetches=[_prefetch(prefetch, lifts) for prefetch in request["prefetch"]],
            query=edge.Formula(_expression(request["query"]["formula"]), {}),
        )
    )
    expected = names["search"](request)
    assert [str(point.id) for point in answer] == [point.id for point in expected]
    assert [point.score for point in answer] == pytest.approx([point.score for point in expected], rel=1e-5)


def _prefetch(prefetch: dict[str, Any], lifts: dict[str, list[float]]) -> edge.Prefetch:
    inner = [_prefetch(candidates, lifts) for candidates in prefetch.get("prefetch", [])]
    return edge.Prefetch(
        limit=prefetch["limit"], prefetches=inner, query=_query(prefetch["query"], lifts), params=EXACT
    )


def _query(query: str | dict[str, Any], lifts: dict[str, list[float]]) -> edge.Query:
    if isinstance(query, str):
        return edge.Query.Nearest(lifts[query])
    assert query["recommend"]["strategy"] == "sum_scores"
    negatives = [lifts[word] for word in query["recommend"]["negative"]]
    return edge.Query.RecommendSumScores(edge.RecommendQuery(positives=[], negatives=negatives))


def _expression(value: Any) -> edge.Expression:
    if isinstance(value, str):
        return edge.Expression.Variable(value)
    if not isinstance(value, dict):
        return edge.Expression.Constant(value)
    ((operator, operand),) = value.items()
    if operator == "pow":
        return edge.Expression.Pow(_expression(operand["base"]), _expression(operand["exponent"]))
    operands = [_expression(item) for item in operand] if isinstance(operand, list) else _expression(operand)
    return OPERATORS[operator](operands)
