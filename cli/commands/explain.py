"""`topicidx explain`: why pictures are found."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from topicidx.cli.asking import asked_for, tell_unknown
from topicidx.cli.commands.query import condition_of, refuse_options
from topicidx.cli.completion import complete_word
from topicidx.cli.console import print_json, printable, results, status
from topicidx.cli.options import Cities, Collection, DidYouMean, Home, Json, MatchOption, Offset, Space, Store, Where
from topicidx.indexer.index import Index
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.indexer.explanation import ExplainedTerm, Explanation, TopicShare


def explain(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="A query, as for `topicidx query`.", show_default=False, autocompletion=complete_word),
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option(help="A picture to find others like it; may be repeated.", show_default=False)
    ] = None,
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    match: MatchOption = None,
    city: Cities = None,
    where: Where = None,
    limit: Annotated[int | None, typer.Option(help="How many pictures. Default: 10.", show_default=False)] = None,
    offset: Offset = 0,
    topics: Annotated[int, typer.Option(help="Topics shown of each word.", min=1)] = 3,
    did_you_mean: DidYouMean = False,
    as_json: Json = False,
) -> None:
    """Show why a query finds what it finds.

    First the topics that each word speaks of, with the share of each, P(topic | word), and its most probable words; then each
    picture with its lift for every word, and the topics that carry its score. A text encoder without topics has words that
    lie near each word, and words that each picture is most like.
    """
    words = text or []
    refuse_options(words, "explain")
    settings = Settings.load(home=home, space=space, store=store, collection=collection, match=match, limit=limit)
    with Index.open(settings=settings) as index:
        explained = index.explain(
            asked_for(words, image or []),
            match=settings.match,
            limit=settings.limit,
            offset=offset,
            city=city or (),
            where=condition_of(where, index),
            did_you_mean=did_you_mean,
            topics=topics,
        )
    tell_unknown(explained.unknown)
    if as_json:
        print_json(explained.to_json(), indent=2)
        return
    results().print(_near_terms(explained.terms) if _by_nearness(explained) else _terms(explained.terms))
    if explained.hits:
        results().print()
        results().print(_hits(explained))
    else:
        status("no picture fits; try other words, or without conditions (--where, --offset, city:, before:, after:)")


def _terms(terms: "Sequence[ExplainedTerm]") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("term")
    table.add_column("weight", justify="right")
    table.add_column("share", justify="right")
    table.add_column("topic", justify="right")
    table.add_column("words of the topic", overflow="fold")
    for term in terms:
        leading = [printable(term.label), f"{term.weight:.3g}"]
        for topic in term.topics:
            table.add_row(*leading, f"{topic.share:.0%}", str(topic.topic), _words(topic))
            leading = ["", ""]
        if not term.topics:
            table.add_row(*leading, "", "", "")
    return table


def _by_nearness(explained: "Explanation") -> bool:
    return any(term.near for term in explained.terms)


def _near_terms(terms: "Sequence[ExplainedTerm]") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("term")
    table.add_column("weight", justify="right")
    table.add_column("near it", overflow="fold")
    for term in terms:
        table.add_row(printable(term.label), f"{term.weight:.3g}", ", ".join(map(printable, term.near)))
    return table


def _hits(explained: "Explanation") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("score", justify="right")
    for term in explained.terms:
        table.add_column(printable(term.label), justify="right")
    table.add_column("picture", overflow="fold")
    table.add_column("most like" if _by_nearness(explained) else "carried by", overflow="fold")
    for each in explained.hits:
        carried = "; ".join(f"{topic.share:.0%} {_words(topic, 2) or topic.topic}" for topic in each.topics)
        carried = carried or ", ".join(map(printable, each.near))
        lifts = (f"{lift:.3g}" for lift in each.lifts)
        table.add_row(str(each.hit.rank), f"{each.hit.score:.3g}", *lifts, printable(each.hit.image), carried)
    return table


def _words(topic: "TopicShare", count: int | None = None) -> str:
    return ", ".join(printable(word) for word in topic.words[:count])
