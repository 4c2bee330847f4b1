"""The language of conditions: what it means, what it refuses and where it points, and that it says every condition."""

import itertools
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from qdrant_client.conversions.conversion import RestToGrpc

from topicidx.errors import FilterSyntaxError
from topicidx.indexer.conditions import All, AnyOf, Between, Condition, During, Equals, Missing, Not
from topicidx.indexer.server.filters import served_filter
from topicidx.indexer.store import FieldType, PointFilter
from topicidx.indexer.where_language import MAX_NESTING, parse_where

FIELDS: Mapping[str, FieldType] = {
    "author": "keyword", "likes": "integer", "score": "float", "flash": "bool", "seen": "datetime",
}  # fmt: skip


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def number(field: str, value: float) -> Between:
    return Between(field, gte=value, lte=value)


A, B, C = Missing("a"), Missing("b"), Missing("c")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("a is missing", A),
        ("a is not missing", Not(A)),
        ("not a is missing", Not(A)),
        ("A IS Missing aNd b is missing", All((Missing("A"), B))),
        ("a is missing and b is missing and c is missing", All((A, B, C))),
        ("a is missing or b is missing and c is missing", AnyOf((A, All((B, C))))),
        ("(a is missing or b is missing) and c is missing", All((AnyOf((A, B)), C))),
        ("not (a is missing or b is missing) and c is missing", All((Not(AnyOf((A, B))), C))),
        ("not not ((a is missing))", Not(Not(A))),
        ("author = 12", Equals("author", ("12",))),
        ("author!=12", Not(Equals("author", ("12",)))),
        ("author in (12, b, 'c d', 12)", Equals("author", ("12", "b", "c d"))),
        ("author not in (a,b)", Not(Equals("author", ("a", "b")))),
        ("author = O'Brien", Equals("author", ("O'Brien",))),
        ("author = in and author = OR", All((Equals("author", ("in",)), Equals("author", ("OR",))))),
        (r"""author = "a \"b\" \\ \' \` ='(" """, Equals("author", ("a \"b\" \\ ' ` ='(",))),
        (r"""author = 'a "b" \'' """, Equals("author", ("a \"b\" '",))),
        ("author = ''", Equals("author", ("",))),
        ("author = 東京/一.jpg", Equals("author", ("東京/一.jpg",))),
        ("city = '  LONDON '", Equals("city", ("london",))),
        ("city in (Sa\u0303o\u3000, 2024)", Equals("city", ("são", "2024"))),
        ("city_label = LONDON", Equals("city_label", ("LONDON",))),
        ("source = 2024-05-01", Equals("source", ("2024-05-01",))),
        ("likes = '12'", Equals("likes", (12,))),
        ("likes in (-1, +2, 007)", Equals("likes", (-1, 2, 7))),
        ("likes = 9223372036854775807", Equals("likes", (2**63 - 1,))),
        ("likes > 3", Between("likes", gt=3)),
        ("likes>=3 and likes<=4", All((Between("likes", gte=3), Between("likes", lte=4)))),
        ("likes < -3", Between("likes", lt=-3)),
        ("score = 3", number("score", 3)),
        ("score != .5", Not(number("score", 0.5))),
        ("score in (1e3, -2.)", AnyOf((number("score", 1000), number("score", -2)))),
        ("score > 1E-2", Between("score", gt=0.01)),
        ("flash = TRUE", Equals("flash", (True,))),
        ("flash in (true, 'false')", Equals("flash", (True, False))),
        ("a = 12", AnyOf((number("a", 12), Equals("a", ("12",))))),
        ("a = 007", AnyOf((number("a", 7), Equals("a", ("007",))))),
        ("a = 9007199254740993", AnyOf((Equals("a", (2**53 + 1,)), Equals("a", ("9007199254740993",))))),
        ("a = 18446744073709551616", AnyOf((number("a", 2.0**64), Equals("a", ("18446744073709551616",))))),
        ("a = 1e999", Equals("a", ("1e999",))),
        ("a = nan", Equals("a", ("nan",))),
        ("a = ٣", Equals("a", ("٣",))),
        ("a = '12'", Equals("a", ("12",))),
        ("a = True", AnyOf((Equals("a", (True,)), Equals("a", ("True",))))),
        ("a in (1, b, 2, true)", AnyOf((
            number("a", 1), number("a", 2), Equals("a", ("1", "b", "2", "true")), Equals("a", (True,)),
        ))),
        ("a > 2024", Between("a", gt=2024)),
        ("a > 2024-05", During("a", gte=utc(2024, 6, 1))),
        ("a > '2024'", During("a", gte=utc(2025, 1, 1))),
        ("a = 2024-05", Equals("a", ("2024-05",))),
        ("a = 2024-05-01", During("a", utc(2024, 5, 1), utc(2024, 5, 2))),
        ("a = '2024-05-01'", Equals("a", ("2024-05-01",))),
        ("a = 2024-05-41", Equals("a", ("2024-05-41",))),
        ("a = 2024-05-01.jpg", Equals("a", ("2024-05-01.jpg",))),
        ("a.b-c_1 is missing", Missing("a.b-c_1")),
        ("prénom is missing and हिन्दी is missing", All((Missing("prénom"), Missing("हिन्दी")))),
        ("`not` is missing and `a[0] = \\``='x'", All((Missing("not"), Equals("a[0] = `", ("x",))))),
        ("missing is missing", Missing("missing")),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_text_states_a_condition(text: str, condition: Condition) -> None:
    assert parse_where(text, FIELDS) == condition


