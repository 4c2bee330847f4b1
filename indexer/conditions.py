"""Conditions on payloads: a small algebra that every engine translates into its own filter."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Equals:
    """The field, or an element of it where it is a list, is one of `values`, which are all of one type."""

    field: str
    values: tuple[str | int | bool, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """A number field, or an element of it where it is a list, lies within these bounds; None is no bound.

    Engines compare as 64-bit floats, so that whole numbers beyond 2**53 are told apart by `Equals` only. Not for a field that
    is indexed as datetime: the index takes the bounds for microseconds since 1970.
    """

    field: str
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


@dataclass(frozen=True, slots=True)
class During:
    """A time field, or an element of it where it is a list, lies within these bounds; None is no bound.

    Bounds and stored times (ISO 8601 text) are in UTC where they name no zone. Text that is no time lies within no bounds.
    Not for a field that is indexed as integer or float: the index takes times for microseconds since 1970.
    """

    field: str
    gte: datetime | None = None
    lt: datetime | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """The field is absent, null or an empty list."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """`condition` does not hold; a point without the field is among those."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    """Every one of `conditions` holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of `conditions` holds."""

    conditions: tuple["Condition", ...]


Condition = Equals | Between | During | Missing | Not | All | AnyOf


def fields_of(condition: Condition) -> set[str]:
    """The payload fields that a condition asks for."""
    if isinstance(condition, Not):
        return fields_of(condition.condition)
    if isinstance(condition, All | AnyOf):
        return set().union(*map(fields_of, condition.conditions))
    return {condition.field}
