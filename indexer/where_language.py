r"""The language of conditions on payloads: `taken_at >= 2024-01-01 and city in (london, paris)`.

    condition  = all, { "or", all } ;
    all        = one, { "and", one } ;
    one        = { "not" }, ( "(", condition, ")" | comparison ) ;
    comparison = field, ( "=" | "!=" | "<" | "<=" | ">" | ">=" ), value
               | field, [ "not" ], "in", "(", value, { ",", value }, ")"
               | field, "is", [ "not" ], "missing" ;
    field      = name | in backticks: { character | escape } ;
    value      = word | in double or single quotes: { character | escape } ;
    name       = letters, digits, "_", "." and "-", but none of: and, or, not, in, is ;
    word       = characters other than white space and ( ) , = ! < > " `, the first no single quote ;
    escape     = "\", ( "\" | '"' | "'" | "`" ) ;

Keywords, true and false may be in any case. A name is that of one payload field, dots included. What is indexed as keyword,
integer, float, bool or datetime has its values read as that; other values are what they look like:

* in quotes: text (or a time, after < and its like);
* a number, true or false: that, and the same letters as text, because tables such as CSV hold everything as text;
* a day or a finer time, and after < and its like also a month: a time;
* anything else: text, of which only `=`, `!=` and `in` can be asked.

A time is a year, month, day or ISO 8601 time, in UTC where it names no zone, and means all of its span: `= 2024-05` is that
month, `<= 2024-01-01` includes the day, `> 2024-01-01` begins after it. Texts are equal only letter by letter, but for those of
`city`, which are compared as `city_key` has them. A field that is a list has each of its values. `!=`, `not` and `not in` also
hold where the field is missing. Numbers are compared as 64-bit floats: order tells no whole numbers beyond 2**53 apart.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from topicidx.errors import FilterSyntaxError
from topicidx.indexer.conditions import All, AnyOf, Condition, Missing, Not
from topicidx.indexer.engine_filters import is_nameable
from topicidx.indexer.store import INDEXED_FIELDS, FieldType
from topicidx.indexer.syntax import pointing
from topicidx.indexer.where_values import Order, Value, WrongValueError, any_of, equal_to, ordered

#: Open parentheses and `not`s at one place. Servers refuse filters of some 45 levels, and each of these may be two.
MAX_NESTING = 16

_RESERVED = {"and", "or", "not", "in", "is"}
_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>[<>!]=|[=<>(),])|(?P<quote>["'`])|(?P<word>[^\s(),=!<>"'`][^\s(),=!<>"`]*))""", re.DOTALL
)
_QUOTES = "; a value of several words goes in quotes"
_ESCAPED = "\\\"'`"

Kind = Literal["sign", "word", "text", "name", "end"]


@dataclass(frozen=True, slots=True)
class _Token:
    """kind: text is in quotes, name in backticks."""

    kind: Kind
    text: str
    position: int

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.text in signs

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


def parse_where(text: str, fields: Mapping[str, FieldType] | None = None) -> Condition:
    """The condition that `text` states. `fields`: what payload fields are indexed as, beyond those that always are.

    Raises FilterSyntaxError that points at the character.
    """
    return _Parser(text, {**INDEXED_FIELDS, **(fields or {})}).whole()


