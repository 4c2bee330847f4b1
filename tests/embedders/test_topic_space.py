"""The topic space bundle: written whole, read back the same, safe to open, and plain about what is damaged."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from topicidx.atomic import new_folder, standing_folder
from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.protocols import ImageEncoder
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.embedders.vocabulary import Vocabulary
from topicidx.errors import SpaceDamagedError, SpaceError, SpaceNotFoundError, SpaceVersionError

Damage = Callable[[Path], object]


@dataclass(frozen=True)
class FlatImageEncoder:
    """An image encoder from elsewhere, to which every picture is the same."""

    topics: int
    weights: Mapping[str, NDArray[Any]] = field(default_factory=lambda: {"weight": np.ones(3, dtype=np.float32)})
    resize: int = 8

    name = "flat"

    @property
    def dimensions(self) -> int:
        return self.topics

    @property
    def input_size(self) -> int:
        return self.resize

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.zeros((1,), dtype=np.uint8)

    def encode(self, prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return np.full((len(prepared), self.topics), 1 / self.topics, dtype=np.float32)

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        return self.weights

    def settings_json(self) -> dict[str, Any]:
        return {"resize": self.resize}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def changed(encoder: LdaTextEncoder, **changes: Any) -> LdaTextEncoder:
    """The same text encoder but for what is named."""
    parts: dict[str, Any] = {
        "normalizer": encoder.normalizer,
        "vocabulary": encoder.vocabulary,
        "hyperparameters": encoder.hyperparameters,
        "sstats": encoder.sstats,
        "topic_prior": encoder.topic_prior,
    }
    return LdaTextEncoder(**(parts | changes))


def read_everything(folder: Path) -> None:
    """Touch all that a space of captions holds."""
    space = TopicSpace.load(folder)
    assert space.words.find("beach")
    space.words.vectors("lift", [0, len(space.words.vocabulary) - 1])
    space.words.vectors("topics", [0])
    assert space.topic_prior.sum() > 0
    space.encode_text(["beach"])


def test_a_space_that_was_written_is_read_back_the_same(
    text_encoder: LdaTextEncoder, themed_captions: Sequence[str], tmp_path: Path
) -> None:
    written = write_topic_space(
        tmp_path / "space",
        text_encoder,
        provenance={"source": "пляж"},
        metrics={"loss": 0.5},
        attachments={"a.txt": b"a"},
    )
    space = TopicSpace.load(tmp_path / "space")
    assert space.manifest == written.manifest
    assert (space.dimensions, space.scores) == (8, "lift")
    assert space.normalizer == text_encoder.normalizer
    assert space.words.vocabulary == text_encoder.vocabulary
    assert space.topic_prior.tobytes() == text_encoder.topic_prior.tobytes()
    assert space.encode_text(themed_captions).tobytes() == text_encoder.encode(themed_captions).tobytes()
    assert space.manifest.provenance == {"source": "пляж"}
    assert space.manifest.metrics == {"loss": 0.5}
    assert (space.folder / "a.txt").read_bytes() == b"a"


def test_word_vectors_are_read_by_row(text_encoder: LdaTextEncoder, written_space: Path) -> None:
    words = TopicSpace.load(written_space).words
    lift, topics = text_encoder.word_vectors()
    rows = [5, 0, 5, len(lift) - 1]
    assert words.vectors("lift", rows).tobytes() == lift[rows].tobytes()
    assert words.vectors("topics", rows).tobytes() == topics[rows].tobytes()
    assert words.vectors("lift", []).shape == (0, 8)


def test_words_of_a_text_are_found_with_their_ids(text_encoder: LdaTextEncoder, written_space: Path) -> None:
    ids = text_encoder.vocabulary.ids
    assert TopicSpace.load(written_space).words.find("the Beaches, #unheardof пляж") == [
        (("beaches", "beach"), ids["beach"]),
        (("unheardof", "unheardof"), None),
        (("пляж", "пляж"), ids["пляж"]),
    ]


def test_a_space_is_opened_and_its_words_are_read_without_any_learning_library(written_space: Path) -> None:
    script = """
