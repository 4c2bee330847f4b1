"""LdaTextEncoder: captions to topic distributions with gensim's latent Dirichlet allocation."""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from topicidx.embedders.corpus import DiskCorpus, build_corpus
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.protocols import PassDone, Scores
from topicidx.embedders.vocabulary import BagOfWords, Vocabulary
from topicidx.errors import SpaceDamagedError, TrainingError
from topicidx.settings import LdaSettings

if TYPE_CHECKING:
    from gensim.models import LdaModel

logger = logging.getLogger(__name__)

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LdaHyperparameters:
    """What gensim's LDA was trained with, every value decided."""

    num_topics: int
    passes: int
    chunksize: int
    alpha: float
    eta: float
    decay: float = 0.5
    offset: float = 1.0
    iterations: int = 50
    gamma_threshold: float = 0.001

    @classmethod
    def adapted(cls, settings: LdaSettings, documents: int) -> "LdaHyperparameters":
        """Settings with every None replaced by what suits a corpus of `documents` documents.

        Online variational Bayes needs some dozens of updates to converge (gensim warns below ten): small corpora get
        small chunks and many passes. The document-topic prior .1 and topic-word prior .01 let a caption speak of several
        topics at once; gensim's own 1 / num_topics forces it into one, which costs a fifth of the retrieval quality.
        """
        chunksize = min(settings.chunksize or max(64, min(-(-documents // 3), 5_000)), documents)
        updates_per_pass = -(-documents // chunksize)
        passes = settings.passes or -(-30 // updates_per_pass)
        passes = max(passes, -(-10 // documents))
        if documents * passes < 10 * chunksize:  # fewer than ten updates do not converge
            chunksize = max(1, documents * passes // 10)
        return cls(settings.num_topics, passes, chunksize, settings.alpha or 0.1, settings.eta or 0.01)


class LdaTextEncoder:
    """A trained topic model over captions.

    topic_words (phi): float32 (topics, words), P(word | topic), rows sum to 1.
    topic_prior (p(k)): float32 (topics,), the mean topic weight over the training captions, sums to 1.
    """

    name = "lda"
    #: Dot products of an image vector with this encoder's lift vectors are ratios of probabilities.
    scores: Scores = "lift"

    def __init__(
        self,
        normalizer: CaptionNormalizer,
        vocabulary: Vocabulary,
        hyperparameters: LdaHyperparameters,
        *,
        sstats: Float32,
        topic_prior: Float32,
    ) -> None:
        self.normalizer = normalizer
        self.vocabulary = vocabulary
        self.hyperparameters = hyperparameters
        self.sstats = sstats
        self.topic_prior = topic_prior

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        settings: LdaSettings | None = None,
        *,
        seed: int = 0,
        on_pass: PassDone | None = None,
    ) -> "LdaTextEncoder":
        """Learn topics from `documents`, each one a picture's captions in one string; the iterable is read once.

        The same documents, settings and seed give the same model to the bit. Raises TrainingError where the captions do
        not suffice. Imports gensim and spaCy.
        """
        settings = settings or LdaSettings()
        normalizer = CaptionNormalizer.for_language(
            settings.language, punctuation=settings.punctuation, extra_stop_words=settings.extra_stop_words
        )
        with tempfile.TemporaryDirectory(prefix="topicidx-corpus-") as folder:
            vocabulary, corpus = build_corpus(
                documents,
                normalizer,
                Path(folder),
                min_documents=settings.min_documents,
                max_document_share=settings.max_document_share,
            )
            if len(vocabulary) < 2:
                raise TrainingError(
                    f"only the word {vocabulary.words[0].form!r} is left of the captions; give more captions"
                )
            hyperparameters = LdaHyperparameters.adapted(settings, len(corpus))
            logger.info("training LDA: %d documents, %d words, %s", len(corpus), len(vocabulary), hyperparameters)
            model = _empty_gensim_model(vocabulary, hyperparameters, seed)
            model.update(_CountedPasses(corpus, hyperparameters.passes, on_pass) if on_pass else corpus)
            prior = np.zeros(hyperparameters.num_topics, dtype=np.float64)
            for theta in _infer(model, corpus):
                prior += theta
        return cls(
            normalizer,
            vocabulary,
            hyperparameters,
            sstats=np.ascontiguousarray(model.state.sstats, dtype=np.float32),
            topic_prior=(prior / prior.sum()).astype(np.float32),
        )

    @property
    def dimensions(self) -> int:
        """The number of topics."""
        return self.hyperparameters.num_topics

    @cached_property
    def topic_words(self) -> Float32:
        weights = self.sstats.astype(np.float64) + self.hyperparameters.eta
        phi: Float32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return phi

    @cached_property
    def gensim_model(self) -> "LdaModel":
        """The gensim model, rebuilt bit for bit."""
        model = _empty_gensim_model(self.vocabulary, self.hyperparameters)
        model.state.sstats[...] = self.sstats
        model.sync_state()
        return model

    def encode(self, texts: Sequence[str]) -> Float32:
        """Topic distributions of `texts`: float32 (n, topics), rows sum to 1.

        Each row depends on its text's words alone, to the bit: not on their order, nor on the other texts. A text
        without any known word gets the prior of a document: the same weight on every topic.
        """
        rows = list(_infer(self.gensim_model, (self._bag(text) for text in texts)))
        return np.stack(rows) if rows else np.empty((0, self.dimensions), dtype=np.float32)

    def words_of(self, text: str) -> NDArray[np.int32]:
        """The known words of `text`, int32 (n, 2): word id and count."""
        return np.array(self._bag(text), dtype=np.int32).reshape(-1, 2)

    def _bag(self, text: str) -> BagOfWords:
        return self.vocabulary.bag_of_words(self.normalizer.stems(text))

    def knows(self, text: str) -> bool:
        """True when the vocabulary has a word of `text`."""
        return any(stem in self.vocabulary.ids for stem in self.normalizer.stems(text))

    def word_vectors(self) -> tuple[Float32, Float32]:
        """The two vectors of each vocabulary word, (lift, topics): float32 (words, topics) each.

        lift: P(word | topic) / P(word). Its dot product with a picture's topic distribution says how many times likelier
        than average a caption of that picture holds the word. topics: the word's own topic distribution, as `encode`
        gives it for a text of this word alone; the published method's query vector.
        """
        phi = self.topic_words.astype(np.float64)
        word_probability = self.topic_prior.astype(np.float64) @ phi
        lift = (phi / word_probability).T.astype(np.float32)
        topics = np.stack(list(_infer(self.gensim_model, ([(word, 1)] for word in range(len(self.vocabulary))))))
        return np.ascontiguousarray(lift), topics

    def tensors(self) -> dict[str, Float32]:
        """The arrays that make up the model, for a topic space bundle."""
        return {"sstats": self.sstats, "topic_prior": self.topic_prior}

    def settings_json(self) -> dict[str, Any]:
        """All of the model that is no array, for a topic space bundle."""
        return asdict(self.hyperparameters)

    @classmethod
    def restore(
        cls, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any], normalizer: CaptionNormalizer,
        vocabulary: Vocabulary,
    ) -> "LdaTextEncoder":  # fmt: skip
        """The encoder that `tensors` and `settings_json` described. Raises SpaceDamagedError where they do not fit."""
        try:
            hyperparameters = TypeAdapter(LdaHyperparameters).validate_python(asdict(LdaHyperparameters(**settings)))
            sstats, prior = tensors["sstats"], tensors["topic_prior"]
        except ValidationError as error:
            problem = error.errors()[0]
            raise SpaceDamagedError(
                f"the topic model does not fit its description: {problem['loc'][0]}: {problem['msg']}"
            ) from error
        except (KeyError, TypeError) as error:
            raise SpaceDamagedError(f"the topic model does not fit its description: {error}") from error
        expected = (hyperparameters.num_topics, len(vocabulary))
        if sstats.shape != expected or prior.shape != expected[:1]:
            raise SpaceDamagedError(
                f"the topic model is {sstats.shape} and {prior.shape}, not {expected} and {expected[:1]}"
            )
        return cls(normalizer, vocabulary, hyperparameters, sstats=sstats, topic_prior=prior)


class _ConstantStart:
    """Stands in for gensim's random state: every document's inference starts from the same gamma."""

    def gamma(self, shape: float, scale: float, size: tuple[int, ...]) -> NDArray[np.float64]:
        return np.full(size, shape * scale, dtype=np.float64)


def _infer(model: "LdaModel", bags: Iterable[BagOfWords]) -> Iterable[Float32]:
    """Topic distribution of each bag of words: the one place where captions become topics.

    gensim's variational inference from a constant start, one document at a time, so that the result depends on the
    document alone. Leaves the model without its random state: it must not be trained further.
    """
    model.random_state = _ConstantStart()
    for bag in bags:
        gamma = model.inference([bag])[0][0].astype(np.float64)
        yield (gamma / gamma.sum()).astype(np.float32)


class _CountedPasses:
    """A corpus that says when it has been read once more."""

    def __init__(self, corpus: DiskCorpus, passes: int, on_pass: PassDone) -> None:
        self.corpus = corpus
        self.passes = passes
        self.on_pass = on_pass
        self.done = 0

    def __len__(self) -> int:
        return len(self.corpus)

    def __iter__(self) -> Iterator[BagOfWords]:
        yield from self.corpus
        self.done += 1
        self.on_pass(self.done, self.passes)


def _empty_gensim_model(vocabulary: Vocabulary, hyperparameters: LdaHyperparameters, seed: int = 0) -> "LdaModel":
    from gensim.models import LdaModel

    return LdaModel(
        id2word={index: word.stem for index, word in enumerate(vocabulary.words)},
        num_topics=hyperparameters.num_topics,
        passes=hyperparameters.passes,
        chunksize=hyperparameters.chunksize,
        alpha=[hyperparameters.alpha] * hyperparameters.num_topics,
        eta=[hyperparameters.eta] * len(vocabulary),
        decay=hyperparameters.decay,
        offset=hyperparameters.offset,
        iterations=hyperparameters.iterations,
        gamma_threshold=hyperparameters.gamma_threshold,
        eval_every=None,
        random_state=seed,
        minimum_probability=0.0,
    )
