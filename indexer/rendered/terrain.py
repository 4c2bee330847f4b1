"""Pieces of landscape that several places share: water, textured ground, ridges, trees and the stage for things."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topicidx.indexer.rendered.canvas import Canvas, Colour, Pixels, Point, brighter, mixed, noise
from topicidx.indexer.rendered.lighting import SNOW_WHITE, Lighting


@dataclass(frozen=True)
class Stage:
    """Where things may stand: the heights their feet may have, and the box (left, top, right, bottom) of the water."""

    ground: tuple[float, float]
    water: tuple[float, float, float, float] | None = None


def paint_water(
    canvas: Canvas, lighting: Lighting, shore: Sequence[Point], top: float, rng: np.random.Generator, mirror: float
) -> None:
    """Fill a polygon with water that reflects sky, sun or moon, and with share `mirror` what stands behind it."""
    size = canvas.size
    bottom = max(y for _, y in shore)
    axis = np.linspace(0.0, 1.0, size, dtype=np.float32)
    depth = np.clip((axis - top) / max(bottom - top, 0.05), 0.0, 1.0)[:, None, None]
    # At sunrise the sea has the violet of the sky's far side; its own green would look muddy in warm light.
    own: Colour = (112, 92, 138) if lighting.light == "sunrise" else (24, 108, 138)
    deep = mixed(lighting.shade(own), brighter(lighting.sky[0], 0.8), 0.35)
    far = mixed(lighting.haze, deep, 0.3)
    pixels = np.array(far, dtype=np.float32) * (1 - depth) + np.array(deep, dtype=np.float32) * depth
    waves = noise(rng, 56, 7, size, octaves=2)
    pixels = pixels * (0.82 + 0.36 * (waves[:, :, None] * depth + 0.5 * (1 - depth)))
    if mirror:
        canvas.texture(pixels, shore)
        canvas.mirror(top, bottom, mirror)
    else:
        pixels = _with_glitter(pixels, lighting, depth, waves)
        canvas.texture(pixels, shore)
    reaches_both_edges = min(x for x, _ in shore) <= 0.0 and max(x for x, _ in shore) >= 1.0
    if reaches_both_edges and lighting.disc is not None:
        _paint_glitter_dashes(canvas, lighting, top, bottom, rng)


def paint_ground(
    canvas: Canvas,
    outline: Sequence[Point],
    far: Colour,
    near: Colour,
    rng: np.random.Generator,
    roughness: float = 0.1,
    grain: tuple[int, int] = (48, 32),
) -> None:
    """Fill a polygon with ground, `far` at its top and `near` at its bottom, in a texture of `grain` rows, columns."""
    size = canvas.size
    top = min(y for _, y in outline)
    axis = np.linspace(0.0, 1.0, size, dtype=np.float32)
    depth = np.clip((axis - top) / max(1.0 - top, 0.05), 0.0, 1.0)[:, None, None]
    pixels = np.array(far, dtype=np.float32) * (1 - depth) + np.array(near, dtype=np.float32) * depth
    relief = noise(rng, grain[0], grain[1], size, octaves=2) - 0.5
    canvas.texture(pixels * (1.0 + 2.0 * roughness * relief[:, :, None]), outline)


def ridge(rng: np.random.Generator, base: float, height: float, steps: int = 5) -> list[Point]:
    """A hill line over the picture's width, rising at most `height` above `base` (picture sides)."""
    xs = np.linspace(-0.02, 1.02, 66)
    rise = np.zeros_like(xs)
    for octave in range(4):
        knots = rng.random((steps << octave) + 1)
        rise += np.interp(xs, np.linspace(-0.02, 1.02, knots.size), knots) * 0.5 ** (octave + 1)
    return [(float(x), float(base - height * r)) for x, r in zip(xs, rise, strict=True)]


def closed_below(line: Sequence[Point], bottom: float) -> list[Point]:
    """The polygon between a line from left to right and the height `bottom`."""
    return [*line, (line[-1][0], bottom), (line[0][0], bottom)]


