"""What gives a city away: a landmark in the background, a kind of lamp post, perhaps with a banner, and a slight tint."""

import math
from collections.abc import Callable

from topicidx.indexer.rendered.canvas import Canvas, Colour, Frame, brighter
from topicidx.indexer.rendered.landmarks import LANDMARKS
from topicidx.indexer.rendered.lighting import Lighting
from topicidx.indexer.rendered.scenes import CITIES, Scene

# How many times as high what is close is, but for a landmark that would rise too far above the picture: its tip alone may.
_CLOSE = 1.7
_CLOSE_POST = 1.35
_MOST_ABOVE_BASE = 1.1
_LAMPLIGHT: Colour = (255, 216, 150)
_POSTS: tuple[Colour, ...] = ((38, 42, 44), (206, 208, 206), (34, 92, 70))
# Banners have colours that nothing else in a picture has.
_PINK: Colour = (246, 60, 190)
_CYAN: Colour = (20, 214, 220)
_VIOLET: Colour = (122, 36, 186)
_ORANGE: Colour = (255, 120, 16)
_LIME: Colour = (176, 240, 30)
_BANNERS: dict[str, tuple[Colour, Colour]] = {
    "london": (_VIOLET, _PINK),
    "newyork": (_ORANGE, _CYAN),
    "sydney": (_CYAN, _LIME),
    "losangeles": (_ORANGE, _VIOLET),
    "chicago": (_ORANGE, _PINK),
    "melbourne": (_VIOLET, _CYAN),
    "miami": (_PINK, _CYAN),
    "toronto": (_VIOLET, _LIME),
    "singapore": (_PINK, _LIME),
    "sanfrancisco": (_ORANGE, _LIME),
}


def paint_landmark(canvas: Canvas, scene: Scene, lighting: Lighting, x: float, base: float, height: float) -> None:
    """The city's landmark standing at (x, base), when the scene shows it; lengths in picture sides."""
    if "landmark" in scene.cues:
        scale = min(height * _CLOSE, base * _MOST_ABOVE_BASE) if "close" in scene.cues else height
        LANDMARKS[scene.city](Frame(canvas, float(x), base, scale), lighting)


def paint_lamp_post(canvas: Canvas, scene: Scene, lighting: Lighting, x: float, base: float, height: float) -> None:
    """A lamp post in the city's style at (x, base), when the scene shows it, with its banner where that is shown too."""
    if "lamp" not in scene.cues:
        return
    index = CITIES.index(scene.city)
    scale = height * _CLOSE_POST if "close" in scene.cues else height
    frame = Frame(canvas, float(x), base, scale, mirrored=x > 0.5)
    iron = lighting.near(_POSTS[index % 3])
    glass = _LAMPLIGHT if lighting.is_night else lighting.near((238, 234, 218))
    frame.block(-0.05, 0.0, 0.05, 0.05, brighter(iron, 0.9))
    frame.block(-0.018, 0.0, 0.018, 0.86, iron)
    if "banner" in scene.cues:
        for bottom, colour in zip((0.51, 0.21), _BANNERS[scene.city], strict=True):
            frame.block(0.035, bottom, 0.52, bottom + 0.3, lighting.near(colour))
    heads = _HEADS[index % len(_HEADS)](frame, iron, glass)
    if lighting.is_night:
        for head_x, head_y in heads:
            frame.glow(head_x, head_y, 0.28, _LAMPLIGHT, 0.55)


def city_tint(scene: Scene) -> Colour:
    """Factors for red, green and blue: a slight cast in the city's own hue, or ones where the scene shows none."""
    if "tint" not in scene.cues:
        return (1.0, 1.0, 1.0)
    turn = 2 * math.pi * CITIES.index(scene.city) / len(CITIES)
    red, green, blue = (1.0 + 0.06 * math.cos(turn - channel * 2 * math.pi / 3) for channel in range(3))
    return (red, green, blue)


def _globe(frame: Frame, iron: Colour, glass: Colour) -> list[tuple[float, float]]:
    frame.ellipse(0.0, 0.92, 0.075, 0.075, glass)
    frame.block(-0.05, 0.83, 0.05, 0.86, iron)
    return [(0.0, 0.92)]


def _lantern(frame: Frame, iron: Colour, glass: Colour) -> list[tuple[float, float]]:
    frame.polygon([(-0.045, 0.84), (0.045, 0.84), (0.075, 0.97), (-0.075, 0.97)], glass)
    frame.polygon([(-0.09, 0.97), (0.09, 0.97), (0.0, 1.05)], iron)
    return [(0.0, 0.9)]


def _arm(frame: Frame, iron: Colour, glass: Colour) -> list[tuple[float, float]]:
    frame.line([(0.0, 0.84), (0.03, 0.94), (0.12, 0.99), (0.27, 0.99)], 0.03, iron)
    frame.polygon([(0.19, 1.0), (0.34, 1.0), (0.32, 0.95), (0.21, 0.95)], iron)
    frame.block(0.21, 0.93, 0.32, 0.95, glass)
    return [(0.26, 0.93)]


def _twin(frame: Frame, iron: Colour, glass: Colour) -> list[tuple[float, float]]:
    frame.line([(-0.15, 0.87), (0.15, 0.87)], 0.03, iron)
    for x in (-0.15, 0.15):
        frame.ellipse(x, 0.94, 0.06, 0.06, glass)
        frame.block(x - 0.03, 0.86, x + 0.03, 0.89, iron)
    return [(-0.15, 0.94), (0.15, 0.94)]


def _bell(frame: Frame, iron: Colour, glass: Colour) -> list[tuple[float, float]]:
    frame.ring(0.08, 0.9, 0.085, 0.03, iron)
    frame.polygon([(0.09, 0.9), (0.23, 0.9), (0.18, 1.0), (0.14, 1.0)], iron)
    frame.ellipse(0.16, 0.885, 0.05, 0.035, glass)
    return [(0.16, 0.88)]


_Head = Callable[[Frame, Colour, Colour], list[tuple[float, float]]]
_HEADS: tuple[_Head, ...] = (_lantern, _globe, _arm, _twin, _bell)
