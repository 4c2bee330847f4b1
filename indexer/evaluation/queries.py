"""Evaluation by queries and relevance judgements of one's own."""

import unicodedata
from collections.abc import Mapping, Sequence

from topicidx.errors import SettingsError
from topicidx.indexer.evaluation.evaluator import Evaluator, OnRanking, Query
from topicidx.indexer.evaluation.pictures import OnProgress, Pictures
from topicidx.indexer.evaluation.ranking import Method
from topicidx.indexer.evaluation.report import Evaluation
from topicidx.indexer.evaluation.trec import TrecQuery
from topicidx.indexer.index import Index

QUERIES = "queries"


def evaluate_queries(
    index: Index,
    pictures: Pictures,
    queries: Sequence[TrecQuery],
    judged: Mapping[str, Mapping[str, int]],
    *,
    methods: Sequence[Method] = ("mean", "all"),
    seed: int = 0,
    on_progress: OnProgress | None = None,
    on_ranking: OnRanking | None = None,
) -> Evaluation:
    """How well `queries` find what is judged relevant to them.

    judged: relevance by query id and picture; above 0 is relevant, and nDCG goes by how much. A picture is named by its image
    key, with or without the source's name, or by its point id. Judged pictures that are not among `pictures` count as not
    found, queries that cannot be answered as having found nothing; queries without a relevant picture are left out.
    Raises SettingsError where nothing is left to evaluate.
    """
    rows = _rows_by_name(pictures)
    chosen: list[Query] = []
    absent: set[str] = set()
    for query in queries:
        gains: dict[int, int] = {}
        missed: dict[str, int] = {}
        for name, gain in judged.get(query.id, {}).items():
            if gain <= 0:
                continue
            row = rows.get(unicodedata.normalize("NFC", name))
            if row is None:
                missed[name] = gain
            else:  # two names of one picture are one picture
                gains[row] = max(gain, gains.get(row, gain))
        absent |= missed.keys()
        if gains or missed:
            chosen.append(Query(query.id, query.text, gains, tuple(missed.values())))
    if not any(query.relevant for query in chosen):
        raise SettingsError(_nothing(queries, judged, absent, pictures))
    evaluator = Evaluator(index, pictures, tuple(methods), seed, on_progress, on_ranking)
    found = evaluator.evaluate(QUERIES, chosen)
    return Evaluation(
        by="queries",
        pictures=len(pictures),
        methods=tuple(methods),
        seed=seed,
        sets=(found,),
        notes=tuple(_notes(queries, judged, absent, len(chosen))),
    )


def _rows_by_name(pictures: Pictures) -> dict[str, int | None]:
    """Rows by every name that a picture goes by; None for one that several share."""
    rows: dict[str, int | None] = {}
    for row, picture in enumerate(pictures.pictures):
        below = picture.image.partition("/")[2]
        rows[below] = None if below in rows else row
    for row, picture in enumerate(pictures.pictures):
        rows[picture.image] = rows[str(picture.id)] = row
    return rows


def _nothing(
    queries: Sequence[TrecQuery], judged: Mapping[str, Mapping[str, int]], absent: set[str], pictures: Pictures
) -> str:
    if not any(query.id in judged for query in queries):
        return (
            f"no query has a judgement: queries are called {queries[0].id!r} and the like, those of the qrels "
            f"{next(iter(judged), '')!r}"
        )
    if not absent:
        return "no picture is judged relevant to any of the queries; a relevance above 0 is needed"
    return (
        f"none of the pictures that are judged relevant, such as {min(absent)!r}, is among the {len(pictures)} that are ranked, "
        f"such as {pictures.pictures[0].image!r}"
    )


def _notes(
    queries: Sequence[TrecQuery], judged: Mapping[str, Mapping[str, int]], absent: set[str], chosen: int
) -> list[str]:
    notes = []
    if chosen < len(queries):
        notes.append(f"{len(queries) - chosen} of {len(queries)} queries have no relevant picture and are left out")
    strangers = judged.keys() - {query.id for query in queries}
    if strangers:
        notes.append(f"{len(strangers)} queries of the qrels, such as {min(strangers)!r}, are not among the queries")
    if absent:
        notes.append(
            f"{len(absent)} pictures that are judged relevant, such as {min(absent)!r}, are not among those that are ranked: "
            "they count as not found"
        )
    return notes
