"""From conditions to what an engine filters by: the rules that all engines share. Each engine adds its own words for them."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar
from uuid import UUID

from topicidx.errors import FilterSyntaxError
from topicidx.indexer.conditions import All, AnyOf, Between, Condition, During, Equals, Missing, Not
from topicidx.indexer.store import PointFilter

C = TypeVar("C")
F = TypeVar("F")

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_NO_NAME = frozenset('"\\')


class EngineWords(Protocol[C, F]):
    """How an engine says what filters are made of. C is its single conditions, F its filters; `path` is a JSON path."""

    def one_of(self, path: str, values: list[str] | list[int]) -> C:
        """The value, or an element of it, is one of `values`, which is not empty."""

    def is_flag(self, path: str, flag: bool) -> C:
        """The value, or an element of it, is this truth value."""

    def between(self, path: str, bounds: Between) -> C:
        """The value, or an element of it, is a number within `bounds`, of which there is at least one."""

    def during(self, path: str, gte: datetime | None, lt: datetime | None) -> C:
        """The value, or an element of it, is a time from `gte` and before `lt`, not both None; in UTC where they name no zone."""

    def missing(self, path: str) -> C:
        """There is no value, or it is null or an empty list."""

    def among(self, ids: Iterable[UUID]) -> C:
        """The point is one of these; none where there are none."""

    def group(self, *, must: Sequence[C | F] = (), should: Sequence[C | F] = (), must_not: Sequence[C | F] = ()) -> F:
        """All of `must`, none of `must_not`, and one of `should` where it is not empty."""


def engine_filter(where: PointFilter | None, words: EngineWords[C, F]) -> F | None:
    """The filter of an engine for the points that `where` means; None for all of them.

    Raises FilterSyntaxError for a field that no engine can be asked for (see `json_path`).
    """
    if where is None:
        return None
    conditions: list[Condition] = []
    if where.cities:
        conditions.append(Equals("city", where.cities))
    if where.where is not None:
        conditions.append(where.where)
    among = [] if where.ids is None else [words.among(where.ids)]
    return _all(conditions, words, among) if conditions or among else None


def json_path(field: str) -> str:
    """The JSON path by which engines know a payload field: `likes`, but `"a.b"` in quotes, for a.b is field b within a.

    Raises FilterSyntaxError where the name holds a quote or a backslash, which JSON paths have no way to write.
    """
    if not is_nameable(field):
        raise FilterSyntaxError(
            f"the field {field!r} cannot be asked for: engines know no name with a quote or a backslash; rename it"
        )
    return field if field.isascii() and field.replace("_", "a").replace("-", "a").isalnum() else f'"{field}"'


def field_of(path: str) -> str:
    """The payload field that a JSON path of one name, quoted or not, leads to: the inverse of `json_path`."""
    return path[1:-1] if path.startswith('"') else path


def is_nameable(field: str) -> bool:
    """Whether engines can be asked for a payload field of this name."""
    return _NO_NAME.isdisjoint(field)


def _translated(condition: Condition, words: EngineWords[C, F]) -> C | F:
    match condition:
        case Equals(field, values):
            return _equals(json_path(field), values, words)
        case Between(field, gt, gte, lt, lte):
            unbounded = {gt, gte, lt, lte} == {None}
            return words.between(json_path(field), Between(field, gte=-sys.float_info.max) if unbounded else condition)
        case During(field, gte, lt):
            unbounded = gte is None and lt is None
            return words.during(json_path(field), _EARLIEST if unbounded else gte, lt)
        case Missing(field):
            return words.missing(json_path(field))
        case AnyOf(conditions):
            return _any([_translated(condition, words) for condition in conditions], words)
        case All(conditions):
            return _all(conditions, words)
        case Not():
            return _all([condition], words)


def _equals(path: str, values: Sequence[str | int | bool], words: EngineWords[C, F]) -> C | F:
    flags = list(dict.fromkeys(value for value in values if isinstance(value, bool)))
    # Engines hold whole numbers of 64 bits: no field equals one beyond them.
    numbers = [
        value
        for value in values
        if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    ]
    texts = [value for value in values if isinstance(value, str)]
    alternatives: list[C | F] = [words.is_flag(path, flag) for flag in flags]
    if numbers:
        alternatives.append(words.one_of(path, numbers))
    if texts:
        alternatives.append(words.one_of(path, texts))
    return _any(alternatives, words)


def _any(alternatives: Sequence[C | F], words: EngineWords[C, F]) -> C | F:
    if not alternatives:  # engines take an empty "should" for no condition at all
        return words.among(())
    return alternatives[0] if len(alternatives) == 1 else words.group(should=alternatives)


def _all(conditions: Iterable[Condition], words: EngineWords[C, F], further: Sequence[C | F] = ()) -> F:
    must: list[C | F] = []
    must_not: list[C | F] = []
    for condition in conditions:
        if isinstance(condition, Not):
            must_not.append(_translated(condition.condition, words))
        else:
            must.append(_translated(condition, words))
    return words.group(must=[*must, *further], must_not=must_not)
