"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from topicidx.cli.completion import complete_city
from topicidx.settings import Match

Home = Annotated[
    Path | None,
    typer.Option(
        help="The .topicidx folder to use. Default: in this folder or the nearest one above.", show_default=False
    ),
]
Space = Annotated[
    Path | None, typer.Option(help="The topic space. Default: space/ in the .topicidx folder.", show_default=False)
]
Store = Annotated[
    str | None,
    typer.Option(
        help="The store: a folder, or the URL of a Qdrant server. Default: store/ in the .topicidx folder.",
        show_default=False,
    ),
]
Collection = Annotated[
    str | None, typer.Option(help="The collection in the store. Default: photos.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all randomness. Default: 0.", show_default=False)]

MatchOption = Annotated[
    Match | None,
    typer.Option(
        "--match", help="all: every word counts; mean: the published method. Default: all.", show_default=False
    ),
]
Cities = Annotated[
    list[str] | None,
    typer.Option(
        "--city",
        help="Only pictures of this city; may be repeated.",
        show_default=False,
        autocompletion=complete_city,
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        help="Only pictures whose payload fits, such as 'taken_at>=2024-01-01 and city in (london, paris)'.",
        show_default=False,
    ),
]
Offset = Annotated[int, typer.Option(help="How many pictures at the top to leave out: the next page.", min=0)]
DidYouMean = Annotated[
    bool, typer.Option("--did-you-mean", help="Search with the nearest known word for one that is not known.")
]
