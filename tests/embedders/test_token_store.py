"""Reading captions: the same whatever the number of processes, and taken up again where it was stopped."""

import multiprocessing
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.embedders import token_store, tokens
from topicidx.embedders.corpus import build_corpus
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.token_store import TokenStore
from topicidx.embedders.tokens import tokenize, tokenized
from topicidx.errors import TrainingError

NORMALIZER = CaptionNormalizer("en", "porter", frozenset({"the", "and"}))
TEXTS = tuple(f"the #sunrise{number % 7} beaches, and {'wave ' * (number % 4)}w{number}" for number in range(100))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "BATCH", 6)
    monkeypatch.setattr(tokens, "ALONE", 2)
    monkeypatch.setattr(token_store, "SEGMENT", 12)


def read(store: TokenStore) -> list[list[str]]:
    """The forms of each document."""
    names = list(store.forms)
    words = [names[number] for number in store.words()]
    ends = np.cumsum(store.lengths()).tolist()
    return [words[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def expected(texts: Sequence[str]) -> list[list[str]]:
    return [[token.form for token in NORMALIZER.tokens(text)] for text in texts]


@given(st.lists(st.text(max_size=20), max_size=20))
@settings(max_examples=50)
def test_tokens_are_those_of_the_normaliser(texts: list[str]) -> None:
    batch = tokenize(NORMALIZER, texts)
    forms = [batch.forms[place] for place in batch.places]
    ends = np.cumsum(batch.lengths, dtype=int).tolist()
    assert [forms[begin:end] for begin, end in zip([0, *ends], ends, strict=False)] == expected(texts)
    assert len(set(batch.forms)) == len(batch.forms)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_files_are_the_same_whatever_the_number_of_processes(tmp_path: Path, workers: int) -> None:
    store = TokenStore(tmp_path, NORMALIZER)
    told: list[int] = []
    assert store.fill(TEXTS, workers=workers, on_read=told.append) == 0
    assert read(store) == expected(TEXTS)
    assert told == sorted(told)
    assert told[-1] == store.documents == len(TEXTS)
    alone = tmp_path / "alone"
    alone.mkdir()
    TokenStore(alone, NORMALIZER).fill(TEXTS, workers=1)
    for path in alone.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def until(texts: Sequence[str], count: int) -> Iterator[str]:
    yield from texts[:count]
    raise KeyboardInterrupt


@pytest.mark.parametrize("count", [0, 5, 12, 13, 50, 99])
def test_a_stopped_reading_goes_on_where_it_was(tmp_path: Path, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        TokenStore(tmp_path, NORMALIZER).fill(until(TEXTS, count), workers=1)
    store = TokenStore(tmp_path, NORMALIZER)
    told: list[int] = []
    there = store.fill(TEXTS, workers=1, on_read=told.append)
    assert there == told[0] == count // 12 * 12
    assert read(store) == expected(TEXTS)


def test_what_is_read_to_the_end_is_only_compared(tmp_path: Path) -> None:
    TokenStore(tmp_path, NORMALIZER).fill(TEXTS)
    assert TokenStore(tmp_path, NORMALIZER).fill(TEXTS) == len(TEXTS)
    longer = (*TEXTS, "some more")
    store = TokenStore(tmp_path, NORMALIZER)
    assert store.fill(longer) == len(TEXTS)
    assert read(store) == expected(longer)


@pytest.mark.parametrize("place", [0, 11, 12, 60, 99])
def test_from_the_first_document_that_changed_all_is_read_again(tmp_path: Path, place: int) -> None:
    TokenStore(tmp_path, NORMALIZER).fill(TEXTS, workers=1)
    changed = (*TEXTS[:place], "another caption", *TEXTS[place + 1 :])
    store = TokenStore(tmp_path, NORMALIZER)
    assert store.fill(changed, workers=1) == place // 12 * 12
    assert read(store) == expected(changed)


def test_fewer_documents_than_before(tmp_path: Path) -> None:
    TokenStore(tmp_path, NORMALIZER).fill(TEXTS, workers=1)
    store = TokenStore(tmp_path, NORMALIZER)
    store.fill(TEXTS[:30], workers=1)
    assert read(store) == expected(TEXTS[:30])


def test_another_normaliser_reads_anew(tmp_path: Path) -> None:
    TokenStore(tmp_path, NORMALIZER).fill(TEXTS)
    other = TokenStore(tmp_path, CaptionNormalizer("en", "porter", frozenset({"sunrise1"})))
    assert other.fill(TEXTS) == 0
    assert "the" in other.forms
    assert "sunrise1" not in other.forms


@pytest.mark.parametrize("name", ["lengths.i32", "words.i32", "forms.txt", "reading.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_damaged_files_are_read_anew(tmp_path: Path, name: str, content: bytes | None) -> None:
    TokenStore(tmp_path, NORMALIZER).fill(TEXTS, workers=1)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    store = TokenStore(tmp_path, NORMALIZER)
    assert store.fill(TEXTS, workers=1) == 0
    assert read(store) == expected(TEXTS)


KILLED = """
import os, signal, sys
from pathlib import Path
from topicidx.embedders import token_store, tokens
from topicidx.embedders.normalizer import CaptionNormalizer
tokens.BATCH, tokens.ALONE, token_store.SEGMENT = 6, 2, 12
def texts():
    for number, text in enumerate(eval(sys.argv[2])):
        if number == 71:
            os.kill(os.getpid(), signal.SIGKILL)
        yield text
token_store.TokenStore(Path(sys.argv[1]), CaptionNormalizer("en", "porter", frozenset({"the", "and"}))).fill(texts(), workers=2)
"""


def test_a_killed_reading_goes_on_where_it_was(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path, repr(TEXTS)], check=False)
    assert killed.returncode == -signal.SIGKILL
    store = TokenStore(tmp_path, NORMALIZER)
    there = store.fill(TEXTS, workers=1)
    assert there % 12 == 0
    assert 12 <= there <= 71
    assert read(store) == expected(TEXTS)


def test_a_process_that_is_killed_is_told_of() -> None:
    reading = tokenized(NORMALIZER, (text for text in TEXTS * 50), workers=2)
    for _ in range(3):
        next(reading)
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(TrainingError, match="was killed"):
        list(reading)


def test_bags_are_the_same_whatever_the_number_of_processes(tmp_path: Path) -> None:
    built = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        built.append(build_corpus(TEXTS, NORMALIZER, folder, min_documents=1, max_document_share=1.0, workers=workers))
    (vocabulary, corpus), (other_vocabulary, other) = built
    assert vocabulary == other_vocabulary
    assert list(corpus) == list(other)
