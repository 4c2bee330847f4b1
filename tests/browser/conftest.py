"""The gallery page as people use it: a real browser before the real service, over rendered pictures."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from PIL import ExifTags, Image

from doubles.browser import Browser, start_chromium
from doubles.environment import without_settings

Run = Callable[..., subprocess.CompletedProcess[str]]

#: What is cut off each side of a picture, in turn: left, upper, right, lower, so that they are of many shapes.
CUTS = ((0, 0, 0, 0), (0, 0.2, 0, 0.14), (0.15, 0, 0.15, 0), (0, 0.1, 0, 0.12))
#: A caption and a city that would take the page over, were they taken for HTML.
HOSTILE = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
TOKEN = "a-token-that-only-tests-know"
NAMES = {"newyork": "New York", "losangeles": "Los Angeles", "sanfrancisco": "San Francisco"}


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory, workspace: Path, photos: Path, topicidx: Run) -> Path:
    """A folder whose .topicidx has the rendered pictures in many shapes, with captions, cities and times."""
    folder = tmp_path_factory.mktemp("gallery")
    posts = [json.loads(line) for line in (photos / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    (folder / "posts").mkdir()
    with (folder / "posts" / "posts.jsonl").open("w", encoding="utf-8") as file:
        for number, post in enumerate(posts):
            name = Path(post["image"]).name
            _reshape(photos / post["image"], folder / "posts" / name, number)
            caption = HOSTILE if number == 0 else " and ".join(post["concepts"]) or "nothing much"
            city = "<b>Nowhere</b>" if number == 0 else NAMES.get(post["city"], post["city"].title())
            file.write(json.dumps({"image": name, "caption": [caption], "city": city}) + "\n")
    shutil.copytree(workspace / ".topicidx" / "space", folder / ".topicidx" / "space")
    ingested = topicidx("ingest", folder / "posts" / "posts.jsonl", "--json", cwd=folder)
    assert ingested.returncode == 0, ingested.stderr
    return folder


def _reshape(source: Path, target: Path, number: int) -> None:
    with Image.open(source) as picture:
        width, height = picture.size
        left, upper, right, lower = CUTS[number % len(CUTS)]
        box = (left * width, upper * height, (1 - right) * width, (1 - lower) * height)
        exif = Image.Exif()
        exif[ExifTags.Base.DateTime] = f"{2021 + number % 3}:{1 + number % 12:02d}:15 12:00:00"
        picture.crop(tuple(map(round, box))).save(target, quality=88, exif=exif)


@pytest.fixture(scope="session")
def served(gallery: Path) -> Iterator[str]:
    """The address that `topicidx serve` shows the gallery at."""
    with _serving(gallery) as address:
        yield address


@pytest.fixture
def guarded(gallery: Path) -> Iterator[str]:
    """The same, for those who know TOKEN."""
    with _serving(gallery, TOPICIDX_TOKEN=TOKEN) as address:
        yield address


@contextmanager
def _serving(folder: Path, **env: str) -> Iterator[str]:
    with (folder / "serve.log").open("a", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "topicidx", "serve", "--port", "0"],
            cwd=folder, env=without_settings() | env, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            assert address, (folder / "serve.log").read_text(encoding="utf-8")
            yield address
        finally:
            server.terminate()
            server.communicate(timeout=30)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium, driven by Selenium."""
    driver = start_chromium()
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def axe() -> Path:
    """The script of axe-core, which finds what keeps people out."""
    node = Path(os.environ.get("TOPICIDX_TEST_NODE", Path(sys.prefix) / "node"))
    script = node / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        pytest.skip(f"no axe-core in {node}/node_modules (see TOPICIDX_TEST_NODE)")
    return script


@pytest.fixture
def ask(served: str) -> Callable[..., Any]:
    """ask(path, **parameters) is what the API answers."""

    def ask(path: str, **parameters: Any) -> Any:
        with urlopen(f"{served}api/{path}?{urlencode(parameters)}") as answer:
            return json.load(answer)

    return ask


@pytest.fixture
def browser(chromium: Any, served: str) -> Iterator[Browser]:
    """The browser before the gallery, as wide as a laptop, light and without a history."""
    with Browser.fresh(chromium, served) as fresh:
        yield fresh
