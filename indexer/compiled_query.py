"""A query made ready for a space and a store: its terms as vectors, its filters as one, the words that are not known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from topicidx.embedders.topic_space import TopicSpace
from topicidx.embedders.word_table import VectorName
from topicidx.errors import QuerySyntaxError, UnknownCityError, UnknownPictureError, UnknownWordError
from topicidx.indexer.asked_pictures import AskedPictures
from topicidx.indexer.conditions import All, Condition, Equals, Not
from topicidx.indexer.keys import city_key
from topicidx.indexer.query_language import After, Before, InCity, Like, Query, Words
from topicidx.indexer.results import Unknown
from topicidx.indexer.scoring import Float64, Scoring
from topicidx.indexer.store import Float32, PointFilter, VectorStore
from topicidx.indexer.syntax import pointing
from topicidx.settings import Match

#: How many known words are named for one that is not.
SUGGESTIONS = 3
#: How alike in spelling (0 to 1) they must be: in five letters two may be wrong, and two that changed places count as one.
CLOSE = 0.6
#: Weights that add up to less than this cancel: .1 + .2 - .3 is not 0.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A word of the vocabulary (its id and the form people are shown) or a picture (no id, as it was asked for)."""

    label: str
    weight: float
    word: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CompiledQuery:
    """What a query asks of every picture. among: which pictures its own filters leave, None for all."""

    query: Query
    terms: tuple[QueryTerm, ...]
    scoring: Scoring
    among: PointFilter | None
    unknown: tuple[Unknown, ...]

    def score(self, points: Float32) -> Float64:
        """The score that search gives to pictures with these vectors: float32 (n, dimensions) -> float64 (n,)."""
        return self.scoring.score(points)


