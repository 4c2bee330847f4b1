"""Upkeep of a served collection: bring the generation before back, clear away what builds left behind."""

from topicidx.errors import StoreError, StoreNotFoundError
from topicidx.indexer.server.collection import (
    Generation,
    all_generations,
    describe,
    drop,
    end_loading,
    live_generation,
    point_aliases,
    superseded_generations,
    words_name,
)
from topicidx.indexer.server.connection import Connection
from topicidx.indexer.server.words import unused_words, words_of
from topicidx.indexer.store import Leftover


def rollback(connection: Connection, collection: str) -> tuple[str, str]:
    """Make the generation before the live one live again, and the words that go with it; once more undoes it.

    Gives the names of the generation that was live and of the one that now is. Raises StoreNotFoundError where there is no
    collection, StoreError where there is nothing to bring back.
    """
    live = live_generation(connection, collection)
    if live is None:
        raise _not_found(connection, collection)
    before = [g for g in all_generations(connection, collection) if g.collection == live.description.previous]
    if not before or before[0].description.state != "complete":
        raise StoreError(
            f"the collection {collection!r} of {connection.location} has no generation before {live.name} that could be brought "
            "back; nothing was changed"
        )
    previous = describe(connection, before[0], previous=live.collection)
    targets: dict[str, Generation | None] = {collection: previous}
    if previous.description.query_side != live.description.query_side:
        targets[words_name(collection)] = words_of(connection, collection, previous.description.query_side)
    point_aliases(connection, targets)
    return live.name, previous.name


def collect_garbage(
    connection: Connection, collection: str, *, unfinished: bool = False, dry_run: bool = False
) -> list[Leftover]:
    """Remove the collections that failed and stopped builds left: all that no ingest could go on from.

    What an ingest of the same space would go on from is kept and named, its settings put back, unless `unfinished`. With
    `dry_run` nothing is touched. Raises StoreNotFoundError where there is nothing of this name.
    """
    words = words_name(collection)
    pictures = all_generations(connection, collection)
    live = live_generation(connection, collection)
    if live is None and not pictures:
        raise _not_found(connection, collection)
    useless = [*superseded_generations(connection, collection), *unused_words(connection, collection)]
    stopped = [g for g in [*pictures, *all_generations(connection, words, "words")] if _is_stopped(g, live)]
    if not dry_run:
        drop(connection, [*useless, *stopped] if unfinished else useless)
        for generation in [] if unfinished else stopped:
            end_loading(connection, generation)
    return [
        *(Leftover(found.collection, "superseded", remove=True) for found in useless),
        *(Leftover(found.collection, _how_stopped(found), remove=unfinished) for found in stopped),
    ]


def _is_stopped(generation: Generation, live: Generation | None) -> bool:
    description = generation.description
    if description.state == "building":
        return True
    newer = live is None or (generation.number > live.number and generation.collection != live.description.previous)
    return description.kind == "pictures" and newer


def _how_stopped(generation: Generation) -> str:
    created = generation.description.created
    if generation.description.state == "complete":
        return f"finished, begun at {created}, but readers were not led to it; the same ingest goes on from it"
    return f"an ingest was stopped in it, begun at {created}; the same ingest goes on from it"


def _not_found(connection: Connection, collection: str) -> StoreNotFoundError:
    return StoreNotFoundError(
        f"there is no collection {collection!r} on the server {connection.location}; --store and --collection name another"
    )
