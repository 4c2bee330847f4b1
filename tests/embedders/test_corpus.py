"""Which words are kept, how they are numbered and counted, and what lies on disk."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topicidx.embedders.corpus import DiskCorpus, adapted_min_documents, build_corpus
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.vocabulary import Vocabulary, Word
from topicidx.errors import TrainingError

NORMALIZER = CaptionNormalizer("en", "porter", frozenset({"the"}))
CAPTIONS = st.text(st.sampled_from("ab # théé😀"), max_size=12)


def test_words_of_too_few_or_too_many_documents_are_dropped(tmp_path: Path) -> None:
    documents = ["all once twice", "all twice", "all thrice", "all thrice half", "thrice half", "half"]
    vocabulary, _ = build_corpus(documents, NORMALIZER, tmp_path, min_documents=2, max_document_share=0.5)
    assert [word.form for word in vocabulary.words] == ["half", "thrice", "twice"]


def test_a_word_counts_once_for_each_document_it_is_in(tmp_path: Path) -> None:
    documents = ["beach beach beach", "beach sun", "sun", "", ""]
    vocabulary, _ = build_corpus(documents, NORMALIZER, tmp_path, min_documents=2, max_document_share=0.5)
    assert [(word.stem, word.documents, word.count) for word in vocabulary.words] == [("beach", 2, 4), ("sun", 2, 2)]


def test_surface_forms_are_counted_and_the_most_frequent_comes_first(tmp_path: Path) -> None:
    documents = ["Beaches BEACHES beach", "beaches beached beach", "sea"]
    vocabulary, _ = build_corpus(documents, NORMALIZER, tmp_path, min_documents=1, max_document_share=1.0)
    beach = vocabulary.words[vocabulary.ids["beach"]]
    assert beach.forms == (("beaches", 3), ("beach", 2), ("beached", 1))
    assert beach.form == "beaches"
    assert beach.count == 6


def test_the_numbers_of_words_do_not_depend_on_the_order_of_captions(tmp_path: Path) -> None:
    documents = ["sun sea", "sea beach", "beach sun", "beaches sand", "sand"]
    vocabularies = []
    for name, order in (("one", documents), ("two", documents[::-1])):
        (tmp_path / name).mkdir()
        vocabularies.append(
            build_corpus(order, NORMALIZER, tmp_path / name, min_documents=2, max_document_share=1.0)[0]
        )
    assert vocabularies[0] == vocabularies[1]
    stems = [word.stem for word in vocabularies[0].words]
    assert stems == sorted(stems)


@given(st.lists(CAPTIONS, max_size=8))
def test_bags_on_disk_are_those_of_the_vocabulary(documents: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        vocabulary, corpus = build_corpus(
            ["ab anchor", *documents], NORMALIZER, Path(name), min_documents=1, max_document_share=1.0
        )
        bags = list(corpus)
        assert list(corpus) == bags  # it can be read again, as each pass of the training does
        assert list(DiskCorpus(Path(name))) == bags
    assert len(corpus) == len(bags) == len(documents) + 1
    assert bags[1:] == [vocabulary.bag_of_words(NORMALIZER.stems(text)) for text in documents]
    for text, bag in zip(documents, bags[1:], strict=True):
        counts = Counter(NORMALIZER.stems(text))
        assert {vocabulary.words[word].stem: count for word, count in bag} == counts
        assert bag == sorted(bag)


def test_documents_without_words_stay_as_empty_bags(tmp_path: Path) -> None:
    documents = iter(["", "sun sea", "the 😀", "sun sea", "rare"])
    vocabulary, corpus = build_corpus(documents, NORMALIZER, tmp_path, min_documents=2, max_document_share=1.0)
    sea, sun = vocabulary.ids["sea"], vocabulary.ids["sun"]
    assert list(corpus) == [[], [(sea, 1), (sun, 1)], [], [(sea, 1), (sun, 1)], []]


def test_what_the_training_reads_and_what_was_read_are_left_on_disk(tmp_path: Path) -> None:
    build_corpus(["sun", "sun"], NORMALIZER, tmp_path, min_documents=2, max_document_share=1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "counts.i32", "digests.npy", "forms.txt", "ids.i32", "lengths.i32", "offsets.npy", "reading.json", "words.i32",
    ]  # fmt: skip


@pytest.mark.parametrize("documents", [[], ["", "the"], ["one", "two", "three"], ["sun", "sun"]])
def test_captions_that_leave_no_word_are_an_error_that_says_why(documents: list[str], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=rf"of {len(documents)} captions.*at least 2.*at most 50%.*give more"):
        build_corpus(documents, NORMALIZER, tmp_path, min_documents=None, max_document_share=0.5)


def test_the_least_number_of_documents_grows_with_the_corpus() -> None:
    assert [adapted_min_documents(count) for count in (0, 4, 300, 6_000, 1_000_000)] == [2, 2, 2, 10, 125]


def test_a_bag_of_words_ignores_unknown_stems_and_the_order() -> None:
    vocabulary = Vocabulary((Word("beach", (("beach", 2),), 2), Word("sun", (("sun", 2),), 2)))
    assert vocabulary.bag_of_words(["sun", "moon", "beach", "sun"]) == [(0, 1), (1, 2)]
    assert vocabulary.bag_of_words(["sun", "sun", "beach"]) == [(0, 1), (1, 2)]
    assert vocabulary.bag_of_words([]) == []


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(
    st.lists(
        st.tuples(WORDS, st.dictionaries(WORDS, st.integers(1, 10**9), min_size=1, max_size=3), st.integers(1, 10**9)),
        max_size=5,
    )
)
def test_a_vocabulary_read_from_its_file_is_the_same(entries: list[tuple[str, dict[str, int], int]]) -> None:
    vocabulary = Vocabulary(tuple(Word(stem, tuple(forms.items()), count) for stem, forms, count in entries))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "vocabulary.jsonl"
        vocabulary.write(path)
        assert Vocabulary.read(path) == vocabulary


def test_the_vocabulary_file_is_readable_text_with_one_word_a_line(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.jsonl"
    Vocabulary((Word("пляж", (("пляж", 3), ("пляжи", 1)), 2), Word("\u2028", (("\u2028", 1),), 1))).write(path)
    assert path.read_text(encoding="utf-8").split("\n")[0] == (
        '{"stem": "пляж", "documents": 2, "forms": {"пляж": 3, "пляжи": 1}}'
    )
    assert path.read_text(encoding="utf-8").count("\n") == 2
