"""Which `.topicidx` folder is meant."""

from pathlib import Path

import pytest

from topicidx.errors import SettingsError, WorkspaceNotFoundError
from topicidx.workspace import Workspace


def test_the_nearest_workspace_at_or_above_the_start_is_found(tmp_path: Path) -> None:
    outer, inner = tmp_path / ".topicidx", tmp_path / "a" / "b" / ".topicidx"
    outer.mkdir()
    inner.mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").mkdir()
    assert Workspace.find(start=tmp_path / "a" / "b" / "c").home == inner
    assert Workspace.find(start=tmp_path / "a" / "b").home == inner
    assert Workspace.find(start=tmp_path / "a").home == outer


def test_the_working_directory_is_where_the_search_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".topicidx").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert Workspace.find().home == tmp_path / ".topicidx"
    assert Workspace.find(start=Path()).home == tmp_path / ".topicidx"


def test_the_space_and_the_store_lie_in_the_workspace(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert (workspace.space, workspace.store) == (tmp_path / "space", tmp_path / "store")


def test_a_home_that_is_named_comes_before_one_that_is_near(tmp_path: Path) -> None:
    (tmp_path / ".topicidx").mkdir()
    (tmp_path / "elsewhere").mkdir()
    assert Workspace.find(tmp_path / "elsewhere", start=tmp_path).home == tmp_path / "elsewhere"
    assert Workspace.find_or_create(tmp_path / "elsewhere", start=tmp_path).home == tmp_path / "elsewhere"


def test_no_workspace_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceNotFoundError, match=r"no \.topicidx folder here.*topicidx train.*--home"):
        Workspace.find(start=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(WorkspaceNotFoundError, match="topicidx train") as caught:
            Workspace.find(home, start=tmp_path)
        assert str(home) in str(caught.value)


def test_a_file_of_the_folders_name_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / ".topicidx").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".topicidx").write_text("")
    assert Workspace.find(start=tmp_path / "a").home == tmp_path / ".topicidx"


def test_a_workspace_is_made_at_the_start_only_where_there_is_none_above(tmp_path: Path) -> None:
    made = Workspace.find_or_create(start=tmp_path)
    assert made.home == tmp_path / ".topicidx"
    assert made.home.is_dir()
    (tmp_path / "below").mkdir()
    assert Workspace.find_or_create(start=tmp_path / "below") == made
    assert Workspace.find(start=tmp_path / "below") == made


def test_a_home_that_is_named_is_made_with_its_parents(tmp_path: Path) -> None:
    home = tmp_path / "not" / "yet"
    assert Workspace.find_or_create(home).home == home
    assert home.is_dir()


def test_a_home_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingsError, match="--home") as caught:
            Workspace.find_or_create(home)
        assert str(home) in str(caught.value)
