"""Searches that may miss a picture beside the exact scan: what they find, what they take.

Points: the pictures of a store; then mixtures of two or three of them (Dirichlet(0.5) weights) times log-normal noise
(sigma 0.3), divided by their sum, in ten cities at random. Queries: lift vectors of words drawn at random from the
vocabulary; vectors of pictures, divided by the topics' prior; pairs of words, drawn by how often they were seen, ranked by
the product of their lifts. Recall is of the 10 best (words, 128: of the 128 best, which products start from), by
comparison with every point, outside the engine; "worst" is the mean of the tenth of the queries that fare worst. Each
shard is made in one process and each search runs in another, on files that the page cache holds; there each query is asked
exactly too, right before: "times" is the median of how many times as long that took.

    python benchmarks/approximate.py [--home FOLDER/.topicidx] [--points 150000 1000000]
"""

import argparse
import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from topicidx import Settings, Workspace
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.embedded.writer import size_of
from topicidx.indexer.ranking import rank
from topicidx.indexer.scoring import Scoring, geometric_mean
from topicidx.indexer.store import PointFilter, ScoredIds, VectorStore

TOPICS, LIMIT, CITIES, ONE_CITY = 500, 10, 10, 3
WORDS, PICTURES, PAIRS, BLOCK, BATCH = 200, 100, 50, 10_000, 1_000

Float32 = NDArray[np.float32]
#: Point numbers, a row for each query.
Best = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class Layout:
    """How points are kept, and the ways to search them, by name."""

    config: edge.EdgeConfig
    searches: dict[str, edge.SearchParams]


def config(quantization: Any = None, datatype: Any = None, graph: int = 0) -> edge.EdgeConfig:
    """The settings of a shard of topic distributions without a log."""
    vectors = edge.EdgeVectorParams(
        size=TOPICS, distance=edge.Distance.Dot, datatype=datatype, quantization_config=quantization
    )
    # Segments of fewer kilobytes are not quantized; the engine's own limit would leave small collections out.
    optimizers = edge.EdgeOptimizersConfig(indexing_threshold=1_000)
    hnsw = edge.HnswIndexConfig(m=graph, ef_construct=100, full_scan_threshold=100)
    return edge.EdgeConfig(vectors=vectors, hnsw_config=hnsw, optimizers=optimizers, wal_enabled=False)


def int8() -> edge.ScalarQuantizationConfig:
    return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, memory=edge.Memory.Pinned)


def turbo(bits: edge.TurboQuantBitSize) -> edge.TurboQuantQuantizationConfig:
    return edge.TurboQuantQuantizationConfig(bits=bits, memory=edge.Memory.Pinned)


def rescored(*factors: float) -> dict[str, edge.SearchParams]:
    """Scans of the quantized vectors; so many times the points that are wanted are then scored by the whole vectors."""
    return {
        f"x {factor:g}": edge.SearchParams(
            quantization=edge.QuantizationSearchParams(ignore=False, rescore=True, oversampling=factor)
        )
        for factor in factors
    }


EXACT = {"exact": edge.SearchParams(exact=True)}
LAYOUTS = {
    "float32": Layout(config(), EXACT),
    "turbo 16 bits alone": Layout(config(datatype=edge.VectorStorageDatatype.Turbo16), EXACT),
    "int8": Layout(config(int8()), rescored(8)),
    "turbo 8 bits": Layout(config(turbo(edge.TurboQuantBitSize.Bits8)), rescored(1, 2)),
    "turbo 4 bits": Layout(config(turbo(edge.TurboQuantBitSize.Bits4)), rescored(2, 4, 8)),
    "hnsw": Layout(config(graph=16), {"ef 512": edge.SearchParams(hnsw_ef=512)}),
}


@dataclass(frozen=True)
class Questions:
    """Queries of one kind: float32 (n, terms, TOPICS)."""

    name: str
    queries: Float32
    limit: int = LIMIT
    where: PointFilter | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--points", type=int, nargs="*", default=[150_000])
    parser.add_argument("--only", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS), metavar="LAYOUT")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    workspace = Workspace.find(Settings.load(home=arguments.home).home)
    thetas, questions = read(workspace, arguments.seed)
    for points in (0, *arguments.points):
        compare(Collection(thetas, points, arguments.seed), questions, arguments.only)


