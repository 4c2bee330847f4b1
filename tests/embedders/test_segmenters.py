"""Languages without spaces: their words, alone and among others, and what is said where a package is missing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.embedders import segmenters
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.segmenters import LONGEST, SEGMENTERS, Segmentation
from topicidx.errors import MissingExtraError

CAPTIONS = {
    "ja": ("東京タワーの夜景 #桜満開", ["東京", "タワー", "の", "夜景", "桜", "満開"], ["東京", "タワー", "夜景", "桜", "満開"]),
    "th": ("พระอาทิตย์ตกที่ชายหาด น้ำทะเล", ["พระอาทิตย์", "ตก", "ที่", "ชายหาด", "น้ำทะเล"], ["พระอาทิตย์", "ตก", "ชายหาด", "น้ำทะเล"]),
    "zh": ("我爱北京天安门 #日落海滩", ["我", "爱", "北京", "天安门", "日落", "海滩"], ["爱", "北京", "天安门", "日落", "海滩"]),
}  # fmt: skip
ALPHABETS = {
    "ja": "日落海滩東京タワーのがでしたーカ\u3099ﾊﾟ々㐀𠮷㌀",
    "th": "พระอาทิตย์ตกที่ชายหาดน้ำทะเล\u0e4d\u0e32๑",
    "zh": "我爱北京天安门日落海滩沙灘々㐀𠮷\uf900",
}


@pytest.fixture(scope="module", params=sorted(SEGMENTERS))
def language(request: pytest.FixtureRequest) -> str:
    code: str = request.param
    pytest.importorskip(SEGMENTERS[code].package, reason=f"needs pip install 'topicidx[{code}]'")
    return code


@pytest.fixture(scope="module")
def normalizer(language: str) -> CaptionNormalizer:
    return CaptionNormalizer.for_language(language)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    packages = {segmenter.package for segmenter in SEGMENTERS.values()}
    for name in packages | {name for name in sys.modules if name.partition(".")[0] in packages}:
        monkeypatch.setitem(sys.modules, name, None)
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    segmenters._loaded.cache_clear()
    segmenters._pieces.cache_clear()


def test_captions_are_cut_into_words(normalizer: CaptionNormalizer, language: str) -> None:
    caption, forms, content = CAPTIONS[language]
    assert normalizer.forms(caption) == forms
    assert normalizer.stems(caption) == content
    assert [token.form for token in normalizer.tokens(caption)] == content


def test_words_of_other_scripts_are_split_as_always(normalizer: CaptionNormalizer, language: str) -> None:
    caption, forms, _ = CAPTIONS[language]
    assert normalizer.forms(f"Beaches2024{caption}☀️café!한국 {caption}") == [
        "beaches2024", *forms, "café", "한국", *forms
    ]  # fmt: skip


def test_in_a_mixed_collection_each_script_is_treated_as_its_language(language: str) -> None:
    mixed = CaptionNormalizer.for_language(f"en,{language}")
    caption, _, content = CAPTIONS[language]
    assert mixed.stemmer == "porter,none"
    assert mixed.stems(f"the beaches {caption} running") == ["beach", *content, "run"]


def test_the_description_names_the_segmenter(normalizer: CaptionNormalizer, language: str) -> None:
    described = json.loads(json.dumps(normalizer.to_json()))
    assert (described["stemmer"], described["segmenter"]) == ("none", SEGMENTERS[language].package)
    restored = CaptionNormalizer.from_json(described)
    assert restored == normalizer
    assert restored.tokens(CAPTIONS[language][0]) == normalizer.tokens(CAPTIONS[language][0])


@given(st.data())
@settings(deadline=None)
def test_any_text_has_words_in_its_order_that_queries_find(
    normalizer: CaptionNormalizer, language: str, data: st.DataObject
) -> None:
    text = st.text(st.one_of(st.sampled_from(ALPHABETS[language] + " a1#,\u0301\u200d"), st.characters()), max_size=30)
    a, b = data.draw(text), data.draw(text)
    assert normalizer.tokens(f"{a} {b}") == normalizer.tokens(a) + normalizer.tokens(b)
    for form in normalizer.forms(a):
        assert form[0].isalnum()
        assert normalizer.forms(form) == [form]
    for token in normalizer.tokens(a):
        assert normalizer.tokens(token.form) == [token]


# What a package leaves together in this text, and takes apart by itself.
TOGETHER = {"ja": ("ったべ空", "たべ"), "th": ("เสังอร", "งอร"), "zh": ("明看大阳好", "大阳")}


def test_what_is_cut_by_itself_is_cut_in_a_longer_text_too(normalizer: CaptionNormalizer, language: str) -> None:
    text, word = TOGETHER[language]
    assert word in segmenters._pieces(language, text)  # where a newer package no longer does so, find another text
    parts = normalizer.forms(word)
    assert len(parts) > 1
    assert word not in normalizer.forms(text)
    assert "".join(parts) in "".join(normalizer.forms(text))


@given(st.data())
@settings(deadline=None)
def test_cutting_loses_and_moves_no_letter(language: str, data: st.DataObject) -> None:
    letters = [char for char in ALPHABETS[language] if char.isalnum() and char != "\u0e32"]
    word = data.draw(st.text(st.sampled_from(letters), max_size=40))
    assert "".join(Segmentation((language,)).words(word)) == word


def test_a_text_may_be_long(normalizer: CaptionNormalizer, language: str) -> None:
    caption, forms, _ = CAPTIONS[language]
    run = caption.split()[0] * LONGEST
    found = normalizer.forms(run)
    assert "".join(found) == "".join(normalizer.forms(caption.split()[0])) * LONGEST
    assert found[: len(forms) - 3] == forms[: len(forms) - 3]


def test_user_stop_words_go_as_they_are_cut(language: str) -> None:
    caption, _, content = CAPTIONS[language]
    normalizer = CaptionNormalizer.for_language(language, extra_stop_words=("".join(content[:2]),))
    assert normalizer.stems(caption) == content[2:]


def test_chinese_characters_go_to_the_first_language_that_has_them_and_kana_to_japanese() -> None:
    both = Segmentation(("zh", "ja"))
    assert [both._segmenter(run) for run in ("海滩", "食べる", "ビーチ")] == ["zh", "ja", "ja"]
    assert Segmentation(("ja", "zh"))._segmenter("海滩") == "ja"


@pytest.mark.parametrize("code", sorted(SEGMENTERS))
@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_package_is_named_with_its_install_line(code: str) -> None:
    for given_language in (code, f"en,{code}"):
        with pytest.raises(MissingExtraError) as caught:
            CaptionNormalizer.for_language(given_language)
        assert f"pip install 'topicidx[{code}]'" in str(caught.value)
        assert SEGMENTERS[code].package in str(caught.value)


def test_a_missing_dictionary_is_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sudachipy", reason="needs pip install 'topicidx[ja]'")
    monkeypatch.setitem(sys.modules, "sudachidict_core", None)
    _forget()
    with pytest.raises(MissingExtraError, match=r"topicidx\[ja\]"):
        CaptionNormalizer.for_language("ja")
    _forget()


@pytest.mark.parametrize("code", sorted(SEGMENTERS))
@pytest.mark.usefixtures("nothing_installed")
def test_a_query_needs_the_package_only_for_its_script(code: str) -> None:
    normalizer = CaptionNormalizer(code, "none", frozenset(), segmenter=SEGMENTERS[code].package)
    assert normalizer.stems("beach café") == ["beach", "café"]
    with pytest.raises(MissingExtraError, match="pip install"):
        normalizer.stems(CAPTIONS[code][0])


def test_cutting_is_quiet_leaves_no_file_and_needs_no_learning_library(
    normalizer: CaptionNormalizer, language: str, tmp_path: Path
) -> None:
    script = """
import json, sys
from topicidx.embedders.normalizer import CaptionNormalizer
normalizer = CaptionNormalizer.from_json(json.loads(sys.argv[1]))
stems = normalizer.stems(sys.argv[2])
print(json.dumps([stems, sorted({"spacy", "torch", "gensim"} & set(sys.modules))]))
"""
    arguments = [json.dumps(normalizer.to_json()), CAPTIONS[language][0]]
    places = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True, text=True, check=True, env=os.environ | places,
    )  # fmt: skip
    assert json.loads(done.stdout) == [CAPTIONS[language][2], []]
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
