r"""The query language: `sunrise^2 "golden gate" -crowd city:london after:2024 like:photos/beach.jpg`.

    query   = part, { white space, part } ;
    part    = [ "-" ], ( term, [ "^", weight ] | filter ) ;
    term    = word | phrase | "like:", value ;
    filter  = ( "city:" | "before:" | "after:" ), value ;
    phrase  = '"', { character | escape }, '"' ;
    value   = phrase | characters other than white space, "^" and '"' ;
    word    = characters other than white space and "^", the first no "-" or '"', not beginning with `letters:` ;
    weight  = a number above 0 and up to 100 ;
    escape  = "\", ( "\" | '"' ) ;

* A word counts by its lift, a phrase as one term: the geometric mean of all its words. `-` pushes down, `^` weighs.
* `like:` is a picture as a term: the id or key of an indexed one, a file, or an http(s) URL.
* `city:` keeps to pictures of that city, several to those of any of them; `-city:` leaves a city out.
* `after:` keeps to what was taken from that time on, `before:` to what was taken before it, in UTC where it names no
  zone: a year, a month, a day or an ISO 8601 time, so that `after:2024 before:2025` is that year.

Names of filters may be in any case. Words keep their other punctuation: what they mean is the normaliser's business.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal

from topicidx.errors import QuerySyntaxError
from topicidx.indexer.conditions import During
from topicidx.indexer.store import FieldType
from topicidx.indexer.syntax import pointing
from topicidx.indexer.where_values import Value, WrongValueError, ordered

#: Weights beyond this drown every other term.
MAX_WEIGHT = 100.0

_WORD = re.compile(r"[^\s^\"-][^\s^]*")
_FIELD = re.compile(r"([^\W\d_]+):(?=\S)")
_VALUE = re.compile(r"[^\s^\"]+")
_WEIGHT = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)
_NEEDS = {"city": "a city, as in city:london", "like": "a picture, as in like:photos/beach.jpg",
          "before": "a time, as in before:2024-05-01", "after": "a time, as in after:2024-05-01"}  # fmt: skip
_TIMES: dict[str, FieldType] = {"taken_at": "datetime"}


@dataclass(frozen=True, slots=True)
class Words:
    """A word as typed, or the words of a phrase, which are one term; a negative weight pushes down.

    position is where it stands in the query. Raises ValueError for what no query can say.
    """

    text: str
    weight: float = 1.0
    phrase: bool = False
    position: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        bare = _WORD.fullmatch(self.text) and not _FIELD.match(self.text) and not _is_open(self.text)
        if not self.text or not (self.phrase or bare):
            raise ValueError(f"{self.text!r} is no word of the query language; make it a phrase")

    def __str__(self) -> str:
        return _sign(self.weight) + (_quoted(self.text) if self.phrase else self.text) + _weighed(self.weight)


@dataclass(frozen=True, slots=True)
class Like:
    """A picture as a term: the id or key of an indexed one, a file, or an http(s) URL."""

    target: str
    weight: float = 1.0
    position: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        if not self.target:
            raise ValueError("a picture is needed")

    def __str__(self) -> str:
        return f"{_sign(self.weight)}like:{_value(self.target)}{_weighed(self.weight)}"


@dataclass(frozen=True, slots=True)
class InCity:
    """Only pictures of this city, or, where `excluded`, none of it."""

    city: str
    excluded: bool = False
    position: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not self.city:
            raise ValueError("a city is needed")

    def __str__(self) -> str:
        return f"{'-' if self.excluded else ''}city:{_value(self.city)}"


@dataclass(frozen=True, slots=True)
class Before:
    """Only pictures taken before this time. Raises ValueError where it is none."""

    time: str
    position: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        self.condition()

    def __str__(self) -> str:
        return f"before:{_value(self.time)}"

    def condition(self) -> During:
        """The same as a condition on the payload."""
        return _during("<", self.time)


@dataclass(frozen=True, slots=True)
class After:
    """Only pictures taken at this time or later. Raises ValueError where it is none."""

    time: str
    position: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        self.condition()

    def __str__(self) -> str:
        return f"after:{_value(self.time)}"

    def condition(self) -> During:
        """The same as a condition on the payload."""
        return _during(">=", self.time)


Part = Words | Like | InCity | Before | After


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `str` gives it back in the query language; `text` is how it was typed."""

    parts: tuple[Part, ...]
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return " ".join(map(str, self.parts))

    @property
    def shown(self) -> str:
        """The query as people are shown it: as it was typed, where it was."""
        return self.text or str(self)

    @property
    def terms(self) -> tuple[Words | Like, ...]:
        """What pictures are scored by."""
        return tuple(part for part in self.parts if isinstance(part, Words | Like))


