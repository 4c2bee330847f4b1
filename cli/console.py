"""What people see: status and progress on stderr, results on stdout."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, OverflowMethod

from topicidx.errors import TopicidxError

#: Called with (done, all or None, text).
Show = Callable[[int, int | None, str], None]


def status(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def tell_error(error: Exception) -> None:
    """Why a command could not do it, on stderr."""
    status(f"topicidx: {error}")


def log_to_stderr(*, verbose: bool) -> None:
    """Have warnings, and with `verbose` more, shown on stderr."""
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s", stream=sys.stderr)


def run_command(command: Callable[[], object]) -> None:
    """Run a command: where it cannot do what was asked, say why and end with the error's exit code."""
    escape_what_cannot_be_printed()
    try:
        command()
    except TopicidxError as error:
        tell_error(error)
        sys.exit(error.exit_code)


def results() -> Console:
    """A console for results: as wide as the terminal, or as wide as they are where nobody looks."""
    terminal = sys.stdout.isatty()
    return Console(
        width=None if terminal else 1_000, highlight=False, soft_wrap=not terminal, markup=False, emoji=False
    )


@contextmanager
def progress_bar() -> Iterator[Show]:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total, text: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total, text: progress.update(task, completed=done, total=total, description=text)


def printable(text: str) -> str:
    """`text` on one line, with characters that would move the cursor or cannot be encoded shown as escapes."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def can_print(text: str) -> bool:
    """Whether stdout's encoding has the characters of `text`."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def overflow() -> OverflowMethod:
    """How text that is too long for its column ends: in an ellipsis where stdout has one."""
    return "ellipsis" if can_print("…") else "crop"


def escape_what_cannot_be_printed() -> None:
    """From now on show characters that an output's encoding lacks as escapes: captions have all of them, terminals have not."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def print_json(value: object, indent: int | None = None) -> None:
    """Print `value` as JSON on stdout, for programs: in its own characters where stdout's encoding has all, escaped elsewhere."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").replace("_", "") in {"utf8", "utf8sig"}
    print(json.dumps(value, indent=indent, ensure_ascii=not unicode), flush=True)
