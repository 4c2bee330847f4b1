"""The `topicidx` program: its commands, and how errors reach people."""

import logging
import sys
from typing import Annotated

import typer

from topicidx.cli.commands import (
    backup,
    copy,
    demo,
    evaluate,
    explain,
    export,
    info,
    ingest,
    query,
    restore,
    serve,
    sources,
    topics,
    train,
    upkeep,
)
from topicidx.cli.commands.map import make_map
from topicidx.cli.console import escape_what_cannot_be_printed, tell_error
from topicidx.errors import TopicidxError
from topicidx.version import __version__

app = typer.Typer(
    name="topicidx",
    help="Search your own pictures by words, learned from the captions those pictures already have.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train")(train.train)
app.command("ingest")(ingest.ingest)
# What looks like an option but is none is a word to push down: `topicidx query dog -beach`.
app.command("query", context_settings={"ignore_unknown_options": True})(query.query)
app.command("evaluate")(evaluate.evaluate)
app.command("explain", context_settings={"ignore_unknown_options": True})(explain.explain)
app.command("topics")(topics.topics)
app.command("map")(make_map)
app.command("serve")(serve.serve)
app.command("info")(info.info)
app.command("sources")(sources.sources)
app.command("relocate")(sources.relocate)
app.command("forget")(sources.forget)
app.command("duplicates")(upkeep.duplicates)
app.command("rollback")(upkeep.rollback)
app.command("gc")(upkeep.gc)
app.command("copy")(copy.copy)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("export")(export.export)
app.command("demo")(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"topicidx {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say more about what is done, on stderr.")] = False,
) -> None:
    del version  # dealt with by its callback
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr
    )


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    escape_what_cannot_be_printed()
    try:
        app()
    except TopicidxError as error:
        tell_error(error)
        sys.exit(error.exit_code)
