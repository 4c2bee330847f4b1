"""Mosaics: pictures on a full grid, as near as can be to where they lie on the map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.float32]
Rows = NDArray[np.intp]

#: Width by height of the grid that is aimed at, and how far it may be from it where that leaves fewer cells empty.
_ASPECT, _LEEWAY = 1.5, 1.5
#: Fewer pictures than these are all shown, with an empty cell or some at the end; of more a few may be left out instead.
_FEW = 100
#: The most numbers that one assignment works on.
_COSTS = 400_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the grid and the pictures for it, rows of the map: the one assigned to it, and after it those that stand in
    where it cannot be read."""

    column: int
    row: int
    pictures: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """How many cells there are in a row, and how many rows."""

    columns: int
    rows: int


def grid_for(pictures: int, most_columns: int) -> Grid:
    """The grid for a number of pictures: half as wide again as high or nearly so, and full or nearly so.

    Of more pictures than fit into `most_columns` and the rows that go with them, some are left out.
    """
    most_rows = max(1, round(most_columns / _ASPECT))
    if pictures >= most_columns * most_rows:
        return Grid(most_columns, most_rows)
    ideal = np.sqrt(pictures * _ASPECT)
    candidates = []
    for columns in range(max(1, int(ideal / _LEEWAY)), min(most_columns, int(np.ceil(ideal * _LEEWAY)), pictures) + 1):
        rows = -(-pictures // columns) if pictures < _FEW else pictures // columns
        if 1 <= rows <= most_rows:
            # A tenth of the cells empty, or of the pictures left out, weighs as much as a grid a half wider than aimed at.
            unlike = abs(np.log(columns / rows / _ASPECT)) / np.log(1.5)
            candidates.append((10 * abs(columns * rows - pictures) / pictures + unlike, Grid(columns, rows)))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def assign(places: Places, grid: Grid) -> list[Cell]:
    """The pictures for each cell, from their places on the map, float32 (n, 2); n is at least 1.

    Grid and pictures are halved together, left from right or upper from lower, until few are left of both; these are matched
    so that the sum of the squares of all ways is the least there is. So every cell is filled, and what is near each other on
    the map stays so. Where there are fewer pictures than cells, the last row is filled from its middle.
    """
    cells = _cells(grid, len(places))
    found: list[Cell] = []
    waiting = [(np.arange(len(places)), cells)]
    while waiting:
        pictures, some = waiting.pop()
        if len(some) == 1 or len(pictures) * len(some) <= _COSTS:
            found += _matched(places, pictures, some)
            continue
        waiting += _halved(places, pictures, some)
    return sorted(found, key=lambda cell: (cell.row, cell.column))


def _cells(grid: Grid, pictures: int) -> NDArray[np.intp]:
    """The cells to be filled, (n, 2): column and row."""
    rows, columns = np.divmod(np.arange(grid.columns * grid.rows), grid.columns)
    cells = np.stack([columns, rows], axis=1)
    empty = len(cells) - pictures
    if empty <= 0:
        return cells
    begin = empty // 2
    last = grid.columns - empty
    return np.concatenate([cells[: -grid.columns], cells[-grid.columns :][begin : begin + last]])


def _halved(places: Places, pictures: Rows, cells: NDArray[np.intp]) -> list[tuple[Rows, NDArray[np.intp]]]:
    """Both halves of a part of the grid, across its longer side, each with its share of the pictures."""
    axis = 0 if np.ptp(cells[:, 0]) >= np.ptp(cells[:, 1]) else 1
    middle = (int(cells[:, axis].min()) + int(cells[:, axis].max()) + 1) // 2
    low = cells[:, axis] < middle
    share = round(len(pictures) * int(low.sum()) / len(cells))
    order = pictures[np.argsort(places[pictures, axis], kind="stable")]
    return [(order[:share], cells[low]), (order[share:], cells[~low])]


def _matched(places: Places, pictures: Rows, cells: NDArray[np.intp]) -> list[Cell]:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    where, targets = _in_unit_square(places[pictures].astype(np.float64)), _in_unit_square(cells.astype(np.float64))
    if len(cells) == 1:
        nearest = np.argsort(np.linalg.norm(where - 0.5, axis=1), kind="stable")
        return [Cell(int(cells[0, 0]), int(cells[0, 1]), tuple(pictures[nearest].tolist()))]
    costs = cdist(targets, where, "sqeuclidean")
    chosen, assigned = linear_sum_assignment(costs)
    # Those left over stand in where they are nearest.
    spare: list[list[int]] = [[] for _ in cells]
    for other in np.setdiff1d(np.arange(len(pictures)), assigned).tolist():
        spare[int(costs[:, other].argmin())].append(other)
    found = []
    for cell, picture in zip(chosen.tolist(), assigned.tolist(), strict=True):
        nearest_first: Sequence[int] = sorted(spare[cell], key=lambda other: costs[cell, other])
        rows = tuple(pictures[[picture, *nearest_first]].tolist())
        found.append(Cell(int(cells[cell, 0]), int(cells[cell, 1]), rows))
    return found


def _in_unit_square(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points stretched over the square from 0 to 1; what is all in one line goes to the middle."""
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    flat = extent < 1e-12
    stretched: NDArray[np.float64] = np.where(flat, 0.5, (points - low) / np.where(flat, 1, extent))
    return stretched
