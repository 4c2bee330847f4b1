"""Captions to topics: reproducible to the bit, true to gensim, and with scores that are ratios of probabilities."""

import json
import logging
import random
from collections.abc import Sequence

import numpy as np
import pytest
from gensim.models import LdaModel
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from doubles.gensim_start import ConstantStart
from topicidx.embedders.lda import LdaHyperparameters, LdaTextEncoder
from topicidx.embedders.protocols import TextEncoder, TextProgress
from topicidx.errors import SpaceDamagedError, TrainingError
from topicidx.settings import LdaSettings

Themes = dict[str, tuple[str, ...]]
# Enough to tell one model from another, and quick.
QUICK = LdaSettings(num_topics=4, passes=2)


def train_quickly(captions: Sequence[str], seed: int = 1) -> LdaTextEncoder:
    return LdaTextEncoder.train(captions[:60], QUICK, seed=seed)


def bytes_of(encoder: LdaTextEncoder) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in encoder.tensors().items()}


def gensim_model_of(encoder: LdaTextEncoder) -> LdaModel:
    """The model as gensim itself has it, made from the published arrays only."""
    model = LdaModel(
        id2word={index: word.stem for index, word in enumerate(encoder.vocabulary.words)},
        num_topics=encoder.dimensions,
        alpha=[encoder.hyperparameters.alpha] * encoder.dimensions,
        eta=[encoder.hyperparameters.eta] * len(encoder.vocabulary),
        random_state=3,
    )
    model.state.sstats[...] = encoder.sstats
    model.sync_state()
    return model


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(themed_captions: Sequence[str]) -> None:
    first = train_quickly(themed_captions)
    again = train_quickly(themed_captions)
    other = train_quickly(themed_captions, seed=2)
    assert bytes_of(first) == bytes_of(again)
    assert bytes_of(first) != bytes_of(other)
    assert first.vocabulary == again.vocabulary
    assert first.settings_json() == again.settings_json()


def test_captions_may_be_read_only_once(themed_captions: Sequence[str]) -> None:
    once = LdaTextEncoder.train((text for text in themed_captions[:60]), QUICK, seed=1)
    assert bytes_of(once) == bytes_of(train_quickly(themed_captions))


def test_progress_is_reported_and_that_changes_nothing(themed_captions: Sequence[str]) -> None:
    read: list[int] = []
    learned: list[tuple[int, int]] = []
    progress = TextProgress(read=read.append, learned=lambda *done: learned.append(done))
    reported = LdaTextEncoder.train(themed_captions[:60], QUICK, seed=1, progress=progress)
    assert read == [0, 60]
    done, in_all = learned[-1]
    assert done == in_all
    assert [done for done, _ in learned] == sorted(done for done, _ in learned)
    assert bytes_of(reported) == bytes_of(train_quickly(themed_captions))


def test_topic_distributions_are_float32_rows_that_sum_to_one(
    text_encoder: LdaTextEncoder, themed_captions: Sequence[str]
) -> None:
    theta = text_encoder.encode(themed_captions)
    assert theta.shape == (len(themed_captions), 8)
    assert theta.dtype == np.float32
    assert (theta > 0).all()
    np.testing.assert_allclose(theta.sum(axis=1), 1, atol=1e-6)
    assert text_encoder.encode([]).shape == (0, 8)
    assert text_encoder.encode([]).dtype == np.float32


@pytest.mark.parametrize("text", ["", "   ", "😀", "the and", "unheardof"])
def test_a_text_without_known_words_gets_the_same_weight_on_every_topic(
    text_encoder: LdaTextEncoder, text: str
) -> None:
    assert (text_encoder.encode([text]) == np.float32(1 / 8)).all()


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_texts_topics_depend_on_its_words_alone_to_the_bit(
    text_encoder: LdaTextEncoder, themed_captions: Sequence[str], data: st.DataObject
) -> None:
    texts = data.draw(st.lists(st.sampled_from(themed_captions), min_size=1, max_size=6), label="texts")
    shuffled = [" ".join(data.draw(st.permutations(text.split()), label="words")) for text in texts]
    together = text_encoder.encode(texts)
    assert text_encoder.encode(shuffled).tobytes() == together.tobytes()
    assert text_encoder.encode(texts[::-1])[::-1].tobytes() == together.tobytes()
    for text, theta in zip(texts, together, strict=True):
        assert text_encoder.encode([text]).tobytes() == theta.tobytes()


def test_a_text_is_known_when_one_of_its_words_is(text_encoder: LdaTextEncoder) -> None:
    assert text_encoder.knows("unheardof #Beaches")
    assert text_encoder.knows("пляж")
    assert not any(text_encoder.knows(text) for text in ("", "the and", "unheardof", "😀"))


