"""What docs/downstream.md says with curl is what it says in Python, and finds the same."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")

#: The calls of the document, in their order.
CALLS = ("words", "one_word", "both", "ends", "lists", "mean", "cities", "filtered", "by_city", "more", "info")


@dataclass(frozen=True)
class Call:
    """A call of curl: the shell line, its path, its body."""

    snippet: str
    path: str
    body: dict[str, Any]


@pytest.fixture(scope="module")
def calls(snippets: Callable[[str], list[str]]) -> dict[str, Call]:
    connect, *rest = snippets("bash")
    found = []
    for snippet in rest:
        path = re.search(r'"\$QDRANT_URL/collections/(\S+)"', snippet)
        body = re.search(r"--json '(.*)'", snippet, re.DOTALL)
        assert path, snippet
        found.append(Call(connect + snippet, path[1], json.loads(body[1]) if body else {}))
    return dict(zip(CALLS, found, strict=True))


def found_in_memory(client: QdrantClient, call: Call) -> Any:
    """What the client answers to the call's body, read as the model of its path: an unknown field would be refused."""
    match call.path.removeprefix("photos").removeprefix("_words").removeprefix("/points"):
        case "/scroll":
            body = models.ScrollRequest(**call.body)
            return client.scroll("photos_words", body.filter, body.limit, with_payload=body.with_payload)
        case "/query":
            return client.query_batch_points("photos", [models.QueryRequest(**call.body)])[0]
        case "/query/batch":
            return client.query_batch_points("photos", models.QueryRequestBatch(**call.body).searches)
        case "/query/groups":
            return client.query_points_groups("photos", **_set(models.QueryGroupsRequest(**call.body)))
        case "/facet":
            return client.facet("photos", **_set(models.FacetRequest(**call.body)))
        case "":
            return client.get_collection("photos")
    raise AssertionError(call.path)


def _set(body: models.BaseModel) -> dict[str, Any]:
    return {field: getattr(body, field) for field in body.model_fields_set}


@pytest.mark.parametrize("name", CALLS)
def test_every_body_is_one_that_qdrant_takes(calls: dict[str, Call], memory: QdrantClient, name: str) -> None:
    assert found_in_memory(memory, calls[name])


@pytest.mark.parametrize("name", ["one_word", "both", "mean"])
def test_the_calls_find_what_the_python_finds(
    calls: dict[str, Call], memory: QdrantClient, names: dict[str, Any], name: str
) -> None:
    assert found_in_memory(memory, calls[name]).points == names[name]


def test_the_words_of_the_calls_are_those_of_the_python(
    calls: dict[str, Call], memory: QdrantClient, names: dict[str, Any]
) -> None:
    points, _ = found_in_memory(memory, calls["words"])
    assert {point.id for point in points} == set(names["words"].values())
    assert calls["both"].body | {"filter": None} == names["all_of"]({names["sunrise"]: 1, names["beach"]: 1})


def test_the_ends_bound_what_no_list_holds(calls: dict[str, Call], memory: QdrantClient, names: dict[str, Any]) -> None:
    body = calls["ends"].body
    offsets = {search["offset"] for search in body["searches"]}
    limits = {prefetch["limit"] for search in calls["both"].body["prefetch"] for prefetch in search["prefetch"]}
    assert {offset + 1 for offset in offsets} == limits
    for search, word in zip(body["searches"], (names["sunrise"], names["beach"]), strict=True):
        assert search == names["candidates"](word, 1, 1) | {"offset": search["offset"]}


def test_the_lists_are_those_that_the_python_rescores(
    calls: dict[str, Call], memory: QdrantClient, names: dict[str, Any]
) -> None:
    found = {point.id: point.vector for answer in found_in_memory(memory, calls["lists"]) for point in answer.points}
    for _, picture in names["rescored"]:
        assert found[picture.id] == picture.vector


@pytest.mark.parametrize("name", CALLS)
def test_a_server_answers_the_calls_as_they_stand(
    calls: dict[str, Call], memory: QdrantClient, server: Any, name: str
) -> None:
    done = subprocess.run(
        ["bash", "-c", server.adapted(calls[name].snippet)],
        env=os.environ | {"QDRANT_URL": server.url},
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)["result"]
    expected = found_in_memory(memory, calls[name])
    if name == "words":
        assert {point["id"] for point in answer["points"]} == {point.id for point in expected[0]}
    elif name == "cities":
        assert {hit["value"]: hit["count"] for hit in answer["hits"]} == {hit.value: hit.count for hit in expected.hits}
    elif name == "info":
        assert answer["points_count"] == expected.points_count
    elif name in ("ends", "lists"):
        for found, wanted in zip(answer, expected, strict=True):
            assert_same(found["points"], wanted.points)
    elif name == "by_city":
        groups = {group.id: group.hits for group in expected.groups}
        assert {group["id"] for group in answer["groups"]} == set(groups)
        for group in answer["groups"]:
            assert_same(group["hits"], groups[group["id"]])
    else:
        assert_same(answer["points"], expected.points)


def assert_same(found: list[dict[str, Any]], expected: list[models.ScoredPoint]) -> None:
    assert [point["id"] for point in found] == [point.id for point in expected]
    assert [point["score"] for point in found] == pytest.approx([point.score for point in expected], rel=1e-4)
