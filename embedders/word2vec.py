"""Word2VecTextEncoder: captions to mean word vectors with gensim's Word2Vec."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from topicidx.embedders.corpus import DiskCorpus, corpus_of_captions, working_folder
from topicidx.embedders.leaning import leaning
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.protocols import NO_PROGRESS, Scores, TextProgress
from topicidx.embedders.vocabulary import Vocabulary
from topicidx.errors import SpaceDamagedError
from topicidx.settings import Word2VecSettings

logger = logging.getLogger(__name__)

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Words that are read in all, over the passes, where the number of passes adapts.
WORDS_READ = 5_000_000


@dataclass(frozen=True, slots=True)
class Word2VecHyperparameters:
    """What gensim's skip-gram model was trained with, every value decided."""

    dimensions: int
    window: int
    negative: int
    epochs: int
    sample: float

    @classmethod
    def adapted(cls, settings: Word2VecSettings, words: int) -> "Word2VecHyperparameters":
        """Settings with every None replaced by what suits a corpus of `words` words.

        Small corpora need more passes. gensim leaves out most occurrences of words that make up more than a thousandth of
        the text, which in a corpus of a few hundred different words are all of them: small corpora keep theirs.
        """
        epochs = settings.epochs or min(200, max(5, -(-WORDS_READ // words)))
        return cls(settings.dimensions, settings.window, settings.negative, epochs, 1e-3 if words > 1_000_000 else 0.0)


class Word2VecTextEncoder:
    """Word vectors learned from captions; a caption is the mean of its words' vectors, each dimension scaled to [0, 1].

    vectors: float32 (words, dimensions), as learned. low, high: float32 (dimensions,), the smallest and largest of the
    training captions, which become 0 and 1. average: float32 (dimensions,), the mean of the scaled training captions.
    Source: Gomez et al., "Learning to Learn from Web Data through Deep Semantic Embeddings" (2018).
    """

    name = "word2vec"
    #: Dot products with this encoder's word vectors order pictures; they are no probabilities.
    scores: Scores = "similarity"

    def __init__(
        self,
        normalizer: CaptionNormalizer,
        vocabulary: Vocabulary,
        hyperparameters: Word2VecHyperparameters,
        *,
        vectors: Float32,
        low: Float32,
        high: Float32,
        average: Float32,
    ) -> None:
        self.normalizer = normalizer
        self.vocabulary = vocabulary
        self.hyperparameters = hyperparameters
        self.vectors = vectors
        self.low = low
        self.high = high
        self.average = average

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        settings: Word2VecSettings | None = None,
        *,
        seed: int = 0,
        progress: TextProgress = NO_PROGRESS,
        work: Path | None = None,
    ) -> "Word2VecTextEncoder":
        """Learn word vectors from `documents`, each one a picture's captions in one string, a line for each.

        The same documents, settings and seed give the same vectors to the bit. Raises TrainingError where the captions do
        not suffice. Imports gensim and spaCy.
        """
        settings = settings or Word2VecSettings()
        with working_folder(work) as folder:
            normalizer, vocabulary, corpus = corpus_of_captions(documents, settings, folder, progress.read)
            sentences = _Sentences.write(folder / "sentences.txt", documents, normalizer, vocabulary)
            hyperparameters = Word2VecHyperparameters.adapted(settings, sentences.words)
            logger.info("training Word2Vec: %d documents, %d words, %s", len(corpus), len(vocabulary), hyperparameters)
            vectors = _learn(sentences, vocabulary, hyperparameters, seed, progress)
            low, high = _bounds(vectors, corpus)
            unscaled = cls(normalizer, vocabulary, hyperparameters, vectors=vectors, low=low, high=high, average=low)
            total, count = np.zeros(hyperparameters.dimensions), 0
            for bag in corpus:
                if bag:
                    total += unscaled._scaled(_mean(vectors, bag)).clip(0, 1)
                    count += 1
        unscaled.average = (total / count).astype(np.float32)
        return unscaled

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.hyperparameters.dimensions

    def encode(self, texts: Sequence[str]) -> Float32:
        """Vectors of `texts`: float32 (n, dimensions), in [0, 1].

        Each row depends on its text's words alone, to the bit: not on their order, nor on the other texts. A text
        without any known word gets the average of the training captions.
        """
        rows = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            bag = self.vocabulary.bag_of_words(self.normalizer.tokens(text))
            row[:] = self._scaled(_mean(self.vectors, bag)).clip(0, 1) if bag else self.average
        return rows

    def knows(self, text: str) -> bool:
        """True when the vocabulary has a word of `text`."""
        return bool(self.vocabulary.bag_of_words(self.normalizer.tokens(text)))

    def word_vectors(self) -> tuple[Float32, Float32]:
        """The two vectors of each vocabulary word, (lift, topics): float32 (words, dimensions) each.

        lift: the way in which the word's scaled vector leans from the average caption (`leaning`): a picture's dot product
        with it is above 0 where the picture is more like the word than the average one is, and every word of a query
        counts the same, however far out its vector lies. topics: the vector that `encode` gives a text of this word
        alone; the published method's query vector.
        """
        scaled = self._scaled(self.vectors.astype(np.float64))
        return leaning(scaled, self.average), scaled.clip(0, 1).astype(np.float32)

    def _scaled(self, vectors: Float64) -> Float64:
        low = self.low.astype(np.float64)
        span = self.high.astype(np.float64) - low
        scaled: Float64 = (vectors - low) / np.where(span > 0, span, 1.0)
        return scaled

    def tensors(self) -> dict[str, Float32]:
        """The arrays that make up the encoder, for a topic space bundle."""
        return {"vectors": self.vectors, "low": self.low, "high": self.high, "average": self.average}

    def settings_json(self) -> dict[str, Any]:
        """All of the encoder that is no array, for a topic space bundle."""
        return asdict(self.hyperparameters)

    @classmethod
    def restore(
        cls, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any], normalizer: CaptionNormalizer,
        vocabulary: Vocabulary,
    ) -> "Word2VecTextEncoder":  # fmt: skip
        """The encoder that `tensors` and `settings_json` described. Raises SpaceDamagedError where they do not fit."""
        try:
            hyperparameters = TypeAdapter(Word2VecHyperparameters).validate_python(dict(settings))
            arrays = {name: tensors[name] for name in ("vectors", "low", "high", "average")}
        except ValidationError as error:
            problem = error.errors()[0]
            raise SpaceDamagedError(
                f"the word vectors do not fit their description: {problem['loc'][0]}: {problem['msg']}"
            ) from error
        except KeyError as error:
            raise SpaceDamagedError(f"the word vectors do not fit their description: {error} is missing") from error
        dimensions = hyperparameters.dimensions
        for name, array in arrays.items():
            expected = (len(vocabulary), dimensions) if name == "vectors" else (dimensions,)
            if array.shape != expected or array.dtype != np.float32:
                raise SpaceDamagedError(f"{name} is {array.dtype} {array.shape}, not float32 {expected}")
        if (arrays["high"] < arrays["low"]).any():
            raise SpaceDamagedError("the scale of the word vectors ends before it begins")
        return cls(normalizer, vocabulary, hyperparameters, **arrays)


def _mean(vectors: Float32, bag: Sequence[tuple[int, int]]) -> Float64:
    """The mean of the vectors of a bag of words, each as often as it is in it: float64 (dimensions,)."""
    ids, counts = np.array(bag, dtype=np.int64).T
    # No matrix product: its last bits would depend on the machine's number of threads.
    mean: Float64 = (vectors[ids].astype(np.float64) * counts[:, None]).sum(axis=0) / counts.sum()
    return mean


def _bounds(vectors: Float32, corpus: DiskCorpus) -> tuple[Float32, Float32]:
    low = np.full(vectors.shape[1], np.inf)
    high = -low
    for bag in corpus:
        if bag:
            mean = _mean(vectors, bag)
            np.minimum(low, mean, out=low)
            np.maximum(high, mean, out=high)
    return low.astype(np.float32), high.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Captions as lists of known stems in their order, kept on disk: what gensim reads in each pass."""

    path: Path
    words: int

    @classmethod
    def write(
        cls, path: Path, documents: Iterable[str], normalizer: CaptionNormalizer, vocabulary: Vocabulary
    ) -> "_Sentences":
        words = 0
        with path.open("w", encoding="utf-8") as file:
            for document in documents:
                for caption in document.splitlines():
                    found = (vocabulary.find(stem, form) for form, stem in normalizer.tokens(caption))
                    known = [vocabulary.words[word].stem for word in found if word is not None]
                    if known:
                        file.write(" ".join(known) + "\n")
                        words += len(known)
        return cls(path, words)

    def __iter__(self) -> Iterator[list[str]]:
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                yield line.split()


def _learn(
    sentences: _Sentences, vocabulary: Vocabulary, hyperparameters: Word2VecHyperparameters, seed: int,
    progress: TextProgress,
) -> Float32:  # fmt: skip
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class Passes(CallbackAny2Vec):  # type: ignore[misc]
        done = 0

        def on_epoch_end(self, _: Word2Vec) -> None:
            self.done += 1
            progress.learned(self.done, hyperparameters.epochs)

    model = Word2Vec(
        vector_size=hyperparameters.dimensions,
        window=hyperparameters.window,
        negative=hyperparameters.negative,
        sample=hyperparameters.sample,
        epochs=hyperparameters.epochs,
        sg=1,
        min_count=1,
        seed=seed,
        # Python's own differs from process to process, and the work of several threads from run to run.
        hashfxn=len,
        workers=1,
        # gensim lowers the learning rate from batch to batch, and warns where a pass has fewer than ten.
        batch_words=max(1, min(10_000, sentences.words // 20)),
    )
    model.build_vocab(sentences)
    model.train(sentences, total_examples=model.corpus_count, epochs=hyperparameters.epochs, callbacks=[Passes()])
    return np.stack([model.wv[word.stem] for word in vocabulary.words]).astype(np.float32)
