"""How much memory a source of very many rows takes: peak of the process that reads all posts, by number of rows.

python benchmarks/manifests.py --rows 1000000 10000000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CITIES = ("london", "paris", "new york", "são paulo", "sydney")
WORDS = ("sunrise", "beach", "skyline", "night", "dog", "coffee", "snow", "mountain", "street", "rain")


def write_manifest(path: Path, rows: int, *, apart: bool) -> None:
    """A manifest of `rows` rows, two a picture: one after the other, or all second ones behind all first ones."""
    order = range(rows) if not apart else (*range(0, rows, 2), *range(1, rows, 2))
    said = [(f"{WORDS[n % 10]} {WORDS[(n // 7) % 10]} #{WORDS[(n // 3) % 10]}", CITIES[n % 5]) for n in range(2_100)]
    names = (f"posts/{row // 2 // 1000:05d}/{row // 2:09d}.jpg" for row in order)
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        schema = pyarrow.schema({"image": pyarrow.string(), "caption": pyarrow.string(), "city": pyarrow.string()})
        with pyarrow.parquet.ParquetWriter(path, schema) as writer:
            block: list[dict[str, str]] = []
            for number, name in enumerate(names):
                caption, city = said[number % 2_100]
                block.append({"image": name, "caption": caption, "city": city})
                if len(block) == 100_000:
                    writer.write_table(pyarrow.Table.from_pylist(block, schema))
                    block = []
            writer.write_table(pyarrow.Table.from_pylist(block, schema))
        return
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".csv":
            file.write("image,caption,city\n")
        for number, name in enumerate(names):
            caption, city = said[number % 2_100]
            if path.suffix == ".csv":
                file.write(f"{name},{caption},{city}\n")
            else:
                file.write(json.dumps({"image": name, "caption": caption, "city": city}, ensure_ascii=False) + "\n")


def read(path: Path) -> dict[str, Any]:
    """Read all posts of a manifest in this process. -> posts, captions, seconds, peak in MB and before it was read"""
    from topicidx.indexer.sources import open_source

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    posts = captions = 0
    for post in open_source(path).posts():
        posts += 1
        captions += len(post.captions)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"posts": posts, "captions": captions, "seconds": seconds, "before": before, "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["csv", "apart", "jsonl", "parquet"])
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(read(arguments.read)))
        return
    print("| manifest | rows | pictures | seconds | rows/s | peak memory | of it before reading |")
    print("|---|---|---|---|---|---|---|")
    for kind in arguments.kinds:
        name, apart = ("csv", True) if kind == "apart" else (kind, False)
        for rows in arguments.rows:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, f"posts.{name}")
                write_manifest(path, rows, apart=apart)
                done = subprocess.run(
                    [sys.executable, __file__, "--read", str(path)], capture_output=True, text=True, check=True
                )
                found = json.loads(done.stdout)
                assert found["captions"] == rows, found
            title = f".{name}" + (", rows of a picture apart" if apart else "")
            print(
                f"| {title} | {rows:,} | {found['posts']:,} | {found['seconds']:.1f} | {rows / found['seconds']:,.0f} | "
                f"{found['peak']:.0f} MB | {found['before']:.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
