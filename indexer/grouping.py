"""Groups of pictures: which values of a payload field lead a ranking, and the conditions that narrow it to one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from topicidx.indexer.conditions import All, Between, Condition, Equals
from topicidx.indexer.ranking import ScoredPoint
from topicidx.indexer.results import Hit
from topicidx.indexer.store import Payload, PointFilter, VectorStore

Scalar = str | int | float | bool
#: Pictures that are looked at first, and by how much that grows.
_FIRST, _GROWTH = 100, 4


def leading_values(
    store: VectorStore, field: str, among: PointFilter, limit: int, ranked: Callable[[int], list[ScoredPoint]]
) -> list[Scalar]:
    """The first `limit` values of `field` that the ranking comes upon; `ranked` gives it to a depth. Lists have each of
    their values."""
    keyword = store.info().fields.get(field) == "keyword"
    most = min(limit, len(store.facet(field, among))) if keyword else limit
    depth = max(_FIRST, 2 * limit)
    while True:
        points = ranked(depth)
        payloads = {record.id: record.payload for record in store.retrieve([point.id for point in points])}
        values = [value for point in points for value in _values(payloads.get(point.id, {}), field)]
        # A number and the truth value it equals are different values.
        found = list({(type(value), value): value for value in values}.values())
        if len(found) >= most or len(points) < depth:
            return found[:limit]
        depth *= _GROWTH


def of_value(field: str, value: Scalar) -> Condition:
    """The field has this value."""
    return Between(field, gte=value, lte=value) if isinstance(value, float) else Equals(field, (value,))


def narrowed(among: PointFilter | None, condition: Condition) -> PointFilter:
    """Those of the points that `condition` holds of too."""
    if among is None:
        return PointFilter(where=condition)
    return replace(among, where=condition if among.where is None else All((among.where, condition)))


def label_of(field: str, value: Scalar, hits: Sequence[Hit]) -> str:
    """What people are shown of a value: a city as the pictures have it."""
    return hits[0].city or str(value) if field == "city" else str(value)


def _values(payload: Payload, field: str) -> list[Scalar]:
    value = payload.get(field)
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Scalar)]
