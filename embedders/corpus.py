"""Documents as bags of words, kept on disk: what a text encoder learns from."""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.repetition import Repetition, find_repetition
from topicidx.embedders.token_store import TokenStore, mapped
from topicidx.embedders.vocabulary import BagOfWords, Vocabulary, Word, accent_merges
from topicidx.errors import TrainingError
from topicidx.settings import CaptionSettings

OFFSETS, IDS, COUNTS, DIGESTS = "offsets.npy", "ids.i32", "counts.i32", "digests.npy"
#: Documents that are counted at once.
BLOCK = 100_000


class DiskCorpus:
    """Bags of words in memory-mapped files.

    offsets: int64 (documents + 1,): document i is places offsets[i] to offsets[i + 1] of ids, int32 (entries,), ascending in
    each document, and counts, int32 (entries,), how often the word is in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offsets: NDArray[np.int64] = np.load(folder / OFFSETS, mmap_mode="r")
        self.ids = mapped(folder / IDS)
        self.counts = mapped(folder / COUNTS)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[BagOfWords]:
        for begin, end in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            yield list(zip(self.ids[begin:end].tolist(), self.counts[begin:end].tolist(), strict=True))

    @cached_property
    def repetition(self) -> Repetition:
        """Which documents have the same words as others, and how much each counts."""
        return find_repetition(np.load(self.folder / DIGESTS), np.diff(self.offsets))


def corpus_of_captions(
    documents: Iterable[str], settings: CaptionSettings, folder: Path, on_read: Callable[[int], None]
) -> tuple[CaptionNormalizer, Vocabulary, DiskCorpus]:
    """What every text encoder of topicidx begins with: `build_corpus` with the normaliser that `settings` ask for.

    Raises TrainingError where less than two words are left, which tell nothing apart.
    """
    normalizer = CaptionNormalizer.for_language(
        settings.language, punctuation=settings.punctuation, extra_stop_words=settings.extra_stop_words
    )
    vocabulary, corpus = build_corpus(
        documents,
        normalizer,
        folder,
        min_documents=settings.min_documents,
        max_document_share=settings.max_document_share,
        workers=settings.workers,
        on_read=on_read,
    )
    if len(vocabulary) < 2:
        raise TrainingError(f"only the word {vocabulary.words[0].form!r} is left of the captions; give more captions")
    return normalizer, vocabulary, corpus


def build_corpus(
    documents: Iterable[str],
    normalizer: CaptionNormalizer,
    folder: Path,
    *,
    min_documents: int | None,
    max_document_share: float,
    workers: int | None = 1,
    on_read: Callable[[int], None] = lambda done: None,
) -> tuple[Vocabulary, DiskCorpus]:
    """Normalise, count and number `documents`, and write their bags of words into `folder`.

    A stem is kept when it is in at least `min_documents` documents (None: adapted to their number) and in at most
    `max_document_share` of them, where documents of the same words count as `Repetition` says. Spellings with and without
    accents are one word where `accent_merges` says so. Documents are read once, by `workers` processes (None: one a core);
    what comes out does not depend on them. Stopped, the same call goes on where it was in reading, and what is read already
    is not normalised again where the documents are the same. Memory grows with the distinct words, and by some 50 bytes a
    document. Raises TrainingError when no word is left.
    """
    tokens = TokenStore(folder, normalizer)
    tokens.fill(documents, workers=workers, on_read=on_read)
    starts = np.concatenate([[0], np.cumsum(tokens.lengths(), dtype=np.int64)])
    stems, stem_of_form = _stems(tokens.forms, normalizer)
    found = _count(starts, tokens.words(), stem_of_form, len(stems))
    places = {stem: place for place, stem in enumerate(stems)}
    merged = accent_merges(
        dict(zip(stems, found.documents.tolist(), strict=True)),
        {form: stems[stem] for form, stem in zip(tokens.forms, stem_of_form.tolist(), strict=True)},
    )
    if merged:
        target = np.arange(len(stems), dtype=np.int32)
        target[[places[stem] for stem in merged]] = [places[stem] for stem in merged.values()]
        stem_of_form = target[stem_of_form]
        found = _count(starts, tokens.words(), stem_of_form, len(stems))
    least = min_documents if min_documents is not None else adapted_min_documents(len(starts) - 1)
    kept = (found.documents > 0) & (found.weighted >= least) & (found.weighted <= max_document_share * found.total)
    words = sorted(stems[place] for place in np.flatnonzero(kept).tolist())
    if not words:
        raise TrainingError(
            f"no word is left of {len(starts) - 1} captions: {len(stems)} stems, none in at least {least} captions and at "
            f"most {max_document_share:.0%} of them (more than two captions of the same words hardly count more); give more "
            "captions, or lower min_documents (in topicidx.toml, under [lda] or [word2vec])"
        )
    word_of_stem = np.full(len(stems), -1, dtype=np.int32)
    word_of_stem[[places[stem] for stem in words]] = np.arange(len(words), dtype=np.int32)
    word_of_form = word_of_stem[stem_of_form]
    forms = _forms(tokens, word_of_form, len(words))
    also: dict[str, list[str]] = {stem: [] for stem in words}
    for stem in sorted(merged):
        also.get(merged[stem], []).append(stem)
    vocabulary = Vocabulary(
        tuple(
            Word(stem, forms[word], int(found.documents[places[stem]]), tuple(also[stem]))
            for word, stem in enumerate(words)
        )
    )
    for form, number in tokens.forms.items():  # as in every other text, which has nothing but its words
        if word_of_form[number] < 0 and (word := vocabulary.find(stems[stem_of_form[number]], form)) is not None:
            word_of_form[number] = word
    _write_bags(starts, tokens.words(), word_of_form, folder)
    return vocabulary, DiskCorpus(folder)


@contextmanager
def working_folder(folder: Path | None) -> Iterator[Path]:
    """`folder`, made where it does not stand yet, or a temporary one without it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="topicidx-corpus-") as name:
        yield Path(name)


