"""`topicidx ingest`: pictures to a store."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from topicidx.cli.completion import complete_path
from topicidx.cli.console import Show, print_json, printable, progress_bar, status
from topicidx.cli.options import Collection, Home, Json, Space, Store
from topicidx.cli.team import team_of_torchrun
from topicidx.errors import SettingsError
from topicidx.indexer.locations import space_folder, store_address_of
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.indexer.ingest_report import IngestReport
    from topicidx.indexer.ingest_run import IngestRun
    from topicidx.indexer.team import Team

#: Skipped pictures that are listed on the screen; the file has them all.
_LISTED = 20
#: Seconds between two states of the progress that are shown.
_SHOWN_EVERY = 0.05


def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of pictures, a manifest (.csv, .jsonl, .parquet), WebDataset's tar files, Instagram's export, or "
            "the URL of one of these.",
            show_default=False,
            autocompletion=complete_path,
        ),
    ],
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    name: Annotated[
        str | None,
        typer.Option(help="What to call this source. Default: the name of its folder.", show_default=False),
    ] = None,
    city: Annotated[str | None, typer.Option(help="The city of all these pictures.", show_default=False)] = None,
    folder_city: Annotated[
        bool,
        typer.Option(help="Take cities from sub-folder names (london/123.jpg) where they look like a list of places."),
    ] = True,
    index_field: Annotated[
        list[str] | None,
        typer.Option(
            help="Index a further column for --where, such as author:keyword; types: keyword, integer, float, bool, datetime. "
            "May be repeated.",
            show_default=False,
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove pictures from the store whose files are gone from the source.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done: nothing is decoded or written.")
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild",
            help="Build the index anew from this source alone, without other sources, and swap it in.",
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Index one share of the source, such as 3/16, onto a Qdrant server; the others are for other processes, on any "
            "machines. Under torchrun each process takes its share by itself.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Index pictures, so that `topicidx query` finds them. What has not changed since the last time is not read again."""
    from topicidx.embedders.topic_space import TopicSpace
    from topicidx.indexer.ingest_run import run_ingest
    from topicidx.indexer.joint_ingest import JointIngest
    from topicidx.indexer.payload import parse_index_fields
    from topicidx.indexer.shards import WHOLE, Shard
    from topicidx.indexer.sources import open_source

    def asked_for(team: "Team | None", show: Show) -> JointIngest:
        if shard is not None and team is not None:
            raise SettingsError("torchrun has given each process its share already; leave --shard out")
        if shard is not None and rebuild:
            raise SettingsError(
                "--rebuild with --shard would begin as many new indexes as there are shards; start all with torchrun, which "
                "begins one, or leave --rebuild out"
            )
        fields = parse_index_fields(index_field or [])
        settings = Settings.load(
            home=home, space=space, store=store, collection=collection, ingest={"index_fields": fields or None}
        )
        return JointIngest(
            open_source(source, city=city, folder_city=folder_city),
            TopicSpace.load(space_folder(settings)),
            store_address_of(settings),
            settings,
            name=name,
            prune=prune,
            dry_run=dry_run,
            on_picture=_counting(show),
            on_status=status if team is None or team.first else lambda text: None,
        )

    def done(team: "Team | None", show: Show) -> "IngestRun":
        if team is not None:
            return team.each(lambda: asked_for(team, show)).take_part(team, rebuild=rebuild)
        share = WHOLE if shard is None else Shard.parse(shard)
        job = asked_for(None, show)
        if share != WHOLE:
            return job.take_shard(share)
        return run_ingest(
            job.source,
            job.space,
            job.address,
            job.settings,
            name=name,
            prune=prune,
            rebuild=rebuild,
            dry_run=dry_run,
            on_picture=job.on_picture,
            on_progress=lambda stage, done, total: show(done, total, stage),
            on_status=status,
        )

    with team_of_torchrun() as team:
        tells = team is None or team.first
        try:
            with progress_bar() if tells else nullcontext(_unseen) as show:
                run = done(team, show)
        except KeyboardInterrupt:
            if tells and not dry_run:
                status("stopped; run the same command again to go on from here")
            raise
        if tells:
            _tell_run(run, source, as_json)


