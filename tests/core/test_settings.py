"""Flags over `TOPICIDX_*` variables over `topicidx.toml`, and what is said of a setting that is wrong."""

import os
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from topicidx.errors import SettingsError
from topicidx.settings import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, without any TOPICIDX_ variable."""
    for name in [name for name in os.environ if name.upper().startswith("TOPICIDX_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "topicidx.toml"
    file.write_text(text, encoding="utf-8")
    return file


def message(**flags: object) -> str:
    """What is said of wrong settings: always one line, and always without a traceback of another library."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(**flags)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_anything_given_the_defaults_hold() -> None:
    settings = Settings.load()
    assert (settings.lda.num_topics, settings.limit, settings.match, settings.collection) == (500, 10, "all", "photos")
    assert (settings.home, settings.space, settings.store, settings.seed) == (None, None, None, 0)
    assert settings == Settings()


def test_flags_come_before_variables_and_variables_before_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, 'limit = 1\nseed = 1\ncollection = "file"\nstore = "file"')
    monkeypatch.setenv("TOPICIDX_SEED", "2")
    monkeypatch.setenv("TOPICIDX_COLLECTION", "variable")
    settings = Settings.load(collection="flag")
    assert (settings.limit, settings.seed, settings.collection, settings.store) == (1, 2, "flag", str(folder / "file"))


def test_nested_settings_are_merged_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lda = "[lda]\nnum_topics = 1001\npasses = 1001\nchunksize = 1001"
    training = '[training]\narch = "bvlc"\nepochs = 1001\npatience = 1001'
    write(folder, f"{lda}\n{training}")
    monkeypatch.setenv("TOPICIDX_LDA__PASSES", "1002")
    monkeypatch.setenv("TOPICIDX_LDA__CHUNKSIZE", "1002")
    monkeypatch.setenv("TOPICIDX_TRAINING__EPOCHS", "1002")
    settings = Settings.load(lda={"chunksize": 1003}, training={"epochs": 1003})
    assert (settings.lda.num_topics, settings.lda.passes, settings.lda.chunksize) == (1001, 1002, 1003)
    assert (settings.training.arch, settings.training.patience, settings.training.epochs) == ("bvlc", 1001, 1003)
    assert settings.lda.language == "en"


def test_a_variable_reaches_a_nested_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPICIDX_LDA__NUM_TOPICS", "100")
    monkeypatch.setenv("TOPICIDX_LDA__EXTRA_STOP_WORDS", '["instagood", "tbt"]')
    lda = Settings.load().lda
    assert (lda.num_topics, lda.extra_stop_words) == (100, ("instagood", "tbt"))


def test_flags_that_are_none_count_as_not_given(folder: Path) -> None:
    write(folder, 'limit = 7\nspace = "elsewhere"\n[lda]\nnum_topics = 70')
    settings = Settings.load(limit=None, space=None, lda={"num_topics": None, "passes": 3})
    assert (settings.limit, settings.space) == (7, folder / "elsewhere")
    assert (settings.lda.num_topics, settings.lda.passes) == (70, 3)


def test_a_variable_that_is_empty_counts_as_not_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, 'home = "elsewhere"\nlimit = 7')
    monkeypatch.setenv("TOPICIDX_HOME", "")
    monkeypatch.setenv("TOPICIDX_LIMIT", "")
    settings = Settings.load()
    assert (settings.home, settings.limit) == (folder / "elsewhere", 7)


def test_paths_in_the_file_start_from_where_it_lies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, 'home = "here"\nspace = "/absolute"\nstore = "http://host:6333"')
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    settings = Settings.load()
    assert (settings.home, settings.space, settings.store) == (folder / "here", Path("/absolute"), "http://host:6333")
    assert Settings.load(space=Path("flag")).space == Path("flag")
    for written, meant in (("a/key", folder / "a" / "key"), ("/a/key", Path("/a/key")), ("~/key", Path.home() / "key")):
        write(folder, f'[server]\napi_key_file = "{written}"')
        assert Settings.load().server.api_key_file == meant


