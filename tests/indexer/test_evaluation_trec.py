"""Queries and judgements of one's own: TREC's files, names of pictures, what counts as not found."""

from collections.abc import Callable, Iterator
from pathlib import Path

import ir_measures
import numpy as np
import pytest

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import QuerySyntaxError, SettingsError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.evaluation import Pictures, TrecQuery, evaluate_queries, gather_pictures, read_qrels, read_queries
from topicidx.indexer.evaluation.pictures import Picture
from topicidx.indexer.evaluation.ranking import best_first, resolve, scores_of
from topicidx.indexer.evaluation.trec import RUN_DEPTH, run_lines
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id


@pytest.fixture(scope="module")
def store(
    captions: tuple[str, ...], text_encoder: LdaTextEncoder, space_folder: Path, fill_store: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[EmbeddedStore]:  # fmt: skip
    folder = tmp_path_factory.mktemp("trec")
    payloads = [
        {
            "image": f"photos/a b/{row:03}.jpg" if row < 5 else f"photos/{row:03}.jpg",
            "city": ("london", "paris")[row % 2],
        }
        for row in range(250)
    ]
    ids = [point_id(payload["image"]) for payload in payloads]
    vectors = text_encoder.encode(captions)
    fill_store(folder, ids, vectors, payloads, vector_space=TopicSpace.load(space_folder).vector_space)
    with EmbeddedStore.open(folder) as opened:
        yield opened


@pytest.fixture
def index(space: TopicSpace, store: EmbeddedStore) -> Index:
    return Index(space, store)


@pytest.fixture
def pictures(store: EmbeddedStore) -> Pictures:
    return gather_pictures(store)


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def best(index: Index, pictures: Pictures, query: str) -> list[Picture]:
    order = best_first(scores_of(resolve(index, query, "all"), pictures.vectors))
    return [pictures.pictures[row] for row in order.tolist()]


def test_files_are_read_as_they_are_written_elsewhere(tmp_path: Path) -> None:
    queries = read_queries(written(tmp_path / "q.tsv", "\ufeff1\tsunrise beach\r\n\r\n2\tdog^2 -cake\n"))
    assert queries == [TrecQuery("1", "sunrise beach"), TrecQuery("2", "dog^2 -cake")]
    judged = read_qrels(
        written(tmp_path / "qrels", "1 0 photos/a.jpg 2\r\n1 Q0 b.jpg\t-1\n\n2 0 a.jpg 1\n2 0 a.jpg 1\n")
    )
    assert judged == {"1": {"photos/a.jpg": 2, "b.jpg": -1}, "2": {"a.jpg": 1}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\tbeach\n2 dog\n", r"q\.tsv, line 2: a query is an id, a tab"),
        ("1\tbeach\n\n\tdog\n", "line 3: a query is"),
        ("1\t \n", "line 1: a query is"),
        ("1\tbeach\n1\tdog\n", "line 2: there is a query '1' further up"),
        ("\n \n", "holds no queries"),
    ],
)
def test_damaged_lines_of_queries_are_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_queries(written(tmp_path / "q.tsv", text))


def test_a_query_outside_of_the_language_is_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(QuerySyntaxError, match=r"q\.tsv, line 2: .*weight"):
        read_queries(written(tmp_path / "q.tsv", "1\tbeach\n2\tdog^x\n"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 0 a.jpg 1\n1 0 my photo.jpg 1\n", r"qrels, line 2: a judgement is four columns.*its id"),
        ("1 0 a.jpg\n", "line 1: a judgement"),
        ("1 0 a.jpg yes\n", "line 1: a judgement"),
        ("1 0 a.jpg 0.5\n", "line 1: a judgement"),
        ("1 0 a.jpg 1\n1 0 a.jpg 2\n", "line 2: 'a.jpg' is judged for the query '1' further up already, as 1"),
        ("", "holds no judgements"),
    ],
)
def test_damaged_judgements_are_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_qrels(written(tmp_path / "qrels", text))


def test_files_that_are_no_text_or_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="no text in UTF-8"):
        read_queries(tmp_path / "binary")
    with pytest.raises(SettingsError, match="No such file"):
        read_qrels(tmp_path / "nothing")
    with pytest.raises(SettingsError, match="cannot read"):
        read_qrels(tmp_path)


def test_pictures_go_by_key_path_and_id_and_relevance_may_be_graded(index: Index, pictures: Pictures) -> None:
    first, second, third, *_ = best(index, pictures, "beach")
    judged = {"1": {first.image: 1, second.image.removeprefix("photos/"): 3, str(third.id): 2}}
    found = evaluate_queries(index, pictures, [TrecQuery("1", "beach")], judged, methods=("all",))
    (result,) = found.sets[0].results
    assert (result.relevant, found.notes) == (3, ())
    assert result.values["all"]["AP"] == 1
    ideal = 3 + 2 / np.log2(3) + 1 / 2
    assert result.values["all"]["nDCG@10"] == pytest.approx((1 + 3 / np.log2(3) + 2 / 2) / ideal)


