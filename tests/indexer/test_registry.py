"""The table of sources: names that are given once, and the way from a key to a file."""

import json
from pathlib import Path

import pytest

from topicidx import atomic
from topicidx.errors import StoreDamagedError
from topicidx.indexer.sources import Source, SourceRegistry, open_source


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def folder_with_picture(path: Path) -> Source:
    path.mkdir(parents=True, exist_ok=True)
    (path / "1.jpg").write_bytes(b"")
    return open_source(path)


def keys(source: Source) -> list[str]:
    return [post.image for post in source.posts()]


def test_a_root_keeps_its_name(store: Path, tmp_path: Path) -> None:
    source = folder_with_picture(tmp_path / "photos")
    assert SourceRegistry(store).register(source).name == "photos"
    assert SourceRegistry(store).register(source).name == "photos"
    assert SourceRegistry(store).roots == {"photos": tmp_path / "photos"}


def test_two_folders_of_one_name_get_different_names(store: Path, tmp_path: Path) -> None:
    sources = [folder_with_picture(tmp_path / place / "photos") for place in ("here", "there", "nowhere")]
    names = [SourceRegistry(store).register(source).name for source in sources]
    assert names == ["photos", "photos-2", "photos-3"]
    assert [SourceRegistry(store).register(source).name for source in sources] == names
    assert keys(SourceRegistry(store).register(sources[1])) == ["photos-2/1.jpg"]


def test_a_manifest_and_its_folder_are_one_source(store: Path, tmp_path: Path) -> None:
    source = folder_with_picture(tmp_path / "photos")
    (tmp_path / "photos" / "list.csv").write_text("image\n1.jpg\n")
    registered = SourceRegistry(store).register(source)
    listed = SourceRegistry(store).register(open_source(tmp_path / "photos" / "list.csv"))
    assert keys(registered) == keys(listed) == ["photos/1.jpg"]
    assert len(SourceRegistry(store).roots) == 1


def test_a_folder_above_a_known_root_leaves_it_its_pictures(store: Path, tmp_path: Path) -> None:
    part = SourceRegistry(store).register(folder_with_picture(tmp_path / "photos" / "london"))
    whole = SourceRegistry(store).register(folder_with_picture(tmp_path / "photos"))
    assert keys(part) == ["london/1.jpg"]
    assert keys(whole) == ["photos/1.jpg", "london/1.jpg"]
    assert keys(SourceRegistry(store).register(open_source(tmp_path / "photos"))) == keys(whole)
    assert SourceRegistry(store).file_of("london/1.jpg") == tmp_path / "photos" / "london" / "1.jpg"


def test_a_folder_below_a_known_root_keeps_its_keys_captions_and_cities(store: Path, tmp_path: Path) -> None:
    for city in ("london", "paris"):
        folder_with_picture(tmp_path / "photos" / city)
    (tmp_path / "photos" / "captions.csv").write_text("image,caption\nlondon/1.jpg,a caption\n")
    whole = list(SourceRegistry(store).register(open_source(tmp_path / "photos")).posts())
    part = list(SourceRegistry(store).register(open_source(tmp_path / "photos" / "london")).posts())
    assert part == whole[:1]
    assert (part[0].image, part[0].captions, part[0].city) == ("photos/london/1.jpg", ("a caption",), "london")


def test_a_folder_below_two_known_roots_belongs_to_the_nearer_one(store: Path, tmp_path: Path) -> None:
    inner = folder_with_picture(tmp_path / "photos" / "london")
    SourceRegistry(store).register(inner)
    SourceRegistry(store).register(folder_with_picture(tmp_path / "photos"))
    below = folder_with_picture(tmp_path / "photos" / "london" / "soho")
    assert keys(SourceRegistry(store).register(below)) == ["london/soho/1.jpg"]


def test_a_folder_whose_name_only_begins_alike_is_another_source(store: Path, tmp_path: Path) -> None:
    SourceRegistry(store).register(folder_with_picture(tmp_path / "photos"))
    other = SourceRegistry(store).register(folder_with_picture(tmp_path / "photos2"))
    assert other.name == "photos2"


def test_a_key_leads_to_its_file(store: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cafe\u0301.jpg").write_bytes(b"")
    (post,) = SourceRegistry(store).register(open_source(tmp_path / "photos")).posts()
    found = SourceRegistry(store).file_of(post.image)
    assert found == post.path
    assert SourceRegistry(store).file_of("unknown/1.jpg") is None


def test_registries_open_at_the_same_time_lose_nothing(store: Path, tmp_path: Path) -> None:
    one, other = SourceRegistry(store), SourceRegistry(store)
    names = {
        one.register(folder_with_picture(tmp_path / "here" / "photos")).name,
        other.register(folder_with_picture(tmp_path / "there" / "photos")).name,
    }
    assert names == {"photos", "photos-2"}
    assert set(SourceRegistry(store).roots.values()) == {tmp_path / "here" / "photos", tmp_path / "there" / "photos"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"photos": null}', b'{"photos": 7}', b"\xff\xfe", b"null"], ids=repr
)
def test_a_damaged_table_is_named(store: Path, content: bytes) -> None:
    store.mkdir()
    (store / "sources.json").write_bytes(content)
    with pytest.raises(StoreDamagedError, match=r"sources\.json is damaged .*restore it, or remove it") as caught:
        SourceRegistry(store)
    assert str(store) in str(caught.value)


def test_the_table_is_written_whole_or_not_at_all(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SourceRegistry(store).register(folder_with_picture(tmp_path / "photos"))
    before = (store / "sources.json").read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            SourceRegistry(store).register(folder_with_picture(tmp_path / "other"))
    assert (store / "sources.json").read_bytes() == before
    assert [path.name for path in store.iterdir() if path.suffix != ".lock"] == ["sources.json"]
    assert json.loads(before) == {"photos": str(tmp_path / "photos")}


def test_a_name_that_is_not_utf8_survives_the_table(store: Path, tmp_path: Path) -> None:
    source = folder_with_picture(tmp_path / "caf\udce9")
    named = SourceRegistry(store).register(source).name
    assert SourceRegistry(store).roots == {named: tmp_path / "caf\udce9"}
    assert SourceRegistry(store).register(source).name == named
    (post,) = source.keyed(named, source.root).posts()
    assert post.image.encode()
    assert SourceRegistry(store).file_of(post.image) == post.path
