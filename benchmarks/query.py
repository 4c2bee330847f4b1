"""Queries of the embedded store: a whole cold process, and in a process that is running, by number of pictures.

    python benchmarks/query.py [--cold 20000] [--points 20000 150000] [--rounds 15]

Points are like topic distributions; the space's words are learned from generated posts (see machine.py). Cold: the command
`topicidx query "sunrise beach"`, started again and again, beside Python alone and beside what importing PyTorch takes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from machine import TOPICS, in_process, machine, make_space, repeated, spread, table, thetas, timed

from topicidx.indexer import Index
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.embedded.writer import size_of
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.workspace import FOLDER_NAME, Workspace

QUERY, BLOCK, ROUNDS = "sunrise beach", 1_000, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cold", type=int, default=20_000)
    parser.add_argument("--points", type=int, nargs="*", default=[20_000, 150_000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=4_000, help="queries of a batch; 0 asks none")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        print(json.dumps(ask(arguments.ask, arguments.batch)))
        return
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = make_space(folder / "space")
        cold(fill(folder, space, arguments.cold), arguments.rounds)
        rows = []
        for points in arguments.points:
            home = fill(folder, space, points)
            told = in_process(__file__, "--ask", home, "--batch", arguments.batch)
            asked = [spread(seconds) for seconds in told["seconds"].values()]
            disk = size_of(home / "store") / points
            cells = [f"{told['opening']:.2f}", *asked, f"{told['batch']:.0f}", f"{told['peak']:.0f}", f"{disk:,.0f}"]
            rows.append([f"{points:,}", *cells])
        if rows:
            print(table(COLUMNS, rows), flush=True)


COLUMNS = (
    "pictures", "opening (s)", "1 word, p50 / p95 (ms)", "2 words", "1 word, one city", "2 words, one city",
    "queries of a batch (1/s)", "peak memory (MB)", "bytes on the disk a picture",
)  # fmt: skip


def fill(folder: Path, space: Any, points: int) -> Path:
    """A home with the space and so many pictures, of ten cities."""
    place = folder / f"home{points}"
    if place.exists():
        return place / FOLDER_NAME
    home = Workspace.find_or_create(place / FOLDER_NAME)
    home.space.symlink_to(folder / "space")
    (place / "photos").mkdir()
    source = SourceRegistry(home.store).register(open_source(place / "photos"))
    rng = np.random.default_rng(0)
    with EmbeddedStore.writer(home.store, "photos", space.vector_space, TOPICS) as writer:
        for begin in range(0, points, BLOCK):
            numbers = range(begin, min(begin + BLOCK, points))
            for number in numbers:
                (place / "photos" / f"{number:07d}.jpg").touch()  # hits say where their files are
            payloads: list[dict[str, Any]] = [
                {
                    "image": f"{source.name}/{number:07d}.jpg", "source": source.name, "city": f"city {number % 10}",
                    "city_label": f"City {number % 10}", "captions": [f"picture number {number} at the beach"],
                    "sha256": f"{number:064x}", "size": 20_000 + number, "mtime": 1_700_000_000_000_000_000 + number,
                    "width": 640, "height": 480, "taken_at": None, "space": space.vector_space,
                }
                for number in numbers
            ]  # fmt: skip
            ids = [uuid5(NAMESPACE_URL, str(payload["image"])) for payload in payloads]
            writer.upsert(ids, thetas(rng, len(numbers)), payloads)
        writer.publish()
    return home.home


def cold_query() -> list[str]:
    """The command that answers one query, in the folder that a home lies in."""
    return [str(Path(sys.executable).with_name("topicidx")), "query", QUERY]


def cold(home: Path, rounds: int) -> None:
    """A whole process that answers one query, beside others."""
    command = cold_query()
    commands = {
        f'`topicidx query "{QUERY}"`': command,
        "the same with an option, `--limit 10`": [*command, "--limit", "10"],
        "Python alone": [sys.executable, "-c", "pass"],
        "`import torch`": [sys.executable, "-c", "import torch"],
    }
    rows = [
        [name, f"{np.median(seconds):.3f}", f"{max(seconds):.3f}", f"{peak:.0f}"]
        for name, (seconds, peak) in repeated(commands, rounds, home.parent).items()
    ]
    print(table(("whole process", "median (s)", "slowest (s)", "peak memory (MB)"), rows) + "\n", flush=True)


def ask(home: Path, batch: int) -> dict[str, Any]:
    """Seconds of queries in this process, by what is asked, and queries per second of a batch."""
    opened: list[Index] = []
    opening = timed(lambda: opened.append(Index.open(home)))
    index, rng = opened[0], np.random.default_rng(1)
    with index:
        vocabulary = index.space.words.vocabulary.words
        seen = np.array([word.documents for word in vocabulary], dtype=np.float64)

        def drawn(words: int) -> str:
            chosen = rng.choice(len(seen), words, replace=False, p=seen / seen.sum())
            return " ".join(vocabulary[place].forms[0][0] for place in chosen)

        def asked(words: int, **options: Any) -> list[float]:
            queries = [drawn(words) for _ in range(ROUNDS)]
            return [timed(lambda query=query: index.search(query, **options)) for query in queries]  # type: ignore[misc]

        index.search(drawn(1))
        city = {"city": ["city 3"]}
        seconds = {
            "word": asked(1),
            "two words": asked(2),
            "word, city": asked(1, **city),
            "two, city": asked(2, **city),
        }
        queries = [drawn(1 + number % 2) for number in range(batch)]
        rate = batch / timed(lambda: list(index.search_many(queries)))
    return {"opening": opening, "seconds": seconds, "batch": rate}


if __name__ == "__main__":
    main()
