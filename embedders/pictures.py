"""Picture files to pixels: decoding that survives anything a folder may hold."""

import errno
import hashlib
import io
import re
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from topicidx.errors import ImageError
from topicidx.post import PictureFile

#: Endings of the files a folder is searched for; those that cannot be decoded are named among the skipped.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".heic", ".heif"}
)

#: Twice Pillow's own warning level; pictures beyond it are refused as decompression bombs.
MAX_PIXELS = 178_956_970

Pixels = NDArray[np.uint8]

# What Pillow can decode and the suffixes promise; its other formats start programs (EPS) or only pretend to decode.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# EXIF's time, and what programs make of it: other separators, a fraction of a second, an offset in the same field.
_TIME = re.compile(r"([0-9]{4})[:/-]([0-9]{2})[:/-]([0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]*)?(\S{6}|Z|)")
_OFFSET = re.compile(r"[+-](?:0[0-9]|1[0-4]):[0-5][0-9]|Z")
#: Where times are looked for, each with its offset from UTC; the first that is one counts.
_TIME_TAGS = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.OffsetTime),
)

# Damaged files are told by their reasons, and sizes are checked here, against the caller's limit.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class Location:
    """A place on Earth, in degrees (WGS 84): latitude -90 to 90, north positive, longitude -180 to 180, east positive."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: upright RGB pixels, reduced but at least as large as asked for, and facts of its file.

    width and height are those of the full, upright picture, in pixels. taken_at is EXIF's local time in ISO 8601, to the
    second: `2019-06-30T18:05:09+02:00` where EXIF tells the offset from UTC, `2019-06-30T18:05:09` where it does not.
    location is where EXIF's GPS fields say that the picture was taken. What is damaged or left blank is None.
    """

    image: Image.Image
    width: int
    height: int
    taken_at: str | None
    location: Location | None = None


def open_picture(path: PictureFile, *, at_least: int, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode the picture at `path`, with large JPEGs reduced while decoding to no less than `at_least` pixels a side.

    Raises ImageError, whose text is the reason, for whatever is no whole picture of at most `max_pixels` pixels.
    """
    _check_file(path)
    try:
        with Image.open(path if isinstance(path, Path) else io.BytesIO(_bytes_of(path)), formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                reason = f"{image.width} x {image.height} pixels are more than the {max_pixels:,} allowed"
                raise ImageError(reason, lasting=False)  # the limit may be raised
            size = image.size
            image.draft("RGB", (at_least, at_least))
            image.load()
            orientation, taken_at, location = _exif_of(image)
            pixels = _to_rgb(image)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"too many pixels for a picture: {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError("not a picture in any known format") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise _unreachable(error) from error
        # What Pillow's decoders raise for damaged files; it documents no common root.
        raise ImageError(f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}") from error
    width, height = reversed(size) if orientation in {5, 6, 7, 8} else size
    upright = pixels.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else pixels
    return Picture(upright, width, height, taken_at, location)


def sha256_of(path: PictureFile) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits. Raises ImageError where it cannot be read, or is empty."""
    _check_file(path)
    if not isinstance(path, Path):
        return hashlib.sha256(_bytes_of(path)).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreachable(error) from error


def _bytes_of(file: PictureFile) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _unreachable(error) from error
    if not data:
        raise ImageError("the file is empty")
    return data


def _check_file(path: PictureFile) -> None:
    if not isinstance(path, Path):
        return  # what it is shows when it is read
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise _unreachable(error) from error
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a file")
    if status.st_size == 0:
        raise ImageError("the file is empty")


def _unreachable(error: Exception) -> ImageError:
    return ImageError(getattr(error, "strerror", None) or str(error), lasting=False)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"I;16", "I;16B", "I;16L", "I"}:  # Pillow's own conversion clips sixteen bits to eight
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # which copies even where there is nothing to convert


def _exif_of(image: Image.Image) -> tuple[int, str | None, Location | None]:
    """Orientation (1 is upright), time and place; damaged EXIF counts as none, for the picture itself may be whole."""
    try:
        exif = image.getexif()
        main = {tag: exif.get(tag) for tag in (ExifTags.Base.Orientation, ExifTags.Base.DateTime)}
    except Exception:
        return 1, None, None
    orientation = main.get(ExifTags.Base.Orientation)
    taken_at = _time_of(main | _part(exif, ExifTags.IFD.Exif))
    location = _location_of(_part(exif, ExifTags.IFD.GPSInfo))
    return (orientation if isinstance(orientation, int) else 1), taken_at, location


def _part(exif: Image.Exif, part: ExifTags.IFD) -> dict[int, object]:
    """A part of the EXIF that has tags of its own; each may be damaged by itself."""
    try:
        return exif.get_ifd(part)
    except Exception:
        return {}


def _time_of(tags: Mapping[int, object]) -> str | None:
    for time_tag, offset_tag in _TIME_TAGS:
        written = _TIME.fullmatch(_text(tags.get(time_tag)))
        if written is None:
            continue
        year, month, day, time, offset = written.groups()
        offset = next((found for found in (offset, _text(tags.get(offset_tag))) if _OFFSET.fullmatch(found)), "")
        try:
            return datetime.fromisoformat(f"{year}-{month}-{day}T{time}{offset}").isoformat()
        except ValueError:  # a day that is not in the calendar; cameras write zeros until their clock is set
            continue
    return None


def _location_of(gps: Mapping[int, object]) -> Location | None:
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS", limit=90)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW", limit=180)
    # Devices that have not found their place write zeros.
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None
    return Location(latitude, longitude)


def _degrees(angle: object, reference: object, directions: str, *, limit: int) -> float | None:
    """Degrees to a tenth of a metre, from degrees, minutes and seconds and the direction (positive, negative) they go."""
    direction = _text(reference).upper()
    if not (isinstance(angle, tuple) and len(angle) == 3):  # tuples are of numbers; Pillow has other types for text
        return None
    degrees, minutes, seconds = map(float, angle)
    total = round(degrees + minutes / 60 + seconds / 3600, 6)
    # NaN, which is what Pillow makes of a denominator of zero, fails every comparison.
    if not (degrees >= 0 and 0 <= minutes <= 60 and 0 <= seconds <= 60 and total <= limit):
        return None
    return {directions[0]: total, directions[1]: 0.0 - total}.get(direction)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value.strip("\0 \t\r\n") if isinstance(value, str) else ""
