"""`topicidx train --language`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topicidx.embedders import TopicSpace

Run = Callable[..., subprocess.CompletedProcess[str]]

CAPTIONS = (
    "the beach and the corazón", "las playas y el corazon", "les platges i el cor", "beaches, playa, corazón", "cor de mar",
    "mar i cel", "the sun", "cel",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [json.dumps({"image": f"{row}.jpg", "caption": CAPTIONS[row % len(CAPTIONS)]}) for row in range(60)]
    (tmp_path / "captions.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def trained(topicidx: Run, folder: Path, *options: str) -> dict[str, Any]:
    chosen = ("--only", "text", *options)
    if "word2vec" not in options:
        chosen += ("--topics", "3")
    done = topicidx("train", "captions.jsonl", *chosen, cwd=folder)
    assert done.returncode == 0, done.stderr
    return TopicSpace.load(folder / ".topicidx" / "space").normalizer.to_json()


@pytest.mark.parametrize("encoder", ["lda", "word2vec"])
def test_a_mixed_collection_is_trained_with_all_its_languages(topicidx: Run, folder: Path, encoder: str) -> None:
    described = trained(topicidx, folder, "--language", "en,es,ca", "--text-encoder", encoder)
    assert (described["language"], described["stemmer"]) == ("en,es,ca", "porter,spanish,catalan")
    space = TopicSpace.load(folder / ".topicidx" / "space")
    assert [found for _, found in space.words.find("the las les")] == []
    for one, other in (("beach", "beaches"), ("playa", "playas"), ("corazón", "corazon"), ("CORAZO\u0301N", "corazón")):
        [(_, found)] = space.words.find(one)
        assert found is not None
        assert [found] == [word for _, word in space.words.find(other)]


def test_the_language_may_be_in_the_settings_file_and_the_option_comes_first(topicidx: Run, folder: Path) -> None:
    (folder / "topicidx.toml").write_text('[lda]\nlanguage = "es"\n', encoding="utf-8")
    assert trained(topicidx, folder)["stemmer"] == "spanish"
    assert trained(topicidx, folder, "--language", "ca")["stemmer"] == "catalan"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--language", "en,xx"), "'xx'"),
        (("--language", "he"), "known are ar, ca,"),
        (("--language", "es", "--text-encoder", "another"), "[encoders.another]"),
        (("--language", "es", "--only", "image"), "leave --language out"),
    ],
)
def test_a_language_that_cannot_be_is_wrong_use(
    topicidx: Run, folder: Path, options: tuple[str, ...], said: str
) -> None:
    done = topicidx("train", "captions.jsonl", *options, cwd=folder)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
