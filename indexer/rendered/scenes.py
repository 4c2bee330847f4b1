"""What each rendered picture shows: the concepts, the city and the cues that give the city away."""

from dataclasses import dataclass, replace

import numpy as np

CITIES: tuple[str, ...] = (
    "london",
    "newyork",
    "sydney",
    "losangeles",
    "chicago",
    "melbourne",
    "miami",
    "toronto",
    "singapore",
    "sanfrancisco",
)
"""The cities, in the order of the collection's folders."""

LIGHTS = {"day": 0.40, "sunrise": 0.29, "night": 0.31}
PLACES = {"beach": 0.22, "mountain": 0.17, "skyline": 0.24, "park": 0.17, "street": 0.20}
WEATHERS = {"clear": 0.59, "snow": 0.14, "rain": 0.27}
THINGS = {"car": 0.27, "umbrella": 0.25, "boat": 0.11, "dog": 0.12, "bike": 0.11, "palm": 0.10, "balloon": 0.08}
COLOURS = {"yellow": 0.52, "red": 0.24, "blue": 0.24}
# Fewer cars than umbrellas are yellow, or "yellow" alone would find the yellow cars.
CAR_COLOURS = {"yellow": 0.30, "red": 0.35, "blue": 0.35}
COLOURED_THINGS = frozenset({"car", "umbrella"})
CUE_SHARES = {"landmark": 0.45, "lamp": 0.35, "tint": 0.50}
CITY_PICTURE_CUES = frozenset({"landmark", "close", "lamp", "banner"})

CONCEPTS: tuple[str, ...] = (
    "sunrise",
    "night",
    *PLACES,
    "snow",
    "rain",
    *THINGS,
    *COLOURS,
)
"""Every word that can be true of a picture; plain daylight and clear weather have no word."""


@dataclass(frozen=True)
class Scene:
    """The exact truth about one picture, and all that is needed to draw it.

    `concepts` holds words of `CONCEPTS`; `colour` is the one colour of the car and of the umbrella, or None without
    either, so "yellow" and "car" both hold exactly when the car is yellow. `cues` names the hints at the city that the
    picture shows ("landmark", "lamp", "tint"), possibly none, and whether the landmark is "close" and the lamp post has
    a "banner". `seed` decides position, scale, shades and grain.
    """

    city: str
    light: str
    place: str
    weather: str
    things: tuple[str, ...]
    colour: str | None
    cues: frozenset[str]
    seed: int
    concepts: frozenset[str]


def sample_scenes(count: int, seed: int) -> list[Scene]:
    """Draw `count` scenes at random; the scene at an index depends on `seed` and the index, never on `count`.

    Raises ValueError for a negative count or seed.
    """
    if count < 0 or seed < 0:
        raise ValueError(f"count and seed must not be negative, got count {count} and seed {seed}")
    return [_sample_scene(np.random.default_rng([seed, index])) for index in range(count)]


def sample_city_scenes(count: int, seed: int, shown: float) -> list[Scene]:
    """Draw `count` scenes, of the cities in turn, of which a share of `shown` has its city's lamp and, close, its landmark.

    All others have no hint at their city. A scene depends on `seed`, `shown` and its index. Raises ValueError for a negative
    count or seed, or a share that is none.
    """
    if not 0 <= shown <= 1:
        raise ValueError(f"the share of pictures that show their city must be between 0 and 1, got {shown}")
    scenes = []
    for index, scene in enumerate(sample_scenes(count, seed)):
        cues = CITY_PICTURE_CUES if np.random.default_rng([seed, index, 1]).random() < shown else frozenset()
        scenes.append(replace(scene, city=CITIES[index % len(CITIES)], cues=cues))
    return scenes


def _sample_scene(rng: np.random.Generator) -> Scene:
    city = CITIES[int(rng.integers(len(CITIES)))]
    light = _pick(LIGHTS, rng)
    place = _pick(PLACES, rng)
    weather = _pick(WEATHERS, rng)
    things = _sample_things(place, weather, rng)
    colour = _pick(CAR_COLOURS if "car" in things else COLOURS, rng)
    has_colour = not COLOURED_THINGS.isdisjoint(things)
    cues = frozenset(cue for cue, share in CUE_SHARES.items() if rng.random() < share)
    words = {light, place, weather, *things, *([colour] if has_colour else [])}
    return Scene(
        city=city,
        light=light,
        place=place,
        weather=weather,
        things=things,
        colour=colour if has_colour else None,
        cues=cues,
        seed=int(rng.integers(2**31)),
        concepts=frozenset(words.intersection(CONCEPTS)),
    )


def _sample_things(place: str, weather: str, rng: np.random.Generator) -> tuple[str, ...]:
    shares = {thing: share for thing, share in THINGS.items() if _is_sensible(thing, place, weather)}
    wanted = int(rng.choice(3, p=[0.14, 0.40, 0.46]))
    things: list[str] = []
    for _ in range(wanted):
        thing = _pick(shares, rng)
        del shares[thing]
        things.append(thing)
    return tuple(things)


def _is_sensible(thing: str, place: str, weather: str) -> bool:
    if thing == "boat":
        return place != "street"
    if thing == "palm":
        return place != "mountain" and weather != "snow"
    return True


def _pick(shares: dict[str, float], rng: np.random.Generator) -> str:
    names = list(shares)
    weights = np.array([shares[name] for name in names])
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]
