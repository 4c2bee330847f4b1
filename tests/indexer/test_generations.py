"""Generations of an embedded collection: published whole, one writer at a time, nothing acknowledged ever lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from topicidx.errors import (
    InvalidPointError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
)
from topicidx.indexer.embedded import EmbeddedStore, writer
from topicidx.indexer.embedded.writer import EmbeddedWriter
from topicidx.indexer.store import Rewrite

DIMENSIONS = 4
SPACE = "a space"
Usage = namedtuple("Usage", ["total", "used", "free"])

#: A program that holds the collection argv[1] and does what argv[2] says, on a line of stdin where it says so.
HOLD = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
import numpy as np
from topicidx.indexer.embedded import EmbeddedStore

def write(writer, first, count):
    for number in range(first, first + count):
        writer.upsert([UUID(int=number + 1)], np.full((1, 4), 0.25, np.float32), [{"number": number}])

def main():
    with EmbeddedStore.writer(Path(sys.argv[1]), "photos", "a space", 4) as writer:
        if sys.argv[2] == "die":
            write(writer, 100, 20)
            writer.checkpoint()
            write(writer, 120, 20)
            os.kill(os.getpid(), signal.SIGKILL)
        write(writer, 100, 1)
        writer.checkpoint()
        print("holding", flush=True)
        sys.stdin.readline()

if __name__ == "__main__":
    main()
"""

#: A program that opens the store argv[1] and counts it once for every line of stdin.
READ = """
import sys
from pathlib import Path
import numpy as np
from topicidx.indexer.embedded import EmbeddedStore

with EmbeddedStore.open(Path(sys.argv[1])) as store:
    for line in sys.stdin:
        (found,) = store.search(np.ones((1, 4), np.float32), 10_000)
        print(store.count(), len(found.ids), len(list(store.scroll())), flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store that is not there yet."""
    return tmp_path / "store"


def upsert(writer: EmbeddedWriter, numbers: Sequence[int], **payload: Any) -> None:
    vectors = np.full((len(numbers), DIMENSIONS), 0.25, dtype=np.float32)
    writer.upsert([UUID(int=number + 1) for number in numbers], vectors, [payload | {"number": n} for n in numbers])


@contextmanager
def writing(store: Path, *, space: str = SPACE, collection: str = "photos") -> Iterator[EmbeddedWriter]:
    with EmbeddedStore.writer(store, collection, space, DIMENSIONS) as writer:
        yield writer


def publish(
    store: Path, numbers: Sequence[int], *, space: str = SPACE, collection: str = "photos", **payload: Any
) -> int:
    with writing(store, space=space, collection=collection) as writer:
        upsert(writer, numbers, **payload)
        return writer.publish()


def stop_after(store: Path, numbers: Sequence[int], *, space: str = SPACE) -> None:
    """An ingest that is interrupted after it has written points."""
    with pytest.raises(KeyboardInterrupt), writing(store, space=space) as writer:
        upsert(writer, numbers)
        raise KeyboardInterrupt


def numbers_in(store: Path, collection: str = "photos") -> list[int]:
    with EmbeddedStore.open(store, collection) as opened:
        return sorted(int(str(record.payload["number"])) for record in opened.scroll())


