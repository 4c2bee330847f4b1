"""Filters: every engine finds the points of which a plain reading of the conditions holds, and no others."""

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from topicidx.errors import FilterSyntaxError
from topicidx.indexer.conditions import All, AnyOf, Between, Condition, During, Equals, Missing, Not
from topicidx.indexer.embedded.filters import edge_filter
from topicidx.indexer.embedded.shard import Shard
from topicidx.indexer.engine_filters import field_of, json_path
from topicidx.indexer.server.filters import served_filter
from topicidx.indexer.store import FieldType, PointFilter
from topicidx.indexer.where_language import parse_where

Payload = dict[str, Any]
Find = Callable[[PointFilter | None], set[uuid.UUID]]

POINTS = 300
IDS = [uuid.uuid5(uuid.NAMESPACE_URL, str(number)) for number in range(POINTS)]
CITIES = ["london", "são paulo", "strasse", "東京", "new york"]
TEXTS = ["", "a", "A", "é", "e\u0301", "12", "true", 'O\'Brien "x" \\', "москва", "\N{SUNRISE}", "a\x00b", "2024-05-01"]
NUMBERS = [-3, -2.5, -1, 0, 0.0, 0.1, 1, 1.0, 2, 2.5, 12, 1e300, -1e300, 5e-324, 2**53]
WHOLE = [-(2**63), -(2**53) - 1, -3, -1, 0, 1, 2, 12, 2**53, 2**53 + 1, 2**63 - 1]
TIMES = [
    "2024-05-01", "2024-05-01T00:00:00", "2024-05-01T00:00:00.000001", "2024-05-01T10:30:00", "2024-05-01T10:30:00Z",
    "2024-05-01T00:30:00+02:00", "2024-04-30T22:30:00-05:30", "2023-12-31T23:59:59.999999", "1999-01-01 00:00",
    "1900-03-01T12:00:00", "9999-12-31T23:59:59",
]  # fmt: skip
MOMENTS = [datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 1, 10, 30), datetime(2024, 4, 30, 22, 30, tzinfo=UTC),
           datetime(2024, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(1999, 1, 1),
           datetime.min, datetime.max.replace(tzinfo=UTC)]  # fmt: skip

#: What each field may hold. Those that are indexed hold only values of their type; `mixed` holds anything.
VALUES: Mapping[str, list[Any]] = {
    "city": CITIES,
    "author": TEXTS,
    "likes": WHOLE,
    "score": NUMBERS,
    "flash": [True, False],
    "taken_at": TIMES,
    "a.b": TEXTS,
    "x[0]": [*TEXTS, *NUMBERS],
    "né é": TEXTS,
    "": TEXTS,
    "mixed": [*TEXTS, *NUMBERS, *WHOLE[2:-2], *TIMES, True, False, {"b": "a"}, ["a"], [], None],
}
INDEXED: Mapping[str, FieldType] = {
    "city": "keyword", "author": "keyword", "likes": "integer", "score": "float", "flash": "bool", "taken_at": "datetime",
}  # fmt: skip


def make_payloads() -> list[Payload]:
    """With every field missing, null, one value or a list of some; and with values beside them that other readings of the
    fields' names would find."""
    chance = random.Random(7)
    payloads = []
    for _ in range(POINTS):
        payload: Payload = {"a": {"b": chance.choice(TEXTS)}, "x": [chance.choice(NUMBERS)]}
        for field, values in VALUES.items():
            form = chance.random()
            if form < 0.1:
                payload[field] = None
            elif form < 0.2:
                payload[field] = chance.choices(values, k=chance.randint(0, 3))
            elif form < 0.9:
                payload[field] = chance.choice(values)
        payloads.append(payload)
    return payloads


PAYLOADS = make_payloads()


def oracle(where: PointFilter | None) -> set[uuid.UUID]:
    return {
        point
        for point, payload in zip(IDS, PAYLOADS, strict=True)
        if where is None
        or (
            (not where.cities or holds(Equals("city", where.cities), payload))
            and (where.ids is None or point in where.ids)
            and (where.where is None or holds(where.where, payload))
        )
    }


