"""`topicidx copy`, `backup`, `restore` and `export`."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from doubles.qdrant import QdrantDouble

Run = Callable[..., subprocess.CompletedProcess[str]]
PICTURES = 160


@pytest.fixture
def server(workspace: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A server's URL, and the settings to reach it with."""
    with QdrantDouble() as double:
        yield double.url, {"TOPICIDX_SERVER__GRPC_PORT": str(double.port), "TOPICIDX_SERVER__ATTEMPTS": "1"}


@pytest.fixture(scope="module")
def backup(workspace: Path, topicidx: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the workspace with its topic space. Read it, do not write to it."""
    file = tmp_path_factory.mktemp("backup") / "photos.tar"
    report = done(topicidx("backup", file, "--json", cwd=workspace))
    assert (report["points"], report["space"], report["bytes"]) == (PICTURES, True, file.stat().st_size)
    return file


def done(process: subprocess.CompletedProcess[str]) -> Any:
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def found(topicidx: Run, *arguments: object, cwd: Path, **env: str) -> Any:
    return done(topicidx("query", "beach", "sunrise", "--format", "json", *arguments, cwd=cwd, **env))["results"]


def refused(process: subprocess.CompletedProcess[str], code: int) -> str:
    assert (process.returncode, process.stdout) == (code, ""), process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr


def test_a_backup_is_searched_on_another_machine_as_it_was_on_the_first(
    workspace: Path, backup: Path, topicidx: Run, tmp_path: Path
) -> None:
    restored = topicidx("restore", backup, cwd=tmp_path)
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith(f"restored {PICTURES} pictures, checksum ")
    assert "the topic space is in" in restored.stderr
    assert "are looked for in" in restored.stderr
    assert found(topicidx, cwd=tmp_path) == found(topicidx, cwd=workspace)


def test_a_backup_is_checked_without_anything_being_made_of_it(backup: Path, topicidx: Run, tmp_path: Path) -> None:
    facts = done(topicidx("restore", backup, "--check", "--json", cwd=tmp_path))
    assert (facts["points"], facts["collection"], facts["space"]) == (PICTURES, "photos", True)
    assert "is whole: 160 pictures" in topicidx("restore", backup, "--check", cwd=tmp_path).stdout
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_backup_leaves_everything_as_it_was(backup: Path, topicidx: Run, tmp_path: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.tar").write_bytes(content)
    message = refused(topicidx("restore", "damaged.tar", cwd=tmp_path), 1)
    assert "damaged.tar is damaged" in message
    assert len(message.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.tar"]


def test_pictures_that_are_there_are_replaced_only_by_force_and_brought_back(
    workspace: Path, backup: Path, topicidx: Run, tmp_path: Path
) -> None:
    home = shutil.copytree(workspace / ".topicidx", tmp_path / ".topicidx")
    assert "--force" in refused(topicidx("restore", backup, cwd=tmp_path), 1)
    forced = topicidx("restore", backup, "--force", "--json", cwd=tmp_path)
    assert done(forced)["replaced"] == PICTURES
    assert "`topicidx rollback --collection photos` brings them back" in forced.stderr
    generation = json.loads((home / "store" / "photos" / "current.json").read_text())
    assert generation == {"generation": "g000002", "previous": "g000001"}


def test_a_backup_goes_back_under_its_own_name_unless_another_is_given(
    workspace: Path, topicidx: Run, tmp_path: Path
) -> None:
    done(topicidx("copy", "--to", tmp_path / "store", "--to-collection", "summer", "--json", cwd=workspace))
    at = ("--store", tmp_path / "store", "--collection", "summer")
    saved = topicidx("backup", tmp_path / "summer.tar", *at, "--no-space", "--json", cwd=workspace)
    assert done(saved)["space"] is False
    assert saved.stderr == ""
    restored = topicidx("restore", tmp_path / "summer.tar", "--store", tmp_path / "one", "--json", cwd=workspace)
    assert done(restored)["collection"] == "summer"
    assert "topicidx query --collection summer" in restored.stderr
    other = ("--store", tmp_path / "two", "--collection", "photos")
    assert done(topicidx("restore", tmp_path / "summer.tar", *other, "--json", cwd=workspace))["collection"] == "photos"
    assert found(topicidx, "--store", tmp_path / "two", cwd=workspace) == found(topicidx, cwd=workspace)


def test_a_backup_says_when_it_has_no_topic_space(workspace: Path, topicidx: Run, tmp_path: Path) -> None:
    store = workspace / ".topicidx" / "store"
    saved = topicidx("backup", "photos.tar", "--store", store, "--json", cwd=tmp_path)
    assert done(saved)["space"] is False
    assert "--space names one" in saved.stderr
    refused(topicidx("backup", "other.tar", "--store", store, "--space", "nowhere", cwd=tmp_path), 1)


def test_a_copy_to_a_server_and_back_answers_as_the_first(
    workspace: Path, topicidx: Run, tmp_path: Path, server: tuple[str, dict[str, str]]
) -> None:
    url, env = server
    there = topicidx("copy", "--to", url, "--json", cwd=workspace, **env)
    assert done(there)["words"] is True
    back = topicidx("copy", "--from", url, "--to", tmp_path / "back", "--json", cwd=workspace, **env)
    assert done(back) == done(there) | {"words": False}
    wanted = found(topicidx, cwd=workspace)
    assert found(topicidx, "--store", tmp_path / "back", cwd=workspace) == wanted
    served = found(topicidx, "--store", url, cwd=workspace, **env)
    assert [hit["id"] for hit in served] == [hit["id"] for hit in wanted]
    shutil.rmtree(workspace / ".topicidx" / "servers")


def test_a_copy_to_a_server_without_a_topic_space_says_that_no_words_go_along(
    workspace: Path, topicidx: Run, tmp_path: Path, server: tuple[str, dict[str, str]]
) -> None:
    url, env = server
    store = workspace / ".topicidx" / "store"
    copied = topicidx("copy", "--from", store, "--to", url, cwd=tmp_path, **env)
    assert copied.returncode == 0, copied.stderr
    assert "no words were copied to the server; --space names one" in copied.stderr
    assert copied.stdout.startswith(f"copied {PICTURES} pictures to {url}")


def test_an_export_is_read_by_other_programs(workspace: Path, topicidx: Run, tmp_path: Path) -> None:
    report = done(topicidx("export", tmp_path / "photos.parquet", "--json", cwd=workspace))
    assert (report["points"], report["dimensions"]) == (PICTURES, 40)
    table = pq.read_table(tmp_path / "photos.parquet")
    vectors = np.stack(table["vector"].to_numpy())
    printed = topicidx("export", tmp_path / "photos.npy", cwd=workspace).stdout
    assert printed.startswith(f"exported {PICTURES} pictures, 40 dimensions, to ")
    np.testing.assert_array_equal(np.load(tmp_path / "photos.npy"), vectors)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("copy", "--to", ".topicidx/store"), 2, "cannot be copied to itself"),
        (("copy",), 2, "--to"),
        (("copy", "--to", "other", "--to-collection", "a/b"), 2, "collection"),
        (("copy", "--from", "nowhere", "--to", "other"), 1, "there is no store at nowhere"),
        (("copy", "--to", "http://user:secret@host"), 2, "must not hold a key"),
        (("export", "photos.csv"), 2, "exports are .parquet or .npy files"),
        (("export", "missing/photos.npy"), 2, "there is no folder missing"),
        (("export", "there.npy"), 1, "there.npy exists"),
        (("backup", "there.npy"), 1, "there.npy exists"),
        (("backup", "."), 2, "is a folder"),
        (("backup", "photos.tar", "--collection", "cats"), 1, "no collection 'cats'"),
        (("restore", "nowhere.tar"), 1, "there is no file nowhere.tar"),
        (("restore", "there.npy"), 1, "there.npy is no backup of topicidx"),
    ],
)
def test_mistakes_are_explained(
    workspace: Path, topicidx: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / ".topicidx").symlink_to(workspace / ".topicidx")
    (tmp_path / "there.npy").write_bytes(b"something dear")
    message = refused(topicidx(*arguments, cwd=tmp_path), code)
    assert says in message
    assert "secret" not in message
    assert sorted(path.name for path in tmp_path.iterdir()) == [".topicidx", "there.npy"]
    assert (tmp_path / "there.npy").read_bytes() == b"something dear"


@pytest.mark.parametrize("ending", ["parquet", "npy"])
def test_an_export_into_a_folder_that_is_not_there_says_so(workspace: Path, topicidx: Run, ending: str) -> None:
    assert "there is no folder nowhere" in refused(topicidx("export", f"nowhere/x.{ending}", cwd=workspace), 2)


def test_a_restore_beside_a_damaged_table_of_sources_changes_nothing(
    backup: Path, topicidx: Run, tmp_path: Path
) -> None:
    done(topicidx("restore", backup, "--json", cwd=tmp_path))
    store = tmp_path / ".topicidx" / "store"
    (store / "sources.json").write_text("{bad")
    before = (store / "photos" / "current.json").read_bytes()
    assert "sources.json is damaged" in refused(topicidx("restore", backup, "--force", cwd=tmp_path), 1)
    assert (store / "photos" / "current.json").read_bytes() == before
