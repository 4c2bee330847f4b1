"""The query language: words, `-word`, `word^2`, and errors that point at the character."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from topicidx.errors import QuerySyntaxError
from topicidx.indexer.query_language import Term, parse_query


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("beach", [Term("beach", 1, 0)]),
        ("sunrise beach", [Term("sunrise", 1, 0), Term("beach", 1, 8)]),
        ("-dog", [Term("dog", -1, 1)]),
        ("beach^2.5", [Term("beach", 2.5, 0)]),
        ("-dog^.5", [Term("dog", -0.5, 1)]),
        ("beach^3.", [Term("beach", 3, 0)]),
        ("beach^100", [Term("beach", 100, 0)]),
        ("beach^0.001", [Term("beach", 0.001, 0)]),
        ("  a\t\u00a0b\n", [Term("a", 1, 2), Term("b", 1, 5)]),
        ("e-mail", [Term("e-mail", 1, 0)]),
        ("#caf\u00e9 \N{SUNRISE}", [Term("#caf\u00e9", 1, 0), Term("\N{SUNRISE}", 1, 6)]),
        ("beach beach", [Term("beach", 1, 0), Term("beach", 1, 6)]),
    ],
)
def test_a_query_is_weighted_words(query: str, terms: list[Term]) -> None:
    assert parse_query(query) == tuple(terms)


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
        ("beach ^2", "'^' needs a word", 6),
        ("^", "'^' needs a word", 0),
        ("beach - dog", "'-' needs a word", 6),
        ("-", "'-' needs a word", 0),
        ("beach -^2", "'-' needs a word", 6),
        ("beach --", "'-' needs a word", 6),
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


@given(st.one_of(st.text(), st.text("ab-^. 0129\n", max_size=12)))
@example("-^")
@example("\ud800^\udfff")
@example("a^" + "0" * 400 + "1")
def test_any_string_is_terms_or_a_syntax_error(query: str) -> None:
    try:
        terms = parse_query(query)
    except QuerySyntaxError:
        return
    assert terms
    assert all(0 < abs(term.weight) <= 100 for term in terms)
    assert all(query.startswith(term.text, term.position) for term in terms)
    assert all(any(char not in "-^" for char in term.text) for term in terms)


words = st.text("abc\u00e9\u4e2d", min_size=1, max_size=4)
weights = st.floats(0.01, 100).map(lambda weight: round(weight, 3))


@given(st.lists(st.tuples(words, st.booleans(), weights), min_size=1, max_size=6))
def test_terms_keep_their_order_signs_and_weights(parts: list[tuple[str, bool, float]]) -> None:
    query = " ".join(f"{'-' if minus else ''}{word}^{weight:f}" for word, minus, weight in parts)
    found = [(term.text, term.weight) for term in parse_query(query)]
    assert found == [(word, -weight if minus else weight) for word, minus, weight in parts]
