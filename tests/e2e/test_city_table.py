"""The published city table on rendered cities: a name finds its city's pictures, though no training saw them."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from topicidx.indexer.rendered import CITIES, RenderedPicture, render_cities

Run = Callable[..., subprocess.CompletedProcess[str]]

#: Pictures to learn from nearly all show their city; few of those to be found do, as few of a city's photos are of its sights.
LEARNED, LEARNED_SHOWN = 1_800, 0.9
FOUND, FOUND_SHOWN = 4_500, 0.17
SIZE = 80
#: One small head on the pretrained network's features: what fits into a minute.
SETTINGS = f"""
[lda]
num_topics = 40

[training]
crop = {SIZE}
resize = {SIZE}
sizes = [{SIZE}]
hidden = 512
members = 1
word_loss = 0
epochs = 8
"""


@dataclass(frozen=True)
class CityTable:
    """Rendered pictures that no training saw, and what `topicidx evaluate --by city` says of them.

    ranked: the paths of the first hundred found for each city by --match all.
    """

    pictures: Sequence[RenderedPicture]
    queries: Sequence[dict[str, Any]]
    chance: dict[str, float]
    means: dict[str, dict[str, float]]
    ranked: dict[str, list[str]]


@pytest.fixture(scope="module")
def table(real_data: Path, tmp_path_factory: pytest.TempPathFactory, topicidx: Run) -> CityTable:
    folder = tmp_path_factory.mktemp("cities")
    render_cities(folder / "learned", LEARNED, SIZE, seed=1, shown=LEARNED_SHOWN, processes=2)
    pictures = render_cities(folder / "found", FOUND, SIZE, seed=2, shown=FOUND_SHOWN, processes=2)
    (folder / "topicidx.toml").write_text(SETTINGS, encoding="utf-8")

    def done(*arguments: object) -> str:
        done = topicidx(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    weights = real_data / "weights" / "bvlc_googlenet.safetensors"
    done("train", "learned/captions.csv", "--arch", "bvlc", "--init", weights)
    done("ingest", "found/photos")
    evaluated = json.loads(done("evaluate", "found/photos", "--by", "city", "--json"))
    done("evaluate", "found/photos", "--by", "city", "--match", "all", "--run", "cities.run")

    assert (evaluated["pictures"], evaluated["exact"]) == (FOUND, True)
    (cities,) = evaluated["sets"]
    assert cities["counted"] == len(CITIES)
    ranked: dict[str, list[str]] = {city: [] for city in CITIES}
    for line in (folder / "cities.run").read_text(encoding="utf-8").splitlines():
        city, _, image, rank, *_ = line.split()
        if int(rank) <= 100:
            ranked[city].append(image)
    means = {
        method: {measure: found["mean"] for measure, found in estimates.items()}
        for method, estimates in cities["estimates"].items()
    }
    return CityTable(pictures, cities["queries"], cities["chance"], means, ranked)


@pytest.mark.parametrize("method", ["mean", "all"])
def test_names_of_cities_find_their_pictures_far_above_chance(table: CityTable, method: str) -> None:
    assert table.chance["P@100"] == pytest.approx(0.1)
    assert table.means[method]["P@100"] > 3.5 * table.chance["P@100"]
    assert table.means[method]["AP"] > 1.7 * table.chance["AP"]


@pytest.mark.parametrize("method", ["mean", "all"])
def test_the_first_hundred_are_right_more_than_twice_as_often_as_the_average_precision_says(
    table: CityTable, method: str
) -> None:
    assert table.means[method]["P@100"] > 2 * table.means[method]["AP"]


@pytest.mark.parametrize("method", ["mean", "all"])
def test_no_city_is_found_as_chance_would_find_it(table: CityTable, method: str) -> None:
    assert Counter(query["id"] for query in table.queries) == dict.fromkeys(CITIES, 1)
    for query in table.queries:
        found, chance = query["values"][method], query["chance"]
        assert found["P@100"] > 1.5 * chance["P@100"], query
        assert found["AP"] > 1.25 * chance["AP"], query


def test_what_is_found_first_shows_a_city_and_what_shows_none_is_found_as_if_by_chance(table: CityTable) -> None:
    cued = {str(picture.path): bool(picture.cues) for picture in table.pictures}
    first = [(city, image) for city, images in table.ranked.items() for image in images]
    assert len(first) == 100 * len(CITIES)
    assert sum(cued[image] for _, image in first) > 2 * FOUND_SHOWN * len(first)
    right_without = [f"/{city}/" in image for city, image in first if not cued[image]]
    assert sum(right_without) < 0.2 * len(right_without)
