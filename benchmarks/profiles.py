"""Where the time goes: the largest costs of an ingest, of queries and of a training, by py-spy's samples of what runs.

    python benchmarks/profiles.py [--pictures 300] [--largest 3]

A sample counts for the innermost function of topicidx that was at work, and names what that was calling; threads that wait are
not counted. Before that, what a cold query imports is listed by `python -X importtime`.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from ingest import make_pictures
from machine import machine, make_space, table
from query import QUERY, fill

from topicidx.workspace import FOLDER_NAME, Workspace

RATE = 200
#: Parts of paths by which py-spy names files of topicidx.
OURS = re.compile(r"\((?:topicidx/)?(core|embedders|indexer|cli|service)/([\w/]+)\.py")
BATCH = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--largest", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = make_space(folder / "space")
        make_pictures(folder / "photos", arguments.pictures)
        home = Workspace.find_or_create(folder / FOLDER_NAME)
        home.space.symlink_to(folder / "space")
        asked = fill(folder, space, 20_000)
        queries = folder / "queries.txt"
        queries.write_text("beach sunrise\nsnow\nnight skyline\n" * (BATCH // 3), encoding="utf-8")
        captions = folder / "captions.csv"
        words = ("beach sunrise", "skyline night", "dog park", "rain umbrella", "snow mountain")
        rows = [f"photos/{number:06d}.jpg,{words[number % 5]} {number % 7}" for number in range(arguments.pictures)]
        captions.write_text("image,caption\n" + "\n".join(rows), encoding="utf-8")
        jobs = {
            "ingest": ["ingest", str(folder / "photos"), "--home", str(home.home)],
            f"{BATCH} queries of 20,000 pictures": ["query", "--batch", str(queries), "--home", str(asked)],
            "training, all layers from random weights": [
                "train", str(captions), "--init", "random", "--epochs", "1", "--home", str(folder / "trained"), "--topics", "20",
            ],
        }  # fmt: skip
        (folder / "trained").mkdir()
        for job, command in jobs.items():
            print(
                f"{job}:\n\n{table(('share', 'at work', 'calling'), largest(command, folder, arguments.largest))}\n",
                flush=True,
            )
        print(f"a cold query imports:\n\n{table(('ms', 'package'), imports(asked, arguments.largest + 4))}", flush=True)


def largest(command: list[str], folder: Path, count: int) -> list[list[str]]:
    """The functions of topicidx that a command spends the most time in, with what they call."""
    stacks = folder / "stacks.txt"
    recorded = subprocess.run(
        [str(Path(sys.executable).with_name("py-spy")), "record", "--rate", str(RATE), "--format", "raw", "--output", str(stacks),
         "--", sys.executable, "-m", "topicidx", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not stacks.exists():
        raise SystemExit(f"py-spy could not record: {recorded.stderr.strip()[-400:]}")
    samples: Counter[tuple[str, str]] = Counter()
    for line in stacks.read_text(encoding="utf-8").splitlines():
        stack, _, found = line.rpartition(" ")
        samples[innermost(stack.split(";"))] += int(found)
    stacks.unlink()
    total = sum(samples.values())
    return [[f"{found / total:.0%}", *place] for place, found in samples.most_common(count)]


def innermost(frames: list[str]) -> tuple[str, str]:
    """The innermost frame of topicidx, and what it was calling."""
    for place in range(len(frames) - 1, -1, -1):
        ours = OURS.search(frames[place])
        if ours and "site-packages" not in frames[place]:
            function = frames[place].partition(" ")[0]
            called = frames[place + 1].partition(" ")[0] if place + 1 < len(frames) else "itself"
            return f"`{function}` ({ours[1]}/{ours[2]}.py)", called
    return "outside of topicidx", frames[-1].partition(" ")[0]


def imports(home: Path, count: int) -> list[list[str]]:
    """What a cold query spends on importing, by package."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "topicidx", "query", QUERY],
        capture_output=True, text=True, check=True, cwd=home.parent,
    )  # fmt: skip
    taken: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        if found := re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", line):
            taken[found[2].partition(".")[0]] += int(found[1])
    return [[f"{microseconds / 1e3:.0f}", package] for package, microseconds in taken.most_common(count)]


if __name__ == "__main__":
    main()
