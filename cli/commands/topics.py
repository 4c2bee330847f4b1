"""`topicidx topics`: what each topic is about."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from topicidx.cli.console import print_json, printable, progress_bar, results, status
from topicidx.cli.options import Collection, Home, Json, Space, Store
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SettingsError, SpaceMismatchError, StoreNotFoundError, WorkspaceNotFoundError
from topicidx.indexer.locations import space_folder
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.indexer.topics import Topic
    from topicidx.indexer.topics_page import OnProgress, Samples


def topics(
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    words: Annotated[int, typer.Option(help="Words shown of each topic.", min=1)] = 8,
    limit: Annotated[int | None, typer.Option(help="How many topics. Default: all.", min=1, show_default=False)] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page to look at: a map of the topics, their words, the topics nearest to each, and pictures from "
            "the store.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show each topic's most probable words with their weights P(word | topic), the most frequent topics first."""
    from topicidx.indexer.topics import describe_topics, topic_distances

    if html is not None and as_json:
        raise SettingsError("--html writes a page and --json prints; give one of them")
    if html is None and (store is not None or collection is not None):
        raise SettingsError(
            f"--{'store' if store is not None else 'collection'} goes with --html, which shows pictures"
        )
    settings = Settings.load(home=home, space=space, store=store, collection=collection)
    if html is not None:
        _write_page(html, settings, words, limit)
        return
    opened = TopicSpace.load(space_folder(settings))
    if as_json:
        described = describe_topics(opened, words=words, distances=topic_distances(opened))[:limit]
        print_json([topic.to_json() for topic in described])
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("topic", justify="right")
    table.add_column("share", justify="right")
    table.add_column("words", overflow="fold")
    for topic in describe_topics(opened, words=words)[:limit]:
        shown = ", ".join(f"{printable(word)} {weight:.3f}" for word, weight in topic.words)
        table.add_row(str(topic.topic), f"{topic.share:.2%}", "(unused)" if topic.unused else shown)
    results().print(table)


def _write_page(html: Path, settings: Settings, words: int, limit: int | None) -> None:
    from topicidx.indexer.topics import describe_topics, topic_distances
    from topicidx.indexer.topics_page import topics_page
    from topicidx.indexer.transfer.files import check_absent, new_file

    check_absent(html, force=True)
    space = TopicSpace.load(space_folder(settings))
    with progress_bar() as show:
        distances = topic_distances(space)
        described = describe_topics(space, words=words, distances=distances)[:limit]
        samples = _samples(space, settings, described, show)
        captioned = space.manifest.provenance.get("captioned_pictures")
        content = topics_page(
            described, distances, samples, captioned=captioned if isinstance(captioned, int) else None, on_progress=show
        )
    with new_file(html, force=True) as file:
        file.write(content.encode("utf-8"))
    status(f"look at {html.absolute()}")


def _samples(
    space: TopicSpace, settings: Settings, described: "Sequence[Topic]", show: "OnProgress"
) -> "Samples | None":
    """Pictures of the topics; None, and a line that says why, where there are none to show."""
    from topicidx.indexer.index import Index
    from topicidx.indexer.topics_page import sample_pictures

    if space.manifest.vector_space is None:
        status("the page is without pictures: the topic space was learned from captions alone")
        return None
    try:
        with Index.open(settings=settings) as index:
            return sample_pictures(index, described, on_progress=show)
    except SpaceMismatchError as error:
        status(f"the page is without pictures: {error}")
    except (StoreNotFoundError, WorkspaceNotFoundError):
        if settings.store is not None:
            raise
        status("the page is without pictures: none are indexed yet")
    return None
