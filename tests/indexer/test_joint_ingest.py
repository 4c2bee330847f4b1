"""An ingest in several processes, here threads: together what one does, and what one of them cannot do fails all."""

import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import grpc as q

from doubles.qdrant import Call, QdrantDouble
from doubles.served import Served
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import IngestError, SettingsError, SourceError, TopicidxError, TransferError
from topicidx.indexer.ingest_run import IngestRun, run_ingest
from topicidx.indexer.joint_ingest import JointIngest
from topicidx.indexer.keys import point_id
from topicidx.indexer.shards import Shard
from topicidx.indexer.sources import open_source, webdataset
from topicidx.indexer.stores import StoreAddress
from topicidx.indexer.team import Team
from topicidx.settings import ServerSettings, Settings

Paint = Callable[..., Path]
FILES = 15


class Threads:
    """What `Ranks` gives to processes, among threads."""

    def __init__(self, rank: int, world_size: int, barrier: threading.Barrier, values: list[Any]) -> None:
        self.rank, self.world_size, self.local_world_size = rank, world_size, world_size
        self.first = rank == 0
        self._barrier, self._values = barrier, values

    def gathered(self, value: Any) -> list[Any]:
        self._values[self.rank] = value
        self._barrier.wait(60)
        values = list(self._values)
        self._barrier.wait(60)
        return values


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def photos(tmp_path: Path, paint: Paint) -> Path:
    for number in range(FILES):
        paint(tmp_path / "photos" / f"{number:02}.jpg", (number * 15, 80, 250 - number))
    (tmp_path / "photos" / "broken.jpg").write_text("no picture")
    return tmp_path / "photos"


@pytest.fixture
def job(double: QdrantDouble, photos: Path, space: TopicSpace, tmp_path: Path) -> Callable[..., JointIngest]:
    """job(...): an ingest of the photos onto the double; home names the folder of this machine."""

    def job(home: str = "home", folder: Path = photos, url: str | None = double.url, **options: Any) -> JointIngest:
        settings = Settings(server=ServerSettings(grpc_port=double.port, attempts=2))
        address = StoreAddress(tmp_path / home, url)
        return JointIngest(open_source(folder), options.pop("space", space), address, settings, **options)

    return job


def together(job: Callable[[int], JointIngest], processes: int = 3, **options: Any) -> list[IngestRun | TopicidxError]:
    """What each of the processes gives, or fails with."""
    barrier, values = threading.Barrier(processes), [None] * processes

    def take_part(rank: int) -> IngestRun | TopicidxError:
        team = Team(Threads(rank, processes, barrier, values))  # type: ignore[arg-type]
        try:
            return job(rank).take_part(team, **options)
        except TopicidxError as error:
            return error

    with ThreadPoolExecutor(processes) as pool:
        return list(pool.map(take_part, range(processes)))


def reports(job: Callable[[int], JointIngest], **options: Any) -> Any:
    """The report of all, which every process has."""
    runs = together(job, **options)
    found = [run.report for run in runs if isinstance(run, IngestRun)]
    assert len(found) == len(runs), runs
    assert all(report == found[0] for report in found)
    return found[0]


def keys(double: QdrantDouble) -> list[str]:
    points, _ = double.memory.scroll("photos", limit=1_000)
    return sorted(str((point.payload or {})["image"]) for point in points)


def test_all_have_the_report_of_all_on_machines_that_share_nothing(
    double: QdrantDouble, job: Callable[..., JointIngest], tmp_path: Path, photos: Path
) -> None:
    report = reports(lambda rank: job(f"home{rank}"))
    assert (report.indexed, report.points, report.by_source) == (FILES, FILES, {"photos": FILES})
    assert [skipped.image for skipped in report.skipped] == ["photos/broken.jpg"]
    again = reports(lambda rank: job(f"home{2 - rank}"))  # begun by another machine
    assert (again.indexed, again.unchanged, again.points, len(again.skipped)) == (0, FILES, FILES, 1)
    assert len(keys(double)) == FILES

    gone = photos / "03.jpg"
    gone.unlink()
    planned = reports(lambda rank: job(f"home{rank}", prune=True, dry_run=True))
    assert (planned.dry_run, planned.unchanged, planned.pruned, planned.points) == (True, FILES - 1, 1, FILES - 1)
    left = reports(lambda rank: job(f"home{rank}"))
    assert (left.vanished, left.pruned, left.points) == (1, 0, FILES)
    pruned = reports(lambda rank: job(f"home{rank}", prune=True))
    assert (pruned.vanished, pruned.pruned, pruned.points) == (1, 1, FILES - 1)
    assert "photos/03.jpg" not in keys(double)


def test_a_new_index_is_begun_by_the_first(double: QdrantDouble, job: Callable[..., JointIngest], photos: Path) -> None:
    reports(lambda rank: job())
    (photos / "05.jpg").unlink()
    report = reports(lambda rank: job(), rebuild=True)
    assert (report.indexed, report.points) == (FILES - 1, FILES - 1)
    assert Served(double).aliases["photos"] == "photos_g000002"


