"""The commands of `topicidx`, and how errors reach people."""

from collections import UserDict
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from topicidx.cli.console import log_to_stderr, run_command
from topicidx.version import __version__


class _Place(NamedTuple):
    """Where a command is: a module in topicidx.cli.commands, a function in it, and how the command reads its arguments."""

    module: str
    function: str
    context: dict[str, Any] = {}  # noqa: RUF012 never changed


#: What looks like an option but is none is a word to push down: `topicidx query dog -beach`.
_WORDS = {"ignore_unknown_options": True}
#: All commands, in the order in which they are listed.
_COMMANDS = {
    "train": _Place("train", "train"),
    "ingest": _Place("ingest", "ingest"),
    "query": _Place("query", "query", _WORDS),
    "evaluate": _Place("evaluate", "evaluate"),
    "explain": _Place("explain", "explain", _WORDS),
    "topics": _Place("topics", "topics"),
    "map": _Place("map", "make_map"),
    "serve": _Place("serve", "serve"),
    "info": _Place("info", "info"),
    "sources": _Place("sources", "sources"),
    "relocate": _Place("sources", "relocate"),
    "forget": _Place("sources", "forget"),
    "duplicates": _Place("upkeep", "duplicates"),
    "rollback": _Place("upkeep", "rollback"),
    "gc": _Place("upkeep", "gc"),
    "copy": _Place("copy", "copy"),
    "backup": _Place("backup", "backup"),
    "restore": _Place("restore", "restore"),
    "export": _Place("export", "export"),
    "demo": _Place("demo", "demo"),
}
_STYLE: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}


class _Commands(UserDict[str, Any]):
    """Commands by name, each imported when it is asked for: the others would take most of the time that a query takes."""

    def __getitem__(self, name: str) -> Any:
        found = self.data[name]
        if isinstance(found, _Place):
            alone = typer.Typer(add_completion=False, **_STYLE)
            function = getattr(import_module(f"topicidx.cli.commands.{found.module}"), found.function)
            alone.command(name, context_settings=found.context)(function)
            found = self.data[name] = typer.main.get_command(alone)
        return found


class _Group(TyperGroup):
    """The program, whose commands are imported when they are asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(_COMMANDS)

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(self.commands)


app = typer.Typer(
    name="topicidx",
    cls=_Group,
    help="Search your own pictures by words, learned from the captions those pictures already have.",
    no_args_is_help=True,
    **_STYLE,
)


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
    log_to_stderr(verbose=verbose)


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    run_command(app)
