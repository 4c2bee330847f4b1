"""The adapter for LlamaIndex: the vectors of the one for LangChain, written down and read again, in an index of its own."""

import asyncio
from pathlib import Path

import pytest

from topicidx.embedders.text_vectors import TextVectors
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import QuerySyntaxError, SpaceNotFoundError, UnknownWordError

pytest.importorskip("llama_index.core", reason="no LlamaIndex: pip install 'topicidx[llama-index]'")

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode

from topicidx.embedders.llama_index import TopicSpaceEmbedding

TEXTS = ["Coffee and cake", "#sunrise at the beach", "a puppy on the leash", "skyline, taxi, traffic"]


@pytest.mark.parametrize("kind", ["lift", "topics"])
def test_its_vectors_are_those_of_the_space(space_folder: Path, kind: str) -> None:
    model = TopicSpaceEmbedding(space_folder, kind=kind)
    vectors = TextVectors(space_folder, kind)  # type: ignore[arg-type]
    assert isinstance(model, BaseEmbedding)
    assert model.get_query_embedding("beach dogs") == vectors.query("beach dogs")
    assert [model.get_text_embedding(text) for text in TEXTS] == vectors.documents(TEXTS)
    assert model.get_text_embedding_batch(TEXTS) == vectors.documents(TEXTS)


def test_many_may_ask_at_once(space_folder: Path) -> None:
    model = TopicSpaceEmbedding(space_folder)

    async def ask() -> tuple[list[list[float]], list[list[float]], list[list[float]]]:
        queries = asyncio.gather(*(model.aget_query_embedding(text) for text in 5 * TEXTS))
        texts = asyncio.gather(*(model.aget_text_embedding(text) for text in 5 * TEXTS))
        return await queries, await texts, await model.aget_text_embedding_batch(TEXTS)

    queries, texts, batch = asyncio.run(ask())
    alone = TextVectors(space_folder)
    assert queries == [alone.query(text) for text in 5 * TEXTS]
    assert texts == 5 * batch == 5 * alone.documents(TEXTS)


def test_a_query_that_says_nothing_is_an_error_and_never_zeros(space_folder: Path) -> None:
    model = TopicSpaceEmbedding(space_folder)
    with pytest.raises(UnknownWordError, match="'xylophone'"):
        model.get_query_embedding("the xylophone")
    with pytest.raises(QuerySyntaxError):
        model.get_query_embedding("the")


def test_wrong_arguments_are_refused(space_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SpaceNotFoundError):
        TopicSpaceEmbedding(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="'lift' or 'topics'"):
        TopicSpaceEmbedding(space_folder, kind="cosine")


def test_it_can_be_written_down_and_read_again(space_folder: Path) -> None:
    model = TopicSpaceEmbedding(space_folder, kind="topics", embed_batch_size=7)
    again = TopicSpaceEmbedding.from_json(model.to_json())
    assert (again.folder, again.kind, again.embed_batch_size) == (str(space_folder), "topics", 7)
    assert again.get_query_embedding("beach") == model.get_query_embedding("beach")


def test_its_name_tells_spaces_and_kinds_apart(space_folder: Path) -> None:
    model = TopicSpaceEmbedding(space_folder)
    assert TopicSpace.load(space_folder).query_side in model.model_name
    assert model.model_name != TopicSpaceEmbedding(space_folder, kind="topics").model_name
    assert model.class_name() == "TopicSpaceEmbedding"


def test_an_index_of_llama_index_finds_texts_by_words_that_they_do_not_hold(space_folder: Path) -> None:
    nodes = [TextNode(text=text) for text in TEXTS]
    index = VectorStoreIndex(nodes, embed_model=TopicSpaceEmbedding(space_folder))
    retriever = index.as_retriever(similarity_top_k=1)
    for query, place in (("brunch", 0), ("ocean wave", 1), ("whiskers", 2), ("bridge", 3)):
        (found,) = retriever.retrieve(query)
        assert found.node.text == TEXTS[place]