class _Parser:
    def __init__(self, text: str, fields: Mapping[str, FieldType]) -> None:
        self.text = text
        self.fields = fields
        self.tokens = _tokens(text)
        self.next = 0

    def whole(self) -> Condition:
        if not self.text.strip():
            raise FilterSyntaxError("the condition is empty; give one, such as --where 'city = london'")
        condition = self._condition(0)
        if self._token.is_sign(")"):
            raise _wrong(self.text, self._token.position, "there is no ( for this )")
        if self._token.kind != "end":
            raise self._expected("`and` or `or`", _QUOTES if self._token.kind == "word" else "")
        return condition

    def _condition(self, depth: int) -> Condition:
        conditions = [self._all(depth)]
        while self._take_word("or"):
            conditions.append(self._all(depth))
        return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))

    def _all(self, depth: int) -> Condition:
        conditions = [self._one(depth)]
        while self._take_word("and"):
            conditions.append(self._one(depth))
        return conditions[0] if len(conditions) == 1 else All(tuple(conditions))

    def _one(self, depth: int) -> Condition:
        opening = self._token
        if not opening.is_word("not") and not opening.is_sign("("):
            return self._comparison()
        if depth == MAX_NESTING:
            raise _wrong(
                self.text, opening.position, f"no more than {MAX_NESTING} parentheses and `not`s may be nested"
            )
        self.next += 1
        if opening.kind == "word":
            return Not(self._one(depth + 1))
        condition = self._condition(depth + 1)
        if not self._take_sign(")"):
            raise self._expected(f"`and`, `or`, or the ) for the ( at character {opening.position + 1}")
        return condition

    def _comparison(self) -> Condition:
        field = self._field()
        kind = self.fields.get(field)
        if self._take_word("is"):
            negated = self._take_word("not")
            if not self._take_word("missing"):
                raise self._expected("`missing`" if negated else "`missing` or `not missing`")
            return Not(Missing(field)) if negated else Missing(field)
        negated = self._take_word("not")
        if self._take_word("in"):
            condition = self._list(field, kind)
            return Not(condition) if negated else condition
        if negated:
            raise self._expected("`in`")
        sign = self._token
        if not sign.is_sign("=", "!=", "<", "<=", ">", ">="):
            raise self._expected("a comparison (=, !=, <, <=, >, >=, in, not in, is missing, is not missing)")
        self.next += 1
        if sign.text not in {"=", "!="}:
            return self._value(lambda value: ordered(field, kind, cast("Order", sign.text), value))
        condition = self._value(lambda value: equal_to(field, kind, value))
        return Not(condition) if sign.text == "!=" else condition

    def _list(self, field: str, kind: FieldType | None) -> Condition:
        if not self._take_sign("("):
            raise self._expected("( and a list of values")
        conditions = [self._value(lambda value: equal_to(field, kind, value))]
        while not self._take_sign(")"):
            if not self._take_sign(","):
                raise self._expected("`,` or `)`", _QUOTES)
            conditions.append(self._value(lambda value: equal_to(field, kind, value)))
        return any_of(conditions)

    def _field(self) -> str:
        token = self._token
        if token.kind not in {"word", "name"} or token.is_word(*_RESERVED):
            hint = "; a keyword, or other characters, go in backticks" if token.kind in {"word", "text"} else ""
            raise self._expected("the name of a field", hint)
        if token.kind == "word":
            for at, character in enumerate(token.text):
                if not (character.isalnum() or character in "_.-" or unicodedata.category(character)[0] == "M"):
                    message = f"{character!r} cannot be in the name of a field, unless the name is in backticks"
                    raise _wrong(self.text, token.position + at, message)
        if not is_nameable(token.text):
            raise _wrong(self.text, token.position, "no field can be asked for whose name holds a quote or a backslash")
        self.next += 1
        return token.text

    def _value(self, read: Callable[[Value], Condition]) -> Condition:
        token = self._token
        if token.kind not in {"word", "text"}:
            raise self._expected("a value")
        self.next += 1
        try:
            return read(Value(token.text, quoted=token.kind == "text"))
        except WrongValueError as error:
            raise _wrong(self.text, token.position, str(error)) from error

    @property
    def _token(self) -> _Token:
        return self.tokens[self.next]

    def _take_word(self, word: str) -> bool:
        taken = self._token.is_word(word)
        self.next += taken
        return taken

    def _take_sign(self, sign: str) -> bool:
        taken = self._token.is_sign(sign)
        self.next += taken
        return taken

    def _expected(self, what: str, hint: str = "") -> FilterSyntaxError:
        return _wrong(self.text, self._token.position, f"{what} is expected here{hint}")


def _tokens(text: str) -> list[_Token]:
    for position, character in enumerate(text):
        if unicodedata.category(character) == "Cs":  # from a command line that is not UTF-8; no engine takes it
            raise _wrong(text, position, "this is no character: the text is not UTF-8")
    return [*_read_tokens(text), _Token("end", "", len(text))]


def _read_tokens(text: str) -> Iterator[_Token]:
    end = 0
    while match := _TOKEN.match(text, end):
        end = match.end()
        if match["sign"]:
            yield _Token("sign", match["sign"], match.start("sign"))
        elif match["word"]:
            yield _Token("word", match["word"], match.start("word"))
        else:
            opening = match.start("quote")
            content, end = _quoted(text, opening)
            yield _Token("name" if match["quote"] == "`" else "text", content, opening)
    if rest := text[end:].lstrip():  # all other characters make words
        raise _wrong(text, len(text) - len(rest), "!= is expected here")


def _quoted(text: str, opening: int) -> tuple[str, int]:
    """What stands in the quotes that open there, and where the text goes on behind them."""
    content: list[str] = []
    position = opening + 1
    while position < len(text):
        character = text[position]
        if character == text[opening]:
            return "".join(content), position + 1
        if character == "\\":
            position += 1
            character = text[position : position + 1]
            if character not in _ESCAPED or not character:
                raise _wrong(text, position - 1, "a \\ goes before a quote or another \\ only")
        content.append(character)
        position += 1
    raise _wrong(text, opening, f"this {text[opening]} is not closed")


def _wrong(text: str, position: int, message: str) -> FilterSyntaxError:
    return FilterSyntaxError(pointing(message, text, position))