def test_encoding_agrees_with_gensims_own_inference(
    text_encoder: LdaTextEncoder, themed_captions: Sequence[str]
) -> None:
    stems = [text_encoder.normalizer.stems(text) for text in themed_captions[:250]]
    gamma, _ = gensim_model_of(text_encoder).inference([text_encoder.vocabulary.bag_of_words(words) for words in stems])
    expected = gamma / gamma.sum(axis=1, keepdims=True)
    theta = text_encoder.encode(themed_captions[:250])
    # gensim starts from random gammas, so that only documents whose topic is clear come out alike.
    clear = expected.max(axis=1) > 0.8
    assert clear.sum() > 50
    np.testing.assert_allclose(theta[clear], expected[clear], atol=0.02)


def test_an_encoder_restored_from_what_is_stored_is_the_same_to_the_bit(
    text_encoder: LdaTextEncoder, themed_captions: Sequence[str]
) -> None:
    stored = json.loads(json.dumps(text_encoder.settings_json()))
    restored = LdaTextEncoder.restore(text_encoder.tensors(), stored, text_encoder.normalizer, text_encoder.vocabulary)
    assert restored.hyperparameters == text_encoder.hyperparameters
    assert restored.encode(themed_captions).tobytes() == text_encoder.encode(themed_captions).tobytes()
    for vectors, expected in zip(restored.word_vectors(), text_encoder.word_vectors(), strict=True):
        assert vectors.tobytes() == expected.tobytes()


def test_the_gensim_model_infers_the_same_topics(text_encoder: LdaTextEncoder, themed_captions: Sequence[str]) -> None:
    model = text_encoder.gensim_model
    assert isinstance(model, LdaModel)
    assert [model.id2word[word] for word in range(len(model.id2word))] == [
        word.stem for word in text_encoder.vocabulary.words
    ]
    model.random_state = ConstantStart()
    bags = [text_encoder.vocabulary.bag_of_words(text_encoder.normalizer.stems(text)) for text in themed_captions]
    gamma, _ = model.inference(bags)
    theirs = gamma / gamma.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(text_encoder.encode(themed_captions), theirs, atol=2e-4)


def test_topic_words_are_gensims_topics_and_sum_to_one(text_encoder: LdaTextEncoder) -> None:
    phi = text_encoder.topic_words
    assert phi.shape == (8, len(text_encoder.vocabulary))
    assert phi.dtype == np.float32
    np.testing.assert_allclose(phi.sum(axis=1), 1, atol=1e-5)
    for model in (text_encoder.gensim_model, gensim_model_of(text_encoder)):
        np.testing.assert_allclose(phi, model.get_topics(), rtol=1e-4)


def test_the_topic_prior_is_the_mean_over_the_training_captions(
    text_encoder: LdaTextEncoder, themed_captions: Sequence[str]
) -> None:
    prior = text_encoder.topic_prior
    assert prior.dtype == np.float32
    assert prior.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(prior, text_encoder.encode(themed_captions).mean(axis=0, dtype=np.float64), atol=1e-7)


@pytest.mark.parametrize(
    "change", [{"num_topics": 9}, {"alpha": "high"}, {"chunksize": None}, {"eta": None}, {"no_such_setting": 1}]
)
def test_settings_that_do_not_fit_the_arrays_are_damage(
    text_encoder: LdaTextEncoder, change: dict[str, object]
) -> None:
    described = text_encoder.settings_json() | change
    with pytest.raises(SpaceDamagedError) as caught:
        LdaTextEncoder.restore(text_encoder.tensors(), described, text_encoder.normalizer, text_encoder.vocabulary)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["sstats", "topic_prior"])
def test_arrays_that_are_missing_or_do_not_fit_are_damage(text_encoder: LdaTextEncoder, name: str) -> None:
    whole = text_encoder.tensors()
    without = {other: tensor for other, tensor in whole.items() if other != name}
    for tensors in (without, whole | {name: whole[name][1:]}, whole | {name: np.zeros((), dtype=np.float32)}):
        with pytest.raises(SpaceDamagedError):
            LdaTextEncoder.restore(
                tensors, text_encoder.settings_json(), text_encoder.normalizer, text_encoder.vocabulary
            )


@pytest.fixture(scope="module")
def word_vectors(text_encoder: LdaTextEncoder) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return text_encoder.word_vectors()