def generation_of(store: Path) -> str:
    with EmbeddedStore.open(store) as opened:
        return opened.info().generation


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def program(code: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def ask(running: subprocess.Popen[str], line: str = "") -> str:
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(line + "\n")
    running.stdin.flush()
    return running.stdout.readline().strip()


def run_program_that_dies(tmp_path: Path, store: Path) -> None:
    # The writer's child process imports the program again, so that it must be a file.
    script = tmp_path / "hold.py"
    script.write_text(HOLD)
    done = subprocess.run([sys.executable, str(script), str(store), "die"], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


# What readers see


def test_readers_see_nothing_before_it_is_published_and_keep_what_they_opened(store: Path) -> None:
    publish(store, range(3))
    with EmbeddedStore.open(store) as before:
        for begin in (3, 6):  # the generation that is open is removed by the second
            with writing(store) as writer:
                upsert(writer, range(begin, begin + 3))
                writer.checkpoint()
                assert len(numbers_in(store)) == begin
                assert writer.publish() == begin + 3
            assert len(numbers_in(store)) == begin + 3
            assert before.count() == 3
            assert [record.payload["number"] for record in before.scroll()] == [0, 1, 2]
            assert len(before.search(np.ones((1, DIMENSIONS), dtype=np.float32), 100)[0].ids) == 3
            assert before.retrieve([UUID(int=1)])[0].payload == {"number": 0}
            assert before.vectors([UUID(int=1)]).tolist() == [[0.25] * DIMENSIONS]


def test_what_is_published_over_many_generations_is_what_was_written_last(store: Path) -> None:
    for tag in range(3):
        with writing(store) as writer:
            for number in range(3 + tag):
                upsert(writer, [number], tag=tag)
            writer.rewrite([Rewrite(UUID(int=3), UUID(int=3), {"number": 2, "replaced": tag})])
            assert writer.publish() == 3 + tag
        with EmbeddedStore.open(store) as opened:
            assert [record.payload for record in opened.scroll()] == [
                {"number": 2, "replaced": tag} if number == 2 else {"number": number, "tag": tag}
                for number in range(3 + tag)
            ]


def test_a_writer_that_publishes_twice_loses_nothing(store: Path) -> None:
    with writing(store) as writer:
        upsert(writer, range(3))
        assert writer.publish() == 3
        assert writer.publish() == 3
        assert numbers_in(store) == [0, 1, 2]
        upsert(writer, range(3, 5))
        assert writer.publish() == 5
    assert numbers_in(store) == [0, 1, 2, 3, 4]


def test_a_writer_that_writes_nothing_leaves_the_store_untouched(store: Path) -> None:
    publish(store, range(3))
    before = files_of(store)
    with writing(store) as writer:
        assert [record.payload for record in writer.known(["number"])] == [{"number": number} for number in range(3)]
        writer.checkpoint()
        assert not writer.resumes
        assert writer.publish() == 3
    assert files_of(store) == before
    assert generation_of(store) == "g000001"


def test_only_the_live_generation_and_the_one_before_it_are_kept(store: Path) -> None:
    for number in range(3):
        publish(store, [number])
    assert sorted(path.name for path in (store / "photos").glob("g*")) == ["g000002", "g000003"]
    assert generation_of(store) == "g000003"


def test_reading_changes_no_file(store: Path) -> None:
    publish(store, range(3))
    before = files_of(store)
    assert numbers_in(store) == [0, 1, 2]
    assert files_of(store) == before


def test_processes_read_at_once_while_another_writes(store: Path) -> None:
    publish(store, range(3))
    with program(READ, str(store)) as one, program(READ, str(store)) as other:
        assert ask(one) == ask(other) == "3 3 3"
        with writing(store) as writer:
            upsert(writer, range(3, 6))
            writer.checkpoint()
            assert ask(one) == ask(other) == "3 3 3"
            writer.publish()
        assert ask(one) == ask(other) == "3 3 3"
    assert len(numbers_in(store)) == 6


def test_two_collections_of_a_store_are_apart(store: Path) -> None:
    publish(store, range(3))
    with writing(store, collection="other", space="another space") as writer:
        upsert(writer, range(10, 12))
        publish(store, range(3, 5))
        assert writer.publish() == 2
    assert numbers_in(store) == [0, 1, 2, 3, 4]
    assert numbers_in(store, "other") == [10, 11]


# One writer at a time


def test_a_second_writer_of_this_process_is_refused_at_once(store: Path) -> None:
    caught: list[StoreError] = []

    def write() -> None:
        try:
            publish(store, [1])
        except StoreError as error:
            caught.append(error)

    with writing(store) as writer:
        upsert(writer, [0])
        with pytest.raises(StoreBusyError, match=r"wait until it is done"):
            publish(store, [1])
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        assert [type(error) for error in caught] == [StoreBusyError]
        writer.publish()
    assert numbers_in(store) == [0]
    assert publish(store, [1]) == 2


def test_a_second_writer_is_refused_while_another_process_writes(store: Path, tmp_path: Path) -> None:
    script = tmp_path / "hold.py"
    script.write_text(HOLD)
    code = f"import runpy, sys; sys.argv[0] = {str(script)!r}; runpy.run_path({str(script)!r}, run_name='__main__')"
    with program(code, str(store), "hold") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        with pytest.raises(
            StoreBusyError, match=r"another process is writing .*'photos'.* then run this again"
        ) as caught:
            publish(store, [1])
        assert str(store) in str(caught.value)


# Stopped, killed, full


def test_a_stopped_writer_is_gone_on_from(store: Path) -> None:
    publish(store, range(3))
    stop_after(store, range(3, 6))
    assert numbers_in(store) == [0, 1, 2]
    with writing(store) as writer:
        assert writer.resumes
        assert sorted(int(str(r.payload["number"])) for r in writer.known(["number"])) == list(range(6))
        upsert(writer, [6])
        assert writer.publish() == 7
    with writing(store) as writer:
        assert not writer.resumes
    assert numbers_in(store) == list(range(7))


def test_points_are_overwritten_in_what_a_stopped_writer_left(store: Path) -> None:
    publish(store, range(3), tag="old")
    stop_after(store, range(3, 6))
    with writing(store) as writer:
        upsert(writer, range(6), tag="new")
        assert writer.publish() == 6
    with EmbeddedStore.open(store) as opened:
        assert [record.payload.get("tag") for record in opened.scroll()] == ["new"] * 6


def test_a_stopped_writer_may_be_published_as_it_is(store: Path) -> None:
    stop_after(store, range(4))
    with writing(store) as writer:
        assert writer.resumes
        assert len(list(writer.known(["number"]))) == 4
        assert writer.publish() == 4
    assert numbers_in(store) == [0, 1, 2, 3]


def test_a_bad_point_stops_the_writer_and_loses_nothing(store: Path) -> None:
    publish(store, range(3))
    with pytest.raises(InvalidPointError), writing(store) as writer:
        upsert(writer, range(3, 6))
        writer.upsert([UUID(int=99)], np.full((1, DIMENSIONS), np.nan, dtype=np.float32), [{}])
    assert numbers_in(store) == [0, 1, 2]
    with writing(store) as writer:
        assert writer.resumes
        assert len(list(writer.known(()))) == 6


def test_a_killed_writer_loses_nothing_acknowledged_and_blocks_nobody(store: Path, tmp_path: Path) -> None:
    publish(store, range(3))
    run_program_that_dies(tmp_path, store)
    assert numbers_in(store) == [0, 1, 2]
    with writing(store) as writer:
        assert writer.resumes
        known = {int(str(record.payload["number"])) for record in writer.known(["number"])}
        assert known >= {0, 1, 2, *range(100, 120)}
        assert known <= {0, 1, 2, *range(100, 140)}
        upsert(writer, range(100, 150))
        assert writer.publish() == 53
    assert numbers_in(store) == [0, 1, 2, *range(100, 150)]


def test_a_killed_child_is_an_error_that_says_what_to_do(store: Path) -> None:
    publish(store, range(3))
    with (
        pytest.raises(StoreError, match=r"was killed; .* is kept: run the same command again"),
        writing(store) as writer,
    ):
        upsert(writer, range(3, 6))
        writer.checkpoint()
        assert writer._pool is not None
        (child,) = writer._pool._processes.values()
        os.kill(child.pid, signal.SIGKILL)
        for number in range(10_000):  # the first of these that finds the child gone ends the loop
            upsert(writer, [6 + number])
    assert numbers_in(store) == [0, 1, 2]
    with writing(store) as writer:
        assert writer.resumes
        assert {int(str(record.payload["number"])) for record in writer.known(["number"])} >= set(range(6))
        assert writer.publish() >= 6


def test_too_little_disk_space_is_said_before_anything_is_written(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, range(3))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 5 * 2**20))
        before = files_of(store)
        with pytest.raises(
            StoreFullError,
            match=r"nearly full \(5 MiB free, 256 MiB are needed\); make room and run the same command again",
        ):
            publish(store, range(3, 6))
        assert files_of(store) == before
    assert publish(store, range(3, 6)) == 6


