"""CaptionNormalizer: from a caption to the stems a topic model counts; the only normaliser of the project."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import Stemmer

from topicidx.embedders.segmenters import SEGMENTERS, Segmentation, without_leading_marks
from topicidx.errors import SettingsError

#: PyStemmer's algorithm for each language that has one; English takes the published method's Porter stemmer.
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "porter",
    "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish",
    "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "nb": "norwegian", "ne": "nepali", "nl": "dutch", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
#: Stands in the place of a stemmer where a language has none: its words are their own stems.
NO_STEMMER = "none"

_APOSTROPHES = "'\u2018\u2019\u02bc\uff07\u0060\u05f3"
# Web addresses are no words, but would make topics of their own.
_ADDRESSES = re.compile(r"(?:[a-z][a-z0-9+.-]*://|\bwww\.)\S+", re.IGNORECASE)
# Variation selectors only choose how the character before them is drawn, but Unicode counts them as marks, which belong
# to words. Acute accents are typed as apostrophes, but NFKC takes them for a space and a mark.
_DROPPED = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u00b4\u1ffd]")
# Emoji that NFKC would make letters of. Where most are drawn as text (a circled M, an i for information), it takes a variation
# selector to make them emoji.
_LETTER_EMOJI = re.compile(
    "[\u24c2\u2122\u2139\u3297\u3299\U0001f202\U0001f237]\ufe0f"
    "|[\U0001f201\U0001f21a\U0001f22f\U0001f232-\U0001f236\U0001f238-\U0001f23a\U0001f250\U0001f251]"
)
_EMOJI = "\U0001f600"
# Between two l it makes one long l in Catalan, and is left out as often as not.
_MIDDLE_DOT = re.compile("(?<=[lL])\u00b7(?=[lL])")
# Vowel points, which few people write; and the stroke that makes Arabic words longer.
_POINTED_SCRIPTS, _TATWEEL = ("ARABIC ", "HEBREW "), "\u0640"
# Marks that stand on letters (accents, vowel signs) belong to the word; those that enclose (Me) are drawn round emoji.
_WORD_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})

_LANGUAGE_OF = {segmenter.package: language for language, segmenter in SEGMENTERS.items()}


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
    alphabets count as letters; Arabic and Hebrew lose their vowel points, and languages without spaces are cut into words.
    Source: Gomez, "Learning Image Topics from Instagram" (2017), Text preprocessing.

    `language`, `stemmer` and `segmenter` are names with commas between them: a language each, its stemmer (or "none") in the
    same place, and the packages that cut. Several stemmers are taken one after the other.
    """

    language: str
    stemmer: str
    stop_words: frozenset[str]
    punctuation: Literal["space", "remove"] = "space"
    segmenter: str = ""

    @classmethod
    def for_language(
        cls,
        language: str = "en",
        *,
        punctuation: Literal["space", "remove"] = "space",
        extra_stop_words: Iterable[str] = (),
    ) -> "CaptionNormalizer":
        """The normaliser of a language (ISO 639-1), with spaCy's stop words and PyStemmer's stemmer for it, or of several
        with commas between them.

        Raises SettingsError for a language that one of them does not know, MissingExtraError where the package is not
        installed that cuts a language without spaces into words. Imports spaCy.
        """
        languages = split_languages(language)
        stemmers = ",".join(STEMMERS.get(code, NO_STEMMER) for code in languages)
        segmenters = ",".join(SEGMENTERS[code].package for code in languages if code in SEGMENTERS)
        names = ",".join(languages)
        whole = cls(names, stemmers, frozenset(), punctuation)
        cut = cls(names, stemmers, frozenset(), punctuation, segmenters)
        if cut._segmentation:
            cut._segmentation.require()
        # Some of spaCy's are whole sayings, whose words mean something by themselves: these are not cut.
        words = (word for code in languages for word in _stop_words(code))
        stop_words = {form for word in words for form in whole._spelt(word)}
        stop_words.update(form for word in extra_stop_words for form in (*whole._spelt(word), *cut.forms(word)))
        return cls(names, stemmers, frozenset(stop_words), punctuation, segmenters)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CaptionNormalizer":
        """The normaliser that `to_json` described. Raises KeyError, TypeError or ValueError where it is damaged."""
        for stemmer in str(value["stemmer"]).split(","):
            if stemmer != NO_STEMMER and stemmer not in STEMMERS.values():
                raise ValueError(f"unknown stemmer {stemmer!r}")
        segmenter = value.get("segmenter", "")
        for package in str(segmenter).split(",") if segmenter else ():
            if package not in _LANGUAGE_OF:
                raise ValueError(f"unknown segmenter {package!r}")
        if value["punctuation"] not in ("space", "remove"):
            raise ValueError(f"unknown punctuation {value['punctuation']!r}")
        return cls(value["language"], value["stemmer"], frozenset(value["stop_words"]), value["punctuation"], segmenter)

    def to_json(self) -> dict[str, Any]:
        """A description in JSON values, the same for equal normalisers."""
        return {
            "language": self.language,
            "stemmer": self.stemmer,
            "punctuation": self.punctuation,
            "stop_words": sorted(self.stop_words),
        } | ({"segmenter": self.segmenter} if self.segmenter else {})

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
        """All words of `text` in lower case, stop words too, in their order. Any string will do.

        Raises MissingExtraError where the package is not installed that cuts it into words.
        """
        words = self._spelt(text)
        if self._segmentation is None or text.isascii():
            return words
        return [part for word in words for part in self._segmentation.words(word)]

    def stem(self, form: str) -> str:
        """The stem of one of the words that `forms` gives."""
        for stemmer in self._stemmers:
            form = stemmer.stemWord(form) or form
        return form

    def _spelt(self, text: str) -> list[str]:
        """What stands between spaces, in the one spelling that we use."""
        if text.isascii():  # most captions, a million times over
            text = text.lower()
            if "://" in text or "www." in text:
                text = _ADDRESSES.sub(" ", text)
            return text.translate(self._ascii).split()
        if "://" in text or "www." in text.lower():
            text = _ADDRESSES.sub(" ", text)
        text = unicodedata.normalize("NFKC", _DROPPED.sub("", _LETTER_EMOJI.sub(_EMOJI, text)))
        if "\u00b7" in text:
            text = _MIDDLE_DOT.sub("", text)
        # Lower case comes last: a final sigma depends on what stands beside it. A capital dotted I is an i.
        text = text.translate(self._characters).lower().replace("i\u0307", "i")
        # Where a character between a letter and its accent is gone, they are one now.
        words = unicodedata.normalize("NFKC", text).split()
        return [bare for word in words if (bare := word if word[0].isalnum() else without_leading_marks(word))]

    @cached_property
    def _ascii(self) -> dict[int, str]:
        # `str.translate` is three times as fast with a plain dict.
        return {codepoint: self._characters[codepoint] for codepoint in range(128)}

    @cached_property
    def _characters(self) -> "_Characters":
        return _Characters(" " if self.punctuation == "space" else "")

    @cached_property
    def _stemmers(self) -> tuple[Any, ...]:
        return tuple(Stemmer.Stemmer(stemmer) for stemmer in self.stemmer.split(",") if stemmer != NO_STEMMER)

    @cached_property
    def _segmentation(self) -> Segmentation | None:
        return Segmentation(tuple(_LANGUAGE_OF[name] for name in self.segmenter.split(","))) if self.segmenter else None


