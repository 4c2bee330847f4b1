"""A disk that really fills up while an ingest writes: a small file system in memory, where the engine dies of SIGBUS."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from topicidx.errors import StoreFullError
from topicidx.indexer.embedded import EmbeddedStore, EmbeddedWriter
from topicidx.indexer.embedded.writer import MARGIN_BYTES

DIMENSIONS = 500
SIZE_MIB = 700


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 700 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(disk)]
    mounted = shutil.which("mount") and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("no small disk to fill: file systems cannot be mounted here (that takes root)")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def upsert(writer: EmbeddedWriter, first: int, count: int = 100) -> None:
    ids = [UUID(int=number + 1) for number in range(first, first + count)]
    vectors = np.random.default_rng(first).dirichlet(np.full(DIMENSIONS, 0.1), count).astype(np.float32)
    writer.upsert(ids, vectors, [{"number": number, "city": "london"} for number in range(first, first + count)])


def numbers_in(store: Path) -> set[int]:
    with EmbeddedStore.open(store) as opened:
        assert opened.search(np.ones((1, DIMENSIONS), dtype=np.float32), 10)[0].ids
        return {int(str(record.payload["number"])) for record in opened.scroll(["number"])}


def fill(disk: Path) -> Path:
    """Leave no room on the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free)
    return ballast


def test_a_disk_that_fills_up_loses_nothing_acknowledged_and_disturbs_no_reader(disk: Path) -> None:
    store = disk / "store"
    with EmbeddedStore.writer(store, "photos", "a space", DIMENSIONS) as writer:
        upsert(writer, 0)
        writer.publish()
    written = 0
    with (
        EmbeddedStore.open(store) as reader,
        pytest.raises(StoreFullError, match=r"full \(0 MiB free, 256 MiB are needed\); make room and run the same"),
        EmbeddedStore.writer(store, "photos", "a space", DIMENSIONS) as writer,
    ):
        upsert(writer, 100, 900)
        writer.checkpoint()
        ballast = fill(disk)
        try:
            for first in range(1_000, 200_000, 100):
                upsert(writer, first)
                written = first
        finally:
            assert reader.count() == 100
            assert len(reader.search(np.ones((1, DIMENSIONS), dtype=np.float32), 1_000)[0].ids) == 100
    assert written < 199_000
    assert numbers_in(store) == set(range(100))  # with the disk still full
    with (
        pytest.raises(StoreFullError, match="nearly full"),
        EmbeddedStore.writer(store, "photos", "a space", DIMENSIONS) as writer,
    ):
        list(writer.known(["number"]))
    ballast.unlink()
    with EmbeddedStore.writer(store, "photos", "a space", DIMENSIONS) as writer:
        assert writer.resumes
        known = {int(str(record.payload["number"])) for record in writer.known(["number"])}
        assert known >= set(range(1_000))
        upsert(writer, 0, 1_500)
        assert writer.publish() >= 1_500
    assert numbers_in(store) >= set(range(1_500))


def test_a_disk_without_the_room_that_publishing_takes_is_said_before_it_is_filled(disk: Path) -> None:
    store = disk / "store"
    with EmbeddedStore.writer(store, "photos", "a space", DIMENSIONS) as writer:
        upsert(writer, 0)
        writer.publish()
    with pytest.raises(StoreFullError), EmbeddedStore.writer(store, "photos", "a space", DIMENSIONS) as writer:
        upsert(writer, 100)
        writer.checkpoint()
        with (disk / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - MARGIN_BYTES - 2**20)
        writer.publish()
    assert shutil.disk_usage(disk).free > MARGIN_BYTES
    assert numbers_in(store) == set(range(100))
    (disk / "ballast").unlink()
    with EmbeddedStore.writer(store, "photos", "a space", DIMENSIONS) as writer:
        assert writer.publish() == 200
