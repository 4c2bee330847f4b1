"""A cheap topic space: topics learned from themed captions, and an image encoder that goes by a picture's mean colour."""

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from doubles.colour import ColourImageEncoder, load_encoder_class
from doubles.environment import without_settings
from doubles.forked import ForkServer
from topicidx.embedders import topic_space
from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.settings import LdaSettings

Colour = tuple[int, int, int]
Paint = Callable[..., Path]
Run = Callable[..., subprocess.CompletedProcess[str]]

THEMES: dict[str, tuple[tuple[str, ...], Colour]] = {
    "coast": (("sunrise", "beach", "ocean", "wave", "sand", "пляж"), (30, 80, 220)),
    "city": (("skyline", "tower", "street", "taxi", "traffic", "bridge"), (120, 120, 120)),
    "food": (("café", "coffee", "cake", "brunch", "pizza", "dessert"), (210, 140, 40)),
    "pets": (("dog", "puppy", "kitten", "whisker", "leash", "fur"), (90, 50, 20)),
    "music": (("concert", "guitar", "singer", "stage", "drum", "vinyl"), (160, 20, 160)),
}
TOPICS = 12


@pytest.fixture(scope="session")
def captions() -> tuple[str, ...]:
    """250 captions of one theme each, in every form that people write words in."""
    chance = random.Random(11)
    themes = list(THEMES.values())
    texts = []
    for number in range(250):
        words = chance.choices(themes[number % len(themes)][0], k=chance.randint(4, 7))
        texts.append(" ".join(chance.choice(("{}", "#{}", "{}!", "the {}", "{}s")).format(word) for word in words))
    return tuple(texts)


@pytest.fixture(scope="session")
def text_encoder(captions: tuple[str, ...]) -> LdaTextEncoder:
    return LdaTextEncoder.train(captions, LdaSettings(num_topics=TOPICS, passes=10), seed=3)


@pytest.fixture(scope="session")
def colours() -> dict[str, Colour]:
    """The colour of the pictures of each theme."""
    return {theme: colour for theme, (_, colour) in THEMES.items()}


@pytest.fixture(scope="session")
def space_folder(text_encoder: LdaTextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A topic space with an image encoder; shared, so that no test may change it."""
    folder = tmp_path_factory.mktemp("colour") / "space"
    colours = np.array([colour for _, colour in THEMES.values()], dtype=np.float32)
    topics = text_encoder.encode([" ".join(words) for words, _ in THEMES.values()])
    write_topic_space(folder, text_encoder, ColourImageEncoder(colours, topics))
    return folder


@pytest.fixture
def space(space_folder: Path, monkeypatch: pytest.MonkeyPatch) -> TopicSpace:
    """The topic space, opened anew, its image encoder registered."""
    monkeypatch.setattr(topic_space, "load_encoder_class", load_encoder_class)
    return TopicSpace.load(space_folder)


@pytest.fixture
def other_space(space: TopicSpace, text_encoder: LdaTextEncoder, tmp_path: Path) -> TopicSpace:
    """The same words and topics, but pictures are seen in another way: another vector space."""
    encoder = space.image_encoder
    assert isinstance(encoder, ColourImageEncoder)
    return write_topic_space(
        tmp_path / "other_space", text_encoder, ColourImageEncoder(255 - encoder.colours, encoder.topics)
    )


@pytest.fixture(scope="session")
def paint() -> Paint:
    """paint(path, colour) makes a picture of one colour, and the folders above it; no two paths get the same bytes."""

    def paint(path: Path, colour: Colour = (30, 80, 220), size: tuple[int, int] = (32, 24), **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
        name = os.fsencode(Path(path.parent.name, path.name))
        own = PngImagePlugin.PngInfo()
        own.add_text("name", name.decode("latin-1"))
        with path.open("wb") as file:
            Image.new("RGB", size, colour).save(file, kind, **{"comment": name, "pnginfo": own} | options)
        return path

    return paint


@pytest.fixture(scope="session")
def colour_cli(fork_server: ForkServer) -> Run:
    """Runs the command line in a process of its own, with the cheap image encoder registered."""

    def run(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        return fork_server.run([*map(str, arguments)], cwd, without_settings() | env, None, program="doubles.colour")

    return run
