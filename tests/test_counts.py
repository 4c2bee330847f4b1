"""What the main jobs cost, in counts that depend on no clock: they fail where a job begins to do more than it did.

A count that has gone down may be written down here; one that has gone up needs a reason.
"""

import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from topicidx.embedders import pictures, word_table
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer import Index, looking
from topicidx.indexer.embedded import EmbeddedStore, writer
from topicidx.indexer.embedded.shard import Shard
from topicidx.indexer.ingest import ingest
from topicidx.indexer.ingest_report import IngestReport
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.settings import IngestSettings

Paint = Callable[..., Path]

#: Python functions that are called by one more picture of an ingest that finds it unchanged, and by one more query of a word.
UNCHANGED_CALLS, QUERY_CALLS = 122, 950
#: Bytes that go to the process that writes, for each picture.
WRITTEN_BYTES = 3_000


@pytest.fixture
def coloured(tmp_path: Path, paint: Paint) -> Path:
    for number in range(40):
        paint(tmp_path / "photos" / f"{number}.jpg", (5 * number, 80, 220 - 5 * number))
    return tmp_path / "photos"


@pytest.fixture
def index_folder(space: TopicSpace, tmp_path: Path) -> Callable[..., IngestReport]:
    def run(folder: Path, **settings: Any) -> IngestReport:
        store = tmp_path / "store"
        with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
            source = SourceRegistry(store).register(open_source(folder))
            return ingest(source, space, writer, IngestSettings(**settings), skipped_file=store / "skipped.jsonl")

    return run


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, *places: tuple[Any, str]) -> Iterator[Counter[str]]:
    """How often functions are called, by their names."""
    counts: Counter[str] = Counter()

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for owner, name in places:
            patch.setattr(owner, name, watched(name, getattr(owner, name)))
        yield counts


def calls_of(run: Callable[[], object]) -> int:
    """How many functions Python calls, those of extensions too."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    ("query", "searches", "words"), [("beach", 1, 1), ("beach sunrise", 1, 2), ("beach -dog", 2, 2)]
)
def test_a_query_asks_the_engine_few_times(
    query: str, searches: int, words: int, space: TopicSpace, coloured: Path, index_folder: Callable[..., IngestReport],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    index_folder(coloured)
    with EmbeddedStore.open(tmp_path / "store") as store:
        index = Index(space, store)
        index.search("ocean")  # what is asked once for all queries
        engine = [
            (Shard, name)
            for name in ("search", "retrieve", "vectors", "points", "scroll", "scan", "blocks", "count", "has", "facet")
        ]
        with counted(monkeypatch, *engine, (word_table.WordTable, "vectors")) as counts:
            assert len(index.search(query)) == 10
        most = QUERY_CALLS * words
        assert calls_of(lambda: index.search(query)) <= most
    assert counts.pop("vectors") <= 2
    assert counts == {"search": searches, "retrieve": 1}


def test_an_ingest_reads_decodes_and_writes_each_picture_once(
    coloured: Path, index_folder: Callable[..., IngestReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def submit(self: Any, work: Any, *arguments: Any) -> Any:
        written.append(len(pickle.dumps(arguments)))
        return original(self, work, *arguments)

    original = writer.EmbeddedWriter._submit
    monkeypatch.setattr(writer.EmbeddedWriter, "_submit", submit)
    places = ((looking, "sha256_of"), (looking, "open_picture"), (writer.EmbeddedWriter, "checkpoint"))
    with counted(monkeypatch, *places) as counts:
        report = index_folder(coloured, batch_size=16)
    assert report.indexed == 40
    assert counts == {"sha256_of": 40, "open_picture": 40}
    assert len(written) == 3
    assert sum(written) <= 40 * WRITTEN_BYTES


def test_an_ingest_that_finds_nothing_new_opens_no_picture(
    coloured: Path, index_folder: Callable[..., IngestReport], monkeypatch: pytest.MonkeyPatch, paint: Paint
) -> None:
    index_folder(coloured)
    with counted(monkeypatch, (looking, "sha256_of"), (looking, "open_picture"), (Path, "open")) as counts:
        few = calls_of(lambda: index_folder(coloured))
    assert counts["sha256_of"] == counts["open_picture"] == 0
    for number in range(40):
        paint(coloured / "more" / f"{number}.jpg", (9, 6 * number, 200))
    index_folder(coloured)
    many = calls_of(lambda: index_folder(coloured))
    assert (many - few) / 40 <= UNCHANGED_CALLS


@pytest.mark.parametrize("progressive", [False, True])
def test_large_photos_are_decoded_at_an_eighth_of_their_sides(
    tmp_path: Path, progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (75, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((4_000, 3_000)).save(tmp_path / "large.jpg", progressive=progressive)
    decoded: list[int] = []
    load = JpegImagePlugin.JpegImageFile.load

    def watched(self: Any) -> Any:
        decoded.append(self.width * self.height)
        return load(self)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", watched)
    picture = pictures.open_picture(tmp_path / "large.jpg", at_least=224)
    assert (picture.width, picture.height) == (4_000, 3_000)
    assert set(decoded) == {4_000 * 3_000 // 64}
