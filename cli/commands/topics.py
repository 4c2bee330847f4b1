"""`topicidx topics`: what each topic is about."""

import json
from typing import Annotated

import typer
from rich.table import Table

from topicidx.cli.console import printable, results
from topicidx.cli.options import Home, Json, Space
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.locations import space_folder
from topicidx.settings import Settings


def topics(
    home: Home = None,
    space: Space = None,
    words: Annotated[int, typer.Option(help="Words shown of each topic.", min=1)] = 8,
    limit: Annotated[int | None, typer.Option(help="How many topics. Default: all.", min=1, show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Show each topic's most probable words with their weights P(word | topic), the most frequent topics first."""
    from topicidx.indexer.topics import describe_topics

    settings = Settings.load(home=home, space=space)
    folder = space_folder(settings)
    described = describe_topics(TopicSpace.load(folder), words=words)[:limit]
    if as_json:
        print(json.dumps([topic.to_json() for topic in described], ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("topic", justify="right")
    table.add_column("share", justify="right")
    table.add_column("words", overflow="fold")
    for topic in described:
        shown = ", ".join(f"{printable(word)} {weight:.3f}" for word, weight in topic.words)
        table.add_row(str(topic.topic), f"{topic.share:.2%}", shown)
    results().print(table)
