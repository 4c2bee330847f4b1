"""`topicidx export`: vectors and payloads for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from topicidx.cli.console import print_json, progress_bar
from topicidx.cli.options import Collection, Home, Json, Store
from topicidx.indexer.locations import store_address_of
from topicidx.settings import Settings


def export(
    file: Annotated[
        Path,
        typer.Argument(help="FILE.parquet, or FILE.npy, which gets FILE.jsonl beside it.", show_default=False),
    ],
    home: Home = None,
    store: Store = None,
    collection: Collection = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write vectors and payloads for other programs: Parquet, or NumPy's .npy and JSON lines in the same order."""
    from topicidx.indexer.stores import open_store
    from topicidx.indexer.transfer.export import check_ending
    from topicidx.indexer.transfer.export import export as export_points

    check_ending(file)
    settings = Settings.load(home=home, store=store, collection=collection)
    with progress_bar() as show, open_store(store_address_of(settings), settings.collection, settings.server) as opened:
        report = export_points(
            opened, file, force=force, on_points=lambda done, total: show(done, total, "exporting points")
        )
    if as_json:
        print_json(report.to_json())
        return
    print(f"exported {report.points:,} pictures, {report.dimensions} dimensions, to {' and '.join(report.files)}")
