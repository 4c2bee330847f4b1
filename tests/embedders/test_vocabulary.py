"""The vocabulary: which word a stem means, accents that people leave out, and its file."""

import json
import unicodedata
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topicidx.embedders.normalizer import Token
from topicidx.embedders.vocabulary import Vocabulary, Word, accent_merges, unaccented

STEMS = st.text(st.sampled_from("aáàeénñoöø\u0301йи"), min_size=1, max_size=4)


def word(stem: str, documents: int, *also: str, forms: tuple[str, ...] = ()) -> Word:
    return Word(stem, tuple((form, documents) for form in forms or (stem,)), documents, also)


def stem_found(vocabulary: Vocabulary, stem: str) -> str | None:
    found = vocabulary.find(stem)
    return None if found is None else vocabulary.words[found].stem


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("corazón", "corazon"), ("Ñandú", "Nandu"), ("θάλασσα", "θαλασσα"), ("việt", "viet"), ("smørrebrød", "smørrebrød"),
        ("café", "cafe"), ("чай", "чай"), ("हिन्दी", "हिन्दी"), ("が", "が"), ("한국", "한국"), ("שָׁלוֹם", "שָׁלוֹם"), ("", ""),
    ],
)  # fmt: skip
def test_only_latin_and_greek_letters_lose_their_accents(text: str, plain: str) -> None:
    assert unaccented(text) == plain
    assert unaccented(unicodedata.normalize("NFD", text)) == unicodedata.normalize("NFC", plain)


@given(st.text(max_size=20))
def test_leaving_accents_out_is_total_and_done_once(text: str) -> None:
    assert unaccented(unaccented(text)) == unaccented(text)


def test_a_stem_without_accents_is_merged_into_the_one_that_most_people_write() -> None:
    counts = {"corazon": 3, "corazón": 9, "peche": 2, "péché": 4, "pêche": 7, "beach": 5, "чаи": 1, "чай": 9}
    assert accent_merges(counts) == {"corazon": "corazón", "peche": "pêche"}


def test_a_stem_without_accents_that_is_as_frequent_stays_a_word_of_its_own() -> None:
    assert accent_merges({"ano": 5, "año": 5}) == {}
    assert accent_merges({"cafe": 9, "café": 5}) == {}
    assert accent_merges({"ano": 4, "año": 5}) == {"ano": "año"}


def test_a_stem_whose_words_only_lack_accents_is_merged_though_the_stemmer_cut_it_elsewhere() -> None:
    counts = {"journ": 9, "journe": 3, "catal": 9, "cat": 2}
    forms = {"journée": "journ", "journées": "journ", "journee": "journe", "journees": "journe"}
    assert accent_merges(counts, forms) == {"journe": "journ"}
    assert accent_merges({**counts, "journe": 9}, forms) == {}
    assert accent_merges(counts, {"català": "catal", "cat": "cat"}) == {}
    assert accent_merges(counts, {"català": "catal", "cat": "cat", "catala": "cat"}) == {}  # cats too


def test_a_stem_is_merged_into_one_that_is_not_merged_itself() -> None:
    counts = {"ee": 1, "e": 2, "é": 3}
    assert accent_merges(counts, {"ee": "ee", "éé": "e", "é": "é"}) == {"e": "é", "ee": "é"}


@given(st.dictionaries(STEMS, st.integers(1, 9), max_size=8), st.randoms())
def test_merges_are_to_the_most_frequent_stem_that_stays_and_no_order_matters(
    counts: dict[str, int], random: Random
) -> None:
    merges = accent_merges(counts)
    for stem, meant in merges.items():
        assert unaccented(meant) == stem == unaccented(stem)
        assert counts[stem] < counts[meant] == max(n for other, n in counts.items() if unaccented(other) == stem)
        assert meant not in merges
    shuffled = list(counts.items())
    random.shuffle(shuffled)
    assert list(accent_merges(dict(shuffled)).items()) == list(merges.items())


