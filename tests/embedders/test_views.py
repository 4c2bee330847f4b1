"""Views: which pixels of a picture a network sees."""

import numpy as np
import pytest
from PIL import Image

from topicidx.embedders.views import center_view, random_view, whole_view


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """48 x 32 with a smooth gradient and a red corner at the top left."""
    y, x = np.mgrid[0:32, 0:48]
    pixels = np.stack([x * 255 // 96, y * 255 // 32, np.full_like(x, 90)], axis=-1).astype(np.uint8)
    pixels[:12, :12] = (250, 20, 20)
    return Image.fromarray(pixels)


def test_the_whole_view_holds_the_whole_picture_squashed(scene: Image.Image) -> None:
    view = whole_view(scene, 20)
    assert view.shape == (20, 20, 3)
    assert view.dtype == np.uint8
    assert tuple(view[1, 1]) == pytest.approx((250, 20, 20), abs=12)
    assert view[10, 19, 0] > view[10, 6, 0]
    assert view[19, 10, 1] > view[9, 10, 1]


def test_the_center_view_is_the_middle_of_the_resized_picture(scene: Image.Image) -> None:
    np.testing.assert_array_equal(center_view(scene, 40, 32), whole_view(scene, 40)[4:36, 4:36])
    np.testing.assert_array_equal(center_view(scene, 32, 32), whole_view(scene, 32))


def test_random_views_are_all_crops_and_their_mirror_images(scene: Image.Image) -> None:
    resized = whole_view(scene, 20)
    crops = [resized[top : top + 18, left : left + 18] for top in range(3) for left in range(3)]
    possible = {crop.tobytes() for crop in crops} | {crop[:, ::-1].tobytes() for crop in crops}
    rng = np.random.default_rng(0)
    seen = [random_view(scene, 20, 18, rng) for _ in range(200)]
    assert {view.shape for view in seen} == {(18, 18, 3)}
    assert {view.tobytes() for view in seen} == possible


def test_random_views_depend_on_the_generator_alone(scene: Image.Image) -> None:
    one, same = ([random_view(scene, 40, 32, rng) for _ in range(5)] for rng in map(np.random.default_rng, (3, 3)))
    np.testing.assert_array_equal(one, same)


def test_a_random_view_as_large_as_the_resized_picture_is_it_or_its_mirror_image(scene: Image.Image) -> None:
    view = random_view(scene, 32, 32, np.random.default_rng(1))
    whole = whole_view(scene, 32)
    assert view.tobytes() in {whole.tobytes(), whole[:, ::-1].tobytes()}


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (7, 5_000)])
def test_extreme_shapes_have_views_too(size: tuple[int, int]) -> None:
    assert whole_view(Image.new("RGB", size), 32).shape == (32, 32, 3)


@pytest.mark.parametrize(
    "size", [(48, 32), (300, 300), (31, 90), (64, 64), (20, 20), (256, 255), (257, 60), (900, 700)]
)
def test_resampling_is_that_of_pillow(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 4 + 1, size[0] // 4 + 1, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR)
    view = whole_view(image, 64).astype(int)
    far = np.abs(view - np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC, reducing_gap=2.0)))
    assert far.max() <= 2
    assert far.mean() < 0.2
