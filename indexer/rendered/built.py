"""The built places: a skyline across water and a street between houses."""

import numpy as np

from topicidx.indexer.rendered.canvas import Canvas, Colour, Point, brighter, mixed
from topicidx.indexer.rendered.city_cues import paint_lamp_post, paint_landmark
from topicidx.indexer.rendered.lighting import SNOW_WHITE, Lighting
from topicidx.indexer.rendered.scenes import Scene
from topicidx.indexer.rendered.terrain import Stage, paint_ground, paint_water

_LIT: tuple[Colour, ...] = ((255, 214, 130), (255, 232, 176), (255, 190, 104), (214, 230, 255))
_TOWERS: tuple[Colour, ...] = ((96, 110, 130), (132, 124, 120), (78, 92, 112), (150, 142, 134), (110, 128, 142))
_HOUSES: tuple[Colour, ...] = (
    (168, 112, 90),
    (196, 176, 150),
    (142, 132, 128),
    (186, 150, 120),
    (120, 128, 140),
    (214, 204, 190),
)


def paint_skyline(canvas: Canvas, scene: Scene, lighting: Lighting, rng: np.random.Generator) -> Stage:
    """Three rows of towers mirrored in the water before a quay."""
    base = lighting.horizon + 0.07
    crown = float(rng.uniform(0.25, 0.75))
    _paint_tower_row(canvas, lighting, base, crown, (0.16, 0.40), 0.58, rng)
    _paint_tower_row(canvas, lighting, base, crown, (0.10, 0.36), 0.32, rng)
    paint_landmark(canvas, scene, lighting, rng.uniform(0.25, 0.75), base, 0.46)
    _paint_tower_row(canvas, lighting, base, crown, (0.05, 0.19), 0.12, rng)
    canvas.rectangle(0.0, base - 0.012, 1.0, base + 0.004, lighting.far((60, 66, 62), 0.1))
    quay = float(rng.uniform(0.76, 0.80))
    paint_water(canvas, lighting, [(-0.02, base), (1.02, base), (1.02, quay), (-0.02, quay)], base, rng, 0.62)
    stone = mixed((172, 168, 160), (150, 146, 146), float(rng.random()))
    outline = [(-0.02, quay), (1.02, quay), (1.02, 1.02), (-0.02, 1.02)]
    paint_ground(canvas, outline, lighting.ground(stone), lighting.ground(brighter(stone, 0.78)), rng, 0.07)
    canvas.rectangle(0.0, quay, 1.0, quay + 0.014, lighting.ground(brighter(stone, 0.62), 0.2))
    _paint_paving(canvas, quay + 0.03, rng.uniform(0.3, 0.7))
    paint_lamp_post(canvas, scene, lighting, rng.choice([0.09, 0.91]), quay + 0.05, 0.46)
    return Stage((quay + 0.09, 0.95), (0.15, base + 0.04, 0.85, quay - 0.02))


def paint_street(canvas: Canvas, scene: Scene, lighting: Lighting, rng: np.random.Generator) -> Stage:
    """A road between two rows of houses that run to a vanishing point."""
    vanishing = (float(rng.uniform(0.4, 0.6)), lighting.horizon + 0.04)
    x, y = vanishing
    far_block = lighting.far((120, 120, 126), 0.6)
    for dx in (-0.07, 0.0, 0.06):
        canvas.rectangle(x + dx - 0.05, y - rng.uniform(0.06, 0.13), x + dx + 0.05, y + 0.02, far_block)
    paint_landmark(canvas, scene, lighting, x, y + 0.015, 0.34)
    pavement = lighting.ground((172, 168, 164), 0.8)
    paint_ground(canvas, [(-0.02, y), (1.02, y), (1.02, 1.02), (-0.02, 1.02)], pavement, pavement, rng, 0.07)
    asphalt = lighting.ground((88, 88, 94), 0.42)
    road = [(x - 0.012, y), (x + 0.012, y), (x + 0.86, 1.02), (x - 0.86, 1.02)]
    paint_ground(canvas, road, asphalt, brighter(asphalt, 0.86), rng, 0.07)
    for side in (-1, 1):
        kerb = [(x + side * 0.012, y), (x + side * 0.86, 1.02), (x + side * 0.90, 1.02), (x + side * 0.016, y)]
        canvas.polygon(kerb, lighting.ground((206, 204, 200), 0.6))
    for depth in (1.05, 1.35, 1.8, 2.5, 3.6, 5.6):
        near, far = y + 0.5 / depth, y + 0.5 / (depth * 1.16)
        half = 0.011 / depth
        stripe = [(x - half, far), (x + half, far), (x + half * 1.2, near), (x - half * 1.2, near)]
        canvas.polygon(stripe, lighting.near((232, 230, 220)), 0.85)
    for side in (-1, 1):
        _paint_house_row(canvas, lighting, vanishing, side, rng)
    paint_lamp_post(canvas, scene, lighting, x + rng.choice([-1, 1]) * 0.3, y + 0.2, 0.42)
    if lighting.weather == "rain":
        canvas.mirror(y + 0.1, 1.0, 0.28)
    return Stage((0.86, 0.95))


def _paint_tower_row(
    canvas: Canvas,
    lighting: Lighting,
    base: float,
    crown: float,
    heights: tuple[float, float],
    distance: float,
    rng: np.random.Generator,
) -> None:
    left = -float(rng.uniform(0.0, 0.06))
    while left < 1.0:
        width = float(rng.uniform(0.06, 0.115))
        # Towers are tallest around the crown, as in the business district of a real city.
        bulge = 0.45 + 0.55 * float(np.exp(-(((left + 0.5 * width - crown) / 0.28) ** 2)))
        height = float(rng.uniform(heights[0], heights[1])) * bulge
        _paint_tower(canvas, lighting, left, left + width, base, height, distance, rng)
        left += width + float(rng.uniform(-0.012, 0.03))