def test_space_that_runs_out_while_writing_loses_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, range(3))
    with (
        monkeypatch.context() as patch,
        pytest.raises(StoreFullError, match="it goes on from where it stopped"),
        writing(store) as writer,
    ):
        upsert(writer, range(3, 6))
        patch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 5 * 2**20))
        writer.checkpoint()
    assert numbers_in(store) == [0, 1, 2]
    with writing(store) as writer:
        assert writer.resumes
        assert len(list(writer.known(()))) == 6
        assert writer.publish() == 6


def test_publishing_that_fails_is_gone_on_from(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, range(3))

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "publish_generation", fail)
        with pytest.raises((OSError, StoreError)):
            publish(store, range(3, 6))
    assert numbers_in(store) == [0, 1, 2]
    with writing(store) as again:
        assert again.resumes
        upsert(again, [0], tag="new")
        assert again.publish() == 6
    with EmbeddedStore.open(store) as opened:
        assert opened.retrieve([UUID(int=1)])[0].payload == {"number": 0, "tag": "new"}


def unfinished(store: Path) -> Path:
    """The folder of what a stopped ingest left."""
    (changes,) = (store / "photos").glob("g*/changes")
    return changes.parent


@pytest.mark.parametrize("moment", ["before anything was made", "while it was made"])
def test_a_writer_that_was_killed_before_it_held_anything_is_begun_anew(store: Path, moment: str) -> None:
    publish(store, range(3))
    stop_after(store, [3])
    changes = unfinished(store) / "changes"
    if moment == "while it was made":
        shutil.copytree(changes, changes.with_name("making"))
        (changes.with_name("making") / "edge_config.json").write_text("{")
    shutil.rmtree(changes)
    with writing(store) as writer:
        assert not writer.resumes
        upsert(writer, [4])
        assert writer.publish() == 4
    assert numbers_in(store) == [0, 1, 2, 4]


