"""The places in the open: beach, mountain and park."""

import numpy as np

from topicidx.indexer.rendered.canvas import Canvas, Colour, Point, brighter, mixed
from topicidx.indexer.rendered.city_cues import paint_lamp_post, paint_landmark
from topicidx.indexer.rendered.lighting import SNOW_WHITE, Lighting
from topicidx.indexer.rendered.scenes import Scene
from topicidx.indexer.rendered.terrain import (
    Stage,
    closed_below,
    paint_conifer,
    paint_ground,
    paint_tree,
    paint_water,
    ridge,
)


def paint_beach(canvas: Canvas, scene: Scene, lighting: Lighting, rng: np.random.Generator) -> Stage:
    """Sea, surf and sand, perhaps with a headland."""
    horizon = lighting.horizon
    side = -1 if rng.random() < 0.5 else 1
    if "landmark" in scene.cues or rng.random() < 0.5:
        _paint_headland(canvas, lighting, side, rng)
    paint_landmark(canvas, scene, lighting, 0.5 + side * rng.uniform(0.2, 0.34), horizon + 0.004, 0.26)
    waterline = float(rng.uniform(0.66, 0.74))
    tilt, phase = float(rng.uniform(-0.05, 0.05)), float(rng.uniform(0, 6))
    xs = np.linspace(-0.02, 1.02, 40)

    def surf(offset: float, swell: float) -> list[Point]:
        ys = waterline + offset + tilt * (xs - 0.5) + swell * np.sin(xs * 9 + phase + offset * 40)
        return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]

    paint_water(canvas, lighting, [(-0.02, horizon), (1.02, horizon), (1.02, 0.9), (-0.02, 0.9)], horizon, rng, 0.0)
    sand = mixed((232, 204, 150), (214, 178, 124), float(rng.random()))
    far, near = lighting.ground(brighter(sand, 1.04), 0.55), lighting.ground(brighter(sand, 0.92), 0.7)
    shallow = mixed(lighting.shade((120, 196, 190)), lighting.haze, 0.25)
    canvas.polygon(closed_below(surf(-0.035, 0.012), 1.0), shallow, 0.55)
    canvas.polygon(closed_below(surf(-0.006, 0.012), 1.0), brighter(far, 0.7))
    paint_ground(canvas, closed_below(surf(0.03, 0.01), 1.02), far, near, rng, 0.13, (60, 40))
    for offset, width, alpha in ((-0.004, 0.012, 0.9), (-0.04, 0.006, 0.65), (-0.075, 0.004, 0.4)):
        canvas.line(surf(offset, 0.012), width, lighting.near((250, 252, 252)), alpha)
    for x, y, tone in rng.random((46, 3)):
        spot = brighter(near, 0.78 + 0.3 * tone)
        canvas.ellipse(x, waterline + 0.07 + 0.3 * y, 0.004 + 0.006 * tone, 0.0025, spot, 0.7)
    paint_lamp_post(canvas, scene, lighting, 0.5 - side * 0.4, waterline + 0.09, 0.42)
    return Stage((waterline + 0.12, 0.95), (0.12, horizon + 0.03, 0.88, waterline - 0.07))


