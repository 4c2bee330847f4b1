"""The requests of docs/downstream.md over real servers: one node, and a cluster of three."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import qdrant_client
from qdrant_client import QdrantClient

from doubles.real_servers import servers, why_none
from doubles.suites import names_of

SERVERS = servers()
if not SERVERS:
    pytest.skip(f"the requests are not sent to real servers: {why_none()}", allow_module_level=True)

docs = names_of("docs/conftest.py")
serving = docs["serving"]
globals().update(docs)
globals().update(names_of("docs/test_downstream_curl.py", "test_a_server_answers_the_calls_as_they_stand"))
globals().update(
    names_of("docs/test_downstream_typescript.py", "test_a_server_gives_the_snippets_what_the_python_finds")
)


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest, library: Any) -> Iterator[Any]:
    url = str(request.getfixturevalue(SERVERS[request.param]))
    yield from serving(url.partition("#")[0], library)


@pytest.mark.parametrize("name", ["one_word", "both", "weighed", "without", "sure", "mean", "filtered", "more"])
def test_a_server_gives_the_python_what_the_local_mode_finds(
    snippets: Any, names: dict[str, Any], server: Any, name: str
) -> None:
    defined: dict[str, Any] = {}
    with closing(QdrantClient(server.url)) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(qdrant_client, "QdrantClient", lambda **_: client)
        for snippet in snippets("python"):
            exec(server.adapted(snippet), defined)
    found, expected = defined[name], names[name]
    np.testing.assert_allclose([point.score for point in found], [point.score for point in expected], rtol=1e-4)
    assert [point.id for point in found] == [point.id for point in expected]