@pytest.mark.parametrize(
    ("written", "begin", "end"),
    [
        ("2024", utc(2024, 1, 1), utc(2025, 1, 1)),
        ("2023", utc(2023, 1, 1), utc(2024, 1, 1)),
        ("1900", utc(1900, 1, 1), utc(1901, 1, 1)),
        ("2024-02", utc(2024, 2, 1), utc(2024, 3, 1)),
        ("2023-12", utc(2023, 12, 1), utc(2024, 1, 1)),
        ("2024-02-29", utc(2024, 2, 29), utc(2024, 3, 1)),
        ("2024-05-01T10", utc(2024, 5, 1, 10), utc(2024, 5, 1, 11)),
        ("2024-05-01T10:30", utc(2024, 5, 1, 10, 30), utc(2024, 5, 1, 10, 31)),
        ("2024-05-01t10:30:15z", utc(2024, 5, 1, 10, 30, 15), utc(2024, 5, 1, 10, 30, 16)),
        ("'2024-05-01 10:30:15'", utc(2024, 5, 1, 10, 30, 15), utc(2024, 5, 1, 10, 30, 16)),
        ("2024-05-01T10:30:15.5", utc(2024, 5, 1, 10, 30, 15, 500_000), utc(2024, 5, 1, 10, 30, 15, 600_000)),
        ("2024-05-01T10:30:15.123456789", utc(2024, 5, 1, 10, 30, 15, 123_456), utc(2024, 5, 1, 10, 30, 15, 123_457)),
        ("2024-05-01T00:30+02:00", utc(2024, 4, 30, 22, 30), utc(2024, 4, 30, 22, 31)),
        ("2024-05-01T00:30-0530", utc(2024, 5, 1, 6), utc(2024, 5, 1, 6, 1)),
        ("2024-05-01T00+09", utc(2024, 4, 30, 15), utc(2024, 4, 30, 16)),
        ("9999", utc(9999, 1, 1), datetime.max.replace(tzinfo=UTC)),
        ("0001-01-01", utc(1, 1, 1), utc(1, 1, 2)),
    ],
)
def test_a_time_means_its_whole_span(written: str, begin: datetime, end: datetime) -> None:
    expected = {
        "=": During("taken_at", begin, end),
        "!=": Not(During("taken_at", begin, end)),
        "<": During("taken_at", lt=begin),
        "<=": During("taken_at", lt=end),
        ">": During("taken_at", gte=end),
        ">=": During("taken_at", gte=begin),
    }
    assert {sign: parse_where(f"taken_at {sign} {written}") for sign in expected} == expected
    assert parse_where(f"seen in ({written}, 1800)", FIELDS) == AnyOf(
        (During("seen", begin, end), During("seen", utc(1800, 1, 1), utc(1801, 1, 1)))
    )