def holds(condition: Condition, payload: Payload) -> bool:
    match condition:
        case Equals(field, values):
            return any(
                type(element) is type(value) and element == value for element in of(payload, field) for value in values
            )
        case Between(field, gt, gte, lt, lte):
            return any(
                isinstance(element, int | float)
                and not isinstance(element, bool)
                and (gt is None or float(element) > gt)
                and (gte is None or float(element) >= gte)
                and (lt is None or float(element) < lt)
                and (lte is None or float(element) <= lte)
                for element in of(payload, field)
            )
        case During(field, begin, end):
            return any(
                isinstance(element, str)
                and (moment := moment_of(element)) is not None
                and (begin is None or moment >= in_utc(begin))
                and (end is None or moment < in_utc(end))
                for element in of(payload, field)
            )
        case Missing(field):
            return payload.get(field) in (None, [])
        case Not(inner):
            return not holds(inner, payload)
        case All(conditions):
            return all(holds(inner, payload) for inner in conditions)
        case AnyOf(conditions):
            return any(holds(inner, payload) for inner in conditions)


def of(payload: Payload, field: str) -> list[Any]:
    value = payload.get(field)
    return value if isinstance(value, list) else [value]


def moment_of(text: str) -> datetime | None:
    return in_utc(datetime.fromisoformat(text)) if text in TIMES else None


def in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@pytest.fixture(scope="module")
def vectors() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return np.random.default_rng(2).random((POINTS, 4)).astype(np.float32)


@pytest.fixture(scope="module", params=["embedded", "embedded, indexed", "memory", "server"])
def find(
    request: pytest.FixtureRequest,
    vectors: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Find]:
    """The points that an engine finds, counted and searched with the same filter."""
    if request.param.startswith("embedded"):
        fields = INDEXED if "indexed" in request.param else {}
        yield from in_shard(tmp_path_factory.mktemp("filters") / "shard", vectors, fields)
    elif request.param == "memory":
        yield from in_client(QdrantClient(":memory:"), vectors, {})
    else:
        url, _, port = request.getfixturevalue("qdrant_server").partition("#")
        yield from in_client(QdrantClient(url, prefer_grpc=True, grpc_port=int(port or 6334)), vectors, INDEXED)


def in_shard(
    folder: Path, vectors: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", fields: Mapping[str, FieldType]
) -> Iterator[Find]:
    shard = Shard.create(folder, vectors.shape[1], log=False)
    shard.index_fields(fields)
    shard.upsert(IDS, vectors, PAYLOADS)
    shard.optimize()

    def find(where: PointFilter | None) -> set[uuid.UUID]:
        found = set(shard.search(vectors[:1], POINTS, where)[0].ids)
        assert shard.count(where) == len(found)
        return found

    yield find
    shard.close()


def in_client(
    client: QdrantClient,
    vectors: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
    fields: Mapping[str, FieldType],
) -> Iterator[Find]:
    name = f"topicidx-test-{uuid.uuid4()}"
    client.create_collection(name, models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT))
    for field, kind in fields.items():
        client.create_payload_index(name, json_path(field), models.PayloadSchemaType(kind), wait=True)
    points = [
        models.PointStruct(id=str(point), vector=row, payload=payload)
        for point, row, payload in zip(IDS, vectors.tolist(), PAYLOADS, strict=True)
    ]
    client.upsert(name, points, wait=True)

    def find(where: PointFilter | None) -> set[uuid.UUID]:
        chosen = served_filter(where)
        found = client.query_points(name, query=vectors[0].tolist(), limit=POINTS, query_filter=chosen).points
        assert client.count(name, count_filter=chosen, exact=True).count == len(found)
        return {uuid.UUID(str(point.id)) for point in found}

    yield find
    client.delete_collection(name)
    client.close()


def leaves(field: str) -> st.SearchStrategy[Condition]:
    # Order tells no whole numbers beyond 2**53 apart, and an index of whole numbers has no bounds beyond 64 bits.
    numbers = [0.5, -2.75, *(number for number in NUMBERS if number != 2**53)]
    bounds = st.none() | st.sampled_from([number for number in numbers if field != "likes" or abs(number) < 2**63])
    moments = st.none() | st.sampled_from(MOMENTS)
    equals = [st.lists(st.sampled_from(some), max_size=4) for some in (TEXTS + CITIES + TIMES, WHOLE, [True, False])]
    return st.one_of(
        st.just(Missing(field)),
        st.one_of(equals).map(lambda some: Equals(field, tuple(some))),
        st.builds(Between, st.just(field), bounds, bounds, bounds, bounds),
        st.builds(During, st.just(field), moments, moments),
    )


def fits(field: str, condition: Condition) -> bool:
    """Whether an index of the field can be asked: those of numbers take times for numbers, and those of times the reverse."""
    match INDEXED.get(field), condition:
        case ("integer" | "float", During()) | ("datetime", Between()):
            return False
    return True