def paint_mountain(canvas: Canvas, scene: Scene, lighting: Lighting, rng: np.random.Generator) -> Stage:
    """Peaks with snow caps above hills, a lake or a meadow, and a road when a car needs one."""
    horizon = lighting.horizon + 0.06
    canvas.polygon(closed_below(ridge(rng, horizon, 0.26), horizon + 0.1), lighting.far((110, 122, 150), 0.62))
    summits = sorted(rng.uniform(0.05, 0.95, int(rng.integers(2, 4))), key=lambda x: abs(x - 0.5), reverse=True)
    for x in summits:
        _paint_peak(canvas, lighting, float(x), horizon + 0.05, float(rng.uniform(0.28, 0.44)), rng)
    paint_landmark(canvas, scene, lighting, rng.uniform(0.2, 0.8), horizon + 0.03, 0.24)
    hills = ridge(rng, horizon + 0.05, 0.09, 3)
    green = mixed((86, 118, 70), (70, 96, 74), float(rng.random()))
    canvas.polygon(closed_below(hills, 1.0), lighting.far(mixed(green, SNOW_WHITE, 0.7 * lighting.snowy), 0.28))
    for x in rng.random(int(rng.integers(12, 22))):
        paint_conifer(canvas, lighting, float(x), horizon + rng.uniform(0.035, 0.06), rng.uniform(0.05, 0.09), 0.3, rng)
    water: tuple[float, float, float, float] | None = None
    meadow_top = horizon + 0.07
    if "boat" in scene.things or rng.random() < 0.4:
        meadow_top = float(rng.uniform(0.7, 0.74))
        top = horizon + 0.055
        paint_water(canvas, lighting, [(-0.02, top), (1.02, top), (1.02, 0.8), (-0.02, 0.8)], top, rng, 0.5)
        water = (0.15, top + 0.03, 0.85, meadow_top - 0.03)
    grass = mixed((104, 138, 62), (132, 146, 74), float(rng.random()))
    meadow = closed_below(ridge(rng, meadow_top + 0.02, 0.035, 3), 1.02)
    paint_ground(canvas, meadow, lighting.ground(grass), lighting.ground(brighter(grass, 0.72)), rng, 0.16, (40, 60))
    for side in (-1, 1):
        if rng.random() < 0.6:
            paint_conifer(canvas, lighting, 0.5 + side * rng.uniform(0.38, 0.48), meadow_top + 0.08, 0.34, 0.05, rng)
    if "car" in scene.things or rng.random() < 0.25:
        _paint_road_across(canvas, lighting, rng)
    paint_lamp_post(canvas, scene, lighting, rng.choice([0.1, 0.9]), meadow_top + 0.12, 0.42)
    return Stage((max(0.84, meadow_top + 0.12), 0.94), water)


def paint_park(canvas: Canvas, scene: Scene, lighting: Lighting, rng: np.random.Generator) -> Stage:
    """A lawn with a path between leafy trees, perhaps a pond, a bench and flowers."""
    horizon = lighting.horizon + 0.06
    paint_landmark(canvas, scene, lighting, rng.uniform(0.32, 0.68), horizon, 0.36)
    for x in np.linspace(-0.03, 1.03, 15) + rng.normal(0, 0.012, 15):
        paint_tree(canvas, lighting, float(x), horizon + 0.03, rng.uniform(0.13, 0.21), 0.3, rng)
    grass = mixed((92, 150, 58), (120, 162, 70), float(rng.random()))
    far, near = lighting.ground(brighter(grass, 1.05)), lighting.ground(brighter(grass, 0.7))
    lawn = [(-0.02, horizon + 0.01), (1.02, horizon + 0.01), (1.02, 1.02), (-0.02, 1.02)]
    paint_ground(canvas, lawn, far, near, rng, 0.14, (64, 64))
    water: tuple[float, float, float, float] | None = None
    if "boat" in scene.things or rng.random() < 0.2:
        water = _paint_pond(canvas, lighting, horizon + 0.05, rng)
    else:
        _paint_path(canvas, lighting, horizon + 0.012, rng)
    for side in (-1, 1):
        if rng.random() < 0.75:
            x = 0.5 + side * rng.uniform(0.33, 0.5)
            base = horizon + rng.uniform(0.1, 0.2)
            canvas.ellipse(x, base, 0.17, 0.022, (0, 0, 0), 0.22)
            paint_tree(canvas, lighting, x, base, rng.uniform(0.48, 0.64), 0.0, rng)
    if not lighting.snowy:
        petal: Colour = (238, 170, 205) if rng.random() < 0.5 else (246, 244, 250)
        for x, y in rng.random((26, 2)):
            canvas.ellipse(x, 0.8 + 0.2 * y, 0.005, 0.004, lighting.near(petal), 0.9)
    paint_lamp_post(canvas, scene, lighting, rng.choice([0.28, 0.72]), horizon + 0.16, 0.42)
    return Stage((0.84, 0.95), water)


