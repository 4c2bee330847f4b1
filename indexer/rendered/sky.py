"""The sky: gradient, sun or moon with its glow, stars and clouds."""

import numpy as np

from topicidx.indexer.rendered.canvas import Canvas, Colour, Pixels, mixed, noise
from topicidx.indexer.rendered.lighting import Lighting


def paint_sky(canvas: Canvas, lighting: Lighting, rng: np.random.Generator) -> None:
    """Cover the whole canvas with sky."""
    heights = np.linspace(0.0, 1.0, canvas.size, dtype=np.float32)
    stops = [0.0, lighting.horizon * 0.58, lighting.horizon]
    column = np.stack([np.interp(heights, stops, [c[i] for c in lighting.sky]) for i in range(3)], axis=1)
    pixels = np.repeat(column.astype(np.float32)[:, None, :], canvas.size, axis=1)
    _add_disc_light(pixels, lighting)
    _add_clouds(pixels, lighting, rng)
    canvas.texture(pixels)
    if lighting.is_night and lighting.overcast == 0.0:
        _paint_stars(canvas, lighting, rng)
    if lighting.disc is not None:
        _paint_disc(canvas, lighting, rng)


def _add_disc_light(pixels: Pixels, lighting: Lighting) -> None:
    if lighting.disc is None:
        return
    x, y, radius = lighting.disc
    axis = np.linspace(0.0, 1.0, pixels.shape[0], dtype=np.float32)
    squared = (axis[None, :] - x) ** 2 + ((axis[:, None] - y) * 1.25) ** 2
    reach, strength = {"sunrise": (0.30, 0.62), "night": (0.13, 0.22), "day": (0.2, 0.55)}[lighting.light]
    share = strength * (1.0 - 0.4 * lighting.overcast) * np.exp(-squared / reach**2)
    share = np.maximum(share, 0.8 * strength * np.exp(-squared / (radius * 1.7) ** 2))[:, :, None]
    pixels += (np.array(lighting.light_colour, dtype=np.float32) - pixels) * share.astype(np.float32)


def _add_clouds(pixels: Pixels, lighting: Lighting, rng: np.random.Generator) -> None:
    size = pixels.shape[0]
    field = noise(rng, int(rng.integers(5, 9)), int(rng.integers(2, 5)), size, octaves=4)
    cover = float(rng.uniform(0.42, 0.66)) - 0.16 * lighting.overcast
    density = np.clip((field - cover) / 0.2, 0.0, 1.0)
    axis = np.linspace(0.0, 1.0, size, dtype=np.float32)[:, None]
    density *= np.clip((lighting.horizon - axis) / 0.12, 0.0, 1.0) * float(rng.uniform(0.6, 0.95))
    lit, shadow = _cloud_colours(lighting)
    # The noise a little further up decides the shade, so that clouds look thicker and darker beneath.
    relief = np.clip(0.5 + (np.roll(field, -max(1, size // 40), axis=0) - field) * 6.0, 0.0, 1.0)[:, :, None]
    colour = np.array(shadow, dtype=np.float32) * (1 - relief) + np.array(lit, dtype=np.float32) * relief
    pixels += (colour - pixels) * density[:, :, None]


def _cloud_colours(lighting: Lighting) -> tuple[Colour, Colour]:
    if lighting.light == "sunrise":
        pair: tuple[Colour, Colour] = ((255, 186, 150), (176, 100, 128))
        grey: tuple[Colour, Colour] = ((214, 150, 136), (110, 86, 106))
    elif lighting.is_night:
        pair, grey = ((46, 50, 84), (22, 25, 50)), ((48, 50, 64), (18, 19, 28))
    else:
        pair, grey = ((254, 254, 255), (206, 216, 228)), ((176, 182, 190), (98, 106, 118))
    return mixed(pair[0], grey[0], lighting.overcast), mixed(pair[1], grey[1], lighting.overcast)


def _paint_stars(canvas: Canvas, lighting: Lighting, rng: np.random.Generator) -> None:
    for x, y, glint in rng.random((int(rng.integers(50, 100)), 3)):
        radius = 0.0012 + 0.0028 * glint**3
        canvas.ellipse(x, y * lighting.horizon, radius, radius, (235, 238, 255), 0.45 + 0.55 * glint)


def _paint_disc(canvas: Canvas, lighting: Lighting, rng: np.random.Generator) -> None:
    assert lighting.disc is not None
    x, y, radius = lighting.disc
    if lighting.is_night:
        canvas.ellipse(x, y, radius, radius, lighting.light_colour)
        for dx, dy, size in ((-0.35, -0.2, 0.24), (0.3, 0.25, 0.2), (0.1, -0.45, 0.14), (-0.2, 0.4, 0.13)):
            canvas.ellipse(x + dx * radius, y + dy * radius, size * radius, size * radius, (204, 208, 202), 0.8)
        canvas.glow(x, y, radius * 3.2, (150, 165, 210), 0.35)
        return
    veil = 1.0 - 0.45 * lighting.overcast
    canvas.ellipse(x, y, radius, radius, (255, 242, 212) if lighting.light == "sunrise" else (255, 255, 246), veil)
    warm: Colour = (255, 150, 70) if lighting.light == "sunrise" else (255, 244, 214)
    canvas.glow(x, y, radius * float(rng.uniform(3.0, 4.2)), warm, 0.42 * veil)
