"""What docs/langchain.md says finds what topicidx finds, with the frameworks' own stores."""

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient

from topicidx.indexer.index import Index
from topicidx.indexer.store import PointFilter

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")

DOCUMENT = Path(__file__).parents[2] / "docs" / "langchain.md"
#: The module that connects to the server, by section.
CONNECTS = {"LangChain": "langchain_qdrant.qdrant", "LlamaIndex": "qdrant_client"}
Names = dict[str, Any]


def run(heading: str, library: Any, memory: QdrantClient, index: Index, monkeypatch: pytest.MonkeyPatch) -> Names:
    """All that the Python blocks of a section define, run one after another as they stand, in the library's workspace."""
    text = DOCUMENT.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    monkeypatch.setattr(importlib.import_module(CONNECTS[heading]), "QdrantClient", lambda **_: memory)
    monkeypatch.setattr(Index, "open", lambda **_: index)
    monkeypatch.chdir(library.space.folder.parent)
    Path(".topicidx").mkdir(exist_ok=True)
    if not Path(".topicidx/space").exists():
        Path(".topicidx/space").symlink_to(library.space.folder)
    names: Names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


@pytest.fixture
def langchain(library: Any, memory: QdrantClient, index: Index, monkeypatch: pytest.MonkeyPatch) -> Names:
    pytest.importorskip("langchain_qdrant", reason="no LangChain: pip install 'topicidx[langchain]' langchain-qdrant")
    return run("LangChain", library, memory, index, monkeypatch)


@pytest.fixture
def llama_index(library: Any, memory: QdrantClient, index: Index, monkeypatch: pytest.MonkeyPatch) -> Names:
    reason = "no LlamaIndex: pip install 'topicidx[llama-index]' llama-index-vector-stores-qdrant"
    pytest.importorskip("llama_index.vector_stores.qdrant", reason=reason)
    return run("LlamaIndex", library, memory, index, monkeypatch)


def mean_of_lifts(index: Index, limit: int = 10, city: str | None = None) -> dict[str, float]:
    """The best pictures by the mean of their lifts for sunrise and beach, by id, best first."""
    lifts = []
    for word in ("sunrise", "beach"):
        hits = index.search(word, limit=10_000)
        lifts.append({hit.id: hit.score for hit in hits if city is None or hit.payload["city"] == city})
    means = {point: float(np.mean([lift[point] for lift in lifts])) for point in lifts[0]}
    return dict(sorted(means.items(), key=lambda item: -item[1])[:limit])


def test_langchain_finds_pictures_by_the_mean_of_the_lifts(langchain: Names, index: Index) -> None:
    found = {document.metadata["_id"]: score for document, score in langchain["found"]}
    expected = mean_of_lifts(index)
    assert list(found) == list(expected)
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=1e-4)
    payloads = {hit.id: hit.payload for hit in index.search("sunrise", limit=10_000)}
    for document, _ in langchain["found"]:
        assert document.page_content == payloads[document.metadata["_id"]]["image"]
    assert langchain["captions"] == {point: payloads[point]["captions"] for point in expected}


def test_langchain_finds_one_word_as_a_query_does(langchain: Names, index: Index) -> None:
    found = langchain["store"].similarity_search_with_score("beaches", k=20, search_params=langchain["exact"])
    hits = index.search("beach", limit=20)
    assert [document.metadata["_id"] for document, _ in found] == [hit.id for hit in hits]
    assert [score for _, score in found] == pytest.approx([hit.score for hit in hits], rel=1e-4)


def test_the_retriever_keeps_to_its_city(langchain: Names, index: Index) -> None:
    found = [document.metadata["_id"] for document in langchain["documents"]]
    assert found == list(mean_of_lifts(index, 5, "miami"))
    assert len(found) == 5 < index.store.count(PointFilter(("miami",)))


def test_texts_are_found_by_a_word_of_their_topic(langchain: Names) -> None:
    assert langchain["like_a_wave"].page_content == "sunrise over the ocean"


def test_a_chain_takes_the_whole_query_language(langchain: Names, index: Index) -> None:
    hits = index.search("sunrise beach -dog", limit=5)
    assert [(found.id, found.metadata["score"]) for found in langchain["answer"]] == [
        (hit.id, hit.score) for hit in hits
    ]
    assert [found.page_content for found in langchain["answer"]] == ["\n".join(hit.payload["captions"]) for hit in hits]


def test_llama_index_finds_pictures_by_the_mean_of_the_lifts(llama_index: Names, index: Index) -> None:
    expected = mean_of_lifts(index)
    assert [node.node_id for node in llama_index["nodes"]] == list(expected)
    assert [node.score for node in llama_index["nodes"]] == pytest.approx(list(expected.values()), rel=1e-4)
    payloads = {hit.id: hit.payload for hit in index.search("sunrise", limit=10_000)}
    for node in llama_index["nodes"]:
        assert node.text == payloads[node.node_id]["image"]
        assert node.metadata["captions"] == payloads[node.node_id]["captions"]