def paint_tree(
    canvas: Canvas, lighting: Lighting, x: float, base: float, height: float, distance: float, rng: np.random.Generator
) -> None:
    """A leafy tree; `distance` from 0 to 1 fades it into the haze."""
    trunk = lighting.far((84, 62, 46), distance)
    canvas.polygon(
        [
            (x - 0.035 * height, base),
            (x - 0.02 * height, base - 0.5 * height),
            (x + 0.02 * height, base - 0.5 * height),
            (x + 0.035 * height, base),
        ],
        trunk,
    )
    green = mixed((58, 112, 52), (112, 138, 48), float(rng.random()))
    if lighting.snowy:
        green = mixed(green, SNOW_WHITE, 0.55)
    leaves = lighting.far(green, distance)
    for layer, tone in ((0.0, 0.68), (0.05, 0.9), (0.11, 1.16)):
        for dx, dy in rng.uniform(-1.0, 1.0, (7, 2)):
            radius = height * (0.17 - 0.5 * layer)
            cx = x + dx * height * 0.22 - layer * 0.4 * height
            cy = base - height * (0.66 + 0.17 * dy + layer)
            canvas.ellipse(cx, cy, radius, radius * 0.9, brighter(leaves, tone))


def paint_conifer(
    canvas: Canvas, lighting: Lighting, x: float, base: float, height: float, distance: float, rng: np.random.Generator
) -> None:
    """A fir tree of four tiers, with snow on them when snow lies."""
    green = lighting.far(mixed((30, 78, 54), (52, 92, 58), float(rng.random())), distance)
    cap = lighting.far(SNOW_WHITE, distance * 0.6)
    for tier in range(4):
        low, high = base - height * (0.08 + 0.21 * tier), base - height * (0.42 + 0.195 * tier)
        half = height * (0.25 - 0.048 * tier)
        canvas.polygon([(x - half, low), (x, high), (x + half, low)], brighter(green, 0.9 + 0.08 * tier))
        canvas.polygon([(x, low), (x, high), (x + half, low)], brighter(green, 0.72 + 0.06 * tier))
        if lighting.snowy:
            middle = 0.5 * (low + high)
            canvas.polygon([(x - 0.5 * half, middle), (x, high), (x + 0.5 * half, middle)], cap, 0.9)


def _with_glitter(pixels: Pixels, lighting: Lighting, depth: Pixels, waves: Pixels) -> Pixels:
    if lighting.disc is None:
        return pixels
    axis = np.linspace(0.0, 1.0, pixels.shape[1], dtype=np.float32)[None, :, None]
    width = lighting.disc[2] * (0.8 + 1.3 * depth)
    path = np.exp(-(((axis - lighting.disc[0]) / width) ** 2))
    sparkle = np.clip(waves[:, :, None] * 3.2 - 1.05, 0.0, 1.0)
    strength = {"sunrise": 0.95, "night": 0.6, "day": 0.5}[lighting.light] * (1 - 0.45 * lighting.overcast)
    colour = np.array((255, 214, 140) if lighting.light == "sunrise" else lighting.light_colour, dtype=np.float32)
    blended: Pixels = pixels + (colour - pixels) * (path * sparkle * strength)
    return blended


def _paint_glitter_dashes(
    canvas: Canvas, lighting: Lighting, top: float, bottom: float, rng: np.random.Generator
) -> None:
    assert lighting.disc is not None
    colour: Colour = (255, 212, 142) if lighting.light == "sunrise" else lighting.light_colour
    for along, across, length in rng.random((48, 3)):
        y = top + (bottom - top) * along
        x = lighting.disc[0] + (across - 0.5) * (0.05 + 0.14 * along)
        half = 0.006 + 0.022 * length * (0.4 + along)
        canvas.ellipse(x, y, half, 0.0022 + 0.002 * along, colour, 0.5 * (1 - 0.5 * lighting.overcast))
