"""Index: a topic space and a store, searched by words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.topic_space import TopicSpace
from topicidx.embedders.word_table import VectorName
from topicidx.errors import QuerySyntaxError, SettingsError, SpaceMismatchError, UnknownCityError, UnknownWordError
from topicidx.indexer.conditions import Condition
from topicidx.indexer.keys import city_key
from topicidx.indexer.query_language import Term, parse_query
from topicidx.indexer.scoring import ScoredPoint, rank_by_dot_product, rank_by_product
from topicidx.indexer.sources import SourceRegistry
from topicidx.indexer.store import Payload, PointFilter, VectorStore
from topicidx.settings import Match, Search

#: How many known words are named for one that is not.
SUGGESTIONS = 3
#: How alike in spelling (0 to 100) they must be.
CLOSE = 75


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture that was found. path is where its file lies, or None where its source is not known here."""

    rank: int
    score: float
    id: str
    image: str
    city: str | None
    captions: tuple[str, ...]
    path: Path | None
    payload: Payload

    def to_json(self) -> dict[str, Any]:
        """One entry of a JSON result."""
        return {
            "rank": self.rank,
            "score": self.score,
            "image": self.image,
            "city": self.city,
            "caption": self.captions[0] if self.captions else None,
            "id": self.id,
            "path": str(self.path) if self.path else None,
        }


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word that the vocabulary does not have, and the known words nearest to it in spelling."""

    word: str
    nearest: tuple[str, ...]

    def __str__(self) -> str:
        hint = f" (did you mean {' or '.join(self.nearest)}?)" if self.nearest else ""
        return f"the captions never used the word {self.word!r}{hint}"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a query found, best first, and which of its words were left out."""

    query: str
    hits: tuple[Hit, ...]
    unknown: tuple[Unknown, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON result."""
        found: dict[str, Any] = {"query": self.query, "results": [hit.to_json() for hit in self.hits]}
        return found | (
            {"unknown": [{"word": u.word, "nearest": list(u.nearest)} for u in self.unknown]} if self.unknown else {}
        )


@dataclass(frozen=True)
class Index:
    """A topic space and a store filled with its vectors; search_mode: as the setting `search`.

    Raises SpaceMismatchError where they do not belong together.
    """

    space: TopicSpace
    store: VectorStore
    sources: SourceRegistry | None = None
    search_mode: Search = "auto"

    def __post_init__(self) -> None:
        info = self.store.info()
        if info.vector_space != self.space.vector_space or info.dimensions != self.space.dimensions:
            raise SpaceMismatchError(
                f"the store {info.location} was filled with another topic space ({info.vector_space[:12]}) than "
                f"{self.space.folder} ({self.space.vector_space[:12]}); ingest the pictures again, or name the right space "
                "with --space"
            )

    @cached_property
    def exact(self) -> bool:
        """Whether rankings are exact, by `search_mode` and what the store has."""
        if self.search_mode == "auto":
            return self.store.info().approximate != "turbo8"  # int8 misses too much to be used unasked
        return self.search_mode == "exact"

    def search(
        self,
        query: str,
        *,
        match: Match = "all",
        limit: int = 10,
        cities: Sequence[str] = (),
        where: Condition | None = None,
        min_score: float | None = None,
        unique: bool = False,
    ) -> SearchResult:
        """The pictures that `query` describes, best first.

        match="all": score is the weighted geometric mean of the words' lifts, so that every word counts; 1 is the
        collection's average. match="mean": the published method, one dot product with the mean of the words' topic
        distributions. Words the captions never used are left out and named in the result. A query of negative words
        alone ranks the pictures that have the least of them. where: a condition on the payload (see `parse_where`). unique:
        of pictures with the same bytes only the first.
        Raises QuerySyntaxError for an empty query or one of stop words alone, UnknownWordError where no word is known,
        UnknownCityError where no picture is of a city asked for.
        """
        depth = limit
        while True:
            ranked, unknown = self.rank(query, match=match, limit=depth, cities=cities, where=where)
            payloads = {record.id: record.payload for record in self.store.retrieve([point.id for point in ranked])}
            chosen = [point for point in ranked if min_score is None or point.score >= min_score]
            if unique:
                chosen = _first_of_each(chosen, payloads)
            below = min_score is not None and bool(ranked) and ranked[-1].score < min_score
            if not unique or len(chosen) >= limit or len(ranked) < depth or below:
                return SearchResult(query, self._hits(chosen[:limit], payloads), unknown)
            depth *= 2

    def rank(
        self,
        query: str,
        *,
        match: Match = "all",
        limit: int = 10,
        cities: Sequence[str] = (),
        where: Condition | None = None,
    ) -> tuple[list[ScoredPoint], tuple[Unknown, ...]]:
        """What `search` finds as ids and scores alone, and the words that were left out."""
        if limit < 1:
            raise SettingsError(f"limit {limit}: at least 1 picture must be asked for")
        words, weights, unknown = self._resolve(parse_query(query))
        among = PointFilter(self._known_cities(cities), where=where) if cities or where is not None else None
        if match == "all" and self.space.scores == "lift":
            ranked = rank_by_product(
                self.store, self.space.words.vectors("lift", words), weights, limit, among, exact=self.exact
            )
        else:
            name: VectorName = "topics" if match == "mean" else "lift"
            mean = weights @ self.space.words.vectors(name, words).astype(np.float64) / np.abs(weights).sum()
            ranked = rank_by_dot_product(self.store, mean.astype(np.float32), limit, among, exact=self.exact)
        return ranked, unknown

    def _resolve(self, terms: Sequence[Term]) -> tuple[list[int], NDArray[np.float64], tuple[Unknown, ...]]:
        """Word ids, their weights and the unknown words of a query."""
        weights: dict[int, float] = {}
        unknown: dict[str, Unknown] = {}
        for term in terms:
            for token, word in self.space.words.find(term.text):
                if word is None:
                    unknown[token.form] = Unknown(token.form, self._nearest(token.form))
                else:
                    weights[word] = weights.get(word, 0.0) + term.weight
        canceled = {word for word, weight in weights.items() if abs(weight) < 1e-9}  # .1 + .2 - .3 is not 0
        weights = {word: weight for word, weight in weights.items() if word not in canceled}
        if not weights:
            text = " ".join(term.text for term in terms)
            if unknown:
                raise UnknownWordError("; ".join(map(str, unknown.values())))
            if canceled:
                raise QuerySyntaxError(
                    "the words of the query cancel each other out; give one of them more weight, as in beach^2"
                )
            if self.space.normalizer.only_stop_words(text):
                raise QuerySyntaxError(
                    f"{text!r} holds only words too common to search for; add one that says what to see"
                )
            raise QuerySyntaxError(
                f"nothing in the query {text!r} can be searched for; give a word that says what to see"
            )
        return list(weights), np.array(list(weights.values())), tuple(unknown.values())

    def _known_cities(self, cities: Sequence[str]) -> tuple[str, ...]:
        from rapidfuzz import process

        wanted = tuple(dict.fromkeys(map(city_key, cities)))
        for city in wanted:
            if not self.store.count(PointFilter((city,))):
                known = list(self.store.facet("city"))
                near = [name for name, _, _ in process.extract(city, known, limit=SUGGESTIONS, score_cutoff=CLOSE)]
                hint = f" (did you mean {' or '.join(near)}?)" if near else "; `topicidx info` lists its cities"
                raise UnknownCityError(f"no picture in the store is of the city {city!r}{hint}")
        return wanted

    def _nearest(self, form: str) -> tuple[str, ...]:
        from rapidfuzz import process

        # Several forms may share a stem: the vocabulary's own word is shown once.
        found = process.extract(form, self._forms.keys(), limit=4 * SUGGESTIONS, score_cutoff=CLOSE)
        return tuple(dict.fromkeys(self._forms[match] for match, _, _ in found))[:SUGGESTIONS]

    @cached_property
    def _forms(self) -> dict[str, str]:
        return {form: word.form for word in self.space.words.vocabulary.words for form, _ in word.forms}

    def _hits(self, ranked: Sequence[ScoredPoint], payloads: Mapping[UUID, Payload]) -> tuple[Hit, ...]:
        return tuple(
            self._hit(rank, point, payloads[point.id])
            for rank, point in enumerate((point for point in ranked if point.id in payloads), start=1)
        )

    def _hit(self, rank: int, point: ScoredPoint, payload: Payload) -> Hit:
        image, city, captions = str(payload.get("image")), payload.get("city_label"), payload.get("captions")
        return Hit(
            rank=rank,
            score=point.score,
            id=str(point.id),
            image=image,
            city=city if isinstance(city, str) else None,
            captions=tuple(map(str, captions)) if isinstance(captions, list) else (),
            path=self.sources.file_of(image) if self.sources else None,
            payload=payload,
        )


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
