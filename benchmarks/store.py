"""The embedded store alone: upserts, opening, exact queries of one to three words, by number of points.

Points are like topic distributions (Dirichlet, 500 topics), words like lifts.

    python benchmarks/store.py [--points 20000 150000]
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.scoring import rank_by_product
from topicidx.indexer.store import PointFilter

TOPICS, WORDS, BATCH, LIMIT = 500, 60, 256, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 150_000])
    print(
        "| points | upserts/s | publish (s) | open (s) | 1 word p50 / p95 (ms) | 2 words | 3 words | 2 words, one city |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for points in parser.parse_args().points:
        with tempfile.TemporaryDirectory() as folder:
            print_row(points, Path(folder))


def print_row(points: int, folder: Path) -> None:
    rng = np.random.default_rng(0)
    with EmbeddedStore.writer(folder, "photos", "benchmark", TOPICS) as writer:
        seconds = 0.0
        for begin in range(0, points, BATCH):
            count = min(BATCH, points - begin)
            thetas = rng.dirichlet(np.full(TOPICS, 0.05), size=count).astype(np.float32)
            payloads = [
                {"city": f"city {number % 10}", "image": f"photos/{number}.jpg"}
                for number in range(begin, begin + count)
            ]
            ids = [uuid.uuid5(uuid.NAMESPACE_URL, str(number)) for number in range(begin, begin + count)]
            began = time.perf_counter()
            writer.upsert(ids, thetas, payloads)
            seconds += time.perf_counter() - began
        began = time.perf_counter()
        writer.checkpoint()
        seconds += time.perf_counter() - began
        began = time.perf_counter()
        writer.publish()
        publish = time.perf_counter() - began
    began = time.perf_counter()
    store = EmbeddedStore.open(folder)
    opening = time.perf_counter() - began
    words = rng.gamma(0.02, 50.0, size=(WORDS, TOPICS)).astype(np.float32)

    def latency(terms: int, where: PointFilter | None = None) -> str:
        weights = np.ones(terms)
        chosen = [rng.choice(WORDS, terms, replace=False) for _ in range(40)]
        took = [timed(lambda rows=rows: rank_by_product(store, words[rows], weights, LIMIT, where)) for rows in chosen]  # type: ignore[misc]
        return f"{1e3 * np.percentile(took, 50):.1f} / {1e3 * np.percentile(took, 95):.1f}"

    cells = [latency(1), latency(2), latency(3), latency(2, PointFilter(("city 3",)))]
    print(
        f"| {points:,} | {points / seconds:,.0f} | {publish:.1f} | {opening:.2f} | " + " | ".join(cells) + " |",
        flush=True,
    )
    store.close()


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
