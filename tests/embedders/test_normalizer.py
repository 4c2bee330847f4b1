"""From a caption to stems: the published steps, what people really type, and the algebra of it."""

import json
import pkgutil
import subprocess
import sys
import unicodedata

import pytest
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.embedders.normalizer import STEMMERS, CaptionNormalizer
from topicidx.errors import SettingsError

# Characters that are treated in some special way come up often; all others, surrogates included, now and then.
SPECIAL = "#'’´`¨ aAsSzßİıΣςß\u0301\u0308\u0327\ufe0f\u20e3\u200d\u00ad\u1ffd\u1fef😀1½²①Ａ한\ud800,.\n"
SPECIAL += "lL·ŀ\u0307\u064e\u0654\u0640اأשׁ\u05b0\u200fⓂ™🈁नि日カ\u3099ท\u0e49\u0e4d\u0e33"
ANY_TEXT = st.text(st.one_of(st.sampled_from(SPECIAL), st.characters()), max_size=40)


@pytest.fixture(scope="module")
def english() -> CaptionNormalizer:
    return CaptionNormalizer.for_language("en")


@pytest.fixture(scope="module")
def many(english: CaptionNormalizer, published: CaptionNormalizer) -> "Many":
    """Normalisers of all kinds that cut no words."""
    mixed = CaptionNormalizer.for_language("en,es,ca", extra_stop_words=("niño",))
    others = [
        CaptionNormalizer(code, STEMMERS[code], frozenset({"a", "ás"})) for code in ("ar", "fr", "el", "hi", "tr")
    ]
    return Many([english, published, mixed, *others])


@pytest.fixture(scope="module")
def published() -> CaptionNormalizer:
    return CaptionNormalizer.for_language("en", punctuation="remove")


class Many(list[CaptionNormalizer]):
    def __repr__(self) -> str:  # hypothesis minds the length of all those stop words
        return "many"


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


@pytest.mark.parametrize(
    "emoji",
    [
        "😀", "👍🏽", "👩🏿‍🚀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇬🇧", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "☀", "☀️", "☀︎", "❤️‍🔥",
        "©️", "🅰️", "🆒", "ℹ️", "Ⓜ️", "™️",
        "㊗️", "㊙️", "🈂️", "🈷️", "🈁", "🈚", "🉐", "🉑",
        "🈵", "🈺", "#️⃣", "*️⃣", "‼️", "〰️", "➿", "✌🏻", "🫶",
    ],
)  # fmt: skip
def test_no_emoji_is_a_word_and_letters_beside_one_are(english: CaptionNormalizer, emoji: str) -> None:
    assert english.stems(emoji) == english.stems(emoji * 3) == []
    assert english.stems(f"{emoji}beach{emoji}sunrise{emoji}") == ["beach", "sunris"]


def test_letters_that_are_only_emoji_with_a_variation_selector_are_letters_without() -> None:
    assert CaptionNormalizer("en", "porter", frozenset()).forms("ⓂⒾⒶⓂⒾ ℹnfo") == ["miami", "info"]


def test_accents_belong_to_their_letters_however_they_are_encoded(english: CaptionNormalizer) -> None:
    for form in ("NFC", "NFD"):
        assert forms(english, unicodedata.normalize(form, "Café São-Paulo हिन्दी")) == ["café", "são", "paulo", "हिन्दी"]


@pytest.mark.parametrize("text", ["cafe\u200d\u0301", "cafe\u00ad\u0301", "CAFE\u200f\u0301"])
def test_an_accent_belongs_to_its_letter_though_something_unseen_stood_between(
    english: CaptionNormalizer, text: str
) -> None:
    assert forms(english, text) == ["café"]


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
@settings(deadline=None)
def test_tokens_are_the_forms_that_are_no_stop_words_with_their_stems(many: Many, text: str) -> None:
    for normalizer in many:
        forms = normalizer.forms(text)
        assert normalizer.tokens(text) == [
            (form, normalizer.stem(form)) for form in forms if form not in normalizer.stop_words
        ]
        assert normalizer.stems(text) == [stem for _, stem in normalizer.tokens(text)]
        assert normalizer.only_stop_words(text) == (bool(forms) and not normalizer.tokens(text))


@given(ANY_TEXT)
@settings(deadline=None)
def test_a_word_of_a_caption_is_as_a_query_the_same_word(many: Many, text: str) -> None:
    for normalizer in many:
        for form in normalizer.forms(text):
            assert normalizer.forms(form) == [form]
        for token in normalizer.tokens(text):
            assert normalizer.tokens(token.form) == normalizer.tokens(f"#{token.form}!") == [token]


@given(st.text(st.characters(max_codepoint=127, exclude_characters="'`"), max_size=40))
def test_words_stand_in_the_text_one_after_the_other(english: CaptionNormalizer, text: str) -> None:
    place = 0
    for form in english.forms(text):
        place = text.lower().index(form, place) + len(form)


@given(ANY_TEXT)
@settings(deadline=None)
def test_ascii_text_has_the_same_words_beside_other_text(many: Many, text: str) -> None:
    ascii_only = text.encode("ascii", "ignore").decode()
    for normalizer in many:
        assert normalizer.tokens(f"{ascii_only} \u2600") == normalizer.tokens(ascii_only)


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


