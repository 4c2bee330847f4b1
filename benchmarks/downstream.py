"""How much of what `topicidx query` finds an app finds that asks Qdrant alone, by the depth of its prefetches.

Pairs of words that at least 15 pictures have both of in their captions, and pairs of such words drawn at random. Measured are the
requests of docs/downstream.md, and the same without their inner level ("flat": each word's best, multiplied, where a
picture that only one list holds scores next to nothing), in qdrant-client's local mode, which is exact.

    python benchmarks/downstream.py [--home FOLDER/.topicidx] [--pairs 60]
"""

import argparse
import random
import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from qdrant_client import QdrantClient

from topicidx import Settings, Workspace
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.index import Index
from topicidx.indexer.server import Connection, server_writer
from topicidx.indexer.store import VectorStore
from topicidx.indexer.stores import open_store, store_address
from topicidx.settings import ServerSettings

LEAST, TOP = 15, 10
DEPTHS = (100, 300, 1_000, 3_000)

Pair = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # the local mode says that it is one
    workspace = Workspace.find(Settings.load(home=arguments.home).home)
    space, client = TopicSpace.load(workspace.space), QdrantClient(":memory:")
    with open_store(store_address(str(workspace.store), workspace.store), "photos") as store:
        index = Index(space, store)
        copy(store, space, client)
        together, at_random = word_pairs(index, arguments.pairs, random.Random(arguments.seed))
        points = store.count()
        print(f"{points:,} pictures; {len(together)} pairs that captions hold, {len(at_random)} at random\n")
        print("| depth | pairs that captions hold: flat | nested | sure | pairs at random: flat | nested | sure |")
        print("|---|---|---|---|---|---|---|", flush=True)
        names = snippets(client)
        for depth in (*(depth for depth in DEPTHS if depth < points), points):
            cells = [cell for pairs in (together, at_random) for cell in measure(index, names, pairs, depth)]
            print(f"| {'all' if depth == points else f'{depth:,}'} | {' | '.join(cells)} |", flush=True)


def copy(store: VectorStore, space: TopicSpace, client: QdrantClient) -> None:
    """Put the pictures and the words where the requests find them."""
    writing = server_writer(
        Connection(client, "memory"), "photos", space.vector_space, space.dimensions, ServerSettings(), words_of=space
    )
    with writing as writer:
        for block in store.blocks():
            writer.upsert(block.ids, block.vectors, block.payloads)
        writer.publish()


def snippets(client: QdrantClient) -> dict[str, Any]:
    """What the Python of the document defines."""
    text = (Path(__file__).parents[1] / "docs" / "downstream.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    with mock.patch("qdrant_client.QdrantClient", return_value=client):
        for snippet in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            # The others are examples, of words that may be unknown here.
            if snippet.startswith(("import", "def", "LIFT")):
                exec(snippet, names)
    return names


def word_pairs(index: Index, number: int, rng: random.Random) -> tuple[list[Pair], list[Pair]]:
    """Pairs of words that enough pictures have both of, and pairs of the same words, whatever pictures have."""
    having: dict[str, set[str]] = {}
    known = index.space.words.vocabulary
    for record in index.store.scroll(["captions"]):
        captions = record.payload["captions"]
        for caption in captions if isinstance(captions, list) else []:
            for stem in known.ids.keys() & index.space.normalizer.stems(str(caption)):
                having.setdefault(stem, set()).add(str(record.id))
    frequent = sorted(stem for stem, pictures in having.items() if len(pictures) >= LEAST)
    pairs = [(a, b) for a, b in combinations(frequent, 2) if len(having[a] & having[b]) >= LEAST]
    word = {stem: known.words[known.ids[stem]].form for stem in frequent}
    together = [(word[a], word[b]) for a, b in rng.sample(pairs, min(number, len(pairs)))]
    at_random = [(word[a], word[b]) for a, b in (rng.sample(frequent, 2) for _ in range(number))]
    return together, at_random


def measure(index: Index, names: Mapping[str, Any], pairs: Sequence[Pair], depth: int) -> list[str]:
    """The share of the first ten that are found by a flat request and by the document's, and the share of pairs for which the
    latter is sure."""
    flat, nested, sure = [], [], []
    for pair in pairs:
        ranked, _ = index.rank(" ".join(pair), limit=TOP)
        wanted = {str(point.id) for point in ranked}
        ids = names["find_words"](" ".join(pair))
        request = names["all_of"](dict.fromkeys(ids.values(), 1), depth)
        found = names["search"](request)
        nested.append(len(wanted & {point.id for point in found}) / TOP)
        inner = request["prefetch"][0]["prefetch"]
        flat.append(len(wanted & {point.id for point in names["search"](request | {"prefetch": inner})}) / TOP)
        sure.append(depth == index.store.count() or found[-1].score >= bound(names, ids.values(), depth))
    return [f"{np.mean(shares):.3f}" for shares in (flat, nested, sure)]


def bound(names: Mapping[str, Any], words: Any, depth: int) -> float:
    """What a picture that no list holds can have at most."""
    ends = [names["search"](names["candidates"](word, 1, 1) | {"offset": depth - 1}) for word in words]
    return float(np.sqrt(np.prod([max(points[0].score, 0.01) for points in ends])))


if __name__ == "__main__":
    main()
