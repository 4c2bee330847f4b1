"""From a caption to stems: the published steps, what people really type, and the algebra of it."""

import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topicidx.embedders.normalizer import STEMMERS, CaptionNormalizer
from topicidx.errors import SettingsError

# Characters that are treated in some special way come up often; all others, surrogates included, now and then.
SPECIAL = "#'’´`¨ aAsSzßİıΣςß\u0301\u0308\u0327\ufe0f\u20e3\u200d\u00ad\u1ffd\u1fef😀1½²①Ａ한\ud800,.\n"
ANY_TEXT = st.text(st.one_of(st.sampled_from(SPECIAL), st.characters()), max_size=40)


@pytest.fixture(scope="module")
def english() -> CaptionNormalizer:
    return CaptionNormalizer.for_language("en")


@pytest.fixture(scope="module")
def published() -> CaptionNormalizer:
    return CaptionNormalizer.for_language("en", punctuation="remove")


def forms(normalizer: CaptionNormalizer, text: str) -> list[str]:
    return [token.form for token in normalizer.tokens(text)]


def test_the_five_published_steps(published: CaptionNormalizer) -> None:
    text = "Watching the #Sunrise#Beach: it isn't RAINING..."
    assert published.tokens(text) == [
        ("watching", "watch"), ("sunrise", "sunris"), ("beach", "beach"), ("isnt", "isnt"), ("raining", "rain")
    ]  # fmt: skip
    assert published.stems(text) == ["watch", "sunris", "beach", "isnt", "rain"]


@pytest.mark.parametrize("punctuation", ["space", "remove"])
def test_each_hashtag_is_a_word(punctuation: str) -> None:
    normalizer = CaptionNormalizer("en", "porter", frozenset(), "space" if punctuation == "space" else "remove")
    assert normalizer.stems("#a#b") == ["a", "b"]
    assert normalizer.stems("sun#beach") == ["sun", "beach"]


def test_punctuation_separates_words_unless_it_is_removed_as_published(
    english: CaptionNormalizer, published: CaptionNormalizer
) -> None:
    assert forms(english, "sunrise,beach new-york under_score 10/10") == [
        "sunrise", "beach", "new", "york", "score", "10", "10"
    ]  # fmt: skip
    assert forms(published, "sunrise,beach new-york under_score 10/10") == [
        "sunrisebeach", "newyork", "underscore", "1010"
    ]  # fmt: skip


@pytest.mark.parametrize("apostrophe", ["'", "’", "‘", "ʼ", "＇", "`", "´"])
def test_apostrophes_vanish(english: CaptionNormalizer, published: CaptionNormalizer, apostrophe: str) -> None:
    for normalizer in (english, published):
        assert forms(normalizer, f"mermaid{apostrophe}s tale") == ["mermaids", "tale"]
        assert forms(normalizer, f"we don{apostrophe}t swim") == forms(normalizer, "we dont swim")


def test_stop_words_go_however_they_are_written(english: CaptionNormalizer) -> None:
    assert english.stems("And THE on #with n't ’m") == []
    assert english.only_stop_words("and the")
    assert not english.only_stop_words("and the sea")
    assert not english.only_stop_words(" ...  😀")


def test_further_stop_words_can_be_given() -> None:
    normalizer = CaptionNormalizer.for_language("en", extra_stop_words=("InstaGood", "photo-of-the-day"))
    assert forms(normalizer, "#instagood photo of the day: beach, photos") == ["beach", "photos"]


def test_porter_stems_unite_the_forms_of_a_word(english: CaptionNormalizer) -> None:
    assert english.stems("beaches Beach beach's") == ["beach", "beach", "beach"]
    assert english.stems("running skies ponies") == ["run", "ski", "poni"]


def test_letters_of_decorative_alphabets_count_as_letters(english: CaptionNormalizer) -> None:
    for text in ("𝓢𝓾𝓷𝓻𝓲𝓼𝓮", "ＳＵＮＲＩＳＥ", "ⓢⓤⓝⓡⓘⓢⓔ", "𝕤𝕦𝕟𝕣𝕚𝕤𝕖"):
        assert english.stems(text) == ["sunris"]
    assert forms(english, "ﬁsh m²") == ["fish", "m2"]


@pytest.mark.parametrize("mode", ["space", "remove"])
def test_emoji_are_no_words_and_stick_to_none(mode: str) -> None:
    normalizer = CaptionNormalizer("en", "porter", frozenset(), "space" if mode == "space" else "remove")
    assert normalizer.stems("☀️ ❤️ 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇬🇧 ✌︎") == []
    assert normalizer.stems("☀️beach❤️") == ["beach"]
    assert normalizer.stems("1️⃣ 2") == ["1", "2"]


