"""The gallery page in a browser: from pressing Enter to pictures on the screen, over a store of many pictures.

Points: mixtures of the pictures of a store (see approximate.py), each with a file of its own: hard links to a few rendered
pictures, so that no thumbnail is ready before it is asked for. The service runs in a process of its own and the page in a
headless Chromium, on this machine. Queries: pairs of words of the vocabulary, drawn by how many captions hold them, no query
twice. Times are the page's own clock, from the key being pressed to: the first results laid out and painted; the first picture
painted; every picture within the window there.

    python benchmarks/page.py [--home FOLDER/.topicidx] [--points 20000] [--rounds 20]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from approximate import Collection
from PIL import Image

from topicidx import Settings, Workspace
from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.rendered import render_collection
from topicidx.indexer.sources import SourceRegistry, open_source
from topicidx.workspace import FOLDER_NAME

FILES, SIZE, BATCH, WINDOW = 24, 768, 1_000, (1280, 860)

#: Arms the page: what it is told to measure starts with the next Enter; `window.took` holds the times once all are known.
ARM = """
window.took = null;
addEventListener("keydown", function begin(event) {
  if (event.key !== "Enter") return;
  removeEventListener("keydown", begin, true);
  const started = performance.now();
  const grid = document.getElementById("grid");
  const before = grid.firstElementChild;
  const took = {};
  const seen = (image) => image.getBoundingClientRect().top < innerHeight;
  const painted = (call) => requestAnimationFrame(() => setTimeout(call));
  const look = () => {
    const first = grid.querySelector(".tile:not(.waiting) img");
    if (first && grid.firstElementChild !== before) {
      if (!took.laid) { took.laid = -1; painted(() => took.laid = performance.now() - started); }
      const images = [...grid.querySelectorAll("img")].filter(seen);
      const there = images.filter((image) => image.complete && image.naturalWidth);
      if (there.length && !took.first) { took.first = -1; painted(() => took.first = performance.now() - started); }
      if (there.length === images.length) {
        return painted(() => { took.all = performance.now() - started; took.pictures = images.length; window.took = took; });
      }
    }
    setTimeout(look);
  };
  look();
}, true);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    workspace = Workspace.find(Settings.load(home=arguments.home).home)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points = fill(folder, workspace, arguments.points, arguments.seed)
        words = [word.forms[0][0] for word in drawn(folder, 2 * arguments.rounds + 2, arguments.seed)]
        with serving(folder) as address, chromium() as driver:
            driver.get(address)
            pairs = [" ".join(words[place : place + 2]) for place in range(0, len(words), 2)]
            rounds = [asked(driver, address, pair) for pair in pairs][1:]
    print(
        f"{points:,} pictures, {len(rounds)} queries of two words, {rounds[0]['pictures']:.0f} pictures in the window\n"
    )
    print("| ms from Enter to | median | slowest |\n|---|---|---|")
    for key, what in (
        ("laid", "first results on screen"),
        ("first", "first picture"),
        ("all", "all pictures in the window"),
    ):
        times = [took[key] for took in rounds]
        print(f"| {what} | {np.median(times):.0f} | {max(times):.0f} |")


def fill(folder: Path, workspace: Workspace, count: int, seed: int) -> int:
    """A workspace in `folder` with the space of another one and as many pictures."""
    home = Workspace.find_or_create(folder / FOLDER_NAME)
    shutil.copytree(workspace.space, home.space)
    space = TopicSpace.load(home.space)
    rendered = render_collection(folder / "rendered", FILES, SIZE, seed)
    photos = folder / "photos"
    photos.mkdir()
    source = SourceRegistry(home.store).register(open_source(photos))
    shapes = []
    for picture in rendered:
        with Image.open(folder / "rendered" / picture.path) as image:
            shapes.append(image.size)
    with EmbeddedStore.open(workspace.store) as store:
        pictures = store.vectors(sorted(record.id for record in store.scroll([])))
    number = 0
    with EmbeddedStore.writer(home.store, "photos", space.vector_space, space.dimensions) as writer:
        for vectors, cities in Collection(pictures, count, seed).blocks():
            for begin in range(0, len(vectors), BATCH):
                some = vectors[begin : begin + BATCH]
                payloads = []
                for city in cities[begin : begin + len(some)]:
                    name = f"{number:06d}.jpg"
                    (photos / name).hardlink_to(folder / "rendered" / rendered[number % FILES].path)
                    width, height = shapes[number % FILES]
                    payloads.append({
                        "image": f"{source.name}/{name}", "city": f"city {city}", "city_label": f"City {city}",
                        "captions": [f"picture {number}"], "width": width, "height": height,
                    })  # fmt: skip
                    number += 1
                ids = [uuid5(NAMESPACE_URL, str(payload["image"])) for payload in payloads]
                writer.upsert(ids, some, payloads)
        writer.publish()
    return number


def drawn(folder: Path, count: int, seed: int) -> list[Any]:
    """Words of the vocabulary, frequent ones more often, none twice."""
    vocabulary = TopicSpace.load(folder / FOLDER_NAME / "space").words.vocabulary.words
    seen = np.array([word.documents for word in vocabulary], dtype=np.float64)
    chosen = np.random.default_rng(seed).choice(len(seen), min(count, len(seen)), replace=False, p=seen / seen.sum())
    return [vocabulary[place] for place in chosen.tolist()]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address that the workspace in `folder` is served at."""
    with (folder / "serve.log").open("w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "topicidx", "serve", "--home", str(folder / FOLDER_NAME), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            if not address:
                raise SystemExit((folder / "serve.log").read_text(encoding="utf-8"))
            yield address
        finally:
            server.terminate()
            server.communicate()


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium with a window of WINDOW."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size={},{}".format(*WINDOW),
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def asked(driver: Any, address: str, query: str) -> dict[str, float]:
    """Milliseconds from Enter, by what was on the screen by then."""
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    driver.get(address)
    box = WebDriverWait(driver, 30).until(lambda _: driver.find_element("id", "words"))
    WebDriverWait(driver, 30, 0.1).until(
        lambda _: driver.execute_script(
            "return document.querySelector('#start .topics') && [...document.querySelectorAll('#start img')].length > 11"
            " && [...document.querySelectorAll('#start img')].every(image => image.complete || image.loading === 'lazy')"
        )
    )
    box.send_keys(query)
    driver.execute_script(ARM)
    box.send_keys(Keys.ENTER)
    took: dict[str, float] = WebDriverWait(driver, 30, 0.05).until(
        lambda _: driver.execute_script("return window.took")
    )
    return took


if __name__ == "__main__":
    main()
