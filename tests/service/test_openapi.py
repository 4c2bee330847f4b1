"""The API keeps what its OpenAPI document promises, for requests that follow it and for those that do not."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from topicidx.indexer.keys import point_id

PROMISES = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> Any:
    return client.get("/openapi.json").json()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_promised(client: httpx.Client, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{client.base_url}openapi.json")
    asked: dict[str, int] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not _takes_anything(operation):
            continue

        @EXAMPLES
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
            checks = [*PROMISES, negative_data_rejection] if mode is GenerationMode.NEGATIVE else PROMISES
            case.call_and_validate(checks=checks)

        check()
    assert len(asked) >= (14 if mode is GenerationMode.POSITIVE else 10)
    assert sum(asked.values()) > 100


def test_the_examples_of_the_document_can_be_asked(client: httpx.Client, document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert client.post("/api/encode", json=schemas["EncodeRequest"]["examples"][0]).status_code == 200
    for name in ("SearchAnswer", "Picture", "Suggestions", "Facets", "Topics", "EncodeAnswer", "ErrorAnswer"):
        assert schemas[name]["examples"], name
    [query] = [entry for entry in document["paths"]["/api/search"]["get"]["parameters"] if entry["name"] == "q"]
    text = query["schema"]["examples"][0].replace("people", "dog").replace("ice cream", "coffee")
    assert client.get("/api/search", params={"q": text}).status_code == 200


def test_every_endpoint_says_what_it_does(document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            if path.startswith("/api/"):
                assert {"401", "422", "503"} <= operation["responses"].keys()
                reference = operation["responses"]["422"]["content"]["application/json"]["schema"]["$ref"]
                assert reference.endswith("/ErrorAnswer")


@pytest.mark.parametrize(
    "path", ["/api/search", "/api/similar", f"/api/pictures/{point_id('photos/07.jpg')}", "/healthz"]
)
def test_other_methods_are_refused_by_name(client: httpx.Client, path: str) -> None:
    answer = client.delete(path)
    assert answer.status_code == 405
    assert answer.headers["allow"] in {"GET", "POST"}
    assert answer.json()["error"]["message"] == "Method Not Allowed"


def _takes_anything(operation: Any) -> bool:
    return bool(operation.body or any(True for _ in operation.iter_parameters()))