def _paint_tower(
    canvas: Canvas,
    lighting: Lighting,
    left: float,
    right: float,
    base: float,
    height: float,
    distance: float,
    rng: np.random.Generator,
) -> None:
    wall = lighting.far(_TOWERS[int(rng.integers(len(_TOWERS)))], distance)
    top, width = base - height, right - left
    canvas.rectangle(left, top, right, base, wall)
    canvas.rectangle(right - 0.26 * width, top, right, base, brighter(wall, 0.8))
    roof = rng.random()
    if roof < 0.25:
        canvas.rectangle(left + 0.2 * width, top - 0.03, right - 0.2 * width, top, brighter(wall, 0.92))
        canvas.line([(left + 0.5 * width, top), (left + 0.5 * width, top - 0.09)], 0.004, brighter(wall, 0.85))
    elif roof < 0.45:
        canvas.polygon([(left, top), (right, top - 0.3 * width), (right, top)], brighter(wall, 0.9))
    elif roof < 0.6:
        canvas.polygon([(left, top), (left + 0.5 * width, top - 0.6 * width), (right, top)], brighter(wall, 0.94))
    if lighting.snowy:
        canvas.rectangle(left, top - 0.004, right, top + 0.006, lighting.far(SNOW_WHITE, distance * 0.7))
    if distance > 0.5:
        return
    columns, rows = max(2, int(width / 0.017)), max(2, int(height / 0.022))
    glass = brighter(wall, 0.72) if distance < 0.2 else brighter(wall, 0.82)
    lit = rng.random((rows, columns)) < (0.5 if lighting.is_night else 0.06)
    warm = rng.integers(len(_LIT), size=(rows, columns))
    for row in range(rows):
        y = top + (row + 0.35) * height / rows
        for column in range(columns):
            x = left + (column + 0.22) * width / columns
            is_lit = bool(lit[row, column])
            colour = mixed(_LIT[int(warm[row, column])], lighting.haze, 0.6 * distance) if is_lit else glass
            canvas.rectangle(x, y, x + 0.58 * width / columns, y + 0.52 * height / rows, colour)


def _paint_paving(canvas: Canvas, top: float, centre: float) -> None:
    for row in np.linspace(0.0, 1.0, 5) ** 1.6:
        y = top + (1.0 - top) * float(row)
        canvas.line([(0.0, y), (1.0, y)], 0.002, (40, 40, 44), 0.3)
    for foot in np.arange(-0.8, 1.9, 0.17):
        head = centre + (foot - centre) * 0.55
        canvas.line([(float(head), top), (float(foot), 1.0)], 0.002, (40, 40, 44), 0.26)


def _paint_house_row(canvas: Canvas, lighting: Lighting, vanishing: Point, side: int, rng: np.random.Generator) -> None:
    edges = [0.62, 0.95, 1.4, 2.0, 2.9, 4.2, 6.0, 9.0]
    walls = [_HOUSES[int(rng.integers(len(_HOUSES)))] for _ in edges]
    heights = rng.uniform(0.42, 0.8, len(edges))
    for index in range(len(edges) - 2, -1, -1):
        wall = lighting.far(walls[index], 0.08 * index)
        # One side of the street lies in the shade.
        wall = brighter(wall, 0.8 if side > 0 else 1.0)
        _paint_house(canvas, lighting, vanishing, side, (edges[index], edges[index + 1]), heights[index], wall, rng)


def _paint_house(
    canvas: Canvas,
    lighting: Lighting,
    vanishing: Point,
    side: int,
    depths: tuple[float, float],
    height: float,
    wall: Colour,
    rng: np.random.Generator,
) -> None:
    def wall_point(along: float, up: float) -> Point:
        # Interpolating one over depth keeps the windows' spacing true in perspective.
        depth = depths[0] + (depths[1] - depths[0]) * along
        return (vanishing[0] + side * 0.52 / depth, vanishing[1] + (0.2 - (height + 0.2) * up) / depth)

    def panel(along: tuple[float, float], up: tuple[float, float], colour: Colour, alpha: float = 1.0) -> None:
        corners = [(along[0], up[0]), (along[1], up[0]), (along[1], up[1]), (along[0], up[1])]
        canvas.polygon([wall_point(a, u) for a, u in corners], colour, alpha)

    panel((0, 1), (0, 1), wall)
    panel((0, 1), (0.0, 0.24), brighter(wall, 0.72))
    panel((0, 1), (0.96, 1.0), lighting.far(SNOW_WHITE, 0.1) if lighting.snowy else brighter(wall, 1.15))
    glass = mixed(brighter(wall, 0.45), lighting.haze, 0.12)
    columns = 3
    floors = 4 if depths[0] < 4 else 3
    lit = rng.random((floors + 1, columns)) < (0.5 if lighting.is_night else 0.04)
    for column in range(columns):
        span = ((column + 0.24) / columns, (column + 0.76) / columns)
        for floor in range(floors):
            low = 0.30 + 0.66 * floor / floors
            colour = _LIT[int(rng.integers(len(_LIT)))] if lit[floor, column] else glass
            panel(span, (low, low + 0.40 / floors), colour)
        shop = _LIT[0] if lighting.is_night and lit[floors, column] else brighter(glass, 0.85)
        panel(span, (0.03, 0.19), shop)
