"""Documents as bags of words, kept on disk."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.vocabulary import BagOfWords, Vocabulary, Word
from topicidx.errors import TrainingError


class DiskCorpus:
    """Bags of words in two files, read one document at a time: what gensim streams in each pass.

    `offsets` is int64 (n + 1,): document i is rows offsets[i] to offsets[i + 1] of `entries`, int32 (rows, 2): word id, count.
    """

    def __init__(self, folder: Path) -> None:
        self.offsets: NDArray[np.int64] = np.load(folder / "offsets.npy", mmap_mode="r")
        rows = int(self.offsets[-1])
        entries = folder / "entries.i32"
        self.entries: NDArray[np.int32] = (
            np.memmap(entries, dtype=np.int32, mode="r", shape=(rows, 2)) if rows else np.empty((0, 2), dtype=np.int32)
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[BagOfWords]:
        for begin, end in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield [(word, count) for word, count in self.entries[begin:end].tolist()]


def build_corpus(
    documents: Iterable[str],
    normalizer: CaptionNormalizer,
    folder: Path,
    *,
    min_documents: int | None,
    max_document_share: float,
) -> tuple[Vocabulary, DiskCorpus]:
    """Normalise, count and number `documents`, and write their bags of words into `folder`.

    A stem is kept when it is in at least `min_documents` documents (None: adapted to their number) and in at most
    `max_document_share` of them. Documents are read once; memory grows with the distinct words, not with the documents.
    Raises TrainingError when no word is left.
    """
    numbers: dict[str, int] = {}
    forms: defaultdict[int, Counter[str]] = defaultdict(Counter)
    document_counts: Counter[int] = Counter()
    lengths: list[int] = []
    raw = folder / "stems.i32"
    with raw.open("wb") as file:
        for text in documents:
            row = []
            for form, stem in normalizer.tokens(text):
                number = numbers.setdefault(stem, len(numbers))
                forms[number][form] += 1
                row.append(number)
            document_counts.update(set(row))
            lengths.append(len(row))
            np.asarray(row, dtype=np.int32).tofile(file)

    least = min_documents if min_documents is not None else adapted_min_documents(len(lengths))
    most = max_document_share * len(lengths)
    kept = sorted((stem, number) for stem, number in numbers.items() if least <= document_counts[number] <= most)
    if not kept:
        raise TrainingError(
            f"no word is left of {len(lengths)} captions: {len(numbers)} stems, none in at least {least} captions and at "
            f"most {max_document_share:.0%} of them; give more captions, or lower min_documents (in topicidx.toml, under [lda] "
            "or [word2vec])"
        )
    vocabulary = Vocabulary(
        tuple(Word(stem, _by_frequency(forms[number]), document_counts[number]) for stem, number in kept)
    )
    new_ids = np.full(len(numbers), -1, dtype=np.int32)
    new_ids[[number for _, number in kept]] = np.arange(len(kept), dtype=np.int32)
    _write_bags(raw, lengths, new_ids, folder)
    raw.unlink()
    return vocabulary, DiskCorpus(folder)


def adapted_min_documents(documents: int) -> int:
    """In how many documents a word must be when nothing is said: 2 of a few hundred, 10 of 6,000, 120 of a million."""
    return max(2, round(math.sqrt(documents) / 8))


def _by_frequency(forms: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(forms.items(), key=lambda item: (-item[1], item[0])))


def _write_bags(raw: Path, lengths: list[int], new_ids: NDArray[np.int32], folder: Path) -> None:
    sizes = [0]
    with raw.open("rb") as stems, (folder / "entries.i32").open("wb") as entries:
        for length in lengths:
            ids = new_ids[np.fromfile(stems, dtype=np.int32, count=length)]
            words, counts = np.unique(ids[ids >= 0], return_counts=True)
            np.stack([words, counts.astype(np.int32)], axis=1).tofile(entries)
            sizes.append(len(words))
    np.save(folder / "offsets.npy", np.cumsum(sizes, dtype=np.int64))
