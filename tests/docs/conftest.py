"""The snippets of docs/downstream.md, and a small library of pictures on a Qdrant "server" and in a folder."""

import random
import re
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_client
from numpy.typing import NDArray
from qdrant_client import QdrantClient

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.indexer.index import Index
from topicidx.indexer.keys import city_key, point_id
from topicidx.indexer.server import Connection, ServerStore, server_writer
from topicidx.settings import LdaSettings, ServerSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "downstream.md"
THEMES = (
    ("sunrise", "beach", "ocean", "wave", "sand"),
    ("skyline", "tower", "street", "taxi", "traffic"),
    ("coffee", "cake", "brunch", "pizza", "dessert"),
    ("dog", "puppy", "kitten", "leash", "fur"),
)
TOPICS, PICTURES = 12, 400
CITIES = ("Miami", "São Paulo", "London", None)

Snippets = Callable[[str], list[str]]
Names = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A server's URL, and the name of the collection in place of the document's `photos`."""

    url: str
    collection: str

    def adapted(self, snippet: str) -> str:
        """A snippet with this collection's name."""
        return re.sub(r'(?<=["/])photos(?=["/_])', self.collection, snippet)


@dataclass(frozen=True)
class Library:
    """Pictures: ids, vectors float32 (n, topics), payloads; and the space that their vectors are of."""

    space: TopicSpace
    ids: list[uuid.UUID]
    vectors: NDArray[np.float32]
    payloads: list[dict[str, Any]]


class NoImages:
    """An image encoder that is never asked for anything: the vectors are drawn at random."""

    name = "none"
    input_size = 8

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {"nothing": np.zeros(1, dtype=np.float32)}

    def settings_json(self) -> dict[str, Any]:
        return {}


@pytest.fixture(scope="session")
def snippets() -> Snippets:
    """snippets(language) are the fenced blocks of the document in that language, in their order."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return lambda language: re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    chance = random.Random(5)
    captions = [
        " ".join(chance.choice(("{}", "#{}", "{}s")).format(word) for word in chance.choices(THEMES[number % 4], k=5))
        for number in range(240)
    ]
    text = LdaTextEncoder.train(captions, LdaSettings(num_topics=TOPICS, passes=10), seed=3)
    space = write_topic_space(tmp_path_factory.mktemp("library") / "space", text, NoImages())  # type: ignore[arg-type]
    vectors = np.random.default_rng(5).dirichlet(np.full(TOPICS, 0.2), size=PICTURES).astype(np.float32)
    keys = [f"photos/IMG_{number:04d}.jpg" for number in range(PICTURES)]
    payloads = [_payload(key, number) for number, key in enumerate(keys)]
    return Library(space, [point_id(key) for key in keys], vectors, payloads)


@pytest.fixture(scope="session")
def index(library: Library, memory: QdrantClient) -> Index:
    """What topicidx itself finds on the same server."""
    return Index(library.space, ServerStore.open(Connection(memory, "memory")))


@pytest.fixture(scope="session")
def memory(library: Library) -> QdrantClient:
    """The library in qdrant-client's local mode."""
    client = QdrantClient(":memory:")
    _fill(client, library, "photos")
    return client


@pytest.fixture(scope="session")
def names(snippets: Snippets, memory: QdrantClient) -> Names:
    """All that the Python snippets define, run one after another as they stand."""
    defined: Names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qdrant_client, "QdrantClient", lambda **_: memory)
        for snippet in snippets("python"):
            exec(snippet, defined)
    return defined


@pytest.fixture(scope="session")
def server(library: Library, qdrant_server: str) -> Iterator[Server]:
    """A real server that holds the library."""
    yield from serving(qdrant_server.partition("#")[0], library)


def serving(url: str, library: Library) -> Iterator[Server]:
    """The library on the server at `url`, under a name of its own, for as long as it is needed."""
    with closing(QdrantClient(url)) as client:
        name = f"topicidx-test-{uuid.uuid4()}"
        _fill(client, library, name)
        yield Server(url, name)
        for collection in client.get_collections().collections:
            if collection.name.startswith(name):
                client.delete_collection(collection.name)


def _fill(client: QdrantClient, library: Library, name: str) -> None:
    """What an ingest leaves on a server."""
    space = library.space
    writing = server_writer(
        Connection(client, "test"), name, space.vector_space, space.dimensions, ServerSettings(), words_of=space
    )
    with warnings.catch_warnings(), writing as writer:
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        writer.upsert(library.ids, library.vectors, library.payloads)
        writer.publish()


def _payload(key: str, number: int) -> dict[str, Any]:
    city = CITIES[number % 4]
    taken = datetime(2024, 1, 1) + timedelta(days=number)
    return {
        "image": key,
        "source": "photos",
        "city": city_key(city) if city else None,
        "city_label": city,
        "captions": [f"number {number}"],
        "taken_at": taken.isoformat() if number % 5 else None,
    }
