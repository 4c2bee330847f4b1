"""Image keys: one for each path, whatever its bytes, and the way back to the file."""

import os
import unicodedata
from pathlib import Path, PurePath, PurePosixPath
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from topicidx.indexer.keys import city_key, file_of, image_key, point_id

NFC, NFD = "caf\u00e9.jpg", "cafe\u0301.jpg"

names = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.text(min_size=1, max_size=8).map(lambda text: text.encode("utf-8", "ignore")),
    st.text("%0123456789ABCDEFabcdef\u0300\u0301", min_size=1, max_size=8).map(str.encode),
).filter(lambda name: name not in {b"", b".", b".."} and not set(name) & set(b"/\0"))
paths = st.lists(names, min_size=1, max_size=3).map(b"/".join)


def key_of(path: bytes) -> str:
    return image_key("photos", PurePosixPath(os.fsdecode(path)))


def normal(path: bytes) -> str:
    return unicodedata.normalize("NFC", os.fsdecode(path))


def test_point_ids_never_change() -> None:
    assert point_id("photos/london/123.jpg") == UUID("6c5685ab-95a6-5f32-a7f1-ddd394215b7b")
    assert point_id("photos/caf\u00e9.jpg") == UUID("a2ec2162-e1e2-5249-92ca-b6a989b1786b")


def test_a_key_is_the_source_and_the_path_below_its_root() -> None:
    assert image_key("photos", PurePath("london", "a.b.jpg")) == "photos/london/a.b.jpg"


def test_unicode_normal_forms_share_a_key() -> None:
    assert NFC != NFD
    assert image_key("photos", PurePath(NFC)) == image_key("photos", PurePath(NFD)) == f"photos/{NFC}"


def test_undecodable_bytes_and_what_looks_like_them_stay_apart() -> None:
    assert key_of(b"caf\xe9.jpg") == "photos/caf%E9.jpg"
    assert key_of(b"caf%E9.jpg") == "photos/caf%25E9.jpg"
    assert key_of(b"caf%25E9.jpg") == "photos/caf%2525E9.jpg"
    assert key_of(b"100%.jpg") == "photos/100%.jpg"


@given(one=paths, other=paths)
@example(one=b"%4\xc3\x80", other=b"%4A\xcc\x80")
@example(one=b"%E9", other=b"\xe9")
@example(one=b"%25E9", other=b"%E9")
@example(one=b"\xc3%A9", other=b"\xc3\xa9")
def test_different_paths_share_a_key_only_where_they_are_normal_forms_of_each_other(one: bytes, other: bytes) -> None:
    assert (key_of(one) == key_of(other)) == (normal(one) == normal(other))


@given(path=paths, form=st.sampled_from(["NFC", "NFD"]))
@example(path=b"%4\xc3\x80", form="NFD")
def test_a_key_leads_back_to_the_path(path: bytes, form: str) -> None:
    written = unicodedata.normalize(form, os.fsdecode(path))
    found = file_of(image_key("photos", PurePosixPath(written)), Path("/nowhere"))
    assert unicodedata.normalize("NFC", str(found)) == unicodedata.normalize("NFC", str(Path("/nowhere", written)))


@pytest.mark.parametrize(
    "name",
    [
        b"plain.jpg",
        NFC.encode(),
        NFD.encode(),
        b"caf\xe9.jpg",
        b"\xff\xfe\x80.jpg",
        b"two\nlines.jpg",
        b'it\'s "quoted".jpg',
        " spaced\u00a0.jpg".encode(),
        b"back\\slash.jpg",
        "\N{SUNRISE}\N{ZERO WIDTH JOINER}.jpg".encode(),
        b"%41.jpg",
        b"%.jpg",
        b"%25.jpg",
        b"100%25%E9.jpg",
        "%4\u00c0.jpg".encode(),
        "%4A\u0300.jpg".encode(),
        b"a/%2F/b.jpg",
        f"{NFD}/{NFD}".encode(),
        f"{NFC}/{NFD}".encode(),
        f"{NFD}/{NFC}".encode(),
    ],
    ids=ascii,
)
def test_the_file_of_a_key_is_found_on_the_disk(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    found = file_of(image_key("photos", path.relative_to(tmp_path)), tmp_path)
    assert found.is_file()
    assert found.samefile(path)


def test_the_file_of_a_key_that_is_gone_is_where_it_would_be(tmp_path: Path) -> None:
    assert file_of(f"photos/london/{NFC}", tmp_path) == tmp_path / "london" / NFC


@given(st.text())
@example("\u0345")
@example("\u03b1\u0345\u0301")  # marks in an order that is no normal form
@example("\u1e9e")
def test_a_city_key_is_its_own_key_and_the_same_for_every_spelling(label: str) -> None:
    key = city_key(label)
    assert city_key(key) == key
    assert city_key(unicodedata.normalize("NFD", label)) == key
    assert city_key(f"  {label}\t") == key
    assert city_key(unicodedata.normalize("NFC", label).casefold()) == key


def test_cities_are_compared_without_case_and_normal_form() -> None:
    assert city_key("  New   York ") == city_key("NEW YORK") == "new york"
    assert city_key("Mu\u0308nchen") == city_key("M\u00dcNCHEN") == "m\u00fcnchen"
    assert city_key("Gro\u00dfenhain") == city_key("GROSSENHAIN")
    assert city_key("London") != city_key("Londonderry")
