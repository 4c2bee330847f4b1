"""The things of a scene: where they stand, and umbrellas, dogs, palms and balloons."""

from itertools import pairwise

import numpy as np

from topicidx.indexer.rendered.canvas import Canvas, Colour, Frame, Point, brighter, mixed, rounded
from topicidx.indexer.rendered.lighting import Lighting
from topicidx.indexer.rendered.scenes import Scene
from topicidx.indexer.rendered.terrain import Stage
from topicidx.indexer.rendered.vehicles import PAINTS, paint_bike, paint_boat, paint_car

_SCALES: dict[str, tuple[float, float]] = {
    "car": (0.42, 0.54),
    "umbrella": (0.46, 0.58),
    "dog": (0.30, 0.38),
    "bike": (0.34, 0.42),
    "palm": (0.62, 0.78),
}


def paint_things(canvas: Canvas, scene: Scene, lighting: Lighting, stage: Stage, rng: np.random.Generator) -> None:
    """Paint the scene's things, the far ones first, so that no two hide each other."""
    if "balloon" in scene.things:
        x = float(rng.uniform(0.16, 0.84))
        _paint_balloon(Frame(canvas, x, float(rng.uniform(0.30, 0.38)), float(rng.uniform(0.24, 0.31))), lighting, rng)
    if "boat" in scene.things and stage.water is not None:
        left, top, right, bottom = stage.water
        x, y = float(rng.uniform(left + 0.05, right - 0.05)), float(rng.uniform(top, max(top + 0.01, bottom)))
        paint_boat(Frame(canvas, x, y, float(rng.uniform(0.26, 0.35)), rng.random() < 0.5), lighting, rng)
    standing = [thing for thing in scene.things if thing in _SCALES]
    # A palm stands further back than what shares the ground with it.
    standing.sort(key=lambda thing: thing != "palm")
    sides = [-1, 1] if rng.random() < 0.5 else [1, -1]
    for thing, side in zip(standing, sides, strict=False):
        if thing == "palm":
            x = 0.5 + side * rng.uniform(0.26, 0.36)
        else:
            x = 0.5 + side * rng.uniform(0.2, 0.27) if len(standing) > 1 else rng.uniform(0.3, 0.7)
        base = stage.ground[0] if thing == "palm" else rng.uniform(stage.ground[0], stage.ground[1])
        scale = float(rng.uniform(*_SCALES[thing])) * (0.92 if len(standing) > 1 else 1.0)
        frame = Frame(canvas, float(x), float(base), scale, bool(rng.random() < 0.5))
        _paint_standing(thing, frame, scene, lighting, rng)


def _paint_standing(thing: str, frame: Frame, scene: Scene, lighting: Lighting, rng: np.random.Generator) -> None:
    if thing == "palm":
        _paint_palm(frame, lighting, rng)
    elif thing == "bike":
        paint_bike(frame, lighting, rng)
    elif thing == "dog":
        _paint_dog(frame, lighting, rng)
    elif thing == "car" and scene.colour is not None:
        paint_car(frame, lighting, scene.colour, rng)
    elif thing == "umbrella" and scene.colour is not None:
        _paint_umbrella(frame, scene, lighting, rng)


def _paint_umbrella(frame: Frame, scene: Scene, lighting: Lighting, rng: np.random.Generator) -> None:
    assert scene.colour is not None
    frame.ellipse(0.0, 0.0, 0.22, 0.03, (0, 0, 0), 0.35)
    if scene.place == "beach" and scene.weather == "clear" and rng.random() < 0.5:
        frame.line([(0.0, 0.0), (0.0, 0.9)], 0.022, lighting.near((226, 222, 214)))
    else:
        _paint_walker(frame, lighting, rng)
    cloth = lighting.near(brighter(PAINTS[scene.colour], float(rng.uniform(0.92, 1.06))))
    half, low, rise = 0.43, 0.64, 0.31
    turns = np.linspace(0.0, np.pi / 2, 9)

    def rib(share: float) -> list[Point]:
        return [(share * half * float(np.sin(t)), low + rise * float(np.cos(t))) for t in turns]

    ribs = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 7))
    for index in range(6):
        left, right = rib(float(ribs[index])), rib(float(ribs[index + 1]))
        hem = (0.5 * (left[-1][0] + right[-1][0]), low + 0.035)
        tone = (0.8, 1.0, 1.14, 1.04, 0.88, 0.7)[index]
        frame.polygon([*left, hem, *reversed(right)], brighter(cloth, tone))
        frame.line(left, 0.006, brighter(cloth, 0.6))
    frame.line([(0.0, low + rise), (0.0, low + rise + 0.05)], 0.018, lighting.near((50, 50, 54)))


