"""Answers: what is asked of an index, as the bodies that the API gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from topicidx.embedders.stored_files import StoredFile, is_url
from topicidx.embedders.word_table import VectorName
from topicidx.errors import QuerySyntaxError, UnknownPictureError
from topicidx.indexer.compiled_query import CompiledQuery
from topicidx.indexer.conditions import All, Condition
from topicidx.indexer.index import Index
from topicidx.indexer.keys import source_of
from topicidx.indexer.query_language import After, Before, Like, Query, parse_query
from topicidx.indexer.results import Hit, Unknown
from topicidx.indexer.sources.places import is_below, place_of
from topicidx.indexer.store import Float32
from topicidx.post import PictureFile
from topicidx.service.live_index import OpenIndex
from topicidx.service.models import (
    CityCount,
    EncodeAnswer,
    EncodeRequest,
    Facets,
    Picture,
    PictureDetail,
    SearchAnswer,
    SuggestedWord,
    Suggestions,
    Term,
    TopicDescription,
    TopicOfPicture,
    Topics,
    TopicWord,
    UnknownWord,
    Why,
)
from topicidx.settings import Match

#: Topics told of a picture.
LEADING_TOPICS = 8
#: Words and pictures of one query.
MOST_TERMS = 50


class NotHereError(UnknownPictureError):
    """What the address of a request names is not there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which pictures count, and which of them are shown."""

    limit: int
    offset: int = 0
    cities: Sequence[str] = ()
    after: str | None = None
    before: str | None = None
    where: str | None = None
    min_score: float | None = None
    unique: bool = False
    diverse: bool = False
    explain: bool = False


def search(opened: OpenIndex, text: str, asked: Asked, *, match: Match, did_you_mean: bool) -> SearchAnswer:
    """The pictures for a query. Raises QueryError."""
    index = opened.index
    query = parse_query(text)
    _check_length(index, query)
    compiled = index.compile(
        query, match=match, city=asked.cities, where=_condition(index, asked), did_you_mean=did_you_mean
    )
    return _answer(index, compiled, _terms(index, query, compiled.unknown), asked)


def similar(opened: OpenIndex, picture: UUID, asked: Asked) -> SearchAnswer:
    """The pictures most like an indexed one, without that one. Raises NotHereError."""
    index = opened.index
    hit = _find(index, picture)
    vector = index.space.as_terms(index.store.vectors([picture]))[0]
    compiled = index.compile_vector(vector, f"like:{picture}", city=asked.cities, where=_condition(index, asked))
    term = Term(text=hit.image, kind="picture")
    return _answer(index, compiled, [term], asked, without=str(picture))


def similar_to_vector(opened: OpenIndex, vector: Float32, name: str, asked: Asked) -> SearchAnswer:
    """The pictures most like one that is not indexed, from its topic vector, float32 (dimensions,)."""
    index = opened.index
    asked_for = index.space.as_terms(vector[None])[0]
    compiled = index.compile_vector(asked_for, name, city=asked.cities, where=_condition(index, asked))
    return _answer(index, compiled, [Term(text=name, kind="picture")], asked)


def of_topic(opened: OpenIndex, topic: int, asked: Asked) -> SearchAnswer:
    """The pictures with most of a topic; the score is its share. Raises NotHereError where there is no such topic."""
    index = opened.index
    if topic >= index.space.dimensions or (opened.lookups.topics and topic not in opened.lookups.topic_by_number):
        raise NotHereError(f"there is no topic {topic} that captions speak of; /api/topics lists them")
    unit = np.zeros(index.space.dimensions, dtype=np.float32)
    unit[topic] = 1
    compiled = index.compile_vector(unit, f"topic {topic}", city=asked.cities, where=_condition(index, asked))
    described = opened.lookups.topic_by_number.get(topic)
    text = " ".join(word for word, _ in described.words[:3]) if described else f"topic {topic}"
    return _answer(index, compiled, [Term(text=text, kind="topic")], asked)


def picture(opened: OpenIndex, wanted: UUID) -> PictureDetail:
    """All that is known of an indexed picture. Raises NotHereError."""
    index = opened.index
    hit = _find(index, wanted)
    described = opened.lookups.topic_by_number
    vector = index.store.vectors([wanted])[0]
    leading = np.argsort(-vector, kind="stable")[:LEADING_TOPICS].tolist() if described else []
    topics = [
        TopicOfPicture(
            topic=topic,
            weight=float(vector[topic]),
            words=[word for word, _ in described[topic].words] if topic in described else [],
        )
        for topic in leading
        if vector[topic] > 0
    ]
    facts = _facts(hit)
    return PictureDetail(**facts, file=f"/api/pictures/{hit.id}/file", payload=dict(hit.payload), topics=topics)


def picture_file(opened: OpenIndex, wanted: UUID, *, fetch: bool = False) -> tuple[PictureFile, str]:
    """Where the file of an indexed picture lies, and its key; fetch: also a URL that a manifest named.

    Raises NotHereError where it is not known, or nowhere below its source's root.
    """
    index = opened.index
    hit = _find(index, wanted)
    source = source_of(hit.image)
    root = index.sources.roots.get(source) if index.sources else None
    if hit.path is None or root is None:
        raise NotHereError(f"where the pictures of {source!r} lie is not known here")
    # Keys come from whoever filled the store, a restored backup for one.
    if is_url(hit.image.partition("/")[2]):
        if fetch and hit.image.partition("/")[2].lower().startswith(("http://", "https://")):
            return hit.path, hit.image
        raise NotHereError(f"{hit.image} lies at a URL; `topicidx serve --fetch` shows such pictures too")
    place = (
        hit.path
        if isinstance(hit.path, Path)
        else place_of(hit.path.place)
        if isinstance(hit.path, StoredFile)
        else root
    )
    if ".." in hit.image.split("/") or ".." in place.parts or not is_below(place, root):
        raise NotHereError(f"the key {hit.image!r} leads out of its source")
    return hit.path, hit.image


def suggest(opened: OpenIndex, prefix: str, limit: int) -> Suggestions:
    """Words that begin so, the most frequent first."""
    found = opened.lookups.words(prefix, limit)
    return Suggestions(words=[SuggestedWord(word=word, documents=documents) for word, documents in found])


def facets(opened: OpenIndex) -> Facets:
    """The cities and how many pictures are of each."""
    cities = [CityCount(city=city.key, label=city.label, count=city.count) for city in opened.lookups.cities()]
    return Facets(cities=cities, pictures=opened.index.store.count())


def topics(opened: OpenIndex, limit: int) -> Topics:
    """The most frequent topics."""
    return Topics(
        topics=[
            TopicDescription(
                topic=topic.topic,
                share=topic.share,
                words=[TopicWord(word=word, weight=weight) for word, weight in topic.words],
            )
            for topic in opened.lookups.topics[:limit]
        ]
    )


def encode(opened: OpenIndex, request: EncodeRequest) -> EncodeAnswer:
    """The mean of each text's word vectors, from the table of words alone."""
    table = opened.index.space.words
    name: VectorName = "topics" if request.kind == "topics" else "lift"
    found = [table.mean_vector(name, text) for text in request.texts]
    return EncodeAnswer(
        vectors=[None if vector is None else vector.tolist() for vector, _ in found],
        unknown=[unknown for _, unknown in found],
    )


