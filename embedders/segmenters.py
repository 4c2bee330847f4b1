"""Segmenters: the words of languages that are written without spaces, each found by a package of its own."""

import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from topicidx.errors import MissingExtraError

#: Characters that a package is given at once.
LONGEST = 1_000

_HAN = "\u3005-\u3007\u3021-\u3029\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u3096\u3099\u309a\u309d\u309e\u30a1-\u30fa\u30fc-\u30fe\u31f0-\u31ff\U0001b000-\U0001b16f"
_THAI = "\u0e01-\u0e3a\u0e40-\u0e4e"
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Segmenter:
    """What finds the words of a language. extra: how it is installed; script: its characters, for a regular expression."""

    language: str
    package: str
    extra: str
    script: str
    load: Callable[[], Callable[[str], Iterable[str]]]

    @property
    def missing(self) -> MissingExtraError:
        return MissingExtraError(
            f"{self.language} is written without spaces, and the package {self.package} that finds its words is not installed: "
            f"pip install 'topicidx[{self.extra}]'"
        )


def _sudachipy() -> Callable[[str], Iterable[str]]:
    import sudachipy

    # The shortest units, and core is the dictionary that the extra installs.
    tokenizer = sudachipy.Dictionary(dict="core").tokenizer(mode=sudachipy.SplitMode.A)
    return lambda text: (morpheme.surface() for morpheme in tokenizer.tokenize(text))


def _jieba() -> Callable[[str], Iterable[str]]:
    import jieba

    tokenizer = jieba.Tokenizer()
    # What initialize() does, without its log and without its cache: unmarshalling a file that anyone may have put into the
    # folder for temporary files would run what they like.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    cut: Callable[[str], Iterable[str]] = tokenizer.cut
    return cut


def _pythainlp() -> Callable[[str], Iterable[str]]:
    import os

    # Otherwise a mere import makes a folder in the home directory.
    names = ("PYTHAINLP_READ_ONLY", "PYTHAINLP_READ_MODE")
    asked = any(name in os.environ for name in names)
    if not asked:
        os.environ[names[0]] = "1"
    try:
        from pythainlp.tokenize.newmm import segment

        segment("ก")  # reads the dictionary
    finally:
        if not asked:
            del os.environ[names[0]]
    cut: Callable[[str], Iterable[str]] = segment
    return cut


#: The segmenter of each language that needs one.
SEGMENTERS = {
    "ja": Segmenter("Japanese", "sudachipy", "ja", _HAN + _KANA, _sudachipy),
    "th": Segmenter("Thai", "pythainlp", "th", _THAI, _pythainlp),
    "zh": Segmenter("Chinese", "jieba", "zh", _HAN, _jieba),
}


@dataclass(frozen=True)
class Segmentation:
    """The segmenters of some languages. Chinese characters go to the first that knows them, with kana among them to Japanese."""

    languages: tuple[str, ...]

    def words(self, word: str) -> list[str]:
        """What `word`, a text without spaces, consists of. Each of the words is one by itself too: a query finds it.

        Raises MissingExtraError where `word` has characters of a language whose package is not installed.
        """
        if "th" in self.languages:
            word = word.replace("\u0e4d\u0e32", "\u0e33")  # NFKC takes sara am apart, dictionaries do not
        found: list[str] = []
        end = 0
        for run in self._runs.finditer(word):
            found.append(word[end : run.start()])
            segmenter = self._segmenter(run[0])
            for part in _parts(run[0]):
                found += _segmented(segmenter, part)
            end = run.end()
        return [bare for part in (*found, word[end:]) if (bare := without_leading_marks(part))]

    def require(self) -> None:
        """Raise MissingExtraError where a package is not installed."""
        for language in self.languages:
            _loaded(language)

    @cached_property
    def _runs(self) -> re.Pattern[str]:
        # Japanese first, whose script holds that of Chinese.
        scripts = sorted((SEGMENTERS[language].script for language in self.languages), key=len, reverse=True)
        return re.compile("|".join(f"[{script}]+" for script in scripts))

    def _segmenter(self, run: str) -> str:
        return next(language for language in self.languages if re.fullmatch(f"[{SEGMENTERS[language].script}]+", run))


def without_leading_marks(word: str) -> str:
    """`word` from its first letter or digit on."""
    start = next((index for index, char in enumerate(word) if char.isalnum()), len(word))
    return word[start:]


def _parts(run: str) -> Iterator[str]:
    """`run` in parts of about LONGEST characters: marks stay with their letter."""
    begin = 0
    while begin < len(run):
        end = begin + LONGEST
        while end < len(run) and not run[end].isalnum():
            end += 1
        yield run[begin:end]
        begin = end


def _segmented(language: str, run: str) -> list[str]:
    """The words of `run`, cut until none of them is cut any more: in a longer text a segmenter may leave together what it
    takes apart by itself, and a query for it would not find it."""
    waiting, found = [run], []
    while waiting:
        part = waiting.pop()
        pieces = _pieces(language, part)
        if pieces == (part,):
            found.append(part)
        else:
            waiting += reversed(pieces)
    return found


@lru_cache(maxsize=1 << 16)
def _pieces(language: str, run: str) -> tuple[str, ...]:
    cut = _loaded(language)
    with _lock:  # the packages do not promise to be used by several threads at once
        parts = list(cut(run))
    return tuple(bare for part in parts if (bare := without_leading_marks(part)))


@cache
def _loaded(language: str) -> Callable[[str], Iterable[str]]:
    segmenter = SEGMENTERS[language]
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old syntax and old imports of these packages are not our users' concern
        try:
            return segmenter.load()
        except ImportError as error:
            raise segmenter.missing from error
