"""Cars, bikes and boats, drawn from the side."""

import numpy as np

from topicidx.indexer.rendered.canvas import Colour, Frame, Point, brighter, mixed, rounded
from topicidx.indexer.rendered.lighting import SNOW_WHITE, Lighting

PAINTS: dict[str, Colour] = {"yellow": (252, 202, 16), "red": (214, 30, 36), "blue": (28, 84, 206)}

_SALOON: tuple[Point, ...] = (
    (-0.50, 0.09),
    (-0.505, 0.27),
    (-0.36, 0.29),
    (-0.23, 0.44),
    (0.12, 0.44),
    (0.27, 0.29),
    (0.485, 0.25),
    (0.505, 0.09),
)
_ESTATE: tuple[Point, ...] = (
    (-0.50, 0.09),
    (-0.51, 0.30),
    (-0.45, 0.46),
    (0.10, 0.46),
    (0.26, 0.30),
    (0.485, 0.26),
    (0.505, 0.09),
)


def paint_car(frame: Frame, lighting: Lighting, colour: str, rng: np.random.Generator) -> None:
    """A saloon or an estate car one unit long in one of `PAINTS`, with its shadow and, at night, its lights."""
    estate = rng.random() < 0.45
    paint = lighting.near(brighter(PAINTS[colour], float(rng.uniform(0.9, 1.08))))
    frame.ellipse(0.0, 0.01, 0.56, 0.055, (0, 0, 0), 0.45)
    frame.block(-0.44, 0.05, 0.44, 0.14, lighting.near((26, 26, 30)))
    frame.polygon(rounded(_ESTATE if estate else _SALOON), paint)
    frame.polygon([(-0.49, 0.10), (0.495, 0.10), (0.495, 0.15), (-0.49, 0.15)], brighter(paint, 0.72))
    frame.polygon([(-0.48, 0.255), (0.44, 0.245), (0.44, 0.262), (-0.48, 0.272)], mixed(paint, (255, 255, 255), 0.4))
    glass = mixed(lighting.near((58, 78, 96)), lighting.haze, 0.3)
    rear = (
        [(-0.42, 0.295), (-0.40, 0.415), (-0.16, 0.415), (-0.16, 0.295)]
        if estate
        else [(-0.31, 0.295), (-0.21, 0.405), (-0.06, 0.405), (-0.06, 0.295)]
    )
    front = [(rear[3][0] + 0.035, 0.295), (rear[2][0] + 0.035, rear[2][1]), (0.09, rear[2][1]), (0.215, 0.295)]
    for pane in (rear, front):
        frame.polygon(pane, glass)
        low, high = pane[0], pane[1]
        shine = [(low[0] + 0.05, low[1]), (high[0] + 0.05, high[1]), (high[0] + 0.09, high[1]), (low[0] + 0.09, low[1])]
        frame.polygon(shine, (255, 255, 255), 0.22)
    frame.line([(rear[3][0] + 0.017, 0.28), (rear[3][0] + 0.017, 0.12)], 0.008, brighter(paint, 0.6))
    for x in (-0.31, 0.31):
        frame.ellipse(x, 0.10, 0.112, 0.112, brighter(paint, 0.35))
        frame.ellipse(x, 0.095, 0.098, 0.098, lighting.near((28, 28, 32)))
        frame.ellipse(x, 0.095, 0.052, 0.052, lighting.near((186, 190, 196)))
        frame.ellipse(x, 0.095, 0.018, 0.018, lighting.near((70, 72, 78)))
    frame.ellipse(0.465, 0.205, 0.03, 0.028, (255, 248, 214))
    frame.ellipse(-0.485, 0.215, 0.018, 0.034, (200, 34, 30))
    if lighting.snowy:
        roof = rear[1][1] + 0.025
        frame.polygon(
            rounded([(rear[1][0] - 0.01, roof), (0.09, roof), (0.07, roof + 0.035), (rear[1][0], roof + 0.035)]),
            SNOW_WHITE,
        )
    if lighting.is_night:
        frame.glow(0.68, 0.03, 0.22, (255, 240, 190), 0.35)
        frame.glow(0.49, 0.2, 0.26, (255, 240, 190), 0.8)
        frame.glow(-0.49, 0.21, 0.12, (255, 60, 40), 0.5)


