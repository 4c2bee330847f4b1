"""The ten cities' landmarks as simple shapes, one unit high, standing on the origin."""

from collections.abc import Callable

import numpy as np

from topicidx.indexer.rendered.canvas import Colour, Frame, brighter, mixed
from topicidx.indexer.rendered.lighting import Lighting

_HAZE = 0.2
_WINDOW: Colour = (255, 218, 142)


def _clock_tower(frame: Frame, lighting: Lighting) -> None:
    stone = _tone(lighting, (176, 148, 104))
    frame.block(-0.09, 0.0, 0.09, 0.62, stone)
    frame.block(0.03, 0.0, 0.09, 0.62, brighter(stone, 0.8))
    for x in (-0.055, -0.02, 0.015):
        frame.block(x, 0.05, x + 0.012, 0.58, brighter(stone, 0.7))
    frame.block(-0.11, 0.60, 0.11, 0.79, brighter(stone, 1.08))
    frame.ellipse(0.0, 0.695, 0.075, 0.075, _glass(lighting, (240, 238, 226)))
    frame.line([(0.0, 0.75), (0.0, 0.695), (0.035, 0.68)], 0.016, (40, 36, 32))
    frame.polygon([(-0.11, 0.79), (0.11, 0.79), (0.055, 0.87), (-0.055, 0.87)], _tone(lighting, (84, 92, 86)))
    frame.polygon([(-0.055, 0.87), (0.055, 0.87), (0.0, 1.04)], _tone(lighting, (96, 104, 96)))


def _stepped_spire(frame: Frame, lighting: Lighting) -> None:
    stone = _tone(lighting, (158, 148, 138))
    for half, bottom, top in ((0.2, 0.0, 0.2), (0.145, 0.0, 0.62), (0.1, 0.6, 0.72), (0.06, 0.7, 0.8)):
        frame.block(-half, bottom, half, top, stone)
        frame.block(half * 0.4, bottom, half, top, brighter(stone, 0.8))
    for x in np.linspace(-0.12, 0.10, 6):
        frame.block(x, 0.05, x + 0.016, 0.6, _glass(lighting, brighter(stone, 0.7)), 0.9)
    frame.polygon([(-0.03, 0.8), (0.03, 0.8), (0.006, 0.9), (-0.006, 0.9)], stone)
    frame.line([(0.0, 0.9), (0.0, 1.06)], 0.014, stone)


def _opera_sails(frame: Frame, lighting: Lighting) -> None:
    shell = _tone(lighting, (246, 242, 232))
    frame.block(-0.72, 0.0, 0.72, 0.1, _tone(lighting, (150, 122, 104)))
    for x, height, lean in ((-0.5, 0.34, -1), (-0.26, 0.5, -1), (0.04, 0.66, -1), (0.42, 0.42, 1), (0.24, 0.3, 1)):
        t = np.linspace(0, 1, 9)
        outer = [(x + lean * height * 0.75 * (1 - s) ** 1.7 - lean * 0.06, 0.1 + height * s**0.8) for s in t]
        inner = [(x - lean * height * 0.36 * (1 - s) ** 0.7 - lean * 0.06, 0.1 + height * s) for s in t]
        frame.polygon([*outer, *reversed(inner)], brighter(shell, 0.78))
        frame.polygon([*outer, (x - lean * 0.06, 0.1)], shell)


def _hillside_letters(frame: Frame, lighting: Lighting) -> None:
    t = np.linspace(-1, 1, 25)
    hill = [(float(s) * 1.1, 0.72 * float(np.cos(s * np.pi / 2)) ** 0.8 + 0.03 * float(np.sin(s * 21))) for s in t]
    frame.polygon(hill, _tone(lighting, (124, 116, 82)))
    white = mixed(_tone(lighting, (255, 255, 255)), (255, 255, 255), 0.35)
    for index in range(9):
        x = -0.52 + index * 0.125
        y = 0.4 + 0.03 * (index % 3)
        frame.block(x, y, x + 0.085, y + 0.17, white)
        frame.block(x + 0.032, y + 0.045 * (index % 2), x + 0.056, y + 0.09, _tone(lighting, (124, 116, 82)))


def _twin_antennas(frame: Frame, lighting: Lighting) -> None:
    steel = _tone(lighting, (58, 60, 70))
    for left, right, top in ((-0.2, 0.2, 0.42), (-0.2, 0.09, 0.56), (-0.11, 0.2, 0.5), (-0.11, 0.09, 0.8)):
        frame.block(left, 0.0, right, top, steel)
        frame.block(right - 0.06, 0.0, right, top, brighter(steel, 0.75))
    for y in (0.18, 0.4, 0.54, 0.76):
        frame.block(-0.11 if y > 0.5 else -0.2, y, 0.09, y + 0.018, brighter(steel, 0.6))
    _lit_grid(frame, lighting, -0.1, 0.08, 0.05, 0.74, 5, 18)
    for x in (-0.06, 0.04):
        frame.line([(x, 0.8), (x, 1.06)], 0.024, mixed(steel, (230, 230, 230), 0.6))


def _station_dome(frame: Frame, lighting: Lighting) -> None:
    ochre = _tone(lighting, (214, 164, 78))
    frame.block(-0.75, 0.0, 0.75, 0.3, ochre)
    frame.block(-0.32, 0.0, 0.32, 0.46, brighter(ochre, 1.06))
    for x in np.linspace(-0.68, 0.62, 11):
        frame.block(x, 0.08, x + 0.06, 0.24, _glass(lighting, brighter(ochre, 0.55)))
    frame.ellipse(0.0, 0.12, 0.2, 0.24, _glass(lighting, brighter(ochre, 0.45)))
    frame.block(-0.2, 0.46, 0.2, 0.56, brighter(ochre, 0.9))
    copper = _tone(lighting, (88, 150, 126))
    frame.polygon(
        [(0.21 * float(np.cos(a)), 0.56 + 0.28 * float(np.sin(a))) for a in np.linspace(0, np.pi, 15)], copper
    )
    frame.block(-0.035, 0.82, 0.035, 0.92, copper)
    frame.line([(0.0, 0.9), (0.0, 1.03)], 0.02, copper)


