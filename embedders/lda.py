"""LdaTextEncoder: captions to topic distributions with gensim's latent Dirichlet allocation."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from topicidx.embedders.corpus import DiskCorpus, corpus_of_captions, working_folder
from topicidx.embedders.lda_job import LdaJob
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.online_lda import ALONE, Group, ListedBags, TopicModel, learn_topics
from topicidx.embedders.protocols import NO_PROGRESS, Scores, TextProgress
from topicidx.embedders.vocabulary import BagOfWords, Vocabulary
from topicidx.errors import SpaceDamagedError
from topicidx.settings import LdaSettings

if TYPE_CHECKING:
    from gensim.models import LdaModel

logger = logging.getLogger(__name__)

Float32 = NDArray[np.float32]

#: Repeated captions that are named, and how many of one kind are worth a warning.
SHOWN, FLOOD = 10, 100


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

    @property
    def priors(self) -> Float32:
        """The document-topic prior: float32 (topics,)."""
        return np.full(self.num_topics, self.alpha, dtype=np.float32)

    @classmethod
    def adapted(cls, settings: LdaSettings, documents: int) -> "LdaHyperparameters":
        """Settings with every None replaced by what suits a corpus of `documents` documents.

        Chosen in benchmarks/topics.md. Updates take 80 captions a topic: with fewer, most topics get no caption of their
        own in one. Some thirty updates are made at least, for gensim warns below ten. Where an update is less than the whole
        corpus, the first ones must not count for all, the less the more follow: with offset 1, as in gensim, topics stay
        what the first captions made of them. The document-topic prior .1 and topic-word prior .01 let a caption speak of
        several topics at once; gensim's own 1 / num_topics forces it into one, which costs a fifth of the retrieval quality.
        """
        chunksize = min(settings.chunksize or max(64, 80 * settings.num_topics), documents)
        updates_per_pass = -(-documents // chunksize)
        passes = settings.passes or -(-30 // updates_per_pass)
        passes = max(passes, -(-10 // documents))
        if documents * passes < 10 * chunksize:  # fewer than ten updates do not converge
            chunksize = max(1, documents * passes // 10)
        return cls(
            settings.num_topics, passes, chunksize, settings.alpha or 0.1, settings.eta or 0.01, settings.decay or 0.5,
            settings.offset or (1.0 if updates_per_pass == 1 else 4.0 if updates_per_pass < 10 else 16.0),
        )  # fmt: skip


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
        repeated: Sequence[tuple[str, int]] = (),
    ) -> None:
        self.normalizer = normalizer
        self.vocabulary = vocabulary
        self.hyperparameters = hyperparameters
        self.sstats = sstats
        self.topic_prior = topic_prior
        #: Captions that came most often in training, their known words and how often; empty for a restored encoder.
        self.repeated = repeated

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        settings: LdaSettings | None = None,
        *,
        seed: int = 0,
        progress: TextProgress = NO_PROGRESS,
        work: Path | None = None,
    ) -> "LdaTextEncoder":
        """Learn topics from `documents`, each one a picture's captions in one string; the iterable is read once.

        Captions that come many times count little (`topicidx.embedders.repetition`). The same documents, settings and seed
        give the same model to the bit, whatever the number of workers. With `work`, a folder that stays, captions that a
        stopped training had read are not normalised again. Raises TrainingError where the captions do not suffice. Imports
        spaCy.
        """
        with working_folder(work) as folder:
            job = cls.prepare(documents, settings, seed=seed, progress=progress, work=folder)
            learned = job.learned()
            return cls.learn(job, progress) if learned is None else cls._learned(job, **learned)

    @classmethod
    def prepare(
        cls, documents: Iterable[str], settings: LdaSettings | None = None, *, seed: int, progress: TextProgress, work: Path
    ) -> LdaJob:  # fmt: skip
        """Read `documents`, and leave in the folder `work` all that processes need that learn from them together."""
        settings = settings or LdaSettings()
        normalizer, vocabulary, _ = corpus_of_captions(documents, settings, work, progress.read)
        job = LdaJob(work, vocabulary, normalizer, settings, seed)
        job.write()
        return job

    @classmethod
    def learn(cls, job: LdaJob, progress: TextProgress = NO_PROGRESS, group: Group = ALONE) -> "LdaTextEncoder":
        """Learn the topics of a job, alone or with the other processes of `group`, which all get the same."""
        corpus = job.corpus
        repetition = corpus.repetition
        telling = np.flatnonzero(repetition.counts)
        hyperparameters = LdaHyperparameters.adapted(job.settings, len(telling))
        logger.info("training LDA: %d documents, %d words, %s", len(corpus), len(job.vocabulary), hyperparameters)
        model = TopicModel.random(
            len(job.vocabulary), hyperparameters.priors, hyperparameters.eta, seed=job.seed,
            iterations=hyperparameters.iterations, threshold=hyperparameters.gamma_threshold, threads=job.settings.workers,
        )  # fmt: skip
        learn_topics(
            model, corpus, repetition.weights, hyperparameters, seed=job.seed, group=group, on_learned=progress.learned
        )
        # Of all captions, repeated ones too, so that the collection's average has a lift of 1.
        prior = np.full(
            len(hyperparameters.priors), (len(corpus) - repetition.counts.sum()) / hyperparameters.num_topics
        )
        done = 0
        for gamma in model.infer(corpus, telling):
            counts = repetition.counts[telling[done : done + len(gamma)], None]
            prior += (distributions(gamma) * counts).sum(axis=0, dtype=np.float64)
            done += len(gamma)
        return cls._learned(
            job,
            sstats=np.ascontiguousarray(model.statistics.T),
            topic_prior=(prior / prior.sum()).astype(np.float32),
        )

    @classmethod
    def _learned(cls, job: LdaJob, *, sstats: Float32, topic_prior: Float32) -> "LdaTextEncoder":
        hyperparameters = LdaHyperparameters.adapted(job.settings, int((job.corpus.repetition.counts > 0).sum()))
        repeated = _most_repeated(job.corpus, job.vocabulary)
        return cls(
            job.normalizer, job.vocabulary, hyperparameters, sstats=sstats, topic_prior=topic_prior, repeated=repeated
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
        return self.encode_bags([self._bag(text) for text in texts])

    def encode_bags(self, bags: Sequence[BagOfWords]) -> Float32:
        """As `encode`, for texts that are bags of words already."""
        rows = [distributions(gamma) for gamma in self._model.infer(ListedBags(bags))]
        return np.concatenate(rows) if rows else np.empty((0, self.dimensions), dtype=np.float32)

    @cached_property
    def _model(self) -> TopicModel:
        given = self.hyperparameters
        return TopicModel(
            np.ascontiguousarray(self.sstats.T), given.priors, given.eta, iterations=given.iterations,
            threshold=given.gamma_threshold,
        )  # fmt: skip

    def words_of(self, text: str) -> NDArray[np.int32]:
        """The known words of `text`, int32 (n, 2): word id and count."""
        return np.array(self._bag(text), dtype=np.int32).reshape(-1, 2)

    def _bag(self, text: str) -> BagOfWords:
        return self.vocabulary.bag_of_words(self.normalizer.tokens(text))

    def knows(self, text: str) -> bool:
        """True when the vocabulary has a word of `text`."""
        return bool(self._bag(text))

    def word_vectors(self) -> tuple[Float32, Float32]:
        """The two vectors of each vocabulary word, (lift, topics): float32 (words, topics) each.

        lift: P(word | topic) / P(word). Its dot product with a picture's topic distribution says how many times likelier
        than average a caption of that picture holds the word. topics: the word's own topic distribution, as `encode`
        gives it for a text of this word alone; the published method's query vector.
        """
        phi = self.topic_words.astype(np.float64)
        word_probability = self.topic_prior.astype(np.float64) @ phi
        lift = (phi / word_probability).T.astype(np.float32)
        return np.ascontiguousarray(lift), self.encode_bags([[(word, 1)] for word in range(len(self.vocabulary))])

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


def inference(
    model: "LdaModel", chunk: Sequence[BagOfWords], collect_sstats: bool = False
) -> tuple[Float32, Float32 | None]:
    """What `model.inference(chunk, collect_sstats)` returns, many times faster, and from a constant start.

    (gamma, sufficient statistics): float32 (documents, topics) and (topics, words), or None unless asked for. gensim's own
    starts each document at random, so that the same document twice differs.
    """
    compiled = TopicModel(
        np.ascontiguousarray(model.state.sstats.T), model.alpha, float(model.eta[0]), iterations=model.iterations,
        threshold=model.gamma_threshold,
    )  # fmt: skip
    bags = ListedBags(chunk)
    if collect_sstats:
        gamma, statistics = compiled.statistics_of(bags)
        return gamma, np.ascontiguousarray(statistics.T)
    return np.concatenate([np.empty((0, compiled.topics), np.float32), *compiled.infer(bags)]), None


def distributions(gamma: Float32) -> Float32:
    """Topic distributions by their parameters: float32 (n, topics) each, rows of the result sum to 1."""
    exact = gamma.astype(np.float64)
    shares: Float32 = (exact / exact.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _most_repeated(corpus: DiskCorpus, vocabulary: Vocabulary) -> list[tuple[str, int]]:
    repetition, found = corpus.repetition, []
    for times, example in zip(repetition.times[:SHOWN].tolist(), repetition.examples[:SHOWN].tolist(), strict=True):
        begin, end = corpus.offsets[example : example + 2]
        found.append((" ".join(vocabulary.words[word].form for word in corpus.ids[begin:end]), times))
    if found and found[0][1] >= FLOOD:
        logger.warning(
            "%d captions say again what another one says, the most frequent, of the words %r, %d times: more than two of the "
            "same words hardly count more",
            repetition.repeated,
            found[0][0],
            found[0][1],
        )
    return found


def _empty_gensim_model(vocabulary: Vocabulary, hyperparameters: LdaHyperparameters) -> "LdaModel":
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
        random_state=0,  # its random topics are replaced
        minimum_probability=0.0,
    )
