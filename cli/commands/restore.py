"""`topicidx restore`: a collection from the file of a backup."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from topicidx.cli.console import print_json, progress_bar, status
from topicidx.cli.options import Home, Json, Space, Store
from topicidx.indexer.locations import store_address_of
from topicidx.settings import Settings
from topicidx.workspace import Workspace

if TYPE_CHECKING:
    from topicidx.indexer.transfer.reading import Backup


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `topicidx backup` wrote.", show_default=False)],
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Annotated[
        str | None,
        typer.Option(help="The collection in the store. Default: the name it was backed up by.", show_default=False),
    ] = None,
    with_space: Annotated[
        bool, typer.Option("--with-space/--no-space", help="Put back the topic space, where the file has it.")
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a collection that has pictures, and another topic space.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Verify the file, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a collection back from a backup: its points, sources and topic space, into a folder or a server.

    The whole file is verified before anything is touched, and readers see the restored collection all at once.
    """
    from topicidx.indexer.transfer.places import Place
    from topicidx.indexer.transfer.reading import read_backup
    from topicidx.indexer.transfer.restoring import restore as restore_backup

    settings = Settings.load(home=home, space=space, store=store, collection=collection)
    with progress_bar() as show:
        backup = read_backup(file, on_points=lambda done, total: show(done, total, "verifying points"))
        if check:
            _print_check(backup, as_json=as_json)
            return
        whole_workspace = settings.store is None or settings.space is None
        workspace = Workspace.find_or_create(settings.home) if whole_workspace else None
        try:
            name = settings.collection if collection is not None else backup.header.collection
            folder = settings.space or (workspace.space if workspace else None)
            report = restore_backup(
                backup,
                Place(store_address_of(settings), name),
                settings.server,
                space_folder=folder if with_space else None,
                force=force,
                on_progress=lambda stage, done, total: show(done, total, stage),
            )
        except KeyboardInterrupt:
            status("stopped; what was there is as it was, and the same command begins again")
            raise
        finally:
            if workspace is not None:
                workspace.discard_if_empty()
    if report.space:
        status(f"the topic space is in {folder}")
    for source, root in report.sources.items():
        status(f"the pictures of {source!r} are looked for in {root}")
    for source, root in report.other_roots.items():
        status(
            f"the pictures of {source!r} are looked for in {root}, as before; in the backup it was {backup.sources[source]}"
        )
    if report.replaced:
        where = f" --store {shlex.quote(store)}" if store else ""
        undo = f"topicidx rollback{where} --collection {report.collection}"
        status(f"{report.replaced:,} pictures were there before; `{undo}` brings them back")
    if report.collection != settings.collection:
        status(f"to search them: topicidx query --collection {report.collection}")
    if as_json:
        print_json(report.to_json())
        return
    print(f"restored {report.points:,} pictures, checksum {report.checksum}")


def _print_check(backup: "Backup", *, as_json: bool) -> None:
    header = backup.header
    if as_json:
        facts = header.model_dump(mode="json") | {"checksum": backup.totals.checksum, "space": bool(backup.space)}
        print_json(facts | {"sources": {name: str(root) for name, root in backup.sources.items()}})
        return
    print(
        f"{backup.file} is whole: {header.points:,} pictures of the collection {header.collection!r}, {header.created}, "
        f"{'with' if backup.space else 'without'} topic space, checksum {backup.totals.checksum}"
    )
