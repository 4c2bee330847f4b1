"""The rendered collection: its truth, its captions, its files and what its pictures look like."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topicidx.indexer.rendered import (
    CITIES,
    CONCEPTS,
    RenderedPicture,
    Scene,
    draw_scene,
    render_cities,
    render_collection,
)
from topicidx.indexer.rendered.captions import caption_scene
from topicidx.indexer.rendered.scenes import sample_city_scenes, sample_scenes

DEMO_PAIRS = (("sunrise", "beach"), ("skyline", "night"), ("yellow", "car"), ("rain", "umbrella"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def caption_agreement(pictures: list[RenderedPicture]) -> float:
    """The share of the concept words written in captions that are true of the picture they stand beside."""
    true = written = 0
    for picture in pictures:
        words = {word.removeprefix("#") for caption in picture.captions for word in caption.split()}
        named = words.intersection(CONCEPTS)
        written += len(named)
        true += len(named & picture.concepts)
    return true / written


def scene_of(concepts: set[str], place: str = "beach", light: str = "day", weather: str = "clear") -> Scene:
    return Scene("miami", light, place, weather, (), None, frozenset(), 5, frozenset({*concepts, place}))


@pytest.mark.parametrize("seed", [0, 7, 2024])
def test_each_demo_pair_occurs_often_enough_and_its_words_occur_much_more(seed: int) -> None:
    scenes = sample_scenes(900, seed)
    for first, second in DEMO_PAIRS:
        both = sum(first in scene.concepts and second in scene.concepts for scene in scenes)
        assert both >= max(25, 0.03 * 900)
        for word in (first, second):
            assert sum(word in scene.concepts for scene in scenes) >= 1.6 * both


def test_every_concept_and_every_city_occurs_in_a_fair_share_of_the_scenes() -> None:
    scenes = sample_scenes(900, 7)
    concepts = Counter(word for scene in scenes for word in scene.concepts)
    cities = Counter(scene.city for scene in scenes)
    assert set(concepts) == set(CONCEPTS)
    assert min(concepts.values()) >= 0.05 * 900
    assert set(cities) == set(CITIES)
    assert min(cities.values()) >= 0.06 * 900


def test_every_scene_has_exactly_one_place_and_at_most_two_things() -> None:
    for scene in sample_scenes(300, 3):
        assert len(scene.concepts & {"beach", "mountain", "skyline", "park", "street"}) == 1
        assert len(set(scene.things)) == len(scene.things) <= 2
        assert ("car" in scene.things or "umbrella" in scene.things) == (scene.colour is not None)


def test_concepts_do_not_depend_on_the_city() -> None:
    scenes = sample_scenes(4000, 1)
    overall = sum("night" in scene.concepts for scene in scenes) / len(scenes)
    for city in CITIES:
        own = [scene for scene in scenes if scene.city == city]
        assert abs(sum("night" in scene.concepts for scene in own) / len(own) - overall) < 0.1


def test_not_every_scene_gives_its_city_away() -> None:
    scenes = sample_scenes(900, 7)
    without_cue = sum(not scene.cues for scene in scenes)
    assert 0.05 * 900 < without_cue < 0.5 * 900


def test_a_scene_does_not_depend_on_the_count_but_on_the_seed() -> None:
    assert sample_scenes(20, 7) == sample_scenes(60, 7)[:20]
    assert sample_scenes(20, 7) != sample_scenes(20, 8)


@pytest.mark.parametrize(("count", "seed"), [(-1, 0), (1, -1)])
def test_sampling_refuses_negative_arguments(count: int, seed: int) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        sample_scenes(count, seed)


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    first = render_collection(tmp_path / "first", 12, 64, 7)
    second = render_collection(tmp_path / "second", 12, 64, 7)
    assert first == second
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_a_picture_does_not_depend_on_the_count(tmp_path: Path) -> None:
    few = render_collection(tmp_path / "few", 3, 64, 7)
    render_collection(tmp_path / "many", 6, 64, 7)
    for picture in few:
        assert (tmp_path / "few" / picture.path).read_bytes() == (tmp_path / "many" / picture.path).read_bytes()


def test_another_seed_writes_other_pictures(tmp_path: Path) -> None:
    render_collection(tmp_path / "first", 4, 64, 7)
    render_collection(tmp_path / "second", 4, 64, 8)
    assert files_of(tmp_path / "first") != files_of(tmp_path / "second")


def test_pictures_decode_as_rgb_jpegs_of_the_asked_size_at_paths_named_after_the_city(tmp_path: Path) -> None:
    pictures = render_collection(tmp_path, 8, 80, 7)
    for index, picture in enumerate(pictures):
        assert str(picture.path) == f"photos/{picture.city}/{picture.city}_{index:05d}.jpg"
        with Image.open(tmp_path / picture.path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (80, 80))


def test_the_captions_file_has_one_row_per_caption_and_none_for_a_picture_without(tmp_path: Path) -> None:
    pictures = render_collection(tmp_path, 60, 32, 7)
    with (tmp_path / "captions.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["image"], row["caption"], row["city"]) for row in csv.DictReader(file)]
    expected = [(str(picture.path), caption, picture.city) for picture in pictures for caption in picture.captions]
    assert rows == expected
    assert any(not picture.captions for picture in pictures)


def test_the_truth_file_holds_every_picture_with_its_sorted_concepts(tmp_path: Path) -> None:
    pictures = render_collection(tmp_path, 10, 32, 7)
    lines = (tmp_path / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"image": str(picture.path), "city": picture.city, "concepts": sorted(picture.concepts)} for picture in pictures
    ]


def test_shuffling_exchanges_the_captions_and_nothing_else(tmp_path: Path) -> None:
    plain = render_collection(tmp_path / "plain", 40, 32, 7)
    shuffled = render_collection(tmp_path / "shuffled", 40, 32, 7, shuffle_captions=True)
    plain_files, shuffled_files = files_of(tmp_path / "plain"), files_of(tmp_path / "shuffled")
    assert plain_files.pop("captions.csv") != shuffled_files.pop("captions.csv")
    assert plain_files == shuffled_files
    assert Counter(picture.captions for picture in plain) == Counter(picture.captions for picture in shuffled)
    assert [bool(picture.captions) for picture in plain] == [bool(picture.captions) for picture in shuffled]
    assert [(p.path, p.city, p.concepts) for p in plain] == [(p.path, p.city, p.concepts) for p in shuffled]


def test_captions_agree_with_the_truth_far_more_often_than_shuffled_ones(tmp_path: Path) -> None:
    plain = render_collection(tmp_path / "plain", 150, 32, 7)
    shuffled = render_collection(tmp_path / "shuffled", 150, 32, 7, shuffle_captions=True)
    assert caption_agreement(plain) > 0.95
    assert caption_agreement(shuffled) < 0.5


def test_captions_are_noisy_as_intended() -> None:
    scenes = sample_scenes(1500, 7)
    captions = [caption_scene(scene, np.random.default_rng([scene.seed, 1])) for scene in scenes]
    assert 0.05 < sum(not texts for texts in captions) / 1500 < 0.11
    assert 0.08 < sum(len(texts) == 2 for texts in captions) / 1500 < 0.2
    named = total = with_city = 0
    for scene, texts in zip(scenes, captions, strict=True):
        if texts:
            words = {word.removeprefix("#") for word in texts[0].split()}
            named += len(words & scene.concepts)
            total += len(scene.concepts)
            with_city += scene.city in words
    assert 0.55 < named / total < 0.85
    assert 0.3 < with_city / 1500 < 0.7


def test_no_caption_word_is_written_without_its_separating_space() -> None:
    for scene in sample_scenes(200, 5):
        for caption in caption_scene(scene, np.random.default_rng(scene.seed)):
            assert caption == " ".join(caption.split())
            assert caption


def test_night_pictures_are_darker_than_day_pictures() -> None:
    for place in ("beach", "mountain", "skyline", "park", "street"):
        night = np.asarray(draw_scene(scene_of({"night"}, place, light="night"), 64)).mean()
        day = np.asarray(draw_scene(scene_of(set(), place), 64)).mean()
        assert night < 0.65 * day


def test_the_sky_of_a_sunrise_is_warmer_than_that_of_the_day() -> None:
    def warmth(light: str) -> float:
        upper = np.asarray(draw_scene(scene_of(set(), light=light), 64), dtype=float)[8:28]
        return float(upper[..., 0].mean() - upper[..., 2].mean())

    assert warmth("sunrise") > warmth("day") + 40


def test_snow_whitens_the_ground() -> None:
    snowy = np.asarray(draw_scene(scene_of({"snow"}, "park", weather="snow"), 64), dtype=float)[48:]
    clear = np.asarray(draw_scene(scene_of(set(), "park"), 64), dtype=float)[48:]
    assert snowy.mean() > clear.mean() + 40


@pytest.mark.parametrize("colour", ["yellow", "red", "blue"])
def test_a_car_shows_its_colour(colour: str) -> None:
    def share(shown: str) -> float:
        scene = Scene("miami", "day", "skyline", "clear", ("car",), shown, frozenset(), 9, frozenset({"car", shown}))
        red, green, blue = np.moveaxis(np.asarray(draw_scene(scene, 96), dtype=int)[60:], 2, 0)
        found = {
            "yellow": (red > 150) & (green > 110) & (blue < 90),
            "red": (red > 130) & (green < 80) & (blue < 80),
            "blue": (blue > 130) & (red < 80) & (green < 120),
        }
        return float(found[colour].mean())

    others = [shown for shown in ("yellow", "red", "blue") if shown != colour]
    assert share(colour) > 0.02
    assert all(share(colour) > share(other) + 0.02 for other in others)


@pytest.mark.parametrize("place", ["beach", "mountain", "skyline", "park", "street"])
def test_every_city_cue_can_be_drawn_at_every_place_and_changes_the_picture(place: str) -> None:
    def drawn(city: str, cues: frozenset[str]) -> bytes:
        return draw_scene(Scene(city, "night", place, "clear", (), None, cues, 4, frozenset({place})), 48).tobytes()

    for cues in ({"landmark", "lamp", "tint"}, {"landmark", "close"}, {"landmark"}):
        assert len({drawn(city, frozenset(cues)) for city in CITIES}) == len(CITIES)
    assert len({drawn(city, frozenset()) for city in CITIES}) == 1


@pytest.mark.parametrize("city", CITIES)
def test_a_close_landmark_covers_more_of_the_picture(city: str) -> None:
    def drawn(*cues: str) -> np.ndarray:
        scene = Scene(city, "day", "skyline", "clear", (), None, frozenset(cues), 4, frozenset({"skyline"}))
        return np.asarray(draw_scene(scene, 96), dtype=int)

    def covered(*cues: str) -> float:
        return float((np.abs(drawn(*cues) - drawn()).sum(axis=2) > 30).mean())

    assert covered("landmark", "close") > 1.4 * covered("landmark") > 0


def test_cities_differ_in_the_stated_share_of_their_pictures_alone() -> None:
    scenes = sample_city_scenes(3_000, 7, 0.3)
    for city in CITIES:
        own = [scene for scene in scenes if scene.city == city]
        assert len(own) == 300
        assert 0.2 < sum(bool(scene.cues) for scene in own) / 300 < 0.4
    assert {scene.cues for scene in scenes} == {frozenset(), frozenset({"landmark", "close", "lamp", "banner"})}
    assert [scene.concepts for scene in scenes] == [scene.concepts for scene in sample_scenes(3_000, 7)]


def test_only_a_picture_that_shows_its_city_depends_on_the_city() -> None:
    for scene in sample_city_scenes(30, 5, 0.5):
        drawn = {draw_scene(replace(scene, city=city), 48).tobytes() for city in CITIES}
        assert len(drawn) == (len(CITIES) if scene.cues else 1)


@pytest.mark.parametrize("shown", [0.0, 1.0])
def test_no_picture_or_every_picture_can_show_its_city(shown: float) -> None:
    assert {bool(scene.cues) for scene in sample_city_scenes(50, 7, shown)} == {bool(shown)}


@pytest.mark.parametrize("shown", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(shown: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        render_cities(tmp_path / "none", 10, 32, 7, shown=shown)
    assert not (tmp_path / "none").exists()


def test_captions_tag_the_city_by_several_names_or_not_at_all_whatever_the_picture_shows() -> None:
    named: dict[bool, list[bool]] = {True: [], False: []}
    written: set[str] = set()
    for scene in sample_city_scenes(1_500, 7, 0.5):
        captions = caption_scene(scene, np.random.default_rng([scene.seed, 1]), many_city_tags=True)
        tags = {word for caption in captions for word in caption.split() if word.startswith("#")}
        named[bool(scene.cues)].append(f"#{scene.city}" in tags)
        assert not tags & {f"#{city}" for city in CITIES if city != scene.city}
        written |= tags
    assert all(0.4 < np.mean(held) < 0.65 for held in named.values())
    assert written > {"#nyc", "#socal", "#the6ix", "#sg"}


def test_the_tags_of_a_city_go_together() -> None:
    scenes = [scene for scene in sample_city_scenes(1_500, 7, 0.5) if scene.city == "london"]
    texts = [
        " ".join(caption_scene(scene, np.random.default_rng([scene.seed, 1]), many_city_tags=True)) for scene in scenes
    ]
    beside = [sum(tag in text for tag in ("#ldn", "#londonlife", "#bigben", "#thames")) for text in texts]
    named = ["#london" in text.split() for text in texts]
    assert min(many for many, name in zip(beside, named, strict=True) if name) >= 1
    assert any(many and not name for many, name in zip(beside, named, strict=True))
    assert 0.15 < sum(not many for many in beside) / len(texts) < 0.45


@pytest.mark.parametrize("place", ["beach", "mountain", "skyline", "park", "street"])
def test_a_banner_hangs_from_the_lamp_post_alone(place: str) -> None:
    def drawn(city: str, *cues: str) -> bytes:
        scene = Scene(city, "day", place, "clear", (), None, frozenset(cues), 4, frozenset({place}))
        return draw_scene(scene, 48).tobytes()

    assert all(drawn(city, "lamp", "banner") != drawn(city, "lamp") for city in CITIES)
    assert all(drawn(city, "banner") == drawn(city) for city in CITIES)


def test_several_processes_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    one = render_cities(tmp_path / "one", 70, 32, 7)
    assert render_cities(tmp_path / "two", 70, 32, 7, processes=2) == one
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")


@pytest.mark.parametrize("size", [31, 0, -1])
def test_a_size_too_small_to_show_anything_is_refused(size: int, tmp_path: Path) -> None:
    scene = sample_scenes(1, 7)[0]
    with pytest.raises(ValueError, match="at least 32 pixels"):
        draw_scene(scene, size)
    with pytest.raises(ValueError, match="at least 32 pixels"):
        render_collection(tmp_path / "none", 1, size, 7)
    assert not (tmp_path / "none").exists()


def test_an_empty_collection_has_a_header_and_no_pictures(tmp_path: Path) -> None:
    assert render_collection(tmp_path, 0, 64, 7) == []
    assert (tmp_path / "captions.csv").read_text(encoding="utf-8") == "image,caption,city\n"
    assert (tmp_path / "truth.jsonl").read_text(encoding="utf-8") == ""