def trees() -> st.SearchStrategy[Condition]:
    single = st.sampled_from(sorted(VALUES)).flatmap(lambda field: leaves(field).filter(lambda leaf: fits(field, leaf)))
    return st.recursive(
        single,
        lambda inner: (
            inner.map(Not)
            | st.lists(inner, max_size=3).map(lambda some: All(tuple(some)))
            | st.lists(inner, max_size=3).map(lambda some: AnyOf(tuple(some)))
        ),
        max_leaves=6,
    )


filters = st.builds(
    PointFilter,
    cities=st.lists(st.sampled_from([*CITIES, "paris"]), max_size=2).map(tuple),
    ids=st.none() | st.frozensets(st.sampled_from([*IDS, uuid.UUID(int=1)]), max_size=POINTS),
    where=st.none() | trees(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(filters)
@example(PointFilter())
@example(PointFilter(ids=frozenset()))
@example(PointFilter(("london", "東京"), frozenset(IDS[:100]), Not(Missing("author"))))
@example(PointFilter(where=All(())))
@example(PointFilter(where=AnyOf(())))
@example(PointFilter(where=Not(AnyOf((All(()), AnyOf(()))))))
@example(PointFilter(where=Equals("mixed", ())))
@example(PointFilter(where=Equals("mixed", (True,))))
@example(PointFilter(where=Equals("mixed", (1,))))
@example(PointFilter(where=Between("mixed")))
@example(PointFilter(where=During("mixed")))
@example(PointFilter(where=Equals("likes", (2**53 + 1, 2**63))))
def test_an_engine_finds_what_the_conditions_hold_of(find: Find, where: PointFilter) -> None:
    assert find(where) == oracle(where)


def test_no_filter_finds_everything(find: Find) -> None:
    assert find(None) == set(IDS)
    assert edge_filter(None) is None
    assert served_filter(None) is None
    assert edge_filter(PointFilter()) is None
    assert served_filter(PointFilter()) is None


@pytest.mark.parametrize("field", VALUES)
def test_every_value_of_a_field_is_found_by_what_it_is(find: Find, field: str) -> None:
    for value in VALUES[field]:
        if isinstance(value, str | bool) or (isinstance(value, int) and field != "score"):
            expected = {p for p, payload in zip(IDS, PAYLOADS, strict=True) if holds(Equals(field, (value,)), payload)}
            assert expected
            assert find(PointFilter(where=Equals(field, (value,)))) == expected


@pytest.mark.parametrize(
    ("text", "holds_of"),
    [
        ("city in (LONDON, 'Strasse')", {"city": "london"}),
        ("not (author = a or author is missing)", {"author": "A"}),
        ("mixed = 12", {"mixed": "12"}),
        ("mixed = 12", {"mixed": 12}),
        ("mixed = 1", {"mixed": 1.0}),
        ("mixed = true", {"mixed": True}),
        ("mixed = true", {"mixed": "true"}),
        ("mixed = 2024-05-01", {"mixed": "2024-05-01T10:30:00Z"}),
        ("taken_at = 2024-04-30T22", {"taken_at": "2024-05-01T00:30:00+02:00"}),
        ("likes > -3 and likes <= 12", {"likes": 12}),
        ("score >= 2.5 and score != 12", {"score": 1e300}),
        ("`x[0]` = 0.1", {"x[0]": 0.1}),
        ("a.b = ''", {"a.b": ""}),
        (r"""`` = "O'Brien \"x\" \\" and flash != true""", {"": 'O\'Brien "x" \\'}),
    ],
)
def test_a_condition_from_the_command_line_finds_its_points(find: Find, text: str, holds_of: Payload) -> None:
    condition = parse_where(text, INDEXED)
    expected = oracle(PointFilter(where=condition))
    found = find(PointFilter(where=condition))
    assert found == expected
    assert any(holds_of.items() <= PAYLOADS[IDS.index(point)].items() for point in found)


@pytest.mark.parametrize("field", ["likes", "x_1-y", "", "a.b", "a[0]", "né", "a b", "'", "a[]", "東京"])
def test_a_field_is_one_name_whatever_it_holds(field: str) -> None:
    assert field_of(json_path(field)) == field
    assert json_path(field) in {field, f'"{field}"'}


@pytest.mark.parametrize("field", ['a"b', "a\\b", '"a"'])
def test_a_name_that_no_path_can_hold_is_refused(field: str) -> None:
    where = PointFilter(where=Not(Missing(field)))
    for translate in (edge_filter, served_filter):
        with pytest.raises(FilterSyntaxError, match="cannot be asked for"):
            translate(where)
