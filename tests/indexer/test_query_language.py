"""The query language: terms, weights, filters, and errors that point at the character."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from topicidx.errors import QuerySyntaxError
from topicidx.indexer.query_language import After, Before, InCity, Like, Part, Query, Words, parse_query


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("beach", [Words("beach")]),
        ("sunrise beach", [Words("sunrise"), Words("beach")]),
        ("-dog", [Words("dog", -1)]),
        ("beach^2.5", [Words("beach", 2.5)]),
        ("-dog^.5", [Words("dog", -0.5)]),
        ("beach^3.", [Words("beach", 3)]),
        ("beach^100", [Words("beach", 100)]),
        ("beach^0.001", [Words("beach", 0.001)]),
        ("  a\t\u00a0b\n", [Words("a"), Words("b")]),
        ("e-mail", [Words("e-mail")]),
        ("#caf\u00e9 \N{SUNRISE}", [Words("#caf\u00e9"), Words("\N{SUNRISE}")]),
        ("beach beach", [Words("beach"), Words("beach")]),
        ('"golden gate" bridge', [Words("golden gate", phrase=True), Words("bridge")]),
        ('-"red car"^2', [Words("red car", -2, phrase=True)]),
        (r'"say \"cheese\" \\ \n"', [Words(r'say "cheese" \ \n', phrase=True)]),
        ('"-dog^2 city:x"', [Words("-dog^2 city:x", phrase=True)]),
        ('5" don"t', [Words('5"'), Words('don"t')]),
        ("12:30 note: #a:b", [Words("12:30"), Words("note:"), Words("#a:b")]),
        ("city:london", [InCity("london")]),
        ('-city:"São Paulo" x', [InCity("São Paulo", excluded=True), Words("x")]),
        ("City:London CITY:rome", [InCity("London"), InCity("rome")]),
        ("city:saint-malo", [InCity("saint-malo")]),
        ("before:2024-01-01 after:2023", [Before("2024-01-01"), After("2023")]),
        ('after:"2023-05-06 12:30"', [After("2023-05-06 12:30")]),
        ("like:photos/a.jpg", [Like("photos/a.jpg")]),
        ('-like:"my photos/a^b.jpg"^0.5', [Like("my photos/a^b.jpg", -0.5)]),
        ("like:https://a.example/b.jpg?x=1&y=2", [Like("https://a.example/b.jpg?x=1&y=2")]),
        ("like:a.jpg^2 dog", [Like("a.jpg", 2), Words("dog")]),
        (r"like:C:\photos\a.jpg", [Like(r"C:\photos\a.jpg")]),
    ],
)
def test_a_query_is_terms_and_filters(text: str, parts: list[Part]) -> None:
    query = parse_query(text)
    assert query.parts == tuple(parts)
    assert query.text == text


def test_every_part_knows_where_it_stands() -> None:
    text = 'a  -b "c d" city:x -city:y like:z before:2024'
    assert [text[part.position :].split()[0] for part in parse_query(text).parts] == [
        "a", "b", '"c', "city:x", "city:y", "like:z", "before:2024",
    ]  # fmt: skip


def test_after_begins_with_the_time_and_before_ends_ahead_of_it() -> None:
    after, before = parse_query("after:2024 before:2025").parts
    assert isinstance(after, After)
    assert isinstance(before, Before)
    begin, end = after.condition(), before.condition()
    assert (begin.field, end.field) == ("taken_at", "taken_at")
    assert begin.gte is not None
    assert end.lt is not None
    assert (begin.gte.isoformat(), begin.lt) == ("2024-01-01T00:00:00+00:00", None)
    assert (end.gte, end.lt.isoformat()) == (None, "2025-01-01T00:00:00+00:00")


@pytest.mark.parametrize("query", ["", " ", "\t\n\u00a0"])
def test_an_empty_query_asks_for_words(query: str) -> None:
    with pytest.raises(QuerySyntaxError, match=r"empty; give one word or more") as caught:
        parse_query(query)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("query", "message", "position"),
    [
        ("beach^", "a weight is a number above 0 and up to 100", 6),
        ("beach^0", "a weight is a number", 6),
        ("beach^0.000", "a weight is a number", 6),
        ("beach^-2", "a weight is a number", 6),
        ("beach^101", "a weight is a number", 6),
        ("beach^100.01", "a weight is a number", 6),
        ("beach^1e2", "a weight is a number", 6),
        ("beach^nan", "a weight is a number", 6),
        ("beach^inf", "a weight is a number", 6),
        ("beach^" + 400 * "9", "a weight is a number", 6),
        ("beach^\u0665", "a weight is a number", 6),
        ("sunrise beach^2^3", "a weight is a number", 14),
        ('"a b"^x', "a weight is a number", 6),
        ("like:a^x", "a weight is a number", 7),
        ("beach ^2", "'^' needs a word", 6),
        ("^", "'^' needs a word", 0),
        ("beach - dog", "'-' needs a word", 6),
        ("-", "'-' needs a word", 0),
        ("beach -^2", "'-' needs a word", 6),
        ("beach --", "'-' needs a word", 6),
        ('beach "a', 'this " is not closed', 6),
        (r'"a\"', 'this " is not closed', 0),
        ('""', "a word or more belongs between the quotes", 0),
        ('x -" "', "a word or more belongs between the quotes", 3),
        ('"a"b', "a space belongs before this", 3),
        ('"a""b"', "a space belongs before this", 3),
        ('city:"a"b', "a space belongs before this", 8),
        ("x city:", "city: needs a city", 2),
        ("city: london", "city: needs a city", 0),
        ("-like:", "like: needs a picture", 1),
        ("x city:^2", "a city is expected here", 7),
        ("like:^2", "a picture is expected here", 5),
        ('city:""', "a city belongs between the quotes", 5),
        ("city:london^2", "a city has no weight", 11),
        ("after:2024^2", "a time has no weight", 10),
        ("x before:soon", "taken_at is compared with times", 9),
        ("after:2024-13", "there is no such time as 2024-13", 6),
        ("x -before:2024", "before: cannot be negative; use after:", 2),
        ("-after:2024", "after: cannot be negative; use before:", 0),
        ("dog ctiy:london", "there is no filter ctiy:", 4),
        ("a -author:ann", "there is no filter author:", 3),
        ("a https://b.example", "an address is no word; like:https:", 2),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_mistake_is_pointed_at(query: str, message: str, position: int) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse_query(query)
    first, shown, pointer = str(caught.value).split("\n")
    assert first.startswith(message)
    assert f"(character {position + 1})" in first
    assert shown == f"  {query}"
    assert pointer.index("^") == 2 + position


@given(st.one_of(st.text(), st.text('ab-^. 01"\\\n', max_size=12), st.text('city:lkebfor"^- 2', max_size=16)))
@example("-^")
@example("\ud800^\udfff")
@example("a^" + "0" * 400 + "1")
@example('like:"\\')
@example("before:\u0665")
def test_any_string_is_a_query_or_a_syntax_error_and_reads_back(text: str) -> None:
    try:
        query = parse_query(text)
    except QuerySyntaxError:
        return
    assert query.parts
    assert all(0 < abs(term.weight) <= 100 for term in query.terms)
    assert parse_query(str(query)) == query
    assert str(parse_query(str(query))) == str(query)


def words() -> st.SearchStrategy[Words]:
    bare = st.text("abc\u00e9\u4e2d#:-.'\"\\", min_size=1, max_size=6)
    return st.one_of(st.builds(_word, bare, weights()), st.builds(Words, texts(), weights(), st.just(value=True)))


def _word(text: str, weight: float) -> Words:
    try:
        return Words(text, weight)
    except ValueError:
        return Words(text, weight, phrase=True)


def texts() -> st.SearchStrategy[str]:
    return st.text(min_size=1, max_size=12).filter(lambda text: text.strip())


def weights() -> st.SearchStrategy[float]:
    return st.floats(1e-9, 100).flatmap(lambda weight: st.sampled_from([weight, -weight, 1.0]))


def times() -> st.SearchStrategy[str]:
    return st.one_of(st.dates().map(str), st.datetimes().map(str), st.integers(1000, 9999).map(str))


parts = st.one_of(
    words(),
    st.builds(Like, texts(), weights()),
    st.builds(InCity, texts(), st.booleans()),
    st.builds(Before, times()),
    st.builds(After, times()),
)


@given(st.lists(parts, min_size=1, max_size=6).map(lambda some: Query(tuple(some))))
def test_a_query_rendered_and_parsed_is_the_same_query(query: Query) -> None:
    assert parse_query(str(query)) == query


@pytest.mark.parametrize("text", ["", "a b", "-a", "a^2", '"a', "city:x", "like:", "City:"])
def test_what_is_no_word_cannot_be_made_one(text: str) -> None:
    with pytest.raises(ValueError, match="no word"):
        Words(text)


@pytest.mark.parametrize("weight", [0.0, -0.0, 100.1, -101.0, float("nan"), float("inf")])
def test_a_weight_out_of_range_cannot_be_made(weight: float) -> None:
    with pytest.raises(ValueError, match="no weight"):
        Words("a", weight)
    with pytest.raises(ValueError, match="no weight"):
        Like("a", weight)
