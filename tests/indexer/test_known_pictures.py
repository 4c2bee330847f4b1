"""What is known of a store's pictures while an ingest runs."""

import tracemalloc
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from topicidx.errors import StoreFullError
from topicidx.indexer import known_pictures
from topicidx.indexer.known_pictures import Known, KnownPictures
from topicidx.indexer.store import Record

BYTES, OTHERS = bytes(range(32)), bytes(32)
ONE, TWO, THREE = UUID(int=1), UUID(int=2**100), UUID(int=3)


def record(point: UUID, name: str, **payload: Any) -> Record:
    told = {"image": f"photos/{name}", "size": 10, "mtime": 5, "post": "said", "sha256": BYTES.hex(), "gps_city": None}
    return Record(point, told | payload)


@pytest.fixture
def known() -> Iterator[KnownPictures]:
    with KnownPictures([record(ONE, "a"), record(TWO, "b", sha256=OTHERS.hex(), gps_city="Oslo")]) as known:
        yield known


def test_what_the_store_told_is_known_by_point(known: KnownPictures) -> None:
    assert known.get(ONE) == Known("photos/a", 10, 5, "said", BYTES, None)
    assert known.get(TWO) == Known("photos/b", 10, 5, "said", OTHERS, "Oslo")
    assert known.get(THREE) is None
    assert (ONE in known, THREE in known, len(known)) == (True, False, 2)


@pytest.mark.parametrize(
    "payload",
    [{"size": "10"}, {"size": 2**70}, {"mtime": 1.5}, {"mtime": None}, {"sha256": "no digest"}, {"sha256": 7}],
)
def test_what_is_odd_in_a_payload_counts_as_not_told(payload: dict[str, Any]) -> None:
    with KnownPictures([record(ONE, "a", **payload)]) as known:
        told = known.get(ONE)
    assert told is not None
    assert getattr(told, next(iter(payload))) is None


def test_pictures_that_were_not_met_are_those_of_the_store_alone(known: KnownPictures) -> None:
    known.put(THREE, Known("photos/c"))
    assert list(known.not_met()) == [(ONE, "photos/a"), (TWO, "photos/b")]
    known.meet(ONE)
    known.meet(THREE)
    assert list(known.not_met()) == [(TWO, "photos/b")]


def test_a_picture_on_its_way_holds_no_bytes_for_others_until_it_is_stored(known: KnownPictures) -> None:
    known.put(THREE, Known("photos/c", sha256=bytes([7] * 32)))
    assert known.holder(bytes([7] * 32)) is None
    known.stored(THREE)
    assert known.holder(bytes([7] * 32)) == THREE


def test_a_stored_picture_that_gets_other_bytes_holds_the_old_ones_no_more(known: KnownPictures) -> None:
    known.put(ONE, Known("photos/a", sha256=bytes([7] * 32)))
    assert (known.holder(BYTES), known.holder(bytes([7] * 32))) == (None, None)


def test_a_stored_picture_that_was_only_touched_holds_its_bytes_still(known: KnownPictures) -> None:
    known.put(ONE, Known("photos/a", mtime=6, sha256=BYTES))
    assert known.holder(BYTES) == ONE
    assert list(known.not_met()) == [(ONE, "photos/a"), (TWO, "photos/b")]


def test_removed_pictures_are_not_known(known: KnownPictures) -> None:
    known.remove([ONE, THREE])
    assert (ONE in known, len(known), known.holder(BYTES)) == (False, 1, None)


def test_duplicates_are_counted_without_those_of_unknown_bytes() -> None:
    same = [record(UUID(int=number), str(number)) for number in range(4)]
    unknown = [record(UUID(int=number), str(number), sha256=None) for number in range(4, 8)]
    with KnownPictures([*same, *unknown]) as known:
        assert known.duplicates() == 3
    with KnownPictures() as nothing:
        assert (nothing.duplicates(), len(nothing), list(nothing.not_met())) == (0, 0, [])


def test_sizes_are_found(known: KnownPictures) -> None:
    known.index_sizes()
    assert (known.has_size(10), known.has_size(11)) == (True, False)


def test_what_a_picture_takes_of_the_memory_is_a_bit() -> None:
    count = 50_000
    told = (record(UUID(int=number), str(number), sha256=f"{number:064x}") for number in range(count))
    tracemalloc.start()
    try:
        with KnownPictures(told) as known:
            held, peak = tracemalloc.get_traced_memory()
            assert known.meet(UUID(int=count - 1)) is not None
            assert sum(1 for _ in known.not_met()) == count - 1
    finally:
        tracemalloc.stop()
    assert held < 4 * count
    assert peak < 20 * count


def test_a_full_disk_is_told_with_what_to_do(known: KnownPictures) -> None:
    known.put(UUID(int=9), Known("x"))
    assert known._rows is not None
    known._rows.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreFullError, match="TMPDIR"):
        for number in range(10_000):
            known.put(UUID(int=number + 10), Known("x" * 200))


@pytest.mark.parametrize("points", [(1, 2, 3), (3, 1, 2)])
def test_pictures_of_which_just_the_same_is_told_are_unchanged_and_there(points: tuple[int, ...]) -> None:
    ids = [UUID(int=point << 100) for point in points]
    with KnownPictures([record(point, str(number), size=number) for number, point in enumerate(ids)]) as known:
        assert not known.unchanged("photos/0", 1, 5, "said")
        assert not known.unchanged("photos/0", 0, 6, "said")
        assert not known.unchanged("photos/0", 0, 5, "else")
        assert not known.unchanged("photos/3", 0, 5, "said")
        assert known.unchanged("photos/1", 1, 5, "said")
        assert list(known.not_met()) == [(ids[0], "photos/0"), (ids[2], "photos/2")]
        known.put(ids[0], Known("photos/0"))
        assert known.unchanged("photos/0", 0, 5, "said")  # as the store told when it was asked


def test_keys_whose_hashes_are_the_same_are_told_apart_by_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_pictures, "_LARGEST", 0)  # of the key's hash nothing is left
    monkeypatch.setattr(known_pictures, "_print", lambda image, *said: hash((image, *said)) & 2**64 - 1)
    ids = [UUID(int=number) for number in range(3)]
    with KnownPictures([record(point, str(number), size=number) for number, point in enumerate(ids)]) as known:
        found = [known.unchanged(f"photos/{number}", number, 5, "said") for number in range(3)]
        assert found.count(True) == 1  # the others are looked up in the table
        assert [known.meet(point) for point in ids] == [Known(f"photos/{n}", n, 5, "said", BYTES) for n in range(3)]


def test_where_nothing_has_changed_no_table_is_made() -> None:
    count = 2_500
    told = [
        record(UUID(int=number << 80), str(number), size=number, sha256=f"{number // 2:064x}")
        for number in range(count)
    ]
    with KnownPictures(told) as known:
        assert all(known.unchanged(f"photos/{number}", number, 5, "said") for number in range(count))
        assert (list(known.not_met()), len(known), known._rows) == ([], count, None)
        found = known.duplicates()
        assert known._rows is None
        assert known.get(UUID(int=7 << 80)) == Known("photos/7", 7, 5, "said", bytes(31) + b"\x03")
        assert (known.duplicates(), len(known)) == (found, count)
        assert all(known.get(UUID(int=number << 80)) is not None for number in range(count))


def test_of_nothing_nothing_is_unchanged() -> None:
    with KnownPictures() as known:
        assert not known.unchanged("photos/a", 10, 5, "said")
