"""`topicidx train`: captions and pictures to a topic space."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from topicidx.cli.completion import complete_path
from topicidx.cli.console import Show, print_json, progress_bar, status
from topicidx.cli.options import Home, Json, Seed, Space
from topicidx.errors import SettingsError
from topicidx.settings import Arch, CaptionSettings, Settings
from topicidx.workspace import Workspace

if TYPE_CHECKING:
    from topicidx.embedders.protocols import TextProgress
    from topicidx.embedders.training import Progress


#: What the layers are called in the settings.
LAYERS: dict[str, str] = {"inception4e": "tail", "head": "head", "all": "all"}


def train(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of captioned pictures, a manifest (.csv, .jsonl, .parquet), WebDataset's tar files, Instagram's "
            "export, or the URL of one of these.",
            show_default=False,
            autocompletion=complete_path,
        ),
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
    language: Annotated[
        str | None,
        typer.Option(
            help="The language of the captions, as en, or several, as en,es,ca. Default: en.", show_default=False
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
    train_from: Annotated[
        Literal["inception4e", "head", "all"] | None,
        typer.Option(help="The first layer that learns. Default: head; all with --init random.", show_default=False),
    ] = None,
    cache_trunk: Annotated[
        bool | None,
        typer.Option(
            "--cache-trunk/--no-cache-trunk",
            help="Keep what the frozen layers give on disk, so that they see each picture once. Default: yes.",
            show_default=False,
        ),
    ] = None,
    nproc: Annotated[
        int, typer.Option(min=1, max=1_024, help="Processes that train together on this machine, one a GPU.")
    ] = 1,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare", help="Learn from the captions and say how to train the network elsewhere (torchrun)."
        ),
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Also write TensorBoard events to this folder.", show_default=False)
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
        lda={"num_topics": topics, "language": language},
        word2vec={"language": language},
        training={
            "arch": arch,
            "init": init,
            "epochs": epochs,
            "layers": LAYERS.get(train_from or ""),
            "cache_gigabytes": 0.0 if cache_trunk is False else None,
        },
    )
    if topics is not None and settings.text_encoder != "lda":
        raise SettingsError(f"--topics is for the text encoder lda, not {settings.text_encoder}; leave it out")
    if isinstance(settings.text_settings, CaptionSettings):
        from topicidx.embedders.normalizer import split_languages

        split_languages(settings.text_settings.language)  # a slip of the pen is told before anything is read
    elif language is not None:
        raise SettingsError(
            f"--language is for the text encoders lda and word2vec; {settings.text_encoder} has settings of its own, under "
            f"[encoders.{settings.text_encoder}] in topicidx.toml"
        )
    if only == "image":
        for option, value in (("--text-encoder", text_encoder), ("--language", language)):
            if value is not None:
                raise SettingsError(
                    f"--only image keeps the text encoder of the topic space that is there; leave {option} out"
                )
    from topicidx.indexer.sources import open_source
    from topicidx.indexer.train import train as train_space

    # Until the network learns, which heeds it by itself: so that what is being written is put away.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    opened = open_source(source)
    workspace = Workspace.find_or_create(settings.home)
    if settings.home is None and workspace.home.parent != Path.cwd():
        status(f"using the workspace {workspace.home}")
    folder = settings.space or workspace.space
    status(f"reading captions from {opened.manifest or opened.folder}")
    try:
        with progress_bar() as show, _told(show, only, tensorboard) as progress:
            report = train_space(
                opened,
                folder,
                text_encoder=settings.text_encoder,
                text_settings=settings.text_settings,
                training=settings.training,
                only=only,
                seed=settings.seed,
                trainings=workspace.trainings,
                processes=nproc,
                prepare=prepare,
                on_step=status,
                text_progress=text_progress(show),
                progress=progress,
            )
    except (KeyboardInterrupt, SystemExit):
        status(
            "stopped; the same command goes on from here"
            if workspace.unfinished_trainings()
            else "stopped; nothing of this training is kept, and what was there before is as it was"
        )
        raise
    finally:
        workspace.discard_if_empty()
    if report.unreadable:
        status(f"left out {len(report.unreadable)} pictures that could not be read:")
        for key, reason in report.unreadable.items():
            status(f"  {key!r}: {reason}")
    if report.space is None:
        assert report.prepared is not None
        _say_how_to_train(report.prepared, "train_text" if only == "text" else "train", as_json=as_json)
        return
    manifest = report.space.manifest
    if as_json:
        summary = {
            "space": str(folder),
            "captioned": report.captioned,
            "words": report.words,
            "metrics": manifest.metrics,
        }
        print_json(summary | {"vector_space": manifest.vector_space, "unreadable": report.unreadable})
        return
    unit = "topics" if report.space.scores == "lift" else "dimensions"
    print(
        f"trained {folder}: {report.space.dimensions} {unit}, {report.words} words from {report.captioned} captioned pictures"
    )
    if report.epochs:
        loss, best = manifest.metrics["validation_loss"], manifest.metrics["best_epoch"]
        print(
            f"network: {report.training_pictures} pictures, {len(report.epochs)} epochs, validation loss {loss:.4f} in epoch "
            f"{best} on {report.validation_pictures} others (see {folder / 'report.html'})"
        )
        print("next: topicidx ingest FOLDER")


def text_progress(show: Show) -> "TextProgress":
    """Progress of the text encoder: captions read with their speed, then how much is learned."""
    from topicidx.embedders.protocols import TextProgress

    began = time.monotonic()
    first: list[int] = []

    def read(done: int) -> None:
        first.append(done)
        del first[1:]
        seconds = time.monotonic() - began
        speed = f", {(done - first[0]) / seconds:,.0f} a second" if seconds > 1 else ""
        show(done, None, f"captions read: {done:,}{speed}")

    return TextProgress(read=read, learned=lambda done, total: show(done, total, "learning from the captions"))


def training_progress(show: Show) -> "Progress":
    """Progress of the network: a bar within an epoch, with the speed and the time left to the last epoch; a line after each."""
    from topicidx.embedders.training import Epoch, Progress

    seconds: list[float] = []
    first: list[tuple[float, int]] = []

    def batch(epoch: int, epochs: int, done: int, total: int, loss: float) -> None:
        text = f"epoch {epoch} of {epochs}, loss {loss:.4f}"
        first.append((time.monotonic(), done))
        del first[1:]
        began, before = first[0]
        passed = seconds[-1] if seconds else (time.monotonic() - began) * total / max(1, done - before)
        if passed > 0:
            left = passed * (epochs - epoch + 1 - done / total)
            text += f", {total / passed:.0f} images/s, {_minutes(left)} left"
        show(done, total, text)

    def line(epoch: Epoch) -> None:
        seconds.append(epoch.seconds)
        status(str(epoch))

    return Progress(
        features=lambda done, total: show(done, total, "frozen layers"),
        batch=batch,
        epoch=line,
        resumed=lambda epochs, batches: status(f"going on after {epochs} epochs and {batches} batches"),
    )


@contextmanager
def _told(show: Show, only: str | None, tensorboard: Path | None) -> Iterator["Progress | None"]:
    if only == "text":
        yield None
        return
    from topicidx.embedders.tensorboard import written_to_tensorboard

    with written_to_tensorboard(training_progress(show), tensorboard) as progress:
        yield progress


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _say_how_to_train(folder: Path, module: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"prepared": str(folder)})
        return
    print(f"prepared {folder}: on each machine, with the same folder and pictures under the same names, start")
    print(
        f"  torchrun --nnodes N --nproc-per-node {'1' if module == 'train_text' else 'GPUS'} --rdzv-backend c10d "
        f"--rdzv-endpoint HOST:29500 -m topicidx.embedders.{module} {folder}"
    )
    print("and then this command again, without --prepare")
