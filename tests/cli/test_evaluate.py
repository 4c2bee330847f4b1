"""`topicidx evaluate`: tables, JSON, pictures, runs, and what is said where it cannot be done."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from topicidx.cli.commands.evaluate import evaluate
from topicidx.errors import SettingsError

Run = Callable[..., subprocess.CompletedProcess[str]]

#: The city of the pictures of each theme: a word of its captions.
CITIES = {"coast": "Beach", "city": "Skyline", "food": "Cake", "pets": "Dog", "music": "Guitar"}


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, captions: tuple[str, ...], colours: dict[str, tuple[int, int, int]],
    paint: Callable[..., Path], space_folder: Path, colour_cli: Run,
) -> Path:  # fmt: skip
    """A folder with photos/CITY/NAME.jpg, 60 pictures of the colour of their captions' theme, that were ingested."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "topicidx.toml").write_text(f"space = {json.dumps(str(space_folder))}\n", encoding="utf-8")
    rows = ["image,caption"]
    for number, caption in enumerate(captions[:60]):
        theme = list(CITIES)[number % 5]
        red, green, blue = colours[theme]  # a little off, each its own way: no two pictures score the same
        path = paint(
            folder / "photos" / CITIES[theme] / f"{number}.jpg", (red + number, green + number, blue - number // 3)
        )
        rows.append(f"{path.relative_to(folder / 'photos')},{caption}")
    (folder / "photos" / "captions.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / ".topicidx").mkdir()
    done = colour_cli("ingest", "photos", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def photos(workspace: Path) -> Path:
    return workspace / "photos"


@pytest.fixture(scope="module")
def topicidx(colour_cli: Run) -> Run:
    return colour_cli


@pytest.fixture(scope="module")
def evaluated(workspace: Path, photos: Path, topicidx: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By words, as JSON, with a picture drawn."""
    plot = tmp_path_factory.mktemp("plot") / "words.png"
    done = topicidx("evaluate", photos, "--by", "words", "--least", 5, "--json", "--plot", plot, cwd=workspace)
    assert done.returncode == 0, done.stderr
    with Image.open(plot) as drawn:
        assert drawn.format == "PNG"
        assert drawn.width > 1_000  # two panels
    assert [path.name for path in plot.parent.iterdir()] == ["words.png"]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_json_holds_everything(evaluated: dict[str, Any], photos: Path) -> None:
    assert evaluated["source"] == str(photos)
    assert (evaluated["by"], evaluated["exact"], evaluated["missing"], evaluated["seed"]) == ("words", True, 0, 0)
    assert evaluated["methods"] == ["mean", "all"]
    single, pairs = evaluated["sets"]
    assert (single["name"], pairs["name"]) == ("1 word", "2 words")
    for each in (single, pairs):
        assert each["counted"] == len(each["queries"]) > 0
        for method in ("mean", "all"):
            assert list(each["estimates"][method]) == ["AP", "P@5", "P@10", "P@100", "nDCG@10"]
            for estimate in each["estimates"][method].values():
                assert estimate["low"] <= estimate["mean"] <= estimate["high"]
        assert {comparison["second"] for comparison in each["comparisons"]} == {"all"}
        assert all(0 < comparison["p"] <= 1 for comparison in each["comparisons"])
        assert set(each["queries"][0]) == {"id", "query", "relevant", "problem", "unknown", "chance", "values"}
    assert len(evaluated["calibration"]) == 8


def test_the_table_tells_what_the_json_does(
    evaluated: dict[str, Any], workspace: Path, photos: Path, topicidx: Run
) -> None:
    done = topicidx("evaluate", photos, "--by", "words", "--least", 5, cwd=workspace)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    single, pairs = evaluated["sets"]
    assert (
        f"{single['counted']} queries (1 word), {pairs['counted']} queries (2 words); every ranking exact" in lines[0]
    )
    estimate = pairs["estimates"]["all"]["AP"]
    shown = "{mean:.3f} ({low:.3f}-{high:.3f})".format(**estimate).replace("0.", ".")
    assert any(line.startswith("all") and shown in line for line in lines)
    assert any(line.startswith("all / mean") and "(p " in line for line in lines)
    assert "observed / lift" in done.stdout
    assert "16 and more" in done.stdout


def test_nothing_is_changed(workspace: Path, photos: Path, topicidx: Run, tmp_path: Path) -> None:
    def state() -> tuple[str, list[Path]]:
        store = workspace / ".topicidx" / "store"
        return (store / "sources.json").read_text(), sorted(store.rglob("*"))

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").write_bytes(b"")
    before = state()
    done = topicidx("evaluate", tmp_path / "elsewhere", "--by", "city", cwd=workspace)
    assert done.returncode == 1
    assert f"`topicidx ingest {tmp_path / 'elsewhere'}`" in done.stderr
    assert topicidx("evaluate", photos, "--by", "city", "--match", "all", cwd=workspace).returncode == 0
    assert state() == before


def test_cities_fill_the_published_table(workspace: Path, photos: Path, topicidx: Run, tmp_path: Path) -> None:
    arguments = ["evaluate", photos, "--by", "city"]
    done = topicidx(*arguments, "--plot", tmp_path / "cities.svg", cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cities.svg").read_text().startswith("<?xml")
    found = json.loads(topicidx(*arguments, "--json", cwd=workspace).stdout)
    assert found["methods"] == ["mean", "l2", "all"]
    (cities,) = found["sets"]
    for result in cities["queries"]:
        values = [*(result["values"][method] for method in found["methods"]), result["chance"]]
        cells = [f"{100 * value[measure]:.1f}" for value in values for measure in ("P@100", "AP")]
        assert any(line.split() == [result["id"], str(result["relevant"]), *cells] for line in done.stdout.splitlines())
    assert "TOP100" in done.stdout
    assert "fewer than 100 pictures" in done.stderr


def test_own_queries_and_a_run(workspace: Path, topicidx: Run, tmp_path: Path) -> None:
    hits = json.loads(topicidx("query", "beach", "--format", "json", cwd=workspace).stdout)["results"]
    (tmp_path / "queries.tsv").write_text("q1\tbeach\nq2\tzzzzzz\n")
    (tmp_path / "qrels").write_text(
        "".join(f"q1 0 {hit['image']} 1\n" for hit in hits) + f"q2 0 {hits[0]['id']} 1\nq1 0 gone.jpg 1\n"
    )
    arguments = ["evaluate", "--queries", tmp_path / "queries.tsv", "--qrels", tmp_path / "qrels", "--match", "all"]
    done = topicidx(*arguments, "--run", tmp_path / "run", cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert "q2 is counted as having found nothing" in done.stderr
    assert "'gone.jpg'" in done.stderr
    assert [line.split()[2] for line in (tmp_path / "run").read_text().splitlines()][:10] == [
        hit["image"] for hit in hits
    ]
    found = json.loads(topicidx(*arguments, "--json", cwd=workspace).stdout)
    (queries,) = found["sets"]
    assert queries["queries"][0]["values"]["all"]["AP"] == pytest.approx(10 / 11)
    assert queries["estimates"]["all"]["P@10"]["mean"] == 0.5


def test_wrong_use_ends_with_2(workspace: Path, topicidx: Run) -> None:
    done = topicidx("evaluate", "--by", "city", "--plot", "cities.pdf", cwd=workspace)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "topicidx: --plot cities.pdf: a picture is drawn as .png or .svg\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "--by words, --by city, or --queries"),
        ({"by": "words", "queries": Path("q")}, "give either --by"),
        ({"queries": Path("q")}, "--queries goes with --qrels"),
        ({"qrels": Path("q")}, "--qrels goes with --queries"),
        ({"queries": Path("q"), "qrels": Path("r")}, "cannot read q"),
        ({"by": "city", "least": 3}, "--least goes with --by words"),
        ({"by": "city", "run": Path("r")}, "--match all or --match mean"),
        ({"by": "city", "plot": Path("no/such/cities.png")}, "no/such"),
        ({"by": "city", "run": Path(), "match": "all"}, "is a folder"),
        ({"by": "city", "name": "photos"}, "give SOURCE too"),
    ],
)
def test_wrong_use_is_explained(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], says: str
) -> None:
    monkeypatch.chdir(workspace)
    with pytest.raises(SettingsError, match=says):
        evaluate(**options)
