"""CaptionNormalizer: from a caption to the stems a topic model counts; the only normaliser of the project."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import Stemmer

from topicidx.errors import SettingsError

#: PyStemmer's algorithm for each language that has one; English takes the published method's Porter stemmer.
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "porter", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian",
    "ne": "nepali", "nl": "dutch", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip

_APOSTROPHES = "'\u2018\u2019\u02bc\uff07\u0060"
# Web addresses are no words, but would make topics of their own.
_ADDRESSES = re.compile(r"(?:[a-z][a-z0-9+.-]*://|\bwww\.)\S+", re.IGNORECASE)
# Variation selectors only choose how the character before them is drawn, but Unicode counts them as marks, which belong
# to words. Acute accents are typed as apostrophes, but NFKC takes them for a space and a mark.
_DROPPED = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u00b4\u1ffd]")
# Marks that stand on letters (accents, vowel signs) belong to the word; those that enclose (Me) are drawn round emoji.
_WORD_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})


class Token(NamedTuple):
    """A word as written (lower case) and its stem."""

    form: str
    stem: str


@dataclass(frozen=True)
class CaptionNormalizer:
    """The five published steps from a caption to stems, with the data they need, so that it is saved with a model.

    1. `#` becomes a space. 2. Everything but letters and digits becomes a space, and apostrophes vanish (with
    `punctuation="remove"`, as published, both vanish: `sunrise,beach` becomes one word). 3. Lower case. 4. Stop words
    go. 5. The others are stemmed.
    Before them web addresses go, and compatibility forms are resolved (Unicode NFKC), so that letters from decorative
    alphabets count as letters.
    Source: Gomez, "Learning Image Topics from Instagram" (2017), Text preprocessing.
    """

    language: str
    stemmer: str
    stop_words: frozenset[str]
    punctuation: Literal["space", "remove"] = "space"

    @classmethod
    def for_language(
        cls,
        language: str = "en",
        *,
        punctuation: Literal["space", "remove"] = "space",
        extra_stop_words: Iterable[str] = (),
    ) -> "CaptionNormalizer":
        """The normaliser of a language (ISO 639-1), with spaCy's stop words and PyStemmer's stemmer for it.

        Raises SettingsError for a language that either of them does not know. Imports spaCy.
        """
        if language not in STEMMERS:
            raise SettingsError(f"no stemmer for the language {language!r}; known are {', '.join(STEMMERS)}")
        import spacy

        try:
            words = spacy.blank(language).Defaults.stop_words
        except ImportError as error:
            raise SettingsError(f"spaCy has no stop words for the language {language!r}") from error
        bare = cls(language, STEMMERS[language], frozenset(), punctuation)
        stop_words = frozenset(form for word in (*words, *extra_stop_words) for form in bare.forms(word))
        return cls(language, STEMMERS[language], stop_words, punctuation)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CaptionNormalizer":
        """The normaliser that `to_json` described. Raises KeyError, TypeError or ValueError where it is damaged."""
        if value["stemmer"] not in STEMMERS.values():
            raise ValueError(f"unknown stemmer {value['stemmer']!r}")
        if value["punctuation"] not in ("space", "remove"):
            raise ValueError(f"unknown punctuation {value['punctuation']!r}")
        return cls(value["language"], value["stemmer"], frozenset(value["stop_words"]), value["punctuation"])

    def to_json(self) -> dict[str, Any]:
        """A description in JSON values, the same for equal normalisers."""
        return {
            "language": self.language,
            "stemmer": self.stemmer,
            "punctuation": self.punctuation,
            "stop_words": sorted(self.stop_words),
        }

    def tokens(self, text: str) -> list[Token]:
        """The words of `text` that are no stop words, in their order, with their stems. Any string will do."""
        return [Token(form, self.stem(form)) for form in self.forms(text) if form not in self.stop_words]

    def stems(self, text: str) -> list[str]:
        """The stems of `text`, in their order."""
        return [token.stem for token in self.tokens(text)]

    def only_stop_words(self, text: str) -> bool:
        """True when `text` has words, and every one of them is a stop word."""
        forms = self.forms(text)
        return bool(forms) and self.stop_words.issuperset(forms)

    def forms(self, text: str) -> list[str]:
        """All words of `text` in lower case, stop words too, in their order. Any string will do."""
        if text.isascii():  # most captions, a million times over
            text = text.lower()
            if "://" in text or "www." in text:
                text = _ADDRESSES.sub(" ", text)
            return text.translate(self._ascii).split()
        text = unicodedata.normalize("NFKC", _DROPPED.sub("", _ADDRESSES.sub(" ", text)))
        # Lower case comes last: a final sigma depends on what stands beside it. A capital dotted I is an i.
        text = text.translate(self._characters).lower().replace("i\u0307", "i")
        # Where a character between a letter and its accent is gone, they are one now.
        words = unicodedata.normalize("NFKC", text).split()
        return [bare for word in words if (bare := word if word[0].isalnum() else _without_leading_marks(word))]

    def stem(self, form: str) -> str:
        """The stem of one of the words that `forms` gives."""
        stem: str = self._stemmer.stemWord(form)
        return stem or form

    @cached_property
    def _ascii(self) -> dict[int, str]:
        # `str.translate` is three times as fast with a plain dict.
        return {codepoint: self._characters[codepoint] for codepoint in range(128)}

    @cached_property
    def _characters(self) -> "_Characters":
        return _Characters(" " if self.punctuation == "space" else "")

    @cached_property
    def _stemmer(self) -> Any:
        return Stemmer.Stemmer(self.stemmer)


def _without_leading_marks(word: str) -> str:
    start = next((index for index, char in enumerate(word) if char.isalnum()), len(word))
    return word[start:]


class _Characters(dict[int, str]):
    """A table for `str.translate` that says of each character what stays of it, filled as characters are met."""

    def __init__(self, other: str) -> None:
        super().__init__({ord("#"): " "} | {ord(char): "" for char in _APOSTROPHES})
        self.other = other

    def __missing__(self, codepoint: int) -> str:
        char = chr(codepoint)
        category = unicodedata.category(char)
        if category in _WORD_CATEGORIES:
            kept = char
        elif category == "Cf" and char != "\u200b":  # soft hyphens, joiners, direction marks: seen by nobody
            kept = ""
        else:
            kept = " " if char.isspace() else self.other
        self[codepoint] = kept
        return kept