def _paint_walker(frame: Frame, lighting: Lighting, rng: np.random.Generator) -> None:
    coats: tuple[Colour, ...] = ((52, 56, 66), (92, 78, 66), (58, 82, 70), (150, 138, 120))
    coat = lighting.near(coats[int(rng.integers(len(coats)))])
    trousers = lighting.near((36, 38, 46))
    stride = float(rng.uniform(0.02, 0.06))
    frame.line([(-0.02, 0.28), (-0.03 - stride, 0.01)], 0.05, trousers)
    frame.line([(0.03, 0.28), (0.03 + stride, 0.01)], 0.05, brighter(trousers, 0.85))
    frame.polygon(
        rounded([(-0.09, 0.2), (-0.085, 0.52), (-0.03, 0.57), (0.04, 0.57), (0.09, 0.52), (0.1, 0.2)], 1), coat
    )
    frame.ellipse(0.0, 0.63, 0.052, 0.062, lighting.near((206, 160, 130)))
    frame.line([(0.06, 0.5), (0.09, 0.42), (0.03, 0.46)], 0.04, brighter(coat, 0.8))
    frame.line([(0.03, 0.42), (0.01, 0.92)], 0.016, lighting.near((60, 56, 54)))


def _paint_dog(frame: Frame, lighting: Lighting, rng: np.random.Generator) -> None:
    furs: tuple[Colour, ...] = ((150, 98, 54), (52, 44, 42), (226, 206, 172), (186, 128, 70))
    fur = lighting.near(furs[int(rng.integers(len(furs)))])
    dark = brighter(fur, 0.74)
    frame.ellipse(0.0, 0.0, 0.46, 0.04, (0, 0, 0), 0.35)
    for x, tone in ((-0.27, dark), (0.16, dark), (-0.34, fur), (0.24, fur)):
        frame.polygon([(x - 0.05, 0.4), (x + 0.07, 0.4), (x + 0.045, 0.0), (x - 0.03, 0.0)], tone)
        frame.ellipse(x + 0.025, 0.02, 0.055, 0.03, tone)
    lift = float(rng.uniform(0.7, 0.86))
    frame.line([(-0.38, 0.52), (-0.5, 0.62), (-0.54, lift)], 0.065, fur)
    body = [(-0.44, 0.56), (-0.36, 0.28), (0.05, 0.30), (0.3, 0.26), (0.4, 0.62), (0.2, 0.64), (-0.2, 0.62)]
    frame.polygon(rounded(body), fur)
    frame.polygon(rounded([(0.2, 0.5), (0.26, 0.82), (0.46, 0.86), (0.42, 0.5)]), fur)
    frame.ellipse(0.38, 0.8, 0.14, 0.125, fur)
    frame.polygon(rounded([(0.4, 0.84), (0.6, 0.79), (0.62, 0.7), (0.4, 0.68)], 1), brighter(fur, 1.1))
    frame.ellipse(0.61, 0.775, 0.032, 0.028, (18, 16, 18))
    frame.ellipse(0.435, 0.84, 0.02, 0.024, (18, 16, 18))
    frame.polygon(rounded([(0.34, 0.92), (0.24, 0.9), (0.2, 0.64), (0.3, 0.66)], 1), dark)
    frame.line([(0.24, 0.63), (0.42, 0.6)], 0.05, lighting.near((60, 160, 140)))