import json, sys
from pathlib import Path
from topicidx.embedders.topic_space import TopicSpace
space = TopicSpace.load(Path(sys.argv[1]))
word = space.words.find("beach")[0][1]
shape = space.words.vectors("lift", [word]).shape
print(json.dumps([shape, len(space.topic_prior), sorted({"gensim", "scipy", "spacy", "torch"} & set(sys.modules))]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(written_space)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[1, 8], 8, []]


def test_the_same_inputs_give_the_same_bytes(text_encoder: LdaTextEncoder, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_topic_space(tmp_path / name, changed(text_encoder), FlatImageEncoder(8))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def fingerprints(folder: Path, text: LdaTextEncoder, image: ImageEncoder, **rest: Any) -> tuple[str, str]:
    space = write_topic_space(folder, text, image, **rest)
    return space.vector_space, space.query_side


@pytest.fixture
def original(tmp_path: Path, text_encoder: LdaTextEncoder) -> tuple[str, str]:
    """(vector_space, query_side) of the space that the next tests change."""
    return fingerprints(tmp_path / "original", text_encoder, FlatImageEncoder(8))


def test_where_a_space_comes_from_is_no_part_of_its_fingerprints(
    original: tuple[str, str], text_encoder: LdaTextEncoder, tmp_path: Path
) -> None:
    assert original == fingerprints(
        tmp_path / "space",
        text_encoder,
        FlatImageEncoder(8),
        provenance={"source": "elsewhere", "date": "2017-06-01"},
        metrics={"loss": 0.1},
        attachments={"training.jsonl": b"{}"},
    )


@pytest.mark.parametrize("what", ["forms", "stop words", "punctuation"])
def test_other_words_change_the_query_side_only(
    what: str, original: tuple[str, str], text_encoder: LdaTextEncoder, tmp_path: Path
) -> None:
    first, *others = text_encoder.vocabulary.words
    normalizer = text_encoder.normalizer
    text = {
        "forms": changed(text_encoder, vocabulary=Vocabulary((replace(first, forms=(("another", 1),)), *others))),
        "stop words": changed(
            text_encoder, normalizer=replace(normalizer, stop_words=normalizer.stop_words | {"instagood"})
        ),
        "punctuation": changed(text_encoder, normalizer=replace(normalizer, punctuation="remove")),
    }[what]
    vector_space, query_side = fingerprints(tmp_path / "space", text, FlatImageEncoder(8))
    assert vector_space == original[0]
    assert query_side != original[1]


def test_other_topics_change_both_fingerprints(
    original: tuple[str, str], text_encoder: LdaTextEncoder, tmp_path: Path
) -> None:
    sstats = text_encoder.sstats.copy()
    sstats[0, 0] += 1
    vector_space, query_side = fingerprints(
        tmp_path / "space", changed(text_encoder, sstats=sstats), FlatImageEncoder(8)
    )
    assert vector_space != original[0]
    assert query_side != original[1]


@pytest.mark.parametrize(
    "image",
    [
        FlatImageEncoder(8, weights={"weight": np.array([1, 1, 2], dtype=np.float32)}),
        FlatImageEncoder(8, weights={"weight": np.ones(3, dtype=np.float32).view(np.int32)}),
        FlatImageEncoder(8, weights={"weight": np.ones((3, 1), dtype=np.float32)}),
        FlatImageEncoder(8, weights={"other": np.ones(3, dtype=np.float32)}),
        FlatImageEncoder(8, resize=16),
    ],
    ids=["values", "dtype", "shape", "name", "settings"],
)
def test_another_image_model_changes_the_vector_space_only(
    image: ImageEncoder, original: tuple[str, str], text_encoder: LdaTextEncoder, tmp_path: Path
) -> None:
    vector_space, query_side = fingerprints(tmp_path / "space", text_encoder, image)
    assert vector_space != original[0]
    assert query_side == original[1]


def test_the_layout_of_an_array_in_memory_is_no_part_of_its_fingerprint(
    text_encoder: LdaTextEncoder, original: tuple[str, str], tmp_path: Path
) -> None:
    fortran = changed(text_encoder, sstats=np.asfortranarray(text_encoder.sstats))
    assert fingerprints(tmp_path / "space", fortran, FlatImageEncoder(8)) == original


@pytest.mark.parametrize("part", ["vector_space", "image_encoder"])
def test_a_space_of_captions_says_that_the_image_model_is_still_to_be_trained(written_space: Path, part: str) -> None:
    with pytest.raises(SpaceError, match="no image model yet; `topicidx train") as caught:
        getattr(TopicSpace.load(written_space), part)
    assert str(written_space) in str(caught.value)


def test_an_encoder_of_a_package_that_is_not_installed_is_named(
    text_encoder: LdaTextEncoder, space_folder: Path
) -> None:
    write_topic_space(space_folder, text_encoder, FlatImageEncoder(8))
    with pytest.raises(SpaceError, match=r"'flat'.*googlenet.*install"):
        _ = TopicSpace.load(space_folder).image_encoder


# Each of these damages a copy of a space; with it go the file to be named and whether already opening it fails.


def edit_manifest(**changes: Any) -> Damage:
    def damage(folder: Path) -> None:
        manifest = json.loads((folder / "space.json").read_text(encoding="utf-8"))
        for path, value in changes.items():
            *outer, last = path.split("__")
            place = manifest
            for name in outer:
                place = place[name]
            place[last] = value
        (folder / "space.json").write_text(json.dumps(manifest), encoding="utf-8")

    return damage


def correct_sizes(folder: Path) -> None:
    """Make space.json agree with the damaged files, so that it is not their size that gives them away."""
    edit_manifest(files={path.name: path.stat().st_size for path in folder.iterdir() if path.name != "space.json"})(
        folder
    )


def cut(name: str, *, keep: float, hide: bool = False) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])
        if hide:
            correct_sizes(folder)

    return damage


