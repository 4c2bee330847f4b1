"""Shards: every picture in exactly one, on every machine in the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.errors import SettingsError
from topicidx.indexer.keys import share_of, unit_of
from topicidx.indexer.shards import WHOLE, Shard

KEYS = st.text(st.characters(codec="utf-8"), min_size=1).map(lambda path: f"photos/{path}")


def test_a_shard_is_read_as_it_is_written() -> None:
    assert Shard.parse("3/16") == Shard(3, 16)
    assert Shard.parse(" 1/1\n") == WHOLE
    assert str(Shard(3, 16)) == "3/16"
    assert (Shard(1, 16).first, Shard(2, 16).first) == (True, False)


@pytest.mark.parametrize(
    "written", ["", "3", "0/16", "17/16", "3/0", "1/65537", "-1/4", "3/16/2", "a/b", "1.5/4", "٣/16", "3 / 16"]
)
def test_what_is_no_shard_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match=rf"^--shard {written}: "):
        Shard.parse(written)


@settings(deadline=None)
@given(key=KEYS, of=st.integers(1, 70))
def test_every_picture_is_in_exactly_one_shard(key: str, of: int) -> None:
    assert sum(Shard(number, of).has(key) for number in range(1, of + 1)) == 1


@settings(deadline=None)
@given(archive=st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1), of=st.integers(1, 70))
def test_the_pictures_of_an_archive_stay_together(archive: str, of: int) -> None:
    keys = [f"photos/{archive}.tar/{number}.jpg" for number in range(20)]
    assert len({Shard(1, of).has(key) for key in keys}) == 1
    assert {share_of(key) for key in keys} == {share_of(f"photos/{archive}.tar")}


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("photos/london/1.jpg", "photos/london/1.jpg"),
        ("photos/a/00001.tar/1.jpg", "photos/a/00001.tar"),
        ("photos/00001.TAR/2.tar/1.jpg", "photos/00001.TAR"),
        ("photos/part-3.parquet/17", "photos/part-3.parquet"),
        ("photos.tar/1.jpg", "photos.tar/1.jpg"),
        ("photos/1.tar.jpg", "photos/1.tar.jpg"),
        ("photos/1.tar", "photos/1.tar"),
    ],
)
def test_what_is_read_as_one_thing(key: str, unit: str) -> None:
    assert unit_of(key) == unit


def test_shares_are_of_the_same_size_and_never_change() -> None:
    keys = [f"photos/{number:05}.jpg" for number in range(4_000)]
    sizes = [sum(map(Shard(number, 8).has, keys)) for number in range(1, 9)]
    assert sum(sizes) == len(keys)
    assert max(sizes) < 1.2 * min(sizes)
    # Written down once: processes on different machines, and of different versions, split a source in the same way.
    assert [share_of(key) for key in ("photos/00000.jpg", "photos/größe.jpg", "photos/a.tar/1")] == [
        16894845591891073855,
        217046338223071798,
        1548893696608733164,
    ]
