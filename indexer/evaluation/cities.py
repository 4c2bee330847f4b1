"""Evaluation by city: the published table, each city's name as the query."""

import re
from collections import Counter
from collections.abc import Sequence

from topicidx.errors import SourceError
from topicidx.indexer.evaluation.evaluator import Evaluator, OnRanking, Query
from topicidx.indexer.evaluation.pictures import OnProgress, Pictures
from topicidx.indexer.evaluation.ranking import Method
from topicidx.indexer.evaluation.report import Evaluation
from topicidx.indexer.index import Index

CITIES = "cities"
#: Pictures of which the published table tells the share that is right.
TOP = 100


def evaluate_cities(
    index: Index,
    pictures: Pictures,
    *,
    methods: Sequence[Method] = ("mean", "l2", "all"),
    seed: int = 0,
    on_progress: OnProgress | None = None,
    on_ranking: OnRanking | None = None,
) -> Evaluation:
    """How well the names of cities find their pictures: P@100 is the published TOP100, "mean" its dot product.

    A picture is relevant when it is of the city, whatever its captions say. A city whose name the captions never used has a
    `problem` and is no part of the means. Raises SourceError where no city can be told from another.
    Source: Gomez, "Learning Image Topics from Instagram to Build an Image Retrieval System" (2017).
    """
    rows: dict[str, dict[int, int]] = {}
    labels: dict[str, Counter[str]] = {}
    for row, picture in enumerate(pictures.pictures):
        if picture.city is not None:
            rows.setdefault(picture.city, {})[row] = 1
            labels.setdefault(picture.city, Counter())[picture.city_label or picture.city] += 1
    without = len(pictures) - sum(map(len, rows.values()))
    if not rows:
        raise SourceError(
            f"no picture of {pictures.folder or 'the store'} has a city; ingest them with a column city, in sub-folders named "
            "after cities, or with --city"
        )
    if len(rows) == 1 and not without:
        raise SourceError(
            f"all pictures of {pictures.folder or 'the store'} are of the city {next(iter(rows))!r}, so that every order is "
            "right; evaluate pictures of several cities"
        )
    queries = []
    for city in sorted(rows):
        label = labels[city].most_common(1)[0][0]
        queries.append(Query(label, _as_query(index, label), rows[city]))
    evaluator = Evaluator(index, pictures, tuple(methods), seed, on_progress, on_ranking)
    found = evaluator.evaluate(CITIES, queries, unanswered_count=False)
    if not found.counted:
        names = ", ".join(repr(query.id) for query in queries[:5]) + (", ..." if len(queries) > 5 else "")
        raise SourceError(
            f"the captions that the topic space learned from never used the name of any city ({names}): none can be asked for"
        )
    return Evaluation(
        by="city",
        pictures=len(pictures),
        methods=tuple(methods),
        seed=seed,
        sets=(found,),
        notes=tuple(_notes(pictures, queries, without)),
    )


def _as_query(index: Index, label: str) -> str:
    """The words of a city's name, without what the query language would make of its punctuation."""
    words = [token.form for token in index.space.normalizer.tokens(label)]
    return " ".join(words) or re.sub(r"[^\w\s]|_", " ", label)


def _notes(pictures: Pictures, queries: Sequence[Query], without: int) -> list[str]:
    notes = []
    if without:
        notes.append(f"{without} pictures have no city: they are ranked, and right for none")
    few = sum(len(query.relevant) < TOP for query in queries)
    if few:
        notes.append(
            f"{few} of {len(queries)} cities have fewer than {TOP} pictures: their TOP{TOP} cannot reach 100 %; compare it with "
            "chance"
        )
    if len(pictures) <= TOP:
        notes.append(f"there are only {len(pictures)} pictures: TOP{TOP} is the same for every order; go by AP")
    return notes
