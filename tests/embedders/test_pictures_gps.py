"""Where and when a picture was taken, from EXIF: right, or nothing, never an error and never a spoilt picture."""

import math
import struct
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import qdrant_edge as edge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from topicidx.embedders.pictures import Location, open_picture

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

GPS = ExifTags.GPS
BASE = ExifTags.Base
ANYTHING = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

#: EXIF's field types.
ASCII, LONG, RATIONAL, UNDEFINED, SIGNED_LONG, SIGNED, DOUBLE = 2, 4, 5, 7, 9, 10, 12
Field = tuple[int, int, int, bytes]  # tag, type, count, data


def saved(
    path: Path,
    gps: dict[int, object],
    times: dict[int, str] | None = None,
    main: str | None = None,
    **options: object,
) -> Path:
    """A small picture with these GPS fields and times, written by Pillow."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    exif.get_ifd(ExifTags.IFD.Exif).update(times or {})
    if main is not None:
        exif[BASE.DateTime] = main
    # As bytes, for some of Pillow's writers leave out parts of what they are given otherwise.
    Image.new("RGB", (16, 16), "teal").save(path, exif=exif.tobytes(), **options)
    return path


def gps_fields(
    latitude: tuple[float, ...], north: str, longitude: tuple[float, ...], east: str, **others: object
) -> dict[int, object]:
    fields = {
        GPS.GPSLatitudeRef: north,
        GPS.GPSLatitude: tuple(map(IFDRational, latitude)),
        GPS.GPSLongitudeRef: east,
        GPS.GPSLongitude: tuple(map(IFDRational, longitude)),
    }
    return {int(tag): value for tag, value in fields.items()}


def gps_part(place: int, *fields: Field) -> bytes:
    """GPS fields that may hold anything, to lie at `place` of a TIFF."""
    rows, heap = b"", b""
    for tag, kind, count, data in fields:
        if len(data) <= 4:
            rows += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
        else:
            rows += struct.pack("<HHII", tag, kind, count, place + 2 + len(fields) * 12 + 4 + len(heap))
            heap += data
    return struct.pack("<H", len(fields)) + rows + bytes(4) + heap


#: Where the GPS fields of `raw_exif` begin.
GPS_BEGIN = 8 + 2 + 2 * 12 + 4


def raw_exif(*gps: Field) -> bytes:
    """An EXIF block of an orientation (6, on its side), and of these GPS fields."""
    main = struct.pack("<HHHIIHHII", 2, 0x0112, 3, 1, 6, 0x8825, LONG, 1, GPS_BEGIN) + bytes(4)
    return b"II*\0\x08\0\0\0" + main + gps_part(GPS_BEGIN, *gps)


def with_exif(path: Path, exif: bytes) -> Path:
    """A JPEG, stored on its side, with an EXIF block of any bytes."""
    Image.new("RGB", (24, 16), "teal").save(path)
    jpeg = path.read_bytes()
    block = b"Exif\0\0" + exif
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:])
    return path


def rationals(*parts: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<II", *part) for part in parts)


NORTH: Field = (GPS.GPSLatitudeRef, ASCII, 2, b"N\0")
LATITUDE: Field = (GPS.GPSLatitude, RATIONAL, 3, rationals((51, 1), (29, 1), (4272, 100)))
WEST: Field = (GPS.GPSLongitudeRef, ASCII, 2, b"W\0")
LONGITUDE: Field = (GPS.GPSLongitude, RATIONAL, 3, rationals((0, 1), (6, 1), (4896, 100)))
LAMBETH = Location(51.4952, -0.1136)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_the_place_is_read_from_every_format_that_holds_exif(suffix: str, tmp_path: Path) -> None:
    Image.init()
    if Image.EXTENSION.get(suffix) not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {suffix}")
    path = saved(tmp_path / f"here{suffix}", gps_fields((51, 29, 42.72), "N", (0, 6, 48.96), "W"))
    assert open_picture(path, at_least=16).location == LAMBETH


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone.jpg", {"format": "MPO", "save_all": True, "append_images": [Image.new("RGB", (16, 16))]}),
        ("pages.tif", {"save_all": True, "append_images": [Image.new("RGB", (16, 16))]}),
    ],
)
def test_place_and_time_are_read_from_files_of_several_parts(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    fields = gps_fields((51, 29, 42.72), "N", (0, 6, 48.96), "W")
    picture = open_picture(saved(tmp_path / name, fields, {BASE.DateTimeOriginal: NOON}, **options), at_least=16)
    assert (picture.location, picture.taken_at) == (LAMBETH, "2019-06-30T12:00:00")


def test_the_place_is_read_from_a_compressed_tiff(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.new("RGB", (16, 16), "teal").save(path, compression="tiff_lzw")
    tiff = path.read_bytes()
    (begin,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, begin)
    rows = tiff[begin + 2 : begin + 2 + 12 * count]
    # Pillow writes no GPS fields here: the tags move to the end, and with them goes one that points to the fields.
    place = len(tiff) + 2 + 12 * (count + 1) + 4
    tags = struct.pack("<H", count + 1) + rows + struct.pack("<HHII", 0x8825, LONG, 1, place) + bytes(4)
    path.write_bytes(
        tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + tags + gps_part(place, NORTH, LATITUDE, WEST, LONGITUDE)
    )
    assert open_picture(path, at_least=16).location == LAMBETH


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (gps_fields((23, 33, 0), "S", (46, 38, 0), "W"), Location(-23.55, -46.633333)),
        (gps_fields((35, 41, 22.8), "N", (139, 41, 30.12), "E"), Location(35.689667, 139.6917)),
        (gps_fields((35.5, 0, 0), "N", (139.25, 0, 0), "E"), Location(35.5, 139.25)),  # degrees with decimals
        (gps_fields((35, 30.6, 0), "N", (139, 0.6, 0), "E"), Location(35.51, 139.01)),  # minutes with decimals
        (gps_fields((35, 59, 60), "N", (0, 0, 0), "E"), Location(36.0, 0.0)),  # seconds rounded up
        (gps_fields((90, 0, 0), "S", (180, 0, 0), "W"), Location(-90.0, -180.0)),
        (gps_fields((0, 0, 0), "S", (9, 27, 0), "e"), Location(0.0, 9.45)),
        (gps_fields((9, 27, 0), "n", (0, 0, 0), "W"), Location(9.45, 0.0)),
    ],
)
def test_the_four_quarters_of_the_earth(fields: dict[int, object], expected: Location, tmp_path: Path) -> None:
    location = open_picture(saved(tmp_path / "here.jpg", fields), at_least=16).location
    assert str(location) == str(expected)  # zero without a sign


@ANYTHING
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_place_comes_back_as_it_was_written(tmp_path: Path, latitude: float, longitude: float) -> None:
    def sexagesimal(value: float) -> bytes:
        units = round(abs(value) * 3_600_000)
        return rationals((units // 3_600_000, 1), (units // 60_000 % 60, 1), (units % 60_000, 1_000))

    path = with_exif(
        tmp_path / "here.jpg",
        raw_exif(
            (GPS.GPSLatitudeRef, ASCII, 2, b"N\0" if latitude >= 0 else b"S\0"),
            (GPS.GPSLatitude, RATIONAL, 3, sexagesimal(latitude)),
            (GPS.GPSLongitudeRef, ASCII, 2, b"E\0" if longitude >= 0 else b"W\0"),
            (GPS.GPSLongitude, RATIONAL, 3, sexagesimal(longitude)),
        ),
    )
    location = open_picture(path, at_least=16).location
    if location is None:
        assert abs(latitude) < 1e-6
        assert abs(longitude) < 1e-6
    else:
        assert location.latitude == pytest.approx(latitude, abs=1e-6)
        assert location.longitude == pytest.approx(longitude, abs=1e-6)


@pytest.mark.parametrize(
    ("north", "west"),
    [
        ((GPS.GPSLatitudeRef, UNDEFINED, 2, b"N\0"), (GPS.GPSLongitudeRef, UNDEFINED, 2, b"W\0")),
        ((GPS.GPSLatitudeRef, UNDEFINED, 1, b"N"), (GPS.GPSLongitudeRef, ASCII, 1, b"W")),
        ((GPS.GPSLatitudeRef, ASCII, 4, b"n \0\0"), (GPS.GPSLongitudeRef, UNDEFINED, 4, b"w \0\0")),
    ],
)
def test_directions_may_be_bytes_or_text(north: Field, west: Field, tmp_path: Path) -> None:
    path = with_exif(tmp_path / "here.jpg", raw_exif(north, LATITUDE, west, LONGITUDE))
    assert open_picture(path, at_least=16).location == LAMBETH


def latitude(*parts: tuple[int, int]) -> Field:
    return (GPS.GPSLatitude, RATIONAL, len(parts), rationals(*parts))


def longitude(*parts: tuple[int, int]) -> Field:
    return (GPS.GPSLongitude, RATIONAL, len(parts), rationals(*parts))


NO_PLACE = {
    "no GPS fields": (),
    "no direction": (LATITUDE, LONGITUDE),
    "no latitude": (NORTH, WEST, LONGITUDE),
    "no longitude": (NORTH, LATITUDE, WEST),
    "one direction only": (NORTH, LATITUDE, LONGITUDE),
    "directions mixed up": ((GPS.GPSLatitudeRef, ASCII, 2, b"W\0"), LATITUDE, WEST, LONGITUDE),
    "empty directions": ((GPS.GPSLatitudeRef, ASCII, 1, b"\0"), LATITUDE, WEST, LONGITUDE),
    "directions that are numbers": ((GPS.GPSLatitudeRef, LONG, 1, b"\1\0\0\0"), LATITUDE, WEST, LONGITUDE),
    "directions beyond ASCII": ((GPS.GPSLatitudeRef, UNDEFINED, 2, b"\xff\xfe"), LATITUDE, WEST, LONGITUDE),
    "a denominator of zero": (NORTH, latitude((51, 1), (29, 1), (4272, 0)), WEST, LONGITUDE),
    "degrees of a denominator of zero": (NORTH, latitude((51, 0), (29, 1), (42, 1)), WEST, LONGITUDE),
    "nothing over nothing": (NORTH, latitude(*[(0, 0)] * 3), WEST, longitude(*[(0, 0)] * 3)),
    "zeros": (NORTH, latitude(*[(0, 1)] * 3), WEST, longitude(*[(0, 1)] * 3)),
    "beyond the pole": (NORTH, latitude((90, 1), (0, 1), (1, 1)), WEST, LONGITUDE),
    "beyond 180 degrees": (NORTH, LATITUDE, WEST, longitude((180, 1), (0, 1), (1, 1))),
    "enormous": (NORTH, latitude((4_294_967_295, 1), (0, 1), (0, 1)), WEST, LONGITUDE),
    "too many minutes": (NORTH, latitude((51, 1), (61, 1), (0, 1)), WEST, LONGITUDE),
    "too many seconds": (NORTH, latitude((51, 1), (1, 1), (61, 1)), WEST, LONGITUDE),
    "negative": (NORTH, (GPS.GPSLatitude, SIGNED, 3, struct.pack("<iiiiii", -51, 1, 0, 1, 0, 1)), WEST, LONGITUDE),
    "one number": (NORTH, latitude((51, 1)), WEST, LONGITUDE),
    "two numbers": (NORTH, latitude((51, 1), (29, 1)), WEST, LONGITUDE),
    "four numbers": (NORTH, latitude(*[(1, 1)] * 4), WEST, LONGITUDE),
    "text": (NORTH, (GPS.GPSLatitude, ASCII, 8, b"51.4952\0"), WEST, LONGITUDE),
    "bytes": (NORTH, (GPS.GPSLatitude, UNDEFINED, 3, b"\x33\x1d\x2a"), WEST, LONGITUDE),
    "NaN": (NORTH, (GPS.GPSLatitude, DOUBLE, 3, struct.pack("<ddd", math.nan, 0, 0)), WEST, LONGITUDE),
    "infinite": (NORTH, (GPS.GPSLatitude, DOUBLE, 3, struct.pack("<ddd", math.inf, 0, 0)), WEST, LONGITUDE),
    "of an unknown type": (NORTH, (GPS.GPSLatitude, 99, 3, bytes(24)), WEST, LONGITUDE),
    "more numbers than the file has": (NORTH, (GPS.GPSLatitude, RATIONAL, 1_000_000, bytes(24)), WEST, LONGITUDE),
}


@pytest.mark.parametrize("damage", NO_PLACE)
def test_a_place_that_is_none_spoils_neither_the_picture_nor_its_orientation(damage: str, tmp_path: Path) -> None:
    picture = open_picture(with_exif(tmp_path / "odd.jpg", raw_exif(*NO_PLACE[damage])), at_least=16)
    assert picture.location is None
    assert (picture.width, picture.height) == (16, 24)


@pytest.mark.parametrize("offset", [0, 1, 7, 40, 60_000, 4_294_967_295])
def test_gps_fields_said_to_be_elsewhere_are_none(offset: int, tmp_path: Path) -> None:
    begin = GPS_BEGIN.to_bytes(4, "little")
    whole = raw_exif(NORTH, LATITUDE, WEST, LONGITUDE)
    exif = whole.replace(begin, offset.to_bytes(4, "little"), 1)
    assert exif != whole
    picture = open_picture(with_exif(tmp_path / "odd.jpg", exif), at_least=16)
    assert (picture.location, picture.width) == (None, 16)


@pytest.mark.parametrize(("kind", "value"), [(SIGNED_LONG, -5), (ASCII, 0x414141), (UNDEFINED, 0x414141)])
def test_gps_fields_said_to_be_nowhere_are_none(kind: int, value: int, tmp_path: Path) -> None:
    pointer = struct.pack("<HHII", 0x8825, LONG, 1, GPS_BEGIN)
    whole = raw_exif(NORTH, LATITUDE, WEST, LONGITUDE)
    exif = whole.replace(pointer, struct.pack("<HHIi", 0x8825, kind, 1, value))
    assert exif != whole
    picture = open_picture(with_exif(tmp_path / "odd.jpg", exif), at_least=16)
    assert (picture.location, picture.width) == (None, 16)


@pytest.mark.parametrize("kind", range(20))
def test_numbers_of_every_type_are_a_place_or_none(kind: int, tmp_path: Path) -> None:
    exif = raw_exif(NORTH, (GPS.GPSLatitude, kind, 3, LATITUDE[3]), WEST, LONGITUDE)
    picture = open_picture(with_exif(tmp_path / "odd.jpg", exif), at_least=16)
    assert picture.width == 16
    assert (picture.location == LAMBETH) == (kind in {RATIONAL, SIGNED})


@ANYTHING
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=8), st.integers(30, 400))
def test_damaged_gps_fields_never_raise(tmp_path: Path, flips: list[tuple[int, int]], length: int) -> None:
    exif = bytearray(raw_exif(NORTH, LATITUDE, WEST, LONGITUDE))
    for place, value in flips:
        exif[GPS_BEGIN + place % (len(exif) - GPS_BEGIN)] = value
    location = open_picture(with_exif(tmp_path / "odd.jpg", bytes(exif[:length])), at_least=16).location
    if location is not None:
        assert -90 <= location.latitude <= 90
        assert -180 <= location.longitude <= 180


NOON = "2019:06:30 12:00:00"
ZEROS = "0000:00:00 00:00:00"
BLANK = "    :  :     :  :  "


@pytest.mark.parametrize(
    ("original", "digitized", "main", "expected"),
    [
        ("2019:06:30 18:05:09", "2019:07:01 10:00:00", "2020:01:01 00:00:00", "2019-06-30T18:05:09"),
        (None, "2019:07:01 10:00:00", "2020:01:01 00:00:00", "2019-07-01T10:00:00"),
        (None, None, "2020:01:01 00:00:00", "2020-01-01T00:00:00"),
        (ZEROS, "2019:07:01 10:00:00", None, "2019-07-01T10:00:00"),
        (BLANK, ZEROS, "2020:01:01 00:00:00", "2020-01-01T00:00:00"),
        ("2019:02:30 18:05:09", BLANK, "2020:01:01 00:00:00", "2020-01-01T00:00:00"),
        (ZEROS, BLANK, "", None),
        ("    :  :     ", None, None, None),
        ("2019:06:30 25:00:00", None, None, None),
        ("2019:06:30", None, None, None),
        ("２０１９:06:30 18:05:09", None, None, None),
    ],
)
def test_the_time_is_that_of_the_exposure_or_the_next_best(
    original: str | None, digitized: str | None, main: str | None, expected: str | None, tmp_path: Path
) -> None:
    times = {BASE.DateTimeOriginal: original, BASE.DateTimeDigitized: digitized}
    path = saved(tmp_path / "dated.jpg", {}, {int(tag): text for tag, text in times.items() if text is not None}, main)
    assert open_picture(path, at_least=16).taken_at == expected


@pytest.mark.parametrize(
    ("written", "offset", "expected"),
    [
        (NOON, "+02:00", "2019-06-30T12:00:00+02:00"),
        (NOON, "-03:30", "2019-06-30T12:00:00-03:30"),
        (NOON, "Z", "2019-06-30T12:00:00+00:00"),
        (NOON, "+00:00", "2019-06-30T12:00:00+00:00"),
        (NOON, None, "2019-06-30T12:00:00"),
        (NOON, "   :  ", "2019-06-30T12:00:00"),
        (NOON, "+2", "2019-06-30T12:00:00"),
        (NOON, "+25:00", "2019-06-30T12:00:00"),
        (NOON, "+02:75", "2019-06-30T12:00:00"),
        (NOON, "Europe/Paris", "2019-06-30T12:00:00"),
        ("2019-06-30T12:00:00", "+02:00", "2019-06-30T12:00:00+02:00"),
        ("2019:06:30 12:00:00.123", "+02:00", "2019-06-30T12:00:00+02:00"),
        ("2019:06:30 12:00:00+09:00", "+02:00", "2019-06-30T12:00:00+09:00"),
        ("2019:06:30 12:00:00Z", None, "2019-06-30T12:00:00+00:00"),
        ("2019:06:30 12:00:00+99:99", None, "2019-06-30T12:00:00"),
    ],
)
def test_the_offset_from_utc_follows_the_time_where_it_is_one(
    written: str, offset: str | None, expected: str, tmp_path: Path
) -> None:
    times = {int(BASE.DateTimeOriginal): written, int(BASE.SubsecTimeOriginal): "789"}
    if offset is not None:
        times[BASE.OffsetTimeOriginal] = offset
    assert open_picture(saved(tmp_path / "dated.jpg", {}, times), at_least=16).taken_at == expected


def test_each_time_has_an_offset_of_its_own(tmp_path: Path) -> None:
    times = {BASE.DateTimeDigitized: NOON, BASE.OffsetTimeOriginal: "+02:00", BASE.OffsetTimeDigitized: "-08:00"}
    path = saved(tmp_path / "dated.jpg", {}, {int(tag): text for tag, text in times.items()})
    assert open_picture(path, at_least=16).taken_at == "2019-06-30T12:00:00-08:00"


def test_damaged_gps_fields_leave_the_time_and_damaged_times_the_place(tmp_path: Path) -> None:
    no_place = saved(tmp_path / "time.jpg", gps_fields((99, 0, 0), "N", (0, 0, 0), "W"), {BASE.DateTimeOriginal: NOON})
    no_time = saved(
        tmp_path / "place.jpg", gps_fields((51, 29, 42.72), "N", (0, 6, 48.96), "W"), {BASE.DateTimeOriginal: ZEROS}
    )
    picture, other = (open_picture(path, at_least=16) for path in (no_place, no_time))
    assert (picture.location, picture.taken_at) == (None, "2019-06-30T12:00:00")
    assert (other.location, other.taken_at) == (LAMBETH, None)


def test_the_engines_time_index_reads_every_time(tmp_path: Path) -> None:
    written = [
        (NOON, ""),
        (NOON, "+14:00"),
        (NOON, "-12:00"),
        (NOON, "Z"),
        ("0001:01:02 00:00:00", "+14:00"),
        ("9999:12:31 23:59:59", "-12:00"),
    ]
    taken = []
    for number, (text, offset) in enumerate(written):
        times = {int(BASE.DateTimeOriginal): text, int(BASE.OffsetTimeOriginal): offset}
        taken.append(open_picture(saved(tmp_path / f"{number}.jpg", {}, times), at_least=16).taken_at)
    folder = tmp_path / "shard"
    folder.mkdir()
    shard = edge.EdgeShard.create(
        str(folder), edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=1, distance=edge.Distance.Dot))
    )
    shard.update(edge.UpdateOperation.create_field_index("taken_at", edge.PayloadSchemaType.Datetime))
    points = [edge.Point(number, [1.0], {"taken_at": text}) for number, text in enumerate([*taken, "no time"])]
    shard.update(edge.UpdateOperation.upsert_points(points))

    def found(**bounds: str) -> list[int]:
        condition = edge.FieldCondition("taken_at", range=edge.RangeDateTime(**bounds))
        records, _ = shard.scroll(edge.ScrollRequest(limit=99, filter=edge.Filter(must=[condition])))
        return sorted(int(record.id) for record in records)

    assert found(gte="0000-12-31T00:00:00Z") == list(range(len(written)))
    for number, text in enumerate(taken[:4]):
        assert text is not None
        moment = datetime.fromisoformat(text if text.count(":") > 2 else text + "+00:00")
        just = {"gte": moment.isoformat(), "lt": (moment + timedelta(seconds=1)).isoformat()}
        assert number in found(**just)
    shard.close()
