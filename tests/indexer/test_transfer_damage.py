"""Backups that are damaged, cut short, foreign or hostile are refused before anything is touched."""

import hashlib
import io
import json
import pickle
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doubles.collections import fill_folder, made_up_points
from topicidx.errors import TransferError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.store import PointBlock
from topicidx.indexer.totals import Totals
from topicidx.indexer.transfer.backup import write_backup
from topicidx.indexer.transfer.reading import Backup, read_backup

Members = dict[str, bytes]
NPY, LINES = "points/000000.npy", "points/000000.jsonl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole backup of 6 points. Read it, do not write to it."""
    folder = tmp_path_factory.mktemp("whole")
    fill_folder(folder / "store", made_up_points(6, dimensions=4))
    with EmbeddedStore.open(folder / "store") as store:
        write_backup(store, folder / "photos.tar", roots={"photos": Path("/here")}, skipped=b"{}\n")
    return folder / "photos.tar"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "photos.tar"


def members(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def pack(file: Path, content: Members, *, renew: bool = True) -> Path:
    """A tar of these members; with `renew` the checksums say what the members are, as a clever stranger would have it."""
    if renew:
        sums = json.loads(content["checksums.json"])
        sums["members"] = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in content.items()
            if name != "checksums.json"
        }
        content = {**content, "checksums.json": json.dumps(sums).encode()}
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def points_of(backup: Backup) -> list[tuple[list[uuid.UUID], bytes, list[Any]]]:
    return [(block.ids, block.vectors.tobytes(), block.payloads) for block in backup.blocks()]


def test_a_whole_backup_is_read(whole: Path, file: Path) -> None:
    assert read_backup(whole).header.points == 6
    assert points_of(read_backup(pack(file, members(whole)))) == points_of(read_backup(whole))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_byte_that_was_changed_is_noticed_or_does_no_harm(whole: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1), label="place")
    content[place] ^= data.draw(st.integers(1, 255), label="change")
    with whole.with_name("changed.tar").open("wb") as changed:
        changed.write(content)
    try:
        found = read_backup(Path(changed.name))
    except TransferError as error:
        assert changed.name in str(error)  # noqa: PT017 one of two good outcomes
    else:
        original = read_backup(whole)
        assert points_of(found) == points_of(original)
        assert (found.header, found.sources, found.skipped) == (original.header, original.sources, original.skipped)


@pytest.mark.parametrize("member", ["backup.json", "sources.json", "skipped.jsonl", NPY, LINES, "checksums.json"])
def test_a_byte_changed_in_any_member_is_noticed(whole: Path, file: Path, member: str) -> None:
    content = bytearray(whole.read_bytes())
    with tarfile.open(whole) as tar:
        found = tar.getmember(member)
    content[found.offset_data + found.size - 3] ^= 1
    file.write_bytes(content)
    with pytest.raises(TransferError, match=r"photos\.tar is damaged: .*copy it again from where it came"):
        read_backup(file)


def test_a_byte_changed_between_two_members_is_noticed(whole: Path, file: Path) -> None:
    content = bytearray(whole.read_bytes())
    with tarfile.open(whole) as tar:
        found = tar.getmember("sources.json")
    content[found.offset_data + found.size] = 1
    file.write_bytes(content)
    with pytest.raises(TransferError, match=r"photos\.tar is damaged: what follows sources\.json"):
        read_backup(file)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_file_that_is_cut_short_is_noticed(whole: Path, data: st.DataObject) -> None:
    content = whole.read_bytes()
    length = data.draw(st.integers(0, len(content) - 1))
    cut = whole.with_name("cut.tar")
    cut.write_bytes(content[:length])
    with pytest.raises(TransferError, match=r"is cut short|is no backup of topicidx"):
        read_backup(cut)


