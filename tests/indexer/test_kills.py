"""An ingest that is killed at random moments: nothing is lost, nothing comes twice, readers never notice.

TOPICIDX_TEST_KILLS says how many times it is killed (4 by default; 20 take about two minutes), TOPICIDX_TEST_SEED when.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from doubles.environment import without_settings
from topicidx.errors import StoreNotFoundError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.keys import point_id
from topicidx.indexer.totals import Totals, totals_of

KILLS = int(os.environ.get("TOPICIDX_TEST_KILLS", "4"))
SEED = int(os.environ.get("TOPICIDX_TEST_SEED", "5"))
FILES, ALREADY_THERE = 5_000, 500
Start = Callable[..., subprocess.Popen[str]]


@dataclass(frozen=True)
class Archive:
    """5,000 pictures, of which 500 are indexed already, and what the store is once all are."""

    home: Path
    photos: Path
    reference: Totals
    #: Seconds that an ingest of the rest takes when nobody stops it.
    seconds: float


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """start(arguments, cwd=...): the command line with the cheap encoder, in a process group of its own."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "doubles.colour", *map(str, arguments)],
            cwd=cwd,
            env=without_settings() | {"PYTHONPATH": str(Path(__file__).parent.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def archive(space_folder: Path, tmp_path_factory: pytest.TempPathFactory, start: Start) -> Archive:
    home = tmp_path_factory.mktemp("archive")
    photos = home / "photos"
    chance = random.Random(SEED)
    for number in range(FILES):
        path = photos / f"{number % 50:02}" / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 12), tuple(chance.choices(range(256), k=3))).save(path, comment=str(number))
    shutil.copytree(space_folder, home / ".topicidx" / "space")
    part = home / "part"
    for number in range(ALREADY_THERE):
        (part / f"{number % 50:02}").mkdir(parents=True, exist_ok=True)
        name = f"{number % 50:02}/{number:04}.jpg"
        shutil.copy2(photos / name, part / name)
    finish(start("ingest", "part", "--name", "photos", "--store", "begun", cwd=home))
    table = home / "begun" / "sources.json"
    table.write_text(json.dumps({"photos": str(photos)}))  # as if they had been ingested from where they lie
    shutil.copytree(home / "begun", home / "whole")
    began = time.monotonic()
    done = finish(start("ingest", "photos", "--store", "whole", "--json", cwd=home))
    seconds = time.monotonic() - began
    report = json.loads(done)
    assert (report["points"], report["indexed"], report["unchanged"]) == (FILES, FILES - ALREADY_THERE, ALREADY_THERE)
    return Archive(home, photos, totals_in(home / "whole"), seconds)