def test_all_languages_with_a_stemmer_and_stop_words_are_offered() -> None:
    import spacy.lang
    from spacy.util import get_lang_class

    # What spaCy's languages are called, as Snowball calls its stemmers; English and Dutch have two.
    stemmers = set(Stemmer.algorithms()) - {"english", "dutch_porter"}
    names = {"en": "porter", "nb": "norwegian", "fa": "persian"}
    offered = {}
    for found in pkgutil.iter_modules(spacy.lang.__path__):
        if found.ispkg and found.name != "xx" and get_lang_class(found.name).Defaults.stop_words:
            name = names.get(found.name, get_lang_class(found.name).__name__.lower())
            if name in stemmers:
                offered[found.name] = name
    assert offered == STEMMERS
    # No language that spaCy knows has one of the others.
    assert stemmers - set(STEMMERS.values()) == {"esperanto", "sesotho", "yiddish"}


@pytest.mark.parametrize("language", ["xx", "", "EN", "english", "he", "ko", "nn"])
def test_an_unknown_language_is_named_with_those_that_are_known(language: str) -> None:
    for given_language in (language, f"en,{language}"):
        with pytest.raises(SettingsError, match=r"\ben\b.*\bfr\b.*\bja\b") as caught:
            CaptionNormalizer.for_language(given_language)
        assert repr(language) in str(caught.value)


def test_a_mixed_collection_has_the_stop_words_and_stems_of_all_its_languages() -> None:
    mixed = CaptionNormalizer.for_language("en, es,ca,en")
    assert mixed.to_json() | {"stop_words": []} == {
        "language": "en,es,ca", "stemmer": "porter,spanish,catalan", "punctuation": "space", "stop_words": []
    }  # fmt: skip
    assert mixed.stop_words == frozenset().union(
        *(CaptionNormalizer.for_language(code).stop_words for code in ("en", "es", "ca"))
    )
    assert mixed.stems("the beaches y las playas amb les platges") == [
        mixed.stem(form) for form in ("beaches", "playas", "platges")
    ]
    assert mixed.stem("beaches") == mixed.stem("beach")
    assert mixed.stem("playas") == mixed.stem("playa")
    assert mixed.stem("canciones") == mixed.stem("canción")


def test_several_stemmers_stem_one_after_the_other() -> None:
    def stem(language: str, stemmer: str, form: str) -> str:
        return CaptionNormalizer(language, stemmer, frozenset()).stem(form)

    for form in ("canciones", "beaches", "relational", "montañas"):
        assert stem("en,es", "porter,spanish", form) == stem("es", "spanish", stem("en", "porter", form))
        assert stem("es,en", "spanish,porter", form) == stem("en", "porter", stem("es", "spanish", form))


def test_one_language_is_described_as_ever(english: CaptionNormalizer) -> None:
    assert list(english.to_json()) == ["language", "stemmer", "punctuation", "stop_words"]
    assert (english.language, english.stemmer) == ("en", "porter")


@pytest.mark.parametrize(
    "damage",
    [{"stemmer": "porter,klingon"}, {"stemmer": 5}, {"stemmer": ""}, {"segmenter": "scissors"},
        {"segmenter": 5}, {"punctuation": "x"}],
)  # fmt: skip
def test_a_damaged_description_is_refused(english: CaptionNormalizer, damage: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        CaptionNormalizer.from_json(english.to_json() | damage)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("الشَّاطِئُ", "الشاطئ"), ("شــــاطئ", "شاطئ"), ("\u200fشاطئ\u200e", "شاطئ"), ("\u2067قرآن\u2069", "قرآن"), ("ﺷﺎﻃﺊ", "شاطئ"),
        ("שָׁלוֹם", "שלום"), ("\u202bשלום\u202c", "שלום"), ("ג׳ירפה", "ג'ירפה"), ("مَدْرَسَة", "مدرسة"), ("کتاب\u200cها", "کتابها"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["ar", "fa", "en"])
def test_right_to_left_text_is_the_same_pointed_drawn_longer_or_with_direction_marks(
    language: str, written: str, plain: str
) -> None:
    normalizer = CaptionNormalizer(language, STEMMERS[language], frozenset())
    assert len(normalizer.tokens(plain)) == 1
    assert normalizer.tokens(written) == normalizer.tokens(plain)
    assert normalizer.forms(f"beach {written} 2024") == ["beach", *normalizer.forms(plain), "2024"]


def test_arabic_stop_words_go_pointed_or_not() -> None:
    arabic = CaptionNormalizer.for_language("ar")
    assert arabic.forms("مِنْ شاطئ") == ["من", "شاطئ"]
    assert arabic.stems("مِنْ شاطئ") == arabic.stems("شاطئ")


def test_the_long_l_of_catalan_is_one_word_with_its_dot_or_without(english: CaptionNormalizer) -> None:
    for written in ("col·lecció", "coŀlecció", "COL·LECCIÓ", "coŀleccio\u0301"):
        assert english.forms(written) == ["collecció"]
    assert english.forms("a·b l·a") == CaptionNormalizer("en", "porter", frozenset()).forms("a b l a")


def test_web_addresses_are_no_words(english: CaptionNormalizer) -> None:
    assert english.stems("sunrise https://pics.example/3a45?x=1 www.example.org/beach beach") == english.stems(
        "sunrise beach"
    )