def _paint_headland(canvas: Canvas, lighting: Lighting, side: int, rng: np.random.Generator) -> None:
    horizon, reach = lighting.horizon, float(rng.uniform(0.48, 0.66))
    hills = ridge(rng, 0.0, float(rng.uniform(0.09, 0.16)), 4)
    line = [(x, horizon + (y - 0.022) * max(0.0, 1 - (1 - x if side > 0 else x) / reach) ** 0.6) for x, y in hills]
    rock = mixed((92, 112, 92), SNOW_WHITE, 0.5 * lighting.snowy)
    canvas.polygon(closed_below(line, horizon + 0.006), lighting.far(rock, 0.42))


def _paint_peak(
    canvas: Canvas, lighting: Lighting, x: float, base: float, height: float, rng: np.random.Generator
) -> None:
    half = height * float(rng.uniform(0.85, 1.15))
    apex = (x, base - height)
    steps = np.linspace(0, 1, 8)[1:-1]
    jitter = rng.normal(0, 0.018 * height / 0.35, (2, steps.size))
    left = [(x - half * (1 - t), base - height * t + j) for t, j in zip(steps, jitter[0], strict=True)]
    right = [(x + half * t, base - height * (1 - t) + j) for t, j in zip(steps, jitter[1], strict=True)]
    rock = lighting.far(mixed((112, 108, 118), (124, 106, 94), float(rng.random())), 0.22)
    canvas.polygon([(x - half, base), *left, apex, *right, (x + half, base)], rock)
    spine = [(x + rng.normal(0, 0.1) * half * t, base - height * (1 - t)) for t in np.linspace(0, 1, 6)[1:]]
    canvas.polygon([apex, *right, (x + half, base), *reversed(spine)], brighter(rock, 0.72))
    snow = lighting.far(SNOW_WHITE, 0.12)
    depth = 0.62 if lighting.snowy else float(rng.uniform(0.28, 0.42))
    teeth = np.linspace(-1, 1, 9)
    drop = depth * height * (1 - 0.3 * rng.random(9) - 0.25 * (np.arange(9) % 2))
    hem = [(x + t * half * d / height * 0.86, apex[1] + d) for t, d in zip(teeth, drop, strict=True)]
    canvas.polygon([apex, *hem], snow)
    canvas.polygon([apex, *hem[4:]], brighter(snow, 0.8))


def _paint_road_across(canvas: Canvas, lighting: Lighting, rng: np.random.Generator) -> None:
    top = 0.835
    asphalt = lighting.ground((98, 98, 104), 0.45)
    outline = [(-0.02, top), (1.02, top - 0.005), (1.02, 0.97), (-0.02, 0.965)]
    paint_ground(canvas, outline, asphalt, brighter(asphalt, 0.85), rng, 0.06)
    for x in np.arange(rng.uniform(-0.1, 0.0), 1.0, 0.17):
        canvas.rectangle(x, 0.958, x + 0.08, 0.966, lighting.near((226, 224, 214)), 0.8)


def _paint_path(canvas: Canvas, lighting: Lighting, top: float, rng: np.random.Generator) -> None:
    end, bend, foot = rng.uniform(0.35, 0.65), rng.uniform(-0.16, 0.16), rng.uniform(0.3, 0.7)
    t = np.linspace(0, 1, 20)
    middle = end + (foot - end) * t + bend * np.sin(np.pi * t)
    width = 0.012 + 0.2 * t**1.4
    ys = top + (1.02 - top) * t
    left = [(float(x), float(y)) for x, y in zip(middle - width, ys, strict=True)]
    right = [(float(x), float(y)) for x, y in zip(middle + width, ys, strict=True)]
    gravel = lighting.ground((206, 190, 162), 0.7)
    paint_ground(canvas, [*left, *reversed(right)], gravel, brighter(gravel, 0.88), rng, 0.08)


def _paint_pond(
    canvas: Canvas, lighting: Lighting, top: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    x, half, depth = float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.42, 0.52)), 0.085
    turns = np.linspace(0, 2 * np.pi, 32)
    shore = [(x + half * float(np.cos(a)), top + depth + depth * float(np.sin(a))) for a in turns]
    rim = [(x + (px - x) * 1.03, top + depth + (py - top - depth) * 1.1) for px, py in shore]
    canvas.polygon(rim, lighting.ground((92, 104, 58), 0.5))
    paint_water(canvas, lighting, shore, top, rng, 0.0)
    return (x - half * 0.5, top + depth, x + half * 0.5, top + 1.4 * depth)