@pytest.mark.parametrize("added", [b"x", bytes(10_239) + b"x", bytes(512)])
def test_what_is_added_at_the_end_is_noticed(whole: Path, file: Path, added: bytes) -> None:
    file.write_bytes(whole.read_bytes() + added)
    with pytest.raises(TransferError, match="damaged"):
        read_backup(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is no tar file"),
        (b"image,caption\n" * 100, "it is no tar file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2_000), "it is no tar file"),
        (bytes(10_240), "it is no tar file"),
    ],
    ids=["empty", "text", "picture", "zeros"],
)
def test_a_file_of_another_kind_is_called_foreign(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(TransferError, match=rf"photos\.tar is no backup of topicidx \({says}\); name a file"):
        read_backup(file)


@pytest.mark.parametrize(
    "content",
    [{"holiday.txt": b"words"}, {"backup.json": b"{}"}, {"backup.json": b"[1]"}, {"backup.json": b'{"kind": "other"}'}],
)
def test_a_tar_of_something_else_is_called_foreign(file: Path, content: Members) -> None:
    with pytest.raises(TransferError, match="is no backup of topicidx"):
        read_backup(pack(file, content, renew=False))


@pytest.mark.parametrize("missing", ["nowhere.tar", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(TransferError, match=r"there is no file|Is a directory"):
        read_backup(tmp_path / missing)


def test_a_newer_format_asks_for_a_newer_topicidx(whole: Path, file: Path) -> None:
    content = members(whole)
    newer = json.loads(content["backup.json"]) | {"format_version": 2, "topicidx": "9.0", "compression": "new"}
    content["backup.json"] = json.dumps(newer).encode()
    with pytest.raises(TransferError, match=r"has format 2 \(topicidx 9\.0\), .* reads up to 1; upgrade topicidx"):
        read_backup(pack(file, content))


# Members that no backup has


@pytest.mark.parametrize(
    "name",
    [
        "../escape.jsonl", "/etc/cron.d/job", "points/../../escape.npy", "space/../escape", "space/.hidden", "space/a/b",
        "points/000001.npy/x", "points/000000.npz", "space/", "backup.json ", "C:\\escape", "space/-rf", "checksums.json.bak",
    ],
)  # fmt: skip
def test_a_member_of_another_name_is_refused(whole: Path, file: Path, name: str) -> None:
    content = members(whole)
    sums = content.pop("checksums.json")
    with pytest.raises(TransferError, match=r"which no backup has|has no proper header"):
        read_backup(pack(file, {**content, name: b"evil", "checksums.json": sums}))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE,
     tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.AREGTYPE, b"?"],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_what_is_no_plain_file_is_refused(whole: Path, file: Path, kind: bytes, first: bool) -> None:
    evil = tarfile.TarInfo("space/words.safetensors")
    evil.type = kind
    evil.linkname = "/etc/passwd"
    header = evil.tobuf(tarfile.GNU_FORMAT)[-512:]
    file.write_bytes(header + whole.read_bytes() if first else whole.read_bytes()[:1_024] + header)
    with pytest.raises(TransferError, match="no plain file"):
        read_backup(file)


@pytest.mark.parametrize("size", [-1, -512, -(2**40), 2**62])
def test_a_size_that_no_file_has_is_refused(file: Path, size: int) -> None:
    info = tarfile.TarInfo("backup.json")
    info.size = size
    file.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(9_728))
    with pytest.raises(TransferError, match=r"no plain file|cut short"):
        read_backup(file)


def test_a_member_that_comes_twice_is_refused(whole: Path, file: Path) -> None:
    content = whole.read_bytes()
    with tarfile.open(whole) as tar:
        second = tar.getmember("sources.json")
        third = tar.getmember("skipped.jsonl")
    twice = content[second.offset : third.offset]
    file.write_bytes(content[: third.offset] + twice + content[third.offset :])
    with pytest.raises(TransferError, match=r"a member too many, 'sources\.json'"):
        read_backup(file)


@pytest.mark.parametrize("name", ["backup.json", "sources.json", NPY, LINES, "checksums.json"])
def test_a_member_that_is_missing_is_noticed(whole: Path, file: Path, name: str) -> None:
    content = members(whole)
    del content[name]
    with pytest.raises(TransferError, match=r"photos\.tar"):
        read_backup(pack(file, content, renew=name != "checksums.json"))


def test_a_member_that_the_checksums_do_not_know_is_refused(whole: Path, file: Path) -> None:
    content = members(whole)
    sums = content.pop("checksums.json")
    with pytest.raises(TransferError, match=r"space/extra\.bin is not as it was written"):
        read_backup(pack(file, {**content, "space/extra.bin": b"x", "checksums.json": sums}, renew=False))


# Content that no backup has, with checksums that agree


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


class Evil:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('/tmp/topicidx-was-here').touch()",)


def with_header(text: str) -> bytes:
    """A .npy file that says of itself what `text` says."""
    padded = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + bytes(96)


WRONG_VECTORS = {
    "a pickle": pickle.dumps(Evil()),
    "objects": npy(np.array([Evil()] * 6, dtype=object), allow_pickle=True),
    "float64": npy(np.ones((6, 4))),
    "big-endian": npy(np.ones((6, 4), dtype=">f4")),
    "column order": npy(np.asfortranarray(np.ones((6, 4), dtype="<f4"))),
    "too few dimensions": npy(np.ones((8, 3), dtype="<f4")),
    "too few rows": npy(np.ones((5, 4), dtype="<f4")),
    "one dimension": npy(np.ones(24, dtype="<f4")),
    "longer than it says": npy(np.ones((6, 4), dtype="<f4")) + bytes(16),
    "huge": with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 4), }"),
    "negative": with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-6, 4), }"),
    "no shape": with_header("{'descr': '<f4'}"),
    "code": with_header("__import__('os').system('true')"),
    "deep": with_header("(" * 5_000),
    "NaN": npy(np.full((6, 4), np.nan, dtype="<f4")),
    "infinite": npy(np.full((6, 4), np.inf, dtype="<f4")),
    "below zero": npy(np.full((6, 4), -1, dtype="<f4")),
    "empty": b"",
}


