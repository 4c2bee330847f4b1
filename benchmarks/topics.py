"""Settings of LDA against what the topics are worth: on real captions, and on generated posts whose topics are known.

Perplexity of held-out captions by document completion, coherence of the topics' leading words (NPMI, in documents that were
not learned from), their diversity, the share of topics that are used, and words that find pictures by the topics of the
pictures' own captions (lifts, one and two words: mAP), or how much of the generator's topics was found.

    python benchmarks/topics.py DATA [--corpus photos-1k photos captions posts-100k posts-1m] [--row NAME]
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from gensim.models.ldamodel import update_dir_prior
from lda import found_share, perplexity
from numpy.typing import NDArray
from posts import Truth, make_truth, posts
from scipy.special import digamma

from topicidx.embedders import lda
from topicidx.embedders.corpus import adapted_min_documents
from topicidx.embedders.lda import LdaHyperparameters, LdaTextEncoder
from topicidx.embedders.online_lda import TopicModel
from topicidx.embedders.protocols import NO_PROGRESS
from topicidx.embedders.training import split_by_key
from topicidx.indexer.sources import open_source
from topicidx.settings import LdaSettings

Float32 = NDArray[np.float32]

KEPT_BACK = 1_200 / 5_713
TOP = 10

ROWS: dict[str, dict[str, Any]] = {
    "default": {},
    "gensim": {"alpha": 1 / 500, "eta": 1 / 500, "decay": 0.5, "offset": 1.0},
    "gensim's schedule": {"decay": 0.5, "offset": 1.0},
    "offset 4": {"offset": 4.0},
    "offset 64": {"offset": 64.0},
    "decay .5": {"decay": 0.5},
    "decay .9": {"decay": 0.9},
    "alpha .02": {"alpha": 0.02},
    "alpha .05": {"alpha": 0.05},
    "alpha .2": {"alpha": 0.2},
    "alpha asymmetric, as large": {"prior": "asymmetric"},
    "alpha learned, from .1": {"prior": "learned"},
    "eta .003": {"eta": 0.003},
    "eta .03": {"eta": 0.03},
    "eta .1": {"eta": 0.1},
    "chunks / 4": {"chunksize": 0.25},
    "chunks x 4": {"chunksize": 4.0},
    "passes x 3": {"passes": 3.0},
    "passes / 3": {"passes": 1 / 3},
    "words of half as many captions": {"min_documents": 0.5},
    "words of twice as many captions": {"min_documents": 2.0},
}


@dataclass(frozen=True)
class Corpus:
    """What is learned from, documents held out, and for photos the captions of those that are asked for."""

    name: str
    documents: Sequence[str]
    held_out: Sequence[str]
    asked: Sequence[str] = ()
    truth: Truth | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with train.csv")
    parser.add_argument("--corpus", nargs="+", default=["photos-1k", "photos", "captions", "posts-100k", "posts-1m"])
    parser.add_argument("--row", action="append", choices=list(ROWS), help="may be given many times; default: all")
    parser.add_argument("--topics", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.corpus:
        corpus = make_corpus(name, arguments.data, arguments.topics)
        print(f"\n{name}: {len(corpus.documents):,} documents\n")
        print("| settings | seconds | words | perplexity | NPMI | diversity | used | 1 word | 2 words | found |")
        print("|" + "---|" * 10)
        with tempfile.TemporaryDirectory(prefix="topicidx-topics-") as folder:
            for row in arguments.row or ROWS:
                print_row(row, corpus, Path(folder), arguments.topics, arguments.seed)


def make_corpus(name: str, data: Path, topics: int) -> Corpus:
    if name.startswith("posts-"):
        count = {"k": 1_000, "m": 1_000_000}[name[-1]] * int(name[6:-1])
        truth = make_truth(topics, 0)
        held_out = list(posts(3_000, truth, 1_000))
        return Corpus(name, list(posts(count, truth, 0)), held_out, held_out, truth)
    train = [post for post in open_source(data / "train.csv").posts() if post.captions]
    learned, asked = split_by_key([post.image for post in train], KEPT_BACK)
    rest = [train[place].captions for place in asked]
    if name == "captions":
        return Corpus(
            name, [text for place in learned for text in train[place].captions], [t for texts in rest for t in texts]
        )
    documents = ["\n".join(train[place].captions) for place in learned]
    together = ["\n".join(texts) for texts in rest]
    return Corpus(name, documents[:1_000] if name == "photos-1k" else documents, together, together)


def print_row(name: str, corpus: Corpus, folder: Path, topics: int, seed: int) -> None:
    settings = scaled(LdaSettings(num_topics=topics), ROWS[name], len(corpus.documents))
    job = LdaTextEncoder.prepare(corpus.documents, settings, seed=seed, progress=NO_PROGRESS, work=folder)
    model = PRIORS[ROWS[name].get("prior", "symmetric")]
    began = time.perf_counter()
    with patch.object(lda, "TopicModel", model):
        text = LdaTextEncoder.learn(job)
    seconds = time.perf_counter() - began
    if model is not TopicModel:
        text._model.alpha = model.last
    bags = [text.vocabulary.bag_of_words(text.normalizer.stems(each)) for each in corpus.held_out]
    phi = text.topic_words
    leading = np.argsort(-phi, axis=1, kind="stable")[:, :TOP]
    words = text.sstats.sum(axis=1)
    used = words > 0.1 * words.mean()
    cells = [
        f"{seconds:.1f}",
        f"{len(text.vocabulary):,}",
        f"{perplexity(phi, bags):.0f}",
        f"{coherence(leading[used], bags):.3f}",
        f"{len(np.unique(leading[used])) / leading[used].size:.2f}",
        f"{used.mean():.2f}",
    ]
    cells += [f"{value:.3f}" for value in retrieval(text, corpus.asked)] if corpus.asked else ["-", "-"]
    cells.append(f"{found_share(phi, corpus.truth, text.vocabulary, text.normalizer):.3f}" if corpus.truth else "-")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


class Asymmetric(TopicModel):
    """gensim's asymmetric prior, of which some topics have more than others, with the sum of the symmetric one."""

    last: Float32

    @classmethod
    def random(cls, words: int, alpha: Float32, eta: float, **given: Any) -> TopicModel:
        shares = 1 / (np.arange(len(alpha)) + np.sqrt(len(alpha)))
        cls.last = (shares / shares.sum() * alpha.sum()).astype(np.float32)
        return super().random(words, cls.last, eta, **given)


