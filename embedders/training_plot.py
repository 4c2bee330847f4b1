"""The course of a training as a picture: losses by epoch."""

from collections.abc import Sequence
from typing import BinaryIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from topicidx.embedders.training import Epoch


def plot_training(epochs: Sequence[Epoch], file: BinaryIO) -> None:
    """Draw training and validation loss by epoch, the best epoch marked, as PNG into `file`."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    numbers = [epoch.epoch for epoch in epochs]
    axes.plot(numbers, [epoch.train_loss for epoch in epochs], "o-", color="#4c72b0", label="training (with dropout)")
    axes.plot(numbers, [epoch.validation_loss for epoch in epochs], "o-", color="#dd8452", label="validation")
    best = min(epochs, key=lambda epoch: epoch.validation_loss)
    axes.plot(
        best.epoch, best.validation_loss, "*", markersize=16, color="#c44e52", label=f"kept: {best.validation_loss:.4f}"
    )
    head = [epoch.epoch for epoch in epochs if epoch.stage == "head"]
    if head:
        axes.axvspan(head[0] - 0.5, head[-1] + 0.5, color="#000000", alpha=0.05, label="new layer alone")
    axes.set_xlabel("epoch")
    axes.set_ylabel("sigmoid cross-entropy, summed over topics")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, format="png", dpi=120)
