"""`topicidx info`: what is in this workspace."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from topicidx.cli.console import print_json
from topicidx.cli.options import Collection, Home, Json, Space, Store
from topicidx.errors import SpaceError, StoreError
from topicidx.indexer.locations import space_folder, store_address_of
from topicidx.indexer.overview import describe_space, describe_store
from topicidx.settings import Settings
from topicidx.workspace import Workspace


def info(
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    recall: Annotated[
        bool, typer.Option("--recall", help="Measure how much the configured search finds of what an exact one does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the workspace holds: the topic space, the store, its sources and cities."""
    settings = Settings.load(home=home, space=space, store=store, collection=collection)
    workspace = Workspace.find(settings.home) if settings.space is None or settings.store is None else None
    found: dict[str, Any] = {
        "home": str(workspace.home) if workspace else None,
        "space": _or_error(lambda: describe_space(space_folder(settings))),
        "store": _or_error(lambda: describe_store(store_address_of(settings), settings.collection, settings.server)),
    }
    found["match"] = found["space"].get("vector_space") == found["store"].get("vector_space", "none")
    if recall:
        found["recall"] = _or_error(lambda: _measure(settings))
    if as_json:
        print_json(found)
        return
    for part in ("space", "store"):
        print(part)
        for name, value in found[part].items():
            if isinstance(value, dict):
                value = ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
            if name in {"vector_space", "query_side"} and value:
                value = value[:12]
            print(f"  {name.replace('_', ' ')}: {value}")
    if recall:
        _print_recall(found["recall"])
    if "error" not in found["space"] and "error" not in found["store"] and not found["match"]:
        print("the store was filled with another topic space: ingest the pictures again")


def _print_recall(recall: dict[str, Any]) -> None:
    if "error" in recall:
        print(f"recall\n  error: {recall['error']}")
        return
    print(f"recall@10 against an exact search of {recall['points']:,} pictures; search: {recall['search']}")
    for kind in ("words", "pushed_down", "pictures"):
        one = recall[kind]
        figures = f"mean {one['mean']:.4f}, worst tenth {one['worst_decile']:.4f} ({one['queries']} queries)"
        print(f"  {kind.replace('_', ' ')}: {figures}")


def _measure(settings: Settings) -> dict[str, Any]:
    from topicidx.indexer.index import Index
    from topicidx.indexer.recall import measure_recall

    with Index.open(settings=settings) as index:
        return measure_recall(index).to_json()


def _or_error(describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return describe()
    except (SpaceError, StoreError) as error:
        return {"error": str(error)}
