"""A small themed caption collection and the topic model and topic space learned from it."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import write_topic_space
from topicidx.settings import LdaSettings

Themes = dict[str, tuple[str, ...]]


@pytest.fixture(scope="session")
def themes() -> Themes:
    """Words that occur together and nowhere else; `пляж` and `café` stand for everything outside ASCII."""
    return {
        "coast": ("sunrise", "beach", "ocean", "wave", "sand", "surf", "пляж"),
        "city": ("skyline", "tower", "street", "taxi", "traffic", "neon", "bridge"),
        "food": ("café", "coffee", "cake", "brunch", "pasta", "pizza", "dessert"),
        "pets": ("dog", "puppy", "kitten", "whisker", "leash", "paw", "fur"),
        "music": ("concert", "guitar", "singer", "stage", "drum", "vinyl", "festival"),
    }


@pytest.fixture(scope="session")
def themed_captions(themes: Themes) -> tuple[str, ...]:
    """250 captions of one theme each, 50 of each theme in turn, then two without any word."""
    chance = random.Random(5)
    captions = []
    for number in range(250):
        words = chance.choices(list(themes.values())[number % len(themes)], k=chance.randint(4, 7))
        decorated = (chance.choice(("{}", "#{}", "{}!", "the {}", "{}s")).format(word) for word in words)
        captions.append(" ".join(decorated))
    return (*captions, "", "and the")


@pytest.fixture(scope="session")
def lda_settings() -> LdaSettings:
    return LdaSettings(num_topics=8, passes=12)


@pytest.fixture(scope="session")
def text_encoder(themed_captions: tuple[str, ...], lda_settings: LdaSettings) -> LdaTextEncoder:
    return LdaTextEncoder.train(themed_captions, lda_settings, seed=1)


@pytest.fixture(scope="session")
def written_space(text_encoder: LdaTextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A topic space of captions only; shared, so that no test may change it."""
    folder = tmp_path_factory.mktemp("written") / "space"
    write_topic_space(folder, text_encoder, provenance={"source": "captions"})
    return folder


@pytest.fixture
def space_folder(written_space: Path, tmp_path: Path) -> Path:
    """The same topic space as a copy to damage."""
    folder = tmp_path / "space"
    shutil.copytree(written_space, folder)
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny pictures: more threads would only wait for one another."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random first weights of bvlc, with Caffe's names."""
    import torch
    from safetensors.torch import save_file

    from topicidx.embedders.networks.architectures import ARCHITECTURES
    from topicidx.embedders.networks.bvlc import caffe_key

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        parts = ARCHITECTURES["bvlc"].build()
    path = tmp_path_factory.mktemp("weights") / "bvlc.safetensors"
    tensors = {caffe_key(name): value.contiguous() for part in parts for name, value in part.state_dict().items()}
    save_file(tensors, path)
    return path
