"""Ingest: pictures per second of all of it beside those of the network alone, decoding of large photos, and files that have not
changed.

    python benchmarks/ingest.py [--pictures 2000] [--rounds 3] [--unchanged 20000 100000]

The network alone takes the same pictures, decoded before, in the same batches, in the same process with the same threads;
rounds of both take turns. `--unchanged` makes so many small files, indexes them (all have the bytes of one of a few pictures,
so that few are decoded), and times `topicidx ingest` of them again as a whole process.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, make_space, run_process, table, timed
from PIL import Image

from topicidx.embedders.pictures import open_picture
from topicidx.embedders.protocols import HasteningEncoder
from topicidx.embedders.views import whole_view
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.ingest import ingest
from topicidx.indexer.rendered import render_collection
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.settings import IngestSettings
from topicidx.workspace import FOLDER_NAME, Workspace

RENDERED, SIDE, INPUT = 32, 300, 224
LARGE = (4_000, 3_000)
#: Files with the same bytes in one folder, and links that one file may have (ext4 allows 65,000).
IN_FOLDER, LINKS = 10_000, 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--unchanged", type=int, nargs="*", default=[20_000, 100_000])
    arguments = parser.parse_args()
    print(f"{machine()}; {torch.get_num_threads()} threads\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = make_space(folder / "space")
        whole(folder, space, arguments.pictures, arguments.rounds)
        decoding(folder)
        unchanged(folder, arguments.unchanged)


def make_pictures(folder: Path, count: int) -> None:
    """JPEGs of SIDE x SIDE, no two of the same bytes."""
    if not (folder.parent / "rendered").exists():
        render_collection(folder.parent / "rendered", RENDERED, SIDE, 0)
    drawn = sorted((folder.parent / "rendered").rglob("*.jpg"))
    folder.mkdir()
    for number in range(count):
        with Image.open(drawn[number % len(drawn)]) as image:
            image.resize((SIDE, SIDE)).save(folder / f"{number:06d}.jpg", quality=85, comment=str(number).encode())


def whole(folder: Path, space: Any, count: int, rounds: int) -> None:
    """All of an ingest beside the network alone, in turns."""
    make_pictures(folder / "photos", count)
    encoder = space.image_encoder
    prepared = [
        encoder.prepare(open_picture(path, at_least=encoder.input_size).image)
        for path in sorted((folder / "photos").iterdir())
    ]
    batch = IngestSettings().batch_size

    def alone() -> None:
        for begin in range(0, count, batch):
            encoder.encode(prepared[begin : begin + batch])

    def all_of_it(number: int) -> None:
        store = folder / f"store{number}"
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            source = SourceRegistry(store).register(open_source(folder / "photos"))
            report = ingest(source, space, writer, skipped_file=store / "skipped.jsonl")
        assert report.indexed == count, report

    if isinstance(encoder, HasteningEncoder):
        encoder.hasten()  # as an ingest does after some hundreds; both go by the same engine
    encoder.encode(prepared[:batch])
    rows, ratios = [], []
    for number in range(rounds):
        network, everything = timed(alone), timed(lambda number=number: all_of_it(number))  # type: ignore[misc]
        ratios.append(network / everything)
        rows.append([number + 1, f"{count / network:.1f}", f"{count / everything:.1f}", f"{ratios[-1]:.3f}"])
    print(table(["round", "network alone (images/s)", "ingest (images/s)", "ratio"], rows))
    print(f"\nmedian ratio: {np.median(ratios):.3f}\n", flush=True)


def decoding(folder: Path) -> None:
    """Decoding files of 12 megapixels to the network's input, on one core, beside what the JPEG library takes to read them at an
    eighth of their size, and beside decoding every pixel."""
    drawn = sorted((folder / "rendered").rglob("*.jpg"))[:4]
    rows = []
    for progressive in (False, True):
        files = []
        for number, path in enumerate(drawn):
            with Image.open(path) as image:
                large = np.asarray(image.resize(LARGE, Image.Resampling.BICUBIC)).astype(np.int16)
            noise = np.random.default_rng(number).normal(0, 6, large.shape)
            file = folder / f"large{number}{'p' if progressive else ''}.jpg"
            Image.fromarray(np.clip(large + noise, 0, 255).astype(np.uint8)).save(
                file, quality=88, progressive=progressive
            )
            files.append(file)
        ours = [timed(lambda file=file: _prepared(file)) for file in files * 5]  # type: ignore[misc]
        least = [timed(lambda file=file: _eighth(file)) for file in files * 5]  # type: ignore[misc]
        full = [timed(lambda file=file: _all_pixels(file)) for file in files]  # type: ignore[misc]
        megabytes = sum(file.stat().st_size for file in files) / len(files) / 1e6
        kind = "progressive" if progressive else "baseline"
        rates = [f"{1 / np.median(seconds):.0f}" for seconds in (ours, least)]
        rows.append([kind, f"{megabytes:.1f}", *rates, f"{1 / np.median(full):.1f}"])
    columns = [
        "12 megapixels", "MB a file", "to the network's input (images/s, one core)", "libjpeg-turbo alone, 1/8", "all pixels",
    ]  # fmt: skip
    print(table(columns, rows) + "\n", flush=True)


def _prepared(file: Path) -> None:
    whole_view(open_picture(file, at_least=INPUT).image, INPUT)


def _eighth(file: Path) -> None:
    with Image.open(file) as image:
        image.draft("RGB", (LARGE[0] // 8, LARGE[1] // 8))
        image.load()


def _all_pixels(file: Path) -> None:
    with Image.open(file) as image:
        image.resize((INPUT, INPUT), Image.Resampling.BICUBIC)


def unchanged(folder: Path, counts: list[int]) -> None:
    """Many small files, indexed and looked at again: each by the command line, as a process of its own."""
    rows = []
    for count in counts:
        place = folder / f"many{count}"
        home = Workspace.find_or_create(place / FOLDER_NAME)
        home.space.symlink_to(folder / "space")
        _make_small_files(place / "photos", count)
        command = [
            sys.executable,
            "-m",
            "topicidx",
            "ingest",
            str(place / "photos"),
            "--home",
            str(home.home),
            "--json",
        ]
        first, first_peak, _ = run_process(command)
        again, again_peak, output = run_process(command)
        assert json.loads(output)["unchanged"] == count, output
        rows.append([f"{count:,}", f"{first:.1f}", f"{first_peak:.0f}", f"{again:.1f}", f"{again_peak:.0f}"])
    if rows:
        columns = ["small files", "first ingest (s)", "its peak (MB)", "nothing changed (s)", "its peak (MB)"]
        print(table(columns, rows), flush=True)


def _make_small_files(folder: Path, count: int) -> None:
    began = time.monotonic()
    folder.mkdir()
    for number in range(count):
        if number % IN_FOLDER == 0:
            (folder / f"{number // IN_FOLDER:04d}").mkdir()
        if number % LINKS == 0:
            origin = folder / f"origin{number // LINKS}.jpg"
            Image.new("RGB", (32, 32), (number // LINKS % 256, 90, 200)).save(origin)
        path = folder / f"{number // IN_FOLDER:04d}" / f"{number:07d}.jpg"
        path.hardlink_to(origin)
        if (number + 1) % LINKS == 0 or number + 1 == count:
            origin.unlink()
    print(f"({count:,} files made in {time.monotonic() - began:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
