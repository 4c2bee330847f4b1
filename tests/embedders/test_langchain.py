"""The adapter for LangChain: queries are word vectors, documents topic distributions, and its own stores rank by them."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import QuerySyntaxError, SettingsError, SpaceNotFoundError, UnknownWordError

pytest.importorskip("langchain_core", reason="no LangChain: pip install 'topicidx[langchain]'")

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from topicidx.embedders.langchain import TopicSpaceEmbeddings

TEXTS = ["Coffee and cake", "#sunrise at the beach", "a puppy on the leash", "skyline, taxi, traffic"]


@pytest.fixture
def embeddings(space_folder: Path) -> TopicSpaceEmbeddings:
    return TopicSpaceEmbeddings(space_folder)


def test_it_is_what_langchain_takes(embeddings: TopicSpaceEmbeddings) -> None:
    assert isinstance(embeddings, Embeddings)
    assert embeddings.space.dimensions == len(embeddings.embed_query("beach"))


@pytest.mark.parametrize("kind", ["lift", "topics"])
def test_a_query_is_the_mean_of_its_words(space_folder: Path, kind: str) -> None:
    vector = TopicSpaceEmbeddings(str(space_folder), kind).embed_query("The #Beaches, dog, xylophone")  # type: ignore[arg-type]
    table = TopicSpace.load(space_folder).words
    words = [word for _, word in table.find("beach dog") if word is not None]
    np.testing.assert_allclose(vector, table.vectors(kind, words).mean(axis=0), rtol=1e-6)  # type: ignore[arg-type]
    assert all(type(number) is float for number in vector)


def test_documents_are_what_the_text_encoder_says(embeddings: TopicSpaceEmbeddings, space_folder: Path) -> None:
    vectors = embeddings.embed_documents(TEXTS)
    np.testing.assert_array_equal(vectors, TopicSpace.load(space_folder).encode_text(TEXTS).astype(float))
    assert embeddings.embed_documents([]) == []


def test_documents_without_a_known_word_are_even(embeddings: TopicSpaceEmbeddings) -> None:
    (vector,) = embeddings.embed_documents(["dummy_text"])  # what a store asks for to see how long vectors are
    assert vector == pytest.approx([1 / embeddings.space.dimensions] * embeddings.space.dimensions)


def test_a_query_that_says_nothing_is_an_error_and_never_zeros(embeddings: TopicSpaceEmbeddings) -> None:
    with pytest.raises(UnknownWordError, match="'xylophone', 'quokka'; ask with other words"):
        embeddings.embed_query("the xylophone, quokka")
    for empty in ("", "the and", "!?"):
        with pytest.raises(QuerySyntaxError, match="add one"):
            embeddings.embed_query(empty)


def test_what_is_asked_for_wrongly_is_said_at_once(tmp_path: Path, space_folder: Path) -> None:
    with pytest.raises(SpaceNotFoundError, match="topicidx train"):
        TopicSpaceEmbeddings(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="'lift' or 'topics'"):
        TopicSpaceEmbeddings(space_folder, "cosine")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["lift", "topics"])
def test_a_store_of_langchain_finds_texts_by_words_that_they_do_not_hold(space_folder: Path, kind: str) -> None:
    store = InMemoryVectorStore.from_texts(TEXTS, TopicSpaceEmbeddings(space_folder, kind))  # type: ignore[arg-type]
    for query, place in (("brunch", 0), ("ocean wave", 1), ("whiskers", 2), ("bridge", 3)):
        (found,) = store.similarity_search(query, k=1)
        assert found.page_content == TEXTS[place]


def test_many_may_ask_at_once(embeddings: TopicSpaceEmbeddings, space_folder: Path) -> None:
    async def ask() -> tuple[list[list[float]], list[list[list[float]]]]:
        queries = asyncio.gather(*(embeddings.aembed_query(text) for text in 5 * TEXTS))
        documents = asyncio.gather(*(embeddings.aembed_documents([text]) for text in 5 * TEXTS))
        return await queries, await documents

    queries, documents = asyncio.run(ask())
    alone = TopicSpaceEmbeddings(space_folder)
    assert queries == [alone.embed_query(text) for text in 5 * TEXTS]
    assert documents == 5 * [[vector] for vector in alone.embed_documents(TEXTS)]


@pytest.mark.parametrize(("module", "extra"), [("langchain", "langchain"), ("llama_index", "llama-index")])
def test_without_the_framework_the_install_line_is_said(module: str, extra: str) -> None:
    program = (
        "import sys\n"
        "sys.modules['langchain_core'] = sys.modules['llama_index'] = None\n"
        "from topicidx.errors import MissingExtraError\n"
        f"try:\n    import topicidx.embedders.{module}\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"pip install 'topicidx[{extra}]'" in done.stdout


def test_a_query_needs_no_learning_library(space_folder: Path) -> None:
    program = (
        "import sys\n"
        "from topicidx.embedders.langchain import TopicSpaceEmbeddings\n"
        f"assert TopicSpaceEmbeddings({str(space_folder)!r}).embed_query('beach')\n"
        "print(*({'torch', 'gensim', 'spacy', 'sklearn', 'numba'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
