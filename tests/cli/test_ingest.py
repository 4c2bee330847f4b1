"""`topicidx ingest` on good, bad and hostile folders."""

import json
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(workspace: Path, tmp_path: Path) -> Path:
    """A workspace of its own with the trained space and no store."""
    shutil.copytree(workspace / ".topicidx" / "space", tmp_path / "own" / ".topicidx" / "space")
    return tmp_path / "own"


def _report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_hostile_files_are_named_with_their_reasons_and_good_ones_indexed(
    home: Path, photos: Path, topicidx: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    good = sorted((photos / "photos").rglob("*.jpg"))[:4]
    names = ["plain.jpg", "quo'te\"s.jpg", "new\nline.jpg", "emoji 🏖️.jpg"]
    for source, name in zip(good, names, strict=True):
        shutil.copy(source, folder / name)
    (folder / "truncated.jpg").write_bytes(good[0].read_bytes()[:2000])
    (folder / "text.jpg").write_text("not a picture at all")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "bomb.png").write_bytes(_png_bomb(30_000))
    (folder / "phone.HEIC").write_bytes(b"\0\0\0\x24ftypheic" + bytes(24))

    first = topicidx("ingest", folder, "--json", cwd=home)
    report = _report(first)
    reasons = {entry["image"].partition("/")[2]: entry["reason"] for entry in report["skipped"]}
    assert (report["indexed"], report["points"]) == (4, 4)
    assert set(reasons) == {"truncated.jpg", "text.jpg", "empty.jpg", "bomb.png", "phone.HEIC"}
    assert "truncated" in reasons["truncated.jpg"]
    assert "not a picture" in reasons["text.jpg"]
    assert "empty" in reasons["empty.jpg"]
    assert "pixels" in reasons["bomb.png"]
    assert first.stderr.count("skipped") == 5
    assert "Traceback" not in first.stderr

    listed = (home / ".topicidx" / "store" / "photos" / "skipped.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["reason"] for line in listed} == set(reasons.values())

    second = _report(topicidx("ingest", folder, "--json", cwd=home))
    assert (second["decoded"], second["indexed"], second["unchanged"], second["points"]) == (0, 0, 4, 4)
    assert len(second["skipped"]) == 5

    found = json.loads(topicidx("query", "beach", "--format", "json", "--limit", 9, cwd=home).stdout)
    assert sorted(Path(hit["path"]).name for hit in found["results"]) == sorted(names)


def test_the_same_ingest_twice_decodes_nothing_and_leaves_the_count(
    workspace: Path, photos: Path, topicidx: Run
) -> None:
    again = _report(topicidx("ingest", photos, "--json", cwd=workspace))
    assert (again["decoded"], again["indexed"], again["updated"], again["unchanged"]) == (0, 0, 0, 160)
    assert again["points"] == 160


def test_a_manifest_and_its_folder_fill_the_store_with_the_same_pictures(
    home: Path, photos: Path, topicidx: Run
) -> None:
    listed = _report(topicidx("ingest", photos / "captions.csv", "--json", cwd=home))
    everything = _report(topicidx("ingest", photos, "--json", cwd=home))
    assert everything["unchanged"] == listed["indexed"]
    assert everything["points"] == 160
    only_pictures = _report(topicidx("ingest", photos / "photos", "--json", cwd=home))
    assert only_pictures["points"] == 160
    assert only_pictures["decoded"] == 0


def test_cities_come_from_the_option_or_from_folder_names(home: Path, photos: Path, topicidx: Run) -> None:
    _report(topicidx("ingest", photos / "photos", "--json", cwd=home))
    cities = json.loads(topicidx("info", "--json", cwd=home).stdout)["store"]["cities"]
    assert {"london", "miami"} < set(cities)
    _report(topicidx("ingest", photos / "photos" / "london", "--city", "São Paulo", "--json", cwd=home))
    cities = json.loads(topicidx("info", "--json", cwd=home).stdout)["store"]["cities"]
    assert "london" not in cities
    assert cities["são paulo"] > 0


def test_a_second_ingest_into_a_store_being_written_is_refused_at_once(
    home: Path, photos: Path, topicidx: Run, workspace: Path
) -> None:
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            ("import sys; from pathlib import Path; from topicidx.indexer.embedded import EmbeddedStore\n"
            "with EmbeddedStore.writer(Path(sys.argv[1]), 'photos', 'x', 4):\n"
            "    print('holding', flush=True); sys.stdin.read()"),
            str(home / ".topicidx" / "store"),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holding\n"
    try:
        done = topicidx("ingest", photos, cwd=home)
    finally:
        holder.communicate("")
    assert done.returncode == 1
    assert "another process is writing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_store_of_another_space_is_refused_by_query_and_filled_anew_by_ingest(
    home: Path, photos: Path, topicidx: Run
) -> None:
    _report(topicidx("ingest", photos / "photos" / "london", "--json", cwd=home))
    manifest = home / ".topicidx" / "space" / "space.json"
    space = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(space | {"vector_space": "0" * 64}), encoding="utf-8")
    refused = topicidx("query", "beach", cwd=home)
    assert refused.returncode == 1
    assert "another topic space" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    again = topicidx("ingest", photos / "photos" / "miami", cwd=home)
    assert "another topic space before" in again.stderr
    assert topicidx("query", "beach", cwd=home).returncode == 0


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("nowhere", 1, "there is nothing at"),
        ("empty", 1, "there are no pictures in"),
        ("notes.pdf", 1, "neither a folder nor a manifest"),
        ("bad.csv", 1, "has no column for the picture"),
    ],
)
def test_a_source_that_cannot_be_used_is_explained(
    home: Path, topicidx: Run, source: str, code: int, says: str
) -> None:
    (home / "empty").mkdir()
    (home / "notes.pdf").write_bytes(b"%PDF")
    (home / "bad.csv").write_text("name,words\na.jpg,beach\n")
    done = topicidx("ingest", source, cwd=home)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_ingest_without_a_space_names_the_next_step(topicidx: Run, photos: Path, tmp_path: Path) -> None:
    done = topicidx("ingest", photos, cwd=tmp_path)
    assert done.returncode == 1
    assert "topicidx train" in done.stderr


def test_pictures_that_are_gone_are_mentioned(home: Path, photos: Path, topicidx: Run, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for number, picture in enumerate(sorted((photos / "photos").rglob("*.jpg"))[:3]):
        shutil.copy(picture, folder / f"{number}.jpg")
    assert _report(topicidx("ingest", folder, "--json", cwd=home))["vanished"] == 0
    (folder / "1.jpg").unlink()
    again = topicidx("ingest", folder, "--json", cwd=home)
    assert (_report(again)["vanished"], _report(again)["points"]) == (1, 3)
    assert "1 pictures in the store are no longer where they were" in again.stderr


def test_a_space_that_is_named_leaves_the_store_in_the_home_that_is_named(
    home: Path, photos: Path, topicidx: Run, tmp_path: Path
) -> None:
    space = home / ".topicidx" / "space"
    (tmp_path / "elsewhere").mkdir()
    london = photos / "photos" / "london"
    _report(topicidx("ingest", london, "--space", space, "--home", home, "--json", cwd=tmp_path / "elsewhere"))
    assert (home / ".topicidx" / "store" / "photos" / "current.json").is_file()
