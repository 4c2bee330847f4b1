"""The commands that the documents tell people to type: those of shell blocks, and `topicidx` ones within the text."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
_INLINE = re.compile(r"(?<!`)`(topicidx [^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Command:
    """A command, where it stands, and the heading above it."""

    document: str
    section: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}, {self.section!r}: {self.text}"


def documents() -> list[str]:
    """The documents of the repository for people who use topicidx, by their paths."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "benchmarks").glob("*.md")]
    found += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


@cache
def commands(document: str) -> tuple[Command, ...]:
    """The commands of a document's shell blocks, in order. One goes on after `\\` at the end of a line, and within quotes."""
    blocks = hook("blocks")
    found = []
    for block in blocks.blocks((ROOT / document).read_text(encoding="utf-8")):
        if block.language in blocks.SHELL:
            found += [Command(document, block.heading, text) for text in _commands_of(block.text)]
    return tuple(found)


def inline_commands(document: str) -> Iterator[str]:
    """What the text of a document has in backticks and begins with `topicidx`; names in capitals stand for something."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from (match[1] for match in _INLINE.finditer(text))


def parse(arguments: list[str], *, whole: bool = True) -> None:
    """Let the command line's own parser read arguments, without doing anything. Raises ValueError for what it refuses.

    whole: whether arguments that a command needs must be there.
    """
    from typer.main import get_command

    from topicidx.cli.app import app

    program: Any = get_command(app)
    name, *rest = arguments
    command = program.commands.get(name)
    try:
        if name.startswith("-"):
            program.make_parser(program.context_class(program)).parse_args(list(arguments))
        elif command is None:
            raise ValueError(f"there is no command {name}")
        else:
            with command.make_context(name, list(rest)) as context:
                # What `query` does not know as an option is a word; it refuses those that look like long ones itself.
                words = context.params["text"] or [] if context.ignore_unknown_options else []
                if wrong := [word for word in words if word.startswith("--")]:
                    raise ValueError(f"topicidx {name} has no option {wrong[0]}")
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        if whole or type(error).__name__ != "MissingParameter":
            raise ValueError(f"topicidx {shlex.join(arguments)}: {error.format_message()}") from error


def is_plain(text: str) -> bool:
    """Whether a command is one of topicidx, and needs no shell."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    return words[0] == "topicidx" and "$" not in text and not any(set(word) <= set("();<>|&") for word in words)


@cache
def hook(name: str) -> ModuleType:
    """A module of docs/hooks, which MkDocs puts on the path as well."""
    sys.path.append(str(ROOT / "docs" / "hooks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop()


def _commands_of(block: str) -> Iterator[str]:
    pending = ""
    for line in block.splitlines():
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quotation goes on
            pending += "\n"
            continue
        if words:
            yield _without_comment(pending).strip()
        pending = ""
    if pending.strip():
        raise ValueError(f"a command has no end: {pending!r}")


def _without_comment(line: str) -> str:
    """A line up to a `#` that begins a comment."""
    for place in (match.start() for match in re.finditer(r"(?<!\S)#", line)):
        try:
            if shlex.split(line[:place]) == shlex.split(line, comments=True):
                return line[:place]
        except ValueError:
            continue
    return line
