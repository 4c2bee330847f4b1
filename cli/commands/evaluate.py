"""`topicidx evaluate`: how well queries find pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from topicidx.cli.completion import complete_path
from topicidx.cli.console import print_json, printable, progress_bar, status
from topicidx.cli.evaluation_tables import print_evaluation
from topicidx.cli.options import Collection, Home, Json, Seed, Space, Store
from topicidx.errors import SettingsError
from topicidx.settings import Match, Settings

if TYPE_CHECKING:
    from topicidx.indexer.evaluation import Method, Pictures
    from topicidx.indexer.evaluation.evaluator import OnRanking, Query
    from topicidx.indexer.evaluation.ranking import Float64, Rows

By = Literal["words", "city"]

_ONLY_WORDS = "With --by words: "
#: How pictures are scored where --match does not say; by city as in the published table.
_METHODS: "dict[tuple[By | None, Match | None], tuple[Method, ...]]" = {
    ("city", None): ("mean", "l2", "all"),
    ("city", "mean"): ("mean", "l2"),
}


def evaluate(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A folder, manifest or other source that was ingested. Default: all that the store has.",
            show_default=False,
            autocompletion=complete_path,
        ),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            help="words: words and pairs of the pictures' own captions; city: the name of each city.",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[
        Path | None, typer.Option(help="Your own queries, one a line: id, tab, text.", show_default=False)
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(help="What they should find, in TREC's format: query-id 0 picture relevance.", show_default=False),
    ] = None,
    match: Annotated[
        Match | None, typer.Option(help="Only this way to match. Default: both.", show_default=False)
    ] = None,
    least: Annotated[
        int | None,
        typer.Option(help=_ONLY_WORDS + "pictures that a word must have. Default: 15.", min=1, show_default=False),
    ] = None,
    most: Annotated[
        float | None,
        typer.Option(
            help=_ONLY_WORDS + "share of the pictures that a word may have. Default: 0.2.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    words: Annotated[
        int | None,
        typer.Option(
            help=_ONLY_WORDS + "how many words at most, drawn at random. Default: 500.", min=1, show_default=False
        ),
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option(help=_ONLY_WORDS + "how many random pairs. Default: 300.", min=0, show_default=False),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw a bar chart with intervals: FILE.png or FILE.svg.", show_default=False)
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Write the first 1000 pictures of each query as a TREC run; takes --match.", show_default=False
        ),
    ] = None,
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    name: Annotated[
        str | None,
        typer.Option(help="What the source is called in the store, where that is not known here.", show_default=False),
    ] = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Measure how well queries find pictures: mAP, P@5, P@10, P@100, nDCG@10, with 95 % intervals and chance.

    Both ways to match are compared. Rankings are always exact; nothing is changed.
    """
    from topicidx.indexer import evaluation
    from topicidx.indexer.evaluation.plot import plot_evaluation, plot_format
    from topicidx.indexer.index import Index
    from topicidx.indexer.sources import open_source
    from topicidx.indexer.transfer.files import check_absent, new_file

    bounds = {"least": least, "most": most, "words": words, "pairs": pairs}
    protocol: dict[str, Any] = {option: value for option, value in bounds.items() if value is not None}
    _check(by, queries, qrels, match, run, list(protocol))
    if name is not None and source is None:
        raise SettingsError("--name says what SOURCE is called in the store; give SOURCE too")
    kind = plot_format(plot) if plot else None
    for file in filter(None, (plot, run)):
        check_absent(file, force=True)
    settings = Settings.load(home=home, space=space, store=store, collection=collection, seed=seed)
    asked = evaluation.read_queries(queries) if queries else []
    judged = evaluation.read_qrels(qrels) if qrels else {}
    opened = open_source(source) if source else None
    with Index.open(settings=settings) as index, progress_bar() as show:
        assert index.sources is not None  # a workspace has a table of them
        named = index.sources.resolve(opened, name) if opened else None
        pictures = evaluation.gather_pictures(index.store, named, on_progress=show)
        with _writing_run(run, match, pictures) as on_ranking:
            options: dict[str, Any] = {
                "methods": _METHODS.get((by, match), (match,) if match else ("mean", "all")),
                "seed": settings.seed,
                "on_progress": show,
                "on_ranking": on_ranking,
            }
            if by == "words":
                chosen = evaluation.WordProtocol(**protocol)
                found = evaluation.evaluate_words(index, pictures, protocol=chosen, **options)
            elif by == "city":
                found = evaluation.evaluate_cities(index, pictures, **options)
            else:
                found = evaluation.evaluate_queries(index, pictures, asked, judged, **options)
    if pictures.missing:
        status(
            f"{pictures.missing} pictures of {pictures.folder} are not in the store and are not ranked; "
            f"`topicidx ingest {source}` brings those there that can be read"
        )
    for note in found.notes:
        status(printable(note))
    if plot and kind:
        with new_file(plot, force=True) as drawn:
            plot_evaluation(found, drawn, kind)
    if as_json:
        about = {"source": pictures.folder, "missing": pictures.missing}
        print_json(about | found.to_json())
    else:
        print_evaluation(found)


def _check(
    by: By | None, queries: Path | None, qrels: Path | None, match: Match | None, run: Path | None, protocol: list[str]
) -> None:
    if by is not None and (queries is not None or qrels is not None):
        raise SettingsError("--by makes queries of its own; give either --by, or --queries FILE with --qrels FILE")
    if (queries is None) != (qrels is None):
        missing = "--qrels FILE, which says what they should find" if qrels is None else "--queries FILE"
        raise SettingsError(f"{'--queries' if qrels is None else '--qrels'} goes with {missing}")
    if by is None and queries is None:
        raise SettingsError(
            "say what to ask for: --by words, --by city, or --queries FILE with --qrels FILE; see `topicidx evaluate --help`"
        )
    if protocol and by != "words":
        raise SettingsError(f"--{protocol[0]} goes with --by words")
    if run is not None and match is None:
        raise SettingsError("a run file holds one ranking for each query: give --match all or --match mean with --run")


@contextmanager
def _writing_run(file: Path | None, match: Match | None, pictures: "Pictures") -> "Iterator[OnRanking | None]":
    if file is None:
        yield None
        return
    from topicidx.indexer.evaluation.trec import RUN_DEPTH, run_lines
    from topicidx.indexer.transfer.files import new_file

    with new_file(file, force=True) as written:

        def on_ranking(query: "Query", method: "Method", order: "Rows", scores: "Float64") -> None:
            if method == match:
                ranked = ((pictures.pictures[row], float(scores[row])) for row in order[:RUN_DEPTH].tolist())
                written.writelines(line.encode() for line in run_lines(query.id, ranked, f"topicidx-{match}"))

        yield on_ranking
