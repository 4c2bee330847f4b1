"""`topicidx query` as people and programs use it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doubles.environment import without_settings

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def ask(workspace: Path, topicidx: Run) -> Callable[..., dict[str, Any]]:
    """The JSON result of a query that works."""

    def result(*arguments: object) -> dict[str, Any]:
        done = topicidx("query", *arguments, "--format", "json", cwd=workspace)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return result


Ask = Callable[..., dict[str, Any]]


def _images(answer: dict[str, Any]) -> list[str]:
    return [hit["image"] for hit in answer["results"]]


def test_words_apart_and_words_together_are_the_same_query(ask: Ask) -> None:
    apart, together = ask("night", "beach"), ask("night beach")
    assert apart == together
    assert len(apart["results"]) == 10


def test_a_leading_minus_is_a_term_and_no_option(ask: Ask) -> None:
    first = _images(ask("beach"))[0]
    pushed_down = _images(ask("-beach", "--limit", 160))
    assert len(pushed_down) == 160
    assert pushed_down.index(first) > 100
    assert _images(ask("beach -night", "--limit", 5)) == _images(ask("beach", "-night", "--limit", 5))


def test_a_weight_moves_a_word_up(ask: Ask) -> None:
    alone = _images(ask("night", "--limit", 20))
    even, heavy = (_images(ask(f"night{weight} beach", "--limit", 20)) for weight in ("", "^50"))
    assert len(set(heavy) & set(alone)) > len(set(even) & set(alone))


def test_scores_fall_and_ranks_count(ask: Ask) -> None:
    hits = ask("yellow car", "--limit", 30)["results"]
    assert [hit["rank"] for hit in hits] == list(range(1, 31))
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_a_result_has_the_documented_fields_and_its_path_is_a_picture(ask: Ask) -> None:
    hit = ask("rain")["results"][0]
    assert set(hit) == {"rank", "score", "image", "city", "caption", "id", "path"}
    assert Path(hit["path"]).is_file()
    assert hit["path"].endswith(hit["image"].partition("/")[2])


def test_match_mean_ranks_by_another_score(ask: Ask) -> None:
    assert ask("night", "car", "--match", "mean")["results"] != ask("night", "car")["results"]


def test_city_keeps_to_cities_whatever_their_case(ask: Ask) -> None:
    cities = {hit["city"] for hit in ask("beach", "--city", "MIAMI", "--city", "london", "--limit", 100)["results"]}
    assert cities == {"miami", "london"}


def test_min_score_leaves_out_what_scores_less(ask: Ask) -> None:
    everything = ask("beach", "--limit", 160)["results"]
    middle = everything[50]["score"]
    assert [hit["id"] for hit in ask("beach", "--limit", 160, "--min-score", middle)["results"]] == [
        hit["id"] for hit in everything if hit["score"] >= middle
    ]


def test_an_unknown_word_beside_a_known_one_is_named_and_left_out(workspace: Path, topicidx: Run) -> None:
    done = topicidx("query", "beach", "bexch", "--format", "json", cwd=workspace)
    assert done.returncode == 0
    assert "'bexch'" in done.stderr
    assert "beach" in done.stderr
    assert json.loads(done.stdout)["unknown"][0]["word"] == "bexch"


def test_the_table_names_the_pictures_and_pipes_get_them_whole(workspace: Path, topicidx: Run) -> None:
    done = topicidx("query", "beach", "--limit", 3, cwd=workspace)
    assert done.returncode == 0
    assert done.stdout.count(".jpg") == 3
    assert done.stderr == ""


def test_paths_are_files(workspace: Path, topicidx: Run) -> None:
    done = topicidx("query", "beach", "--format", "paths", "--limit", 4, cwd=workspace)
    assert [Path(line).is_file() for line in done.stdout.splitlines()] == [True] * 4


@pytest.mark.parametrize("program", [["-m", "topicidx"], [str(Path(sys.executable).with_name("topicidx"))]])
def test_a_process_that_ends_at_once_has_printed_all_and_ends_with_its_code(
    workspace: Path, program: list[str]
) -> None:
    start = [sys.executable, *program] if program[0] == "-m" else program
    more = [*start, "query", "--batch", "-", "--limit", "20"]
    queries = "beach\nnight\n" * 200
    done = subprocess.run(more, cwd=workspace, input=queries, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 400
    assert json.loads(lines[-1])["query"] == "night"
    wrong = subprocess.run([*start, "query", "qqqqqqqq"], cwd=workspace, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "never used the word" in wrong.stderr
    # Nobody reads what it prints: that is no reason to hang, or to tell of Python's insides.
    unread = subprocess.Popen(
        more, cwd=workspace, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert unread.stdout is not None
    unread.stdout.close()
    _, errors = unread.communicate(queries)
    assert "Traceback" not in errors


@pytest.mark.parametrize("from_stdin", [True, False])
def test_a_batch_answers_each_line_and_fails_at_the_end(
    workspace: Path, topicidx: Run, tmp_path: Path, from_stdin: bool
) -> None:
    queries = "beach\n\nthe of\nnight -rain\n"
    (tmp_path / "queries.txt").write_text(queries, encoding="utf-8")
    file = "-" if from_stdin else tmp_path / "queries.txt"
    done = topicidx("query", "--batch", file, "--limit", 2, cwd=workspace, stdin=queries if from_stdin else None)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["query"] for answer in answers] == ["beach", "the of", "night -rain"]
    assert [len(answer.get("results", [])) for answer in answers] == [2, 0, 2]
    assert "too common" in answers[1]["error"]
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "the query is empty"),
        (("",), 2, "the query is empty"),
        (("the", "of"), 2, "too common"),
        (("!!!",), 2, "nothing in the query"),
        (("beach^x",), 2, "a weight is a number"),
        (("beach", "- night"), 2, "needs a word"),
        (("beech",), 1, "did you mean beach"),
        (("qqqqqqqq",), 1, "never used the word"),
        (("beach", "--limt", "5"), 2, "there is no option --limt"),
        (("beach", "--limit", "0"), 2, "limit"),
        (("beach", "--limit", "many"), 2, "limit"),
        (("beach", "--batch", "queries.txt"), 2, "goes without words"),
        (("--batch", "queries.txt", "--format", "paths"), 2, "goes without words and pictures, --format"),
        (("beach", "--city", "miamy"), 1, "did you mean miami"),
        (("beach", "--city", "atlantis"), 1, "no picture in the store is of the city"),
        (("--batch", "missing.txt"), 2, "missing.txt"),
        (("beach", "--collection", "other"), 1, "topicidx ingest"),
        (("beach", "--store", "nowhere"), 1, "topicidx ingest"),
        (("beach", "--space", "nowhere"), 1, "topicidx train"),
        (("beach", "--home", "nowhere"), 1, "topicidx train"),
        (("beach", "--store", "http://127.0.0.1:9"), 1, "does not answer"),
    ],
)
def test_mistakes_get_a_clear_word_and_the_right_exit_code(
    workspace: Path, topicidx: Run, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = topicidx("query", *arguments, cwd=workspace)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_workspace_the_next_step_is_named(topicidx: Run, tmp_path: Path) -> None:
    done = topicidx("query", "beach", cwd=tmp_path)
    assert done.returncode == 1
    assert "topicidx train" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_broken_pipe_is_no_error_worth_a_traceback(workspace: Path) -> None:
    import sys

    done = subprocess.run(
        f"'{sys.executable}' -m topicidx query beach --limit 160 | head -n 1", shell=True, cwd=workspace, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["beach"], ["sunrise beach"], ["beach", "qqqqqqqq"], ["qqqqqqqq"], ["beach", "city:nowhere"], ['"beach'], [""],
        ["beach ctiy:london"], ["like:gone.jpg"], ["city:london"],
    ],
)  # fmt: skip
def test_words_alone_are_answered_as_they_are_beside_an_option(
    workspace: Path, topicidx: Run, words: list[str]
) -> None:
    alone = _process("query", *words, cwd=workspace)
    beside = topicidx("query", *words, "--limit", 10, cwd=workspace)
    assert (alone.returncode, alone.stderr) == (beside.returncode, beside.stderr)
    assert _cells(alone.stdout) == _cells(beside.stdout)


def test_words_alone_without_a_workspace_name_the_next_step(tmp_path: Path) -> None:
    done = _process("query", "beach", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "topicidx train" in done.stderr
    (tmp_path / "topicidx.toml").write_text("limit = 0", encoding="utf-8")
    done = _process("query", "beach", cwd=tmp_path)
    assert done.returncode == 2
    assert "limit: " in done.stderr


def test_words_alone_that_nobody_reads_the_answer_to_are_no_error_worth_a_traceback(workspace: Path) -> None:
    command = [sys.executable, "-m", "topicidx", "query", "beach"]
    unread = subprocess.Popen(command, cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert unread.stdout is not None
    unread.stdout.close()
    _, errors = unread.communicate()
    assert errors == ""


def _process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "topicidx", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=without_settings())


def _cells(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_the_next_page_goes_on_where_the_first_ended(ask: Ask) -> None:
    whole = ask("yellow car", "--limit", 12)["results"]
    assert ask("yellow car", "--limit", 5, "--offset", 7)["results"] == whole[7:]


def test_a_picture_is_searched_by_with_words_and_without(
    ask: Ask, workspace: Path, tmp_path: Path, topicidx: Run
) -> None:
    picture = Path(ask("beach")["results"][0]["path"])
    elsewhere = tmp_path / "my picture.jpg"
    elsewhere.write_bytes(picture.read_bytes())
    alone = ask("--image", picture)
    assert [hit["score"] for hit in ask("--image", elsewhere)["results"]] == pytest.approx(
        [hit["score"] for hit in alone["results"]], rel=1e-3
    )
    assert alone["query"] == f"like:{picture}"
    mixed = ask("night", "--image", picture)
    assert _images(mixed) == _images(ask(f"night like:{picture}"))
    gone = topicidx("query", "--image", "gone.jpg", cwd=workspace)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "No such file" in gone.stderr


def test_groups_show_each_citys_best(ask: Ask, workspace: Path, topicidx: Run) -> None:
    answer = ask("beach", "--group-by", "city", "--group-size", 2, "--limit", 3)
    assert answer["by"] == "city"
    assert len(answer["groups"]) == 3
    for group in answer["groups"]:
        assert [hit["city"] for hit in group["results"]] == [group["value"]] * 2
    table = topicidx("query", "beach", "--group-by", "city", "--limit", 2, cwd=workspace)
    assert table.stdout.count(".jpg") == 6
    wrong = topicidx("query", "beach", "--group-by", "city", "--offset", 3, cwd=workspace)
    assert wrong.returncode == 2
    assert "--group-by goes without" in wrong.stderr


def test_a_misspelt_word_is_searched_for_as_meant(ask: Ask, workspace: Path, topicidx: Run) -> None:
    assert _images(ask("bexch", "--did-you-mean")) == _images(ask("beach"))
    said = topicidx("query", "bexch", "--did-you-mean", cwd=workspace).stderr
    assert "the captions never used the word 'bexch'; searching for 'beach'" in said


def test_an_explanation_shows_topics_and_lifts(workspace: Path, topicidx: Run) -> None:
    done = topicidx("explain", "night beach", "--limit", 4, "--json", cwd=workspace)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [term["term"] for term in answer["terms"]] == ["night", "beach"]
    assert len(answer["results"]) == 4
    for hit in answer["results"]:
        one, other = (lift["value"] for lift in hit["lifts"])
        assert hit["score"] == pytest.approx((one * other) ** 0.5, rel=1e-3)
    shown = topicidx("explain", "night", "-beach", "--limit", 2, cwd=workspace)
    assert shown.stdout.count(".jpg") == 2
    assert "beach" in shown.stdout.splitlines()[4]
    assert shown.stderr == ""


@pytest.mark.parametrize("command", ["query", "explain"])
def test_a_mistake_in_the_query_language_is_pointed_at(workspace: Path, topicidx: Run, command: str) -> None:
    done = topicidx(command, "beach ctiy:london", cwd=workspace)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1:] == ["  beach ctiy:london", "        ^"]