def adapted_min_documents(documents: int) -> int:
    """In how many documents a word must be when nothing is said: 2 of a few hundred, 10 of 6,000, 120 of a million."""
    return max(2, round(math.sqrt(documents) / 8))


@dataclass(frozen=True, slots=True)
class _Found:
    """Of each stem, in how many documents it is, int64, and the sum of their weights, float64; and that of all
    documents, among which those without words count as one each."""

    documents: NDArray[np.int64]
    weighted: NDArray[np.float64]
    total: float


def _stems(forms: dict[str, int], normalizer: CaptionNormalizer) -> tuple[list[str], NDArray[np.int32]]:
    """The different stems of `forms`, and which of them is that of each form, int32 (forms,)."""
    numbers: dict[str, int] = {}
    of_form = np.fromiter(
        (numbers.setdefault(normalizer.stem(form), len(numbers)) for form in forms), dtype=np.int32, count=len(forms)
    )
    return list(numbers), of_form


def _count(starts: NDArray[np.int64], words: NDArray[np.int32], stem_of_form: NDArray[np.int32], stems: int) -> _Found:
    from topicidx.embedders.corpus_kernels import count_documents, document_digests

    digests = np.empty(len(starts) - 1, dtype=np.uint64)
    for begin, inner, row in _blocks(starts, words, stem_of_form):
        document_digests(inner, row, digests[begin : begin + len(inner) - 1])
    sizes = np.diff(starts)
    weights = find_repetition(digests, sizes).weights
    last = np.full(stems, -1, dtype=np.int64)
    documents, weighted = np.zeros(stems, dtype=np.int64), np.zeros(stems, dtype=np.float64)
    for begin, inner, row in _blocks(starts, words, stem_of_form):
        count_documents(inner, row, weights[begin : begin + len(inner) - 1], last, documents, weighted, begin)
    return _Found(documents, weighted, float(weights.sum(dtype=np.float64)) + int((sizes == 0).sum()))


def _blocks(
    starts: NDArray[np.int64], words: NDArray[np.int32], translation: NDArray[np.int32]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int32]]]:
    """Documents a block at a time: the number of the first, where each begins in the block, and their words, translated."""
    for begin in range(0, len(starts) - 1, BLOCK):
        inner = starts[begin : begin + BLOCK + 1]
        yield begin, inner - inner[0], translation[words[inner[0] : inner[-1]]]


def _forms(tokens: TokenStore, word_of_form: NDArray[np.int32], words: int) -> list[tuple[tuple[str, int], ...]]:
    """The forms of each word with how often each was seen, most frequent first."""
    counts = np.zeros(len(word_of_form), dtype=np.int64)
    numbers = tokens.words()
    for begin in range(0, len(numbers), BLOCK * 10):
        counts += np.bincount(numbers[begin : begin + BLOCK * 10], minlength=len(counts))
    found: list[list[tuple[str, int]]] = [[] for _ in range(words)]
    for form, number in tokens.forms.items():
        if word_of_form[number] >= 0:
            found[word_of_form[number]].append((form, int(counts[number])))
    return [tuple(sorted(forms, key=lambda item: (-item[1], item[0]))) for forms in found]


def _write_bags(
    starts: NDArray[np.int64], words: NDArray[np.int32], word_of_form: NDArray[np.int32], folder: Path
) -> None:
    from topicidx.embedders.corpus_kernels import bags_of_words, document_digests

    sizes = np.zeros(len(starts), dtype=np.int64)
    digests = np.empty(len(starts) - 1, dtype=np.uint64)
    with (folder / IDS).open("wb") as all_ids, (folder / COUNTS).open("wb") as all_counts:
        for begin, inner, row in _blocks(starts, words, word_of_form):
            end = begin + len(inner) - 1
            ids, counts = np.empty(len(row), dtype=np.int32), np.empty(len(row), dtype=np.int32)
            filled = bags_of_words(inner, row, sizes[begin + 1 : end + 1], ids, counts)
            document_digests(inner, row, digests[begin:end])
            all_ids.write(ids[:filled].tobytes())
            all_counts.write(counts[:filled].tobytes())
    np.save(folder / DIGESTS, digests)
    np.save(folder / OFFSETS, np.cumsum(sizes))
