"""Vocabulary: the stems that a topic space knows, numbered, with the words as people wrote them."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

#: A document as gensim takes it: (word id, count), in the order of the ids.
BagOfWords = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Word:
    """One vocabulary entry: a stem, the surface forms seen (most frequent first) and how often it was seen."""

    stem: str
    forms: tuple[tuple[str, int], ...]
    documents: int

    @property
    def form(self) -> str:
        """The surface form seen most often: what people are shown."""
        return self.forms[0][0]

    @property
    def count(self) -> int:
        return sum(count for _, count in self.forms)


@dataclass(frozen=True)
class Vocabulary:
    """The stems a topic space knows; a word's id is its place."""

    words: tuple[Word, ...]

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Word id of each stem."""
        return {word.stem: index for index, word in enumerate(self.words)}

    def bag_of_words(self, stems: Iterable[str]) -> BagOfWords:
        """The known ones among `stems` with their counts; the order of the stems does not matter."""
        return sorted(Counter(self.ids[stem] for stem in stems if stem in self.ids).items())

    def write(self, path: Path) -> None:
        """Write one JSON object a line, in the order of the ids."""
        with path.open("w", encoding="utf-8") as file:
            for word in self.words:
                entry = {"stem": word.stem, "documents": word.documents, "forms": dict(word.forms)}
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read what `write` wrote. Raises ValueError, KeyError or TypeError where the file is damaged."""
        with path.open(encoding="utf-8") as file:
            entries = map(json.loads, file)
            words = tuple(Word(entry["stem"], tuple(entry["forms"].items()), entry["documents"]) for entry in entries)
        if not all(word.forms for word in words):
            raise ValueError("a word has no surface form")
        return cls(words)
