"""Tab completion of what only an index knows: words of the captions, cities of the pictures. What fails, completes nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from topicidx.errors import TopicidxError
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.indexer.index import Index

#: Words that are offered at most.
WORDS = 20


def complete_word(context: typer.Context, incomplete: str) -> list[str]:
    """Words of the captions that begin so, the most frequent first."""
    if not incomplete.isalnum():
        return []
    from topicidx.service.lookups import Lookups

    found: list[str] = []
    with suppress(TopicidxError), _index(context) as (index, _):
        found = [word for word, _ in Lookups(index).words(incomplete, WORDS)]
    return [word for word in found if word.startswith(incomplete)]


def complete_path(incomplete: str) -> list[str]:
    """Files and folders that begin so, for what may be a URL too; hidden ones where a dot is typed."""
    folder, name = os.path.split(incomplete)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)  # noqa: PTH111
        found = [entry.name + "/" * entry.is_dir() for entry in entries if entry.name.startswith(name)]
    except OSError:  # a URL, or nothing that can be listed
        return []
    return [_typed(os.path.join(folder, entry)) for entry in found if name.startswith(".") or not entry.startswith(".")]  # noqa: PTH118


def complete_city(context: typer.Context, incomplete: str) -> list[str]:
    """Cities of the pictures that begin so. Only of a store in a folder: a key press must not wait for a network."""
    found: list[str] = []
    with suppress(TopicidxError), _index(context) as (index, settings):
        if "://" not in (settings.store or ""):
            found = sorted(index.store.facet("city"))
    return [_typed(city) for city in found if city.startswith(incomplete.casefold())]


@contextmanager
def _index(context: typer.Context) -> Iterator[tuple["Index", Settings]]:
    """The index that the options so far name."""
    from topicidx.indexer.index import Index

    given: dict[str, Any] = {name: context.params.get(name) for name in ("home", "space", "store", "collection")}
    settings = Settings.load(**given)
    with Index.open(settings=settings) as index:
        yield index, settings


def _typed(value: str) -> str:
    """A value as it is typed: Bash puts into the line what it is given, other shells quote it themselves."""
    in_bash = os.environ.get("_TOPICIDX_COMPLETE", "").endswith("_bash")
    return value.replace(" ", r"\ ").replace("'", r"\'") if in_bash else value
