"""Vocabulary: the stems that a topic space knows, numbered, with the words as people wrote them."""

import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

#: A document as gensim takes it: (word id, count), in the order of the ids.
BagOfWords = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Word:
    """One vocabulary entry: a stem, the surface forms seen (most frequent first) and how often it was seen.

    also: further stems that mean this word, such as one whose accents people left out.
    """

    stem: str
    forms: tuple[tuple[str, int], ...]
    documents: int
    also: tuple[str, ...] = ()

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
        also = {stem: index for index, word in enumerate(self.words) for stem in word.also}
        return also | {word.stem: index for index, word in enumerate(self.words)}

    def find(self, stem: str) -> int | None:
        """The id of the word that `stem` means, or None: every look-up of a stem, in a caption or a query, is this one.

        An unknown stem means the most frequent of the words that differ from it by no more than accents, as stems or as written.
        """
        if (known := self.ids.get(stem)) is not None:
            return known
        plain = unaccented(stem)
        found = self._accented.get(plain)
        if plain == stem or (also := self._plain.get(plain)) is None:
            return found
        return also if found is None else self._more_frequent(found, also)

    def bag_of_words(self, stems: Iterable[str]) -> BagOfWords:
        """The known ones among `stems` with their counts; the order of the stems does not matter."""
        return sorted(Counter(word for stem in stems if (word := self.find(stem)) is not None).items())

    @cached_property
    def _accented(self) -> dict[str, int]:
        """Word id by each spelling that has accents, without them."""
        found: dict[str, int] = {}
        for spelling, word in self._spellings():
            if not spelling.isascii() and (plain := unaccented(spelling)) != spelling:
                found[plain] = self._more_frequent(found.get(plain, word), word)
        return found

    @cached_property
    def _plain(self) -> dict[str, int]:
        """Word id by each spelling that has no accents."""
        found: dict[str, int] = {}
        for spelling, word in self._spellings():
            if spelling.isascii() or unaccented(spelling) == spelling:
                found[spelling] = self._more_frequent(found.get(spelling, word), word)
        return found

    def _spellings(self) -> Iterator[tuple[str, int]]:
        for index, word in enumerate(self.words):
            for spelling in (word.stem, *word.also, *(form for form, _ in word.forms)):
                yield spelling, index

    def _more_frequent(self, first: int, second: int) -> int:
        return max(first, second, key=lambda word: (self.words[word].documents, -word))

    def write(self, path: Path) -> None:
        """Write one JSON object a line, in the order of the ids."""
        with path.open("w", encoding="utf-8") as file:
            for word in self.words:
                entry = {"stem": word.stem, "documents": word.documents, "forms": dict(word.forms)}
                if word.also:
                    entry["also"] = word.also
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read what `write` wrote. Raises ValueError, KeyError or TypeError where the file is damaged."""
        with path.open(encoding="utf-8") as file:
            entries = map(json.loads, file)
            words = tuple(
                Word(entry["stem"], tuple(entry["forms"].items()), entry["documents"], _also(entry))
                for entry in entries
            )
        if not all(word.forms for word in words):
            raise ValueError("a word has no surface form")
        return cls(words)


def _also(entry: Mapping[str, Any]) -> tuple[str, ...]:
    also = entry.get("also", [])
    if not isinstance(also, list) or not all(isinstance(stem, str) for stem in also):
        raise ValueError(f"the further stems of {entry['stem']!r} are {also!r}")
    return tuple(also)


def unaccented(text: str) -> str:
    """`text` without the accents of its Latin and Greek letters; other scripts keep their marks, which make other letters."""
    if text.isascii():
        return text
    kept = []
    accents = False
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.category(char) != "Mn":
            accents = unicodedata.name(char, "").startswith(("LATIN ", "GREEK "))
        elif accents:
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def accent_merges(documents: Mapping[str, int]) -> dict[str, str]:
    """Stems whose accents were left out, each with the stem that is meant.

    `documents` is in how many documents each stem is. A stem without accents that is in fewer documents than one that differs by
    accents alone means that one; of several, the one in most documents (of these the first in the order of the alphabet).
    Stems that have accents are never merged: `año` and `ano`, `pêche` and `péché` are words of their own where people take care.
    """
    accented: defaultdict[str, list[str]] = defaultdict(list)
    for stem in documents:
        if not stem.isascii() and (plain := unaccented(stem)) != stem and plain in documents:
            accented[plain].append(stem)
    meant = {plain: min(stems, key=lambda stem: (-documents[stem], stem)) for plain, stems in accented.items()}
    return {plain: stem for plain, stem in sorted(meant.items()) if documents[plain] < documents[stem]}