class Learned(TopicModel):
    """A prior that each update brings nearer to what it finds, as gensim's `alpha="auto"` does."""

    last: Float32

    def learn(self, *given: Any, keep: float, take: float, **options: Any) -> Float32:
        gamma = super().learn(*given, keep=keep, take=take, **options)
        expected = (digamma(gamma) - digamma(gamma.sum(axis=1, keepdims=True))).mean(axis=0)
        self.alpha = update_dir_prior(self.alpha, len(gamma), expected.astype(np.float32), 1 - keep).astype(np.float32)
        type(self).last = self.alpha
        return gamma


PRIORS: dict[str, Any] = {"symmetric": TopicModel, "asymmetric": Asymmetric, "learned": Learned}


def scaled(settings: LdaSettings, changes: dict[str, Any], documents: int) -> LdaSettings:
    """Chunks, passes and thresholds of a row are multiples of what topicidx takes."""
    usual = LdaHyperparameters.adapted(settings, documents)
    taken = {"chunksize": usual.chunksize, "passes": usual.passes, "min_documents": adapted_min_documents(documents)}
    changes = {name: value for name, value in changes.items() if name != "prior"}
    multiples = {name: max(1, round(taken[name] * changes[name])) for name in taken if name in changes}
    return replace(settings, **(changes | multiples))


def coherence(leading: NDArray[np.int64], bags: list[list[tuple[int, int]]]) -> float:
    """Mean NPMI of the pairs of each topic's leading words, by the documents that hold them."""
    from gensim.corpora import Dictionary
    from gensim.models import CoherenceModel

    # Each word once by itself too: where it is nowhere else gensim divides by zero.
    texts = [[str(word) for word, _ in bag] for bag in bags] + [[str(word)] for word in np.unique(leading)]
    dictionary = Dictionary(texts)
    model = CoherenceModel(
        topics=[[str(word) for word in row] for row in leading], texts=texts, dictionary=dictionary, coherence="c_npmi",
        window_size=10_000, processes=1, topn=TOP,
    )  # fmt: skip
    return float(np.nanmean(model.get_coherence_per_topic()))


def retrieval(text: LdaTextEncoder, asked: Sequence[str]) -> tuple[float, float]:
    """mAP of words and of pairs among documents by their topics; those that hold the words are relevant."""
    lifts = text.encode(asked).astype(np.float64) @ text.word_vectors()[0].T
    held = np.zeros((len(asked), len(text.vocabulary)), dtype=bool)
    for row, document in zip(held, asked, strict=True):
        row[text.words_of(document)[:, 0]] = True
    counts = held.sum(axis=0)
    words = np.flatnonzero((counts >= 15) & (counts <= 0.2 * len(asked)))
    random = np.random.default_rng(0)
    together = np.argwhere(np.triu(held[:, words].T.astype(int) @ held[:, words].astype(int) >= 15, 1))
    pairs = together[random.permutation(len(together))[:300]]
    one = [average_precision(lifts[:, word], held[:, word]) for word in words]
    two = [
        average_precision(lifts[:, words[a]] * lifts[:, words[b]], held[:, words[a]] & held[:, words[b]])
        for a, b in pairs
    ]
    return float(np.mean(one)), float(np.mean(two))


def average_precision(scores: NDArray[np.float64], relevant: NDArray[np.bool_]) -> float:
    ranked = relevant[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(ranked)[ranked] / (np.flatnonzero(ranked) + 1)).mean())


if __name__ == "__main__":
    main()