def test_further_stems_mean_their_word_but_never_take_a_word_of_its_own() -> None:
    vocabulary = Vocabulary((word("corazón", 9, "corazon", "playa"), word("playa", 5)))
    assert vocabulary.ids == {"corazón": 0, "corazon": 0, "playa": 1}
    assert vocabulary.bag_of_words(["corazon", "corazón", "playa", "nieve"]) == [(0, 2), (1, 1)]


def test_an_unknown_stem_is_looked_up_without_accents_among_stems_and_forms() -> None:
    vocabulary = Vocabulary(
        (word("cafe", 3), word("canción", 9), word("resum", 4, forms=("resume",)), word("élev", 5, forms=("élève",)))
    )
    assert stem_found(vocabulary, "cancion") == stem_found(vocabulary, "cancïon") == "canción"
    assert stem_found(vocabulary, "café") == "cafe"
    assert stem_found(vocabulary, "résumé") == "resum"
    assert stem_found(vocabulary, "eleve") == "élev"
    assert stem_found(vocabulary, "tee") is None
    assert stem_found(vocabulary, "resume") is None  # no accent is missing: another word


def test_a_word_is_also_found_by_its_accents_where_its_stem_would_not_be() -> None:
    vocabulary = Vocabulary((word("journ", 9, forms=("journée",)), word("resum", 4, forms=("resume",))))
    assert vocabulary.find("journe") is None
    assert vocabulary.find("journe", "journee") == 0
    assert vocabulary.find("résum", "résume") == 1
    assert vocabulary.find("resume", "resume") is None
    assert vocabulary.bag_of_words([Token("journee", "journe"), Token("sol", "sol"), Token("x", "journ")]) == [(0, 2)]


def test_of_several_words_that_differ_by_accents_the_most_frequent_is_meant() -> None:
    words = (word("peché", 2), word("pêche", 7), word("pechè", 7))
    assert stem_found(Vocabulary(words), "peche") == stem_found(Vocabulary(words), "pèche") == "pêche"
    assert stem_found(Vocabulary((*words, word("peche", 8))), "pèche") == "peche"
    assert stem_found(Vocabulary(words), "peché") == "peché"


@given(st.lists(st.builds(word, STEMS, st.integers(1, 9)), max_size=6, unique_by=lambda word: word.stem), STEMS)
def test_what_is_found_differs_by_accents_at_most_and_captions_and_queries_agree(words: list[Word], stem: str) -> None:
    vocabulary = Vocabulary(tuple(words))
    found = stem_found(vocabulary, stem)
    assert (found is None) == (unaccented(stem) not in {unaccented(word.stem) for word in words})
    if found is not None:
        assert unaccented(found) == unaccented(stem)
    if stem in vocabulary.ids:
        assert found == stem
    bag = vocabulary.bag_of_words([stem])
    assert bag == ([] if found is None else [(vocabulary.ids[found], 1)])


def test_the_file_brings_the_words_back_and_names_further_stems_only_where_there_are_some(tmp_path: Path) -> None:
    vocabulary = Vocabulary((word("beach", 5, forms=("beach", "beaches")), word("corazón", 9, "corazon")))
    vocabulary.write(tmp_path / "vocabulary.jsonl")
    lines = (tmp_path / "vocabulary.jsonl").read_text(encoding="utf-8").splitlines()
    assert [list(json.loads(line)) for line in lines] == [
        ["stem", "documents", "forms"],
        ["stem", "documents", "forms", "also"],
    ]
    assert Vocabulary.read(tmp_path / "vocabulary.jsonl") == vocabulary


@pytest.mark.parametrize("also", ["corazon", [1], None, {"a": 1}])
def test_further_stems_that_are_no_list_of_texts_are_refused(tmp_path: Path, also: object) -> None:
    entry = {"stem": "corazón", "documents": 9, "forms": {"corazón": 9}, "also": also}
    (tmp_path / "vocabulary.jsonl").write_text(json.dumps(entry), encoding="utf-8")
    with pytest.raises((ValueError, TypeError)):
        Vocabulary.read(tmp_path / "vocabulary.jsonl")
