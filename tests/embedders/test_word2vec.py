import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from topicidx.embedders.leaning import leaning
from topicidx.embedders.protocols import LiftTextEncoder, TextEncoder, TextProgress
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.embedders.word2vec import Word2VecHyperparameters, Word2VecTextEncoder
from topicidx.errors import SpaceDamagedError, TrainingError
from topicidx.settings import Word2VecSettings

Themes = dict[str, tuple[str, ...]]
QUICK = Word2VecSettings(dimensions=16, epochs=60)


@pytest.fixture(scope="module")
def encoder(themed_captions: tuple[str, ...]) -> Word2VecTextEncoder:
    return Word2VecTextEncoder.train(themed_captions, QUICK, seed=1)


def restored(encoder: Word2VecTextEncoder) -> Word2VecTextEncoder:
    settings = json.loads(json.dumps(encoder.settings_json()))
    return Word2VecTextEncoder.restore(encoder.tensors(), settings, encoder.normalizer, encoder.vocabulary)


def test_it_is_a_text_encoder_without_topics(encoder: Word2VecTextEncoder) -> None:
    assert isinstance(encoder, TextEncoder)
    assert not isinstance(encoder, LiftTextEncoder)
    assert (encoder.name, encoder.scores, encoder.dimensions) == ("word2vec", "similarity", 16)


TRAIN_AGAIN = """
import hashlib, json, sys
from topicidx.embedders.protocols import TextProgress
from topicidx.embedders.word2vec import Word2VecTextEncoder
from topicidx.settings import Word2VecSettings
captions, settings, seed = json.load(sys.stdin)
encoder = Word2VecTextEncoder.train(captions, Word2VecSettings(**settings), seed=seed)
digest = hashlib.sha256(b"".join(tensor.tobytes() for tensor in encoder.tensors().values()))
print(digest.hexdigest())
"""


def test_the_same_seed_gives_the_same_vectors_in_any_process(
    themed_captions: tuple[str, ...], encoder: Word2VecTextEncoder
) -> None:
    task = json.dumps([themed_captions, QUICK.to_json(), 1])
    digests = {
        subprocess.run(
            [sys.executable, "-c", TRAIN_AGAIN],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            input=task,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "4711")
    }
    here = hashlib.sha256(b"".join(tensor.tobytes() for tensor in encoder.tensors().values()))
    assert digests == {here.hexdigest()}


def test_another_seed_gives_other_vectors(themed_captions: tuple[str, ...], encoder: Word2VecTextEncoder) -> None:
    other = Word2VecTextEncoder.train(themed_captions, QUICK, seed=2)
    assert not np.array_equal(other.vectors, encoder.vectors)