def _answer(
    index: Index, compiled: CompiledQuery, terms: list[Term], asked: Asked, *, without: str | None = None
) -> SearchAnswer:
    # One more than is shown tells whether there are more; that which is left out may stand anywhere.
    extra = 1 if without is None else 2
    begin = asked.offset if without is None else 0
    found = index.answer(
        compiled,
        limit=asked.offset - begin + asked.limit + extra,
        offset=begin,
        min_score=asked.min_score,
        unique=asked.unique,
        diverse=asked.diverse,
    )
    there = [hit for hit in found if hit.id != without][asked.offset - begin :]
    shown = there[: asked.limit]
    reasons = _reasons(index, compiled, terms, shown) if asked.explain else [None] * len(shown)
    pictures = [
        Picture(**_facts(hit), rank=asked.offset + place, score=hit.score, why=why)
        for place, (hit, why) in enumerate(zip(shown, reasons, strict=True), start=1)
    ]
    return SearchAnswer(
        query=found.query,
        terms=terms,
        unknown=[_unknown(word) for word in found.unknown],
        results=pictures,
        offset=asked.offset,
        more=len(there) > asked.limit,
    )


def _reasons(
    index: Index, compiled: CompiledQuery, terms: Sequence[Term], hits: Sequence[Hit]
) -> list[list[Why] | None]:
    lifts = compiled.scoring.lifts(index.store.vectors([UUID(hit.id) for hit in hits]))
    labels = [term.label for term in compiled.terms]
    if len(terms) == len(labels) == 1:
        labels = [terms[0].text]
    return [[Why(term=label, lift=lift) for label, lift in zip(labels, row, strict=True)] for row in lifts.tolist()]