def finish(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return out


def totals_in(store: Path) -> Totals:
    with EmbeddedStore.open(store) as opened:
        return totals_of(opened.blocks())


def writers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that write for this one."""
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in listed.split() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kill_at_random(process: subprocess.Popen[str], chance: random.Random, within: float) -> str | None:
    """Kill the process, its writer or both, and say which; None where it was done before that."""
    try:
        process.wait(timeout=chance.uniform(0.1, within))
    except subprocess.TimeoutExpired:
        victim = chance.choice(["ingest", "writer", "both"])
        with suppress(ProcessLookupError, FileNotFoundError):  # it was quicker
            if victim in ("writer", "both"):
                for pid in writers_of(process):
                    os.kill(pid, signal.SIGKILL)
            if victim in ("ingest", "both"):
                process.kill()
        process.communicate()
        return victim
    return None


def test_killed_at_random_moments_it_ends_as_if_it_had_never_been_stopped(
    archive: Archive, start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    store, whole = tmp_path / "store", 0
    shutil.copytree(archive.home / "begun", store)
    killed: list[str] = []
    while len(killed) < KILLS:
        ingest = start("ingest", "photos", "--store", store, cwd=archive.home)
        victim = kill_at_random(ingest, chance, within=1.2 * archive.seconds)
        with EmbeddedStore.open(
            store
        ) as opened:  # whatever was killed, readers have the old index or the new one, whole
            points = opened.count()
        assert points in (ALREADY_THERE, FILES)
        if points == FILES:
            assert totals_in(store) == archive.reference
            shutil.rmtree(store)
            shutil.copytree(archive.home / "begun", store)
            whole += 1
        if victim:
            killed.append(victim)
    report: dict[str, Any] = json.loads(finish(start("ingest", "photos", "--store", store, "--json", cwd=archive.home)))
    assert report["points"] == FILES
    assert totals_in(store) == archive.reference
    again = json.loads(finish(start("ingest", "photos", "--store", store, "--json", cwd=archive.home)))
    assert (again["unchanged"], again["decoded"], again["points"]) == (FILES, 0, FILES)
    with capsys.disabled():
        victims = ", ".join(f"{killed.count(victim)} x {victim}" for victim in ("ingest", "writer", "both"))
        print(
            f"\nkilled {len(killed)} times with -9 (TOPICIDX_TEST_KILLS={KILLS}, seed {SEED}; {victims}), "
            f"whole {whole} times in between; in the end {FILES} points, checksum as uninterrupted: "
            f"{archive.reference.checksum}"
        )


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(archive: Archive, start: Start, tmp_path: Path) -> None:
    for attempt in range(5):  # on a busy machine the ingest may be done before it is asked to stop
        store = tmp_path / f"store{attempt}"
        shutil.copytree(archive.home / "begun", store)
        ingest = start("ingest", "photos", "--store", store, cwd=archive.home)
        while not list((store / "photos").glob("g*/changes/segments")):  # until something is being written
            assert ingest.poll() is None
            time.sleep(0.01)
        os.killpg(ingest.pid, signal.SIGINT)  # as a terminal does: to the ingest and its writer
        _, errors = ingest.communicate()
        if ingest.returncode:
            break
    assert ingest.returncode == 130
    assert "run the same command again to go on" in errors
    assert "Traceback" not in errors
    with EmbeddedStore.open(store) as opened:
        assert opened.count() == ALREADY_THERE
    resumed = start("ingest", "photos", "--store", store, "--json", cwd=archive.home)
    out, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    assert "going on from an ingest that was stopped" in errors
    assert totals_in(store) == archive.reference
    assert json.loads(out)["unchanged"] >= ALREADY_THERE


def test_two_processes_query_while_a_third_ingests(archive: Archive, start: Start, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(archive.home / "begun", store)
    (tmp_path / "queries.txt").write_text("beach\ndog\ncoffee cake\n" * 5)
    ingest = start("ingest", "photos", "--store", store, cwd=archive.home)
    seen: set[int] = set()
    asked = 0
    while ingest.poll() is None or not asked:
        readers = [
            start("query", "--batch", tmp_path / "queries.txt", "--limit", 10_000, "--store", store, cwd=archive.home)
            for _ in range(2)
        ]
        for reader in readers:
            answers = [json.loads(line) for line in finish(reader).splitlines()]
            assert len(answers) == 15
            for answer in answers:
                images = [hit["image"] for hit in answer["results"]]
                assert len(set(images)) == len(images)
                assert all(hit["id"] == str(point_id(hit["image"])) for hit in answer["results"])
                seen.add(len(images))
                asked += 1
    finish(ingest)
    assert seen <= {ALREADY_THERE, FILES}
    assert len(json.loads(finish(
        start("query", "beach", "--limit", 10_000, "--format", "json", "--store", store, cwd=archive.home)
    ))["results"]) == FILES  # fmt: skip


def test_a_second_ingest_is_refused_at_once_and_the_first_goes_on(
    archive: Archive, start: Start, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    first = start("ingest", "photos", "--store", store, cwd=archive.home)
    while not (store / "photos" / "g000001" / "changes").is_dir():
        assert first.poll() is None
        time.sleep(0.01)
    second = start("ingest", "photos", "--store", store, cwd=archive.home)
    _, errors = second.communicate()
    assert second.returncode == 1
    assert "another process is writing to the store" in errors
    assert first.poll() is None
    finish(first)
    assert totals_in(store).points == FILES


def test_a_store_that_never_was_finished_is_no_store_to_readers(archive: Archive, start: Start, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest = start("ingest", "photos", "--store", store, cwd=archive.home)
    while not (store / "photos" / "g000001" / "changes").is_dir():
        assert ingest.poll() is None
        time.sleep(0.01)
    ingest.kill()
    ingest.communicate()
    with pytest.raises(StoreNotFoundError):
        EmbeddedStore.open(store)
