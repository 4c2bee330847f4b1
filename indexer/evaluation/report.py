"""What an evaluation found: values of each query, means with intervals, comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from topicidx.indexer.evaluation.calibration import CalibrationBin
from topicidx.indexer.evaluation.measures import Values
from topicidx.indexer.evaluation.ranking import Method
from topicidx.indexer.evaluation.statistics import Comparison, Estimate

By = Literal["words", "city", "queries"]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One query. relevant: how many pictures are; chance: the expected measures of a random order; values: measures by method.

    problem: why it could not be answered, or None; unknown: words of it that the captions never used.
    """

    id: str
    text: str
    relevant: int
    chance: Values
    values: Mapping[Method, Values]
    problem: str | None = None
    unknown: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The query in JSON values."""
        return {
            "id": self.id,
            "query": self.text,
            "relevant": self.relevant,
            "problem": self.problem,
            "unknown": list(self.unknown),
            "chance": self.chance,
            "values": dict(self.values),
        }


@dataclass(frozen=True, slots=True)
class QuerySet:
    """Queries that are averaged over.

    counted: how many of the results are in the means; chance: means over the same; estimates: by method and measure;
    comparisons: by method and measure, each method against the first one.
    """

    name: str
    results: tuple[QueryResult, ...]
    counted: int
    chance: Values
    estimates: Mapping[Method, Mapping[str, Estimate]]
    comparisons: Mapping[Method, Mapping[str, Comparison]]

    def to_json(self) -> dict[str, Any]:
        """The set in JSON values."""
        return {
            "name": self.name,
            "counted": self.counted,
            "chance": self.chance,
            "estimates": {
                method: {measure: found.to_json() for measure, found in estimates.items()}
                for method, estimates in self.estimates.items()
            },
            "comparisons": [
                {"measure": measure, "first": next(iter(self.estimates)), "second": method} | found.to_json()
                for method, comparisons in self.comparisons.items()
                for measure, found in comparisons.items()
            ],
            "queries": [result.to_json() for result in self.results],
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A whole evaluation, ranked exactly.

    pictures: how many were ranked; notes: what people should know beside the numbers; calibration: that of lifts by which
    single words were ranked, empty where there are none.
    """

    by: By
    pictures: int
    methods: tuple[Method, ...]
    seed: int
    sets: tuple[QuerySet, ...]
    notes: tuple[str, ...] = ()
    calibration: tuple[CalibrationBin, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The evaluation in JSON values."""
        return {
            "by": self.by,
            "pictures": self.pictures,
            "exact": True,
            "methods": list(self.methods),
            "seed": self.seed,
            "notes": list(self.notes),
            "sets": [each.to_json() for each in self.sets],
            "calibration": [each.to_json() for each in self.calibration],
        }
