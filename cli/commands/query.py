"""`topicidx query`: words to pictures."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from topicidx.cli.console import printable, results, status
from topicidx.cli.options import Collection, Home, Space, Store, space_folder, store_address_of
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import QueryError, SettingsError
from topicidx.indexer.conditions import Condition, Missing, Not, fields_of
from topicidx.indexer.index import Index, SearchResult
from topicidx.indexer.sources import SourceRegistry
from topicidx.indexer.store import PointFilter, VectorStore
from topicidx.indexer.stores import open_store
from topicidx.settings import Match, Settings

Format = Literal["table", "json", "paths"]


def query(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="Words: dog beach; -word to push down; word^2 to weigh more.", show_default=False),
    ] = None,
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    match: Annotated[
        Match | None,
        typer.Option(help="all: every word counts; mean: the published method. Default: all.", show_default=False),
    ] = None,
    city: Annotated[
        list[str] | None, typer.Option(help="Only pictures of this city; may be repeated.", show_default=False)
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Only pictures whose payload fits, such as 'taken_at>=2024-01-01 and city in (london, paris)'.",
            show_default=False,
        ),
    ] = None,
    unique: Annotated[bool, typer.Option("--unique", help="Of pictures with the same bytes show one.")] = False,
    limit: Annotated[int | None, typer.Option(help="How many pictures. Default: 10.", show_default=False)] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Only pictures that score at least this; 1 is average.", show_default=False)
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print the result.")] = "table",
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
    wrong = next((word for word in words if word.startswith("--")), None)
    if wrong is not None:
        raise SettingsError(f"there is no option {wrong}; `topicidx query --help` lists them")
    if batch is not None and (words or output != "table"):
        raise SettingsError("--batch FILE goes without words, and without --format: it prints JSON lines")
    settings = Settings.load(home=home, space=space, store=store, collection=collection, match=match, limit=limit)
    topic_space = TopicSpace.load(space_folder(settings))
    address = store_address_of(settings)
    with open_store(address, settings.collection, settings.server) as opened:
        index = Index(topic_space, opened, SourceRegistry(address.folder), settings.search)
        options: dict[str, Any] = {
            "match": settings.match,
            "limit": settings.limit,
            "cities": city or (),
            "min_score": min_score,
            "where": _condition(where, opened),
            "unique": unique,
        }
        if batch is not None:
            _answer_batch(index, batch, options)
            return
        result = index.search(" ".join(words), **options)
    for unknown in result.unknown:
        status(f"{unknown}; searching for the other words")
    _print(result, output)


def _condition(where: str | None, store: VectorStore) -> Condition | None:
    if where is None:
        return None
    from topicidx.indexer.where_language import parse_where

    indexed = store.info().fields
    condition = parse_where(where, indexed)
    for field in sorted(fields_of(condition) - indexed.keys()):
        if not store.count(PointFilter(where=Not(Missing(field)))):
            status(f"no picture has a field {field!r}: is the name right?")
    return condition


def _answer_batch(index: Index, batch: Path, options: dict[str, Any]) -> None:
    failed = False
    for line in _lines(batch):
        try:
            print(json.dumps(index.search(line, **options).to_json(), ensure_ascii=False), flush=True)
        except QueryError as error:
            failed = True
            print(json.dumps({"query": line, "error": str(error)}, ensure_ascii=False), flush=True)
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


def _print(result: SearchResult, output: Format) -> None:
    if output == "json":
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    elif output == "paths":
        for hit in result.hits:
            sys.stdout.buffer.write(str(hit.path or hit.image).encode("utf-8", "surrogateescape") + b"\n")
    elif result.hits:
        table = Table(box=None, pad_edge=False)
        table.add_column("", justify="right")
        table.add_column("score", justify="right")
        table.add_column("picture", overflow="fold")
        table.add_column("city")
        table.add_column("caption", overflow="ellipsis", no_wrap=True)
        for hit in result.hits:
            cells = (hit.image, hit.city or "", hit.captions[0] if hit.captions else "")
            table.add_row(str(hit.rank), f"{hit.score:.3g}", *map(printable, cells))
        results().print(table)
    else:
        status("no picture fits; try other words, or without --where or --min-score")
