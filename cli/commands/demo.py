"""`topicidx demo`: the whole product on rendered pictures."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from topicidx.cli.commands.train import text_progress, training_progress
from topicidx.cli.console import printable, progress_bar, results, status
from topicidx.cli.options import Seed


def demo(
    folder: Annotated[Path, typer.Option(help="Where to make the collection and its index.")] = Path("demo"),
    pictures: Annotated[int, typer.Option(help="How many pictures to render.", min=100, max=100_000)] = 1_000,
    seed: Seed = None,
    shuffle_captions: Annotated[
        bool,
        typer.Option("--shuffle-captions", help="Give captions to the wrong pictures: the answers fall to chance."),
    ] = False,
) -> None:
    """Render a photo collection, learn from its captions, index and search it: no network, no data, a few minutes."""
    from topicidx.indexer.demo import DemoProgress, run_demo

    status(
        "The pictures of this demo are rendered, not photographed; everything else is what your own photos would get."
    )
    with progress_bar() as show:
        progress = DemoProgress(
            step=lambda text: status(f"- {text}"),
            text=text_progress(show),
            training=training_progress(show),
            on_picture=lambda report: show(report.indexed, pictures, "pictures indexed"),
        )
        report = run_demo(
            folder,
            pictures=pictures,
            seed=7 if seed is None else seed,
            shuffle_captions=shuffle_captions,
            progress=progress,
        )
    for answer in report.answers:
        print(
            f"\n{answer.result.query}: {answer.hits} of the first {len(answer.result)} hold every word "
            f"(at random: {answer.by_chance:.1f})"
        )
        table = Table(box=None, pad_edge=False, show_header=False)
        for hit in answer.result:
            mark = "yes" if hit.image in answer.right else "no"
            table.add_row(str(hit.rank), f"{hit.score:.2f}", printable(hit.image), mark)
        results().print(table)
    program = _program()
    home = shlex.quote(str(folder))
    print(f"\nLook at them: {report.sheet.absolute()}")
    print(f'Search on:    {program} query --home {home} "snow mountain"')
    print(f"Your own:     {program} train PHOTOS   (a folder with captions.csv: image,caption[,city])")
    print(f"              {program} ingest PHOTOS")
    print(f'              {program} query "two words"')


def _program() -> str:
    """How this program is called from here."""
    called = Path(sys.argv[0])
    if called.name != "topicidx":
        return f"{shlex.quote(sys.executable)} -m topicidx"
    return "topicidx" if shutil.which("topicidx") else shlex.quote(str(called))
