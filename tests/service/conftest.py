"""A collection that is served, by a real server on a free port."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from doubles.colour import load_encoder_class
from doubles.services import Serving
from doubles.spaces import THEMES, Paint
from topicidx.embedders import topic_space
from topicidx.indexer.index import Index
from topicidx.service.options import ServiceOptions
from topicidx.service.server import address_of, listening, server_of
from topicidx.service.service import Service
from topicidx.settings import Settings

CITIES = ("London", "New York", "São Paulo", "")
PICTURES = 60


@pytest.fixture(scope="session", autouse=True)
def _colour_encoder() -> Iterator[None]:
    """The cheap image encoder is registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topic_space, "load_encoder_class", load_encoder_class)
        yield


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, space_folder: Path, paint: Paint) -> Path:
    """A workspace of sixty pictures between the colours of themes, in three cities and in none, from eleven years."""
    folder = tmp_path_factory.mktemp("served")
    photos = folder / "photos"
    colours = np.array([colour for _, colour in THEMES.values()], dtype=np.float64)
    chance = np.random.default_rng(4)
    rows = ["image,caption,city,likes"]
    for number in range(PICTURES):
        colour = tuple(int(part) for part in chance.dirichlet(np.full(len(colours), 0.4)) @ colours)
        exif = {} if number % 6 == 5 else {"exif": _taken_in(2010 + number % 11)}
        paint(photos / f"{number:02}.jpg", colour, size=(400, 300), **exif)
        rows.append(f"{number:02}.jpg,nr {number},{CITIES[number % 4]},{number % 5}")
    (photos / "captions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    shutil.copytree(space_folder, folder / ".topicidx" / "space")
    with Index.open(folder) as index:
        index.ingest(photos)
    return folder


@pytest.fixture
def own_home(home: Path, tmp_path: Path) -> Path:
    """A copy of the workspace, to be changed."""
    return Path(shutil.copytree(home, tmp_path / "own", symlinks=True))


@pytest.fixture(scope="session")
def serving() -> Serving:
    @contextmanager
    def serving(home: Path, **options: Any) -> Iterator[httpx.Client]:
        service = Service(Settings.load(home=home), ServiceOptions(**options))
        try:
            with listening("127.0.0.1", 0) as listener:
                server = server_of(service)
                thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
                thread.start()
                try:
                    with httpx.Client(base_url=address_of(listener, "127.0.0.1"), timeout=60) as client:
                        yield client
                finally:
                    server.should_exit = True
                    thread.join()
        finally:
            service.close()

    return serving


@pytest.fixture(scope="session")
def client(home: Path, serving: Serving) -> Iterator[httpx.Client]:
    """A client of the workspace, served without a token."""
    with serving(home) as client:
        yield client


def _taken_in(year: int) -> bytes:
    from PIL import ExifTags, Image

    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = f"{year}:06:15 12:00:00"
    return exif.tobytes()
