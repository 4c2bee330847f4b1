"""The embedded store alone: upserts, opening, exact queries of one to three words, memory, by number of points.

Points are like topic distributions (Dirichlet, 500 topics), words like lifts. Queries run in a process of their own, which
opens the finished store; its resident memory is told as the part that is its own and the part that is the store's files.

    python benchmarks/store.py [--points 20000 150000]
"""

import argparse
import multiprocessing
import re
import tempfile
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from machine import timed

from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.ranking import rank
from topicidx.indexer.scoring import Scoring
from topicidx.indexer.store import PointFilter

TOPICS, WORDS, BATCH, LIMIT, ROUNDS = 500, 60, 256, 10, 40
COLUMNS = (
    "points", "upserts/s", "publish (s)", "open (s)", "1 word p50 / p95 (ms)", "2 words", "3 words", "1 word, one city",
    "2 words, one city", "memory (MB): own + files (RSS)",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 150_000])
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for points in parser.parse_args().points:
        with tempfile.TemporaryDirectory() as folder:
            cells = [f"{points:,}", *fill(points, Path(folder))]
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                cells += fresh.submit(ask, Path(folder)).result()
            print("| " + " | ".join(cells) + " |", flush=True)


def fill(points: int, folder: Path) -> list[str]:
    """Fill a store: upserts per second, until all are safe on the disk, and seconds to publish them."""
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
            seconds += timed(lambda ids=ids, thetas=thetas, payloads=payloads: writer.upsert(ids, thetas, payloads))  # type: ignore[misc]
        seconds += timed(writer.checkpoint)
        return [f"{points / seconds:,.0f}", f"{timed(writer.publish):.1f}"]


def ask(folder: Path) -> list[str]:
    """Open a store and query it: seconds to open, latencies, memory."""
    rng = np.random.default_rng(1)
    began = time.perf_counter()
    store = EmbeddedStore.open(folder)
    opening = time.perf_counter() - began
    words = rng.gamma(0.02, 50.0, size=(WORDS, TOPICS)).astype(np.float32)

    def latency(terms: int, where: PointFilter | None = None) -> str:
        chosen = [rng.choice(WORDS, terms, replace=False) for _ in range(ROUNDS)]
        weights = np.ones(terms)
        took = [
            timed(lambda rows=rows: rank(store, Scoring(words[rows], weights, "product"), LIMIT, where))
            for rows in chosen
        ]  # type: ignore[misc]
        return f"{1e3 * np.percentile(took, 50):.1f} / {1e3 * np.percentile(took, 95):.1f}"

    city = PointFilter(("city 3",))
    latencies = [latency(1), latency(2), latency(3), latency(1, city), latency(2, city)]
    return [f"{opening:.2f}", *latencies, memory()]


def memory() -> str:
    """Megabytes that this process holds: its own, and of files. The engine maps its files twice, and RSS counts both."""
    status, rollup = Path("/proc/self/status").read_text(), Path("/proc/self/smaps_rollup").read_text()
    megabytes = {name: int(kilobytes) / 1e3 for name, kilobytes in re.findall(r"(\w+):\s+(\d+) kB", status + rollup)}
    return f"{megabytes['RssAnon']:.0f} + {megabytes['Pss_File']:.0f} ({megabytes['VmRSS']:.0f})"


if __name__ == "__main__":
    main()