@pytest.mark.parametrize("text", ["", " ", "\t\n\u00a0\u3000"])
def test_an_empty_condition_asks_for_one(text: str) -> None:
    with pytest.raises(FilterSyntaxError, match="the condition is empty") as caught:
        parse_where(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("a", "a comparison (=", 1),
        ("a b", "a comparison (=", 2),
        ("a =", "a value is expected", 3),
        ("a = ", "a value is expected", 4),
        ("a == 1", "a value is expected", 3),
        ("a <> 1", "a value is expected", 3),
        ("a = (1)", "a value is expected", 4),
        ("a = `b`", "a value is expected", 4),
        ("a in", "( and a list of values", 4),
        ("a in 1", "( and a list of values", 5),
        ("a in ()", "a value is expected", 6),
        ("a in (b,)", "a value is expected", 8),
        ("a in (b", "`,` or `)` is expected", 7),
        ("a in (new york)", "`,` or `)` is expected here; a value of several words goes in quotes", 10),
        ("a not missing", "`in` is expected", 6),
        ("a is 3", "`missing` or `not missing`", 5),
        ("a is not 3", "`missing` is expected", 9),
        ("city = new york", "`and` or `or` is expected here; a value of several words goes in quotes", 11),
        ("a = 'b' c", "`and` or `or` is expected", 8),
        ("a = 1 && b = 2", "`and` or `or` is expected", 6),
        ("a = 1, b = 2", "`and` or `or` is expected", 5),
        ("a = 1 and", "the name of a field is expected", 9),
        ("a = 1 and and b = 1", "the name of a field is expected here; a keyword", 10),
        ("= 1", "the name of a field is expected", 0),
        ("'a' = 1", "the name of a field is expected here; a keyword, or other characters, go in backticks", 0),
        ("not", "the name of a field is expected", 3),
        ("()", "the name of a field is expected", 1),
        ("a/b = 1", "'/' cannot be in the name of a field", 1),
        ("a.é = 1 and b:c = 1", "':' cannot be in the name of a field", 13),
        ('`a"b` = 1', "no field can be asked for", 0),
        (r"`a\\b` = 1", "no field can be asked for", 0),
        ("a = 1)", "there is no ( for this )", 5),
        ("(a = 1", "`and`, `or`, or the ) for the ( at character 1", 6),
        ("b = 1 and ((a = 1)", "`and`, `or`, or the ) for the ( at character 11", 18),
        ("a = 'b", "this ' is not closed", 4),
        ('a = "b\\"', 'this " is not closed', 4),
        ("`a = 1", "this ` is not closed", 0),
        (r"a = 'C:\temp'", "a \\ goes before a quote", 7),
        ("a = 'b\\", "a \\ goes before a quote", 6),
        ("a ! = 1", "!= is expected", 2),
        ("a = wow!", "!= is expected", 7),
        ("likes > abc", "likes holds whole numbers", 8),
        ("likes = 1.5", "likes holds whole numbers", 8),
        ("likes in (1, two)", "likes holds whole numbers", 13),
        ("likes = ''", "likes holds whole numbers", 8),
        ("likes = 9223372036854775808", "likes holds whole numbers of up to 64 bits", 8),
        ("likes = " + "9" * 5000, "likes holds whole numbers", 8),
        ("likes = ٣", "likes holds whole numbers", 8),
        ("score = high", "score holds numbers", 8),
        ("score < inf", "score holds numbers", 8),
        ("score < nan", "score holds numbers", 8),
        ("score = 1e999", "score holds numbers", 8),
        ("score = 1_000", "score holds numbers", 8),
        ("flash = 1", "flash holds true or false", 8),
        ("flash < true", "flash holds true or false, which < cannot compare", 8),
        ("author >= a", "author holds text, which >= cannot compare", 10),
        ("city < london", "city holds text", 7),
        ("a < abc", "< compares numbers and times; 'abc' is neither", 4),
        ("a <= '12'", "<= compares numbers and times; '12' is neither", 5),
        ("a > true", "> compares numbers and times", 4),
        ("a > 2024-13", "there is no such time as 2024-13", 4),
        ("taken_at > yesterday", "taken_at is compared with times", 11),
        ("taken_at > 2024-5-1", "taken_at is compared with times", 11),
        ("taken_at = 2024-02-30", "there is no such time as 2024-02-30", 11),
        ("taken_at = 0000", "there is no such time", 11),
        ("taken_at = 2024-05-01T25:00", "there is no such time", 11),
        ("taken_at = 2024-05-01T10:00+99:00", "there is no such time", 11),
        ("taken_at = 0001-01-01T00:00+01:00", "there is no such time", 11),
        ("taken_at = 9999-12-31T23:59-01:00", "there is no such time", 11),
        ("taken_at = ٢٠٢٤", "taken_at is compared with times", 11),
        ("a = b\ud800", "this is no character", 5),
        ("(" * 1000, f"no more than {MAX_NESTING} parentheses", MAX_NESTING),
        ("not " * 1000, f"no more than {MAX_NESTING} parentheses", 4 * MAX_NESTING),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_mistake_is_pointed_at(text: str, message: str, position: int) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_where(text, FIELDS)
    first, shown, pointer = str(caught.value).split("\n")
    assert first.startswith(message)
    assert f"(character {position + 1})" in first
    assert shown == f"  {text}".replace("\ud800", "\N{REPLACEMENT CHARACTER}")
    assert pointer.index("^") == 2 + position
    assert caught.value.exit_code == 2


def test_the_caret_stays_below_its_character_where_the_text_has_line_breaks() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_where("a = 1\nand b\t< c")
    assert str(caught.value).split("\n")[1:] == ["  a = 1 and b < c", "                ^"]


def test_the_deepest_condition_fits_what_a_server_takes() -> None:
    """gRPC messages may be nested a hundred deep."""
    deepest = "".join("not (a != 1 and b = 1 or c = 1 and " for _ in range(MAX_NESTING // 2)) + "a != 1"
    deepest += ")" * (MAX_NESTING // 2)
    parens = "".join("(a != 1 or b = 1 and " for _ in range(MAX_NESTING)) + "a != 1" + ")" * MAX_NESTING
    for text in (deepest, parens):
        found = served_filter(PointFilter(("london",), where=parse_where(text)))
        assert found is not None
        assert RestToGrpc.convert_filter(found).ByteSize() > 0


fragments = st.sampled_from(
    ["a", "likes", "taken_at", "city", "and", "or", "not", "in", "is", "missing", "(", ")", ",", "=", "!=", "<", ">=",
     "'x y'", '"', "`", "\\", "12", "-1.5e3", "2024-05", "9999-12-31T23:59:59.9+23:59", "true", " ", "\ud800", "é\u0301"]
)  # fmt: skip


@given(
    st.one_of(st.text(), st.lists(fragments, max_size=14).map(" ".join), st.lists(fragments, max_size=14).map("".join))
)
@example("a = '\\")
@example("a = " + "9" * 5000)
@example("taken_at = 9999-12-31T23:59:59.999999+00:00")
@example("`` = ''")
def test_any_string_is_a_condition_or_a_syntax_error(text: str) -> None:
    try:
        condition = parse_where(text, FIELDS)
    except FilterSyntaxError:
        return
    served_filter(PointFilter(where=condition))


names = st.text(st.characters(codec="utf-8", exclude_characters='"\\')).filter(
    lambda name: name not in {"city", "source", "taken_at"}
)
kinds: st.SearchStrategy[FieldType] = st.sampled_from(["keyword", "integer", "float", "bool", "datetime"])
texts = st.text(st.characters(codec="utf-8"))
whole = st.integers(-(2**63), 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment < datetime.max.replace(tzinfo=UTC))
STEP = timedelta(microseconds=1)


def leaves(field: str, kind: FieldType) -> st.SearchStrategy[Condition]:
    missing = st.just(Missing(field))
    bound = st.sampled_from(["gt", "gte", "lt", "lte"])
    values: dict[FieldType, st.SearchStrategy[Condition]] = {
        "keyword": st.lists(texts, min_size=1, unique=True).map(lambda some: Equals(field, tuple(some))),
        "integer": st.lists(whole, min_size=1, unique=True).map(lambda some: Equals(field, tuple(some)))
        | st.tuples(bound, st.integers(-(2**53), 2**53)).map(lambda pair: Between(field, **{pair[0]: pair[1]})),
        "float": finite.map(lambda value: number(field, value))
        | st.tuples(bound, finite).map(lambda pair: Between(field, **{pair[0]: pair[1]})),
        "bool": st.lists(st.booleans(), min_size=1, unique=True).map(lambda some: Equals(field, tuple(some))),
        "datetime": moments.map(lambda moment: During(field, moment, moment + STEP))
        | moments.map(lambda moment: During(field, gte=moment))
        | moments.map(lambda moment: During(field, lt=moment)),
    }
    return missing | values[kind]


def trees(fields: Mapping[str, FieldType]) -> st.SearchStrategy[Condition]:
    return st.recursive(
        st.one_of([leaves(field, kind) for field, kind in fields.items()]),
        lambda inner: (
            inner.map(Not)
            | st.lists(inner, min_size=2, max_size=4).map(lambda some: All(tuple(some)))
            | st.lists(inner, min_size=2, max_size=4).map(lambda some: AnyOf(tuple(some)))
        ),
        max_leaves=8,
    )


fields_and_trees = st.dictionaries(names, kinds, min_size=1, max_size=4).flatmap(
    lambda fields: st.tuples(st.just(fields), trees(fields))
)


def quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def written(condition: Condition) -> str:
    """The condition in the language."""
    match condition:
        case Missing(field):
            return f"{quoted(field, '`')} is missing"
        case Equals(field, values):
            listed = ", ".join(quoted(str(value), '"') for value in values)
            return f"{quoted(field, '`')} in ({listed})"
        case Between(field, gt, gte, lt, lte):
            bounds = {">": gt, ">=": gte, "<": lt, "<=": lte}
            if gte is not None and gte == lte:
                return f"{quoted(field, '`')} = {gte!r}"
            return next(f"{quoted(field, '`')} {sign} {bound!r}" for sign, bound in bounds.items() if bound is not None)
        case During(field, gte, lt):
            if gte and lt:
                return f"{quoted(field, '`')} = {gte.isoformat(timespec='microseconds')}"
            sign, moment = (">=", gte) if gte else ("<", lt)
            assert moment is not None
            return f"{quoted(field, '`')} {sign} {moment.isoformat()}"
        case Not(inner):
            return f"not ({written(inner)})"
        case All(conditions):
            return "(" + " and ".join(map(written, conditions)) + ")"
        case AnyOf(conditions):
            return "(" + " or ".join(map(written, conditions)) + ")"


def nesting(condition: Condition) -> int:
    match condition:
        case Not(inner):
            return 2 + nesting(inner)
        case All(conditions) | AnyOf(conditions):
            return 1 + max(map(nesting, conditions))
    return 0


@given(fields_and_trees)
def test_a_condition_that_is_written_down_reads_the_same(given: tuple[dict[str, FieldType], Condition]) -> None:
    fields, condition = given
    text = written(condition)
    if nesting(condition) <= MAX_NESTING:
        assert parse_where(text, fields) == condition
    else:
        with pytest.raises(FilterSyntaxError, match="may be nested"):
            parse_where(text, fields)


@given(st.lists(st.sampled_from(["Lisboa", "SÃO PAULO", "são  paulo", "Straße", "STRASSE"]), min_size=1, max_size=3))
def test_cities_are_found_in_any_case_and_normal_form(labels: list[str]) -> None:
    found = {
        parse_where(f"city in ({', '.join(quoted(form, chr(39)) for form in forms)})")
        for forms in itertools.product(*({label, unicodedata.normalize("NFD", label).upper()} for label in labels))
    }
    assert len(found) == 1
