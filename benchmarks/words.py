"""How well words find pictures: single words and pairs from a source's own captions, both match modes, exact ranking.

A document is a picture's captions together. Queries: every vocabulary word that at least 15 and at most 20 % of the
pictures have, and 300 random pairs of those that at least 15 pictures have. A picture is relevant when its captions hold
every word of the query. Chance is the same measures over the pictures in an order that has nothing to do with the query.

    python benchmarks/words.py test.csv [--home FOLDER/.topicidx]
"""

import argparse
import random
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import ir_measures
from ir_measures import AP, P

from topicidx import Settings, Workspace
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.settings import Match

LEAST, MOST_SHARE, PAIRS = 15, 0.2, 300
MODES: tuple[Match, ...] = ("mean", "all")

#: Relevant document ids by query.
Relevant = dict[str, set[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    workspace = Workspace.find(Settings.load(home=arguments.home).home)
    source = SourceRegistry(workspace.store).register(open_source(arguments.source))
    with EmbeddedStore.open(workspace.store) as store:
        index = Index(TopicSpace.load(workspace.space), store)
        pictures = stems_by_picture(index, {str(point_id(post.image)): post.captions for post in source.posts()})
        singles, pairs = word_queries(index, pictures, random.Random(arguments.seed))
        print(f"{len(pictures)} pictures, {store.count()} in the store, {len(singles)} words, {len(pairs)} pairs\n")
        print("| scoring | 1 word: mAP | P@5 | 2 words: mAP | P@5 |\n|---|---|---|---|---|")
        ids = sorted(pictures)
        random.Random(arguments.seed).shuffle(ids)
        by_chance = {picture: -float(rank) for rank, picture in enumerate(ids)}
        print_row("chance", [measure(queries, dict.fromkeys(queries, by_chance)) for queries in (singles, pairs)])
        for match in MODES:
            print_row(
                f"--match {match}", [measure(queries, run(index, queries, match)) for queries in (singles, pairs)]
            )


def stems_by_picture(index: Index, captions: dict[str, tuple[str, ...]]) -> dict[str, set[str]]:
    """The vocabulary's stems in each picture's captions."""
    known = index.space.words.vocabulary.ids
    return {
        picture: {stem for caption in texts for stem in index.space.normalizer.stems(caption) if stem in known}
        for picture, texts in captions.items()
    }


def word_queries(index: Index, pictures: dict[str, set[str]], rng: random.Random) -> tuple[Relevant, Relevant]:
    """Single words and pairs with the pictures that are relevant to each."""
    having: dict[str, set[str]] = defaultdict(set)
    for picture, stems in pictures.items():
        for stem in stems:
            having[stem].add(picture)
    vocabulary = index.space.words.vocabulary
    forms = {stem: vocabulary.words[vocabulary.ids[stem]].form for stem in having}
    chosen = sorted(stem for stem, found in having.items() if LEAST <= len(found) <= MOST_SHARE * len(pictures))
    both = [(a, b) for a, b in combinations(chosen, 2) if len(having[a] & having[b]) >= LEAST]
    return (
        {forms[stem]: having[stem] for stem in chosen},
        {f"{forms[a]} {forms[b]}": having[a] & having[b] for a, b in rng.sample(both, min(PAIRS, len(both)))},
    )


def run(index: Index, queries: Relevant, match: Match) -> dict[str, dict[str, float]]:
    """The whole collection ranked for each query: minus the rank, by picture."""
    everything = index.store.count()
    return {
        query: {
            str(point.id): -float(rank)
            for rank, point in enumerate(index.rank(query, match=match, limit=everything)[0])
        }
        for query in queries
    }


def measure(relevant: Relevant, ranked: dict[str, dict[str, float]]) -> tuple[float, float]:
    """Mean average precision and precision at 5."""
    qrels = {query: dict.fromkeys(pictures, 1) for query, pictures in relevant.items()}
    found = ir_measures.calc_aggregate([AP, P @ 5], qrels, ranked)
    return found[AP], found[P @ 5]


def print_row(name: str, cells: list[tuple[float, float]]) -> None:
    print(f"| {name} | " + " | ".join(f"{value:.3f}" for cell in cells for value in cell) + " |")


if __name__ == "__main__":
    main()
