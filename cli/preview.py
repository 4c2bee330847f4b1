"""Thumbnails in the terminal, by what it can show: `topicidx query --preview`."""

import base64
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from PIL import Image
from rich.console import Console, RenderableType
from rich.control import Control
from rich.measure import Measurement
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from topicidx.cli.console import can_print, overflow, printable
from topicidx.embedders.pictures import open_picture
from topicidx.errors import ImageError
from topicidx.indexer.results import Hit
from topicidx.settings import Preview

#: The narrowest column a picture is drawn in, in cells of the terminal: half blocks show two pixels a cell, the others many.
_NARROWEST = {"blocks": 30, "shades": 30}
_NARROWEST_OTHERWISE = 18
_WIDEST = 40
#: Terminals that speak iTerm2's protocol, by TERM_PROGRAM and LC_TERMINAL.
_LIKE_ITERM2 = {"iTerm.app", "iTerm2", "WezTerm"}
#: Pixels on the longer side of what a terminal that scales by itself is sent.
_SENT = 480


def print_preview(console: Console, groups: Sequence[tuple[str, Sequence[Hit]]], way: Preview) -> str | None:
    """Print pictures with their captions in rows that fill the terminal, under the name of each group.

    Args:
        console: Where to; a terminal's.
        groups: Names of groups, and what was found for each.
        way: How pictures are drawn; "auto" asks the terminal what it can.

    Returns:
        None, or why nothing can be drawn here and nothing was printed.
    """
    if not console.is_terminal or os.environ.get("TERM") in {"dumb", "unknown"}:
        return "pictures can be shown in a terminal only"
    logging.getLogger("textual_image").setLevel(logging.ERROR)
    with _asking_only_a_terminal(way == "auto"):
        name = _what_the_terminal_can() if way == "auto" else way
        if name in {"blocks", "kitty"} and (console.no_color or console.color_system is None):
            name = "shades"  # kitty's placeholders say by their colour which picture they stand for
        if name == "kitty":
            console = Console(color_system="truecolor", highlight=False, markup=False, emoji=False)
        if name not in _COMMANDS and not can_print("▀█░\U0010eeee" if name == "kitty" else "▀█░"):
            return f"this terminal's encoding, {console.encoding}, has no characters to draw pictures with"
        for group, hits in groups:
            if group:
                console.print(Text(printable(group), style="bold"))
            _print_rows(console, hits, name)
    return None


def _what_the_terminal_can() -> str:
    if os.environ.get("TERM") == "linux":
        return "blocks"  # the console of Linux, which would print the questions
    names = {os.environ.get("TERM_PROGRAM"), os.environ.get("LC_TERMINAL")}
    if names & _LIKE_ITERM2 and "TMUX" not in os.environ:
        return "iterm2"
    from textual_image import renderable  # asks the terminal when it is imported first

    found = {renderable.SixelImage: "sixel", renderable.TGPImage: "kitty"}
    return found.get(renderable.Image, "blocks")


def _print_rows(console: Console, hits: Sequence[Hit], way: str) -> None:
    narrowest = _NARROWEST.get(way, _NARROWEST_OTHERWISE)
    columns = max(1, min(len(hits), (console.width + 2) // (narrowest + 2)))
    width = min(_WIDEST, max(1, (console.width + 2) // columns - 2))
    # Cells are about twice as high as wide, and most pictures wider than high; the words below must fit the screen too.
    height = max(2, min(width * 2 // 5, console.height - 5))
    for start in range(0, len(hits), columns):
        row = hits[start : start + columns]
        pictures = [_thumbnail(hit) for hit in row]
        cells = [_drawn(way, picture, width, height) for picture in pictures]
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in row:
            table.add_column(width=width, no_wrap=True, overflow=overflow(), vertical="bottom")
        table.add_row(*cells)
        for line in zip(*(_words(hit) for hit in row), strict=True):
            if any(line):
                table.add_row(*line)
        lines = console.render_lines(table, console.options)
        console.print(table)
        console.print()
        for place, picture in enumerate(pictures):
            if picture is not None and way in _COMMANDS:
                command = _COMMANDS[way](picture, width, height)
                _draw_over(console, command, up=len(lines) + 1, column=place * (width + 2))


def _drawn(way: str, picture: Image.Image | None, width: int, height: int) -> RenderableType:
    """What stands in the table for a picture: the picture as text, or the lines that one is drawn over."""
    if picture is None:
        return Text("(picture not found)", style="dim")
    if way in _COMMANDS:
        return Text("\n" * (height - 1))
    from textual_image import renderable

    texts = {"kitty": renderable.TGPImage, "blocks": renderable.HalfcellImage, "shades": renderable.UnicodeImage}
    return _fitted(texts[way], picture, width, height)


def _sixels(image: Image.Image, width: int, height: int) -> str:
    from textual_image.renderable import SixelImage

    # A band of sixels is six pixels high: the last may reach below the picture.
    fitted = _fitted(SixelImage, image, width, height - 1)
    return next(part.text for part in Console().render(fitted) if part.text.startswith("\x1bP"))


def _iterm2_file(image: Image.Image, width: int, height: int) -> str:
    """A file that the terminal scales by itself (https://iterm2.com/documentation-images.html)."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    coded = base64.b64encode(data.getvalue()).decode()
    return f"\x1b]1337;File=inline=1;size={len(data.getvalue())};width={width};height={height}:{coded}\x07"


#: The ways that are no text: the commands that draw a picture within so many cells, from the cursor to the right and below.
_COMMANDS: dict[str, Callable[[Image.Image, int, int], str]] = {"sixel": _sixels, "iterm2": _iterm2_file}


def _draw_over(console: Console, command: str, *, up: int, column: int) -> None:
    """Draw at a place above the cursor, which stays where it is."""
    console.control(Control((ControlType.CURSOR_UP, up), (ControlType.CURSOR_MOVE_TO_COLUMN, column)))
    console.file.write(command)
    console.file.flush()
    console.control(Control((ControlType.CURSOR_DOWN, up), (ControlType.CURSOR_MOVE_TO_COLUMN, 0)))


def _words(hit: Hit) -> tuple[Text, Text, Text]:
    first = Text.assemble((f"{hit.rank} ", "dim"), (f"{hit.score:.3g}", "bold"))
    if hit.city:
        first.append(f"  {printable(hit.city)}", style="cyan")
    return first, Text(printable(hit.captions[0]) if hit.captions else ""), Text(printable(hit.image), style="dim")


def _thumbnail(hit: Hit) -> Image.Image | None:
    if hit.path is None:
        return None
    try:
        image = open_picture(hit.path, at_least=_SENT).image
    except ImageError:
        return None
    image.thumbnail((_SENT, _SENT))
    return image.convert("RGB")


def _fitted(renderable: Any, image: Image.Image, width: int, height: int) -> RenderableType:
    """The picture as large as `width` x `height` cells let it be, in its shape: the terminal knows that of its cells."""
    console = Console(width=width)
    as_high: RenderableType = renderable(image, width="auto", height=height)
    if Measurement.get(console, console.options, as_high).maximum < width:
        return as_high
    as_wide: RenderableType = renderable(image, width=width, height="auto")
    return as_wide


@contextmanager
def _asking_only_a_terminal(wanted: bool) -> Iterator[None]:
    """Keep what asks the terminal from reading stdin where that is none, or unless `wanted`: what is piped in is no answer."""
    stdin = sys.__stdin__
    if stdin is not None and not (wanted and stdin.isatty()):
        sys.__stdin__ = None  # type: ignore[misc]
    try:
        yield
    finally:
        sys.__stdin__ = stdin  # type: ignore[misc]
