"""Turns a scene into a picture: paints it layer by layer, then finishes it as a small camera would."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from topicidx.indexer.rendered.built import paint_skyline, paint_street
from topicidx.indexer.rendered.canvas import Canvas, Glow, Pixels
from topicidx.indexer.rendered.city_cues import city_tint
from topicidx.indexer.rendered.lighting import Lighting, light_scene
from topicidx.indexer.rendered.nature import paint_beach, paint_mountain, paint_park
from topicidx.indexer.rendered.scenes import Scene
from topicidx.indexer.rendered.sky import paint_sky
from topicidx.indexer.rendered.terrain import Stage
from topicidx.indexer.rendered.things import paint_things
from topicidx.indexer.rendered.weather import paint_weather

SMALLEST_SIZE = 32

_PLACES: dict[str, Callable[[Canvas, Scene, Lighting, np.random.Generator], Stage]] = {
    "beach": paint_beach,
    "mountain": paint_mountain,
    "skyline": paint_skyline,
    "park": paint_park,
    "street": paint_street,
}


def draw_scene(scene: Scene, size: int) -> Image.Image:
    """Draw a scene as an RGB picture of `size` x `size` pixels; the same scene and size give the same pixels.

    Raises ValueError when `size` is below 32, where nothing could be recognised.
    """
    if size < SMALLEST_SIZE:
        raise ValueError(f"a picture must be at least {SMALLEST_SIZE} pixels wide, got {size}")
    rng = np.random.default_rng([scene.seed, 0])
    canvas = Canvas(size)
    lighting = light_scene(scene, float(rng.uniform(0.42, 0.54)), rng)
    paint_sky(canvas, lighting, rng)
    stage = _PLACES[scene.place](canvas, scene, lighting, rng)
    paint_things(canvas, scene, lighting, stage, rng)
    paint_weather(canvas, lighting, stage.ground[0] - 0.04, rng)
    return _finished(canvas, scene, rng)


def _finished(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> Image.Image:
    size = canvas.size
    picture = canvas.image.resize((size, size), Image.Resampling.LANCZOS)
    blur = float(rng.uniform(-0.5, 0.6))
    if blur > 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(blur * size / 160))
    pixels = np.asarray(picture, dtype=np.float32).copy()
    for glow in canvas.glows:
        _add_glow(pixels, glow)
    exposure = float(rng.uniform(0.9, 1.08))
    cast = rng.uniform(0.98, 1.02, 3) * np.array(city_tint(scene)) * exposure
    contrast = float(rng.uniform(0.94, 1.08))
    pixels = (pixels - 110.0) * contrast + 110.0
    pixels *= cast.astype(np.float32) * _vignette(size, float(rng.uniform(0.0, 0.22)))
    pixels += rng.standard_normal((size, size, 1), dtype=np.float32) * float(rng.uniform(1.0, 4.5))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _add_glow(pixels: Pixels, glow: Glow) -> None:
    size = pixels.shape[0]
    reach = 2.2 * glow.radius
    left, right = (int(np.clip((glow.x + side * reach) * size, 0, size)) for side in (-1, 1))
    top, bottom = (int(np.clip((glow.y + side * reach) * size, 0, size)) for side in (-1, 1))
    xs = (np.arange(left, right, dtype=np.float32) + 0.5) / size - glow.x
    ys = (np.arange(top, bottom, dtype=np.float32) + 0.5) / size - glow.y
    falloff = np.exp(-(ys[:, None] ** 2 + xs[None, :] ** 2) / np.float32((0.62 * glow.radius) ** 2))
    light = np.array(glow.colour, dtype=np.float32) * glow.strength * falloff[:, :, None]
    region = pixels[top:bottom, left:right]
    # Screen blending brightens without burning out what is bright already.
    region += light * (1.0 - region / 255.0)


def _vignette(size: int, strength: float) -> Pixels:
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32) ** 2
    edge: Pixels = (1.0 - strength * 0.5 * (axis[:, None] + axis[None, :]) ** 1.5)[:, :, None]
    return edge