def _pastel_hotel(frame: Frame, lighting: Lighting) -> None:
    pink, white = _tone(lighting, (244, 166, 176)), _tone(lighting, (250, 244, 236))
    frame.block(-0.46, 0.0, 0.46, 0.62, pink)
    frame.block(-0.46, 0.6, 0.46, 0.65, white)
    for y in (0.1, 0.25, 0.4):
        for x in (-0.42, 0.14):
            frame.block(x, y + 0.09, x + 0.28, y + 0.115, _tone(lighting, (96, 196, 190)))
            frame.block(x + 0.02, y, x + 0.26, y + 0.08, _glass(lighting, (104, 132, 150)))
    frame.block(-0.1, 0.0, 0.1, 0.86, white)
    frame.block(-0.035, 0.06, 0.035, 1.0, _tone(lighting, (96, 196, 190)))


def _needle_tower(frame: Frame, lighting: Lighting) -> None:
    concrete = _tone(lighting, (168, 170, 174))
    frame.polygon([(-0.075, 0.0), (0.075, 0.0), (0.022, 0.62), (-0.022, 0.62)], concrete)
    frame.polygon([(0.02, 0.0), (0.075, 0.0), (0.022, 0.62), (0.006, 0.62)], brighter(concrete, 0.78))
    frame.ellipse(0.0, 0.64, 0.105, 0.042, brighter(concrete, 0.62))
    frame.block(-0.085, 0.645, 0.085, 0.69, _glass(lighting, brighter(concrete, 0.8)))
    frame.block(-0.022, 0.69, 0.022, 0.8, concrete)
    frame.ellipse(0.0, 0.80, 0.036, 0.018, brighter(concrete, 0.7))
    frame.line([(0.0, 0.8), (0.0, 1.1)], 0.018, concrete)


def _boat_deck_towers(frame: Frame, lighting: Lighting) -> None:
    glass = _tone(lighting, (120, 148, 168))
    for x in (-0.42, 0.0, 0.42):
        frame.polygon([(x - 0.15, 0.0), (x + 0.13, 0.0), (x + 0.1, 0.66), (x - 0.06, 0.66)], glass)
        frame.polygon([(x + 0.02, 0.0), (x + 0.13, 0.0), (x + 0.1, 0.66), (x + 0.02, 0.66)], brighter(glass, 0.78))
        _lit_grid(frame, lighting, x - 0.06, x + 0.09, 0.06, 0.6, 3, 10)
    deck = [(-0.66, 0.76), (0.74, 0.8), (0.62, 0.67), (-0.54, 0.66)]
    frame.polygon(deck, _tone(lighting, (222, 222, 220)))
    for x in np.linspace(-0.5, 0.55, 8):
        frame.ellipse(x, 0.79, 0.045, 0.03, _tone(lighting, (70, 118, 70)))


def _red_bridge(frame: Frame, lighting: Lighting) -> None:
    red = _tone(lighting, (200, 76, 48))
    frame.block(-1.35, 0.16, 1.35, 0.2, brighter(red, 0.85))
    for start, end in ((-1.9, -0.55), (-0.55, 0.55), (0.55, 1.9)):
        t = np.linspace(-1, 1, 17)
        lift = t**2 if start == -0.55 else ((1 + t) / 2) ** 2 if start < -1 else ((1 - t) / 2) ** 2
        cable = [(start + (end - start) * (s + 1) / 2, 0.24 + 0.66 * float(u)) for s, u in zip(t, lift, strict=True)]
        frame.line(cable, 0.026, red)
        for x, y in cable[1:-1:2]:
            frame.line([(x, 0.2), (x, y)], 0.009, red)
    for x in (-0.55, 0.55):
        for leg in (-0.05, 0.03):
            frame.block(x + leg, 0.0, x + leg + 0.032, 0.95, red)
        for y in (0.3, 0.5, 0.68, 0.84):
            frame.block(x - 0.05, y, x + 0.062, y + 0.03, red)


LANDMARKS: dict[str, Callable[[Frame, Lighting], None]] = {
    "london": _clock_tower,
    "newyork": _stepped_spire,
    "sydney": _opera_sails,
    "losangeles": _hillside_letters,
    "chicago": _twin_antennas,
    "melbourne": _station_dome,
    "miami": _pastel_hotel,
    "toronto": _needle_tower,
    "singapore": _boat_deck_towers,
    "sanfrancisco": _red_bridge,
}
"""How to paint each city's landmark into a frame."""


def _tone(lighting: Lighting, colour: Colour) -> Colour:
    return lighting.far(brighter(colour, 1.25) if lighting.is_night else colour, _HAZE)


def _glass(lighting: Lighting, by_day: Colour) -> Colour:
    return _WINDOW if lighting.is_night else lighting.far(by_day, _HAZE)


def _lit_grid(
    frame: Frame, lighting: Lighting, left: float, right: float, bottom: float, top: float, columns: int, rows: int
) -> None:
    if not lighting.is_night:
        return
    for row, y in enumerate(np.linspace(bottom, top, rows)):
        for column, x in enumerate(np.linspace(left, right, columns, endpoint=False)):
            if (row * 7 + column * 5) % 3:
                frame.block(x, y, x + 0.5 * (right - left) / columns, y + 0.5 * (top - bottom) / rows, _WINDOW, 0.85)
