"""Index: a topic space and a store, searched by words and pictures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self, get_args
from uuid import UUID

import numpy as np

from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import QueryError, SettingsError, SpaceMismatchError
from topicidx.indexer.asked_pictures import AskedPictures
from topicidx.indexer.compiled_query import CompiledQuery, QueryCompiler
from topicidx.indexer.conditions import Condition, Missing, Not
from topicidx.indexer.diversity import BLOCK, maximal_marginal_relevance
from topicidx.indexer.grouping import label_of, leading_values, narrowed, of_value
from topicidx.indexer.locations import space_folder, store_address_of
from topicidx.indexer.query_language import Query, parse_query
from topicidx.indexer.ranking import ScoredPoint, rank
from topicidx.indexer.results import GroupedResult, Hit, HitGroup, SearchResult, Unknown
from topicidx.indexer.sources import SourceRegistry
from topicidx.indexer.store import Float32, Payload, PointFilter, VectorStore
from topicidx.indexer.stores import StoreAddress, open_store
from topicidx.settings import Match, Search, Settings

if TYPE_CHECKING:
    from topicidx.indexer.explanation import Explanation
    from topicidx.indexer.ingest_report import IngestReport


#: Queries of a batch that are ranked together, and those whose payloads are read together.
QUERIES, TOGETHER = 4_096, 256


class Index:
    """A topic space and a store filled with its vectors, for search; also what fills it.

        with Index.open() as index:
            for hit in index.search("sunrise beach", city="london"):
                print(hit.score, hit.path)

    search_mode is the setting `search`. files: whether queries may name pictures by file and URL, or indexed ones only.
    Raises SpaceMismatchError where space and store do not belong together.
    """

    def __init__(
        self,
        space: TopicSpace,
        store: VectorStore,
        sources: SourceRegistry | None = None,
        search_mode: Search = "auto",
        *,
        files: bool = True,
    ) -> None:
        self.space = space
        self.sources = sources
        self.search_mode = search_mode
        self.files = files
        self._place: tuple[StoreAddress, Settings] | None = None
        self._store: VectorStore | None = _fitting(space, store)

    @classmethod
    def open(
        cls,
        home: Path | None = None,
        *,
        space: Path | None = None,
        store: str | None = None,
        collection: str | None = None,
        settings: Settings | None = None,
    ) -> "Index":
        """The index of a workspace: what the command line uses with the options of the same names.

        Without `home` the workspace is the `.topicidx` folder in the working directory or the nearest one above; store is
        a folder or the URL of a server. The store is opened when it is first needed, so that an index that is still to be
        filled can be opened too. To be closed, or used in a `with` block. Raises SpaceError, SettingsError or
        WorkspaceNotFoundError.
        """
        settings = settings or Settings.load(home=home, space=space, store=store, collection=collection)
        index = cls.__new__(cls)
        index.space = TopicSpace.load(space_folder(settings))
        address = store_address_of(settings)
        index.sources = SourceRegistry(address.folder)
        index.search_mode = settings.search
        index.files = True
        index._place = (address, settings)
        index._store = None
        return index

    @property
    def store(self) -> VectorStore:
        """The open store. Raises StoreError where it cannot be opened, SpaceMismatchError for one of another space."""
        if self._store is None:
            assert self._place is not None
            address, settings = self._place
            opened = open_store(address, settings.collection, settings.server)
            try:
                self._store = _fitting(self.space, opened)
            except BaseException:
                opened.close()
                raise
        return self._store

    @cached_property
    def exact(self) -> bool:
        """Whether rankings are exact, by `search_mode` and what the store has."""
        if self.search_mode == "auto":
            return self.store.info().approximate != "turbo8"  # int8 misses too much to be used unasked
        return self.search_mode == "exact"

    def search(
        self,
        query: str | Query,
        *,
        match: Match = "all",
        limit: int = 10,
        offset: int = 0,
        city: str | Sequence[str] = (),
        where: Condition | str | None = None,
        min_score: float | None = None,
        unique: bool = False,
        diverse: bool = False,
        did_you_mean: bool = False,
    ) -> SearchResult:
        """The pictures that `query` describes, best first: a list of `Hit` that also tells the words it did not know.

        query: in the query language (see `parse_query`). match="all": score is the weighted geometric mean of the terms'
        lifts, so that every term counts; 1 is the collection's average. match="mean": the published method, one dot
        product with the mean of the words' topic distributions. Words the captions never used are left out, or with
        did_you_mean replaced by the nearest known ones, and named in the result. A query of negative words alone ranks
        the pictures that have the least of them.

        limit, offset: how many pictures, and how many at the top are left out; pages fit together. city: only pictures of
        any of these, in any case. where: a condition on the payload, also as text (see `parse_where`). min_score: only
        pictures that score as much. unique: of pictures with the same bytes only the first. diverse: reordered by maximal
        marginal relevance, so that a picture unlike those before it comes earlier.

        Raises QuerySyntaxError or FilterSyntaxError that points at the character, UnknownWordError where no word is known,
        UnknownCityError, UnknownPictureError, SettingsError for a wrong limit or offset.
        """
        _check_page(limit, offset)
        compiled = self.compile(query, match=match, city=city, where=where, did_you_mean=did_you_mean)
        return self.answer(compiled, limit=limit, offset=offset, min_score=min_score, unique=unique, diverse=diverse)

    def search_groups(
        self,
        query: str | Query,
        by: str = "city",
        *,
        limit: int = 10,
        size: int = 3,
        match: Match = "all",
        city: str | Sequence[str] = (),
        where: Condition | str | None = None,
        min_score: float | None = None,
        did_you_mean: bool = False,
    ) -> GroupedResult:
        """The best `size` pictures for each value of the payload field `by`, for the `limit` values with the best pictures.

        Pictures without the field are left out. Everything else is as in `search`. Raises SettingsError where no picture
        has the field.
        """
        _check_page(limit, size - 1)
        compiled = self.compile(query, match=match, city=city, where=where, did_you_mean=did_you_mean)
        if not self.store.has(PointFilter(where=Not(Missing(by)))):
            raise SettingsError(f"no picture in the store has a field {by!r} to group by; `topicidx info` lists some")
        having = narrowed(compiled.among, Not(Missing(by)))
        groups = []
        for value in leading_values(self.store, by, having, limit, lambda depth: self._rank(compiled, depth, having)):
            ranked = self._rank(compiled, size, narrowed(compiled.among, of_value(by, value)))
            ranked = _scoring_at_least(min_score, ranked)
            if ranked:
                hits = self._hits(ranked, self._payloads(ranked), 1)
                groups.append(HitGroup(label_of(by, value, hits), hits))
        return GroupedResult(compiled.query.shown, by, groups, compiled.unknown)

    def explain(
        self,
        query: str | Query,
        *,
        match: Match = "all",
        limit: int = 10,
        offset: int = 0,
        city: str | Sequence[str] = (),
        where: Condition | str | None = None,
        did_you_mean: bool = False,
        topics: int = 5,
    ) -> "Explanation":
        """What `search` finds, and why: the `topics` that each term speaks of most, and each term's lift for each picture."""
        from topicidx.indexer.explanation import explain

        _check_page(limit, offset)
        compiled = self.compile(query, match=match, city=city, where=where, did_you_mean=did_you_mean)
        found = self.answer(compiled, limit=limit, offset=offset)
        vectors = self.store.vectors([UUID(hit.id) for hit in found])
        return explain(self.space, compiled, found, vectors, topics=topics)

    def rank(
        self,
        query: str | Query,
        *,
        match: Match = "all",
        limit: int = 10,
        city: str | Sequence[str] = (),
        where: Condition | str | None = None,
    ) -> tuple[list[ScoredPoint], tuple[Unknown, ...]]:
        """What `search` finds as ids and scores alone, and the words that were left out."""
        _check_page(limit, 0)
        compiled = self.compile(query, match=match, city=city, where=where)
        return self._rank(compiled, limit, compiled.among), compiled.unknown

    def compile(
        self,
        query: str | Query,
        *,
        match: Match = "all",
        city: str | Sequence[str] = (),
        where: Condition | str | None = None,
        did_you_mean: bool = False,
    ) -> CompiledQuery:
        """A query with all it names found, whose `score` is what search gives to any picture's vector."""
        if match not in get_args(Match):
            raise SettingsError(f"match is {match!r}; give one of {', '.join(get_args(Match))}")
        asked = parse_query(query) if isinstance(query, str) else query
        cities = [city] if isinstance(city, str) else city
        return self._compiler.compile(
            asked, match=match, cities=cities, where=self.condition(where), did_you_mean=did_you_mean
        )

    def compile_vector(
        self, vector: Float32, label: str, *, city: str | Sequence[str] = (), where: Condition | str | None = None
    ) -> CompiledQuery:
        """A query of one vector, float32 (dimensions,), such as `space.as_terms` of a picture's or one for a topic; the score
        is the dot product with it, and `label` how it is called."""
        cities = [city] if isinstance(city, str) else city
        return self._compiler.compile_vector(vector, label, cities=cities, where=self.condition(where))

    def answer(
        self,
        compiled: CompiledQuery,
        *,
        limit: int = 10,
        offset: int = 0,
        min_score: float | None = None,
        unique: bool = False,
        diverse: bool = False,
    ) -> SearchResult:
        """What `search` finds for a query that is compiled already, by `compile` or otherwise."""
        _check_page(limit, offset)
        wanted = offset + limit
        ranked, payloads = self._ranked(compiled, -(-wanted // BLOCK) * BLOCK if diverse else wanted, min_score, unique)
        if diverse:
            ranked = self._diverse(ranked)
        hits = self._hits(ranked[offset:wanted], payloads, offset + 1)
        return SearchResult(compiled.query.shown, hits, compiled.unknown)

    def search_many(
        self,
        queries: Iterable[str | Query],
        *,
        match: Match = "all",
        limit: int = 10,
        offset: int = 0,
        city: str | Sequence[str] = (),
        where: Condition | str | None = None,
        min_score: float | None = None,
        did_you_mean: bool = False,
    ) -> Iterator[SearchResult | QueryError]:
        """What `search` finds for each query, in their order, and for one that cannot be answered its error.

        Faster than one by one where a few hundred are asked of an embedded store: those among the same pictures share one
        pass over the vectors, exact whatever `search_mode` says. Queries are taken in blocks, so that there may be any
        number of them.
        """
        from topicidx.indexer.batch_ranking import rank_many

        _check_page(limit, offset)
        where, remaining = self.condition(where), iter(queries)
        while block := list(islice(remaining, QUERIES)):
            compiled: list[CompiledQuery | QueryError] = []
            for query in block:
                try:
                    compiled.append(self.compile(query, match=match, city=city, where=where, did_you_mean=did_you_mean))
                except QueryError as error:
                    compiled.append(error)
            asked = [(one.scoring, one.among) for one in compiled if isinstance(one, CompiledQuery)]
            rankings = rank_many(self.store, asked, offset + limit, exact=self.exact)
            chosen = iter([_scoring_at_least(min_score, ranked)[offset:] for ranked in rankings])
            for begin in range(0, len(compiled), TOGETHER):
                some = compiled[begin : begin + TOGETHER]
                pages = [next(chosen) if isinstance(one, CompiledQuery) else [] for one in some]
                payloads = self._payloads(list({point.id: point for page in pages for point in page}.values()))
                for one, page in zip(some, pages, strict=True):
                    if isinstance(one, QueryError):
                        yield one
                    else:
                        known = {point.id: payloads[point.id] for point in page if point.id in payloads}
                        yield SearchResult(one.query.shown, self._hits(page, known, offset + 1), one.unknown)

    def picture(self, picture: UUID) -> Hit | None:
        """An indexed picture by its id, None where there is none; its rank and score say nothing."""
        found = self._hits([ScoredPoint(picture, 0.0)], {}, 1)
        return found[0] if found else None

    def condition(self, where: Condition | str | None) -> Condition | None:
        """A condition in the language of `--where`, read by what the store's fields are indexed as; others as they are."""
        if not isinstance(where, str):
            return where
        from topicidx.indexer.where_language import parse_where

        return parse_where(where, self.store.info().fields)

    def ingest(
        self,
        source: Path | str,
        *,
        name: str | None = None,
        city: str | None = None,
        folder_city: bool = True,
        prune: bool = False,
        rebuild: bool = False,
    ) -> "IngestReport":
        """Index the pictures of a folder or manifest, as `topicidx ingest` does with the options of the same names.

        What has not changed since the last time is not read again. Raises SettingsError for an index that was not made by
        `Index.open`, SourceError, StoreError; what was indexed before an error is kept, and the same call goes on from
        there.
        """
        from topicidx.indexer.ingest_run import run_ingest
        from topicidx.indexer.sources import open_source

        if self._place is None:
            raise SettingsError("an index of a store that is open already cannot ingest; make it with Index.open()")
        address, settings = self._place
        self.close()
        run = run_ingest(
            open_source(source, city=city, folder_city=folder_city),
            self.space, address, settings, name=name, prune=prune, rebuild=rebuild,
        )  # fmt: skip
        self.sources = SourceRegistry(address.folder)
        return run.report

    def warm_up(self) -> None:
        """Open and read now what searches need, so that the first is as fast as the next, and threads find all of it there."""
        self._compiler.warm_up()
        self.exact  # noqa: B018 kept when it is asked for

    def close(self) -> None:
        """Release the store; one that `open` knows is opened again when it is needed."""
        if self._store is not None:
            self._store.close()
        if self._place is not None:
            self._store = None
        for name in ("exact", "_compiler"):
            self.__dict__.pop(name, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _compiler(self) -> QueryCompiler:
        return QueryCompiler(self.space, self.store, AskedPictures(self.space, self.store, self.sources, self.files))

    def _rank(self, compiled: CompiledQuery, limit: int, among: PointFilter | None) -> list[ScoredPoint]:
        return rank(self.store, compiled.scoring, limit, among, exact=self.exact)

    def _ranked(
        self, compiled: CompiledQuery, wanted: int, min_score: float | None, unique: bool
    ) -> tuple[list[ScoredPoint], Mapping[UUID, Payload]]:
        """The first `wanted` that count, and payloads of theirs where they were needed to tell."""
        depth = wanted
        while True:
            ranked = self._rank(compiled, depth, compiled.among)
            chosen = _scoring_at_least(min_score, ranked)
            if not unique:
                return chosen, {}
            payloads = self._payloads(chosen)
            first = _first_of_each(chosen, payloads)
            if len(first) >= wanted or len(ranked) < depth or len(chosen) < len(ranked):
                return first[:wanted], payloads
            depth *= 2

    def _diverse(self, ranked: Sequence[ScoredPoint]) -> list[ScoredPoint]:
        found: list[ScoredPoint] = []
        for begin in range(0, len(ranked), BLOCK):
            block = ranked[begin : begin + BLOCK]
            vectors = self.store.vectors([point.id for point in block])
            order = maximal_marginal_relevance(vectors, np.array([point.score for point in block]))
            found += [block[place] for place in order.tolist()]
        return found

    def _payloads(self, ranked: Sequence[ScoredPoint]) -> dict[UUID, Payload]:
        return {record.id: record.payload for record in self.store.retrieve([point.id for point in ranked])}

    def _hits(self, ranked: Sequence[ScoredPoint], payloads: Mapping[UUID, Payload], first: int) -> tuple[Hit, ...]:
        missing = [point for point in ranked if point.id not in payloads]
        known = {**self._payloads(missing), **payloads} if missing else payloads
        there = (point for point in ranked if point.id in known)
        return tuple(self._hit(rank, point, known[point.id]) for rank, point in enumerate(there, start=first))

    def _hit(self, rank: int, point: ScoredPoint, payload: Payload) -> Hit:
        image, city, captions = str(payload.get("image")), payload.get("city_label"), payload.get("captions")
        return Hit(
            rank=rank,
            score=point.score,
            id=str(point.id),
            image=image,
            city=city if isinstance(city, str) else None,
            captions=tuple(map(str, captions)) if isinstance(captions, list) else (),
            path=self.sources.file_of_point(payload) if self.sources else None,
            payload=payload,
        )


def _fitting(space: TopicSpace, store: VectorStore) -> VectorStore:
    info = store.info()
    if info.vector_space != space.vector_space or info.dimensions != space.dimensions:
        raise SpaceMismatchError(
            f"the store {info.location} was filled with another topic space ({info.vector_space[:12]}) than "
            f"{space.folder} ({space.vector_space[:12]}); ingest the pictures again, or name the right space with --space"
        )
    return store


def _check_page(limit: int, offset: int) -> None:
    if limit < 1:
        raise SettingsError(f"limit {limit}: at least 1 picture must be asked for")
    if offset < 0:
        raise SettingsError(f"offset {offset}: no fewer than 0 pictures can be left out")


def _scoring_at_least(least: float | None, ranked: Sequence[ScoredPoint]) -> list[ScoredPoint]:
    return [point for point in ranked if least is None or point.score >= least]


def _first_of_each(ranked: Sequence[ScoredPoint], payloads: Mapping[UUID, Payload]) -> list[ScoredPoint]:
    """The points without those whose pictures have the bytes of one further up."""
    seen: set[object] = set()
    first = []
    for point in ranked:
        content = payloads.get(point.id, {}).get("sha256") or point.id
        if content not in seen:
            seen.add(content)
            first.append(point)
    return first