def read(workspace: Workspace, seed: int) -> tuple[Float32, list[Questions]]:
    """The store's vectors in the order of their ids, and the questions."""
    space, rng = TopicSpace.load(workspace.space), np.random.default_rng(seed)
    with EmbeddedStore.open(workspace.store) as store:
        thetas = store.vectors(sorted(record.id for record in store.scroll([])))
    if thetas.shape[1] != TOPICS:
        raise SystemExit(f"this benchmark is for spaces of {TOPICS} topics, not {thetas.shape[1]}")
    seen = np.array([word.documents for word in space.words.vocabulary.words], dtype=np.float64)
    words = space.words.vectors("lift", rng.choice(len(seen), WORDS, replace=False).tolist())[:, None]
    pictures = (thetas[rng.choice(len(thetas), PICTURES, replace=False)] / space.topic_prior)[:, None]
    pairs = [rng.choice(len(seen), 2, replace=False, p=seen / seen.sum()).tolist() for _ in range(PAIRS)]
    return thetas, [
        Questions("words", words),
        Questions("words, 128", words, limit=128),
        Questions("words, one city", words, where=PointFilter((f"city {ONE_CITY}",))),
        Questions("pictures", pictures),
        Questions("pairs", np.stack([space.words.vectors("lift", pair) for pair in pairs])),
    ]


@dataclass(frozen=True)
class Collection:
    """`size` mixtures of pictures, or, where it is 0, the pictures themselves."""

    thetas: Float32
    size: int
    seed: int

    def __len__(self) -> int:
        return self.size or len(self.thetas)

    def blocks(self) -> Iterator[tuple[Float32, NDArray[np.int64]]]:
        """Vectors and cities of the points, the same each time."""
        for begin in range(0, len(self), BLOCK):
            count = min(BLOCK, len(self) - begin)
            rng = np.random.default_rng((self.seed, begin))
            cities = rng.integers(CITIES, size=count)
            yield (self._mixtures(count, rng) if self.size else self.thetas[begin : begin + count]), cities

    def _mixtures(self, count: int, rng: np.random.Generator) -> Float32:
        weights = rng.dirichlet((0.5, 0.5, 0.5), count).astype(np.float32)
        weights[rng.random(count) < 0.5, 2] = 0
        parts = self.thetas[rng.integers(len(self.thetas), size=(3, count))]
        mixed = sum(part * weight[:, None] for part, weight in zip(parts, weights.T, strict=True))
        noisy = mixed * np.exp(0.3 * rng.standard_normal(mixed.shape, dtype=np.float32))
        return cast(Float32, noisy / noisy.sum(axis=1, keepdims=True))


def compare(collection: Collection, questions: Sequence[Questions], layouts: Sequence[str]) -> None:
    """Print a table: a row for each search."""
    answers = in_process(answer, collection, questions)
    largest = np.median(next(collection.blocks())[0].max(axis=1))
    print(f"\n{len(collection):,} points, largest topic {largest:.3f} (median); recall (worst), ms p50 / p95, times\n")
    heads = ["search", "build (s)", "disk (MB)", "memory: own + mapped (MB)", *(asked.name for asked in questions)]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for layout in layouts:
        with tempfile.TemporaryDirectory() as folder:
            shard = Path(folder) / "shard"
            seconds, size = in_process(build, shard, collection, layout)
            for search in LAYOUTS[layout].searches:
                memory, cells = in_process(measure, shard, layout, search, questions, answers)
                row = [f"{layout}, {search}", f"{seconds:.0f}", f"{size / 1e6:.0f}", memory, *cells]
                print(f"| {' | '.join(row)} |", flush=True)


def in_process(call: Callable[..., T], *arguments: object) -> T:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def answer(collection: Collection, questions: Sequence[Questions]) -> list[Best]:
    """The best points for each query, by comparison with every point."""
    best = [(np.empty((len(kind.queries), 0)), np.empty((len(kind.queries), 0), dtype=np.int64)) for kind in questions]
    begin = 0
    for thetas, cities in collection.blocks():
        for number, asked in enumerate(questions):
            among = np.flatnonzero(cities == ONE_CITY) if asked.where else np.arange(len(thetas))
            lifts = (asked.queries @ thetas[among].T).astype(np.float64)
            terms = lifts.shape[1]
            scores = lifts[:, 0] if terms == 1 else geometric_mean(np.moveaxis(lifts, 1, 2), np.ones(terms))
            scores = np.concatenate((best[number][0], scores), axis=1)
            ids = np.concatenate((best[number][1], np.broadcast_to(among + begin, lifts[:, 0].shape)), axis=1)
            order = np.argpartition(-scores, asked.limit, axis=1)[:, : asked.limit]
            best[number] = np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)
        begin += len(thetas)
    return [ids for _, ids in best]