@pytest.mark.parametrize("content", WRONG_VECTORS.values(), ids=WRONG_VECTORS)
def test_vectors_that_are_none_are_refused(whole: Path, file: Path, content: bytes) -> None:
    mark = Path("/tmp/topicidx-was-here")
    with pytest.raises(TransferError, match=r"photos\.tar is damaged"):
        read_backup(pack(file, {**members(whole), NPY: content}))
    assert not mark.exists()


POINT = b'{"id": "%s", "payload": {}}\n' % str(uuid.UUID(int=7)).encode()
WRONG_LINES = {
    "empty": b"",
    "one too few": POINT * 5,
    "one too many": POINT * 7,
    "no JSON": b"{\n" * 6,
    "no object": b"[]\n" * 6,
    "no id": b'{"payload": {}}\n' * 6,
    "a wrong id": b'{"id": "7", "payload": {}}\n' * 6,
    "a number for id": b'{"id": 7, "payload": {}}\n' * 6,
    "no payload": b'{"id": "00000000-0000-0000-0000-000000000007", "payload": null}\n' * 6,
    "NaN": POINT.replace(b"{}", b'{"likes": NaN}') * 6,
    "not UTF-8": POINT.replace(b"{}", b'{"city": "\xff"}') * 6,
    "half a character": POINT.replace(b"{}", b'{"city": "\\ud800"}') * 6,
    "deep": b"[" * 100_000,
    "other points": POINT * 6,
}


@pytest.mark.parametrize("content", WRONG_LINES.values(), ids=WRONG_LINES)
def test_points_that_are_none_are_refused(whole: Path, file: Path, content: bytes) -> None:
    with pytest.raises(TransferError, match=r"photos\.tar is damaged"):
        read_backup(pack(file, {**members(whole), LINES: content}))


@pytest.mark.parametrize(
    "changed",
    [
        {"collection": "../../etc"}, {"collection": "a/b"}, {"collection": ""}, {"dimensions": 0}, {"dimensions": 10**9},
        {"points": -1}, {"points": 7}, {"fields": {"likes": "geo"}}, {"format_version": "x"}, {"surprise": 1},
        {"vector_space": None},
    ],
)  # fmt: skip
def test_a_header_that_says_what_cannot_be_is_refused(whole: Path, file: Path, changed: dict[str, Any]) -> None:
    content = members(whole)
    content["backup.json"] = json.dumps(json.loads(content["backup.json"]) | changed).encode()
    with pytest.raises(TransferError, match=r"photos\.tar is damaged"):
        read_backup(pack(file, content))


@pytest.mark.parametrize(
    "table", [b"", b"[]", b"null", b'{"photos": 7}', b'{"": "/here"}', b'{"a/b": "/here"}', b'{"a": "\\u0000"}']
)
def test_a_table_of_sources_that_is_none_is_refused(whole: Path, file: Path, table: bytes) -> None:
    with pytest.raises(TransferError, match=r"sources\.json is n"):
        read_backup(pack(file, {**members(whole), "sources.json": table}))


def test_points_that_were_exchanged_do_not_fit_the_totals(whole: Path, file: Path) -> None:
    content = members(whole)
    content[NPY] = npy(np.full((6, 4), 0.25, dtype="<f4"))
    with pytest.raises(TransferError, match=r"it holds 6 points with the checksum \w{32}, and says 6 with \w{32}"):
        read_backup(pack(file, content))


def test_a_file_that_changes_after_it_was_verified_is_noticed(whole: Path, file: Path) -> None:
    backup = read_backup(pack(file, members(whole)))
    content = members(whole)
    content[LINES] = content[LINES].replace(b"user 1", b"user 2")
    pack(file, content)
    with pytest.raises(TransferError, match="has changed since it was verified"):
        list(backup.blocks())


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    payload=st.dictionaries(TEXT, JSON, max_size=4),
    vector=st.lists(st.floats(0, 2**127, width=32), min_size=3, max_size=3),
)
def test_any_payload_and_any_vector_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, payload: dict[str, Any], vector: list[float]
) -> None:
    block = PointBlock([uuid.UUID(int=9)], np.array([vector], dtype=np.float32), [payload])

    class One:
        def info(self) -> Any:
            from topicidx.indexer.store import StoreInfo

            return StoreInfo("", "photos", 1, 3, "a space", "g000001")

        def blocks(self) -> list[PointBlock]:
            return [block]

    file = tmp_path_factory.getbasetemp() / "any.tar"
    write_backup(One(), file, force=True)  # type: ignore[arg-type]
    backup = read_backup(file)
    assert points_of(backup) == [(block.ids, block.vectors.tobytes(), block.payloads)]
    assert backup.totals == Totals().plus(block)
