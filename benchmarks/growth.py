"""How what a store costs grows with it: filling it, its disk, queries of it, in time and memory, on log-log plots.

    python benchmarks/growth.py [--points 1000 10000 100000 1000000] [--plot benchmarks/growth.png]

Stores are filled with vectors such as networks give (the network's own time does not depend on how many pictures there are;
see ingest.py). Queries: words drawn from the vocabulary by how often they were seen. Slopes are of the straight line that is
nearest to the logarithms: 1 is as much again for each picture, 0 is no more for any.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from machine import in_process, machine, make_space, repeated, table, timed
from query import cold_query, fill

from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded.writer import size_of
from topicidx.workspace import FOLDER_NAME

#: What is measured, with its unit.
MEASURES = {
    "filling": "s", "filling, memory": "MB", "disk": "MB", "query of a word": "ms", "query of two words": "ms",
    "query of a word in a city": "ms", "memory of a process that queries": "MB", "cold query": "s", "cold query, memory": "MB",
}  # fmt: skip
COLD = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--fill", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fill:
        print(json.dumps(filled(Path(arguments.fill[0]), int(arguments.fill[1]))))
        return
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_space(folder / "space")
        found = {points: measured(folder, points) for points in arguments.points}
    rows = []
    for measure, unit in MEASURES.items():
        values = [found[points][measure] for points in arguments.points]
        rows.append(
            [f"{measure} ({unit})", *(f"{value:,.3g}" for value in values), f"{slope(arguments.points, values):.2f}"]
        )
    print(table(("", *(f"{points:,}" for points in arguments.points), "slope"), rows), flush=True)
    if arguments.plot:
        plot(arguments.plot, arguments.points, found)


def measured(folder: Path, points: int) -> dict[str, float]:
    """All measures at so many points."""
    told = in_process(__file__, "--fill", folder, points)
    home = folder / f"home{points}" / FOLDER_NAME
    asked = in_process(str(Path(__file__).with_name("query.py")), "--ask", home, "--batch", 0)
    word, two, city, _ = (1e3 * float(np.median(seconds)) for seconds in asked["seconds"].values())
    ((seconds, peak),) = repeated({"query": cold_query()}, COLD, home.parent).values()
    measures = (
        told["seconds"], told["peak"], size_of(home / "store") / 1e6, word, two, city, asked["peak"],
        float(np.median(seconds)), peak,
    )  # fmt: skip
    return dict(zip(MEASURES, measures, strict=True))


def filled(folder: Path, points: int) -> dict[str, float]:
    """Fill a home in this process."""
    space = TopicSpace.load(folder / "space")
    return {"seconds": timed(lambda: fill(folder, space, points))}


def slope(points: list[int], values: list[float]) -> float:
    """The exponent with which values grow with the number of points."""
    if len(points) < 2:
        return float("nan")
    return float(np.polyfit(np.log(points), np.log(values), 1)[0])


def plot(file: Path, points: list[int], found: dict[int, dict[str, float]]) -> None:
    """All measures by the number of points."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    panels = {
        "seconds": ["filling", "cold query"],
        "milliseconds": ["query of a word", "query of two words", "query of a word in a city"],
        "megabytes": ["disk", "filling, memory", "memory of a process that queries", "cold query, memory"],
    }
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for axis, (unit, measures) in zip(axes, panels.items(), strict=True):
        for measure in measures:
            values = [found[count][measure] for count in points]
            axis.loglog(points, values, marker="o", label=f"{measure} ({slope(points, values):.2f})")
        axis.set(xlabel="pictures", ylabel=unit)
        axis.grid(visible=True, which="major", alpha=0.3)
        axis.legend(title="slope in brackets", fontsize=8, title_fontsize=8)
    figure.savefig(file, dpi=80)


if __name__ == "__main__":
    main()