def test_what_is_not_there_counts_as_not_found(index: Index, pictures: Pictures) -> None:
    first, *_, last = best(index, pictures, "beach")
    judged = {
        "1": {first.image: 1, "photos/gone.jpg": 1, last.image: 0},
        "2": {first.image: 1},
        "3": {first.image: 1},
        "4": {first.image: 0},
        "9": {first.image: 1},
    }
    texts = {"1": "beach", "2": "beech zzz", "3": "the of", "4": "dog", "5": "dog"}
    found = evaluate_queries(index, pictures, [TrecQuery(*query) for query in texts.items()], judged)
    (each,) = found.sets
    by_id = {result.id: result for result in each.results}
    assert list(by_id) == ["1", "2", "3"]
    assert by_id["1"].values["all"]["AP"] == 0.5
    assert by_id["1"].chance["AP"] < 0.05
    assert "'beech'" in str(by_id["2"].problem)
    assert "beach" in str(by_id["2"].problem)
    assert "too common" in str(by_id["3"].problem)
    assert each.counted == 3
    assert each.estimates["all"]["AP"].mean == pytest.approx(0.5 / 3)
    assert "2 of 5 queries have no relevant picture" in found.notes[0]
    assert "1 queries of the qrels, such as '9'" in found.notes[1]
    assert "1 pictures that are judged relevant, such as 'photos/gone.jpg'" in found.notes[2]


def test_a_querys_own_filters_leave_the_other_pictures_out(index: Index, pictures: Pictures) -> None:
    ranked = best(index, pictures, "beach")
    paris = [picture for picture in ranked if picture.city == "paris"]
    (elsewhere, *_) = (picture for picture in ranked if picture.city == "london")
    judged = {"1": {paris[1].image: 1, elsewhere.image: 1}, "2": {paris[0].image: 1}}
    seen = {}
    found = evaluate_queries(
        index, pictures, [TrecQuery("1", "beach city:Paris"), TrecQuery("2", "beach city:Rome")], judged, methods=("all",),
        on_ranking=lambda query, method, order, scores: seen.update({query.id: order.tolist()}),
    )  # fmt: skip
    first, second = found.sets[0].results
    assert [pictures.pictures[row] for row in seen["1"]] == paris
    assert first.values["all"]["AP"] == pytest.approx(1 / 2 / 2)
    assert first.chance["P@5"] == pytest.approx(1 / len(paris))
    assert "'rome'" in str(second.problem)
    assert set(second.values["all"].values()) == {0.0}


@pytest.mark.parametrize(
    ("judged", "says"),
    [
        ({"2": {"005.jpg": 1}}, r"queries are called '1' and the like, those of the qrels '2'"),
        ({"1": {"005.jpg": 0}}, "a relevance above 0"),
        ({"1": {"nope.jpg": 1}}, r"none of the pictures that are judged relevant, such as 'nope.jpg'"),
        ({}, "no query has a judgement"),
    ],
)
def test_nothing_to_evaluate_is_refused(
    index: Index, pictures: Pictures, judged: dict[str, dict[str, int]], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        evaluate_queries(index, pictures, [TrecQuery("1", "beach")], judged)


def test_a_path_that_two_sources_share_means_neither(index: Index, pictures: Pictures) -> None:
    one, other, *rest = pictures.pictures
    named = [Picture(one.id, "x/same.jpg"), Picture(other.id, "y/same.jpg"), *rest]
    two = Pictures(tuple(named), pictures.vectors)
    found = evaluate_queries(index, two, [TrecQuery("1", "beach")], {"1": {"same.jpg": 1, "x/same.jpg": 1}})
    assert "'same.jpg'" in found.notes[0]


def test_a_run_is_read_back_by_other_tools(index: Index, pictures: Pictures, tmp_path: Path) -> None:
    ranked = best(index, pictures, "beach")
    spaced = next(place for place, picture in enumerate(ranked) if " " in picture.image)
    lines = run_lines(
        "two words", ((picture, 1 / (rank + 1)) for rank, picture in enumerate(ranked * 5)), "topicidx-all"
    )
    run = list(ir_measures.read_trec_run(str(written(tmp_path / "run", "".join(lines)))))
    assert len(run) == RUN_DEPTH
    assert {entry.query_id for entry in run} == {"two_words"}
    assert run[0].doc_id == ranked[0].image
    assert run[spaced].doc_id == str(ranked[spaced].id)
    assert [entry.score for entry in run] == sorted((entry.score for entry in run), reverse=True)