def test_accents_belong_to_their_letters_however_they_are_encoded(english: CaptionNormalizer) -> None:
    for form in ("NFC", "NFD"):
        assert forms(english, unicodedata.normalize(form, "Café São-Paulo हिन्दी")) == ["café", "são", "paulo", "हिन्दी"]


@pytest.mark.parametrize("text", ["¨beach¨", "¯beach¯", "!\u0301beach", "´beach´", "˜beach"])
def test_a_mark_without_a_letter_before_it_belongs_to_no_word(english: CaptionNormalizer, text: str) -> None:
    assert forms(english, text) == ["beach"]


def test_capital_letters_whose_small_form_depends_on_the_language_or_place(english: CaptionNormalizer) -> None:
    assert forms(english, "İstanbul") == forms(english, "istanbul")
    assert forms(english, "ΑΘΗΝΑΣ.ΗΛΙΟΣ") == forms(english, "ΑΘΗΝΑΣ ΗΛΙΟΣ") == ["αθηνας", "ηλιος"]


@given(ANY_TEXT)
def test_any_string_becomes_words_of_letters_digits_and_their_marks(
    english: CaptionNormalizer, published: CaptionNormalizer, text: str
) -> None:
    for normalizer in (english, published):
        for form, stem in normalizer.tokens(text):
            assert stem
            assert form[0].isalnum()
            assert all(unicodedata.category(char)[0] in "LNM" for char in form)
            assert form == form.lower()
            assert form not in normalizer.stop_words


@given(ANY_TEXT, ANY_TEXT)
def test_words_keep_their_order(english: CaptionNormalizer, published: CaptionNormalizer, a: str, b: str) -> None:
    for normalizer in (english, published):
        assert normalizer.tokens(f"{a} {b}") == normalizer.tokens(a) + normalizer.tokens(b)


@given(ANY_TEXT)
def test_canonically_equivalent_texts_have_the_same_words(english: CaptionNormalizer, text: str) -> None:
    words = english.tokens(text)
    assert english.tokens(unicodedata.normalize("NFC", text)) == words
    assert english.tokens(unicodedata.normalize("NFD", text)) == words


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_case_does_not_matter(english: CaptionNormalizer, text: str) -> None:
    assert english.tokens(text.upper()) == english.tokens(text.lower())


@given(
    st.sampled_from(sorted(STEMMERS)),
    st.frozensets(st.text(max_size=5), max_size=5),
    st.sampled_from(["space", "remove"]),
    ANY_TEXT,
)
def test_a_normaliser_read_from_its_json_is_the_same(language: str, stop: frozenset[str], mode: str, text: str) -> None:
    normalizer = CaptionNormalizer(language, STEMMERS[language], stop, "space" if mode == "space" else "remove")
    stored = json.dumps(normalizer.to_json())
    restored = CaptionNormalizer.from_json(json.loads(stored))
    assert restored == normalizer
    assert restored.tokens(text) == normalizer.tokens(text)
    assert json.dumps(restored.to_json()) == stored


def test_the_stored_normaliser_needs_no_learning_library(english: CaptionNormalizer) -> None:
    script = """
import json, sys
from topicidx.embedders.normalizer import CaptionNormalizer
stems = CaptionNormalizer.from_json(json.load(sys.stdin)).stems("The sunrise over beaches")
print(json.dumps([stems, sorted({"spacy", "torch", "gensim"} & set(sys.modules))]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(english.to_json()), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [["sunris", "beach"], []]


@pytest.mark.parametrize(
    ("language", "text", "stems"),
    [
        ("fr", "Les plages et le coucher de soleil", ["plag", "couch", "soleil"]),
        ("de", "Die Strände und der Sonnenuntergang", ["strand", "sonnenuntergang"]),
        ("es", "Las playas y el atardecer", ["play", "atardec"]),
        ("ru", "Пляжи и закаты на море", ["пляж", "закат", "мор"]),
    ],
)
def test_other_languages_have_their_own_stop_words_and_stems(language: str, text: str, stems: list[str]) -> None:
    assert CaptionNormalizer.for_language(language).stems(text) == stems


@pytest.mark.parametrize("language", sorted(STEMMERS))
def test_every_language_that_is_offered_works(language: str) -> None:
    normalizer = CaptionNormalizer.for_language(language)
    assert normalizer.stop_words
    assert len(normalizer.stems("xylofonix 1999")) == 2


@pytest.mark.parametrize("language", ["xx", "", "EN", "english", "ja"])
def test_an_unknown_language_is_named_with_those_that_are_known(language: str) -> None:
    with pytest.raises(SettingsError, match=r"\ben\b.*\bfr\b") as caught:
        CaptionNormalizer.for_language(language)
    assert repr(language) in str(caught.value)


def test_web_addresses_are_no_words(english: CaptionNormalizer) -> None:
    assert english.stems("sunrise https://pics.example/3a45?x=1 www.example.org/beach beach") == english.stems(
        "sunrise beach"
    )
