"""TopicSpaceEmbedding: the text side of a topic space as an embedding model of LlamaIndex."""

import asyncio
from pathlib import Path
from typing import Any

from topicidx.embedders.text_vectors import TextVectors
from topicidx.embedders.topic_space import TopicSpace
from topicidx.embedders.word_table import VectorName
from topicidx.errors import MissingExtraError

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
except ModuleNotFoundError as error:
    raise MissingExtraError("LlamaIndex is not installed: pip install 'topicidx[llama-index]'") from error


class TopicSpaceEmbedding(BaseEmbedding):
    """Queries and documents of LlamaIndex as vectors of the topic space in `folder`, to be compared by dot product.

    A query's vector is the mean of its words' lift vectors, or with `kind="topics"` of their topic distributions; it ranks
    pictures that topicidx has ingested as well as documents embedded here. `model_name` names the topic space by its
    fingerprint, so that what LlamaIndex keeps of one space is not taken for another's. Raises SpaceError where there is none.
    """

    folder: str = Field(description="The folder of a topic space")
    kind: VectorName = Field(default="lift", description="What the words of a query are: lift vectors, or topics")
    _vectors: TextVectors = PrivateAttr()

    def __init__(self, folder: Path | str, **options: Any) -> None:
        super().__init__(folder=str(folder), **options)
        self._vectors = TextVectors(self.folder, self.kind)
        self.model_name = f"topicidx-{self.kind}-{self._vectors.space.query_side}"

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex writes it down."""
        return "TopicSpaceEmbedding"

    @property
    def space(self) -> TopicSpace:
        """The topic space."""
        return self._vectors.space

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vectors.query(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._vectors.query, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vectors.documents([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._vectors.documents(texts)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
