"""Queries of several words over a large embedded store: agreement with brute force and latency, by candidate depth.

Points: mixtures of the pictures of a store (see approximate.py), in ten cities. Queries: words of the vocabulary, drawn
by how many captions hold them, none twice in a query. A query agrees where its first ten score what the first ten of a
comparison with every point outside the engine score. "depth": candidates of each word's list in the first and only round;
"until exact": as searches are, the depth growing until no other picture can be among the best. Latencies are those of
`rank`, in a process that has opened the store.

    python benchmarks/search.py [--home FOLDER/.topicidx] [--points 150000] [--queries 100]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from approximate import ONE_CITY, Collection

from topicidx import Settings, Workspace
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.ranking import rank
from topicidx.indexer.scoring import Float64, Scoring
from topicidx.indexer.store import PointFilter

LIMIT, BATCH = 10, 1_000
DEPTHS = (64, 128, 256, 512, 1_024, 2_048, 4_096)


@dataclass(frozen=True)
class Kind:
    """Queries alike: the weights of their words, and whether one city alone is asked for."""

    name: str
    weights: tuple[float, ...]
    one_city: bool = False


KINDS = (
    Kind("1 word", (1,)),
    Kind("2 words", (1, 1)),
    Kind("3 words", (1, 1, 1)),
    Kind("4 words", (1, 1, 1, 1)),
    Kind("1 word, 1 pushed down", (1, -1)),
    Kind("2 words, 1 pushed down", (1, 1, -1)),
    Kind("2 words, one city", (1, 1), one_city=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--points", type=int, default=150_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    workspace = Workspace.find(Settings.load(home=arguments.home).home)
    space = TopicSpace.load(workspace.space)
    with EmbeddedStore.open(workspace.store) as store:
        pictures = store.vectors(sorted(record.id for record in store.scroll([])))
    collection = Collection(pictures, arguments.points, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), collection, space)
        everything = np.concatenate([vectors for vectors, _ in collection.blocks()])
        cities = np.concatenate([cities for _, cities in collection.blocks()])
        with EmbeddedStore.open(Path(folder)) as store:
            store.search(everything[:1], LIMIT)
            print(f"{len(everything):,} points, {arguments.queries} queries of each kind: agreement, ms p50 / p95\n")
            heads = ["", *(f"depth {depth:,}" for depth in DEPTHS), "until exact"]
            print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
            for kind in KINDS:
                queries = list(asked(space, kind, arguments.queries, arguments.seed))
                among = PointFilter((f"city {ONE_CITY}",)) if kind.one_city else None
                rows = everything[cities == ONE_CITY] if kind.one_city else everything
                best = [np.sort(query.score(rows))[::-1][:LIMIT] for query in queries]
                cells = [measured(store, queries, best, among, depth) for depth in (*DEPTHS, None)]
                print(f"| {' | '.join([kind.name, *cells])} |", flush=True)


def fill(folder: Path, collection: Collection, space: TopicSpace) -> None:
    number = 0
    with EmbeddedStore.writer(folder, "photos", space.vector_space, space.dimensions) as writer:
        for vectors, cities in collection.blocks():
            for begin in range(0, len(vectors), BATCH):
                some = vectors[begin : begin + BATCH]
                ids = [UUID(int=number + place) for place in range(len(some))]
                payloads = [{"city": f"city {city}"} for city in cities[begin : begin + BATCH]]
                writer.upsert(ids, some, payloads)
                number += len(some)
        writer.publish()


def asked(space: TopicSpace, kind: Kind, count: int, seed: int) -> Iterator[Scoring]:
    rng = np.random.default_rng((seed, len(kind.name)))
    seen = np.array([word.documents for word in space.words.vocabulary.words], dtype=np.float64)
    for _ in range(count):
        words = rng.choice(len(seen), len(kind.weights), replace=False, p=seen / seen.sum()).tolist()
        yield Scoring(space.words.vectors("lift", words), np.array(kind.weights, dtype=np.float64), "product")


def measured(
    store: EmbeddedStore, queries: list[Scoring], best: list[Float64], among: PointFilter | None, depth: int | None
) -> str:
    agree, took = [], []
    for query, expected in zip(queries, best, strict=True):
        began = time.perf_counter()
        ranked = rank(store, query, LIMIT, among, first_depth=depth, rounds=None if depth is None else 1)
        took.append(1e3 * (time.perf_counter() - began))
        found = np.array([point.score for point in ranked])
        agree.append(len(found) == len(expected) and bool(np.allclose(found, expected, rtol=1e-4)))
    p50, p95 = np.percentile(took, (50, 95))
    return f"{np.mean(agree):.0%}, {p50:.1f} / {p95:.1f}"


if __name__ == "__main__":
    main()