def parse_query(text: str) -> Query:
    """The parts of a query, in their order.

    Raises QuerySyntaxError that points at the character: for an empty query, a weight that is no positive number up to 100, a
    `-` or `^` without a word, quotes that are not closed, a filter that there is not or whose value is none.
    """
    parser = _Parser(text)
    parts = tuple(parser.parts())
    if not parts:
        raise QuerySyntaxError('the query is empty; give one word or more, such as `topicidx query "sunrise beach"`')
    return Query(parts, text)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def parts(self) -> list[Part]:
        parts = []
        while self._skip_space():
            parts.append(self._part())
            if self.position < len(self.text) and not self.text[self.position].isspace():
                raise self._wrong("a space belongs before this")
        return parts

    def _part(self) -> Part:
        sign, start = self.position, self.position
        if minus := self.text.startswith("-", start):
            self.position = start = sign + 1
        if name := _FIELD.match(self.text, start):
            return self._field(name[1], minus, sign)
        if self.text.startswith('"', start):
            phrase = self._phrase("a word or more")
            return Words(phrase, self._weight(minus), True, start)
        word = _WORD.match(self.text, start)
        if word is None:
            raise self._wrong(f"{'-' if minus else '^'!r} needs a word", sign)
        if opened := _is_open(word[0]):
            raise self._wrong(f"{opened}: needs {_NEEDS[opened]}", start)
        self.position = word.end()
        return Words(word[0], self._weight(minus), False, start)

    def _field(self, name: str, minus: bool, sign: int) -> Part:
        start = self.position
        self.position += len(name) + 1
        at = self.position
        match name.lower():
            case "like":
                target = self._value("a picture")
                return Like(target, self._weight(minus), start)
            case "city":
                city = self._value("a city")
                self._refuse_weight("a city")
                return InCity(city, minus, start)
            case "before" | "after" as kind:
                if minus:
                    other = "after" if kind == "before" else "before"
                    raise self._wrong(f"{kind}: cannot be negative; use {other}:", sign)
                time = self._value("a time")
                self._refuse_weight("a time")
                try:
                    return (Before if kind == "before" else After)(time, start)
                except ValueError as error:
                    raise self._wrong(str(error), at) from error
            case "http" | "https":
                raise self._wrong(f"an address is no word; like:{name}:... finds pictures like the one there", start)
            case _:
                raise self._wrong(
                    f"there is no filter {name}:, only city:, before:, after: and like:; for words with a colon use quotes",
                    start,
                )

    def _value(self, what: str) -> str:
        if self.text.startswith('"', self.position):
            return self._phrase(what)
        value = _VALUE.match(self.text, self.position)
        if value is None:
            raise self._wrong(f"{what} is expected here")
        self.position = value.end()
        return value[0]

    def _phrase(self, what: str) -> str:
        opening = self.position
        content: list[str] = []
        self.position += 1
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == '"':
                if not "".join(content).strip():
                    raise self._wrong(f"{what} belongs between the quotes", opening)
                self.position += 1
                return "".join(content)
            if character == "\\" and self.text[self.position + 1 : self.position + 2] in {"\\", '"'}:
                self.position += 1
                character = self.text[self.position]
            content.append(character)
            self.position += 1
        raise self._wrong('this " is not closed', opening)

    def _weight(self, minus: bool) -> float:
        weight = 1.0
        if self.text.startswith("^", self.position):
            self.position += 1
            written = re.compile(r"\S*").match(self.text, self.position)
            assert written is not None
            if not _WEIGHT.fullmatch(written[0]) or not 0 < float(written[0]) <= MAX_WEIGHT:
                raise self._wrong(f"a weight is a number above 0 and up to {MAX_WEIGHT:g}, as in beach^2")
            weight = float(written[0])
            self.position = written.end()
        return -weight if minus else weight

    def _refuse_weight(self, what: str) -> None:
        if self.text.startswith("^", self.position):
            raise self._wrong(f"{what} has no weight: it only says which pictures count")

    def _skip_space(self) -> bool:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.position < len(self.text)

    def _wrong(self, message: str, position: int | None = None) -> QuerySyntaxError:
        return QuerySyntaxError(pointing(message, self.text, self.position if position is None else position))


def _is_open(word: str) -> str | None:
    """The filter whose name a word is, with its colon but without a value."""
    return name if word.endswith(":") and (name := word[:-1].lower()) in _NEEDS else None


def _during(order: str, time: str) -> During:
    try:
        condition = ordered("taken_at", _TIMES["taken_at"], "<" if order == "<" else ">=", Value(time))
    except WrongValueError as error:
        raise ValueError(str(error)) from error
    assert isinstance(condition, During)
    return condition


def _check_weight(weight: float) -> None:
    if not 0 < abs(weight) <= MAX_WEIGHT:
        raise ValueError(f"{weight} is no weight: it is a number other than 0, from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}")


def _sign(weight: float) -> str:
    return "-" if weight < 0 else ""


def _weighed(weight: float) -> str:
    return "" if abs(weight) == 1 else f"^{Decimal(repr(abs(weight))).normalize():f}"


def _value(text: str) -> str:
    return text if _VALUE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