def _unseen(done: int, total: int | None, text: str) -> None:
    """Progress of a process that nobody looks at."""


def _tell_run(run: "IngestRun", source: object, as_json: bool) -> None:
    dry_run = run.report.dry_run
    if dry_run and run.lost:
        status(f"the new index would be of this source alone: {_listed(run.lost)} would not be in it")
    elif run.lost:
        status(
            f"the new index is of this source alone: {_listed(run.lost)} are not in it any more; ingest those sources again, or "
            "`topicidx rollback` brings the old index back"
        )
    if run.replaced_space and run.report.indexed and not run.hidden:
        status(
            "the store was filled with another topic space before: it now holds this source alone; ingest your other "
            "sources again too (`topicidx rollback` brings the old index back)"
        )
    if run.hidden:
        status(
            "readers still see the vectors of another topic space; when all shards are done, "
            f"`topicidx ingest {source}` with the same --store and without --shard indexes what they left out, and publishes all"
        )
    _tell(run.report, run.skipped_file, as_json)


def _listed(sources: dict[str, int]) -> str:
    return ", ".join(f"{count} pictures of {printable(source)!r}" for source, count in sources.items())


def _counting(show: Show) -> "Callable[[IngestReport], None]":
    due = 0.0

    def on_picture(report: "IngestReport") -> None:
        nonlocal due
        now = time.monotonic()
        if now < due:  # a million files may be found unchanged in a minute
            return
        due = now + _SHOWN_EVERY
        done = report.indexed + report.reused + report.updated + report.unchanged + len(report.skipped)
        show(
            done,
            None,
            f"pictures: {report.indexed} indexed, {report.unchanged} unchanged, {len(report.skipped)} skipped",
        )

    return on_picture


def _tell(report: "IngestReport", skipped_file: Path, as_json: bool) -> None:
    for skipped in report.skipped[:_LISTED]:
        status(f"skipped {skipped.path!r}: {skipped.reason}")
    if len(report.skipped) > _LISTED:
        listed = "" if report.dry_run else f"; all are listed in {skipped_file}"
        status(f"... and {len(report.skipped) - _LISTED} more{listed}")
    for field, count in report.refused_values.items():
        example = printable(repr(report.refused_examples[field]))
        status(f"{count} values of {field!r} are not of its type and were left out, such as {example}")
    for field in report.unseen_fields:
        status(f"no picture of this source has a column {field!r} to be indexed: is the name right?")
    if report.without_gazetteer:
        status(
            f"{report.without_gazetteer} pictures say where they were taken; to have their cities looked up, install the "
            "gazetteer (pip install 'topicidx[gps]') and run this again with --rebuild"
        )
    if report.vanished and not report.pruned:
        status(
            f"{report.vanished} pictures in the store are no longer where they were, and are still found; "
            "run this again with --prune to remove them from the store"
        )
    if report.duplicates:
        status(
            f"{'at least ' if report.shares > 1 else ''}{report.duplicates} pictures in the store are exact copies of others; "
            "`topicidx duplicates` lists them, `topicidx query --unique` shows one of each"
        )
    if as_json:
        print_json(report.to_json())
        return
    parts = [f"{f'share {report.shard}: ' if report.shard else ''}{report.indexed} indexed"]
    parts += [f"{report.reused} taken over from the same bytes"] if report.reused else []
    parts += [f"{report.updated} updated"] if report.updated else []
    parts += [f"{report.unchanged} unchanged", f"{len(report.skipped)} skipped"]
    parts += [f"{report.pruned} removed"] if report.pruned else []
    if report.dry_run:
        print(f"would be done: {', '.join(parts)}; the store would hold {report.points} pictures; nothing was changed")
        return
    rate = f", {report.images_per_second:.0f} images/s" if report.indexed else ""
    print(f"{', '.join(parts)}{rate}; the store holds {report.points} pictures")