def build(folder: Path, collection: Collection, layout: str) -> tuple[float, int]:
    """Make a shard. Gives the seconds that took, without those for making up the points, and its bytes on the disk."""
    folder.mkdir()
    shard = edge.EdgeShard.create(str(folder), LAYOUTS[layout].config)
    shard.update(edge.UpdateOperation.create_field_index("city", edge.PayloadSchemaType.Keyword))
    seconds, numbers = 0.0, itertools.count()
    for thetas, cities in collection.blocks():
        began = time.perf_counter()
        for rows in range(0, len(thetas), BATCH):
            block = zip(thetas[rows : rows + BATCH].tolist(), cities[rows : rows + BATCH], strict=True)
            points = [edge.Point(UUID(int=next(numbers)), theta, {"city": f"city {city}"}) for theta, city in block]
            shard.update(edge.UpdateOperation.upsert_points(points))
        seconds += time.perf_counter() - began
    began = time.perf_counter()
    shard.optimize()
    shard.flush()
    shard.close()
    seconds += time.perf_counter() - began
    edge.EdgeShard.load(str(folder)).close()  # the first opening removes what the optimizer left behind
    return seconds, size_of(folder)


def measure(
    folder: Path, layout: str, search: str, questions: Sequence[Questions], answers: Sequence[Best]
) -> tuple[str, list[str]]:
    """Ask everything. Gives the memory that opening the shard and searching for words took, and a cell for each kind."""
    before, memory, cells = resident(), "", []
    store = Searched(edge.EdgeShard.load(str(folder)), LAYOUTS[layout].searches[search])
    exactly = replace(store, parameters=EXACT["exact"])
    for asked, wanted in zip(questions, answers, strict=True):
        found = [ask(store, query, asked) for query in asked.queries]
        memory = memory or " + ".join(f"{(now - then) / 1e6:.0f}" for now, then in zip(resident(), before, strict=True))
        recalls = [
            len(set(ids) & {point.int for point in row}) / len(ids)
            for ids, row in zip(wanted.tolist(), found, strict=True)
        ]
        worst = np.sort(recalls)[: len(recalls) // 10].mean()
        both = [[timed(way, query, asked) for way in (exactly, store)] for query in asked.queries]
        exact, took = np.array(both).T
        p50, p95 = 1e3 * np.percentile(took, (50, 95))
        cells.append(f"{np.mean(recalls):.3f} ({worst:.3f}), {p50:.1f} / {p95:.1f}, {np.median(exact / took):.1f}")
    return memory, cells


def timed(store: "Searched", query: Float32, asked: Questions) -> float:
    began = time.perf_counter()
    ask(store, query, asked)
    return time.perf_counter() - began


def ask(store: "Searched", query: Float32, asked: Questions) -> list[UUID]:
    if len(query) == 1:
        return store.search(query, asked.limit, asked.where)[0].ids
    scoring = Scoring(query, np.ones(len(query)), "product")
    ranked = rank(cast(VectorStore, store), scoring, asked.limit, asked.where)
    return [point.id for point in ranked]


@dataclass(frozen=True)
class Searched:
    """What the ranking by products asks of a store. Points that it names are scored exactly."""

    shard: edge.EdgeShard
    parameters: edge.SearchParams

    def count(self, where: PointFilter | None = None) -> int:
        return self.shard.count(edge.CountRequest(filter=condition(where)))

    def search(self, vectors: Float32, limit: int, where: PointFilter | None = None, **_: bool) -> list[ScoredIds]:
        parameters = EXACT["exact"] if where and where.ids is not None else self.parameters
        requests = [
            edge.QueryRequest(limit=limit, query=edge.Query.Nearest(vector), filter=condition(where), params=parameters)
            for vector in vectors.tolist()
        ]
        return [
            ScoredIds([UUID(str(point.id)) for point in found], np.array([point.score for point in found]))
            for found in self.shard.query_batch(edge.QueryBatchRequest(requests))
        ]


def condition(where: PointFilter | None) -> edge.Filter | None:
    if where is None:
        return None
    if where.ids is not None:
        return edge.Filter(must=[edge.HasIdCondition(set(where.ids))])
    return edge.Filter(must=[edge.FieldCondition("city", match=edge.MatchAny(list(where.cities)))])


def resident() -> tuple[int, int]:
    """Bytes of memory that this process has of its own, and of files mapped into it."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["RssAnon"].split()[0]), 1024 * int(status["RssFile"].split()[0])


if __name__ == "__main__":
    main()
