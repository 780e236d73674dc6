"""Bicubic resizing: the official code's numbers, the archives' LR images, and what any resize must satisfy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from spsr.errors import InputError
from spsr.images import image_index, read_rgb, select_role
from spsr.resize import Border, imresize, imresize_stepwise_uint8, to_uint8

images = arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=24))
borders = st.sampled_from(["mirror", "replicate"])


@pytest.mark.parametrize("name", ["a", "b"])
def test_official_code_gives_the_same_small_and_large_images(golden: Path, name: str) -> None:
    reference = np.load(golden / "imresize.npz")
    image = reference[f"{name}_u8"]
    np.testing.assert_allclose(imresize(image / 255, 0.25), reference[f"{name}_down_float"], atol=1e-6)
    np.testing.assert_allclose(imresize(image, 0.25), reference[f"{name}_down_u8range"], atol=5e-5)
    np.testing.assert_allclose(imresize(image[:12, :10] / 255, 4), reference[f"{name}_up_float"], atol=1e-6)
    np.testing.assert_array_equal(to_uint8(imresize(image, 0.25)), reference[f"{name}_down_png_u8"])
    bicubic = to_uint8(imresize(imresize(image, 0.25), 4))
    np.testing.assert_array_equal(bicubic, reference[f"{name}_bic_png_u8"])


@pytest.mark.parametrize(("dataset", "count"), [("Set5", 5), ("Set14", 14), ("BSD100", 100)])
def test_replicate_rule_gives_the_archives_lr_images_bit_by_bit(shared_data: Path, dataset: str, count: int) -> None:
    index = image_index(shared_data / "benchmarks" / dataset)
    hr_images = select_role(index, "HR")
    assert len(hr_images) == count
    different = [
        stem
        for stem, path in hr_images.items()
        if not np.array_equal(
            imresize_stepwise_uint8(read_rgb(path), 0.25), read_rgb(index[stem.removesuffix("HR") + "LR"])
        )
    ]
    assert not different


@given(images, st.floats(0.1, 5), borders)
def test_sizes_are_rounded_up_and_channels_are_kept(image: np.ndarray, scale: float, border: Border) -> None:
    result = imresize(image, scale, border)
    assert result.dtype == np.float64
    assert result.shape[:2] == tuple(int(np.ceil(side * scale)) for side in image.shape[:2])
    assert result.shape[2:] == image.shape[2:]


@given(st.integers(0, 255), st.integers(1, 30), st.integers(1, 30), st.floats(0.05, 6), borders)
def test_a_flat_image_stays_flat(level: int, height: int, width: int, scale: float, border: Border) -> None:
    image = np.full((height, width), level, np.uint8)
    np.testing.assert_allclose(imresize(image, scale, border), level, atol=1e-10)


@given(images, borders)
def test_scale_one_changes_nothing(image: np.ndarray, border: Border) -> None:
    np.testing.assert_array_equal(imresize(image, 1, border), image)


@given(images, st.sampled_from([0.25, 0.5, 2, 4, 3.0]), borders)
def test_mirroring_or_turning_the_image_does_the_same_to_the_result(
    image: np.ndarray, scale: float, border: Border
) -> None:
    if scale < 1:
        image = image.repeat(4, axis=0).repeat(4, axis=1)
    result = imresize(image, scale, border)
    np.testing.assert_allclose(imresize(image[::-1], scale, border), result[::-1], atol=1e-9)
    np.testing.assert_allclose(imresize(image[:, ::-1], scale, border), result[:, ::-1], atol=1e-9)
    np.testing.assert_allclose(imresize(image.swapaxes(0, 1), scale, border), result.swapaxes(0, 1), atol=1e-9)


@settings(max_examples=30)
@given(arrays(np.float64, (12, 16), elements=st.floats(-1, 1)), arrays(np.float64, (12, 16), elements=st.floats(-1, 1)))
def test_resizing_is_linear(first: np.ndarray, second: np.ndarray) -> None:
    both = imresize(2 * first - 3 * second, 0.25)
    np.testing.assert_allclose(both, 2 * imresize(first, 0.25) - 3 * imresize(second, 0.25), atol=1e-12)


def test_borders_differ_only_near_the_edge() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    mirror, replicate = imresize(image, 0.25), imresize(image, 0.25, "replicate")
    np.testing.assert_array_equal(mirror[2:-2, 2:-2], replicate[2:-2, 2:-2])
    assert np.abs(mirror - replicate).max() > 1


def test_halves_are_rounded_up_and_values_clipped() -> None:
    np.testing.assert_array_equal(to_uint8(np.array([-3.0, 0.5, 1.5, 2.49, 300])), [0, 1, 2, 2, 255])


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_a_scale_that_is_no_factor_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="scale"):
        imresize(np.zeros((4, 4)), scale)


def test_empty_images_unknown_borders_and_float_input_to_the_8_bit_rule_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(0, 4\)"):
        imresize(np.zeros((0, 4)), 2)
    with pytest.raises(InputError, match="'wrap'"):
        imresize(np.zeros((4, 4)), 2, "wrap")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="uint8"):
        imresize_stepwise_uint8(np.zeros((4, 4)), 0.25)  # type: ignore[arg-type]
