"""`topicidx ingest --shard` and under torchrun: several processes into one server, exactly once, as one process would."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.environment import without_settings
from doubles.qdrant import QdrantDouble
from doubles.served import Served
from topicidx.embedders.torchrun import VARIABLES

Run = Callable[..., subprocess.CompletedProcess[str]]
Paint = Callable[..., Path]
FILES, BROKEN = 24, 3


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, paint: Paint, space_folder: Path) -> Path:
    """A folder with a topic space and 24 pictures, four of them copies of others, and three files that are none."""
    folder = tmp_path_factory.mktemp("archive")
    photos = folder / "photos"
    for number in range(FILES - 4):
        paint(photos / ("miami", "london")[number % 2] / f"{number:02}.jpg", (number * 10, 80, 250 - number))
    for number in range(4):
        shutil.copy(photos / "miami" / f"{2 * number:02}.jpg", photos / "london" / f"copy{number}.jpg")
    for number in range(BROKEN):
        (photos / "miami" / f"broken{number}.jpg").write_text("no picture")
    rows = "".join(f"miami/{number:02}.jpg,sunrise beach {number}\n" for number in range(0, FILES - 4, 2))
    (photos / "captions.csv").write_text(f"image,caption\n{rows}")
    shutil.copytree(space_folder, folder / ".topicidx" / "space")
    return folder


@pytest.fixture(scope="module")
def expected(original: Path, colour_cli: Run) -> dict[str, tuple[Any, Any]]:
    """What one process makes of the pictures."""
    with QdrantDouble() as double:
        done = colour_cli("ingest", "photos", "--json", cwd=original, **server(double))
        assert done.returncode == 0, done.stderr
        return stored(double)


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    """The same on a machine that has indexed nothing yet."""
    for name in ("photos", ".topicidx/space"):
        shutil.copytree(original / name, tmp_path / name)
    return tmp_path


def server(double: QdrantDouble) -> dict[str, str]:
    return {
        "TOPICIDX_STORE": double.url,
        "TOPICIDX_SERVER__GRPC_PORT": str(double.port),
        "TOPICIDX_SERVER__ATTEMPTS": "3",
    }


def start(*arguments: object, cwd: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=without_settings() | {"PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def shard(written: str, *options: object, double: QdrantDouble, cwd: Path) -> subprocess.Popen[str]:
    arguments = ("-m", "doubles.colour", "ingest", "photos", "--shard", written, "--json", *options)
    return start(*arguments, cwd=cwd, **server(double))


def torchrun(*options: object, double: QdrantDouble, cwd: Path) -> subprocess.CompletedProcess[str]:
    process = start(
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--max-restarts", 0,
        "-m", "doubles.colour", "ingest", "photos", *options, cwd=cwd, **server(double),
    )  # fmt: skip
    out, errors = process.communicate()
    return subprocess.CompletedProcess([], process.returncode, out, errors)


def report_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    report: dict[str, Any] = json.loads(out)
    return report


def stored(double: QdrantDouble) -> dict[str, tuple[Any, Any]]:
    """Every picture that readers see, by key: payload and vector."""
    points, rest = double.memory.scroll("photos", limit=10_000, with_vectors=True)
    assert rest is None
    found = {str((point.payload or {})["image"]): (point.payload, point.vector) for point in points}
    assert len(found) == len(points)
    return found


def words(double: QdrantDouble) -> int:
    return double.memory.count("photos_words").count


def test_two_processes_index_every_picture_once_as_one_process_does(
    double: QdrantDouble, archive: Path, expected: dict[str, Any], colour_cli: Run
) -> None:
    """Both make the collection at the same moment; then one is killed, run again, and a single process looks after all."""
    together = threading.Barrier(2)
    double.on("Collections/Create", lambda call: together.wait(60), times=2)
    running = [shard(f"{number}/2", double=double, cwd=archive) for number in (1, 2)]
    reports = [report_of(process) for process in running]
    assert [report["shard"] for report in reports] == ["1/2", "2/2"]
    assert stored(double) == expected
    assert len(expected) == FILES
    assert sum(report["indexed"] + report["reused"] for report in reports) == FILES
    assert min(report["indexed"] for report in reports) > 5
    assert {point for point in Served(double).collections if not point.startswith("photos_words")} == {"photos_g000001"}
    assert words(double) > 0
    lists = archive / ".topicidx" / "servers" / double.url.removeprefix("http://").replace(":", "_") / "photos"
    assert sorted(file.name for file in lists.iterdir()) == ["skipped.1-of-2.jsonl", "skipped.2-of-2.jsonl"]
    assert sum(len(report["skipped"]) for report in reports) == BROKEN

    after = json.loads(colour_cli("ingest", "photos", "--json", cwd=archive, **server(double)).stdout)
    assert (after["unchanged"], after["decoded"], after["points"]) == (FILES, 0, FILES)
    assert [file.name for file in lists.iterdir()] == ["skipped.jsonl"]
    assert stored(double) == expected


def test_a_shard_that_was_killed_is_run_again_on_another_machine(
    double: QdrantDouble, archive: Path, expected: dict[str, Any]
) -> None:
    (archive / "topicidx.toml").write_text("[ingest]\nbatch_size = 2\n")
    killed: list[subprocess.Popen[str]] = []
    double.on("Points/Upsert", lambda call: killed[0].send_signal(signal.SIGKILL), times=1, after=2)
    killed.append(shard("2/2", double=double, cwd=archive))
    killed[0].communicate()
    assert killed[0].returncode == -signal.SIGKILL
    double.settle()
    left = len(stored(double))
    assert 0 < left < FILES / 2
    elsewhere = archive / "elsewhere"
    shutil.copytree(archive / "photos", elsewhere / "photos")
    shutil.copytree(archive / ".topicidx" / "space", elsewhere / ".topicidx" / "space")
    again = report_of(shard("2/2", double=double, cwd=elsewhere))
    assert again["unchanged"] == left
    report_of(shard("1/2", double=double, cwd=archive))
    assert stored(double) == expected


def test_torchrun_publishes_once_what_its_processes_did_together(
    double: QdrantDouble, archive: Path, expected: dict[str, Any]
) -> None:
    """Readers see another space before."""
    Served(double).publish(range(3), space="another space")
    done = torchrun("--json", double=double, cwd=archive)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["indexed"] + report["reused"], report["points"], report["shares"]) == (FILES, FILES, 2)
    assert len(report["skipped"]) == BROKEN
    assert done.stderr.count("broken") == BROKEN
    assert stored(double) == expected
    assert words(double) > 0
    assert Served(double).aliases["photos"] == "photos_g000002"
    assert [path.name for path in (archive / ".topicidx").rglob("skipped*")] == ["skipped.jsonl"]


def test_what_fails_is_said_by_the_first_process_alone_and_all_end(double: QdrantDouble, archive: Path) -> None:
    """Started as torchrun starts them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ranks = [
        dict(zip(VARIABLES, (str(rank), "2", str(rank), "2", "0", "127.0.0.1", str(port)), strict=True))
        for rank in (0, 1)
    ]
    arguments = ("-m", "doubles.colour", "ingest", "photos", "--shard", "1/2")
    running = [start(*arguments, cwd=archive, **server(double), **rank) for rank in ranks]
    said = [process.communicate() for process in running]
    assert all(process.returncode for process in running)
    assert "topicidx: torchrun has given each process its share already; leave --shard out" in said[0][1]
    assert "topicidx: " not in said[1][1]
    assert "Traceback" not in said[0][1] + said[1][1]
    assert not any("indexed" in out for out, _ in said)
    assert Served(double).aliases == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--shard", "3/2"), "shards are counted from 1/2 to 2/2"),
        (("--shard", "1/2", "--rebuild"), "--rebuild with --shard would begin as many new indexes"),
        (("--shard", "1/2", "--store", "folder"), "only one process can write to a store in a folder"),
    ],
)
def test_what_cannot_be_split_is_refused(archive: Path, colour_cli: Run, options: tuple[str, ...], said: str) -> None:
    done = colour_cli("ingest", "photos", *options, cwd=archive)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (archive / "folder").exists()
