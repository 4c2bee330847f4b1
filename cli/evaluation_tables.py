"""An evaluation as tables for people."""

from typing import TYPE_CHECKING

from rich.table import Table

from topicidx.cli.console import printable, results, status

if TYPE_CHECKING:
    from topicidx.indexer.evaluation import CalibrationBin, Comparison, Estimate, Evaluation, Method, QuerySet

#: What the methods are called where there is little room.
_SHORT: "dict[Method, str]" = {"mean": "dot product", "l2": "L2", "all": "--match all"}
#: Queries without an answer that are named; --json has them all.
_NAMED = 20


def print_evaluation(found: "Evaluation") -> None:
    """Tables on stdout, and queries that could not be answered on stderr."""
    counts = ", ".join(f"{each.counted:,} queries ({each.name})" for each in found.sets)
    console = results()
    console.print(f"{found.pictures:,} pictures, {counts}; every ranking exact; (95 % intervals)")
    for each in found.sets:
        _tell_problems(each)
        if found.by == "city":
            console.print()
            console.print(_cities(each))
        console.print()
        console.print(_measures(each))
    if found.calibration:
        console.print()
        console.print(_calibration(found.calibration))


def _tell_problems(each: "QuerySet") -> None:
    problems = [result for result in each.results if result.problem is not None]
    effect = "left out of the means" if each.counted < len(each.results) else "counted as having found nothing"
    for result in problems[:_NAMED]:
        status(f"{printable(result.id)} is {effect}: {printable(result.problem or '')}")
    if len(problems) > _NAMED:
        status(f"... and {len(problems) - _NAMED} more; --json has them all")
    partly = [result for result in each.results if result.unknown]
    for result in partly[:_NAMED]:
        words = ", ".join(map(printable, result.unknown))
        status(f"{printable(result.id)} is asked for without words that the captions never used: {words}")
    if len(partly) > _NAMED:
        status(f"... and {len(partly) - _NAMED} more; --json has them all")


def _cities(each: "QuerySet") -> Table:
    """The published table, a city a line: shares of the first hundred and average precisions, in per cent."""
    table = Table(box=None, pad_edge=False)
    table.add_column("\ncity")
    table.add_column("\npictures", justify="right")
    for heading in (*(_SHORT[method] for method in each.estimates), "chance"):
        table.add_column(f"{heading}\nTOP100 %", justify="right")
        table.add_column("\nAP %", justify="right")
    for result in each.results:
        if result.problem is None:
            values = [*(result.values[method] for method in each.estimates), result.chance]
            cells = [_percent(value[measure]) for value in values for measure in ("P@100", "AP")]
            table.add_row(printable(result.id), f"{result.relevant:,}", *cells)
    means = [_percent(found[measure].mean) for found in each.estimates.values() for measure in ("P@100", "AP")]
    table.add_row("mean", "", *means, *(_percent(each.chance[measure]) for measure in ("P@100", "AP")))
    return table


def _measures(each: "QuerySet") -> Table:
    from topicidx.indexer.evaluation import MEASURES
    from topicidx.indexer.evaluation.plot import TITLES

    table = Table(box=None, pad_edge=False)
    table.add_column(each.name)
    for measure in MEASURES:
        table.add_column("mAP" if measure == "AP" else measure, justify="right")
    table.add_row("chance", *(_plain(each.chance[measure]) for measure in MEASURES))
    for method, estimates in each.estimates.items():
        table.add_row(TITLES[method], *(_estimate(estimates[measure]) for measure in MEASURES))
    first = next(iter(each.estimates))
    for method, comparisons in each.comparisons.items():
        table.add_row(f"{method} / {first}", *(_comparison(comparisons[measure]) for measure in MEASURES))
    return table


def _calibration(bins: "tuple[CalibrationBin, ...]") -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("lift", "words x pictures", "mean lift", "observed", "observed / lift"):
        table.add_column(heading, justify="right")
    for one in bins:
        within = f"{one.low:g} and more" if one.high is None else f"{one.low:g} to {one.high:g}"
        cells = ("" if value is None else f"{value:.2f}" for value in (one.lift, one.observed, one.ratio))
        table.add_row(within, f"{one.pairs:,}", *cells)
    return table


def _estimate(one: "Estimate") -> str:
    if one.low is None or one.high is None:
        return _plain(one.mean)
    return f"{_plain(one.mean)} ({_plain(one.low)}-{_plain(one.high)})"


def _comparison(one: "Comparison") -> str:
    p = "p < .001" if one.p < 0.001 else f"p = {_plain(one.p)}"
    return p if one.ratio is None else f"x{one.ratio:.3f} ({p})"


def _plain(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
