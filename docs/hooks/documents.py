"""The repository's own documents as pages of the site: sections of the README, links that lead to pages, fenced blocks."""

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from blocks import blocks

_LINK = re.compile(r"(?P<text>!?\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\])\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) +(.*?) *$", re.MULTILINE)


def section(document: str, heading: str, *, alone: bool = False) -> str:
    """What stands under a heading, without it; with the sections below it unless `alone`, their headings from level 2 on.

    Raises ValueError where there is no such heading.
    """
    fenced = [range(block.first, block.last + 1) for block in blocks(document)]
    lines = document.splitlines()
    found = [
        (number, match)
        for number, line in enumerate(lines, start=1)
        if (match := _HEADING.fullmatch(line)) and not any(number in block for block in fenced)
    ]
    place = next((place for place, (_, match) in enumerate(found) if match[2] == heading), None)
    if place is None:
        raise ValueError(f"no section {heading!r} is there any more: name another in the page that takes it in")
    first, level = found[place][0], len(found[place][1][1])
    ends = [number for number, match in found[place + 1 :] if alone or len(match[1]) <= level]
    last = ends[0] - 1 if ends else len(lines)
    deeper = {number: "#" * (len(match[1]) - level + 1) + f" {match[2]}" for number, match in found}
    return "\n".join(deeper.get(number, lines[number - 1]) for number in range(first + 1, last + 1)).strip("\n")


def fence_blocks(document: str) -> str:
    """The document with its indented blocks fenced, so that they are coloured by their language."""
    lines = document.splitlines()
    for block in reversed([block for block in blocks(document) if not block.fenced]):
        lines[block.first - 1 : block.last] = [f"```{block.language}", *block.text.splitlines(), "```"]
    return "\n".join(lines) + "\n"


def relink(document: str, origin: str, page: str, pages: Mapping[str, str], root: Path) -> str:
    """Links that were relative to the file `origin` of the repository, relative to `page` of the site.

    pages: the page of each file of the repository that is one. A link to another file of the repository becomes its text.
    Raises ValueError for a link to a file that is not there, unless `origin` is in docs/, where links may be those of the site.
    """

    def relinked(match: re.Match[str]) -> str:
        target, hash_mark, anchor = match["target"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if file in pages:
            relative = posixpath.relpath(pages[file], posixpath.dirname(page) or ".")
            return f"{match['text']}({relative}{hash_mark}{anchor})"
        if not (root / file).exists():
            if origin.startswith("docs/"):
                return match[0]
            raise ValueError(f"{origin} links to {target}, which is not there")
        return match["text"][1:-1]

    return _LINK.sub(relinked, document)