def split_languages(language: str) -> tuple[str, ...]:
    """The languages in `language`, which has commas between them, each once. Raises SettingsError for one that is not known."""
    languages = tuple(dict.fromkeys(code.strip() for code in language.split(",")))
    for code in languages:
        if code not in STEMMERS and code not in SEGMENTERS:
            raise SettingsError(
                f"nothing here knows the words of the language {code!r}: there is neither a stemmer nor a segmenter for it; "
                f"known are {', '.join(sorted(STEMMERS | SEGMENTERS))}, and several as in en,es"
            )
    return languages


def _stop_words(language: str) -> Iterable[str]:
    from spacy.util import get_lang_class

    try:
        words: Iterable[str] = get_lang_class(language).Defaults.stop_words
    except ImportError as error:
        raise SettingsError(f"spaCy has no stop words for the language {language!r}") from error
    return words


class _Characters(dict[int, str]):
    """A table for `str.translate` that says of each character what stays of it, filled as characters are met."""

    def __init__(self, other: str) -> None:
        super().__init__({ord("#"): " "} | {ord(char): "" for char in _APOSTROPHES})
        self.other = other

    def __missing__(self, codepoint: int) -> str:
        char = chr(codepoint)
        category = unicodedata.category(char)
        if char == _TATWEEL or (category == "Mn" and unicodedata.name(char, "").startswith(_POINTED_SCRIPTS)):
            kept = ""
        elif category in _WORD_CATEGORIES:
            kept = char
        elif category == "Cf" and char != "\u200b":  # soft hyphens, joiners, direction marks: seen by nobody
            kept = ""
        else:
            kept = " " if char.isspace() else self.other
        self[codepoint] = kept
        return kept
