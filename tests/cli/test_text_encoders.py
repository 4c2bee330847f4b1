"""`topicidx train --text-encoder`, and the other commands with what it learned."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from topicidx.indexer import Index

Run = Callable[..., subprocess.CompletedProcess[str]]

TOML = "[word2vec]\ndimensions = 20\n\n[training]\ncrop = 32\nresize = 36\nbatch_size = 16\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, topicidx: Run) -> Path:
    """A workspace whose text encoder is word2vec, trained on a few pictures and filled with them. Read it alone."""
    from topicidx.indexer.rendered import render_collection

    folder = tmp_path_factory.mktemp("word2vec")
    render_collection(folder / "photos", 60, 48, seed=3)
    (folder / "topicidx.toml").write_text(TOML, encoding="utf-8")
    chosen = ("--text-encoder", "word2vec", "--init", "random", "--epochs", 1)
    done = topicidx("train", "photos/captions.csv", *chosen, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "20 dimensions" in done.stdout
    ingested = topicidx("ingest", "photos", cwd=folder)
    assert ingested.returncode == 0, ingested.stderr
    return folder


def test_every_dimension_of_a_picture_is_a_number_of_its_own(trained: Path) -> None:
    with Index.open(trained) as index:
        assert index.space.text_encoder.name == "word2vec"
        pictures = [record.id for record in index.store.scroll([])]
        vectors = index.store.vectors(pictures)
    assert vectors.shape == (60, 20)
    assert ((vectors >= 0) & (vectors <= 1)).all()
    # Distributions would sum to 1.
    assert np.median(vectors.sum(axis=1)) > 3


def test_words_rank_all_pictures(trained: Path, topicidx: Run) -> None:
    found = topicidx("query", "beach -night", "--format", "json", "--limit", 60, cwd=trained)
    assert found.returncode == 0, found.stderr
    hits = json.loads(found.stdout)["results"]
    assert len(hits) == 60
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_it_is_evaluated_by_the_same_command(trained: Path, topicidx: Run) -> None:
    options = ("--by", "words", "--least", 3, "--json")
    evaluated = topicidx("evaluate", "photos/captions.csv", *options, cwd=trained)
    assert evaluated.returncode == 0, evaluated.stderr
    report = json.loads(evaluated.stdout)
    assert report["methods"] == ["mean", "all"]
    assert not report.get("calibration")


def test_info_names_it_and_topics_says_that_it_has_none(trained: Path, topicidx: Run) -> None:
    assert "text encoder: word2vec" in topicidx("info", cwd=trained).stdout
    for options in ((), ("--json",), ("--html", "topics.html")):
        topics = topicidx("topics", *options, cwd=trained)
        assert topics.returncode == 1
        assert "'word2vec'" in topics.stderr
    assert not (trained / "topics.html").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--text-encoder", "nothing"), "no text encoder is registered as 'nothing' (known: lda, word2vec)"),
        (("--text-encoder", "word2vec", "--topics", 7), "--topics is for the text encoder lda"),
        (("--text-encoder", "word2vec", "--only", "image"), "leave --text-encoder out"),
    ],
)
def test_what_cannot_be_is_refused(trained: Path, topicidx: Run, options: tuple[object, ...], problem: str) -> None:
    refused = topicidx("train", "photos/captions.csv", *options, cwd=trained)
    assert refused.returncode == 2
    assert problem in refused.stderr
