"""`topicidx map`: the map is made once, kept while it is up to date, and drawn."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from doubles.spaces import THEMES, Paint

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path, paint: Paint, colour_cli: Run, space_folder: Path) -> Path:
    """A folder with a store of ten pictures, so few that no neighbourhoods are computed."""
    (tmp_path / ".topicidx").mkdir()
    for theme, (_, colour) in THEMES.items():
        for number in range(2):
            paint(tmp_path / "photos" / f"{theme}{number}.jpg", colour)
    done = colour_cli("ingest", "photos", "--space", space_folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_it_is_made_once_and_anew_when_pictures_were_added(
    home: Path, colour_cli: Run, space_folder: Path, paint: Paint
) -> None:
    def run(*options: object) -> subprocess.CompletedProcess[str]:
        done = colour_cli("map", "--space", space_folder, *options, cwd=home)
        assert done.returncode == 0, done.stderr
        return done

    first = run("--png", "mosaic.png", "--size", 200, "--cell", 20)
    assert first.stdout.splitlines() == ["mapped 10 pictures", "drew 10 of them, 200 x 80 pixels: mosaic.png"]
    with Image.open(home / "mosaic.png") as image:
        assert (image.format, image.size) == ("PNG", (200, 80))
    file = home / ".topicidx" / "store" / "photos" / "map.safetensors"
    kept = file.read_bytes()

    (home / "photos" / "pets0.jpg").unlink()
    again = run("--json", "--png", "mosaic.png", "--size", 200)
    report = json.loads(again.stdout)
    assert (report["made"], report["pictures"], report["missing"], report["seed"]) == (False, 10, 0, 0)
    assert (report["mosaic"]["shown"], report["mosaic"]["unreadable"]) == (report["mosaic"]["shown"], 1)
    assert file.read_bytes() == kept

    paint(home / "photos" / "another.jpg", (10, 250, 10))
    assert colour_cli("ingest", "photos", "--space", space_folder, cwd=home).returncode == 0
    anew = run("--seed", 3)
    assert anew.stdout.splitlines() == ["mapped 11 pictures"]
    assert "not up to date (1 indexed since): it is made anew" in anew.stderr
    file.write_bytes(b"nothing")
    mended = run("--json")
    assert "is damaged" in mended.stderr
    assert json.loads(mended.stdout)["made"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--png", "nowhere/mosaic.png"), "there is no folder nowhere"),
        (("--png", "photos"), "photos is a folder"),
        (("--size", "1"), "--size"),
        (("--store", "nothing"), "there is no store at nothing"),
    ],
)
def test_what_cannot_be_done_is_said(
    home: Path, colour_cli: Run, space_folder: Path, options: tuple[str, ...], said: str
) -> None:
    done = colour_cli("map", "--space", space_folder, *options, cwd=home)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / ".topicidx" / "store" / "photos" / "map.safetensors").exists()
