"""The operations page: its table of sizes follows from what is said above it, and its links lead somewhere."""

import re

import pytest

from doubles.deployed import ROOT

PAGE = ROOT / "docs" / "operations.md"
UNITS = {"MB": 1e6, "GB": 1e9, "TB": 1e12, "ms": 1e-3, "s": 1.0}
FROM_HERE_8_BITS = 500_000


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bytes_a_picture(text: str) -> tuple[int, int]:
    """Exact, and with 8 bits."""
    found = re.search(r"\*\*together: exact / with 8 bits\*\* \| \*\*([\d,]+) / ([\d,]+)\*\*", text)
    assert found is not None
    return _number(found[1]), _number(found[2])


def test_parts_add_up(text: str, bytes_a_picture: tuple[int, int]) -> None:
    parts = re.findall(r"^\| [^*|]+ \| ([\d,]+) \| [^|]*\|$", text.partition("**together")[0], re.MULTILINE)
    vector, quantized, *others = map(_number, parts)
    assert len(others) == 3
    assert bytes_a_picture == pytest.approx((vector + sum(others), vector + quantized + sum(others)), rel=0.003)


def test_sizes_follow_from_bytes_a_picture(text: str, bytes_a_picture: tuple[int, int]) -> None:
    exact, with_8_bits = bytes_a_picture
    rows = [
        [cell.strip() for cell in line.strip("| \n").split("|")]
        for line in text.splitlines()
        if re.match(r"\| 1[0,]+ \|", line)
    ]
    assert [_number(row[0]) for row in rows] == [10**power for power in range(4, 10)]
    for pictures, folder, disk, whole, in_8_bits, _, times in rows:
        count = _number(pictures)
        of_folder = 2 * (exact if count < FROM_HERE_8_BITS else with_8_bits)
        assert not folder or _size(folder) == pytest.approx(count * of_folder, rel=0.02)
        assert _size(disk) == pytest.approx(count * with_8_bits, rel=0.02)
        assert _size(whole) == pytest.approx(count * 500 * 4 * 1.5, rel=0.02)
        assert _size(in_8_bits) == pytest.approx(count * 500 * 1 * 1.5, rel=0.1)
        slow, _, fast = times.partition("/")
        assert _size(slow) == pytest.approx(count * 100e-9, rel=0.02)
        assert count < FROM_HERE_8_BITS or _size(fast) == pytest.approx(count * 30e-9, rel=0.02)


def test_days_of_encoding_follow_from_the_speed_of_decoding(text: str) -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    assert len(rows) == 3
    for cores, speed, *days in rows:
        assert _number(speed) == int(cores) * 290
        for gpus, written in zip((1, 8, 64), days, strict=True):
            assert float(written) == pytest.approx(1e9 / (int(cores) * 290 * gpus) / 86_400, abs=0.06)


def test_figures_are_those_of_the_benchmarks(text: str) -> None:
    measured = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for figure in ("| 583 |", "| 91 | 0.27 |", "| 2,208 |", "| 2,712 |"):
        assert figure in measured, figure
    assert "583 on two" in text
    assert "0.27 TFLOP/s at 91 images/s" in text


def test_links_lead_somewhere(text: str) -> None:
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text)]
    assert targets
    assert all((PAGE.parent / target).exists() for target in targets if "://" not in target)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _size(text: str) -> float:
    number, unit = text.split()
    return float(number) * UNITS[unit]
