"""An evaluation as a picture: measures by method, with intervals and chance."""

from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from topicidx.errors import SettingsError
from topicidx.indexer.evaluation.measures import MEASURES
from topicidx.indexer.evaluation.ranking import Method
from topicidx.indexer.evaluation.report import Evaluation

#: What each method is called, and its colour.
TITLES: dict[Method, str] = {
    "mean": "mean (dot product, published)",
    "l2": "L2 distance",
    "all": "all (the default)",
}
_COLOURS: dict[Method, str] = {"mean": "#dd8452", "l2": "#8c8c8c", "all": "#4c72b0"}


def plot_format(file: Path) -> Literal["png", "svg"]:
    """The format that a file's name asks for. Raises SettingsError for another one."""
    suffix = file.suffix.lower()
    if suffix == ".png":
        return "png"
    if suffix == ".svg":
        return "svg"
    raise SettingsError(f"--plot {file}: a picture is drawn as .png or .svg")


def plot_evaluation(evaluation: Evaluation, file: BinaryIO, kind: Literal["png", "svg"] = "png") -> None:
    """Draw a bar for each measure and method with its 95 % interval, and chance as a line, a panel for each set of queries."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = len(evaluation.sets)
    figure = Figure(figsize=(6.4 * panels, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    places = np.arange(len(MEASURES))
    width = 0.8 / len(evaluation.methods)
    for each, axes in zip(evaluation.sets, figure.subplots(1, panels, squeeze=False, sharey=True)[0], strict=True):
        for number, method in enumerate(evaluation.methods):
            found = [each.estimates[method][measure] for measure in MEASURES]
            centres = places + (number - (len(evaluation.methods) - 1) / 2) * width
            means = [one.mean for one in found]
            axes.bar(centres, means, width * 0.92, color=_COLOURS[method], label=TITLES[method])
            # Where all values are equal, rounding may put the mean outside of its interval.
            below = [max(0.0, one.mean - (one.mean if one.low is None else one.low)) for one in found]
            above = [max(0.0, (one.mean if one.high is None else one.high) - one.mean) for one in found]
            axes.errorbar(centres, means, [below, above], fmt="none", ecolor="#222222", elinewidth=1, capsize=3)
        chance = [each.chance[measure] for measure in MEASURES]
        axes.hlines(chance, places - 0.42, places + 0.42, colors="#c44e52", linestyles="dashed", label="chance")
        axes.set_xticks(places, ["mAP", *MEASURES[1:]])
        axes.set_title(f"{each.name}: {each.counted} queries, {evaluation.pictures} pictures")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(evaluation.methods) + 1)
    # A time of drawing, or ids drawn at random, would make every file another one.
    with mpl.rc_context({"svg.hashsalt": "topicidx"}):
        figure.savefig(file, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