def test_the_nearest_file_above_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "limit = 1\nseed = 1")
    write(folder / "a" / "b", "limit = 2")
    (folder / "a" / "b" / "c").mkdir()
    for place, limit, seed in (("a", 1, 1), ("a/b", 2, 0), ("a/b/c", 2, 0)):
        monkeypatch.chdir(folder / place)
        settings = Settings.load()
        assert (settings.limit, settings.seed) == (limit, seed)


def test_a_file_that_is_named_comes_before_one_that_is_near(folder: Path) -> None:
    write(folder, "limit = 1")
    assert Settings.load(file=write(folder / "other", "limit = 2")).limit == 2


def test_a_file_that_is_named_must_be_there(folder: Path) -> None:
    assert str(folder / "missing.toml") in message(file=folder / "missing.toml")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.load().limit = 3


@pytest.mark.parametrize("name", ["TOPICIDX_TEST_DATA", "TOPICIDX_QDRANT_API_KEY"])
def test_variables_that_are_no_settings_are_ignored(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/some/where")
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("limmit = 5", "limmit"),
        ("[lda]\ntopics = 5", "lda.topics"),
        ("[trainning]\narch = 'bvlc'", "trainning"),
        ("limit = 'many'", "limit"),
        ("limit = 0", "limit"),
        ("collection = 'no spaces please'", "collection"),
        ("match = 'some'", "match"),
        ("lda = 5", "lda"),
        ("[lda]\nnum_topics = 1", "lda.num_topics"),
        ("[lda]\nmax_document_share = 1.5", "lda.max_document_share"),
        ("[training]\narch = 'resnet'", "training.arch"),
        ("[training]\nepochs = 'three'", "training.epochs"),
    ],
)
def test_a_wrong_setting_in_the_file_is_named_with_the_file(folder: Path, text: str, setting: str) -> None:
    file = write(folder, text)
    said = message()
    assert f" {setting}: " in said
    assert str(file) in said


def test_every_wrong_setting_is_named_at_once(folder: Path) -> None:
    write(folder, "limit = 0\nlimmit = 1")
    said = message(seed=-1)
    assert all(f" {setting}: " in said for setting in ("limit", "limmit", "seed"))


@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("TOPICIDX_LIMIT", "many", "limit"),
        ("TOPICIDX_LDA__NUM_TOPICS", "few", "lda.num_topics"),
        ("TOPICIDX_LDA__TOPICS", "5", "lda.topics"),
        ("TOPICIDX_LDA", "5", "lda"),
        ("TOPICIDX_TRAINING", "{broken", "training"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str) -> None:
    monkeypatch.setenv(variable, value)
    said = message()
    assert setting in said
    assert "TOPICIDX_" in said or "variable" in said


def test_a_wrong_flag_is_named_with_what_was_given() -> None:
    assert "limit: " in message(limit="many")
    assert "'many'" in message(limit="many")
    assert "lda.num_topics: " in message(lda={"num_topics": 1})


@pytest.mark.parametrize("content", [b"limit = \n", b"[lda\n", b"\xff\xfe\x00", b"limit = 1\nlimit = 2\n"])
def test_a_file_that_is_not_toml_is_named(folder: Path, content: bytes) -> None:
    (folder / "topicidx.toml").write_bytes(content)
    assert str(folder / "topicidx.toml") in message()


def test_a_text_encoder_gets_its_own_settings() -> None:
    encoders = {"onehot": {"least": 3}}
    assert Settings.load(lda={"num_topics": 7}).text_settings.num_topics == 7
    assert Settings.load(text_encoder="word2vec", word2vec={"dimensions": 7}).text_settings.dimensions == 7
    assert Settings.load(text_encoder="onehot", encoders=encoders).text_settings == {"least": 3}
    assert Settings.load(text_encoder="home", encoders=encoders).text_settings is None
    with pytest.raises(SettingsError, match=r"the settings of lda have their own table, \[lda\]"):
        Settings.load(encoders={"lda": {"num_topics": 7}})


def test_a_misspelt_variable_is_mentioned(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name, value in (("TOPICIDX_LIMT", "3"), ("TOPICIDX_API_KEY", "k"), ("TOPICIDX_LDA__PASSES", "3")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TOPICIDX_TEST_DATA", "/data")
    assert Settings.load().limit == 10
    assert [record.getMessage().split()[2] for record in caplog.records] == ["TOPICIDX_LIMT"]
