"""Manifests of very many rows: what reading them takes does not grow with them."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.indexer.sources import distinct, open_source


@pytest.fixture(autouse=True)
def _small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "HELD", 100)


def write(path: Path, pictures: int, *, apart: bool) -> Path:
    rows = [f"{number:06d}.jpg,caption {text} of it\n" for number in range(pictures) for text in ("one", "two")]
    if apart:
        rows = rows[0::2] + rows[1::2]
    path.write_text("image,caption\n" + "".join(rows))
    return path


def peak(path: Path, pictures: int) -> int:
    """The most bytes that Python held while the posts were read, but for its own tables, which grow now and then."""
    return min(_peak(path, pictures), _peak(path, pictures))


def _peak(path: Path, pictures: int) -> int:
    source = open_source(path)
    tracemalloc.start()
    try:
        assert sum(post.captions == ("caption one of it", "caption two of it") for post in source.posts()) == pictures
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("apart", [False, True])
def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path, apart: bool) -> None:
    some = peak(write(tmp_path / "some.csv", 500, apart=apart), 500)
    many = peak(write(tmp_path / "many.csv", 5_000, apart=apart), 5_000)
    assert many < some + 30_000, "bytes, where a post takes some 500"


@pytest.mark.parametrize("manifest", [False, True])
def test_ten_times_the_folders_take_no_more_memory(tmp_path: Path, manifest: bool) -> None:
    def folder(name: str, folders: int) -> Path:
        below = [tmp_path / name / f"{number:03d}" for number in range(folders)]
        for within in below:
            within.mkdir(parents=True)
            for number in range(100):
                (within / f"{number:06d}.jpg").touch()
                if not manifest:
                    (within / f"{number:06d}.txt").write_text("caption one of it\ncaption two of it\n")
        if manifest:
            rows = [
                f"{at.name}/{n:06d}.jpg,caption {x} of it" for at in below for n in range(100) for x in ("one", "two")
            ]
            (tmp_path / name / "captions.csv").write_text("\n".join(["image,caption", *rows]))
        return tmp_path / name

    assert peak(folder("many", 30), 3_000) < peak(folder("some", 3), 300) + 60_000, "bytes, where a path takes 300"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2_000), max_size=400))
def test_texts_are_distinct_where_none_comes_twice_also_on_the_disk(numbers: list[int]) -> None:
    texts = distinct.Distinct()
    for number in numbers:
        texts.add(f"{number}.jpg")
    try:
        assert texts.distinct() == (len(set(numbers)) == len(numbers))
    finally:
        texts.close()


def test_what_lay_on_the_disk_is_removed() -> None:
    texts = distinct.Distinct()
    for number in range(250):
        texts.add(str(number))
    folder = texts._folder
    assert folder is not None
    assert Path(folder.name).is_dir()
    texts.close()
    assert not Path(folder.name).exists()
