"""How many bytes a picture takes in a store in a folder: vectors, vectors in 8 bits, payloads, everything else.

Points are like topic distributions (Dirichlet, 500 topics) with the payload that an ingest writes: a caption of a dozen words,
a city, a time, five leading topics, hashes. Bytes are those of the blocks on the disk, of the published generation alone.

    python benchmarks/sizes.py [--points 20000 100000]
"""

import argparse
import tempfile
import uuid
from collections import Counter
from pathlib import Path

import numpy as np

from topicidx.indexer.embedded import embedded_writer
from topicidx.indexer.payload import payload_of, top_topics
from topicidx.post import JsonValue, Post

TOPICS, BATCH = 500, 256
WORDS = [f"word{number}" for number in range(5_000)]
COLUMNS = ("points", "search", "bytes a picture", "vectors", "in 8 bits", "payload", "payload indexes", "the rest")
#: Parts of an engine's file names, by what they hold.
PARTS = {
    "quantized": "in 8 bits",
    "payload_index": "payload indexes",
    "payload_storage": "payload",
    "vector_storage": "vectors",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 100_000])
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for points in parser.parse_args().points:
        for search, approximate_from in (("exact", points + 1), ("8 bits", 1)):
            with tempfile.TemporaryDirectory() as folder:
                sizes = fill(points, Path(folder), approximate_from)
            cells = [f"{size / points:,.0f}" for size in (sizes.total(), *(sizes[name] for name in COLUMNS[3:]))]
            print(f"| {points:,} | {search} | " + " | ".join(cells) + " |", flush=True)


def fill(points: int, folder: Path, approximate_from: int) -> Counter[str]:
    """Publish a store; its bytes on the disk by what they hold."""
    rng = np.random.default_rng(0)
    with embedded_writer(folder, "benchmark", TOPICS, approximate_from=approximate_from) as writer:
        for begin in range(0, points, BATCH):
            numbers = range(begin, min(begin + BATCH, points))
            thetas = rng.dirichlet(np.full(TOPICS, 0.05), size=len(numbers)).astype(np.float32)
            payloads = [payload(number, theta, rng) for number, theta in zip(numbers, thetas, strict=True)]
            writer.upsert([uuid.uuid5(uuid.NAMESPACE_URL, str(number)) for number in numbers], thetas, payloads)
        writer.publish()
    sizes: Counter[str] = Counter()
    for path in folder.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(folder))
            part = next((part for key, part in PARTS.items() if key in name), "the rest")
            sizes[part] += 512 * path.stat().st_blocks
    return sizes


def payload(
    number: int, theta: "np.ndarray[tuple[int], np.dtype[np.float32]]", rng: np.random.Generator
) -> dict[str, JsonValue]:
    """What an ingest would say of a picture."""
    post = Post(
        image=f"photos/{number % 1_000:03}/{number:09}.jpg",
        path=Path("photos"),
        captions=(" ".join(rng.choice(WORDS, 12)),),
        city=f"city {number % 300}",
    )
    said = payload_of(
        post, {"author": f"author {number % 9_000}"}, f"{number:016x}", size=150_000 + number, mtime=1_700_000_000,
        space="0" * 64, gps_city=None,
    )  # fmt: skip
    decoded: dict[str, JsonValue] = {
        "sha256": f"{number:064x}", "width": 1_080, "height": 1_080, "taken_at": f"2024-05-{1 + number % 28:02}T12:00:00",
    }  # fmt: skip
    return said | decoded | {"topics": top_topics(theta)}


if __name__ == "__main__":
    main()
