"""TREC's files: queries, relevance judgements (qrels), runs."""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from topicidx.errors import QueryError, QuerySyntaxError, SettingsError
from topicidx.indexer.evaluation.pictures import Picture
from topicidx.indexer.query_language import parse_query

#: Pictures of each query that a run file holds.
RUN_DEPTH = 1_000


@dataclass(frozen=True, slots=True)
class TrecQuery:
    """A query of a file: its id and its text in the query language."""

    id: str
    text: str


def read_queries(file: Path) -> list[TrecQuery]:
    """Queries, one a line: id, tab, text. Raises SettingsError or QuerySyntaxError that names the file and the line."""
    queries: dict[str, TrecQuery] = {}
    for number, line in _lines(file):
        name, _, text = (part.strip() for part in line.partition("\t"))
        if not name or not text:
            raise SettingsError(f"{file}, line {number}: a query is an id, a tab and the query's text; found {line!r}")
        if name in queries:
            raise SettingsError(f"{file}, line {number}: there is a query {name!r} further up already")
        try:
            parse_query(text)
        except QueryError as error:
            raise QuerySyntaxError(f"{file}, line {number}: {error}") from error
        queries[name] = TrecQuery(name, text)
    if not queries:
        raise SettingsError(f"{file} holds no queries; write one a line: an id, a tab and the query's text")
    return list(queries.values())


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Relevance by query id and document id. Raises SettingsError that names the file and the line."""
    from ir_measures import read_trec_qrels

    judged: dict[str, dict[str, int]] = {}
    for number, line in _lines(file):
        try:
            (found,) = read_trec_qrels(io.StringIO(line))  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise SettingsError(
                f"{file}, line {number}: a judgement is four columns, `query-id 0 picture relevance`, the last a whole number; "
                f"found {line!r} (a picture whose name has spaces is meant by its id, see `topicidx query --format json`)"
            ) from error
        known = judged.setdefault(found.query_id, {})
        if known.setdefault(found.doc_id, found.relevance) != found.relevance:
            raise SettingsError(
                f"{file}, line {number}: {found.doc_id!r} is judged for the query {found.query_id!r} further up already, "
                f"as {known[found.doc_id]}"
            )
    if not judged:
        raise SettingsError(f"{file} holds no judgements; write one a line: `query-id 0 picture relevance`")
    return judged


def run_lines(query: str, ranked: Iterable[tuple[Picture, float]], tag: str) -> Iterator[str]:
    """The head of a ranking, pictures with their scores, best first, as lines of a TREC run.

    Columns are parted by white space: a picture whose image key has some is named by its id, and in the query's name it becomes
    an underscore.
    """
    name = "_".join(query.split())
    for rank, (picture, score) in enumerate(islice(ranked, RUN_DEPTH), start=1):
        named = str(picture.id) if re.search(r"\s", picture.image) else picture.image
        yield f"{name} Q0 {named} {rank} {score:.9g} {tag}\n"


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is no text in UTF-8 ({error})") from error
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror or error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")
