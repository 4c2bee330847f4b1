"""The query language: words, `-word` to push down, `word^2` to weigh."""

import re
from dataclasses import dataclass

from topicidx.errors import QuerySyntaxError
from topicidx.indexer.syntax import pointing

#: Weights beyond this drown every other term.
MAX_WEIGHT = 100.0

_TERM = re.compile(r"(?P<minus>-)?(?P<text>[^\s^-][^\s^]*?)(?:\^(?P<weight>\S*))?$")


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a query as typed, its weight (negative: push down), and where it stands in the query."""

    text: str
    weight: float = 1.0
    position: int = 0


def parse_query(query: str) -> tuple[Term, ...]:
    """The terms of a query, in their order, separated by white space.

    Raises QuerySyntaxError that points at the character for an empty query, a weight that is no positive number up to
    100, a `-` or `^` without a word.
    """
    terms = []
    for match in re.finditer(r"\S+", query):
        term = _TERM.match(match[0])
        if term is None:
            sign = "-" if match[0].startswith("-") else "^"
            raise _wrong(query, match.start(), f"{sign!r} needs a word")
        weight = _weight(term["weight"], query, match.start() + term.start("weight"))
        terms.append(Term(term["text"], -weight if term["minus"] else weight, match.start() + term.start("text")))
    if not terms:
        raise QuerySyntaxError('the query is empty; give one word or more, such as `topicidx query "sunrise beach"`')
    return tuple(terms)


def _weight(written: str | None, query: str, position: int) -> float:
    if written is None:
        return 1.0
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", written, re.ASCII) or not 0 < float(written) <= MAX_WEIGHT:
        raise _wrong(query, position, f"a weight is a number above 0 and up to {MAX_WEIGHT:g}, as in beach^2")
    return float(written)


def _wrong(query: str, position: int, message: str) -> QuerySyntaxError:
    return QuerySyntaxError(pointing(message, query, position))
