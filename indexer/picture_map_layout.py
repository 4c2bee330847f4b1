"""Layouts: a place on a plane for each vector, similar ones near each other, by t-SNE."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from topicidx.errors import MissingExtraError

Float16 = NDArray[np.float16]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
#: Called with (what is being done, how much of it is done, how much there is of it or None).
OnProgress = Callable[[str, int, int | None], None]

#: What vectors are brought to before neighbours are looked for.
DIMENSIONS = 50
#: Fewer different vectors than these are laid out by their two principal components: neighbourhoods of so few say nothing more.
FEW = 12
#: Up to as many vectors neighbours are compared exactly, which takes the square of their number.
EXACT = 250_000

_PERPLEXITY = 30
#: Iterations that let clusters form, by attracting so many times as much, and those that let them unfold.
_FORMING, _EXAGGERATION, _UNFOLDING = 250, 12.0, 500
#: Iterations between two words of progress.
_EVERY = 10
#: The least room of a picture, as a share of what each had if they were spread evenly; how often those that are nearer to one
#: another are pushed apart, and by how many others (itself counted) each is.
_SHARE, _PUSHES, _PUSHING = 0.62, 60, 9
#: Rows that are worked on at once.
_ROWS = 4_096
#: The angle between two points of a spiral that fills a disc evenly: the golden angle.
_TURN = np.pi * (3 - np.sqrt(5))


def check_installed() -> None:
    """Raise MissingExtraError where what lays vectors out is not installed."""
    if find_spec("openTSNE") is None:
        raise MissingExtraError("a map needs openTSNE: pip install 'topicidx[map]'")


def lay_out(vectors: Float16, *, seed: int = 0, on_progress: OnProgress = lambda what, done, total: None) -> Float32:
    """A place for each of `vectors`, float16 (n, dimensions), compared by Euclidean distance: float32 (n, 2).

    Both coordinates are from 0 to 1; the longer side of what the places cover is 1 long, and the shorter is in the middle. Equal
    vectors lie around the place that they share, so that none is hidden. The same arguments give the same places on one
    machine. Principal components first, then t-SNE with interpolated forces (G. Linderman et al., 2019). Raises
    MissingExtraError.
    """
    if not len(vectors):
        return np.empty((0, 2), dtype=np.float32)
    first, same = _different(vectors)
    components = principal_components(vectors, first, DIMENSIONS)
    few = len(first) < FEW
    places = components[:, :2].astype(np.float64) if few else _neighbour_embedding(components, seed, on_progress)
    return _into_frame(_parted(_around_shared(places, same)))


def principal_components(vectors: Float16, rows: NDArray[np.intp], most: int) -> Float32:
    """Those of some rows of `vectors`, float16 (n, dimensions), the leading ones first: float32 (rows, `most`).

    Where there are fewer, the others are 0.
    """
    dimensions = vectors.shape[1]
    total, products = np.zeros(dimensions), np.zeros((dimensions, dimensions))
    for begin in range(0, len(rows), _ROWS):
        some = vectors[rows[begin : begin + _ROWS]].astype(np.float32)
        total += some.sum(axis=0, dtype=np.float64)
        products += some.T @ some
    mean = total / len(rows)
    _, directions = np.linalg.eigh(products / len(rows) - np.outer(mean, mean))
    leading = directions[:, ::-1][:, :most]
    # A direction and its opposite are as good as each other: the one that points where it is longest is taken.
    leading = leading * np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])])
    found = np.zeros((len(rows), most), dtype=np.float32)
    for begin in range(0, len(rows), _ROWS):
        some = vectors[rows[begin : begin + _ROWS]].astype(np.float32) - mean.astype(np.float32)
        found[begin : begin + _ROWS, : leading.shape[1]] = some @ leading.astype(np.float32)
    return found


def _different(vectors: Float16) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first row of each that differs from those before it, and for all rows which of these they are equal to."""
    places: dict[bytes, int] = {}
    same = np.array([places.setdefault(row.tobytes(), len(places)) for row in vectors], dtype=np.intp)
    first = np.full(len(places), len(vectors), dtype=np.intp)
    np.minimum.at(first, same, np.arange(len(vectors)))
    return first, same