def test_word_vectors_are_one_float32_row_a_word(
    text_encoder: LdaTextEncoder, word_vectors: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    for vectors in word_vectors:
        assert vectors.shape == (len(text_encoder.vocabulary), 8)
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous
        assert (vectors > 0).all()


def test_the_mean_lift_over_the_training_captions_is_one_for_every_word(
    text_encoder: LdaTextEncoder,
    themed_captions: Sequence[str],
    word_vectors: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    lift = word_vectors[0].astype(np.float64)
    np.testing.assert_allclose(lift @ text_encoder.topic_prior.astype(np.float64), 1, rtol=1e-5)
    theta = text_encoder.encode(themed_captions).astype(np.float64)
    np.testing.assert_allclose((theta @ lift.T).mean(axis=0), 1, rtol=1e-5)


def test_lift_is_the_words_probability_in_a_topic_over_its_probability_anywhere(
    text_encoder: LdaTextEncoder, word_vectors: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    phi, prior = text_encoder.topic_words, text_encoder.topic_prior
    anywhere = sum(prior[topic] * phi[topic] for topic in range(8))
    for topic in range(8):
        np.testing.assert_allclose(word_vectors[0][:, topic] * anywhere, phi[topic], rtol=1e-4)


def test_a_words_topics_are_those_of_a_text_of_this_word_alone(
    text_encoder: LdaTextEncoder, word_vectors: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    forms = [word.form for word in text_encoder.vocabulary.words]
    assert text_encoder.encode(forms).tobytes() == word_vectors[1].tobytes()


def test_planted_themes_are_found(
    text_encoder: LdaTextEncoder,
    themes: Themes,
    word_vectors: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    chance = random.Random(11)
    lift = word_vectors[0]
    of_theme = {
        name: [text_encoder.vocabulary.bag_of_words(text_encoder.normalizer.stems(word))[0][0] for word in words]
        for name, words in themes.items()
    }
    for name, words in themes.items():
        theta = text_encoder.encode([" ".join(chance.sample(words, 5)) for _ in range(10)]).mean(axis=0)
        scores = {other: (lift[ids] @ theta) for other, ids in of_theme.items()}
        worst_of_theme = scores.pop(name).min()
        assert worst_of_theme > 2
        assert all(score.max() < 1 for score in scores.values())


def test_the_encoder_is_a_text_encoder_whose_scores_are_lifts(text_encoder: LdaTextEncoder) -> None:
    assert isinstance(text_encoder, TextEncoder)
    assert (text_encoder.name, text_encoder.scores, text_encoder.dimensions) == ("lda", "lift", 8)


@given(
    documents=st.one_of(st.integers(2, 1_000), st.integers(2, 1_000_000)),
    passes=st.none() | st.integers(1, 50),
    chunksize=st.none() | st.integers(1, 1_000_000),
)
@settings(max_examples=500)
def test_a_corpus_of_any_size_gets_at_least_ten_updates(
    documents: int, passes: int | None, chunksize: int | None
) -> None:
    adapted = LdaHyperparameters.adapted(LdaSettings(passes=passes, chunksize=chunksize), documents)
    assert 1 <= adapted.chunksize <= documents
    assert adapted.passes * -(-documents // adapted.chunksize) >= 10
    # gensim counts fractions of updates and warns below ten.
    assert adapted.passes * documents / adapted.chunksize >= 10


@pytest.mark.parametrize("documents", [2, 10, 500, 6_000, 1_000_000])
def test_what_is_given_is_kept(documents: int) -> None:
    given_settings = LdaSettings(num_topics=7, passes=20, chunksize=1, alpha=0.3, eta=0.2)
    adapted = LdaHyperparameters.adapted(given_settings, documents)
    assert (adapted.num_topics, adapted.passes, adapted.chunksize) == (7, 20, 1)
    assert (adapted.alpha, adapted.eta) == (0.3, 0.2)


@pytest.mark.parametrize("passes", [None, 1])
def test_gensim_never_warns_of_too_few_updates_for_a_tiny_corpus(
    caplog: pytest.LogCaptureFixture, passes: int | None
) -> None:
    captions = ["sun beach", "sun beach", "city night", "city night"]
    with caplog.at_level(logging.WARNING, logger="gensim"):
        encoder = LdaTextEncoder.train(captions, LdaSettings(num_topics=2, passes=passes))
    assert caplog.messages == []
    assert len(encoder.vocabulary) == 4


def test_a_tiny_corpus_is_learned() -> None:
    captions = ["sun beach sand", "beach sun", "city night taxi", "night city", "sand", "taxi"]
    encoder = LdaTextEncoder.train(captions, LdaSettings(num_topics=2))
    lift, _ = encoder.word_vectors()
    beach, night = encoder.vocabulary.ids["beach"], encoder.vocabulary.ids["night"]
    sunny, urban = encoder.encode(["sun sand", "city taxi"])
    assert lift[beach] @ sunny > 1 > lift[beach] @ urban
    assert lift[night] @ urban > 1 > lift[night] @ sunny


@pytest.mark.parametrize("captions", [[], ["", ""], ["sun", "beach"], ["sun", "sun", "beach", "sea"]])
def test_too_few_words_are_an_error_that_says_what_to_do(captions: list[str]) -> None:
    with pytest.raises(TrainingError, match="give more captions"):
        LdaTextEncoder.train(captions)