def overwrite(name: str, content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)
        if name != "space.json":
            correct_sizes(folder)

    return damage


def edit_tensor(name: str, tensor: str, edit: Callable[[NDArray[Any]], NDArray[Any] | None]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / name)
        edited = edit(tensors.pop(tensor))
        if edited is not None:
            tensors[tensor] = np.ascontiguousarray(edited)
        save_file(tensors, folder / name)
        correct_sizes(folder)

    return damage


def edit_last_word(content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        lines = (folder / "vocabulary.jsonl").read_bytes().splitlines()
        (folder / "vocabulary.jsonl").write_bytes(b"\n".join([*lines[:-1], content]) + b"\n")
        correct_sizes(folder)

    return damage


def put_nan(tensor: NDArray[Any]) -> NDArray[Any]:
    tensor = tensor.copy()
    tensor.flat[0] = np.nan
    return tensor


def cut_row(tensor: NDArray[Any]) -> NDArray[Any]:
    return tensor[1:]


SEEN_WHEN_OPENED: dict[str, tuple[Damage, str]] = {
    "no manifest": (lambda folder: (folder / "space.json").unlink(), "space.json"),
    "empty manifest": (overwrite("space.json", b""), "space.json"),
    "manifest is not JSON": (overwrite("space.json", b"topics: 500"), "space.json"),
    "manifest is not text": (overwrite("space.json", b"\xff\xfe\x00\x01"), "space.json"),
    "manifest is a list": (overwrite("space.json", b"[1, 2]"), "space.json"),
    "manifest is empty JSON": (overwrite("space.json", b"{}"), "space.json"),
    "manifest has only a version": (overwrite("space.json", b'{"format_version": 1}'), "space.json"),
    "manifest is cut short": (cut("space.json", keep=0.5), "space.json"),
    "version is text": (edit_manifest(format_version="1"), "space.json"),
    "version is nothing": (edit_manifest(format_version=None), "space.json"),
    "dimensions are text": (edit_manifest(dimensions="many"), "space.json"),
    "text model is a number": (edit_manifest(text=5), "space.json"),
    "scores of another kind": (edit_manifest(text__scores="magic"), "space.json"),
    "files are a list": (edit_manifest(files=["lda.safetensors"]), "space.json"),
    "sizes are text": (edit_manifest(files={"lda.safetensors": "big"}), "space.json"),
    "a file above": (edit_manifest(files={"../space/lda.safetensors": 5}), "space.json"),
    "an absolute file": (edit_manifest(files={"/etc/passwd": 5}), "space.json"),
    "the folder above": (edit_manifest(files={"..": 5}), "space.json"),
    "no file name": (edit_manifest(files={"": 5}), "space.json"),
    "an impossible file name": (edit_manifest(files={"a\0b": 5}), "space.json"),
    "text model is gone": (lambda folder: (folder / "lda.safetensors").unlink(), "lda.safetensors"),
    "word vectors are gone": (lambda folder: (folder / "words.safetensors").unlink(), "words.safetensors"),
    "vocabulary is gone": (lambda folder: (folder / "vocabulary.jsonl").unlink(), "vocabulary.jsonl"),
    "text model is cut short": (cut("lda.safetensors", keep=0.9), "lda.safetensors"),
    "word vectors are cut short": (cut("words.safetensors", keep=0.9), "words.safetensors"),
    "vocabulary is cut short": (cut("vocabulary.jsonl", keep=0.9), "vocabulary.jsonl"),
    "a size is wrong": (edit_manifest(files={"words.safetensors": 1}), "words.safetensors"),
}  # fmt: skip

SEEN_WHEN_USED: dict[str, tuple[Damage, str]] = {
    "normaliser lacks a part": (edit_manifest(text__normalizer={"language": "en"}), "space.json"),
    "stop words are a number": (edit_manifest(text__normalizer__stop_words=5), "space.json"),
    "unknown stemmer": (edit_manifest(text__normalizer__stemmer="klingon"), "space.json"),
    "unknown punctuation": (edit_manifest(text__normalizer__punctuation="dance"), "space.json"),
    "other dimensions": (edit_manifest(dimensions=9), "words.safetensors"),
    "other number of words": (edit_manifest(text__words=9), "vocabulary.jsonl"),
    "a setting of the text model is gone": (edit_manifest(text__settings={}), "space.json"),
    "a setting of the text model is text": (edit_manifest(text__settings__alpha="high"), "space.json"),
    "text model is empty": (overwrite("lda.safetensors", b""), "lda.safetensors"),
    "text model is something else": (overwrite("lda.safetensors", b"\x80\x04K\x01." * 100), "lda.safetensors"),
    "text model is cut, size agrees": (cut("lda.safetensors", keep=0.9, hide=True), "lda.safetensors"),
    "word vectors are cut, size agrees": (cut("words.safetensors", keep=0.9, hide=True), "words.safetensors"),
    "word vectors' header is cut": (cut("words.safetensors", keep=0.001, hide=True), "words.safetensors"),
    "vocabulary is cut in a line": (cut("vocabulary.jsonl", keep=0.9, hide=True), "vocabulary.jsonl"),
    "vocabulary is empty": (overwrite("vocabulary.jsonl", b""), "vocabulary.jsonl"),
    "vocabulary is not text": (edit_last_word(b"\xff\xfe"), "vocabulary.jsonl"),
    "a word lacks its forms": (edit_last_word(b'{"stem": "a", "documents": 1}'), "vocabulary.jsonl"),
    "a word is a number": (edit_last_word(b"5"), "vocabulary.jsonl"),
    "forms are a list": (edit_last_word(b'{"stem": "a", "documents": 1, "forms": ["a"]}'), "vocabulary.jsonl"),
    "forms are empty": (edit_last_word(b'{"stem": "a", "documents": 1, "forms": {}}'), "vocabulary.jsonl"),
    "topics of another shape": (edit_tensor("lda.safetensors", "sstats", cut_row), "lda.safetensors"),
    "topics are gone": (edit_tensor("lda.safetensors", "sstats", lambda _: None), "lda.safetensors"),
    "topics hold NaN": (edit_tensor("lda.safetensors", "sstats", put_nan), "lda.safetensors"),
    "prior of another shape": (edit_tensor("lda.safetensors", "topic_prior", cut_row), "lda.safetensors"),
    "prior is gone": (edit_tensor("lda.safetensors", "topic_prior", lambda _: None), "lda.safetensors"),
    "prior holds NaN": (edit_tensor("lda.safetensors", "topic_prior", put_nan), "lda.safetensors"),
    "lifts of another shape": (edit_tensor("words.safetensors", "lift", cut_row), "words.safetensors"),
    "lifts transposed": (edit_tensor("words.safetensors", "lift", np.transpose), "words.safetensors"),
    "lifts are gone": (edit_tensor("words.safetensors", "lift", lambda _: None), "words.safetensors"),
    "lifts hold NaN": (edit_tensor("words.safetensors", "lift", put_nan), "words.safetensors"),
    "word topics of another shape": (edit_tensor("words.safetensors", "topics", cut_row), "words.safetensors"),
    "word topics hold NaN": (edit_tensor("words.safetensors", "topics", put_nan), "words.safetensors"),
}  # fmt: skip


def check_damage(error: BaseException, folder: Path, file: str) -> None:
    message = str(error)
    assert "\n" not in message
    assert str(folder) in message
    assert file in message
    assert "train" in message


@pytest.mark.parametrize("kind", SEEN_WHEN_OPENED)
def test_damage_that_is_seen_when_a_space_is_opened(space_folder: Path, kind: str) -> None:
    damage, file = SEEN_WHEN_OPENED[kind]
    damage(space_folder)
    with pytest.raises(SpaceDamagedError) as caught:
        TopicSpace.load(space_folder)
    check_damage(caught.value, space_folder, file)


@pytest.mark.parametrize("kind", SEEN_WHEN_USED)
def test_damage_that_is_seen_when_a_space_is_used(space_folder: Path, kind: str) -> None:
    damage, file = SEEN_WHEN_USED[kind]
    damage(space_folder)
    with pytest.raises(SpaceDamagedError) as caught:
        read_everything(space_folder)
    check_damage(caught.value, space_folder, file)


def test_an_undamaged_space_can_be_read(space_folder: Path) -> None:
    correct_sizes(space_folder)
    read_everything(space_folder)


@pytest.mark.parametrize("version", [3, 99])
def test_a_newer_format_asks_for_a_newer_topicidx(space_folder: Path, version: int) -> None:
    edit_manifest(format_version=version, text="unheard of")(space_folder)
    with pytest.raises(SpaceVersionError, match=f"format {version}.*upgrade topicidx") as caught:
        TopicSpace.load(space_folder)
    assert str(space_folder) in str(caught.value)


def test_no_folder_is_no_space(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(SpaceNotFoundError, match="topicidx train") as caught:
            TopicSpace.load(place)
        assert str(place) in str(caught.value)


def test_the_working_directory_can_be_the_space(space_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(space_folder)
    read_everything(Path())


def test_opening_a_space_never_unpickles(space_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_everything(space_folder)  # all imports done, which may do as they like

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a topic space was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    read_everything(space_folder)
    assert {path.suffix for path in space_folder.iterdir()} == {".json", ".jsonl", ".safetensors"}


@dataclass(frozen=True)
class FailingImageEncoder(FlatImageEncoder):
    """Fails while it is written."""

    error: BaseException = field(default_factory=OSError)

    def settings_json(self) -> dict[str, Any]:
        return {}

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError("no space left on device"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"]
)
@pytest.mark.parametrize("there_before", [True, False])
def test_a_space_that_cannot_be_written_leaves_everything_as_it_was(
    text_encoder: LdaTextEncoder, written_space: Path, tmp_path: Path, error: BaseException, there_before: bool
) -> None:
    folder = tmp_path / "workspace" / "space"
    folder.parent.mkdir()
    if there_before:
        shutil.copytree(written_space, folder)
    with pytest.raises(type(error)):
        write_topic_space(folder, text_encoder, FailingImageEncoder(8, error=error))
    assert list(folder.parent.iterdir()) == ([folder] if there_before else [])
    if there_before:
        assert bytes_of(folder) == bytes_of(written_space)
        read_everything(folder)


def test_a_space_takes_the_place_of_the_one_before(
    text_encoder: LdaTextEncoder, written_space: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace" / "space"
    write_topic_space(folder, text_encoder, FlatImageEncoder(8), attachments={"training.png": b"png"})
    write_topic_space(folder, text_encoder, provenance={"source": "captions"})
    assert list(folder.parent.iterdir()) == [folder]
    assert bytes_of(folder) == bytes_of(written_space)


def test_a_space_is_recovered_where_a_process_died_while_it_was_replaced(
    space_folder: Path, written_space: Path
) -> None:
    def die(folder: Path) -> None:
        script = """
import os, sys
from pathlib import Path
from topicidx.atomic import new_folder
rename = Path.rename
Path.rename = lambda self, target: (rename(self, target), os._exit(9))
with new_folder(Path(sys.argv[1])): pass
"""
        assert subprocess.run([sys.executable, "-c", script, str(folder)], check=False).returncode == 9

    die(space_folder)
    assert not space_folder.exists()
    read_everything(space_folder)
    assert bytes_of(standing_folder(space_folder)) == bytes_of(written_space)


@pytest.mark.parametrize("in_the_way", ["file", "folder"])
def test_what_is_no_topic_space_is_never_overwritten(
    text_encoder: LdaTextEncoder, tmp_path: Path, in_the_way: str
) -> None:
    place = tmp_path / "photos"
    if in_the_way == "folder":
        place.mkdir()
    photo = place / "holiday.jpg" if in_the_way == "folder" else place
    photo.write_bytes(b"precious")
    with pytest.raises(SpaceError, match=r"is no topic space.*--space") as caught:
        write_topic_space(place, text_encoder)
    assert str(place) in str(caught.value)
    assert photo.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [place]


def test_an_empty_folder_may_become_a_space(text_encoder: LdaTextEncoder, tmp_path: Path) -> None:
    (tmp_path / "space").mkdir()
    write_topic_space(tmp_path / "space", text_encoder)
    read_everything(tmp_path / "space")


def test_a_normaliser_of_a_space_is_the_one_it_was_trained_with(written_space: Path) -> None:
    stored = TopicSpace.load(written_space).normalizer
    assert stored == CaptionNormalizer.for_language("en")


def test_a_space_reached_by_a_link_is_replaced_where_it_lies(text_encoder: LdaTextEncoder, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "space").symlink_to(tmp_path / "disk" / "space")
    for _ in range(2):
        write_topic_space(tmp_path / "space", text_encoder)
        read_everything(tmp_path / "space")
    assert (tmp_path / "space").is_symlink()
    assert list((tmp_path / "disk").iterdir()) == [tmp_path / "disk" / "space"]


def test_a_reader_sees_the_old_space_until_the_new_one_is_whole(
    written_space: Path, space_folder: Path, text_encoder: LdaTextEncoder
) -> None:
    with new_folder(space_folder) as building:
        (building / "half").write_text("")
        read_everything(space_folder)
    assert [path.name for path in space_folder.iterdir()] == ["half"]


def test_the_average_picture_scores_one_for_every_word(text_encoder: LdaTextEncoder, tmp_path: Path) -> None:
    average = np.random.default_rng(0).dirichlet(np.full(text_encoder.dimensions, 5.0)).astype(np.float32)
    plain = write_topic_space(tmp_path / "plain", text_encoder)
    scaled = write_topic_space(tmp_path / "scaled", text_encoder, average_picture=average)
    words = list(range(len(text_encoder.vocabulary)))
    np.testing.assert_allclose(scaled.words.vectors("lift", words) @ average, 1, rtol=1e-4)
    np.testing.assert_array_equal(scaled.words.vectors("topics", words), plain.words.vectors("topics", words))
    assert scaled.query_side != plain.query_side