def test_restoring_gives_the_same_encoder_to_the_bit(
    encoder: Word2VecTextEncoder, themed_captions: tuple[str, ...]
) -> None:
    again = restored(encoder)
    assert again.encode(themed_captions).tobytes() == encoder.encode(themed_captions).tobytes()
    for one, other in zip(again.word_vectors(), encoder.word_vectors(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_topic_space_keeps_it_whole(encoder: Word2VecTextEncoder, tmp_path: Path) -> None:
    space = write_topic_space(tmp_path / "space", encoder)
    opened = TopicSpace.load(tmp_path / "space")
    assert (opened.scores, opened.dimensions) == ("similarity", 16)
    assert opened.encode_text(["sunrise #beach"]).tobytes() == encoder.encode(["sunrise #beach"]).tobytes()
    assert space.average is not None
    assert space.average.tobytes() == encoder.average.tobytes()
    assert not (tmp_path / "space" / "lda.safetensors").exists()


def test_words_of_a_theme_are_near(encoder: Word2VecTextEncoder, themes: Themes) -> None:
    vectors, _ = encoder.word_vectors()
    of_theme = {
        encoder.vocabulary.ids[stem]: theme
        for theme, words in themes.items()
        for word in words
        for stem in encoder.normalizer.stems(word)
    }
    for word, theme in of_theme.items():
        nearest = np.argsort(-(vectors @ vectors[word]))[1:4]
        assert [of_theme[int(near)] for near in nearest] == [theme] * 3


def test_words_find_the_captions_of_their_theme(
    encoder: Word2VecTextEncoder, themes: Themes, themed_captions: tuple[str, ...]
) -> None:
    captions = encoder.encode(themed_captions[:250])
    vectors, _ = encoder.word_vectors()
    for number, words in enumerate(themes.values()):
        [stem] = encoder.normalizer.stems(words[0])
        found = np.argsort(-(captions @ vectors[encoder.vocabulary.ids[stem]]))[:40]
        assert {int(place) % len(themes) for place in found} == {number}


def test_training_captions_span_0_to_1_in_every_dimension(
    encoder: Word2VecTextEncoder, themed_captions: tuple[str, ...]
) -> None:
    rows = encoder.encode(themed_captions)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(rows.max(axis=0), 1, atol=1e-6)
    telling = [text for text in themed_captions if encoder.knows(text)]
    np.testing.assert_allclose(encoder.encode(telling).mean(axis=0), encoder.average, atol=1e-6)


def test_other_captions_are_clipped(encoder: Word2VecTextEncoder) -> None:
    rows = encoder.encode([word.form for word in encoder.vocabulary.words])
    assert rows.min() >= 0
    assert rows.max() <= 1
    np.testing.assert_array_equal(rows, encoder.word_vectors()[1])


def test_a_caption_is_the_mean_of_its_known_words(encoder: Word2VecTextEncoder) -> None:
    alone = encoder.encode(["dog beach", "beach, dogs!", "beach quokka #dog", "пляж", "ПЛЯЖ"])
    assert alone[0].tobytes() == alone[1].tobytes() == alone[2].tobytes()
    assert alone[3].tobytes() == alone[4].tobytes()
    assert encoder.encode(["beach quokka #dog"])[0].tobytes() == alone[2].tobytes()
    assert encoder.knows("кафе café")
    assert not encoder.knows("quokka")


@pytest.mark.parametrize("text", ["", "and the", "quokka", "\ud800", "\N{DOG FACE}"])
def test_a_caption_without_known_words_is_the_average_one(encoder: Word2VecTextEncoder, text: str) -> None:
    assert encoder.encode([text])[0].tobytes() == encoder.average.tobytes()


def test_no_captions_give_no_rows(encoder: Word2VecTextEncoder) -> None:
    assert encoder.encode([]).shape == (0, 16)


def test_the_average_picture_scores_0_for_every_word(encoder: Word2VecTextEncoder) -> None:
    vectors, _ = encoder.word_vectors()
    np.testing.assert_allclose(vectors @ encoder.average, 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_does_not_lean_is_0() -> None:
    average = np.array([0.5, 0.25], dtype=np.float32)
    assert leaning(np.stack([average, 2 * average]), average).tolist() == [[0, 0], [0, 0]]
    assert leaning(np.ones(2), np.zeros(2, dtype=np.float32)).tolist() == pytest.approx([0.5**0.5] * 2)


def test_passes_are_counted(themed_captions: tuple[str, ...]) -> None:
    seen: list[tuple[int, int]] = []
    settings = Word2VecSettings(dimensions=4, epochs=3)
    Word2VecTextEncoder.train(themed_captions, settings, progress=TextProgress(learned=lambda *done: seen.append(done)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_gensim_has_nothing_to_warn_of(themed_captions: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    Word2VecTextEncoder.train(themed_captions[:12], Word2VecSettings(dimensions=4, epochs=2))
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize("captions", [[], ["", "and the"], ["beach", "dog"], ["beach", "beach"]])
def test_captions_that_do_not_suffice_are_refused(captions: list[str]) -> None:
    with pytest.raises(TrainingError, match=r"give more captions"):
        Word2VecTextEncoder.train(captions, Word2VecSettings(dimensions=4, max_document_share=1))


@pytest.mark.parametrize(("words", "epochs"), [(100, 200), (50_000, 100), (5_000_000, 5), (10**9, 5)])
def test_small_corpora_are_read_more_often(words: int, epochs: int) -> None:
    assert Word2VecHyperparameters.adapted(Word2VecSettings(), words).epochs == epochs
    assert Word2VecHyperparameters.adapted(Word2VecSettings(epochs=7), words).epochs == 7


@pytest.mark.parametrize("name", ["vectors", "low", "high", "average"])
def test_tensors_that_do_not_fit_are_refused(encoder: Word2VecTextEncoder, name: str) -> None:
    parts = (encoder.settings_json(), encoder.normalizer, encoder.vocabulary)
    tensors = encoder.tensors()
    for wrong in (tensors[name][:-1], tensors[name].astype(np.float64)):
        with pytest.raises(SpaceDamagedError, match=name):
            Word2VecTextEncoder.restore(tensors | {name: wrong}, *parts)
    del tensors[name]
    with pytest.raises(SpaceDamagedError, match=name):
        Word2VecTextEncoder.restore(tensors, *parts)


def test_settings_that_do_not_fit_are_refused(encoder: Word2VecTextEncoder) -> None:
    for wrong in ({"window": 3}, encoder.settings_json() | {"dimensions": "many"}):
        with pytest.raises(SpaceDamagedError, match="do not fit their description"):
            Word2VecTextEncoder.restore(encoder.tensors(), wrong, encoder.normalizer, encoder.vocabulary)
