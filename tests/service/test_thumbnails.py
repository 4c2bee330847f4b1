"""Thumbnails are kept up to a number of bytes, those asked for last."""

import io
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from doubles.spaces import Paint
from topicidx.errors import ImageError
from topicidx.service.thumbnails import Thumbnails


def test_those_asked_for_last_are_kept(tmp_path: Path, paint: Paint) -> None:
    files = [paint(tmp_path / f"{number}.jpg", size=(300, 200)) for number in range(4)]
    size = len(Thumbnails(10**6).of(files[0], 160))
    thumbnails = Thumbnails(3 * size + size // 2)
    for file in (files[0], files[1], files[2], files[0], files[3]):
        thumbnails.of(file, 160)
    assert (thumbnails.hits, thumbnails.misses) == (1, 4)
    assert thumbnails.bytes <= 3 * size + size // 2
    thumbnails.of(files[0], 160)
    assert thumbnails.hits == 2
    thumbnails.of(files[1], 160)
    assert thumbnails.misses == 5


def test_one_that_is_too_large_is_made_and_not_kept(tmp_path: Path, paint: Paint) -> None:
    thumbnails = Thumbnails(10)
    assert thumbnails.of(paint(tmp_path / "a.jpg"), 160)
    assert thumbnails.bytes == 0


def test_it_is_upright_and_has_no_exif(tmp_path: Path, paint: Paint) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.ImageDescription] = "private"
    file = paint(tmp_path / "a.jpg", size=(300, 200), exif=exif.tobytes())
    with Image.open(io.BytesIO(Thumbnails(10**6).of(file, 160))) as image:
        assert image.size == (107, 160)
        assert not image.getexif()


def test_a_file_of_too_many_pixels_is_refused(tmp_path: Path, paint: Paint) -> None:
    with pytest.raises(ImageError, match="allowed"):
        Thumbnails(10**6, max_pixels=100).of(paint(tmp_path / "a.jpg"), 160)
