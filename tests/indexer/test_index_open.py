"""An index opened by where it lies: searched, filled, and awaited, from Python."""

import asyncio
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from doubles.qdrant import QdrantDouble
from doubles.spaces import THEMES, Paint
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import (
    QuerySyntaxError,
    SettingsError,
    SourceError,
    SpaceMismatchError,
    SpaceNotFoundError,
    StoreNotFoundError,
)
from topicidx.indexer import AsyncIndex, Index, async_index
from topicidx.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


@pytest.fixture
def home(space: TopicSpace, tmp_path: Path) -> Path:
    """A workspace with a topic space and nothing indexed."""
    home = tmp_path / "work" / ".topicidx"
    shutil.copytree(space.folder, home / "space")
    return home


@pytest.fixture
def photos(tmp_path: Path, paint: Paint) -> Path:
    for theme, (_, colour) in THEMES.items():
        for number in range(3):
            paint(tmp_path / "photos" / ("london" if number else "paris") / f"{theme}{number}.jpg", colour)
    return tmp_path / "photos"


def test_an_index_is_filled_and_searched(home: Path, photos: Path, paint: Paint) -> None:
    with Index.open(home) as index:
        with pytest.raises(StoreNotFoundError, match="topicidx ingest"):
            index.search("dog")
        report = index.ingest(photos)
        assert (report.indexed, report.skipped) == (15, [])
        found = index.search("dog", city="london", limit=2)
        assert sorted(hit.image for hit in found) == ["photos/london/pets1.jpg", "photos/london/pets2.jpg"]
        assert {hit.path for hit in found} == {photos / "london" / "pets1.jpg", photos / "london" / "pets2.jpg"}
        paint(photos / "london" / "pets3.jpg", THEMES["pets"][1])
        assert index.ingest(str(photos)).indexed == 1
        assert len(index.search("dog", city="london", where="image = photos/london/pets3.jpg")) == 1
        (photos / "london" / "pets3.jpg").unlink()
        assert index.ingest(photos, prune=True).pruned == 1
    with Index.open(home.parent) as again:
        assert [hit.score for hit in again.search("dog", city="london", limit=2)] == [hit.score for hit in found]


def test_an_index_is_found_from_the_working_directory(
    home: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.parent / "deep").mkdir()
    monkeypatch.chdir(home.parent / "deep")
    with Index.open() as index:
        index.ingest(photos, city="Rome", name="mine")
        assert {hit.city for hit in index.search("dog")} == {"Rome"}
        assert index.search("dog")[0].image.startswith("mine/")


def test_what_does_not_belong_together_is_refused(
    home: Path, photos: Path, other_space: TopicSpace, tmp_path: Path
) -> None:
    with Index.open(home) as index:
        index.ingest(photos)
    with Index.open(home, space=other_space.folder) as index:
        with pytest.raises(SpaceMismatchError, match="another topic space"):
            index.search("dog")
        index.ingest(photos)  # replaces what is of the other space
        assert len(index.search("dog", limit=100)) == 15
    with pytest.raises(SpaceNotFoundError, match="topicidx train"):
        Index.open(home, space=tmp_path / "nowhere")
    with Index.open(home, space=other_space.folder) as index, pytest.raises(SourceError):
        index.ingest(tmp_path / "nowhere")


def test_an_index_over_a_store_that_is_open_cannot_ingest(home: Path, photos: Path, space: TopicSpace) -> None:
    with Index.open(home) as index:
        index.ingest(photos)
        over = Index(space, index.store)
        with pytest.raises(SettingsError, match=r"Index\.open"):
            over.ingest(photos)


def test_a_script_without_a_guard_can_ingest(home: Path, photos: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from doubles.colour import load_encoder_class\n"
        "from topicidx.embedders import topic_space\n"
        "from topicidx.indexer import Index\n"
        "topic_space.load_encoder_class = load_encoder_class\n"
        "print('once')\n"
        f"with Index.open(Path({str(home)!r})) as index:\n"
        f"    print(index.ingest({str(photos)!r}).indexed)\n",
        encoding="utf-8",
    )
    for arguments, text in (([str(script)], None), (["-"], script.read_text(encoding="utf-8"))):
        done = subprocess.run(
            [sys.executable, *arguments], input=text, capture_output=True, text=True, check=False, cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout == ("once\n15\n" if text is None else "once\n0\n")


def test_an_async_index_over_a_server_answers_many_at_once_as_the_other_does(home: Path, photos: Path) -> None:
    queries = ["dog", "sunrise dog", "guitar -dog", "pizza city:london", '"dog kitten" beach^2'] * 10

    async def ask(settings: Settings) -> None:
        async with await AsyncIndex.open(settings=settings) as index:
            results = await asyncio.gather(*(index.search(query, limit=5) for query in queries))
            assert results == [index.index.search(query, limit=5) for query in queries]
            groups, reasons = await asyncio.gather(index.search_groups("dog", "city"), index.explain("dog", limit=3))
            assert groups == index.index.search_groups("dog", "city")
            assert [each.hit for each in reasons.hits] == index.index.search("dog", limit=3)
            with pytest.raises(QuerySyntaxError):
                await index.search("dog^x")
            assert (await index.ingest(photos)).unchanged == 15
            assert await index.search("dog", limit=5) == results[0]

    with QdrantDouble() as double:
        settings = Settings.load(home=home, store=double.url, server={"grpc_port": double.port})
        with Index.open(settings=settings) as index:
            assert index.ingest(photos).indexed == 15
        asyncio.run(ask(settings))


def test_an_async_index_says_at_once_that_there_is_no_store(home: Path) -> None:
    async def fail() -> None:
        with pytest.raises(StoreNotFoundError):
            await AsyncIndex.open(home)

    asyncio.run(fail())


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (Index.search, async_index.SearchOptions),
        (Index.search_groups, async_index.GroupOptions),
        (Index.explain, async_index.ExplainOptions),
        (Index.ingest, async_index.IngestOptions),
    ],
)
def test_awaited_methods_take_the_same_options(method: object, options: type) -> None:
    assert callable(method)
    parameters = inspect.signature(method).parameters.values()
    names = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert set(options.__annotations__) == names