def test_shards_prune_what_is_theirs_and_a_whole_ingest_does_the_rest(
    double: QdrantDouble, job: Callable[..., JointIngest], other_space: TopicSpace, photos: Path, space: TopicSpace
) -> None:
    for number in (1, 2):
        run = job().take_shard(Shard(number, 2))
        assert (run.report.shard, run.hidden) == (f"{number}/2", False)
    assert len(keys(double)) == FILES
    for path in photos.glob("0*.jpg"):
        path.unlink()
    gone = [f"photos/0{number}.jpg" for number in range(10)]
    first = job(prune=True).take_shard(Shard(1, 2)).report
    assert first.pruned == sum(map(Shard(1, 2).has, gone))
    assert [key for key in keys(double) if key in gone] == [key for key in gone if Shard(2, 2).has(key)]

    hidden = job(space=other_space).take_shard(Shard(2, 2))
    assert hidden.hidden
    assert hidden.replaced_space
    assert "photos/14.jpg" in keys(double)
    whole = job(space=other_space)
    run = run_ingest(whole.source, other_space, whole.address, whole.settings)
    assert (run.report.unchanged, run.report.points) == (hidden.report.indexed, FILES - 10)
    assert keys(double) == [f"photos/{number}.jpg" for number in range(10, FILES)]


def test_what_one_process_cannot_do_fails_all_after_the_others_are_done(
    double: QdrantDouble, job: Callable[..., JointIngest]
) -> None:
    second = next(f"photos/{n:02}.jpg" for n in range(FILES) if Shard(2, 3).has(f"photos/{n:02}.jpg"))

    def refuse(call: Call) -> None:
        request = call.request
        assert isinstance(request, q.UpsertPoints)
        if str(point_id(second)) in {point.id.uuid for point in request.points}:
            raise ValueError("the disk is on fire")

    double.on("Points/Upsert", refuse)
    runs = together(lambda rank: job())
    assert [type(run) for run in runs] != [IngestRun] * 3
    assert all(isinstance(run, TopicidxError) for run in runs)
    assert isinstance(runs[0], IngestError)
    assert "process 2 of 3: " in str(runs[0])
    assert "the disk is on fire" in str(runs[0])
    assert not isinstance(runs[1], IngestError)  # its own error, whole
    written = keys(double)
    assert written
    assert not any(Shard(2, 3).has(key) for key in written)
    double.heal()
    assert reports(lambda rank: job()).unchanged == len(written)
    assert len(keys(double)) == FILES


def test_totals_that_do_not_fit_are_published_by_nobody(
    double: QdrantDouble, job: Callable[..., JointIngest], space: TopicSpace
) -> None:
    Served(double).publish(range(3), space="another space")

    def lose(call: Call) -> None:
        # When all have verified their own: at the first count of a source.
        double.memory.delete("photos_g000002", [str(point_id("photos/07.jpg"))])

    def look(call: Call) -> None:
        request = call.request
        assert isinstance(request, q.CountPoints)
        if any(condition.field.key == "source" for condition in request.filter.must):
            lose(call)

    double.on("Points/Count", look)
    runs = together(lambda rank: job())
    assert isinstance(runs[0], TransferError)
    assert f"holds {FILES - 1} pictures of the source 'photos', {FILES} were written" in str(runs[0])
    assert Served(double).aliases["photos"] == "photos_g000001"
    double.heal()
    assert reports(lambda rank: job()).indexed == 1
    assert len(keys(double)) == FILES


def test_pictures_of_another_folder_with_the_same_name_are_not_mixed_in(
    job: Callable[..., JointIngest], photos: Path, paint: Paint, tmp_path: Path
) -> None:
    job().take_shard(Shard(1, 2))
    other = paint(tmp_path / "other" / "photos" / "holiday.jpg").parent
    with pytest.raises(SourceError, match=r"pictures of a source 'photos' already.*--name photos"):
        job("elsewhere", other).take_shard(Shard(2, 2))
    with pytest.raises(SourceError, match="pictures of a source 'photos' already"):
        job("elsewhere", other, dry_run=True).take_shard(Shard(2, 2))
    copied = shutil.copytree(photos, tmp_path / "moved" / "photos")
    assert job("elsewhere", copied).take_shard(Shard(2, 2)).report.points == FILES


def test_a_machine_that_knows_the_name_as_another_place_is_told(
    job: Callable[..., JointIngest], photos: Path, paint: Paint, tmp_path: Path
) -> None:
    other = paint(tmp_path / "other" / "photos" / "holiday.jpg").parent
    job("home1", other, name="photos").take_shard(Shard(1, 2))
    job("home1", other, name="photos").take_shard(Shard(2, 2))
    runs = together(lambda rank: job(f"home{rank}", name="photos"), processes=2)
    assert "lies at" in str(runs[0])
    assert "topicidx relocate photos" in str(runs[1])


def test_an_archive_is_opened_by_one_shard_alone(
    double: QdrantDouble, job: Callable[..., JointIngest], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    for number in range(4):
        with tarfile.open(archives / f"{number:05}.tar", "w") as tar:
            for picture in (3 * number, 3 * number + 1):
                tar.add(photos / f"{picture:02}.jpg", f"{picture:09}.jpg")
    opened: list[str] = []
    members = webdataset._members

    def note(shard: Any) -> Any:
        opened.append(shard.name)
        return members(shard)

    monkeypatch.setattr(webdataset, "_members", note)
    found = [job(folder=archives).take_shard(Shard(number, 7)).report for number in range(1, 8)]
    assert sorted(opened) == [f"{number:05}.tar" for number in range(4)]
    assert sum(report.indexed for report in found) == 8
    assert 0 in [report.indexed for report in found]  # a share without an archive is no mistake
    assert len(keys(double)) == 8


def test_a_folder_has_one_writer(job: Callable[..., JointIngest]) -> None:
    with pytest.raises(SettingsError, match="only one process can write to a store in a folder"):
        job(url=None).take_shard(Shard(1, 2))
    assert all(isinstance(run, SettingsError) for run in together(lambda rank: job(url=None)))
