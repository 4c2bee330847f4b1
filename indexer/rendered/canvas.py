"""A drawing surface in unit coordinates: shapes, textures, mirror images and light that is added at the end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Point = tuple[float, float]
Pixels = NDArray[np.float32]

SUPERSAMPLING = 3


@dataclass(frozen=True)
class Glow:
    """Light around a lamp or the sun, added to the finished picture; position and radius in picture sides."""

    x: float
    y: float
    radius: float
    colour: Colour
    strength: float


class Canvas:
    """An RGB picture drawn larger than asked; (0, 0) is its top left corner and (1, 1) its bottom right one.

    Colours are (red, green, blue) from 0 to 255 and are clipped; `alpha` runs from 0 (unseen) to 1 (opaque).
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.side = size * SUPERSAMPLING
        self.image = Image.new("RGB", (self.side, self.side))
        self.glows: list[Glow] = []
        self._draw = ImageDraw.Draw(self.image, "RGBA")

    def polygon(self, points: Sequence[Point], colour: Colour, alpha: float = 1.0) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._scaled(points), fill=_ink(colour, alpha))

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour, alpha: float = 1) -> None:
        """Fill a rectangle; one without extent is left out."""
        if right > left and bottom > top:
            box = (left * self.side, top * self.side, right * self.side, bottom * self.side)
            self._draw.rectangle(box, fill=_ink(colour, alpha))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an ellipse given by its centre and its half axes."""
        self._draw.ellipse(self._box(x, y, rx, ry), fill=_ink(colour, alpha))

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle's line."""
        pixels = max(1, round(width * self.side))
        self._draw.ellipse(self._box(x, y, radius, radius), outline=_ink(colour, 1.0), width=pixels)

    def line(self, points: Sequence[Point], width: float, colour: Colour, alpha: float = 1.0) -> None:
        """Draw a polyline."""
        pixels = max(1, round(width * self.side))
        joint = "curve" if len(points) > 2 and pixels > 3 else None
        self._draw.line(self._scaled(points), fill=_ink(colour, alpha), width=pixels, joint=joint)

    def texture(self, pixels: Pixels, points: Sequence[Point] | None = None) -> None:
        """Cover a polygon (or, without one, everything) with pixels of shape [height, width, 3] stretched over all."""
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        top = 0 if points is None else max(0, math.floor(min(y for _, y in points) * self.side))
        picture = picture.resize((self.side, self.side), Image.Resampling.BICUBIC)
        if points is None:
            self.image.paste(picture)
            return
        mask = Image.new("L", (self.side, self.side - top))
        shifted = [(x, y - top) for x, y in self._scaled(points)]
        ImageDraw.Draw(mask).polygon(shifted, fill=255)
        self.image.paste(picture.crop((0, top, self.side, self.side)), (0, top), mask)

    def mirror(self, line: float, bottom: float, strength: float) -> None:
        """Blend what stands above `line` upside down into the band from `line` to `bottom`, softened as by ripples."""
        first, last = round(line * self.side), round(min(bottom, 1.0) * self.side)
        depth = min(last - first, first)
        if depth < 4:
            return
        above = self.image.crop((0, first - depth, self.side, first)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        soft = above.resize((max(2, self.size // 2), max(2, depth // 12)), Image.Resampling.BOX)
        soft = soft.resize((self.side, depth), Image.Resampling.BICUBIC)
        box = (0, first, self.side, first + depth)
        fading = np.repeat(np.linspace(255 * strength, 64 * strength, depth)[:, None], self.side, axis=1)
        self.image.paste(soft, box, Image.fromarray(fading.astype(np.uint8)))

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Remember light to be added when the picture is finished."""
        self.glows.append(Glow(x, y, radius, colour, strength))

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.side, y * self.side) for x, y in points]

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        side = self.side
        return ((x - rx) * side, (y - ry) * side, (x + rx) * side, (y + ry) * side)


@dataclass(frozen=True)
class Frame:
    """A thing's own coordinates: the origin where it stands at (x, y), up positive, one unit `scale` picture sides."""

    canvas: Canvas
    x: float
    y: float
    scale: float
    mirrored: bool = False

    def at(self, x: float, y: float) -> Point:
        """The canvas position of a point of the thing."""
        return (self.x + (-x if self.mirrored else x) * self.scale, self.y - y * self.scale)

    def polygon(self, points: Sequence[Point], colour: Colour, alpha: float = 1.0) -> None:
        """Fill a polygon given in the thing's coordinates."""
        self.canvas.polygon([self.at(x, y) for x, y in points], colour, alpha)

    def block(self, left: float, bottom: float, right: float, top: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour, alpha)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an ellipse given by its centre and its half axes."""
        px, py = self.at(x, y)
        self.canvas.ellipse(px, py, rx * self.scale, ry * self.scale, colour, alpha)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle's line."""
        px, py = self.at(x, y)
        self.canvas.ring(px, py, radius * self.scale, width * self.scale, colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour, alpha: float = 1.0) -> None:
        """Draw a polyline."""
        self.canvas.line([self.at(x, y) for x, y in points], width * self.scale, colour, alpha)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Remember light around a point of the thing."""
        px, py = self.at(x, y)
        self.canvas.glow(px, py, radius * self.scale, colour, strength)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: `first` at share 0, `second` at share 1."""
    keep = 1.0 - share
    return (
        first[0] * keep + second[0] * share,
        first[1] * keep + second[1] * share,
        first[2] * keep + second[2] * share,
    )


def brighter(colour: Colour, factor: float) -> Colour:
    """The colour times `factor`; below 1 it grows darker."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def rounded(points: Sequence[Point], passes: int = 2) -> list[Point]:
    """A closed polygon with its corners cut `passes` times (Chaikin), which looks curved."""
    current = np.asarray(points, dtype=float)
    for _ in range(passes):
        following = np.roll(current, -1, axis=0)
        current = np.stack([0.75 * current + 0.25 * following, 0.25 * current + 0.75 * following], axis=1)
        current = current.reshape(-1, 2)
    return [(float(x), float(y)) for x, y in current]


def noise(rng: np.random.Generator, rows: int, columns: int, size: int, octaves: int = 1) -> Pixels:
    """Smooth noise from 0 to 1 of shape [size, size], finer for larger `rows` and `columns`."""
    total = np.zeros((size, size), dtype=np.float32)
    weights = 0.0
    for octave in range(octaves):
        lattice = rng.random((rows << octave, columns << octave), dtype=np.float32)
        layer = Image.fromarray(lattice).resize((size, size), Image.Resampling.BICUBIC)
        total += np.asarray(layer, dtype=np.float32) * 0.5**octave
        weights += 0.5**octave
    return total / weights


def _ink(colour: Colour, alpha: float) -> tuple[int, int, int, int]:
    red, green, blue = (min(255, max(0, round(channel))) for channel in colour)
    return (red, green, blue, min(255, max(0, round(alpha * 255))))
