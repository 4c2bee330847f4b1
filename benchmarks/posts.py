"""Posts such as people share: a corpus of any size from a seed, and the topics that it was made of.

Words have Zipf's frequencies; a post speaks of one to three of the topics, at a length that is distributed log-normally, in
words and hashtags, with noise: words that nobody else uses, common words of no topic, addresses, names, emoji. A share of
the posts says again what an earlier one said.

    python benchmarks/posts.py OUT.csv --posts 800000 [--topics 500] [--seed 0]
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOCABULARY = 30_000
#: Words that are most of a topic, and the share of a post's words that come from its topics.
WORDS_OF_TOPIC, TELLING = 120, 0.75
REPEATED = 0.04
BLOCK = 20_000
_STOP_WORDS = ("the", "a", "in", "at", "with", "my", "and", "this", "of", "to")
_EMOJI = ("😍", "🌅", "❤️", "✨", "🔥", "📸", "")


@dataclass(frozen=True)
class Truth:
    """Topics: float64 (topics, words), P(word | topic); words: how each is written."""

    topics: NDArray[np.float64]
    words: list[str]


def make_truth(topics: int, seed: int) -> Truth:
    random = np.random.default_rng([seed, 1])
    zipf = 1 / (np.arange(VOCABULARY) + 10.0)
    zipf /= zipf.sum()
    rows = np.zeros((topics, VOCABULARY))
    for row in rows:
        # Each topic has common words and rare ones; those that many topics could have are shared.
        chosen = random.choice(VOCABULARY, WORDS_OF_TOPIC, replace=False, p=zipf**0.5 / (zipf**0.5).sum())
        row[chosen] = random.dirichlet(np.full(WORDS_OF_TOPIC, 0.25))
    return Truth(rows, [_written(number) for number in range(VOCABULARY)])


def posts(count: int, truth: Truth, seed: int) -> Iterator[str]:
    """The captions, in order."""
    for begin in range(0, count, BLOCK):
        yield from _block(min(BLOCK, count - begin), truth, np.random.default_rng([seed, 2, begin]))


def _block(count: int, truth: Truth, random: np.random.Generator) -> list[str]:
    topics = len(truth.topics)
    popular = 1 / (np.arange(topics) + 20.0)
    background = 1 / (np.arange(VOCABULARY) + 10.0)
    lengths = np.clip(np.exp(random.normal(2.4, 0.6, count)).astype(int), 2, 60)
    owners = np.repeat(np.arange(count), lengths)
    themes = random.choice(topics, (count, 3), p=popular / popular.sum())
    themes = themes[np.arange(count)[:, None], random.integers(0, random.integers(1, 4, count)[:, None], (count, 3))]
    of_topic = themes[owners, random.integers(0, 3, len(owners))]
    cumulative = np.cumsum(truth.topics, axis=1)
    words = np.empty(len(owners), dtype=np.int64)
    draws = random.random(len(owners))
    order = np.argsort(of_topic, kind="stable")
    bounds = np.searchsorted(of_topic[order], np.arange(topics + 1))
    for topic in range(topics):
        places = order[bounds[topic] : bounds[topic + 1]]
        words[places] = np.searchsorted(cumulative[topic], draws[places] * cumulative[topic, -1])
    common = random.random(len(owners)) > TELLING
    words[common] = random.choice(VOCABULARY, int(common.sum()), p=background / background.sum())
    tagged, noise = random.random(len(owners)) < 0.6, random.random(len(owners))
    written = []
    for word, tag, odd in zip(words.tolist(), tagged.tolist(), noise.tolist(), strict=True):
        text = truth.words[word]
        if odd < 0.03:
            text = f"{text}{int(odd * 1e9):x}z"
        elif odd < 0.13:
            text = f"{_STOP_WORDS[word % 10]} {text}"
        written.append("#" + text.replace(" ", " #") if tag else text)
    ends = np.cumsum(lengths).tolist()
    captions = []
    for begin, end, odd in zip([0, *ends[:-1]], ends, random.random(count).tolist(), strict=True):
        text = " ".join(written[begin:end])
        if odd < REPEATED and captions:
            text = captions[int(odd * 1e6) % len(captions)]
        elif odd < 0.3:
            text += " " + _EMOJI[int(odd * 1000) % len(_EMOJI)]
        elif odd < 0.35:
            text += f" @u{int(odd * 1e6)} https://example.org/{int(odd * 1e6)}"
        captions.append(text)
    return captions


def _written(number: int) -> str:
    """A word of its own for each number, which stemming leaves apart from the others."""
    syllables = []
    number += 400
    while number:
        number, syllable = divmod(number, 70)
        syllables.append("bdfgklmnprstvz"[syllable % 14] + "aioue"[syllable // 14])
    return "".join(syllables) + "kx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--posts", type=int, default=800_000)
    parser.add_argument("--topics", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    truth = make_truth(arguments.topics, arguments.seed)
    with arguments.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption"])
        for number, caption in enumerate(posts(arguments.posts, truth, arguments.seed)):
            writer.writerow([f"{number:08d}.jpg", caption])


if __name__ == "__main__":
    main()
