"""What `topicidx query` does with words, apart from its options: what reads those takes as long to import as all of this."""

from pathlib import Path

from topicidx.cli.console import status
from topicidx.cli.query_output import print_result
from topicidx.indexer.index import Index
from topicidx.indexer.query_language import Like, Query, parse_query
from topicidx.indexer.results import Unknown
from topicidx.settings import Settings


def ask(words: list[str]) -> None:
    """Answer `topicidx query WORDS`, without any option."""
    settings = Settings.load()
    with Index.open(settings=settings) as index:
        result = index.search(asked_for(words, []), match=settings.match, limit=settings.limit)
    tell_unknown(result.unknown)
    if result:
        print_result(result, "table", preview=None)
    else:
        tell_nothing_fits(0)


def asked_for(words: list[str], images: list[Path]) -> Query:
    """The query that words and --image ask together."""
    text = " ".join(words)
    if not images:
        return parse_query(text)
    likes = [Like(str(image.expanduser().absolute())) for image in images]
    parts = parse_query(text).parts if text.strip() else ()
    shown = " ".join(filter(None, (text, *(str(Like(str(image))) for image in images))))
    return Query((*parts, *likes), shown)


def tell_unknown(unknown: tuple[Unknown, ...]) -> None:
    """Say on stderr which words the captions never used, and what was done about them."""
    for word in unknown:
        status(f"{word}; searching for {word.used!r}" if word.used else f"{word}; searching for the other words")


def tell_nothing_fits(offset: int) -> None:
    """Say on stderr that nothing was found, and what to do."""
    if offset:
        status(f"at most {offset} pictures fit, and --offset passes over all of them; give a smaller one")
    else:
        status("no picture fits; try other words, or without conditions (--where, --min-score, city:, before:, after:)")
