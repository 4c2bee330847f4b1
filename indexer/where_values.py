"""What the values of a condition mean, as the field's type says, or else as they are written."""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from topicidx.indexer.conditions import AnyOf, Between, Condition, During, Equals
from topicidx.indexer.keys import city_key
from topicidx.indexer.store import FieldType

Order = Literal["<", "<=", ">", ">="]

_WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,9})?", re.ASCII | re.IGNORECASE)
_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)([T ](?P<hour>\d\d)(:(?P<minute>\d\d)(:(?P<second>\d\d)"
    r"(\.(?P<fraction>\d{1,9}))?)?)?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EXACT = 2**53
_LATEST = datetime.max.replace(tzinfo=UTC)
_A_TIME = "a time such as 2024, 2024-05, 2024-05-01 or 2024-05-01T12:30+02:00"


class WrongValueError(ValueError):
    """A value is not what its field or its comparison needs; the message says what is."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it stands in a condition: its text, without quotes, and whether it had some."""

    text: str
    quoted: bool = False


def equal_to(field: str, kind: FieldType | None, value: Value) -> Condition:
    """The field has this value. Raises WrongValueError."""
    match kind:
        case "keyword":
            return Equals(field, (city_key(value.text) if field == "city" else value.text,))
        case "integer":
            return Equals(field, (_whole(field, value),))
        case "float":
            number = _number(field, value)
            return Between(field, gte=number, lte=number)
        case "bool":
            return Equals(field, (_truth(field, value),))
        case "datetime":
            begin, end = _span(field, value)
            return During(field, gte=begin, lt=end)
        case None:
            return _as_written(field, value)


def ordered(field: str, kind: FieldType | None, order: Order, value: Value) -> Condition:
    """The field lies before or after this value. Raises WrongValueError."""
    if kind in {"keyword", "bool"}:
        holds = "text" if kind == "keyword" else "true or false"
        raise WrongValueError(f"{field} holds {holds}, which {order} cannot compare; use =, != or in")
    if kind == "integer":
        return _beyond(field, order, float(_whole(field, value)))
    if kind == "float":
        return _beyond(field, order, _number(field, value))
    if kind is None and not value.quoted and (number := _finite(value.text)) is not None:
        return _beyond(field, order, number)
    if kind is None and not _TIME.fullmatch(value.text):
        raise WrongValueError(f"{order} compares numbers and times; {value.text!r} is neither: use =, != or in")
    begin, end = _span(field, value)
    match order:
        case "<":
            return During(field, lt=begin)
        case "<=":
            return During(field, lt=end)
        case ">":
            return During(field, gte=end)
        case ">=":
            return During(field, gte=begin)


def any_of(conditions: Iterable[Condition]) -> Condition:
    """One of `conditions` holds; those that a field equals a value of one type become one."""
    values: dict[tuple[str, type], dict[str | int | bool, None]] = {}
    others: dict[Condition, None] = {}
    for condition in _flat(conditions):
        if isinstance(condition, Equals):
            of_one_type = values.setdefault((condition.field, type(condition.values[0])), {})
            of_one_type.update(dict.fromkeys(condition.values))
        else:
            others[condition] = None
    equal = [Equals(field, tuple(some)) for (field, _), some in values.items()]
    found = (*others, *equal)
    return found[0] if len(found) == 1 else AnyOf(found)


def _flat(conditions: Iterable[Condition]) -> Iterable[Condition]:
    for condition in conditions:
        yield from condition.conditions if isinstance(condition, AnyOf) else (condition,)


def _as_written(field: str, value: Value) -> Condition:
    """In quotes, the text; bare, what it looks like, and the same as text, for a table of text (CSV) holds nothing else."""
    text = Equals(field, (value.text,))
    if value.quoted:
        return text
    if value.text.casefold() in {"true", "false"}:
        return AnyOf((Equals(field, (value.text.casefold() == "true",)), text))
    if _WHOLE.fullmatch(value.text) and _EXACT < abs(int(value.text)) < 2**63:
        return AnyOf((Equals(field, (int(value.text),)), text))
    if (number := _finite(value.text)) is not None:
        return AnyOf((Between(field, gte=number, lte=number), text))
    if _DAY.match(value.text):
        try:
            begin, end = _span(field, value)
        except WrongValueError:
            return text
        return During(field, gte=begin, lt=end)
    return text


def _beyond(field: str, order: Order, number: float) -> Between:
    match order:
        case "<":
            return Between(field, lt=number)
        case "<=":
            return Between(field, lte=number)
        case ">":
            return Between(field, gt=number)
        case ">=":
            return Between(field, gte=number)


def _whole(field: str, value: Value) -> int:
    if _WHOLE.fullmatch(value.text) and -(2**63) <= (number := int(value.text)) < 2**63:
        return number
    raise WrongValueError(f"{field} holds whole numbers of up to 64 bits: one such as 12 is expected here")


def _number(field: str, value: Value) -> float:
    number = _finite(value.text)
    if number is None:
        raise WrongValueError(f"{field} holds numbers: one such as 12, -0.5 or 1e6 is expected here")
    return number


def _finite(text: str) -> float | None:
    number = float(text) if _NUMBER.fullmatch(text) else float("inf")
    return None if abs(number) == float("inf") else number


def _truth(field: str, value: Value) -> bool:
    if value.text.casefold() not in {"true", "false"}:
        raise WrongValueError(f"{field} holds true or false: one of these is expected here")
    return value.text.casefold() == "true"


def _span(field: str, value: Value) -> tuple[datetime, datetime]:
    """The first moment of a time as written, in UTC, and the first one after it."""
    parts = _TIME.fullmatch(value.text)
    if parts is None:
        raise WrongValueError(f"{field} is compared with times: {_A_TIME} is expected here")
    year, month, day = int(parts["year"]), int(parts["month"] or 1), int(parts["day"] or 1)
    fraction = parts["fraction"] or ""
    try:
        begin = datetime(
            year, month, day, int(parts["hour"] or 0), int(parts["minute"] or 0), int(parts["second"] or 0),
            int(fraction[:6].ljust(6, "0")), _zone(parts["zone"]),
        ).astimezone(UTC)  # fmt: skip
    except (ValueError, OverflowError) as error:
        raise WrongValueError(f"there is no such time as {value.text}; {_A_TIME} is expected here") from error
    if parts["month"] is None:
        length = timedelta(days=366 if monthrange(year, 2)[1] == 29 else 365)
    elif parts["day"] is None:
        length = timedelta(days=monthrange(year, month)[1])
    elif parts["hour"] is None:
        length = timedelta(days=1)
    elif parts["minute"] is None:
        length = timedelta(hours=1)
    elif parts["second"] is None:
        length = timedelta(minutes=1)
    else:
        length = timedelta(microseconds=10 ** (6 - min(len(fraction), 6)))
    try:
        return begin, begin + length
    except OverflowError:  # the end of the calendar
        return begin, _LATEST


def _zone(written: str | None) -> timezone:
    if written is None or written in {"Z", "z"}:
        return UTC
    digits = written[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if written[0] == "-" else offset)
