"""The light of a scene: the colours of the sky, where sun or moon stand and how colours look in that light."""

from dataclasses import dataclass

import numpy as np

from topicidx.indexer.rendered.canvas import Colour, mixed
from topicidx.indexer.rendered.scenes import Scene

SNOW_WHITE: Colour = (240, 244, 250)

_SKIES: dict[str, tuple[tuple[Colour, Colour, Colour], ...]] = {
    "day": (
        ((58, 128, 208), (118, 178, 232), (205, 228, 242)),
        ((82, 150, 216), (146, 196, 234), (222, 234, 240)),
        ((44, 110, 190), (110, 168, 222), (192, 218, 236)),
    ),
    "sunrise": (
        ((88, 84, 150), (232, 118, 118), (255, 196, 112)),
        ((116, 92, 158), (244, 138, 104), (255, 210, 128)),
        ((70, 92, 150), (226, 140, 140), (255, 178, 96)),
    ),
    "night": (
        ((6, 9, 28), (14, 20, 52), (38, 44, 88)),
        ((9, 8, 30), (24, 20, 58), (58, 44, 86)),
        ((4, 10, 24), (10, 26, 50), (28, 52, 82)),
    ),
}
_CLOUDED: dict[str, tuple[Colour, Colour, Colour]] = {
    "day": ((112, 122, 136), (146, 154, 164), (186, 192, 196)),
    "sunrise": ((96, 84, 110), (190, 122, 112), (248, 186, 120)),
    "night": ((14, 16, 26), (24, 27, 40), (44, 46, 62)),
}
_AMBIENT: dict[str, Colour] = {"day": (1.0, 1.0, 1.0), "sunrise": (0.97, 0.80, 0.75), "night": (0.45, 0.47, 0.63)}
# Things in front are lit by the photographer's side, or a car's colour could not be told at night.
_NEAR: dict[str, Colour] = {"day": (1.0, 1.0, 1.0), "sunrise": (0.96, 0.84, 0.80), "night": (0.74, 0.72, 0.76)}


@dataclass(frozen=True)
class Lighting:
    """Colours and positions that all painters of one picture share.

    `sky` runs from the zenith to the horizon; `disc` is the sun's or moon's position and radius in picture sides, or
    None behind clouds; `overcast` runs from 0 to 1.
    """

    light: str
    weather: str
    sky: tuple[Colour, Colour, Colour]
    horizon: float
    disc: tuple[float, float, float] | None
    light_colour: Colour
    overcast: float

    @property
    def is_night(self) -> bool:
        """Whether windows and lamps are lit."""
        return self.light == "night"

    @property
    def snowy(self) -> bool:
        """Whether snow lies on the ground."""
        return self.weather == "snow"

    @property
    def haze(self) -> Colour:
        """The colour that far things fade into."""
        return self.sky[2]

    def shade(self, colour: Colour) -> Colour:
        """A colour of the landscape as it looks in this light."""
        return self._lit(colour, _AMBIENT[self.light])

    def near(self, colour: Colour) -> Colour:
        """A colour of a thing in front as it looks in this light."""
        return self._lit(colour, _NEAR[self.light])

    def far(self, colour: Colour, distance: float) -> Colour:
        """A colour seen through air: at distance 0 as it is near by, at 1 lost in the haze."""
        return mixed(self.shade(colour), self.haze, distance)

    def ground(self, colour: Colour, cover: float = 0.88) -> Colour:
        """A colour of the ground, under snow where snow lies."""
        return self.shade(mixed(colour, SNOW_WHITE, cover) if self.snowy else colour)

    def _lit(self, colour: Colour, ambient: Colour) -> Colour:
        dim = 1.0 - 0.12 * self.overcast
        return (colour[0] * ambient[0] * dim, colour[1] * ambient[1] * dim, colour[2] * ambient[2] * dim)


def light_scene(scene: Scene, horizon: float, rng: np.random.Generator) -> Lighting:
    """Choose the light of a scene whose horizon lies at height `horizon` (picture sides from the top)."""
    skies = _SKIES[scene.light]
    sky = skies[int(rng.integers(len(skies)))]
    overcast = 0.0 if scene.weather == "clear" else float(rng.uniform(0.7, 1.0))
    # A sunrise stays a sunrise under rain clouds: its glow is what makes it one.
    grey = overcast * (0.6 if scene.light == "sunrise" else 1.0)
    clouded = _CLOUDED[scene.light]
    sky = (mixed(sky[0], clouded[0], grey), mixed(sky[1], clouded[1], grey), mixed(sky[2], clouded[2], grey))
    x = float(rng.uniform(0.16, 0.84))
    disc: tuple[float, float, float] | None
    if scene.light == "sunrise":
        rise = {"mountain": (0.16, 0.26), "skyline": (0.10, 0.24), "park": (0.10, 0.2)}.get(scene.place, (0.03, 0.11))
        disc = (x, horizon - float(rng.uniform(*rise)), float(rng.uniform(0.05, 0.075)))
        colour: Colour = (255, 226, 150)
    elif scene.light == "night":
        disc = (x, float(rng.uniform(0.09, 0.2)), float(rng.uniform(0.035, 0.06)))
        colour = (236, 238, 225)
        if scene.weather != "clear" and rng.random() < 0.7:
            disc = None
    else:
        disc = (x, float(rng.uniform(0.06, 0.16)), float(rng.uniform(0.03, 0.04)))
        colour = (255, 252, 236)
        if scene.weather != "clear" or rng.random() < 0.55:
            disc = None
    return Lighting(scene.light, scene.weather, sky, horizon, disc, colour, overcast)
