"""The contract of a store, and the comparison of engines, over real servers: one node, and a cluster of three."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.engines import Engine, engine_of
from doubles.real_servers import servers, why_none
from doubles.suites import names_of
from topicidx.embedders.topic_space import TopicSpace

SERVERS = servers()
if not SERVERS:
    pytest.skip(f"the contract is not run over real servers: {why_none()}", allow_module_level=True)

contract, agreement = names_of("indexer/test_store_contract.py"), names_of("indexer/test_engines_agree.py")
fill = agreement["fill"]
globals().update(agreement | contract)


@pytest.fixture(scope="session", params=SERVERS)
def engine_name(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue(SERVERS[request.param])
    return str(request.param)


@pytest.fixture(scope="session")
def server_url(engine_name: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(SERVERS[engine_name]))


@pytest.fixture(scope="module")
def served(
    engine_name: str, server_url: str, tmp_path_factory: pytest.TempPathFactory, space_folder: Path
) -> Iterator[Engine]:
    with engine_of(engine_name, tmp_path_factory.mktemp("agree"), server_url) as engine:
        fill(engine, TopicSpace.load(space_folder))
        yield engine
