"""Writes a scene's captions the way people do: hashtags, noise, slips of the pen and words left out."""

import numpy as np

from topicidx.indexer.rendered.caption_words import (
    CITY_NAMES,
    CITY_TAGS,
    EMOJI,
    FILLERS,
    INFLECTED,
    MENTIONS,
    NOISE_EMOJI,
    NOISE_TAGS,
    OFF_TOPIC,
    OPENINGS,
    SYNONYMS,
)
from topicidx.indexer.rendered.scenes import COLOURED_THINGS, COLOURS, CONCEPTS, Scene

NO_CAPTION_SHARE = 0.08
OFF_TOPIC_SHARE = 0.02
SECOND_CAPTION_SHARE = 0.15
DROPPED_WORD_SHARE = 0.17
# A second caption is a comment by somebody else, who names less of what is to be seen.
DROPPED_IN_SECOND_SHARE = 0.5
INFLECTED_SHARE = 0.14
SYNONYM_SHARE = 0.06
MISSPELT_SHARE = 0.03
CITY_TAGGED_SHARE = 0.7
CITY_NAMED_SHARE = 0.8
MOST_CITY_TAGS = 3


def caption_scene(scene: Scene, rng: np.random.Generator, *, many_city_tags: bool = False) -> list[str]:
    """Write the captions of a scene: mostly one, sometimes two or none, now and then one about something else.

    Most captions tag the city once; with `many_city_tags`, by its name and up to three tags more that go with it.
    """
    if rng.random() < NO_CAPTION_SHARE:
        return []
    if rng.random() < OFF_TOPIC_SHARE:
        return [_chosen(OFF_TOPIC, rng)]
    captions = [_caption(scene, DROPPED_WORD_SHARE, rng, many_city_tags)]
    if rng.random() < SECOND_CAPTION_SHARE:
        captions.append(_caption(scene, DROPPED_IN_SECOND_SHARE, rng, many_city_tags))
    return captions


def _caption(scene: Scene, dropped_share: float, rng: np.random.Generator, many_city_tags: bool) -> str:
    present = [word for word in CONCEPTS if word in scene.concepts]
    kept = [word for word in present if rng.random() >= dropped_share]
    kept = [kept[index] for index in rng.permutation(len(kept))]
    parts: list[str] = []
    if kept and rng.random() < 0.65:
        parts += _sentence(kept, scene, rng)
    elif rng.random() < 0.4:
        parts.append(_chosen(FILLERS, rng))
    if rng.random() < 0.6:
        parts.append(_emoji(kept, rng))
    words = [word for word in kept if word not in _named(parts, kept)]
    parts += _tags(words, _many_city_tags(scene, rng) if many_city_tags else _city_tag(scene, rng), rng)
    if rng.random() < 0.14:
        parts.insert(int(rng.integers(len(parts) + 1)), f"@{_chosen(MENTIONS, rng)}")
    if rng.random() < 0.07:
        parts.append(f"https://pics.example/{int(rng.integers(16**6)):06x}")
    return " ".join(_written(part, rng) for part in parts)


def _sentence(kept: list[str], scene: Scene, rng: np.random.Generator) -> list[str]:
    first = kept[0]
    parts = [_chosen(OPENINGS[first], rng)]
    if first in COLOURED_THINGS and scene.colour in kept:
        parts.append(_hashed(str(scene.colour), 0.3, rng))
    parts.append(_hashed(first, 0.5, rng))
    if first in COLOURS:
        things = [word for word in kept if word in COLOURED_THINGS]
        parts += [_hashed(word, 0.4, rng) for word in things[:1]]
    if rng.random() < 0.35:
        parts.append(_chosen(FILLERS, rng))
    return parts


def _named(parts: list[str], kept: list[str]) -> set[str]:
    written = {part.removeprefix("#") for part in parts}
    return written.intersection(kept)


def _city_tag(scene: Scene, rng: np.random.Generator) -> list[str]:
    return [_chosen(CITY_NAMES[scene.city], rng)] if rng.random() < CITY_TAGGED_SHARE else []


def _many_city_tags(scene: Scene, rng: np.random.Generator) -> list[str]:
    if rng.random() >= CITY_TAGGED_SHARE:
        return []
    name = [scene.city] if rng.random() < CITY_NAMED_SHARE else []
    others = CITY_TAGS[scene.city]
    chosen = rng.choice(len(others), size=int(rng.integers(1, MOST_CITY_TAGS + 1)), replace=False)
    return name + [others[int(index)] for index in chosen]


def _tags(words: list[str], city_tags: list[str], rng: np.random.Generator) -> list[str]:
    tags = [f"#{word}" for word in (*words, *city_tags)]
    noise = rng.choice(len(NOISE_TAGS), size=int(rng.integers(1, 5)), replace=False)
    tags += [f"#{NOISE_TAGS[int(index)]}" for index in noise]
    return [tags[int(index)] for index in rng.permutation(len(tags))]


def _emoji(kept: list[str], rng: np.random.Generator) -> str:
    fitting = [EMOJI[word] for word in kept if word in EMOJI]
    if fitting and rng.random() < 0.6:
        return _chosen(tuple(fitting), rng)
    return _chosen(NOISE_EMOJI, rng)


def _hashed(word: str, share: float, rng: np.random.Generator) -> str:
    return f"#{word}" if rng.random() < share else word


def _written(part: str, rng: np.random.Generator) -> str:
    """A concept word as it ends up in the caption; every other part stays as it is."""
    mark, word = ("#", part[1:]) if part.startswith("#") else ("", part)
    if word not in CONCEPTS:
        return part
    turn = float(rng.random())
    if turn < SYNONYM_SHARE and word in SYNONYMS:
        word = _chosen(SYNONYMS[word], rng)
    elif turn < SYNONYM_SHARE + INFLECTED_SHARE and word in INFLECTED:
        word = _chosen(INFLECTED[word], rng)
    elif turn > 1.0 - MISSPELT_SHARE:
        word = _misspelt(word, rng)
    return mark + word


def _misspelt(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(len(word) - 1))
    slip = int(rng.integers(3))
    if slip == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if slip == 1:
        return word[: place + 1] + word[place + 2 :]
    return word[: place + 1] + word[place:]


def _chosen(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
