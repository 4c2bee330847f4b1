"""The code blocks of a Markdown document, fenced or indented, and what language each is in."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

#: What a line of a shell block may begin with, after variables that are set for it.
PROGRAM = re.compile(
    r"\.|apt|bash|bsub|cat|cd|chmod|cp|crontab|curl|docker|echo|export|find|for|git|helm|journalctl|jq|kill|kubectl|ls|make|mkdir"
    r"|module|mpirun|mv|openssl|pip|podman|python3?|rm|rsync|sbatch|scp|singularity|source|squeue|srun|ssh|sudo|systemctl|tar"
    r"|topicidx|torchrun|wget|\./.*|#.*"
)
SHELL = frozenset({"bash", "sh", "shell", "console"})
_FENCE = re.compile(r"(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})(?P<language>[\w-]*).*")
_HEADING = re.compile(r"(#{1,6}) +(.*?)(?: *\{.*\})? *$")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Block:
    """A code block: its language, its text without the indentation, its lines (from 1; with fences), the heading above."""

    language: str
    text: str
    first: int
    last: int
    heading: str
    fenced: bool


def blocks(document: str) -> Iterator[Block]:
    """The code blocks of a document, in order. Raises ValueError for an indented block in no language that is known."""
    lines = document.splitlines()
    heading, at = "", 0
    while at < len(lines):
        if fence := _FENCE.fullmatch(lines[at]):
            end = _end_of_fence(lines, at, fence["fence"])
            yield Block(fence["language"], "\n".join(lines[at + 1 : end]), at + 1, end + 1, heading, fenced=True)
            at = end + 1
        elif _begins_block(lines, at):
            end = _end_of_indented(lines, at)
            text = "\n".join(line[4:] for line in lines[at:end])
            yield Block(language_of(text), text, at + 1, end, heading, fenced=False)
            at = end
        else:
            if found := _HEADING.fullmatch(lines[at]):
                heading = found[2]
            at += 1


def language_of(text: str) -> str:
    """bash, toml, python, csv or text. Raises ValueError where it is none of them."""
    first = next(line for line in text.splitlines() if line.strip())
    if is_command(first):
        return "bash"
    if first.startswith("image,"):
        return "csv"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        pass
    else:
        return "toml"
    try:
        ast.parse(text)
    except SyntaxError:
        raise ValueError(
            f"neither a known command nor TOML, Python or CSV; use a fence with its language: {first!r}"
        ) from None
    return "python"


def is_command(line: str) -> bool:
    """Whether a line is one of a shell."""
    words = line.split()
    while words and _VARIABLE.match(words[0]):
        if words[0].count("$(") > words[0].count(")"):
            words = words[next((place for place, word in enumerate(words) if word.endswith(")")), 0) :]
        words = words[1:]
    return bool(words) and PROGRAM.fullmatch(words[0]) is not None


def _begins_block(lines: list[str], at: int) -> bool:
    """An indented block follows a blank line, and no list: what is indented there belongs to the list."""
    if not lines[at].startswith("    ") or not lines[at].strip() or (at and lines[at - 1].strip()):
        return False
    above = next((line for line in reversed(lines[:at]) if line.strip() and not line.startswith(" ")), "")
    return not re.match(r"([-*+]|\d+\.) ", above)


def _end_of_indented(lines: list[str], at: int) -> int:
    end = at
    for place in range(at, len(lines)):
        if lines[place].startswith("    "):
            end = place + 1
        elif lines[place].strip():
            break
    return end


def _end_of_fence(lines: list[str], at: int, fence: str) -> int:
    return next((place for place in range(at + 1, len(lines)) if lines[place].strip() == fence), len(lines))
