"""Evaluation: how well queries find pictures, ranked exactly."""

from topicidx.indexer.evaluation.calibration import CalibrationBin, Calibrator, calibration
from topicidx.indexer.evaluation.cities import evaluate_cities
from topicidx.indexer.evaluation.measures import MEASURES
from topicidx.indexer.evaluation.pictures import Picture, Pictures, gather_pictures
from topicidx.indexer.evaluation.queries import evaluate_queries
from topicidx.indexer.evaluation.ranking import Method
from topicidx.indexer.evaluation.report import Evaluation, QueryResult, QuerySet
from topicidx.indexer.evaluation.statistics import Comparison, Estimate
from topicidx.indexer.evaluation.trec import TrecQuery, read_qrels, read_queries
from topicidx.indexer.evaluation.words import WordProtocol, evaluate_words

__all__ = [
    "MEASURES",
    "CalibrationBin",
    "Calibrator",
    "Comparison",
    "Estimate",
    "Evaluation",
    "Method",
    "Picture",
    "Pictures",
    "QueryResult",
    "QuerySet",
    "TrecQuery",
    "WordProtocol",
    "calibration",
    "evaluate_cities",
    "evaluate_queries",
    "evaluate_words",
    "gather_pictures",
    "read_qrels",
    "read_queries",
]
