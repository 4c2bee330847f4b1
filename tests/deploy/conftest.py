"""What the files of deploy/ are checked with: the tools that read them in earnest, and a small collection to be served."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.colour import load_encoder_class
from doubles.deployed import Tool
from doubles.spaces import THEMES, Paint
from topicidx.embedders import topic_space
from topicidx.indexer.index import Index


@pytest.fixture(scope="session")
def tool() -> Tool:
    """tool("hadolint", ...) runs a program of the virtual environment or the machine; without it the test is skipped."""

    def run(
        name: str, *arguments: object, env: dict[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        program = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
        if program is None:
            pytest.skip(f"{name} is not installed")
        return subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, check=False, env=env, input=stdin
        )

    return run


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, space_folder: Path, paint: Paint) -> Iterator[Path]:
    """A workspace of ten pictures, two of each theme's colour. Read it, do not write to it."""
    folder = tmp_path_factory.mktemp("deployed")
    for number, (theme, (_, colour)) in enumerate(list(THEMES.items()) * 2):
        paint(folder / "photos" / f"{number}-{theme}.jpg", colour)
    shutil.copytree(space_folder, folder / ".topicidx" / "space")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topic_space, "load_encoder_class", load_encoder_class)
        with Index.open(folder) as index:
            index.ingest(folder / "photos")
        yield folder