def paint_bike(frame: Frame, lighting: Lighting, rng: np.random.Generator) -> None:
    """A bicycle about one unit long."""
    tubes: tuple[Colour, ...] = ((18, 128, 104), (34, 34, 38), (232, 232, 228), (132, 84, 150))
    tube = lighting.near(tubes[int(rng.integers(len(tubes)))])
    tyre = lighting.near((24, 24, 28))
    frame.ellipse(0.0, 0.0, 0.52, 0.03, (0, 0, 0), 0.35)
    hubs = ((-0.29, 0.22), (0.29, 0.22))
    for x, y in hubs:
        for angle in np.linspace(0, np.pi, 5, endpoint=False):
            dx, dy = 0.2 * float(np.cos(angle)), 0.2 * float(np.sin(angle))
            frame.line([(x - dx, y - dy), (x + dx, y + dy)], 0.007, lighting.near((176, 178, 182)))
        frame.ring(x, y, 0.22, 0.036, tyre)
    crank, saddle, head = (-0.05, 0.2), (-0.13, 0.5), (0.2, 0.48)
    for path in ([hubs[0], crank, saddle, hubs[0]], [saddle, head, crank], [head, hubs[1]]):
        frame.line(path, 0.034, tube)
    frame.line([saddle, (-0.145, 0.57)], 0.026, tube)
    frame.polygon(rounded([(-0.24, 0.57), (-0.06, 0.57), (-0.05, 0.60), (-0.23, 0.615)], 1), tyre)
    frame.line([head, (0.185, 0.6), (0.27, 0.63), (0.3, 0.58)], 0.03, tyre)
    frame.ring(crank[0], crank[1], 0.055, 0.02, lighting.near((150, 150, 154)))
    if lighting.is_night:
        frame.ellipse(0.26, 0.53, 0.03, 0.03, (255, 246, 210))
        frame.glow(0.26, 0.53, 0.16, (255, 240, 200), 0.6)


def paint_boat(frame: Frame, lighting: Lighting, rng: np.random.Generator) -> None:
    """A sailing boat or a motor boat about one unit long, with its mirror image on the water."""
    hulls: tuple[Colour, ...] = ((244, 244, 240), (112, 66, 40), (28, 84, 70))
    hull = lighting.near(hulls[int(rng.integers(len(hulls)))])
    sails = rng.random() < 0.7
    frame.polygon([(-0.44, -0.02), (0.44, -0.02), (0.34, -0.12), (-0.36, -0.12)], brighter(hull, 0.55), 0.5)
    frame.polygon(rounded([(-0.5, 0.17), (0.56, 0.2), (0.40, 0.0), (-0.42, 0.0)], 1), hull)
    frame.polygon([(-0.42, 0.0), (0.40, 0.0), (0.43, 0.045), (-0.44, 0.045)], brighter(hull, 0.6))
    cloth = lighting.near((252, 250, 244))
    if sails:
        frame.polygon([(0.03, -0.12), (-0.3, -0.12), (0.01, -0.26)], cloth, 0.22)
        frame.line([(0.03, 0.16), (0.03, 1.12)], 0.03, lighting.near((110, 84, 60)))
        frame.polygon(rounded([(0.0, 1.08), (-0.05, 0.5), (-0.42, 0.26), (0.0, 0.26)], 1), brighter(cloth, 0.94))
        frame.polygon([(0.07, 1.0), (0.07, 0.27), (0.48, 0.27)], cloth)
        frame.polygon([(0.07, 0.6), (0.07, 0.27), (0.48, 0.27)], brighter(cloth, 0.84))
    else:
        frame.polygon([(-0.28, 0.17), (0.16, 0.18), (0.08, 0.42), (-0.26, 0.42)], cloth)
        for x in (-0.22, -0.08):
            pane: Colour = (255, 220, 140) if lighting.is_night else lighting.near((60, 84, 104))
            frame.block(x, 0.25, x + 0.1, 0.36, pane)
        frame.line([(-0.15, 0.42), (-0.15, 0.72)], 0.022, lighting.near((90, 90, 94)))
        frame.polygon([(-0.15, 0.72), (-0.32, 0.66), (-0.15, 0.6)], lighting.near((236, 120, 60)))
    if lighting.is_night:
        frame.ellipse(0.03 if sails else -0.15, 1.12 if sails else 0.72, 0.035, 0.035, (255, 246, 214))
        frame.glow(0.0, 0.3, 0.5, (255, 220, 160), 0.35)
