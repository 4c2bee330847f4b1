"""Decoding: the right pixels, the right way up, from every kind of file, and a reason of one line for all others."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from topicidx.embedders.pictures import (
    SUFFIXES,
    Picture,
    open_picture,
    sha256_of,
)
from topicidx.errors import ImageError

# Pillow warns of damaged metadata; outside of tests `pictures` silences it, and a test below holds that.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

Image.init()
FORMAT_OF = {suffix: Image.EXTENSION[suffix] for suffix in sorted(SUFFIXES) if suffix in Image.EXTENSION}
WRITABLE = [suffix for suffix, kind in FORMAT_OF.items() if kind in Image.SAVE]
WIDTH, HEIGHT = 48, 32


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """48 x 32 with a smooth gradient and a red corner at the top left, so that every turn and mirror image differs."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = np.stack([x * 255 // WIDTH // 2, y * 255 // HEIGHT, np.full_like(x, 90)], axis=-1).astype(np.uint8)
    pixels[:12, :12] = (250, 20, 20)
    return Image.fromarray(pixels)


def opened(path: Path, at_least: int = HEIGHT) -> Picture:
    picture = open_picture(path, at_least=at_least)
    assert picture.image.mode == "RGB"
    return picture


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two RGB pictures of one size, in grey levels."""
    assert one.size == other.size
    return float(np.abs(np.asarray(one, dtype=np.float64) - np.asarray(other.convert("RGB"))).mean())


def refusal(path: Path, **limits: int) -> ImageError:
    with pytest.raises(ImageError) as caught:
        open_picture(path, **{"at_least": 16, **limits})
    reason = str(caught.value)
    assert reason
    assert "\n" not in reason
    assert path.name not in reason
    return caught.value


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    """A valid greyscale PNG of one-bit zeros, a few kilobytes whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    data = b"".join(rows.compress(row * min(1_000, height - begin)) for begin in range(0, height, 1_000)) + rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_every_ending_belongs_to_a_format_that_pillow_knows() -> None:
    # Phones write HEIC, which Pillow cannot read: such files are looked at all the same, so that they are named.
    assert set(FORMAT_OF) == SUFFIXES - {".heic", ".heif"}


