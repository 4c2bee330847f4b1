"""A text encoder that another package provides, installed from `tests/plugin`."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from topicidx.embedders.protocols import text_encoder_class
from topicidx.errors import SettingsError

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as pip installs it."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(Path(__file__).parent.parent / "plugin", folder / "package")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", folder / "package"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return folder / "site"


@pytest.fixture
def captioned(tmp_path: Path, themed_captions: tuple[str, ...]) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, caption in enumerate(themed_captions[:40]):
        (folder / f"{number}.jpg").touch()
        (folder / f"{number}.txt").write_text(caption, encoding="utf-8")
    return folder


OPEN = """
import json, sys
from pathlib import Path
from topicidx.embedders import TopicSpace
space = TopicSpace.load(Path(sys.argv[1]))
[row] = space.encode_text(["a sunrise at the #beach"])
words = [space.words.vocabulary.words[int(place)].form for place in row.nonzero()[0]]
print(json.dumps([type(space.text_encoder).__module__, space.scores, space.dimensions == len(row), words]))
"""


def test_an_installed_encoder_is_found_and_what_it_learned_is_opened_again(
    installed: Path, captioned: Path, tmp_path: Path, topicidx: Run
) -> None:
    environment = {"PYTHONPATH": str(installed)}
    chosen = ("--text-encoder", "onehot", "--only", "text")
    trained = topicidx("train", captioned, *chosen, cwd=tmp_path, **environment)
    assert trained.returncode == 0, trained.stderr
    space = tmp_path / ".topicidx" / "space"
    assert json.loads((space / "space.json").read_text(encoding="utf-8"))["text"]["encoder"] == "onehot"
    opened = subprocess.run(
        [sys.executable, "-c", OPEN, space], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(opened.stdout) == ["topicidx_onehot", "similarity", True, ["beach", "sunrise"]]
    # Elsewhere the package is missing.
    missing = topicidx("train", captioned, *chosen, cwd=tmp_path)
    assert missing.returncode == 2
    assert "no text encoder is registered as 'onehot' (known: lda, word2vec)" in missing.stderr


def test_its_settings_have_a_table_of_their_own(
    installed: Path, captioned: Path, tmp_path: Path, topicidx: Run
) -> None:
    toml = 'text_encoder = "onehot"\n\n[encoders.onehot]\nmin_documents = 1000\n'
    (tmp_path / "topicidx.toml").write_text(toml, encoding="utf-8")
    trained = topicidx("train", captioned, "--only", "text", cwd=tmp_path, PYTHONPATH=str(installed))
    assert trained.returncode == 1
    assert "none in at least 1000 captions" in trained.stderr


def test_unknown_encoders_are_named_with_those_that_are_known() -> None:
    with pytest.raises(SettingsError, match=r"'nothing' \(known: lda, word2vec\)"):
        text_encoder_class("nothing")
    assert text_encoder_class("lda").name == "lda"


def test_an_encoder_that_cannot_be_loaded_or_has_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[topicidx.text_encoders]\ngone = nowhere_at_all:Encoder\nalias = topicidx.embedders.lda:LdaTextEncoder\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match="'gone' cannot be loaded from nowhere_at_all:Encoder"):
        text_encoder_class("gone")
    with pytest.raises(SettingsError, match="registered as 'alias' calls itself 'lda'"):
        text_encoder_class("alias")
