"""`topicidx ingest`: pictures to a store."""

import json
from pathlib import Path
from typing import Annotated

import typer

from topicidx.cli.console import progress_bar, status
from topicidx.cli.options import Collection, Home, Json, Space, Store, space_folder, store_folder
from topicidx.settings import Settings

#: Skipped pictures that are listed on the screen; the file has them all.
_LISTED = 20


def ingest(
    source: Annotated[
        Path, typer.Argument(help="A folder of pictures, or a manifest (.csv, .jsonl).", show_default=False)
    ],
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    city: Annotated[str | None, typer.Option(help="The city of all these pictures.", show_default=False)] = None,
    folder_city: Annotated[
        bool,
        typer.Option(help="Take cities from sub-folder names (london/123.jpg) where they look like a list of places."),
    ] = True,
    as_json: Json = False,
) -> None:
    """Index pictures, so that `topicidx query` finds them. What has not changed since the last time is not read again."""
    from topicidx.embedders.topic_space import TopicSpace
    from topicidx.indexer.embedded import EmbeddedStore
    from topicidx.indexer.ingest import IngestReport
    from topicidx.indexer.ingest import ingest as ingest_source
    from topicidx.indexer.sources import SourceRegistry, open_source

    settings = Settings.load(home=home, space=space, store=store, collection=collection)
    opened = open_source(source, city=city, folder_city=folder_city)
    topic_space = TopicSpace.load(space_folder(settings))
    folder = store_folder(settings)
    vector_space, dimensions = topic_space.vector_space, topic_space.dimensions
    skipped_file = folder / settings.collection / "skipped.jsonl"
    with progress_bar() as show, EmbeddedStore.writer(folder, settings.collection, vector_space, dimensions) as writer:
        if writer.resumes:
            status("going on from an ingest that was stopped")

        def on_picture(report: IngestReport) -> None:
            done = report.indexed + report.updated + report.unchanged + len(report.skipped)
            show(
                done,
                None,
                f"pictures: {report.indexed} indexed, {report.unchanged} unchanged, {len(report.skipped)} skipped",
            )

        try:
            report = ingest_source(
                SourceRegistry(folder).register(opened), topic_space, writer, settings.ingest, skipped_file=skipped_file,
                on_picture=on_picture,
            )  # fmt: skip
        except KeyboardInterrupt:
            status("stopped; run the same command again to go on from here")
            raise
    if writer.replaces_space and report.indexed:
        status(
            "the store was filled with another topic space before: it now holds this source alone; ingest your other "
            "sources again too"
        )
    for skipped in report.skipped[:_LISTED]:
        status(f"skipped {skipped.path!r}: {skipped.reason}")
    if len(report.skipped) > _LISTED:
        status(f"... and {len(report.skipped) - _LISTED} more; all are listed in {skipped_file}")
    if report.vanished:
        status(
            f"{report.vanished} pictures in the store are no longer where they were, and are still found; to leave them out, "
            f"remove {folder} and ingest all your sources again"
        )
    if as_json:
        print(json.dumps(report.to_json()))
        return
    updated = f"{report.updated} updated, " if report.updated else ""
    rate = f", {report.images_per_second:.0f} images/s" if report.indexed else ""
    print(
        f"{report.indexed} indexed, {updated}{report.unchanged} unchanged, {len(report.skipped)} skipped{rate}; "
        f"the store holds {report.points} pictures"
    )
