"""`topicidx query`: words to pictures."""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from topicidx.cli.asking import asked_for, tell_nothing_fits, tell_unknown
from topicidx.cli.completion import complete_word
from topicidx.cli.console import print_json, status
from topicidx.cli.options import Cities, Collection, DidYouMean, Home, MatchOption, Offset, Space, Store, Where
from topicidx.cli.query_output import Format, print_result, write_page
from topicidx.errors import QueryError, SettingsError
from topicidx.indexer.conditions import Condition, Missing, Not, fields_of
from topicidx.indexer.index import Index
from topicidx.indexer.query_language import Query
from topicidx.indexer.results import GroupedResult, SearchResult
from topicidx.indexer.store import PointFilter
from topicidx.settings import Settings

#: Answers a query; and many, with the error of each that cannot be answered.
Find = Callable[[str | Query], SearchResult | GroupedResult]
Answers = Iterable[SearchResult | GroupedResult | QueryError]


def query(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            help='Words: dog beach; "golden gate" (in the quotes of the shell) as one term; -word to push down; word^2 to weigh '
            "more; city:london, before:2024, after:2023-05; like:FILE, a picture's id or an URL.",
            show_default=False,
            autocompletion=complete_word,
        ),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="A picture to find others like it; goes with words too; may be repeated.", show_default=False
        ),
    ] = None,
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    match: MatchOption = None,
    city: Cities = None,
    where: Where = None,
    unique: Annotated[bool, typer.Option("--unique", help="Of pictures with the same bytes show one.")] = False,
    diverse: Annotated[bool, typer.Option("--diverse", help="Show pictures unlike those before them earlier.")] = False,
    group_by: Annotated[
        str | None,
        typer.Option(help="Show the best pictures for each value of a column, such as city.", show_default=False),
    ] = None,
    group_size: Annotated[int, typer.Option(help="How many pictures of each group.", min=1)] = 3,
    limit: Annotated[
        int | None, typer.Option(help="How many pictures, or groups. Default: 10.", show_default=False)
    ] = None,
    offset: Offset = 0,
    min_score: Annotated[
        float | None, typer.Option(help="Only pictures that score at least this; 1 is average.", show_default=False)
    ] = None,
    did_you_mean: DidYouMean = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show the pictures themselves, where the terminal can.")
    ] = False,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How to give the result; html is one page with the pictures in it. Default: table.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to write the page of --format html.", show_default=False)
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page of --format html in a browser.")] = False,
    batch: Annotated[
        Path | None,
        typer.Option(help="A file with one query a line (- for stdin): one JSON object a line.", show_default=False),
    ] = None,
) -> None:
    """Find pictures by words.

    Pictures are ranked by their pixels alone. Scores say how many times likelier than average, among the captions that were
    learned from, a caption of the picture would hold the words.
    """
    words = text or []
    refuse_options(words, "query")
    if batch is not None and (words or image or form or preview or output or show):
        raise SettingsError(
            "--batch FILE goes without words and pictures, --format, --preview, --output and --open: it prints JSON lines"
        )
    if (output or show) and form not in {None, "html"}:
        raise SettingsError(f"--output and --open are for the page of --format html, not for {form}")
    if preview and (form not in {None, "table"} or output or show):
        raise SettingsError("--preview shows pictures in the terminal: it goes without --format, --output and --open")
    if group_by is not None and (unique or diverse or offset):
        raise SettingsError("--group-by goes without --unique, --diverse and --offset")
    settings = Settings.load(home=home, space=space, store=store, collection=collection, match=match, limit=limit)
    options: dict[str, Any] = {
        "match": settings.match,
        "limit": settings.limit,
        "city": city or (),
        "min_score": min_score,
        "did_you_mean": did_you_mean,
    }
    with Index.open(settings=settings) as index:
        options["where"] = condition_of(where, index)
        if group_by is not None:
            find: Find = partial(index.search_groups, by=group_by, size=group_size, **options)
        else:
            find = partial(index.search, offset=offset, unique=unique, diverse=diverse, **options)
        if batch is not None:
            queries = _lines(batch)
            alone = unique or diverse or group_by is not None
            _print_batch(
                queries, _one_by_one(find, queries) if alone else index.search_many(queries, offset=offset, **options)
            )
            return
        result = find(asked_for(words, image or []))
    tell_unknown(result.unknown)
    if output or show or form == "html":
        lifts = settings.match == "all" and index.space.scores == "lift"
        write_page(result, output, show=show, lifts=lifts)
    elif result or form in {"json", "paths"}:
        print_result(result, form or "table", preview=settings.preview if preview else None)
    if not result and form != "json":
        tell_nothing_fits(offset)


def condition_of(where: str | None, index: Index) -> Condition | None:
    """The condition of --where. Says on stderr which of its columns no picture has."""
    condition = index.condition(where)
    if condition is None:
        return None
    for field in sorted(fields_of(condition) - index.store.info().fields.keys()):
        if not index.store.has(PointFilter(where=Not(Missing(field)))):
            status(f"no picture has a field {field!r}: is the name right?")
    return condition


def refuse_options(words: list[str], command: str) -> None:
    """What looks like an option but is none would be searched for otherwise."""
    wrong = next((word for word in words if word.startswith("--")), None)
    if wrong is not None:
        raise SettingsError(f"there is no option {wrong}; `topicidx {command} --help` lists them")


def _one_by_one(find: Find, queries: list[str]) -> Answers:
    for query in queries:
        try:
            yield find(query)
        except QueryError as error:
            yield error


def _print_batch(queries: list[str], answers: Answers) -> None:
    failed = False
    for query, answer in zip(queries, answers, strict=True):
        if isinstance(answer, QueryError):
            failed = True
            print_json({"query": query, "error": str(answer)})
        else:
            print_json(answer.to_json())
    if failed:
        raise typer.Exit(1)


def _lines(batch: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(batch) == "-" else batch.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"cannot read the queries in {batch}: {getattr(error, 'strerror', None) or error}"
        ) from error
    return [line for line in text.splitlines() if line.strip()]
