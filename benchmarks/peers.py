"""Beside what people use today, on the same pictures, in the same run; each as its users install it from PyPI (`.[bench]`).

    python benchmarks/peers.py [--seconds 8] [--points 20000 150000] [--only images cold stores]

images: pictures of 300 x 300 encoded by topicidx (GoogLeNet with its three deep heads), by CLIP ViT-B/32 in open_clip, which
is the network that rclip and clip-retrieval run, and by torchvision's ResNet-50; random weights, which are as fast as others.
cold: a process that answers one query of two words, beside one that imports open_clip, builds the model, and encodes the words.
stores: the same vectors in the embedded store, in qdrant-client's local mode, in faiss and in hnswlib; queries are lift vectors
of words; recall@10 by comparison with every point. The HNSW graphs are searched as widely as recall@10 of .99 takes, or at most
by 2,048. Each is filled, written and queried in processes of their own.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import TOPICS, in_process, machine, make_space, repeated, spread, table, thetas, timed
from numpy.typing import NDArray
from query import cold_query, fill

from topicidx.indexer.embedded.writer import size_of

Float32 = NDArray[np.float32]
PICTURES, BATCH, ASKED, LIMIT, ENOUGH, WIDEST = 32, 32, 100, 10, 0.99, 2_048
STORES = ("topicidx", "qdrant-client local", "faiss, flat", "faiss, HNSW", "hnswlib")
OPEN_CLIP = (
    "import open_clip, torch\n"
    "model = open_clip.create_model('ViT-B-32').eval()\n"
    "tokens = open_clip.get_tokenizer('ViT-B-32')(['sunrise beach'])\n"
    "with torch.inference_mode(): model.encode_text(tokens)\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--points", type=int, nargs="*", default=[20_000])
    parser.add_argument("--only", nargs="*", default=["images", "cold", "stores"])
    parser.add_argument("--store", nargs=3, metavar=("NAME", "FOLDER", "STEP"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.store:
        name, folder, step = arguments.store
        print(json.dumps(STEPS[step](name, Path(folder))))
        return
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = make_space(folder / "space")
        if "images" in arguments.only:
            images(folder, space, arguments.seconds)
        if "cold" in arguments.only:
            cold(folder, space)
        if "stores" in arguments.only:
            for points in arguments.points:
                stores(folder / f"stores{points}", space, points)


def images(folder: Path, space: Any, seconds: float) -> None:
    """Pictures a second, from files and from pixels prepared before, each for `seconds`, in two turns."""
    import open_clip
    import torch
    from ingest import make_pictures
    from PIL import Image
    from torchvision.models import ResNet50_Weights, resnet50

    make_pictures(folder / "photos", PICTURES)
    files = sorted((folder / "photos").iterdir())
    encoder = space.image_encoder
    clip, _, clip_transform = open_clip.create_model_and_transforms("ViT-B-32")
    clip.eval()
    resnet = resnet50().eval()
    resnet_transform = ResNet50_Weights.IMAGENET1K_V2.transforms()

    def opened(file: Path) -> Image.Image:
        with Image.open(file) as image:
            return image.convert("RGB")

    @torch.inference_mode()
    def by_clip(pixels: list[Any]) -> None:
        clip.encode_image(torch.stack(pixels))

    @torch.inference_mode()
    def by_resnet(pixels: list[Any]) -> None:
        resnet(torch.stack(pixels))

    ways: dict[str, tuple[Callable[[Image.Image], Any], Callable[[list[Any]], Any]]] = {
        "topicidx, GoogLeNet": (encoder.prepare, encoder.encode),
        "open_clip, ViT-B/32": (clip_transform, by_clip),
        "torchvision, ResNet-50": (resnet_transform, by_resnet),
    }
    prepared = {name: [prepare(opened(file)) for file in files] for name, (prepare, _) in ways.items()}
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(2):
        for name, (prepare, encode) in ways.items():

            def from_files(prepare: Any = prepare, encode: Any = encode) -> None:
                for begin in range(0, PICTURES, BATCH):
                    encode([prepare(opened(file)) for file in files[begin : begin + BATCH]])

            def from_pixels(pixels: Any = prepared[name], encode: Any = encode) -> None:
                for begin in range(0, PICTURES, BATCH):
                    encode(pixels[begin : begin + BATCH])

            rates[name].append((_rate(from_pixels, seconds / 4), _rate(from_files, seconds / 4)))
    ours = np.median([pixels for pixels, _ in rates["topicidx, GoogLeNet"]])
    rows = []
    for name, found in rates.items():
        pixels, whole = np.median(found, axis=0)
        rows.append([name, f"{pixels:.1f}", f"{ours / pixels:.1f}", f"{whole:.1f}"])
    columns = ("images", "network alone (images/s)", "topicidx is times as fast", "with decoding, one after the other")
    print(table(columns, rows) + "\n", flush=True)


def _rate(run: Callable[[], object], seconds: float) -> float:
    run()
    spent, runs = 0.0, 0
    while spent < seconds:
        spent += timed(run)
        runs += 1
    return runs * PICTURES / spent


def cold(folder: Path, space: Any, rounds: int = 5) -> None:
    """One query as a whole process."""
    home = fill(folder, space, 20_000)
    commands = {
        "topicidx query, 20,000 pictures": cold_query(),
        "open_clip: import, build, encode": [sys.executable, "-c", OPEN_CLIP],
    }
    rows = [
        [name, f"{np.median(seconds):.2f}", f"{peak:.0f}"]
        for name, (seconds, peak) in repeated(commands, rounds, home.parent).items()
    ]
    print(table(("a cold query", "median (s)", "peak memory (MB)"), rows) + "\n", flush=True)


def stores(folder: Path, space: Any, points: int) -> None:
    """The same vectors in every store."""
    folder.mkdir()
    vectors = np.concatenate([thetas(np.random.default_rng(begin), 1_000) for begin in range(0, points, 1_000)])[
        :points
    ]
    np.save(folder / "vectors.npy", vectors)
    words = np.random.default_rng(7).choice(len(space.words.vocabulary.words), ASKED, replace=False)
    queries = space.words.vectors("lift", words.tolist())
    np.save(folder / "queries.npy", queries)
    best = np.argsort(-(queries.astype(np.float64) @ vectors.T.astype(np.float64)), axis=1, kind="stable")[:, :LIMIT]
    np.save(folder / "best.npy", best)
    rows = []
    for name in STORES:
        filled = in_process(__file__, "--store", name, folder, "fill")
        asked = in_process(__file__, "--store", name, folder, "ask")
        disk = size_of(folder / name) / points
        rows.append([
            name, f"{points / filled['seconds']:,.0f}", f"{asked['opening']:.2f}", f"{asked['recall']:.3f}", asked["how"],
            asked["latency"], asked["filtered"], f"{asked['peak']:.0f}", f"{disk:,.0f}",
        ])  # fmt: skip
    columns = (
        f"{points:,} points", "filled (points/s)", "opening (s)", "recall@10", "searched", "a query, p50 / p95 (ms)",
        "one city (ms)", "peak memory (MB)", "bytes on the disk a point",
    )  # fmt: skip
    print(table(columns, rows) + "\n", flush=True)


def _fill(name: str, folder: Path) -> dict[str, Any]:
    vectors = np.load(folder / "vectors.npy")
    place = folder / name
    place.mkdir()
    return {"seconds": timed(lambda: FILL[name](vectors, place))}


def _ask(name: str, folder: Path) -> dict[str, Any]:
    queries, best = np.load(folder / "queries.npy"), np.load(folder / "best.npy")
    opened: list[Any] = []
    opening = timed(lambda: opened.append(OPEN[name](folder / name)))
    search, widths = opened[0]
    for width in widths:
        found = [search(query, width, None) for query in queries]
        recall = float(np.mean([len(set(a) & set(b)) / LIMIT for a, b in zip(found, best.tolist(), strict=True)]))
        if recall >= ENOUGH:
            break
    latency = spread([timed(lambda query=query: search(query, width, None)) for query in queries], 2)  # type: ignore[misc]
    try:
        filtered = spread([timed(lambda query=query: search(query, width, 3)) for query in queries[:20]], 2)  # type: ignore[misc]
    except NotImplementedError:
        filtered = "none"
    how = "exactly" if widths == (0,) else f"ef {width}"
    return {
        "opening": opening, "recall": recall, "how": how, "latency": latency, "filtered": filtered,
    }  # fmt: skip


STEPS: dict[str, Callable[[str, Path], dict[str, Any]]] = {"fill": _fill, "ask": _ask}
#: Searches: a query, how widely it is searched for, the number of a city or None -> numbers of points.
Search = Callable[[Float32, int, int | None], list[int]]


def _fill_topicidx(vectors: Float32, place: Path) -> None:
    from uuid import UUID

    from topicidx.indexer.embedded import EmbeddedStore

    with EmbeddedStore.writer(place, "photos", "benchmark", TOPICS) as writer:
        for begin in range(0, len(vectors), 256):
            numbers = range(begin, min(begin + 256, len(vectors)))
            payloads = [{"image": str(number), "city": f"city {number % 10}"} for number in numbers]
            writer.upsert([UUID(int=number) for number in numbers], vectors[begin : begin + 256], payloads)
        writer.publish()


def _open_topicidx(place: Path) -> tuple[Search, tuple[int, ...]]:
    from topicidx.indexer.embedded import EmbeddedStore
    from topicidx.indexer.store import PointFilter

    store = EmbeddedStore.open(place)

    def search(query: Float32, _: int, city: int | None) -> list[int]:
        where = None if city is None else PointFilter((f"city {city}",))
        return [point.int for point in store.search(query[None], LIMIT, where)[0].ids]

    return search, (0,)


def _fill_local(vectors: Float32, place: Path) -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(place))
    client.create_collection("photos", models.VectorParams(size=TOPICS, distance=models.Distance.DOT))
    for begin in range(0, len(vectors), 256):
        some = enumerate(vectors[begin : begin + 256].tolist(), begin)
        points = [models.PointStruct(id=n, vector=row, payload={"city": f"city {n % 10}"}) for n, row in some]
        client.upsert("photos", points)
    client.close()


def _open_local(place: Path) -> tuple[Search, tuple[int, ...]]:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(place))

    def search(query: Float32, _: int, city: int | None) -> list[int]:
        value = models.MatchValue(value=f"city {city}")
        where = None if city is None else models.Filter(must=[models.FieldCondition(key="city", match=value)])
        found = client.query_points("photos", query.tolist(), query_filter=where, limit=LIMIT)
        return [int(point.id) for point in found.points]

    return search, (0,)


def _fill_faiss(kind: str) -> Callable[[Float32, Path], None]:
    def fill_one(vectors: Float32, place: Path) -> None:
        import faiss

        index = (
            faiss.IndexFlatIP(TOPICS) if kind == "flat" else faiss.IndexHNSWFlat(TOPICS, 16, faiss.METRIC_INNER_PRODUCT)
        )
        index.add(vectors)
        faiss.write_index(index, str(place / "index"))

    return fill_one


def _open_faiss(place: Path) -> tuple[Search, tuple[int, ...]]:
    import faiss

    index = faiss.read_index(str(place / "index"))

    def search(query: Float32, width: int, city: int | None) -> list[int]:
        chosen = None
        if city is not None:
            chosen = faiss.IDSelectorBatch(np.arange(city, index.ntotal, 10))
        graph = {"efSearch": width} if width else {}
        parameters = (faiss.SearchParametersHNSW if width else faiss.SearchParameters)(sel=chosen, **graph)
        return [int(point) for point in index.search(query[None], LIMIT, params=parameters)[1][0]]

    return search, WIDTHS if hasattr(index, "hnsw") else (0,)


def _fill_hnswlib(vectors: Float32, place: Path) -> None:
    import hnswlib

    index = hnswlib.Index("ip", TOPICS)
    index.init_index(len(vectors), ef_construction=100, M=16)
    index.add_items(vectors)
    index.save_index(str(place / "index"))


def _open_hnswlib(place: Path) -> tuple[Search, tuple[int, ...]]:
    import hnswlib

    index = hnswlib.Index("ip", TOPICS)
    index.load_index(str(place / "index"))

    def search(query: Float32, width: int, city: int | None) -> list[int]:
        index.set_ef(width)
        chosen = None if city is None else lambda label: label % 10 == city
        return [int(point) for point in index.knn_query(query[None], LIMIT, num_threads=1, filter=chosen)[0][0]]

    return search, WIDTHS


WIDTHS = (64, 256, 1_024, WIDEST)
FILL: dict[str, Callable[[Float32, Path], None]] = {
    "topicidx": _fill_topicidx, "qdrant-client local": _fill_local, "faiss, flat": _fill_faiss("flat"),
    "faiss, HNSW": _fill_faiss("hnsw"), "hnswlib": _fill_hnswlib,
}  # fmt: skip
OPEN: dict[str, Callable[[Path], tuple[Search, tuple[int, ...]]]] = {
    "topicidx": _open_topicidx, "qdrant-client local": _open_local, "faiss, flat": _open_faiss, "faiss, HNSW": _open_faiss,
    "hnswlib": _open_hnswlib,
}  # fmt: skip


if __name__ == "__main__":
    main()