def _neighbour_embedding(components: Float32, seed: int, on_progress: OnProgress) -> Float64:
    check_installed()
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import Annoy, PrecomputedNeighbors

    perplexity = min(_PERPLEXITY, (len(components) - 1) / 3)
    wanted = int(3 * perplexity)
    if len(components) <= EXACT:
        near = PrecomputedNeighbors(*_neighbours(components, wanted, on_progress))
    else:
        on_progress("finding neighbours", 0, None)
        near = Annoy(data=components, k=wanted, metric="euclidean", n_jobs=-1, random_state=seed)
    affinities = PerplexityBasedNN(perplexity=perplexity, knn_index=near)
    start = components[:, :2].astype(np.float64)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    # Two threads add numbers in any order, and no two maps would be the same.
    embedding = TSNEEmbedding(start, affinities, n_jobs=1, random_state=seed)
    steps = _FORMING + _UNFOLDING
    for done, iterations, exaggeration in ((0, _FORMING, _EXAGGERATION), (_FORMING, _UNFOLDING, 1.0)):
        embedding.optimize(
            iterations,
            inplace=True,
            exaggeration=exaggeration,
            momentum=0.8,
            callbacks=lambda step, error, places, done=done: on_progress("laying out", done + step, steps),
            callbacks_every_iters=_EVERY,
        )
    return np.array(embedding, dtype=np.float64)


def _neighbours(components: Float32, wanted: int, on_progress: OnProgress) -> tuple[NDArray[np.intp], Float32]:
    """The `wanted` rows nearest to each and their distances, nearest first: (n, wanted) both."""
    from sklearn.neighbors import NearestNeighbors

    count = len(components)
    index = NearestNeighbors(n_neighbors=wanted + 1, algorithm="brute").fit(components)
    near, distances = np.empty((count, wanted), dtype=np.intp), np.empty((count, wanted), dtype=np.float32)
    for begin in range(0, count, _ROWS):
        some = slice(begin, begin + _ROWS)
        found_distances, found = index.kneighbors(components[some])
        # Without itself, which need not come first among rows that are all but equal.
        itself = found == np.arange(begin, begin + len(found))[:, None]
        others = np.argsort(itself, axis=1, kind="stable")[:, :wanted]
        near[some] = np.take_along_axis(found, others, axis=1)
        distances[some] = np.take_along_axis(found_distances, others, axis=1)
        on_progress("finding neighbours", begin + len(found), count)
    return near, distances


def _around_shared(places: Float64, same: NDArray[np.intp]) -> Float64:
    """The place of each row, those that share one on a disc around it, the first of them in the middle."""
    counts = np.bincount(same, minlength=len(places))
    order = np.argsort(same, kind="stable")
    rank = np.empty(len(same), dtype=np.intp)
    rank[order] = np.arange(len(same)) - np.repeat(np.cumsum(counts) - counts, counts)
    radius = 0.5 * _room(places, len(same)) * np.sqrt(rank)
    angle = rank * _TURN
    spread: Float64 = places[same] + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return spread


def _parted(places: Float64) -> Float64:
    """Places moved until none is too near to another, as far as a number of small pushes gets: clusters grow, and stay whole."""
    from scipy.spatial import cKDTree

    if len(places) < 2:
        return places
    room = _room(places, len(places))
    places = places.copy()
    rows = np.arange(len(places))[:, None]
    for _ in range(_PUSHES):
        distances, near = cKDTree(places).query(
            places, min(_PUSHING, len(places)), distance_upper_bound=room, workers=-1
        )
        pushing = np.isfinite(distances) & (near != rows)
        if not pushing.any():
            break
        away = places[:, None] - places[np.where(pushing, near, 0)]
        distances = np.where(pushing, distances, room)
        overlap = (room - distances) / np.maximum(distances, 1e-12)
        places += 0.4 * (away * overlap[..., None]).sum(axis=1) / np.maximum(pushing.sum(axis=1), 2)[:, None]
    return places


def _room(places: Float64, count: int) -> float:
    """The least distance between two places that is aimed at: a share of what there would be, were they spread evenly."""
    across, down = np.maximum(np.ptp(places, axis=0), 1e-9)
    longest = max(across, down)
    return float(_SHARE * np.sqrt(max(across * down, longest**2 / 10) / count))


def _into_frame(places: Float64) -> Float32:
    low, extent = places.min(axis=0), np.ptp(places, axis=0)
    longest = float(extent.max()) or 1.0
    framed: Float32 = np.clip((places - low - extent / 2) / longest + 0.5, 0, 1).astype(np.float32)
    return framed
