"""`topicidx train`: captions and pictures to a topic space."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from topicidx.cli.console import Show, progress_bar, status
from topicidx.cli.options import Home, Json, Seed, Space
from topicidx.errors import SettingsError
from topicidx.settings import Arch, Settings
from topicidx.workspace import Workspace

if TYPE_CHECKING:
    from topicidx.embedders.training import Progress


def train(
    source: Annotated[
        Path, typer.Argument(help="A folder of captioned pictures, or a manifest (.csv, .jsonl).", show_default=False)
    ],
    home: Home = None,
    space: Space = None,
    topics: Annotated[int | None, typer.Option(help="Number of topics. Default: 500.", show_default=False)] = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(
            help="What learns from captions: lda, word2vec, or one that another package provides. Default: lda.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        Literal["text", "image"] | None, typer.Option(help="Train one side alone.", show_default=False)
    ] = None,
    arch: Annotated[Arch | None, typer.Option(help="The network. Default: googlenet.", show_default=False)] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="First weights: imagenet (downloaded), random, or a file. Default: imagenet.", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the pictures. Default: adapted.", show_default=False)
    ] = None,
    preset: Annotated[
        Literal["instacities1m"] | None, typer.Option(help="The published settings.", show_default=False)
    ] = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Learn topics from captions, and a network that sees them in pictures.

    Captions come from captions.csv (image,caption[,city]), metadata.csv, or NAME.txt beside NAME.jpg.
    """
    from topicidx.indexer.presets import preset_settings

    settings = Settings.load(
        preset=preset_settings(preset) if preset else None,
        home=home,
        space=space,
        seed=seed,
        text_encoder=text_encoder,
        lda={"num_topics": topics},
        training={"arch": arch, "init": init, "epochs": epochs},
    )
    if topics is not None and settings.text_encoder != "lda":
        raise SettingsError(f"--topics is for the text encoder lda, not {settings.text_encoder}; leave it out")
    if text_encoder is not None and only == "image":
        raise SettingsError(
            "--only image keeps the text encoder of the topic space that is there; leave --text-encoder out"
        )
    from topicidx.indexer.sources import open_source
    from topicidx.indexer.train import train as train_space

    opened = open_source(source)
    workspace = Workspace.find_or_create(settings.home)
    if settings.home is None and workspace.home.parent != Path.cwd():
        status(f"using the workspace {workspace.home}")
    folder = settings.space or workspace.space
    status(f"reading captions from {opened.manifest or opened.folder}")
    try:
        with progress_bar() as show:
            report = train_space(
                opened,
                folder,
                text_encoder=settings.text_encoder,
                text_settings=settings.text_settings,
                training=settings.training,
                only=only,
                seed=settings.seed,
                cache_folder=workspace.home,
                on_step=status,
                on_pass=show_passes(show),
                progress=None if only == "text" else training_progress(show),
            )
    except KeyboardInterrupt:
        status("stopped; nothing of this training is kept, and what was there before is as it was")
        raise
    finally:
        workspace.discard_if_empty()
    if report.unreadable:
        status(f"left out {len(report.unreadable)} pictures that could not be read:")
        for key, reason in report.unreadable.items():
            status(f"  {key!r}: {reason}")
    manifest = report.space.manifest
    if as_json:
        summary = {
            "space": str(folder),
            "captioned": report.captioned,
            "words": report.words,
            "metrics": manifest.metrics,
        }
        print(json.dumps(summary | {"vector_space": manifest.vector_space, "unreadable": report.unreadable}))
        return
    unit = "topics" if report.space.scores == "lift" else "dimensions"
    print(
        f"trained {folder}: {report.space.dimensions} {unit}, {report.words} words from {report.captioned} captioned pictures"
    )
    if report.epochs:
        loss = manifest.metrics["validation_loss"]
        print(
            f"network: {report.training_pictures} pictures, {len(report.epochs)} epochs, validation loss {loss:.4f} "
            f"on {report.validation_pictures} others (see {folder / 'training.png'})"
        )
        print("next: topicidx ingest FOLDER")


def show_passes(show: Show) -> Callable[[int, int], None]:
    """Progress of the text encoder."""
    return lambda done, total: show(done, total, "passes over the captions")


def training_progress(show: Show) -> "Progress":
    """Progress of the network: a bar within an epoch, a line after each."""
    from topicidx.embedders.training import Epoch, Progress

    def line(epoch: Epoch) -> None:
        stage = "new layer alone" if epoch.stage == "head" else "all that learns"
        status(
            f"epoch {epoch.epoch} ({stage}): training loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}"
            f"{' *' if epoch.best else ''}, {epoch.images_per_second:.0f} images/s"
        )

    return Progress(
        features=lambda done, total: show(done, total, "frozen layers"),
        batch=lambda epoch, epochs, done, total, loss: show(done, total, f"epoch {epoch}, loss {loss:.4f}"),
        epoch=line,
    )