@dataclass(frozen=True)
class QueryCompiler:
    """Resolves queries against the words of a space and the pictures of a store."""

    space: TopicSpace
    store: VectorStore
    pictures: AskedPictures

    def compile(
        self,
        query: Query,
        *,
        match: Match = "all",
        cities: Sequence[str] = (),
        where: Condition | None = None,
        did_you_mean: bool = False,
    ) -> CompiledQuery:
        """The query with all it names found. did_you_mean: search with the nearest known word for one that is not known.

        Raises QuerySyntaxError where there is nothing to search for, UnknownWordError where no word is known,
        UnknownCityError for a city that no picture is of, UnknownPictureError.
        """
        words, unknown = self._words(query, did_you_mean)
        pictures = [(term, self._picture(query, term)) for term in query.terms if isinstance(term, Like)]
        canceled = [word for word, weight in words.items() if abs(weight) < _NOTHING]
        for word in canceled:
            del words[word]
        if not words and not pictures:
            raise self._nothing(query, unknown, canceled=bool(canceled))
        vocabulary = self.space.words.vocabulary
        terms = [QueryTerm(vocabulary.words[word].form, weight, word) for word, weight in words.items()]
        terms += [QueryTerm(term.target, term.weight) for term, _ in pictures]
        name: VectorName = "topics" if match == "mean" else "lift"
        rows = [
            self.space.words.vectors(name, list(words)),
            *((vector if match == "mean" else self.space.as_terms(vector))[None] for _, vector in pictures),
        ]
        product = match == "all" and self.space.scores == "lift"
        return CompiledQuery(
            query,
            tuple(terms),
            Scoring(np.concatenate(rows), np.array([term.weight for term in terms]), "product" if product else "dot"),
            self._among(query, cities, where),
            tuple(unknown.values()),
        )

    def compile_vector(
        self, vector: Float32, label: str, *, cities: Sequence[str] = (), where: Condition | None = None
    ) -> CompiledQuery:
        """A query of one term whose vector, float32 (dimensions,), is known; a picture's score is the dot product with it.

        Raises UnknownCityError.
        """
        query = Query((), label)
        scoring = Scoring(vector[None].astype(np.float32), np.ones(1), "dot")
        return CompiledQuery(query, (QueryTerm(label, 1.0),), scoring, self._among(query, cities, where), ())

    def warm_up(self) -> None:
        """Read what queries are resolved with."""
        self.space.normalizer  # noqa: B018 kept when they are asked for
        self.space.words.vocabulary.find("é")  # unknown, so that it is looked for in every way
        self._forms  # noqa: B018

    def _words(self, query: Query, did_you_mean: bool) -> tuple[dict[int, float], dict[str, Unknown]]:
        """The weight of each word by its id, those of the same stem together, and the unknown words by how they are written."""
        weights: dict[int, float] = {}
        unknown: dict[str, Unknown] = {}
        for term in query.terms:
            if not isinstance(term, Words):
                continue
            found: list[int] = []
            for token, word in self.space.words.find(term.text):
                if word is None:
                    unknown[token.form] = self._unknown(token.form, did_you_mean)
                    used = unknown[token.form].used
                    word = None if used is None else self._forms[used]
                if word is not None:
                    found.append(word)
            for word in found:
                share = len(found) if term.phrase else 1
                weights[word] = weights.get(word, 0.0) + term.weight / share
        return weights, unknown

    def _unknown(self, form: str, did_you_mean: bool) -> Unknown:
        vocabulary = self.space.words.vocabulary
        # Several forms may share a stem: the vocabulary's own word is shown once.
        shown = (vocabulary.words[self._forms[near]].form for near in _nearest(form, self._forms, 4 * SUGGESTIONS))
        nearest = tuple(dict.fromkeys(shown))[:SUGGESTIONS]
        return Unknown(form, nearest, nearest[0] if did_you_mean and nearest else None)

    @cached_property
    def _forms(self) -> dict[str, int]:
        """Word id by surface form."""
        return {form: number for number, word in enumerate(self.space.words.vocabulary.words) for form, _ in word.forms}

    def _picture(self, query: Query, term: Like) -> Float32:
        try:
            return self.pictures.vector(term.target)
        except UnknownPictureError as error:
            raise UnknownPictureError(pointing(str(error), query.shown, term.position)) from error

    def _nothing(self, query: Query, unknown: dict[str, Unknown], *, canceled: bool) -> Exception:
        text = " ".join(term.text for term in query.terms if isinstance(term, Words))
        if unknown:
            return UnknownWordError("; ".join(map(str, unknown.values())))
        if canceled:
            return QuerySyntaxError(
                "the words of the query cancel each other out; give one of them more weight, as in beach^2"
            )
        if not text:
            return QuerySyntaxError(
                f"the query {str(query)!r} only says which pictures count; add a word, or a picture with like:, to rank them by"
            )
        if self.space.normalizer.only_stop_words(text):
            return QuerySyntaxError(
                f"{text!r} holds only words too common to search for; add one that says what to see"
            )
        return QuerySyntaxError(f"nothing in the query {text!r} can be searched for; give a word that says what to see")

    def _among(self, query: Query, cities: Sequence[str], where: Condition | None) -> PointFilter | None:
        conditions = [] if where is None else [where]
        named = [part for part in query.parts if isinstance(part, InCity)]
        wanted = tuple(self._named_city(query, part) for part in named if not part.excluded)
        excluded = tuple(self._named_city(query, part) for part in named if part.excluded)
        if wanted:
            conditions.append(Equals("city", wanted))
        if excluded:
            conditions.append(Not(Equals("city", excluded)))
        conditions += [part.condition() for part in query.parts if isinstance(part, Before | After)]
        if not conditions and not cities:
            return None
        condition = conditions[0] if len(conditions) == 1 else All(tuple(conditions)) if conditions else None
        return PointFilter(self._known_cities(cities), where=condition)

    def _named_city(self, query: Query, part: InCity) -> str:
        try:
            return self._known_cities([part.city])[0]
        except UnknownCityError as error:
            raise UnknownCityError(pointing(str(error), query.shown, part.position)) from error

    def _known_cities(self, cities: Sequence[str]) -> tuple[str, ...]:
        wanted = tuple(dict.fromkeys(map(city_key, cities)))
        for city in wanted:
            if not self.store.has(PointFilter((city,))):
                near = _nearest(city, self.store.facet("city"), SUGGESTIONS)
                hint = f" (did you mean {' or '.join(near)}?)" if near else "; `topicidx info` lists its cities"
                raise UnknownCityError(f"no picture in the store is of the city {city!r}{hint}")
        return wanted


def _nearest(text: str, known: Iterable[str], limit: int) -> list[str]:
    """What is spelt most like `text`, the nearest first."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    similarity = OSA.normalized_similarity
    return [
        near for near, _, _ in process.extract(text, list(known), scorer=similarity, limit=limit, score_cutoff=CLOSE)
    ]
