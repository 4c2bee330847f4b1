"""Evaluation by words: single words and pairs from the pictures' own captions."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topicidx.errors import SourceError
from topicidx.indexer.evaluation.calibration import Calibrator
from topicidx.indexer.evaluation.evaluator import Evaluator, OnRanking, Query
from topicidx.indexer.evaluation.pictures import OnProgress, Pictures
from topicidx.indexer.evaluation.ranking import Float64, Method, Rows
from topicidx.indexer.evaluation.report import Evaluation
from topicidx.indexer.index import Index

if TYPE_CHECKING:
    from scipy.sparse import csc_array

SINGLE, PAIRS = "1 word", "2 words"


@dataclass(frozen=True, slots=True)
class WordProtocol:
    """Which words are asked for: those that `least` pictures and at most the share `most` of all have, at most `words` of them,
    drawn at random; and `pairs` random pairs of these that `least` pictures have."""

    least: int = 15
    most: float = 0.2
    words: int = 500
    pairs: int = 300


@dataclass(frozen=True)
class _Words:
    """Words that may be asked for. ids: in the vocabulary; forms: what to write for them; captions: how many captions of a
    picture hold a word, int (pictures, words)."""

    ids: list[int]
    forms: list[str]
    captions: "csc_array"

    def holders(self, word: int) -> NDArray[np.int64]:
        """The rows of the pictures that have a word."""
        begin, end = self.captions.indptr[word : word + 2]
        return np.sort(self.captions.indices[begin:end]).astype(np.int64)

    def held(self, word: int) -> NDArray[np.int64]:
        """How many captions of each picture hold a word: int (pictures,)."""
        counts: NDArray[np.int64] = self.captions[:, [word]].toarray()[:, 0]
        return counts


def evaluate_words(
    index: Index,
    pictures: Pictures,
    *,
    methods: Sequence[Method] = ("mean", "all"),
    protocol: WordProtocol | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    on_ranking: OnRanking | None = None,
) -> Evaluation:
    """How well words find pictures: a picture is relevant when its captions, taken together, hold every word of the query.

    Queries are words of the vocabulary and pairs of them (`WordProtocol`); pictures without captions are left out, for nobody
    knows what they are relevant to. Where the scores of "all" are lifts, their calibration is told too. Raises SourceError where
    there are no captions, or no word qualifies.
    """
    protocol = protocol or WordProtocol()
    rows = [row for row, picture in enumerate(pictures.pictures) if picture.captions]
    if not rows:
        raise SourceError(
            f"the pictures of {pictures.folder or 'the store'} have no captions to take words from; name a source that has, "
            "or give your own queries with --queries FILE --qrels FILE"
        )
    notes = []
    if len(rows) < len(pictures):
        notes.append(f"{len(pictures) - len(rows)} pictures without captions are left out of the ranking")
        pictures = pictures.chosen(rows)
    rng = random.Random(seed)  # noqa: S311 drawing queries is no cryptography
    words = _qualifying(index, pictures, protocol)
    if len(words.ids) > protocol.words:
        notes.append(f"of {len(words.ids)} words that qualify {protocol.words} were drawn at random")
        words = _drawn(words, sorted(rng.sample(range(len(words.ids)), protocol.words)))
    singles = [Query(form, form, _relevant(words.holders(word))) for word, form in enumerate(words.forms)]
    pairs = _pairs(words, protocol, rng)
    if protocol.pairs and not pairs:
        notes.append(f"no two words are those of {protocol.least} pictures: pairs are left out")
    if index.space.scores != "lift" and "all" in methods:
        encoder = index.space.manifest.text.encoder
        notes.append(
            f"scores of the text encoder {encoder!r} are similarities, which promise no more than an order: none are calibrated"
        )
    calibrator = Calibrator(np.array([len(picture.captions) for picture in pictures.pictures], dtype=np.int64))
    evaluator = Evaluator(index, pictures, tuple(methods), seed, on_progress, on_ranking)
    calibrating = replace(evaluator, on_ranking=_calibrating(calibrator, words, on_ranking))
    sets = [calibrating.evaluate(SINGLE, singles)]
    if pairs:
        sets.append(evaluator.evaluate(PAIRS, pairs))
    return Evaluation(
        by="words",
        pictures=len(pictures),
        methods=tuple(methods),
        seed=seed,
        sets=tuple(sets),
        notes=tuple(notes),
        calibration=calibrator.bins() if index.space.scores == "lift" and "all" in methods else (),
    )


def _qualifying(index: Index, pictures: Pictures, protocol: WordProtocol) -> _Words:
    captions = _caption_counts(index, pictures)
    documents = np.diff(captions.indptr)
    least, most = protocol.least, protocol.most * len(pictures)
    vocabulary = index.space.words.vocabulary.words
    # By stem, so that the same words are drawn whatever their numbers are.
    ids = sorted(
        np.flatnonzero((documents >= least) & (documents <= most)).tolist(), key=lambda word: vocabulary[word].stem
    )
    forms = {word: form for word in ids if (form := _form(index, word)) is not None}
    if not forms:
        raise SourceError(
            f"no word is in the captions of at least {least} and at most {protocol.most:.0%} of the {len(pictures)} pictures; "
            "evaluate more pictures, or set other bounds with --least and --most"
        )
    return _Words(list(forms), list(forms.values()), captions[:, list(forms)])


def _caption_counts(index: Index, pictures: Pictures) -> "csc_array":
    """How many captions of each picture hold each word of the vocabulary: int (pictures, words)."""
    from scipy.sparse import csc_array

    vocabulary, normalizer = index.space.words.vocabulary, index.space.normalizer
    rows: list[int] = []
    columns: list[int] = []
    values: list[int] = []
    for row, picture in enumerate(pictures.pictures):
        held = Counter(
            word for text in picture.captions for word, _ in vocabulary.bag_of_words(normalizer.tokens(text))
        )
        rows += [row] * len(held)
        columns += held.keys()
        values += held.values()
    return csc_array((np.array(values, dtype=np.int64), (rows, columns)), shape=(len(pictures), len(vocabulary)))


def _form(index: Index, word: int) -> str | None:
    """A form of a word that, as a query, means this word and nothing else."""
    known = index.space.words.vocabulary.words[word]
    for form in (known.form, *(form for form, _ in known.forms)):
        if [found for _, found in index.space.words.find(form)] == [word]:
            return form
    return None


def _drawn(words: _Words, places: list[int]) -> _Words:
    return _Words(
        [words.ids[place] for place in places], [words.forms[place] for place in places], words.captions[:, places]
    )


def _pairs(words: _Words, protocol: WordProtocol, rng: random.Random) -> list[Query]:
    has = words.captions.sign()
    together = (has.T @ has).tocoo()
    firsts, seconds = together.coords
    wanted = (firsts < seconds) & (together.data >= protocol.least)
    both = sorted(zip(firsts[wanted].tolist(), seconds[wanted].tolist(), strict=True))
    drawn = rng.sample(both, min(protocol.pairs, len(both)))
    return [
        Query(text, text, _relevant(np.intersect1d(words.holders(first), words.holders(second), assume_unique=True)))
        for first, second in drawn
        for text in [f"{words.forms[first]} {words.forms[second]}"]
    ]


def _relevant(rows: NDArray[np.int64]) -> dict[int, int]:
    return dict.fromkeys(rows.tolist(), 1)


def _calibrating(calibrator: Calibrator, words: _Words, on_ranking: OnRanking | None) -> OnRanking:
    """Adds the scores of single words to the calibration as they are ranked."""
    numbers = {form: word for word, form in enumerate(words.forms)}

    def ranked(query: Query, method: Method, order: Rows, scores: Float64) -> None:
        if method == "all":
            calibrator.add(scores, words.held(numbers[query.id]))
        if on_ranking:
            on_ranking(query, method, order, scores)

    return ranked
