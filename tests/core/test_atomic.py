"""Files and folders appear whole or not at all, also where the process is interrupted or dies."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from topicidx.atomic import new_folder, standing_folder, write_file

# Replaces a folder and dies, as by `kill -9`, after the first rename, which moves the old folder away, or the second.
DIE_AFTER_RENAMES = """
import os, sys
from pathlib import Path
from topicidx.atomic import new_folder

rename, left = Path.rename, int(sys.argv[2])
def rename_and_die(self, target):
    global left
    rename(self, target)
    left -= 1
    if not left:
        os._exit(9)
Path.rename = rename_and_die

with new_folder(Path(sys.argv[1])) as building:
    (building / "file").write_text("new")
"""


def files_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def make_old(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "file").write_text("old")
    (folder / "gone").write_text("old")


def test_a_new_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    destination = tmp_path / "not" / "yet" / "there"
    with new_folder(destination) as building:
        (building / "inner").mkdir()
        (building / "inner" / "file").write_text("new")
        assert building.parent == destination.parent
        assert not destination.exists()
    assert files_of(tmp_path / "not" / "yet") == {"there": "folder", "there/inner": "folder", "there/inner/file": "new"}


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    make_old(tmp_path / "it")
    with new_folder(tmp_path / "it") as building:
        (building / "file").write_text("new")
        assert (tmp_path / "it" / "file").read_text() == "old"
    assert files_of(tmp_path) == {"it": "folder", "it/file": "new"}


def test_others_may_read_a_new_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "it"):
        pass
    assert (tmp_path / "it").stat().st_mode & 0o777 == 0o755


def test_a_relative_path_is_a_place_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with new_folder(Path("it")) as building:
        (building / "file").write_text("new")
    assert files_of(tmp_path) == {"it": "folder", "it/file": "new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("there_before", [True, False])
def test_an_exception_in_the_block_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException], there_before: bool
) -> None:
    if there_before:
        make_old(tmp_path / "it")
    before = files_of(tmp_path)

    def write_half() -> None:
        with new_folder(tmp_path / "it") as building:
            (building / "file").write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert files_of(tmp_path) == before


def test_a_rename_that_fails_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_old(tmp_path / "it")
    before = files_of(tmp_path)
    rename = Path.rename

    def fail_for_the_new_one(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise OSError("no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(OSError, match="no space left"), new_folder(tmp_path / "it") as building:
        (building / "file").write_text("new")
    assert files_of(tmp_path) == before


def die_after_renames(folder: Path, renames: int) -> None:
    done = subprocess.run([sys.executable, "-c", DIE_AFTER_RENAMES, str(folder), str(renames)], check=False)
    assert done.returncode == 9
    assert folder.exists() == (renames == 2)


def test_the_old_folder_comes_back_after_a_death_between_the_renames(tmp_path: Path) -> None:
    make_old(tmp_path / "it")
    die_after_renames(tmp_path / "it", 1)
    assert files_of(standing_folder(tmp_path / "it")) == {"file": "old", "gone": "old"}


def test_the_new_folder_stays_after_a_death_once_it_stands(tmp_path: Path) -> None:
    make_old(tmp_path / "it")
    die_after_renames(tmp_path / "it", 2)
    assert files_of(standing_folder(tmp_path / "it")) == {"file": "new"}


@pytest.mark.parametrize("renames", [1, 2])
def test_a_new_folder_can_be_written_after_a_death(tmp_path: Path, renames: int) -> None:
    make_old(tmp_path / "it")
    die_after_renames(tmp_path / "it", renames)
    with new_folder(tmp_path / "it") as building:
        (building / "file").write_text("newer")
    assert files_of(tmp_path / "it") == {"file": "newer"}
    assert files_of(standing_folder(tmp_path / "it")) == {"file": "newer"}


@pytest.mark.parametrize("place", [".", "/", "there", "nowhere"])
def test_where_nothing_happened_a_folder_stands_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    make_old(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    before = files_of(tmp_path)
    assert standing_folder(Path(place)) == Path(place)
    assert files_of(tmp_path) == before


def test_a_link_to_a_folder_stays_a_link_and_can_be_replaced_again_and_again(tmp_path: Path) -> None:
    make_old(tmp_path / "disk" / "real")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk" / "real")
    for content in ("first", "second", "third"):
        with new_folder(link) as building:
            (building / "file").write_text(content)
        assert link.is_symlink()
        assert files_of(tmp_path / "disk") == {"real": "folder", "real/file": content}


def test_a_file_is_written_whole_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("old and longer than the new one")
    write_file(path, "žluťoučký\n😀")
    assert path.read_bytes() == "žluťoučký\n😀".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_working_directory_can_be_named_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_file(Path("file"), "new")
    assert files_of(tmp_path) == {"file": "new"}


def test_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_file(tmp_path / "file", "\ud800")
    assert files_of(tmp_path) == {"file": "old"}


def test_a_file_that_does_not_reach_the_disk_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        write_file(tmp_path / "file", "new")
    assert files_of(tmp_path) == {"file": "old"}