def test_a_writer_that_was_killed_while_it_merged_is_gone_on_from(store: Path) -> None:
    publish(store, range(3))
    stop_after(store, [3])
    for half_made in ("merging", "shard"):
        (unfinished(store) / half_made).mkdir()
        (unfinished(store) / half_made / "edge_config.json").write_text("{")
    with writing(store) as writer:
        assert writer.resumes
        upsert(writer, [4])
        assert writer.publish() == 5
    assert numbers_in(store) == [0, 1, 2, 3, 4]


def test_a_writer_that_was_killed_after_it_published_is_not_gone_on_from(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rmtree = shutil.rmtree

    def die(folder: Path, **options: Any) -> None:
        if folder.name == "changes":
            raise KeyboardInterrupt
        rmtree(folder, **options)

    for numbers in (range(2), range(2, 4)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(shutil, "rmtree", die)
            publish(store, numbers)
    assert numbers_in(store) == [0, 1, 2, 3]
    with writing(store) as writer:
        assert not writer.resumes
        upsert(writer, [4])
        assert writer.publish() == 5
    assert numbers_in(store) == [0, 1, 2, 3, 4]


def test_an_unfinished_generation_that_cannot_be_opened_is_named_with_what_to_do(store: Path) -> None:
    publish(store, range(3))
    stop_after(store, [3])
    for path in (unfinished(store) / "changes").rglob("*.json"):
        path.write_text("{")
    with pytest.raises(StoreDamagedError, match="remove that folder") as caught, writing(store) as writer:
        upsert(writer, [4])
    assert str(unfinished(store)) in str(caught.value)
    assert numbers_in(store) == [0, 1, 2]
    shutil.rmtree(unfinished(store))
    assert publish(store, [4]) == 4


def test_what_two_spaces_left_unfinished_is_gone_on_from_with_each(store: Path) -> None:
    stop_after(store, range(3))
    stop_after(store, range(5), space="another space")
    for space in (SPACE, "another space"):
        with writing(store, space=space) as writer:
            assert writer.resumes


# Another topic space


def test_another_space_starts_empty_and_replaces_on_publish(store: Path) -> None:
    publish(store, range(3))
    with writing(store, space="another space") as writer:
        assert writer.replaces_space
        assert list(writer.known(["number"])) == []
        upsert(writer, [7])
        writer.checkpoint()
        assert numbers_in(store) == [0, 1, 2]
        assert writer.publish() == 1
    assert numbers_in(store) == [7]
    with EmbeddedStore.open(store) as opened:
        assert opened.info().vector_space == "another space"
    assert (store / "photos" / "g000001" / "shard").is_dir()
    with writing(store, space="another space") as writer:
        assert not writer.replaces_space


def test_another_space_that_writes_nothing_leaves_the_store_as_it_is(store: Path) -> None:
    publish(store, range(3))
    with writing(store, space="another space") as writer:
        writer.publish()
    assert numbers_in(store) == [0, 1, 2]


def test_an_unfinished_generation_of_another_space_is_not_gone_on_from(store: Path) -> None:
    stop_after(store, range(3))
    with writing(store, space="another space") as writer:
        assert not writer.resumes
        assert list(writer.known(())) == []
        upsert(writer, [7])
        assert writer.publish() == 1
    assert numbers_in(store) == [7]


def test_a_look_with_another_space_costs_a_stopped_ingest_nothing(store: Path) -> None:
    stop_after(store, range(3))
    with writing(store, space="another space") as writer:
        assert not writer.resumes
    with writing(store) as writer:
        assert writer.resumes


# Missing and damaged


def test_a_store_or_collection_that_is_missing_says_how_to_fill_one(store: Path) -> None:
    with pytest.raises(StoreNotFoundError, match=r"there is no store at .*`topicidx ingest SOURCE` makes one"):
        EmbeddedStore.open(store)
    publish(store, [0])
    with pytest.raises(
        StoreNotFoundError, match=r"no collection 'other' in the store .*`topicidx ingest SOURCE`"
    ) as caught:
        EmbeddedStore.open(store, "other")
    assert str(store) in str(caught.value)


def test_a_store_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot write to the store"), writing(tmp_path / "file"):
        pass


DAMAGES = {
    "pointer": ("current.json", b"{"),
    "pointer is a list": ("current.json", b"[]"),
    "pointer is not text": ("current.json", b"\xff\xfe"),
    "pointer to nothing": ("current.json", b'{"generation": "g000099"}'),
    "description": ("g000001/generation.json", b"{}"),
    "description is gone": ("g000001/generation.json", None),
    "shard is gone": ("g000001/shard", None),
    "points are gone": ("g000001/shard/segments", None),
    "shard is damaged": ("g000001/shard/edge_config.json", b"{"),
}


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("published") / "store"
    publish(store, range(3))
    return store


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_named_with_what_to_do(published: Path, store: Path, damage: str) -> None:
    shutil.copytree(published, store)
    name, content = DAMAGES[damage]
    path = store / "photos" / name
    if content is not None:
        path.write_bytes(content)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(StoreDamagedError, match=r"ingest again") as caught:
        EmbeddedStore.open(store)
    assert str(store) in str(caught.value)
    with pytest.raises(StoreDamagedError, match=r"remove") as caught, writing(store) as writer:
        list(writer.known(()))
    assert str(store) in str(caught.value)


def test_a_store_written_by_a_newer_version_asks_for_an_upgrade(published: Path, store: Path) -> None:
    shutil.copytree(published, store)
    path = store / "photos" / "g000001" / "generation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99, "graph": "hnsw"}))
    with pytest.raises(StoreDamagedError, match="upgrade topicidx"):
        EmbeddedStore.open(store)


def test_opening_while_generations_are_replaced_finds_the_new_one(
    published: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(published, store)
    from topicidx.indexer.embedded import store as store_module

    live_generation = store_module.live_generation
    published_meanwhile = []

    def publish_twice_after(collection: Path) -> Any:
        found = live_generation(collection)
        if not published_meanwhile:
            published_meanwhile.append(True)
            publish(store, [3])
            publish(store, [4])  # removes what was found
        return found

    monkeypatch.setattr(store_module, "live_generation", publish_twice_after)
    with EmbeddedStore.open(store) as opened:
        assert opened.count() == 5


def test_vectors_are_kept_through_generations(store: Path) -> None:
    vectors: NDArray[np.float32] = np.random.default_rng(0).dirichlet(np.ones(DIMENSIONS), 5).astype(np.float32)
    ids = [UUID(int=number) for number in range(1, 6)]
    with writing(store) as writer:
        writer.upsert(ids, vectors, [{"number": number} for number in range(5)])
        writer.publish()
    stop_after(store, [8])
    publish(store, [9])
    with EmbeddedStore.open(store) as opened:
        assert opened.vectors(ids).tobytes() == vectors.tobytes()
        assert opened.count() == 7