def _paint_palm(frame: Frame, lighting: Lighting, rng: np.random.Generator) -> None:
    lean = float(rng.uniform(0.04, 0.22))
    trunk = lighting.near((134, 104, 72))
    frame.ellipse(0.0, 0.0, 0.16, 0.018, (0, 0, 0), 0.3)
    steps = np.linspace(0.0, 1.0, 14)
    for low, high in pairwise(steps):
        ends = [(lean * float(t) ** 2, 0.78 * float(t)) for t in (low, high)]
        frame.line(ends, 0.062 - 0.03 * float(low), brighter(trunk, 1.1 if round(low * 13) % 2 else 0.86))
    crown = (lean, 0.78)
    leaf = lighting.near(mixed((44, 122, 56), (88, 146, 52), float(rng.random())))
    for index, angle in enumerate(np.linspace(-0.35, np.pi + 0.35, 10) + rng.normal(0, 0.07, 10)):
        _paint_frond(
            frame, crown, float(angle), float(rng.uniform(0.32, 0.40)), brighter(leaf, 0.7 + 0.4 * (index % 3) / 2)
        )
    for x, y in ((-0.03, -0.03), (0.03, -0.035), (0.0, -0.05)):
        frame.ellipse(crown[0] + x, crown[1] + y, 0.024, 0.026, lighting.near((96, 66, 40)))


def _paint_frond(frame: Frame, crown: Point, angle: float, length: float, colour: Colour) -> None:
    reach = np.linspace(0.0, 1.0, 9)
    xs = crown[0] + length * np.cos(angle) * reach
    ys = crown[1] + length * (0.75 * np.sin(angle) * reach - 0.55 * reach**2 + 0.12 * reach)
    spine = [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
    frame.line(spine, 0.02, brighter(colour, 0.85))
    outward = 1.0 if np.cos(angle) >= 0 else -1.0
    for (x, y), share in zip(spine[1:], reach[1:], strict=True):
        droop = 0.11 * (1.15 - float(share))
        frame.polygon([(x - 0.028, y), (x + 0.028, y), (x + outward * 0.05, y - droop)], colour)
        frame.polygon([(x - 0.02, y), (x + 0.02, y), (x + outward * 0.06, y + 0.45 * droop)], brighter(colour, 1.12))


def _paint_balloon(frame: Frame, lighting: Lighting, rng: np.random.Generator) -> None:
    pairs: tuple[tuple[Colour, Colour], ...] = (
        ((226, 78, 150), (250, 244, 240)),
        ((148, 76, 178), (246, 196, 214)),
        ((56, 170, 140), (250, 246, 232)),
    )
    pair = pairs[int(rng.integers(len(pairs)))]
    turns = np.linspace(0.0, 1.0, 15)
    profile = np.sin(np.pi * turns**0.72) ** 0.75 * 0.38
    profile[-1] = 0.05
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 8))
    for index in range(7):
        left = [(float(edges[index] * p), 1.0 - 0.76 * float(t)) for p, t in zip(profile, turns, strict=True)]
        right = [(float(edges[index + 1] * p), 1.0 - 0.76 * float(t)) for p, t in zip(profile, turns, strict=True)]
        tone = (0.78, 0.92, 1.04, 1.1, 1.02, 0.88, 0.7)[index]
        frame.polygon([*left, *reversed(right)], brighter(lighting.near(pair[index % 2]), tone))
    rope = lighting.near((70, 60, 54))
    for x in (-1, 1):
        frame.line([(x * 0.045, 0.24), (x * 0.06, 0.12)], 0.01, rope)
    frame.polygon([(-0.075, 0.13), (0.075, 0.13), (0.06, 0.0), (-0.06, 0.0)], lighting.near((136, 96, 58)))
    if lighting.is_night:
        frame.glow(0.0, 0.3, 0.5, (255, 170, 90), 0.5)
