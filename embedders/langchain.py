"""TopicSpaceEmbeddings: the text side of a topic space as LangChain's Embeddings."""

from pathlib import Path

from topicidx.embedders.text_vectors import TextVectors
from topicidx.embedders.topic_space import TopicSpace
from topicidx.embedders.word_table import VectorName
from topicidx.errors import MissingExtraError

try:
    from langchain_core.embeddings import Embeddings
except ModuleNotFoundError as error:
    raise MissingExtraError("LangChain is not installed: pip install 'topicidx[langchain]'") from error


class TopicSpaceEmbeddings(Embeddings):
    """Queries and documents of LangChain as vectors of the topic space in `folder`, to be compared by dot product.

    A query's vector is the mean of its words' lift vectors, or with `kind="topics"` of their topic distributions; it ranks
    pictures that topicidx has ingested as well as documents embedded here. Calls may come from many threads. Raises SpaceError
    where there is no topic space.
    """

    def __init__(self, folder: Path | str, kind: VectorName = "lift") -> None:
        self._vectors = TextVectors(folder, kind)

    @property
    def space(self) -> TopicSpace:
        """The topic space."""
        return self._vectors.space

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query: `space.dimensions` numbers.

        Raises UnknownWordError where none of its words is known, QuerySyntaxError where it has none that counts.
        """
        return self._vectors.query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vector of each text, `space.dimensions` numbers: with LDA its topic distribution, of unknown words an even one."""
        return self._vectors.documents(texts)