def _terms(index: Index, query: Query, unknown: Sequence[Unknown]) -> list[Term]:
    """The terms of a query as they were typed, and which of them count."""
    used = {word.word: word.used for word in unknown}
    terms = []
    for term in query.terms:
        if isinstance(term, Like):
            terms.append(Term(text=term.target, kind="picture", weight=term.weight))
            continue
        found = index.space.words.find(term.text)
        replaced = [used.get(token.form) for token, word in found if word is None]
        terms.append(
            Term(
                text=term.text,
                kind="phrase" if term.phrase else "word",
                weight=term.weight,
                known=not replaced,
                used=" ".join(filter(None, replaced)) or None,
            )
        )
    return terms


def _check_length(index: Index, query: Query) -> None:
    """Every word costs a scan, and every unknown one a comparison with all that are known. Raises QuerySyntaxError."""
    terms = sum(1 if isinstance(term, Like) else len(index.space.normalizer.tokens(term.text)) for term in query.terms)
    if terms > MOST_TERMS:
        raise QuerySyntaxError(f"{terms} words and pictures are too many; give {MOST_TERMS} at most")


def _condition(index: Index, asked: Asked) -> Condition | None:
    """What the parameters ask of pictures, beside the filters of the query. Raises QueryError."""
    conditions = []
    if asked.where and (condition := index.condition(asked.where)) is not None:
        conditions.append(condition)
    try:
        if asked.after:
            conditions.append(After(asked.after).condition())
        if asked.before:
            conditions.append(Before(asked.before).condition())
    except ValueError as error:
        raise QuerySyntaxError(str(error)) from error
    return None if not conditions else conditions[0] if len(conditions) == 1 else All(tuple(conditions))


def _find(index: Index, wanted: UUID) -> Hit:
    hit = index.picture(wanted)
    if hit is None:
        raise NotHereError(f"there is no picture {wanted} in the store")
    return hit


def _facts(hit: Hit) -> dict[str, Any]:
    return {
        "id": hit.id,
        "image": hit.image,
        "city": hit.city,
        "captions": list(hit.captions),
        "taken_at": _text(hit.payload, "taken_at"),
        "width": _number(hit.payload, "width"),
        "height": _number(hit.payload, "height"),
        "thumbnail": f"/api/pictures/{hit.id}/thumbnail",
    }


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) else None


def _number(payload: Mapping[str, Any], name: str) -> int | None:
    value = payload.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _unknown(word: Unknown) -> UnknownWord:
    return UnknownWord(word=word.word, nearest=list(word.nearest), used=word.used)
