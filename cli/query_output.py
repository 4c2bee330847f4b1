"""How the result of a query reaches people and programs: a table, pictures in the terminal, JSON, paths, a page."""

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.cells import cell_len
from rich.style import Style
from rich.table import Table
from rich.text import Text

from topicidx.atomic import write_file
from topicidx.cli.console import overflow, print_json, printable, results, status
from topicidx.embedders.stored_files import is_url
from topicidx.errors import SettingsError
from topicidx.indexer.results import GroupedResult, Hit, SearchResult
from topicidx.post import PictureFile
from topicidx.settings import Preview

Format = Literal["table", "json", "paths", "html"]
#: Cells of a terminal's line that captions must have to be given a column.
_SHORTEST_CAPTION = 24
#: Cells that a line must have for cities to be given a column.
_SHORTEST_LINE = 60
Groups = Sequence[tuple[str, Sequence[Hit]]]


def print_result(result: SearchResult | GroupedResult, output: Format, *, preview: Preview | None) -> None:
    """Print what was found on stdout; with `preview`, pictures where the terminal can show them."""
    if output == "json":
        print_json(result.to_json(), indent=2)
        return
    groups = _groups(result)
    if output == "paths":
        for _, hits in groups:
            for hit in hits:
                sys.stdout.buffer.write(str(hit.path or hit.image).encode("utf-8", "surrogateescape") + b"\n")
        return
    console = results()
    if preview is not None:
        from topicidx.cli.preview import print_preview

        impossible = print_preview(console, groups, preview)
        if impossible is None:
            return
        status(f"--preview: {impossible}; here is the table")
    console.print(_table(groups, result.by if isinstance(result, GroupedResult) else None, console.width))


def write_page(result: SearchResult | GroupedResult, output: Path | None, *, show: bool, lifts: bool) -> None:
    """Write what was found as one HTML page: to `output`, to a file of its own where it is only to be shown, or on stdout.

    Args:
        result: What was found.
        output: The file, or None.
        show: Open the page in a browser.
        lifts: Whether scores are lifts, which the page then explains.

    Raises:
        SettingsError: It would fill a terminal, or the file cannot be written.
    """
    import tempfile
    import webbrowser

    from topicidx.indexer.contact_sheet import Sheet, contact_sheet

    if output is None and not show and sys.stdout.isatty():
        raise SettingsError("a page would fill the terminal: add --output FILE, or --open to look at it at once")
    sheets = [Sheet(SearchResult(value, hits)) for value, hits in _groups(result)]
    page = contact_sheet(result.query, _introduction(result, lifts), sheets)
    if output is None and not show:
        sys.stdout.buffer.write(page.encode())
        return
    path = output or Path(tempfile.mkdtemp(prefix="topicidx-")) / "pictures.html"
    try:
        write_file(path, page)
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error
    opened = show and webbrowser.open(path.absolute().as_uri())
    status(
        f"{'opened' if opened else 'written:'} {path}"
        + (" (no browser could be opened)" if show and not opened else "")
    )


def _groups(result: SearchResult | GroupedResult) -> Groups:
    if isinstance(result, GroupedResult):
        return [(group.value, group.hits) for group in result]
    return [("", result)]


def _introduction(result: SearchResult | GroupedResult, lifts: bool) -> tuple[str, ...]:
    if isinstance(result, GroupedResult):
        counted = f"The best pictures for each {result.by}"
    else:
        counted = {0: "No picture fits", 1: "One picture"}.get(len(result), f"{len(result)} pictures, best first")
    meaning = (
        " A score says how many times likelier than average a caption of the picture would hold the words."
        if lifts
        else ""
    )
    return (
        f"{counted}. Found by {'their' if len(result) != 1 else 'its'} pixels alone.{meaning}"
        if result
        else f"{counted}.",
    )


def _table(groups: Groups, by: str | None, width: int) -> Table:
    """Pictures line by line; where lines are too short for a column of captions or cities, these stand below a picture's name."""
    hits = [hit for _, hits in groups for hit in hits]
    cities = by != "city" and width >= _SHORTEST_LINE
    taken = 16 + (max(cell_len(value) for value, _ in groups) + 2 if by is not None else 0)  # rank, score, gaps
    taken += 2 + max(cell_len(hit.city or "") for hit in hits) if cities else 0
    left = width - taken - max(cell_len(printable(hit.image)) for hit in hits)
    captions = left >= _SHORTEST_CAPTION
    table = Table(box=None, pad_edge=False, show_edge=False)
    if by is not None:
        table.add_column(printable(by), overflow="fold")
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("score", justify="right", style="bold", no_wrap=True)
    table.add_column("picture", overflow="fold")
    if cities:
        table.add_column("city", style="cyan", no_wrap=True)
    if captions:
        table.add_column("caption", overflow=overflow(), no_wrap=True, max_width=left)
    for value, found in groups:
        for place, hit in enumerate(found):
            leading = [printable(value) if place == 0 else ""] if by is not None else []
            city, caption = printable(hit.city or ""), printable(hit.captions[0]) if hit.captions else ""
            picture = Text(printable(hit.image), style=Style(link=_link_to(hit.path)) if hit.path else "")
            if city and not cities and by != "city":
                picture.append(f"\n{city}", style=Style(color="cyan"))
            if caption and not captions:
                shortened = textwrap.shorten(caption, max(20, 2 * (width - taken)), placeholder=" ...")
                picture.append(f"\n{shortened}", style=Style(dim=True))
            further = [city] * cities + [caption] * captions
            table.add_row(*leading, str(hit.rank), f"{hit.score:.3g}", picture, *further)
    return table


def _link_to(file: PictureFile) -> str | None:
    if isinstance(file, Path):
        return file.as_uri()
    return str(file) if is_url(str(file)) else None
