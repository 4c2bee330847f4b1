"""The demo: a rendered photo collection, trained on, indexed and searched, with its answers checked."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from topicidx.embedders.protocols import NO_PROGRESS, TextProgress
from topicidx.errors import SettingsError
from topicidx.indexer.contact_sheet import Sheet, write_contact_sheet
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.ingest import ingest
from topicidx.indexer.ingest_report import IngestReport, OnPicture
from topicidx.indexer.rendered import RenderedPicture, render_collection
from topicidx.indexer.results import SearchResult
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.indexer.train import TrainReport, train
from topicidx.settings import TrainingSettings
from topicidx.workspace import FOLDER_NAME, Workspace

if TYPE_CHECKING:
    from topicidx.embedders.training import Progress

QUERIES = ("sunrise beach", "skyline night", "yellow car", "rain umbrella")
RESULTS = 10
PICTURES = 1_000
RENDERED_SIZE = 160
SHEET = "demo.html"

#: A deep head learns, as it does behind pretrained layers by default, but smaller and on smaller pictures: random layers see the
#: colours and shapes of rendered pictures well enough, and are computed once.
TRAINING = TrainingSettings(
    arch="googlenet", init="random", layers="head", features="several", root=True, hidden=512, dropout=0.5, word_loss=1.0,
    crop=112, resize=124, epochs=12,
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A demo query's result and the keys of all pictures that were rendered with every word of it."""

    result: SearchResult
    right: frozenset[str]
    pictures: int

    @property
    def by_chance(self) -> float:
        """How many right ones as many pictures drawn at random would hold on average."""
        return len(self.result) * len(self.right) / self.pictures

    @property
    def hits(self) -> int:
        """How many of the pictures found are right."""
        return sum(hit.image in self.right for hit in self.result)


@dataclass(frozen=True)
class DemoReport:
    """What the demo did, and the page that shows it."""

    folder: Path
    pictures: Sequence[RenderedPicture]
    training: TrainReport
    ingested: IngestReport
    answers: tuple[Answer, ...]
    sheet: Path


@dataclass(frozen=True)
class DemoProgress:
    """Who wants to know: `step(text)` as each step begins, and what train and ingest report."""

    step: Callable[[str], None] = lambda text: None
    text: TextProgress = NO_PROGRESS
    training: "Progress | None" = None
    on_picture: OnPicture | None = None


def run_demo(
    folder: Path,
    *,
    pictures: int = PICTURES,
    epochs: int | None = None,
    seed: int = 7,
    shuffle_captions: bool = False,
    progress: DemoProgress | None = None,
) -> DemoReport:
    """Render a collection into `folder`, learn from its captions, index all pictures without them, and search.

    With `shuffle_captions` the captions belong to other pictures: the same run then finds no more than chance does.
    Raises SettingsError where `folder` holds something else.
    """
    progress = progress or DemoProgress()
    _make_room(folder)
    progress.step(f"rendering {pictures} pictures of ten cities into {folder / 'photos'}")
    rendered = render_collection(folder, pictures, RENDERED_SIZE, seed, shuffle_captions=shuffle_captions)
    workspace = Workspace.find_or_create(folder / FOLDER_NAME)

    progress.step(f"learning topics from {folder / 'captions.csv'}, and to see them in the pictures")
    training = replace(TRAINING, epochs=epochs or TRAINING.epochs)
    trained = train(
        open_source(folder / "captions.csv"), workspace.space, training=training, seed=seed,
        trainings=workspace.trainings, text_progress=progress.text, progress=progress.training,
    )  # fmt: skip

    progress.step(f"indexing {folder / 'photos'} by pixels alone: no caption is read")
    sources = SourceRegistry(workspace.store)
    source = sources.register(open_source(folder / "photos"))
    space = trained.space
    assert space is not None
    with EmbeddedStore.writer(workspace.store, "photos", space.vector_space, space.dimensions) as writer:
        skipped = workspace.home / "skipped.jsonl"
        ingested = ingest(source, space, writer, skipped_file=skipped, on_picture=progress.on_picture)

    with EmbeddedStore.open(workspace.store) as store:
        index = Index(space, store, sources)
        answers = tuple(_answer(index, query, rendered) for query in QUERIES)
    sheet = folder / SHEET
    write_contact_sheet(
        sheet, "topicidx: pictures found by words", _introduction(rendered), [_sheet(answer) for answer in answers]
    )
    return DemoReport(folder, rendered, trained, ingested, answers, sheet)


def _make_room(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / FOLDER_NAME).is_dir() or not (folder / "photos").is_dir():
            raise SettingsError(
                f"{folder} holds something other than an earlier demo; name another place with --folder"
            )
        for name in (FOLDER_NAME, "photos"):
            shutil.rmtree(folder / name)
    folder.mkdir(parents=True, exist_ok=True)


def _answer(index: Index, query: str, rendered: Sequence[RenderedPicture]) -> Answer:
    words = set(query.split())
    right = frozenset(str(picture.path) for picture in rendered if words <= picture.concepts)
    return Answer(index.search(query, limit=RESULTS), right, len(rendered))


def _introduction(rendered: Sequence[RenderedPicture]) -> list[str]:
    captioned = sum(bool(picture.captions) for picture in rendered)
    made = (
        f"These {len(rendered)} pictures are rendered, not photographed: ten cities, nineteen concepts, alone and together. "
        f"A space of topics was learned from the captions of {captioned} of them, hashtags, misspellings and all; then all "
        "were indexed by their pixels alone, and found by the words below."
    )
    scores = (
        "A score says how many times likelier than average a caption of the picture would hold the words "
        "(the geometric mean over the words)."
    )
    return [made, scores]


def _sheet(answer: Answer) -> Sheet:
    note = (
        f"{answer.hits} of the first {len(answer.result)} hold every word. {len(answer.right)} of all "
        f"{answer.pictures} pictures do; pictures drawn at random would hold {answer.by_chance:.1f}."
    )
    return Sheet(answer.result, note, answer.right)