@pytest.mark.parametrize("suffix", WRITABLE)
def test_every_format_gives_the_pictures_pixels(scene: Image.Image, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scene{suffix}"
    scene.save(path)
    picture = opened(path)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert difference(picture.image, scene) < 8


@pytest.mark.parametrize("suffix", WRITABLE)
def test_the_format_is_told_by_the_bytes_and_not_by_the_ending(scene: Image.Image, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "scene.jpg"
    scene.save(path, FORMAT_OF[suffix])
    assert difference(opened(path).image, scene) < 8


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "RGB"])
def test_every_colour_mode_of_a_png_becomes_rgb(scene: Image.Image, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    converted = scene.convert(mode)
    converted.save(path)
    assert difference(opened(path).image, converted.convert("RGB")) < 1


def test_a_cmyk_jpeg_has_its_colours(scene: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    scene.convert("CMYK").save(path, quality=95)
    assert difference(opened(path).image, scene) < 10


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_keep_their_brightness_in_eight(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"deep{suffix}"
    levels = np.linspace(0, 65_535, WIDTH * HEIGHT).astype(np.uint16).reshape(HEIGHT, WIDTH)
    Image.fromarray(levels).save(path)
    expected = np.repeat((levels >> 8).astype(np.uint8)[..., None], 3, axis=2)
    np.testing.assert_array_equal(np.asarray(opened(path).image), expected)


def half_transparent(mode: str) -> Image.Image:
    """Black, of which the left half is transparent."""
    alpha = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    alpha[:, WIDTH // 2 :] = 255
    if mode == "P":
        image = Image.fromarray(alpha // 255).convert("P")
        image.putpalette([0, 0, 0, 0, 0, 0])
        image.info["transparency"] = 0
        return image
    image = Image.new(mode, (WIDTH, HEIGHT))
    image.putalpha(Image.fromarray(alpha))
    return image


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGBA", ".png"), ("LA", ".png"), ("P", ".png"), ("P", ".gif"), ("RGBA", ".webp"), ("RGBA", ".tif")],
)
def test_what_is_transparent_is_white(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"logo{suffix}"
    half_transparent(mode).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    pixels = np.asarray(opened(path).image)
    assert (pixels[:, : WIDTH // 2 - 1] == 255).all()
    assert (pixels[:, WIDTH // 2 + 1 :] == 0).all()


def test_an_animation_gives_its_first_frame(scene: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    scene.save(path, save_all=True, append_images=[Image.new("RGB", scene.size, "white")] * 2)
    assert difference(opened(path).image, scene) < 8


#: How an upright picture is turned and mirrored to be stored under each orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def save_turned(upright: Image.Image, path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    method = STORED[orientation]
    stored = upright if method is None else upright.transpose(method)
    lossless = {".jpg": {"quality": 95}, ".webp": {"lossless": True}}.get(path.suffix, {})
    stored.save(path, exif=exif, **lossless)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_pictures_are_upright_whatever_their_exif_orientation(
    scene: Image.Image, suffix: str, orientation: int, tmp_path: Path
) -> None:
    if suffix not in WRITABLE:
        pytest.skip(f"this Pillow writes no {suffix}")
    path = tmp_path / f"turned{suffix}"
    save_turned(scene, path, orientation)
    picture = opened(path)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert difference(picture.image, scene) < 8


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_pictures_of_every_mode_are_upright(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "turned.png"
    if mode == "I;16":
        upright = Image.fromarray((np.arange(HEIGHT * WIDTH, dtype=np.uint16) * 40).reshape(HEIGHT, WIDTH))
    else:
        upright = half_transparent("RGBA" if mode == "P" else mode if mode.endswith("A") else "LA").convert(mode)
    save_turned(upright, tmp_path / "upright.png", 1)
    save_turned(upright, path, 6)
    picture = opened(path)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert difference(picture.image, opened(tmp_path / "upright.png").image) == 0


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2019:06:30 18:05:09", "2019-06-30T18:05:09"),
        ("0000:00:00 00:00:00", None),
        ("30 June 2019", None),
        ("", None),
        (None, None),
    ],
)
def test_taken_at_is_exifs_time_or_nothing(
    scene: Image.Image, written: str | None, expected: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "dated.jpg"
    exif = Image.Exif()
    if written is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = written
    scene.save(path, exif=exif)
    assert opened(path).taken_at == expected


def tiff_exif(*entries: tuple[int, int, int, int]) -> bytes:
    """An EXIF block of raw entries (tag, type, count, value)."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + bytes(4)


def with_exif(jpeg: bytes, exif: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


DAMAGED_EXIF = {
    "no TIFF header": b"Exif\0\0garbage",
    "cut short": tiff_exif((0x0112, 3, 1, 1))[:-9],
    "an IFD beyond the end": tiff_exif((0x8769, 4, 1, 60_000)),
    "numbers where Pillow writes text": tiff_exif((0x010F, 3, 1, 7), (0x0112, 3, 1, 1)),
    "an orientation that is none": tiff_exif((0x0112, 3, 1, 77)),
    "an orientation of text": tiff_exif((0x0112, 2, 4, 0x41414141)),
}


@pytest.mark.parametrize("damage", DAMAGED_EXIF)
def test_damaged_exif_does_not_spoil_a_whole_picture(scene: Image.Image, damage: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(with_exif(encoded(scene, "JPEG", quality=95), DAMAGED_EXIF[damage]))
    picture = opened(path)
    assert (picture.width, picture.height, picture.taken_at) == (WIDTH, HEIGHT, None)
    assert difference(picture.image, scene) < 8


def test_odd_exif_beside_an_orientation_leaves_the_picture_upright(scene: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "odd.jpg"
    sideways = encoded(scene.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95)
    path.write_bytes(with_exif(sideways, tiff_exif((0x010F, 11, 1, 0x3FC00000), (0x0112, 3, 1, 6))))
    assert difference(opened(path).image, scene) < 8


def test_damaged_metadata_warns_nobody(scene: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(with_exif(encoded(scene, "JPEG"), tiff_exif((0x8769, 4, 1, 60_000), (0x010F, 2, 900, 9_000))))
    program = (
        "from pathlib import Path; import sys; from topicidx.embedders.pictures import open_picture; "
        "open_picture(Path(sys.argv[1]), at_least=16)"
    )
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert run.stderr == ""


def test_a_large_jpeg_is_reduced_while_decoding_and_keeps_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (4_000, 3_000), (10, 200, 30)).save(path)
    picture = opened(path, at_least=224)
    assert (picture.width, picture.height) == (4_000, 3_000)
    assert 224 <= min(picture.image.size) < 3_000
    assert picture.image.size == (500, 375)
    assert np.abs(np.asarray(picture.image).astype(int) - (10, 200, 30)).max() < 4


@pytest.mark.parametrize("at_least", [1_500, 1_501, 3_000, 9_999])
def test_a_jpeg_is_never_reduced_below_what_is_asked_for(at_least: int, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("L", (4_000, 3_000)).save(path)
    assert min(opened(path, at_least).image.size) >= min(at_least, 3_000)


def test_a_reduced_jpeg_lying_on_its_side_has_its_upright_size(tmp_path: Path) -> None:
    path = tmp_path / "portrait.jpg"
    save_turned(Image.new("RGB", (1_200, 2_400)), path, 6)
    picture = opened(path, at_least=100)
    assert (picture.width, picture.height) == (1_200, 2_400)
    assert picture.image.size == (150, 300)


def test_a_picture_of_one_pixel_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Image.new("RGB", (1, 1), "red").save(path)
    assert opened(path, at_least=224).image.getpixel((0, 0)) == (255, 0, 0)


def test_more_pixels_than_allowed_are_refused_and_as_many_are_not(scene: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    scene.save(path)
    allowed = WIDTH * HEIGHT
    assert open_picture(path, at_least=16, max_pixels=allowed).width == WIDTH
    error = refusal(path, max_pixels=allowed - 1)
    assert not error.lasting  # the limit may be raised
    assert f"{WIDTH} x {HEIGHT}" in str(error)


def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(30_000, 30_000))
    assert path.stat().st_size < 200_000
    error = refusal(path)
    assert error.lasting
    assert "pixels" in str(error)


def test_the_bomb_that_is_refused_would_be_a_valid_picture_if_it_were_small(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    path.write_bytes(png(30, 30))
    assert opened(path).image.size == (30, 30)


def test_a_truncated_jpeg_is_refused_wherever_it_is_cut(scene: Image.Image, tmp_path: Path) -> None:
    whole = encoded(scene.resize((200, 150)), "JPEG")
    path = tmp_path / "cut.jpg"
    for length in [*range(1, 40), *range(40, len(whole) - 40, len(whole) // 40)]:
        path.write_bytes(whole[:length])
        assert refusal(path).lasting, length


@pytest.mark.parametrize(
    "content", [b"A dog on a beach.\n" * 40, b"<!DOCTYPE html><html>404</html>", b"\0" * 5_000, b"\xff\xd8\xff"]
)
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    assert refusal(path).lasting


def test_a_postscript_file_is_no_picture_and_starts_no_interpreter(tmp_path: Path) -> None:
    path = tmp_path / "program.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    assert "known format" in str(refusal(path))


def test_an_empty_file_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    error = refusal(path)
    assert "empty" in str(error)
    assert error.lasting


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder.jpg", tmp_path / "pipe.jpg"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe):
        error = refusal(path)
        assert "not a file" in str(error)
        assert error.lasting


@pytest.mark.parametrize("name", ["gone.jpg", "no-folder/gone.jpg", "nul\0.jpg", "n" * 300])
def test_a_missing_file_may_come_back(name: str, tmp_path: Path) -> None:
    assert not refusal(tmp_path / name).lasting


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_may_get_it_later(scene: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    scene.save(path)
    path.chmod(0)
    assert not refusal(path).lasting
    with pytest.raises(ImageError):
        sha256_of(path)


def test_sha256_is_of_the_files_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ImageError) as caught:
        sha256_of(tmp_path / "gone")
    assert not caught.value.lasting


def survives(path: Path, content: bytes) -> None:
    """`content` is either a picture or refused for a reason of one line."""
    path.write_bytes(content)
    try:
        opened(path)
    except ImageError:
        refusal(path)


ANYTHING = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MAGIC = [
    b"",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"8BPS\0\1",
    b"RIFF\x20\0\0\0WEBPVP8X",
    b"\0\0\0\x1cftypavif\0\0\0\0avifmif1",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"P6 2 2 255 ",
]


@ANYTHING
@given(st.sampled_from(MAGIC), st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(tmp_path: Path, magic: bytes, content: bytes) -> None:
    survives(tmp_path / "random.jpg", magic + content)


@ANYTHING
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", *(["AVIF"] if "AVIF" in Image.SAVE else [])]),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_flipped_bytes_never_raise_anything_else(
    scene: Image.Image, tmp_path: Path, kind: str, in_head: bool, flips: list[tuple[float, int]]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "maker"
    content = bytearray(encoded(scene, kind, **({} if kind in {"GIF", "BMP"} else {"exif": exif})))
    reach = min(len(content), 300) if in_head else len(content)
    for place, value in flips:
        content[int(place * reach)] = value
    survives(tmp_path / "flipped.jpg", bytes(content))


@pytest.mark.parametrize("place", [b"meta", b"iloc", b"pitm", b"mdat", b"av1C"])
def test_a_damaged_avif_is_refused(scene: Image.Image, place: bytes, tmp_path: Path) -> None:
    if "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow writes no AVIF")
    content = encoded(scene, "AVIF")
    begin = content.index(place) + len(place)
    for flipped in range(0, min(60, len(content) - begin), 3):
        survives(tmp_path / "damaged.avif", content[: begin + flipped] + b"\xff\x00" + content[begin + flipped + 2 :])
