"""TextVectors: the text side of a topic space as other frameworks want it, a list of numbers for a query or a document."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from topicidx.embedders.topic_space import TopicSpace
from topicidx.embedders.word_table import VectorName
from topicidx.errors import QuerySyntaxError, SettingsError, UnknownWordError


class TextVectors:
    """Vectors of queries, for dot products with those of pictures and documents, and of documents, as a picture's.

    folder: a topic space. kind: what a query is, the mean of its words' lift vectors, so that its score for a picture is the
    mean of their lifts, or with "topics" of their topic distributions, the published method. Light: words are read when a query
    is first asked for, the text encoder, with its learning library, when a document is. Raises SpaceError, SettingsError for
    another kind.
    """

    def __init__(self, folder: Path | str, kind: VectorName = "lift") -> None:
        if kind not in get_args(VectorName):
            raise SettingsError(
                f"kind={kind!r}: a query is made of {' or '.join(map(repr, get_args(VectorName)))} vectors"
            )
        self.space = TopicSpace.load(Path(folder))
        self.kind = kind

    def query(self, text: str) -> list[float]:
        """The vector of a query, `dimensions` numbers; words that no caption used are left out.

        Raises UnknownWordError where none of its words is known, QuerySyntaxError where it has none that counts: zeros would
        be answered too, with pictures that have nothing to do with the query.
        """
        vector, unknown = self.space.words.mean_vector(self.kind, text)
        if vector is not None:
            numbers: list[float] = vector.tolist()
            return numbers
        if unknown:
            raise UnknownWordError(
                f"no caption that the topic space was learned from uses {', '.join(map(repr, unknown))}; ask with other words"
            )
        raise QuerySyntaxError(f"the query {text!r} has no word that says what to see; add one")

    def documents(self, texts: Sequence[str]) -> list[list[float]]:
        """The vector of each text, `dimensions` numbers: with LDA its topic distribution.

        A text without a known word gets what is known of any: with LDA the same weight on every topic.
        """
        vectors: list[list[float]] = self.space.encode_text(texts).tolist()
        return vectors
