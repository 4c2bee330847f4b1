"""Rain and snow in the air in front of everything else."""

import numpy as np

from topicidx.indexer.rendered.canvas import Canvas, Colour
from topicidx.indexer.rendered.lighting import Lighting


def paint_weather(canvas: Canvas, lighting: Lighting, ground: float, rng: np.random.Generator) -> None:
    """Rain streaks and puddles below the height `ground`, or snowflakes; nothing in clear weather."""
    if lighting.weather == "rain":
        _paint_puddles(canvas, lighting, ground, rng)
        _paint_streaks(canvas, lighting, rng)
    elif lighting.weather == "snow":
        _paint_flakes(canvas, rng)


def _paint_puddles(canvas: Canvas, lighting: Lighting, ground: float, rng: np.random.Generator) -> None:
    for x, y, size in rng.random((7, 3)):
        height = ground + 0.03 + (0.97 - ground) * y
        canvas.ellipse(x, height, 0.04 + 0.06 * size, 0.006 + 0.008 * size, lighting.sky[1], 0.38)
        canvas.ellipse(x, height + 0.002, 0.03 + 0.04 * size, 0.003 + 0.005 * size, lighting.haze, 0.35)
    for x, y in rng.random((16, 2)):
        height = ground + (1.0 - ground) * y
        for dx in (-0.008, 0.008):
            canvas.line([(x, height), (x + dx, height - 0.014)], 0.003, (225, 235, 245), 0.5)


def _paint_streaks(canvas: Canvas, lighting: Lighting, rng: np.random.Generator) -> None:
    slant = float(rng.uniform(-0.45, 0.45))
    colour: Colour = (176, 194, 222) if lighting.is_night else (236, 242, 250)
    for x, y, size in rng.random((int(rng.integers(130, 210)), 3)):
        length = 0.045 + 0.085 * size
        start = (-0.1 + 1.2 * x, -0.1 + 1.1 * y)
        end = (start[0] + slant * length, start[1] + length)
        canvas.line([start, end], 0.003 + 0.0035 * size, colour, 0.28 + 0.3 * size)


def _paint_flakes(canvas: Canvas, rng: np.random.Generator) -> None:
    for x, y, size in rng.random((int(rng.integers(150, 260)), 3)):
        radius = 0.0035 + 0.0095 * size**2.2
        canvas.ellipse(x, y, radius, radius, (252, 253, 255), 0.55 + 0.4 * size)
    for x, y, size in rng.random((9, 3)):
        radius = 0.014 + 0.012 * size
        canvas.ellipse(x, y, radius, radius, (255, 255, 255), 0.35)
