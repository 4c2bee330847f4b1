"""Vocabulary: the stems that a topic space knows, numbered, with the words as people wrote them."""

import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from topicidx.embedders.normalizer import Token

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

    def find(self, stem: str, form: str = "") -> int | None:
        """The id of the word that `stem` means, or None: every look-up of a stem, in a caption or a query, is this one.

        An unknown stem means the most frequent of the words that differ by no more than accents, as stems or as written.
        form: the word whose stem it is, for stemmers may cut what has no accents elsewhere.
        """
        if (known := self.ids.get(stem)) is not None:
            return known
        found = set()
        for spelling in (stem, form):
            plain = unaccented(spelling)
            found.add(self._accented.get(plain))
            if plain != spelling:
                found.add(self._plain.get(plain))
        return max((word for word in found if word is not None), key=self._frequency, default=None)

    def bag_of_words(self, stems: Iterable[str | Token]) -> BagOfWords:
        """The known ones among `stems` (or words with their stems) with their counts; their order does not matter."""
        tokens = (Token("", stem) if isinstance(stem, str) else stem for stem in stems)
        words = (self.find(stem, form) for form, stem in tokens)
        return sorted(Counter(word for word in words if word is not None).items())

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
        return max(first, second, key=self._frequency)

    def _frequency(self, word: int) -> tuple[int, int]:
        return self.words[word].documents, -word

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
        # All lines at once, which takes a third of the time that one after the other takes.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").replace("\n", ",")
        entries = json.loads(f"[{lines}]")
        words = tuple(
            Word(entry["stem"], tuple(entry["forms"].items()), entry["documents"], _also(entry)) for entry in entries
        )
        if not all(word.forms for word in words):
            raise ValueError("a word has no surface form")
        return cls(words)


def _also(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if "also" not in entry:
        return ()
    also = entry["also"]
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


def accent_merges(documents: Mapping[str, int], stem_of_form: Mapping[str, str] | None = None) -> dict[str, str]:
    """Stems whose accents were left out, each with the stem that is meant.

    `documents` is in how many documents each stem is, `stem_of_form` the stem of each word as it was written. A stem without
    accents that is in fewer documents than one that differs by accents alone, or whose words differ by accents alone from
    words of that one, means that one; of several, the one in most documents (of these the first in the order of the alphabet).
    Stems that have accents are never merged: `año` and `ano`, `pêche` and `péché` are words of their own where people take care.
    """
    candidates: defaultdict[str, set[str]] = defaultdict(set)
    for stem in documents:
        if not stem.isascii() and (plain := unaccented(stem)) != stem and plain in documents:
            candidates[plain].add(stem)
    for plain, stems in _written_without_accents(stem_of_form or {}).items():
        candidates[plain] |= stems & documents.keys()
    merges = {}
    for plain in sorted(candidates.keys() & documents.keys()):
        best = min(candidates[plain], key=lambda stem: (-documents[stem], stem), default=plain)
        if documents[plain] < documents[best]:
            merges[plain] = best
    for (
        plain,
        stem,
    ) in merges.items():  # what a stem was merged into may itself be: each has more documents than the last
        while stem in merges:
            stem = merges[stem]
        merges[plain] = stem
    return merges


def _written_without_accents(stem_of_form: Mapping[str, str]) -> dict[str, set[str]]:
    """Stems without accents all of whose words are, but for accents, words of other stems: these."""
    accented: defaultdict[str, set[str]] = defaultdict(set)
    for form, stem in stem_of_form.items():
        if not form.isascii() and (plain := unaccented(form)) != form:
            accented[plain].add(stem)
    left_out = {stem_of_form[form] for form in accented if form in stem_of_form}
    found: dict[str, set[str]] = {}
    for form, stem in stem_of_form.items():
        if stem in left_out and unaccented(stem) == stem:
            others = accented.get(form, set())
            found[stem] = found[stem] & others if stem in found else others - {stem}
    return {stem: others for stem, others in found.items() if others}
